# SPDX-License-Identifier: MIT
#
# Included by the Makefile: the fuzzers, with libFuzzer, under sanitizers.

.PHONY: fuzz fuzz-long fuzzers

# tests/fuzz/fuzz_NAME.c is a fuzzer, the other files there are what they share.
# What is fuzzed is watched by libFuzzer; the checksum is not, for it is slow and
# has no branches of interest.
FUZZ_CC     := clang
FUZZ_C      := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ        := $(FUZZ_C:tests/fuzz/%.c=$(B)/fuzz/%)
FUZZ_FLAGS  := $(COMMON) -O2 -DPERDURE_VERSION='"$(VERSION)"' -fno-omit-frame-pointer
FUZZ_SANE   := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZED_C    := $(filter-out %/main.c %/failure.c,$(HOST_C))
# Comparisons are watched as well where inputs are text; elsewhere that would be
# half of the time.
FUZZ_TRACED  := tools/mkstore/manifest.c tools/mkstore/command.c tools/mkstore/text.c base/quantity.c
FUZZ_COVERED := -fsanitize-coverage=inline-8bit-counters,pc-table
Z := $(B)/fuzzed

$(Z)/tests/fuzz/%.o: tests/fuzz/%.c Makefile | need-build need-fuzz
	$(SAY) clang $@ && mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=address -c $< -o $@
$(Z)/store/media/checksum.o: store/media/checksum.c Makefile | need-build need-fuzz
	$(SAY) clang $@ && mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_FLAGS) -c $< -o $@
$(Z)/%.o: %.c Makefile | need-build need-fuzz
	$(SAY) clang $@ && mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_FLAGS) $(FUZZ_SANE) \
		$(if $(filter $(FUZZ_TRACED),$<),-fsanitize=fuzzer-no-link,$(FUZZ_COVERED)) -c $< -o $@
$(Z)/all.a: $(FUZZED_C:%.c=$(Z)/%.o) \
		$(patsubst %.c,$(Z)/%.o,$(filter-out $(FUZZ_C) %/standalone.c,$(wildcard tests/fuzz/*.c)))
	$(SAY) ar $@ && rm -f $@ && ar rcsT $@ $^ 2>/dev/null
$(B)/fuzz/%: $(Z)/tests/fuzz/%.o $(Z)/all.a
	$(SAY) ld $@ && mkdir -p $(@D) && $(FUZZ_CC) -fsanitize=fuzzer,address,undefined $^ -llz4 -o $@

fuzzers: $(FUZZ)
fuzz: $(FUZZ) programs
	@$(PYTHON) tests/run.py fuzz
fuzz-long: $(FUZZ) programs
	@$(PYTHON) tests/run.py fuzz --long $(MINUTES)
