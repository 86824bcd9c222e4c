# SPDX-License-Identifier: Apache-2.0
# tests.mk - demo, tests, fuzzers and benchmarks; included by the Makefile.

TARGET_SRCS := $(wildcard tests/targets/*.c)
TARGET_BINS := $(TARGET_SRCS:tests/targets/%.c=$(BUILD)/tests/targets/%) $(BUILD)/tests/targets/demo
UPLOAD_BIN := $(BUILD)/tests/upload/windows
ROWS_BIN := $(BUILD)/tests/truth/rows
SYMBOLIZE_BIN := $(BUILD)/tests/symbolize/symbolize
BENCH_CACHE ?= $(HOME)/.cache/ddprof-bench
BENCH_FILES ?=
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZ_SRCS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
REPLAY_BINS := $(FUZZ_SRCS:tests/fuzz/%.c=$(BUILD)/replay/%)
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_SECONDS ?= 600
C_FILES = $(shell git ls-files '*.c' '*.h' 2>/dev/null || find $(LAYERS) tests -name '*.[ch]')

# Programs under test are built as most of the world's are: optimized, no frame pointers.
$(BUILD)/tests/targets/%: tests/targets/%.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -fomit-frame-pointer -D_GNU_SOURCE -pthread -o $@ $<

TARGET_BINS += $(BUILD)/tests/targets/call_chains_fp $(BUILD)/tests/targets/call_chains_mixed
# All with frame pointers; and every other function (by gcc: clang has no such attribute, and gives none).
$(BUILD)/tests/targets/call_chains_fp: tests/targets/call_chains.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -fno-omit-frame-pointer -D_GNU_SOURCE -o $@ $<
$(BUILD)/tests/targets/call_chains_mixed: tests/targets/call_chains.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -fomit-frame-pointer -DMIXED -D_GNU_SOURCE -o $@ $<

$(BUILD)/tests/targets/demo: tests/targets/demo.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -g -fomit-frame-pointer -pthread -o $@ $<

# The code is analysed on x86-64 only.
TRUTH_SRCS := $(filter-out tests/truth/stacks.c tests/truth/rows.c tests/truth/rows_libdw.c $(if $(filter-out x86_64,$(ARCH)),tests/truth/code_cfi.c),$(wildcard tests/truth/*.c))
TRUTH_BINS := $(TRUTH_SRCS:tests/truth/%.c=$(BUILD)/tests/truth/%)

$(ROWS_BIN): tests/truth/rows.c tests/truth/rows_libdw.c tests/truth/rows_libdw.h $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.c,$^) $(BUILD)/libddprof.a $(LIBS)

$(BUILD)/tests/truth/%: tests/truth/%.c tests/truth/stacks.c tests/truth/stacks.h $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.c,$^) $(BUILD)/libddprof.a $(LIBS)

$(UPLOAD_BIN): tests/upload/windows.c tests/unit/sample_profile.h $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(BUILD)/libddprof.a $(LIBS)

$(SYMBOLIZE_BIN): tests/symbolize/symbolize.c $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(BUILD)/libddprof.a $(LIBS)

.PHONY: run deps-build deps-test deps-bench
deps-bench:
	@.ci/deps bench
deps-build:
	@.ci/deps build
deps-test:
	@.ci/deps test

run: deps-build
	@$(MAKE) --no-print-directory all $(BUILD)/tests/targets/demo
	$(BUILD)/ddprof-run -o $(BUILD)/demo.pb.gz $(BUILD)/tests/targets/demo
	$(BUILD)/ddprof report --top 15 $(BUILD)/demo.pb.gz
	@echo
	@echo "the profile is $(BUILD)/demo.pb.gz (also for: go tool pprof -http : $(BUILD)/demo.pb.gz)"

include tests/aarch64/aarch64.mk

# All that the tests run; `check` itself only installs and then starts them.
.PHONY: check tests check-layers check-headers check-format
tests: all $(UNIT_BINS) $(TARGET_BINS) $(TRUTH_BINS) $(UPLOAD_BIN) $(ROWS_BIN) $(SYMBOLIZE_BIN) $(REPLAY_BINS) $(A64_CAN)

check: deps-test
	@$(MAKE) --no-print-directory tests
	tests/run $(BUILD)

# 1000 windows to a receiver that fails at random (make check sends 100).
.PHONY: check-upload-soak check-receivers
check-upload-soak: all $(UPLOAD_BIN)
	tests/upload/soak $(BUILD) 1000

# Real receivers and a real client, from package registries; each is skipped where it cannot be had.
check-receivers: all $(UPLOAD_BIN)
	tests/upload/receivers $(BUILD)

check-layers:
	@tests/check-layers

check-headers: $(HEADERS:%=$(BUILD)/headers/%.ok)
$(BUILD)/headers/%.ok: %
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -Werror -fsyntax-only -x c $< && touch $@

check-format:
	clang-format --dry-run --Werror $(C_FILES)

# A collector's memory over SOAK_WINDOWS windows (the short form is in `check`).
SOAK_WINDOWS ?= 1000
.PHONY: check-soak
check-soak: deps-test
	@$(MAKE) --no-print-directory all $(TARGET_BINS)
	tests/soak $(BUILD) $(SOAK_WINDOWS)

# The same unit tests and stored fuzz inputs, under the sanitizers.
.PHONY: check-sanitize
check-sanitize:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/sanitize OPT="-O1 -g -fno-omit-frame-pointer $(SAN)" WERROR=-Werror sanitize-bins
	tests/run --unit $(BUILD)/sanitize
.PHONY: sanitize-bins
sanitize-bins: $(UNIT_BINS) $(REPLAY_BINS)

# As root: 600 MB of debug information in a control group of 300 MB.
.PHONY: check-huge
check-huge: $(BUILD)/tests/unit/test_symbolize_memory
	DDPROF_TEST_HUGE_MB=600 $(BUILD)/tests/unit/test_symbolize_memory

# Fuzzers: clang's libFuzzer over the library, and the same entry points with a
# plain main() that replays files.
$(BUILD)/fuzz/%: tests/fuzz/%.c $(LIB_SRCS) $(HEADERS)
	@mkdir -p $(@D)
	@$(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)/fuzzlib OPT="-O1 -g $(SAN) -fsanitize=fuzzer-no-link" $(BUILD)/fuzzlib/libddprof.a
	clang $(CPPFLAGS_ALL) -std=gnu11 -O1 -g $(SAN) -fsanitize=fuzzer -o $@ $< $(BUILD)/fuzzlib/libddprof.a $(LIBS)

$(BUILD)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< tests/fuzz/replay.c $(BUILD)/libddprof.a $(LIBS)

.PHONY: fuzz
fuzz:
	@$(MAKE) --no-print-directory -j1 $(FUZZ_BINS)
	@for f in $(FUZZ_BINS); do \
		name=$$(basename $$f); mkdir -p $(BUILD)/corpus/$$name; \
		echo "== $$name"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
			$(BUILD)/corpus/$$name $$(test -d tests/fixtures/$$name && echo tests/fixtures/$$name) \
			>$(BUILD)/corpus/$$name.log 2>&1 || { tail -n 30 $(BUILD)/corpus/$$name.log; exit 1; }; \
		grep -E 'stat::number_of_executed_units' $(BUILD)/corpus/$$name.log; \
	done

$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -pthread -o $@ $< $(BUILD)/libddprof.a $(LIBS)

$(BUILD)/bench/slices: tests/bench/slices.c $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fno-omit-frame-pointer $(LDFLAGS) -o $@ $< $(BUILD)/libddprof.a $(LIBS)

$(BUILD)/bench/unwind: $(wildcard tests/bench/unwind*.c tests/bench/unwind*.h) tests/truth/stacks.c tests/truth/stacks.h $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.c,$^) $(BUILD)/libddprof.a $(LIBS) -lunwind-$(ARCH)

$(BUILD)/bench/deep: tests/bench/deep.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -fomit-frame-pointer -o $@ $<

.PHONY: bench-unwind
bench-unwind: deps-bench
	@$(MAKE) --no-print-directory $(BUILD)/bench/unwind $(BUILD)/bench/deep $(BUILD)/tests/targets/demo
	tests/bench/bench-unwind $(BUILD)

.PHONY: bench
bench: deps-test
	@$(MAKE) --no-print-directory all $(TARGET_BINS) $(BUILD)/bench/threads
	tests/bench/bench $(BUILD)

# Slowdown by switching events on and off within one process; attaching to 5000 threads.
.PHONY: bench-slices bench-attach
bench-slices: deps-build
	@$(MAKE) --no-print-directory $(BUILD)/bench/slices
	$(BUILD)/bench/slices

bench-attach: deps-test
	@$(MAKE) --no-print-directory all $(BUILD)/tests/targets/many_threads
	tests/bench/attach $(BUILD)

.PHONY: bench-upload
bench-upload: all $(UPLOAD_BIN)
	tests/upload/bench $(BUILD)

# Each row of each library that rows.bats knows, not a part of them.
.PHONY: check-rows
check-rows: $(ROWS_BIN)
	ROWS_EACH=1 BUILD=$(abspath $(BUILD)) bats tests/truth/rows.bats

# Names of large real programs, built or fetched into BENCH_CACHE once; BENCH_FILES chooses
# among them (tests/symbolize/material lists them; vmlinux only if asked for).
.PHONY: bench-symbolize check-symbolize-truth
bench-symbolize: deps-test
	@$(MAKE) --no-print-directory $(SYMBOLIZE_BIN)
	tests/bench/symbolize $(BUILD) $(BENCH_CACHE) $(BENCH_FILES)

check-symbolize-truth: deps-test
	@$(MAKE) --no-print-directory $(SYMBOLIZE_BIN)
	tests/symbolize/compare $(SYMBOLIZE_BIN) $$(tests/symbolize/material $(BENCH_CACHE) $(BENCH_FILES))

# Timers in the program, and interrupting it, against perf events.
.PHONY: bench-fallback
bench-fallback: deps-test
	@$(MAKE) --no-print-directory all $(BUILD)/tests/targets/pauses
	tests/bench/fallback $(BUILD)

.PHONY: format
format:
	clang-format -i $(C_FILES)

.PHONY: completions
completions: all
	$(BUILD)/ddprof completion bash > completions/ddprof.bash
	$(BUILD)/ddprof completion zsh > completions/_ddprof
	$(BUILD)/ddprof completion fish > completions/ddprof.fish

.PHONY: help
help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make bench      against perf: slowdown, own CPU, time to the finished profile"
	@echo "make bench-unwind the unwinder against libdwfl, libunwind and the floor; CFI rows, many processes"
	@echo "make check-aarch64 the cross-compiled collector's tests under qemu"
	@echo "make check-rows every CFI row of some libraries against libdw"
	@echo "make check-pmu  hardware events, in a machine that qemu makes up (fetches 80 MB, once)"
	@echo "make bench-symbolize check-symbolize-truth   against llvm-symbolizer, on large programs made once in BENCH_CACHE"
	@echo "make bench-slices slowdown by rate and content of samples; bench-attach: to 5000 threads; against perf"
	@echo "make bench-fallback timers in the program and ptrace against perf events"
	@echo "make fuzz       each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make check-soak memory over SOAK_WINDOWS=$(SOAK_WINDOWS) windows"
	@echo "make check-huge a debug file of 600 MB in a control group of 300 MB (as root)"
	@echo "make check-sanitize check-layers check-headers check-format completions format"
	@echo "make bench-upload         CPU time and memory of uploading"
	@echo "make check-upload-soak   1000 windows to a receiver that fails at random"
	@echo "make check-receivers     uploads to real receivers, compared with a real client's"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR="
