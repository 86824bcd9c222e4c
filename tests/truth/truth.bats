#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# truth.bats - profiles of programs that know the truth about themselves.

load ../await.bash

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	cd "$BATS_TEST_TMPDIR"
}

# The sum of a cpu-time in seconds, and the relative distance of two numbers in per cent.
apart() {
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); print(abs(a - b) / b * 100)' "$1" "$2"
}

less() {
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not a < b)' "$1" "$2" || { echo "$1 is not less than $2"; return 1; }
}

comment() { # FILE KEY
	$PPROF "$1" comments | sed -n "s/^ddprof\.$2: //p"
}

@test "known shares of 50, 30 and 20 % are reported within 3 points" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "$T/shares" 4 > truth
	$PPROF p.pb.gz check
	$PPROF p.pb.gz stacks > stacks
	for f in half third fifth; do
		want=$(sed -n "s/^$f //p" truth)
		got=$($PPROF p.pb.gz total $f)
		echo "$f: want $want got $got"
		less "$(python3 -c "print(abs($want - $got))")" 3
	done
}

@test "profiled and unsampled CPU time add up to the kernel's count within 1 %" {
	"$DDPROF_RUN" -q -o p.pb.gz "$T/cputime" cpu "$T/shares" 3 >/dev/null
	sum=$($PPROF p.pb.gz sum cpu-time)
	echo "profile $sum kernel $(cat cpu)"
	less "$(apart "$sum" "$(cat cpu)")" 1
}

@test "the same for hundreds of short children" {
	cat > Makefile <<-'M'
	all: $(addprefix t,$(shell seq 1 300))
	t%: ; @$(SHELL) -c 'i=0; while [ $$i -lt 1500 ]; do i=$$((i+1)); done'
	M
	"$DDPROF_RUN" -q -o p.pb.gz "$T/cputime" cpu make -j2 -s >/dev/null 2>&1
	sum=$($PPROF p.pb.gz sum cpu-time)
	echo "profile $sum kernel $(cat cpu)"
	$PPROF p.pb.gz own | head -5
	less "$(apart "$sum" "$(cat cpu)")" 1
	# What was not sampled is there under its own name.
	[ "$($PPROF p.pb.gz total '[not sampled]')" != 0.00 ]
}

@test "a kernel-heavy program adds up too, with or without permission to see the kernel" {
	"$DDPROF_RUN" -q -o p.pb.gz "$T/cputime" cpu dd if=/dev/zero of=/dev/null bs=64k count=800000 2>/dev/null
	sum=$($PPROF p.pb.gz sum cpu-time)
	echo "profile $sum kernel $(cat cpu)"
	less "$(apart "$sum" "$(cat cpu)")" 1
	if [ "$(comment p.pb.gz mode)" = user ]; then
		less 20 "$($PPROF p.pb.gz total '[kernel, not permitted]')"
	fi
}

@test "attach sees threads that run already and those that start later, none twice" {
	"$T/late_threads" 6 > out &
	pid=$!
	await ready out $pid
	"$DDPROF" attach -q --pid $pid -d 3 -F 499 -o p.pb.gz
	$PPROF p.pb.gz check
	early=$($PPROF p.pb.gz total spin_early)
	late=$($PPROF p.pb.gz total spin_late)
	echo "early $early late $late"
	less 60 "$early"
	less 5 "$late"
	# Five runnable threads on n CPUs: never more than n CPUs' worth.
	sum=$($PPROF p.pb.gz sum cpu-time)
	less "$sum" "$(python3 -c "print(min(5, $(nproc)) * 1.01 * $($PPROF p.pb.gz duration))")"
	names=$($PPROF p.pb.gz labels 'thread name')
	echo "$names"
	[[ $names == *early* && $names == *late* ]]
	wait $pid
}

@test "attach neither traces nor stops the process" {
	command -v strace >/dev/null || skip "strace is not installed"
	"$T/late_threads" 4 > out &
	pid=$!
	await ready out $pid
	strace -f -o trace -e trace=ptrace,kill,tgkill,tkill,rt_sigqueueinfo,pidfd_send_signal \
		"$DDPROF" attach -q --pid $pid -d 1 -o p.pb.gz
	! grep -E 'ptrace\(|SIGSTOP' trace
	wait $pid
}

@test "two processes attached to at once are kept apart" {
	"$T/late_threads" 5 > one & a=$!
	"$T/shares" 3 > two & b=$!
	await ready one $a
	"$DDPROF" attach -q --pid $a,$b -d 2 -F 499 -o p.pb.gz
	names=$($PPROF p.pb.gz labels process_name)
	echo "$names"
	[[ $names == *late_threads* && $names == *shares* ]]
	pids=$($PPROF p.pb.gz labels process_id)
	[[ $pids == *"$a"* && $pids == *"$b"* ]]
	wait $a $b
}

@test "a program that execs another is profiled as both, under both names" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec "$0" 1 >/dev/null' "$T/shares"
	names=$($PPROF p.pb.gz labels process_name)
	echo "$names"
	[[ $names == *" sh"* && $names == *shares* ]]
	less 1 "$($PPROF p.pb.gz total half)"
}

@test "windows with -w are numbered files that adjoin, and the oldest are removed" {
	mkdir w
	"$DDPROF_RUN" -q -w 0.2 --keep 2 -o w/p.pb.gz "$T/shares" 4 >/dev/null
	ls w
	[ "$(ls w | wc -l)" = 2 ]
	# Two are left of more; the last follows the one before it.
	last=$(ls w | tail -1 | tr -dc 0-9)
	[ "$((10#$last))" -ge 2 ]
	[ -f "w/p-$(printf %06d $((10#$last - 1))).pb.gz" ]
	for f in w/*; do $PPROF "$f" check; done
}

@test "one file holds the whole run when windows are only how often it is brought up to date" {
	DD_PROFILING_UPLOAD_PERIOD=1 "$DDPROF_RUN" -q -F 199 -o p.pb.gz "$T/cputime" cpu "$T/shares" 3 >/dev/null
	less "$(apart "$($PPROF p.pb.gz sum cpu-time)" "$(cat cpu)")" 1
	[ "$(ls *pb*)" = p.pb.gz ]
}

@test "a busy child that outlives the program does not hold the wrapper back" {
	"$DDPROF_RUN" -q -o p.pb.gz bash -c '"$0" 20 >/dev/null & echo $! >child' "$T/shares"
	kill -0 "$(cat child)"
	kill "$(cat child)"
}

@test "with --follow descendants that outlive the program are profiled to their end" {
	"$DDPROF_RUN" -q --follow -o p.pb.gz bash -c '"$0" 1 >/dev/null & exit 4' "$T/shares" || status=$?
	[ "$status" = 4 ]
	less 0.97e9 "$($PPROF p.pb.gz sum cpu-time)"
	less 80 "$(python3 -c "print($($PPROF p.pb.gz total half) + $($PPROF p.pb.gz total third) + $($PPROF p.pb.gz total fifth))")"
}

@test "attached to short-lived threads, the parts add up to what /proc says" {
	"$T/late_threads" 6 >out &
	pid=$!
	await ready out $pid
	cpu() { awk '{ print ($14 + $15) * 1e7 }' "/proc/$pid/stat"; }
	before=$(cpu) from=$(date +%s%N)
	"$DDPROF" attach -q --pid $pid -d 3 -o p.pb.gz
	after=$(cpu) to=$(date +%s%N)
	# /proc was read before and after the window, and the threads are as busy all the time: what belongs to
	# the window follows from how long each lasted. What a hypervisor steals /proc does not count.
	want=$(python3 -c "print(($after - $before) / ($to - $from) * $($PPROF p.pb.gz duration))")
	sum=$($PPROF p.pb.gz sum cpu-time)
	echo "profile $sum /proc $want"
	less "$sum" "$(python3 -c "print($want * 1.12 + 4e7)")"
	less "$(python3 -c "print($want * 0.8 - 4e7)")" "$sum"
	wait $pid
}
