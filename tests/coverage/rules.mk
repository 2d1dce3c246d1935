# SPDX-License-Identifier: MIT
#
# Included by the Makefile: which lines and branches of store/ no test reaches.
# Only store/ is instrumented; what drives it is built beside it.

.PHONY: coverage

C := $(B)/coverage
COVERED_UNIT  := $(patsubst %.c,$(C)/%,$(wildcard tests/unit/store/test_*.c tests/unit/objects/test_store_*.c))
COVERED_FUZZ  := $(C)/fuzz_store $(C)/fuzz_decode $(C)/fuzz_stream
COVERED_O     := $(STORE_C:%.c=$(C)/%.o)
COVERED_BESIDE_C := $(filter-out %/main.c %/failure.c $(STORE_C),$(HOST_C))
COVERED_FUZZ_O := $(patsubst %,$(C)/beside/tests/fuzz/%.o,fuzz disk engine base bases edit mutate standalone)
COVERED_SIM_O := $(patsubst %.c,$(C)/beside/%.o,$(filter-out $(STORE_C),$(SIM_C)))

$(C)/store/%.o: store/%.c Makefile | need-build
	$(SAY) gcov $@ && mkdir -p $(@D) && $(CC) $(COMMON) -O0 --coverage -c $< -o $@
$(C)/beside/%.o: %.c Makefile | need-build need-test
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(COMMON) -O1 -Wno-maybe-uninitialized -DPERDURE_VERSION='"$(VERSION)"' -c $< -o $@
$(C)/beside.a: $(COVERED_BESIDE_C:%.c=$(C)/beside/%.o)
	$(SAY) ar $@ && rm -f $@ && ar rcsT $@ $^ 2>/dev/null
$(C)/tests/unit/%: $(C)/beside/tests/unit/%.o $(COVERED_O) $(C)/beside/tools/mkstore/failure.o $(C)/beside.a
	$(SAY) ld $@ && mkdir -p $(@D) && $(CC) --coverage $^ -llz4 -lcmocka -o $@
$(C)/sim: $(COVERED_SIM_O) $(COVERED_O)
	$(SAY) ld $@ && $(CC) --coverage $^ -llz4 -o $@
$(C)/fuzz_%: $(C)/beside/tests/fuzz/fuzz_%.o $(COVERED_FUZZ_O) $(COVERED_O) $(C)/beside.a
	$(SAY) ld $@ && $(CC) --coverage $^ -llz4 -o $@

coverage: $(COVERED_UNIT) $(COVERED_FUZZ) $(C)/sim
	@$(PYTHON) tests/coverage/report.py $(C)
