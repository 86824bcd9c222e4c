# SPDX-License-Identifier: Apache-2.0
#
# aarch64.mk - the collector and its tests for aarch64, by Debian's cross
# compiler, run by qemu. Only base/ and collect/: they need nothing but libc.

A64 := $(BUILD)/aarch64
A64_CC ?= aarch64-linux-gnu-gcc
A64_FLAGS = -Itests/aarch64 $(CPPFLAGS_ALL) -std=gnu11 -O1 -g $(WARN) -Werror
A64_SRCS := $(wildcard base/*.c) $(filter-out $(wildcard collect/regs_*.c) collect/cfi_unpack.c,$(wildcard collect/*.c)) collect/regs_aarch64.c tests/aarch64/no_zlib.c
A64_OBJS := $(A64_SRCS:%.c=$(A64)/%.o)
A64_BINS := $(addprefix $(A64)/,test_cfi test_cfi_hostile test_maps test_record test_unwind_self test_stored snapshot)

# Nothing to build where the compiler is not; tests/aarch64/run says so.
A64_CAN := $(if $(and $(shell command -v $(A64_CC)),$(wildcard /usr/aarch64-linux-gnu/include/stdint.h)),aarch64)

$(A64)/%.o: %.c
	@mkdir -p $(@D)
	@$(A64_CC) $(A64_FLAGS) -MMD -MP -c -o $@ $<

$(A64)/lib.a: $(A64_OBJS)
	@rm -f $@
	@aarch64-linux-gnu-ar rcs $@ $^

# Signed return addresses in the tests' own code, and no frame pointers.
$(A64)/test_%: tests/unit/test_%.c tests/aarch64/cmocka.h $(A64)/lib.a
	@$(A64_CC) $(A64_FLAGS) -mbranch-protection=standard -fomit-frame-pointer -o $@ $< $(A64)/lib.a -lpthread

$(A64)/test_%: tests/aarch64/test_%.c tests/aarch64/cmocka.h tests/aarch64/snapshot.h $(A64)/lib.a
	@$(A64_CC) $(A64_FLAGS) -o $@ $< $(A64)/lib.a

$(A64)/snapshot: tests/aarch64/snapshot.c tests/aarch64/snapshot.h
	@mkdir -p $(@D)
	@$(A64_CC) -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls -mbranch-protection=standard -D_GNU_SOURCE -o $@ $<

-include $(A64_OBJS:.o=.d)

.PHONY: aarch64 check-aarch64
aarch64: $(A64_BINS)

check-aarch64: $(A64_CAN)
	tests/aarch64/run $(BUILD)

# Hardware events, in a machine that qemu makes up. Fetches some 80 MB into BUILD/pmu, once.
.PHONY: check-pmu
check-pmu:
	@.ci/deps pmu || echo "check-pmu goes on with what there is"
	@+tests/aarch64/pmu $(BUILD)
