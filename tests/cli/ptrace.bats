#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ptrace.bats - no perf events and nothing in the program: running threads are interrupted, and nobody is the worse for it.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	DDPROF=$(dirname "$DDPROF_RUN")/ddprof
	source "$ROOT/tests/await.bash"
	cd "$BATS_TEST_TMPDIR"
	ATTACH=(timeout 120 "$T/deny_perf" 1 "$DDPROF" attach --fallback ptrace -q -o p.pb.gz)
}

comment() { # KEY
	$PPROF p.pb.gz comments | sed -n "s/^ddprof\.$1: //p"
}

less() {
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not a < b)' "$1" "$2" || { echo "$1 is not less than $2"; return 1; }
}

@test "perf events refused: known shares within 3 points, and the kernel's count of CPU time" {
	# Two, for twice the samples: these call the kernel 50,000 times a second, where stops are drawn to.
	"$T/shares" 7 >truth & one=$!
	"$T/shares" 7 >/dev/null & two=$!
	"${ATTACH[@]}" -F 999 -d 60 --pid $one,$two 2>err
	wait $one $two
	cat err
	[ "$(comment mode)" = ptrace ]
	[ "$(grep -c '^ddprof: ' err)" = 1 ]
	grep -q 'interrupted by ptrace, 999 times a second at most' err
	comment ptrace.looks_hz
	comment ptrace.stops
	known=$(for f in half third fifth; do $PPROF p.pb.gz total $f; done | paste -sd+)
	less 95 "$(python3 -c "print($known)")"
	for f in half third fifth; do
		want=$(sed -n "s/^$f //p" truth)
		got=$(python3 -c "print(100 * $($PPROF p.pb.gz total $f) / ($known))")
		echo "$f: want $want got $got"
		less "$(python3 -c "print(abs($want - $got))")" 3
	done
	sum=$($PPROF p.pb.gz sum cpu-time)
	echo "profile $sum kernel $(comment quality.rusage_cpu_ns)"
	less 12000000000 "$sum" # seven seconds each, but for what was before we came
	less "$sum" 14100000000
	less 12000000000 "$(comment quality.rusage_cpu_ns)"
	[ "$(comment quality.complete)" = "$(comment quality.samples)" ]
}

@test "49 times a second unless asked otherwise" {
	"$T/shares" 2 >/dev/null &
	"${ATTACH[@]}" -d 30 --pid $! 2>err
	grep -q ', 49 times a second at most' err
	[ "$(comment frequency_hz)" = 49 ]
}

@test "thousands of blocking calls beside busy threads and not one cut short" {
	"$T/calm" 1500 >cut &
	program=$!
	"${ATTACH[@]}" -F 999 -d 60 --pid $program 2>err
	wait $program || true # writes to a pipe may be short, and the reads of it then
	cat cut
	[ "$(grep -c ' 0$' <(grep -v pipe cut))" = 6 ]
	comment ptrace.stops
	comment ptrace.repeated_calls
	less 50 "$(comment quality.samples)"
}

@test "the profiler killed, or its tracer: every thread goes on, nothing is left behind" {
	for victim in collector tracer collector tracer; do
		"$T/late_threads" 2 >out &
		program=$!
		: >err
		"$DDPROF" attach --fallback ptrace -F 1000 -d 60 -q -o p.pb.gz --pid $program 2>err 3>&- &
		ours=$!
		await 'interrupted by ptrace' err $ours
		tracer=$(pgrep -P $ours -x ddprof-tracer)
		if [ $victim = collector ]; then kill -KILL $ours; else kill -KILL "$tracer"; fi
		wait $program
		[ -s out ]
		status=0
		wait $ours || status=$?
		cat err
		if [ $victim = tracer ]; then
			[ "$status" = 0 ]
			grep -q 'has died: no more samples' err
		fi
		while kill -0 "$tracer" 2>/dev/null; do sleep 0.02; done
	done
}

@test "a process that is stopped stays so, and goes on when it is told to" {
	"$T/shares" 0.5 >out &
	program=$!
	kill -STOP $program
	until grep -q '^State:.T' /proc/$program/status; do :; done
	"${ATTACH[@]}" -F 999 -d 1 --pid $program 2>err
	grep -q '^State:.T' /proc/$program/status
	grep -q '^TracerPid:.0$' /proc/$program/status
	kill -CONT $program
	wait $program
	[ -s out ]
}

@test "signals, stacks of its own, and every way to start another program: it sees what it sees without" {
	status=0
	timeout 60 "$T/own_signals" >without || status=$?
	[ "$status" = 7 ]
	status=0
	timeout 60 "$DDPROF_RUN" -q --fallback ptrace -F 999 -o p.pb.gz "$T/own_signals" >with 2>err || status=$?
	diff without with
	[ "$status" = 7 ]
}

@test "threads that come and go, and what was started meanwhile, are in the profile" {
	"$T/late_threads" 3 >out &
	program=$!
	await ready out $program
	"${ATTACH[@]}" -F 250 -d 30 --pid $program 2>err
	wait $program
	less 4 "$(comment quality.threads)"
	bash -c 'until [ -e go ]; do :; done; "$0" 2 >/dev/null; exec "$0" 1' "$T/shares" >out &
	program=$!
	timeout 60 "$DDPROF" attach --fallback ptrace -F 250 -d 60 -q -o p.pb.gz --pid $program 2>err &
	ours=$!
	await 'interrupted by ptrace' err $ours
	touch go
	wait $ours
	wait $program
	$PPROF p.pb.gz check
	[ "$(comment quality.processes)" = 2 ]
	less 35 "$($PPROF p.pb.gz total half)"
	less "$($PPROF p.pb.gz total '[unknown mapping]')" 1
}

@test "static and Go programs that are run, and their exit status" {
	gcc -static -O2 -g -D_GNU_SOURCE -o shares "$ROOT/tests/targets/shares.c"
	status=0
	timeout 60 "$DDPROF_RUN" -q --fallback ptrace -F 250 -o p.pb.gz sh -c './shares 1 >out; exit 5' 2>err || status=$?
	[ "$status" = 5 ]
	less 35 "$($PPROF p.pb.gz total half)"
	command -v go >/dev/null || skip "no go"
	cat >spin.go <<-'G'
		package main
		//go:noinline
		func spin(n int) (x uint64) { for i := 0; i < n; i++ { x = x*6364136223846793005 + uint64(i) }; return }
		func main() { println(spin(1500000000)) }
	G
	HOME=$PWD GOCACHE=$PWD/cache GOFLAGS=-mod=mod go build -o spin spin.go
	timeout 60 "$DDPROF_RUN" -q --fallback ptrace -F 250 -o p.pb.gz ./spin 2>err
	less 80 "$($PPROF p.pb.gz total main.spin)"
	# Its scheduler's own stack ends where it was switched to.
	less "$($PPROF p.pb.gz total '[truncated]')" 5
}

@test "no process_vm_readv: the stacks are as deep" {
	"$T/shares" 1 >/dev/null &
	timeout 60 "$T/deny_perf" 38,process_vm_readv,memfd_create,pidfd_open "$DDPROF" attach --fallback ptrace -q -F 250 -d 30 -o p.pb.gz --pid $! 2>err
	less 20 "$(comment quality.samples)"
	[ "$(comment quality.complete)" = "$(comment quality.samples)" ]
}

@test "auto refuses and names it; a wrong mode is refused" {
	"$T/shares" 5 >/dev/null &
	program=$!
	status=0
	"$T/deny_perf" 1 "$DDPROF" attach --pid $program -d 1 2>err || status=$?
	[ "$status" = 1 ]
	grep -q '  or: --fallback ptrace' err
	status=0
	"$DDPROF" attach --fallback preload --pid $program 2>err || status=$?
	[ "$status" = 2 ]
	grep -q 'fallback ptrace for a running process' err
	kill $program
}

@test "refused: one message each, with the reason and the fix, and nothing happened to it" {
	sleep 60 &
	program=$!
	status=0
	"$T/deny_perf" 38,ptrace "$DDPROF" attach --fallback ptrace --pid $program -d 1 2>err || status=$?
	cat err
	[ "$status" = 1 ]
	[ "$(grep -c '^ddprof: ' err)" = 1 ]
	grep -q 'ptrace: Function not implemented' err
	grep -q '  fix: ' err
	kill $program
	status=0
	if [ "$(id -u)" = 0 ]; then
		timeout 20 setpriv --reuid 65534 --regid 65534 --clear-groups "$DDPROF" attach --fallback ptrace --pid $$ -d 1 -o /dev/null 2>err || status=$?
	else
		"$DDPROF" attach --fallback ptrace --pid 1 -d 1 2>err || status=$?
	fi
	cat err
	[ "$status" = 1 ] || [ "$status" = 126 ]
	[ "$status" = 126 ] || grep -q 'ptrace: Operation not permitted' err
}

@test "whoever traces it already is named" {
	command -v strace >/dev/null || skip "no strace"
	strace -o /dev/null "$T/shares" 30 >/dev/null 3>&- &
	tracer=$!
	until program=$(pgrep -P $tracer -x shares); do kill -0 $tracer; done
	status=0
	"$DDPROF" attach --fallback ptrace --pid "$program" -d 1 2>err || status=$?
	kill "$program"
	cat err
	[ "$status" = 1 ]
	grep -q "pid $program is being traced already, by pid $tracer ('strace')" err
}
