# SPDX-License-Identifier: MIT
#
# Builds Perdure: kernel, user programs, mkstore and the disk image, all below
# build/.  `make help` lists what there is to ask for.

SHELL         := /bin/bash
MAKEFLAGS     += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

B       := build
CC      := gcc
PYTHON  := /usr/bin/python3
IMAGE   := $(B)/perdure.img
SIZE    := 1G
SECTOR  := 512
MANIFEST := disk/system.manifest
VERSION := 0.1

LZ4_VERSION := 1.9.4-1
LZ4_SHA256  := 0b0e3aa07c8c063ddf40b082bdf7e37a1562bda40a0ff5272957f3e987e0e54b

# One short line per step; V=1 shows the commands.
SAY = $(if $(V),,@)echo " "

# ---- sources ---------------------------------------------------------------------

tree = $(sort $(foreach file,$(wildcard $1/*),$(call tree,$(file),$2) $(filter $2,$(file))))

BASE_C    := base/calendar.c base/quantity.c base/text.c
DISK_C    := disk/layout.c
STORE_C   := $(call tree,store,%.c)
OBJECTS_C := $(call tree,objects,%.c)
MKSTORE_C := $(call tree,tools/mkstore,%.c)
# The kernel can send and receive one day: it is compiled for that by `make check`.
NOT_YET_C := store/stream.c
KERNEL_C  := $(call tree,kernel,%.c) $(call tree,drivers,%.c) $(filter-out $(NOT_YET_C),$(STORE_C)) $(OBJECTS_C) $(DISK_C) \
	$(BASE_C) base/string.c
KERNEL_S  := $(call tree,kernel,%.S) $(call tree,drivers,%.S)
LIBRARY_C := $(wildcard user/lib/*.c) $(BASE_C) base/string.c kernel/loader.c
LIBRARY_S := $(wildcard user/lib/*.S)
SHELL_C   := $(wildcard user/shell/*.c)
PROGRAMS  := $(sort shell $(basename $(notdir $(wildcard user/programs/*.c))) \
	$(notdir $(patsubst %/,%,$(wildcard user/programs/*/))))

# ---- flags -----------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Werror
COMMON   := -std=gnu11 -g $(WARNINGS) -I. -MMD -MP -ffile-prefix-map=$(CURDIR)=.
# Asked for by the recipes' shell: there may be no gcc yet when this is read.
GCC_INCLUDE  := $$($(CC) -print-file-name=include)
FREESTANDING := -ffreestanding -nostdinc -isystem $(GCC_INCLUDE)

KERNEL_FLAGS := $(COMMON) $(FREESTANDING) -isystem base/include -isystem $(B)/third_party/xxhash \
	-isystem $(B)/third_party/lz4 -O2 -mcmodel=kernel -mgeneral-regs-only -mno-red-zone -fno-pic \
	-fno-pie -fstack-protector-strong -mstack-protector-guard=global -fno-omit-frame-pointer \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -DPERDURE_VERSION='"$(VERSION)"'
LZ4_FLAGS := -DLZ4_FREESTANDING=1 -DLZ4_memcpy=__builtin_memcpy -DLZ4_memmove=__builtin_memmove \
	-DLZ4_memset=__builtin_memset
KERNEL_LINK := -nostdlib -static -no-pie -Wl,-T,kernel/x86_64/kernel.ld -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--fatal-warnings
USER_FLAGS := $(COMMON) $(FREESTANDING) -isystem base/include \
	-O2 -fPIE -fno-stack-protector -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
USER_LINK := -static-pie -nostdlib -Wl,-z,separate-code -Wl,-z,noexecstack -Wl,-z,now \
	-Wl,-z,max-page-size=4096 -Wl,--no-dynamic-linker -Wl,--build-id=none \
	-Wl,--gc-sections -Wl,--strip-debug
HOST_FLAGS := $(COMMON) -O2 -DPERDURE_VERSION='"$(VERSION)"'
TEST_FLAGS := $(COMMON) -O1 -DPERDURE_VERSION='"$(VERSION)"' -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all

# ---- what there is to ask for ------------------------------------------------------

.PHONY: all kernel programs mkstore image run run-window fresh unit test test-long machines check reference bench \
	bench-store deps need-build need-run need-window need-test need-check need-bench need-fuzz clean help

all: image

kernel: $(B)/perdure/kernel.elf
mkstore: $(B)/mkstore
programs: $(PROGRAMS:%=$(B)/user/%.elf)

# What is missing is installed; asking takes milliseconds.
need-build need-run need-window need-test need-check need-bench need-fuzz: need-%:
	@tools/build/deps.sh $*
deps:
	@tools/build/deps.sh build run window test check bench fuzz

clean:
	rm -rf $(filter-out $(B)/third_party,$(wildcard $(B)/*))

help:
	@sed -n 's/^#: \?//p' Makefile

# ---- third-party sources, never committed ------------------------------------------

$(B)/third_party/lz4/lz4.c: | need-build
	@tools/build/lz4.sh $(B)/third_party $(LZ4_VERSION) $(LZ4_SHA256)
$(B)/third_party/lz4/lz4.h: $(B)/third_party/lz4/lz4.c ;
$(B)/third_party/xxhash/xxhash.h: | need-build
	@mkdir -p $(@D) && cp /usr/include/xxhash.h $@
THIRD_PARTY := $(B)/third_party/lz4/lz4.h $(B)/third_party/xxhash/xxhash.h

# ---- kernel ------------------------------------------------------------------------

KERNEL_O := $(KERNEL_C:%.c=$(B)/kernel/%.o) $(KERNEL_S:%=$(B)/kernel/%.o) $(B)/kernel/lz4.o $(B)/kernel/font.o

$(B)/kernel/%.o: %.c Makefile | $(THIRD_PARTY)
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(KERNEL_FLAGS) -c $< -o $@
$(B)/kernel/%.S.o: %.S Makefile | need-build
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(KERNEL_FLAGS) -c $< -o $@
# GRUB's font of ASCII, for the kernel's lines on a screen of pixels.
$(B)/kernel/font.o: | need-build
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(KERNEL_FLAGS) -x c -c /usr/share/grub/ascii.h -o $@
$(B)/kernel/lz4.o: $(B)/third_party/lz4/lz4.c
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(KERNEL_FLAGS) $(LZ4_FLAGS) -w -c $< -o $@

# Linked twice: the second time with the table of function names that the first
# linking tells, for the call chains of panics.
$(B)/perdure/first.elf: $(KERNEL_O) kernel/x86_64/kernel.ld
	$(SAY) ld $@ && mkdir -p $(@D) && $(CC) $(KERNEL_LINK) $(KERNEL_O) -o $@
$(B)/perdure/symbols.S: $(B)/perdure/first.elf $(wildcard kernel/x86_64/symbols.*)
	$(SAY) symbols $@ && $(PYTHON) kernel/x86_64/symbols.py $< >$@
$(B)/perdure/symbols.o: $(B)/perdure/symbols.S
	$(SAY) cc $@ && $(CC) $(KERNEL_FLAGS) -c $< -o $@
$(B)/perdure/kernel.debug: $(KERNEL_O) $(B)/perdure/symbols.o
	$(SAY) ld $@ && $(CC) $(KERNEL_LINK) $^ -o $@
$(B)/perdure/kernel.elf: $(B)/perdure/kernel.debug
	$(SAY) strip $@ && objcopy --strip-all $< $@

# ---- user programs: static position-independent executables --------------------------

LIBRARY_O := $(LIBRARY_C:%.c=$(B)/ring3/%.o) $(LIBRARY_S:%=$(B)/ring3/%.o)

$(B)/ring3/%.o: %.c Makefile | need-build
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(USER_FLAGS) -c $< -o $@
$(B)/ring3/%.S.o: %.S Makefile | need-build
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(USER_FLAGS) -c $< -o $@
# A program is a file in user/programs/, or a folder there or, the shell, in user/.
.SECONDEXPANSION:
$(B)/user/%.elf: $$(addsuffix .o,$$(addprefix $(B)/ring3/,$$(basename $$(wildcard \
		user/programs/$$*.c user/programs/$$*/*.c user/$$*/*.c)))) $(LIBRARY_O)
	$(SAY) ld $@ && mkdir -p $(@D) && $(CC) $(USER_LINK) $^ -o $@

# ---- mkstore and the simulator -------------------------------------------------------

VERIFY_C := $(wildcard tools/verify/*.c)
SIM_C    := $(call tree,tests/sim,%.c) $(STORE_C) $(BASE_C) $(filter-out tools/verify/objects%,$(VERIFY_C))
# What mkstore shares with the kernel beside store/ and objects/.
SHARED_C := $(wildcard kernel/loader.c drivers/gpt*.c)
HOST_C   := $(MKSTORE_C) $(VERIFY_C) $(STORE_C) $(OBJECTS_C) $(BASE_C) $(SHARED_C)

$(B)/host/%.o: %.c Makefile | need-build
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(HOST_FLAGS) -c $< -o $@
$(B)/mkstore: $(HOST_C:%.c=$(B)/host/%.o)
	$(SAY) ld $@ && $(CC) $^ -llz4 -o $@
# The simulator is worth what it gets through: it is made as one piece, for this processor.
# The loader of programs knows all that the level asks of processor and system.
LEVEL_3   := $(shell /lib64/ld-linux-x86-64.so.2 --help 2>/dev/null | grep -o 'x86-64-v3 .supported')
SIM_FLAGS := $(HOST_FLAGS) -O3 -flto=auto $(if $(LEVEL_3),-march=x86-64-v3)
$(B)/fast/%.o: %.c Makefile | need-build
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(SIM_FLAGS) -c $< -o $@
$(B)/sim: $(SIM_C:%.c=$(B)/fast/%.o)
	$(SAY) ld $@ && $(CC) -flto=auto $^ -llz4 -o $@
$(B)/sim-asan: $(SIM_C:%.c=$(B)/sanitized/%.o)
	$(SAY) ld $@ && $(CC) -fsanitize=address,undefined $^ -llz4 -o $@

# ---- the benchmark of the store, beside others ---------------------------------------

BENCH_O := $(patsubst %.c,$(B)/host/%.o,$(call tree,bench/store,%.c))

$(BENCH_O): | need-bench
$(B)/store-bench: $(BENCH_O) $(patsubst %.c,$(B)/host/%.o,$(STORE_C) $(BASE_C) \
		tools/mkstore/file_device.c tools/mkstore/failure.c)
	$(SAY) ld $@ && $(CC) $^ -llmdb -lsqlite3 -llz4 -o $@

# ---- unit tests, under sanitizers ----------------------------------------------------

# One executable per file.  It takes what it needs from an archive: everything
# that runs on the host; the user library; the drivers; or objects/ over a fake store.
UNIT_C := $(shell find tests/unit -name 'test_*.c' -o -name '*_test.c' 2>/dev/null)
UNIT   := $(UNIT_C:tests/unit/%.c=$(B)/unit/%)
ARCHIVED_C := $(filter-out %/main.c,$(HOST_C)) \
	kernel/checkpoint.c kernel/console.c kernel/console_line.c kernel/console_store.c kernel/mapping.c \
	kernel/options.c kernel/print.c \
	kernel/request.c kernel/service_past.c kernel/x86_64/multiboot.c kernel/x86_64/root.c
RING3_C    := $(filter-out %/string.c,$(LIBRARY_C) $(filter-out %/main.c,$(SHELL_C)))
S := $(B)/sanitized

$(S)/%.o: %.c Makefile | need-build need-test
	$(SAY) cc $@ && mkdir -p $(@D) && $(CC) $(TEST_FLAGS) -c $< -o $@
$(S)/host.a: $(ARCHIVED_C:%.c=$(S)/%.o)
$(S)/user.a: $(RING3_C:%.c=$(S)/%.o)
$(S)/drivers.a: $(patsubst %.c,$(S)/%.o,$(call tree,drivers,%.c)) $(S)/tools/mkstore/failure.o
# What the kernel does for machines, for calls over the fake store: these, and all objects.
CALLS  := syscall deliver bond park task wait share time fault print safe terminal essential tell
$(S)/calls.a: $(CALLS:%=$(S)/kernel/%.o) $(patsubst %.c,$(S)/%.o,$(wildcard kernel/service*.c)) \
	$(S)/tests/unit/kernel/fake_devices.o
$(S)/fake.a: $(patsubst %.c,$(S)/%.o,$(OBJECTS_C) $(BASE_C)) $(S)/tests/unit/objects/fake_store.o
$(S)/%.a:
	$(SAY) ar $@ && rm -f $@ && ar rcsT $@ $^ 2>/dev/null

UNIT_LINK = $(SAY) ld $@ && mkdir -p $(@D) && $(CC) -fsanitize=address,undefined $^ -llz4 -lcmocka -o $@
$(B)/unit/user/%: $(S)/tests/unit/user/%.o $(S)/user.a
	$(UNIT_LINK)
# Hostile files are made from a real program.
$(B)/unit/kernel/test_loader: | $(B)/user/hello.elf
$(B)/unit/drivers/%: $(S)/tests/unit/drivers/%.o $(S)/drivers.a
	$(UNIT_LINK)
$(B)/unit/kernel/test_fake_%: $(S)/tests/unit/kernel/test_fake_%.o $(S)/tests/unit/kernel/fake_kernel.o \
		$(S)/calls.a $(S)/fake.a
	$(UNIT_LINK)
$(B)/unit/objects/test_fake_%: $(S)/tests/unit/objects/test_fake_%.o $(S)/fake.a
	$(UNIT_LINK)
$(B)/unit/%: $(S)/tests/unit/%.o $(S)/host.a
	$(UNIT_LINK)

unit: $(UNIT)
	@$(PYTHON) tests/run.py unit

# ---- fuzzers, coverage ----------------------------------------------------------------

include tests/fuzz/rules.mk tests/coverage/rules.mk

# ---- the image -----------------------------------------------------------------------

GRUB_MODULES := part_gpt fat normal test configfile serial terminal multiboot2 reboot halt minicmd echo
P := $(B)/perdure

$(P)/core.img: Makefile | need-build
	$(SAY) grub $@ && mkdir -p $(@D) && grub-mkimage -O i386-pc -p '(,gpt2)/perdure' -o $@ biosdisk $(GRUB_MODULES)
$(P)/boot-4096.img: disk/boot-4096.S | need-build
	$(SAY) ld $@ && mkdir -p $(@D) && $(CC) -m32 -nostdlib -static -Wl,--build-id=none,-Ttext=0x7c00 \
		-Wl,--oformat=binary -o $@ $<
$(P)/bootx64.efi: Makefile | need-build
	$(SAY) grub $@ && mkdir -p $(@D) && grub-mkimage -O x86_64-efi -p /perdure -o $@ efi_gop $(GRUB_MODULES)
$(P)/esp.img: $(P)/bootx64.efi $(P)/kernel.elf disk/grub.cfg tools/build/image.py
	$(SAY) fat $@ && $(PYTHON) tools/build/image.py fat $@ $(P)/bootx64.efi=/EFI/BOOT/BOOTX64.EFI \
		$(P)/kernel.elf=/perdure/kernel.elf disk/grub.cfg=/perdure/grub.cfg

IMAGE_INPUTS  := $(P)/esp.img $(P)/core.img $(P)/boot-4096.img $(B)/mkstore programs
IMAGE_OPTIONS := --size $(SIZE) --esp $(P)/esp.img --core $(P)/core.img --mkstore $(B)/mkstore \
	--manifest $(MANIFEST) --files $(B)/user --sector $(SECTOR) \
	$(if $(IDENTITY),--identity $(IDENTITY))

# An image that is there is kept; only its kernel is replaced by a newer one.
image: $(IMAGE_INPUTS)
	@$(PYTHON) tools/build/image.py ensure $(IMAGE) $(IMAGE_OPTIONS)
fresh: $(IMAGE_INPUTS)
	@$(PYTHON) tools/build/image.py fresh $(IMAGE) $(IMAGE_OPTIONS) $(if $(YES),--yes)
$(B)/perdure.img: image ;

run: image | need-run
	@tools/build/run.sh terminal $(IMAGE)
run-window: image | need-run need-window
	@tools/build/run.sh window $(IMAGE)

# ---- tests ---------------------------------------------------------------------------

check: $(NOT_YET_C:%.c=$(B)/kernel/%.o) | need-build need-check need-bench
	@$(PYTHON) tests/check/run.py
reference: | need-build
	@$(PYTHON) tools/reference/reference.py
test: $(UNIT) $(FUZZ) $(B)/sim $(B)/sim-asan $(IMAGE_INPUTS) | need-run need-test
	@$(PYTHON) tests/run.py
test-long: $(UNIT) $(B)/sim $(B)/sim-asan $(IMAGE_INPUTS) | need-run need-test
	@$(PYTHON) tests/run.py --long $(MINUTES)
machines: $(IMAGE_INPUTS) | need-run need-test
	@$(PYTHON) tests/machines/run.py $(addprefix -k ,$(WORD))
bench: $(IMAGE_INPUTS) | need-run need-test
	@$(PYTHON) bench/bench.py
bench-store: $(B)/store-bench
	@$(PYTHON) bench/store/run.py $(PARTS) $(if $(QUICK),--quick)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

#: Perdure - what make can do (products are below build/)
#:
#:   make              kernel, programs, mkstore and the disk image build/perdure.img
#:   make run          boot the image in this terminal; leave with Ctrl-] x
#:   make run-window   boot it in a window that shows the serial console
#:   make fresh        a new image; asks before it discards one that has been used
#:   make test         all tests, at most 30 minutes; ends with `N passed, M failed`
#:   make test-long    simulation and power cuts for MINUTES=60, and streams of 1 GiB
#:   make unit         the unit tests only
#:   make fuzz         the fuzzers only; make fuzz-long for MINUTES=60
#:   make coverage     what of store/ the tests do not reach, against docs/coverage.md
#:   make machines     boot on some 240 kinds of machine; makes docs/machines.md anew
#:   make check        style, layers, static analysis; ends with `N passed, M failed`
#:   make reference    docs/reference/ anew, after a change of kernel/operations.def
#:   make bench        resume time, memory, cost of checkpoints
#:   make bench-store  the store as a library beside LMDB, SQLite and the bare file;
#:                     QUICK=1 in three minutes, PARTS='a g' only these parts
#:   make deps         install every package that any of this needs
#:   make clean        remove build/ except downloaded sources
#:
#:   SIZE=1G           size of a new image (make fresh SIZE=64G)
#:   SECTOR=4096       for a disk with sectors of 4096 bytes (make fresh; boots by UEFI only)
#:   IMAGE=FILE        another image than build/perdure.img
#:   MANIFEST=FILE     another initial system of a new image than disk/system.manifest
#:   QEMU_ARGS='...'   more arguments for QEMU, in every run target
#:   ACCEL=tcg|kvm     instead of what is found to work
#:   MEMORY=512        MiB of memory in the run targets
#:   UEFI=1            boot by UEFI firmware instead of a BIOS
