#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# fallback.bats - perf events are refused: timers in the program do it, and the program cannot tell.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	RUN=(timeout 120 "$T/deny_perf" 1 "$DDPROF_RUN" -q -o "$BATS_TEST_TMPDIR/p.pb.gz")
	cd "$BATS_TEST_TMPDIR"
}

comment() { # KEY
	$PPROF p.pb.gz comments | sed -n "s/^ddprof\.$1: //p"
}

less() {
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not a < b)' "$1" "$2" || { echo "$1 is not less than $2"; return 1; }
}

@test "refused with EPERM, EACCES or ENOSYS: profiled all the same, one warning with mode, rate and fix" {
	for errno in 1 13 38; do
		status=0
		"$T/deny_perf" $errno "$DDPROF_RUN" -q -F 100000 true 2>err || status=$?
		[ "$status" = 125 ] # the rate is out of range, whatever the mode
		status=0
		"$T/deny_perf" $errno "$DDPROF_RUN" -q -F 9999 -o p.pb.gz sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; exit 7' 2>err || status=$?
		cat err
		[ "$status" = 7 ]
		[ "$(grep -c '^ddprof: ' err)" = 1 ]
		grep -q "perf_event_open.*timers in it instead, [0-9]* Hz (the kernel's tick allows no more), without kernel frames" err
		grep -q '  fix: ' err
		$PPROF p.pb.gz check
		[ "$(comment mode)" = timer ]
		less "$(comment frequency_hz)" 1001
		less 5 "$(comment quality.samples)"
	done
}

@test "known shares of 50, 30 and 20 % within 3 points; profiled and unsampled time are the kernel's count" {
	# Asked for, not left over: the program that counts needs perf events itself.
	"$DDPROF_RUN" -q --fallback preload -F 250 -o p.pb.gz "$T/cputime" cpu "$T/shares" 6 >truth
	[ "$(comment mode)" = timer ]
	for f in half third fifth; do
		want=$(sed -n "s/^$f //p" truth)
		got=$($PPROF p.pb.gz total $f)
		echo "$f: want $want got $got"
		less "$(python3 -c "print(abs($want - $got))")" 3
	done
	sum=$($PPROF p.pb.gz sum cpu-time)
	echo "profile $sum kernel $(cat cpu)"
	less "$(python3 -c "print(abs($sum / $(cat cpu) - 1) * 100)")" 2
	less "$(comment quality.unsampled_ns)" 300000000
	[ "$(comment quality.complete)" = "$(comment quality.samples)" ]
}

@test "thousands of blocking calls and not one cut short" {
	"${RUN[@]}" -F 999 "$T/calm" 1000
	less 50 "$(comment quality.samples)"
}

@test "a program that uses all signals, its own stack for them, and every way to start another sees what it sees without" {
	status=0
	timeout 60 "$T/own_signals" >without || status=$?
	[ "$status" = 7 ]
	status=0
	"${RUN[@]}" -F 250 "$T/own_signals" >with 2>err || status=$?
	diff without with
	[ "$status" = 7 ]
}

@test "threads that block all signals are sampled" {
	"${RUN[@]}" -F 250 "$T/own_signals" threads
	less 50 "$($PPROF p.pb.gz total spin_blocked)"
}

@test "descriptors, arguments, environment and limits are as without it; of signals, one is caught" {
	timeout 120 "$T/deny_perf" 1 "$T/show_state" a 'b c' >out 2>/dev/null 3>&- <&-
	grep -v ^SigCgt out >without
	"${RUN[@]}" "$T/show_state" a 'b c' >out 2>/dev/null 3>&- <&-
	grep -v ^SigCgt out >with
	diff without with
	# What the kernel shows of the environment ends in zeros where our variables were.
	timeout 120 "$T/deny_perf" 1 cat /proc/self/environ >without
	"${RUN[@]}" cat /proc/self/environ >with 2>/dev/null
	cmp <(tr '\0' '\n' <without) <(tr '\0' '\n' <with | grep -v '^$')
}

@test "a preload list of the program's own is kept, in it and in what it starts" {
	libm=$(ldconfig -p | sed -n 's/.*libm\.so\.6 (libc6,.*=> //p' | head -n 1)
	[ -n "$libm" ] || skip "no libm"
	for list in "$libm" ""; do
		LD_PRELOAD=$list "${RUN[@]}" python3 -c 'import os, subprocess
print(repr(os.environ["LD_PRELOAD"]), os.environ.get("DDPROF_TIMER"), os.path.basename(os.environ["LD_PRELOAD"]) in open("/proc/self/maps").read(), flush=True)
os.execv("/bin/sh", ["sh", "-c", "echo $LD_PRELOAD; env | grep -c DDPROF_TIMER; exit 3"])' >out 2>err || [ $? = 3 ]
		cat out
		[ "$(cat out)" = "'$list' None True"$'\n'"$list"$'\n'0 ]
	done
}

@test "processes that live for milliseconds are seen, with their mappings, and add up" {
	cat >Makefile <<-'M'
		all: $(addprefix t,$(shell seq 1 60))
		t%: ; @sh -c 'i=0; while [ $$i -lt 15000 ]; do i=$$((i+1)); done'
	M
	"${RUN[@]}" -F 250 make -s -j2 all 2>/dev/null
	$PPROF p.pb.gz check
	comment quality.samples
	comment quality.complete
	less 50 "$(comment quality.processes)"
	less "$($PPROF p.pb.gz total '[unknown mapping]')" 5
	less "$($PPROF p.pb.gz total '[not sampled]')" 60
}

@test "musl programs too" {
	command -v musl-gcc >/dev/null || skip "no musl-gcc"
	musl-gcc -O2 -g -D_GNU_SOURCE -o shares "$ROOT/tests/targets/shares.c"
	"${RUN[@]}" -F 250 ./shares 1 2>err
	less 30 "$($PPROF p.pb.gz total half)"
}

@test "static and Go programs run unprofiled, said in one line; what they start is profiled" {
	gcc -static -O2 -D_GNU_SOURCE -o shares "$ROOT/tests/targets/shares.c"
	"${RUN[@]}" ./shares 0.2 2>err
	cat err
	[ "$(grep -c '^ddprof: ' err)" = 1 ]
	grep -q "'shares' itself is not profiled: it is statically linked" err
	less 90 "$($PPROF p.pb.gz total '[not sampled]')"
	printf '#!/bin/sh\nexit 4\n' >script
	chmod +x script
	status=0
	"${RUN[@]}" ./script 2>err || status=$?
	[ "$status" = 4 ]
	grep -q "'script' is profiled by timers" err
}

@test "no memfd, no process_vm_readv, no ptrace, no pidfd: the timers still do it" {
	timeout 60 "$T/deny_perf" 38,memfd_create,process_vm_readv,ptrace,pidfd_open "$DDPROF_RUN" -q -F 250 -o p.pb.gz "$T/shares" 1 2>err >/dev/null
	cat err
	less 100 "$(comment quality.samples)"
	[ "$(comment quality.complete)" = "$(comment quality.samples)" ]
}

@test "no file may be large enough: a System V segment, and none is left behind" {
	ipcs -m | sort >before
	prlimit --fsize=1000000:1000000 timeout 60 "$T/deny_perf" 1 "$DDPROF_RUN" -q -F 250 -o p.pb.gz "$T/shares" 1 >/dev/null 2>err
	cat err
	less 100 "$(comment quality.samples)"
	ipcs -m | sort >after
	diff before after
}

@test "no timers either: it runs, nothing is sampled, and the figures say so" {
	timeout 60 "$T/deny_perf" 1,timer_create "$DDPROF_RUN" -q -o p.pb.gz "$T/shares" 0.3 2>err >/dev/null
	less 90 "$($PPROF p.pb.gz total '[not sampled]')"
}

@test "the collector killed: the program goes on, another collector takes over the timers" {
	"$T/deny_perf" 1 "$DDPROF_RUN" -q -F 250 -o p -w 2 sh -c 'echo >started; exec "$0" 3' "$T/shares" 2>err >out 3>&- &
	pid=$!
	until [ -e started ]; do kill -0 $pid; done
	kill -KILL "$(pgrep -P $pid -x ddprof-collect)"
	wait $pid
	cat err
	ls
	grep -q 'restarted (1 of 3)' err
	grep -q '^half' out
	most=0
	for f in p*.pb.gz; do
		cp "$f" last
		n=$($PPROF last total half)
		less "$n" "$most" || most=$n
	done
	less 20 "$most"
}

@test "a child whose parent has ended at once does not bring init into the family" {
	for _ in 1 2 3 4 5; do
		timeout 20 "$DDPROF_RUN" -q --fallback preload --follow -o p.pb.gz setsid -f true
		less "$(comment quality.rusage_cpu_ns)" 1000000000
	done
}
