# SPDX-License-Identifier: Apache-2.0
#
# make            build ddprof and ddprof-run into build/
# make run        install what is missing, build, profile the demo, show the report
# make check      install test tools, build, run all tests (root and ordinary user)
# make help       the other targets

BUILD  ?= build
PREFIX ?= /usr/local
CC     ?= cc
CXX    ?= c++
OPT    ?= -O2 -g
WERROR ?=
VERSION := 0.1.0

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef $(WERROR)
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DDDPROF_VERSION='"$(VERSION)"' $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 $(OPT) -fno-common -fstack-protector-strong $(WARN) $(CFLAGS)
LIBS := -ldw -lelf -lz -llzma -liberty -ldl

LAYERS := base collect symbolize export cli
ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)
ARCH_OTHER := $(filter-out %_$(ARCH).c,$(wildcard collect/*_x86_64.c collect/*_aarch64.c))
SRCS := $(filter-out $(ARCH_OTHER),$(foreach d,$(LAYERS),$(wildcard $(d)/*.c)))
LIB_SRCS := $(filter-out cli/main.c,$(SRCS))
OBJS := $(SRCS:%.c=$(BUILD)/%.o)
LIB_OBJS := $(LIB_SRCS:%.c=$(BUILD)/%.o)
HEADERS := $(wildcard $(foreach d,$(LAYERS),$(d)/*.h)) $(wildcard collect/preload/*.h)

UNIT_SRCS := $(wildcard tests/unit/test_*.c)
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=$(BUILD)/tests/unit/%)

# Loaded into programs of any C library, so it needs none: nothing but system calls.
TIMER_LIB := $(BUILD)/libddprof-timer.so
TIMER_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard collect/preload/*.c))
TIMER_CFLAGS_x86_64 := -mno-avx
TIMER_CFLAGS_aarch64 := -mno-outline-atomics
TIMER_CFLAGS := -I. -D_GNU_SOURCE -std=gnu11 -O2 -g -fPIC -ffreestanding -fno-builtin -fvisibility=hidden \
	-fno-stack-protector -fcf-protection=none -fomit-frame-pointer -fno-common $(filter-out -Wmissing-prototypes,$(WARN)) $(TIMER_CFLAGS_$(ARCH))

.DELETE_ON_ERROR:
.PHONY: all
all: $(BUILD)/ddprof $(BUILD)/ddprof-run $(TIMER_LIB)

$(BUILD)/collect/preload/%.o: collect/preload/%.c
	@mkdir -p $(@D)
	$(CC) $(TIMER_CFLAGS) -MMD -MP -c -o $@ $<

$(TIMER_LIB): $(TIMER_OBJS)
	$(CC) -shared -nostdlib -Wl,-z,now,-z,relro,-z,defs,--hash-style=gnu,-soname,$(@F) -o $@ $^

$(BUILD)/libddprof.a: $(LIB_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/ddprof: $(BUILD)/cli/main.o $(BUILD)/libddprof.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/ddprof-run: $(BUILD)/ddprof
	ln -sf ddprof $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libddprof.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP $(LDFLAGS) -o $@ $< $(BUILD)/libddprof.a -lcmocka $(LIBS)

# Compares with what libpfm4 itself says.
$(BUILD)/tests/unit/test_event: LIBS += -lpfm

-include $(OBJS:.o=.d) $(TIMER_OBJS:.o=.d) $(UNIT_BINS:=.d)

include tests/tests.mk

.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/ddprof $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(BUILD)/ddprof $(DESTDIR)$(PREFIX)/bin/ddprof
	install -m 755 $(TIMER_LIB) $(DESTDIR)$(PREFIX)/lib/ddprof/libddprof-timer.so
	ln -sf ddprof $(DESTDIR)$(PREFIX)/bin/ddprof-run
	install -m 644 completions/ddprof.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ddprof
	install -m 644 completions/_ddprof $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ddprof
	install -m 644 completions/ddprof.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ddprof.fish
	ln -sf ddprof $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ddprof-run
	ln -sf ddprof.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ddprof-run.fish

.PHONY: clean
clean:
	rm -rf $(BUILD)
