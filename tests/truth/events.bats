#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# events.bats - several events in one profile: values where they belong, totals as perf stat counts them.

load ../await.bash

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	cd "$BATS_TEST_TMPDIR"
}

comment() { # FILE KEY
	$PPROF "$1" comments | sed -n "s/^ddprof\.$2: //p"
}

# The events of which the kernel's part may be seen: all, or an ordinary user's.
sees_kernel() {
	"$DDPROF" events context-switches | grep -q 'context-switches  *sampled'
}

# Is it true of these numbers?
holds() { # EXPRESSION NAME=VALUE...
	python3 -c 'import sys
v = {k: float(x) for k, x in (a.split("=") for a in sys.argv[2:])}
sys.exit(not eval(sys.argv[1], {}, v))' "$@" || { echo "not so: $*"; return 1; }
}

@test "page faults are where they happen: 95 % and more in the function that spends a tenth of the time" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz -e task-clock,page-faults "$T/two_costs" 40000 > truth
	$PPROF p.pb.gz check
	faults=$($PPROF p.pb.gz total faulty page-faults)
	time=$($PPROF p.pb.gz total faulty cpu-time)
	echo "faults $faults %, time $time %"
	cat truth
	holds 'faults >= 95' faults="$faults"
	holds 'time < 30' time="$time"
}

@test "with a period of 1 each fault is a sample at its place, or lost by name, and all add up exactly" {
	"$DDPROF_RUN" -q --stack-size 1024 -o p.pb.gz -e page-faults,period=1 "$T/two_costs" 3000 > truth
	total=$(comment p.pb.gz event.page-faults.total)
	samples=$(comment p.pb.gz event.page-faults.samples)
	lost=$(comment p.pb.gz event.page-faults.lost)
	[ "$($PPROF p.pb.gz sum page-faults)" = "$total" ]
	[ "$((samples + lost))" = "$total" ]
	[ "$total" -ge 3000 ] && [ "$total" -lt 3400 ]
	[ "$lost" != 0 ] || [ "$($PPROF p.pb.gz value faulty page-faults)" = 3000 ]
	# Nothing but the faults was asked for.
	[ "$($PPROF p.pb.gz types)" = "page-faults/count" ]
}

@test "a group's totals are what perf stat counts in the same run, within 1 %" {
	events=task-clock,page-faults
	! sees_kernel || events+=,context-switches,cpu-migrations
	"$DDPROF_RUN" -q -o p.pb.gz -e "{$events}" perf stat -x, -o stat -e $events \
		"$T/two_costs" 60000 10000 400 > truth
	cat stat truth
	for e in ${events//,/ }; do
		theirs=$(sed -n "s/^\([0-9.]*\),[a-z]*,$e\(:u\)*,.*/\1/p" stat)
		[ $e != task-clock ] || theirs=$(python3 -c "print($theirs * 1e6)")
		ours=$(comment p.pb.gz event.$e.total)
		echo "$e: ours $ours, perf stat $theirs"
		# What perf itself does is in ours only: it starts up, and waits.
		holds 'theirs <= ours <= theirs + own + theirs / 100' theirs="$theirs" ours="$ours" \
			own="$(case $e in page-faults) echo 1500 ;; context-switches) echo 300 ;; cpu-migrations) echo 60 ;; *) echo 300e6 ;; esac)"
		[ "$(comment p.pb.gz event.$e.enabled_ns)" = "$(comment p.pb.gz event.$e.running_ns)" ]
	done
	# Each sample type adds up to its total.
	[ "$($PPROF p.pb.gz sum page-faults)" = "$(comment p.pb.gz event.page-faults.total)" ]
	! sees_kernel || [ "$($PPROF p.pb.gz sum context-switches)" = "$(comment p.pb.gz event.context-switches.total)" ]
	[ "$(comment p.pb.gz event.page-faults.type)" = page-faults ]
}

@test "over windows the totals and the types add up, too" {
	"$DDPROF_RUN" -q -w 0.1 -o p.pb.gz -e task-clock,page-faults "$T/two_costs" 40000 > truth
	n=0 sum=0 total=0
	for f in p-*.pb.gz; do
		n=$((n + 1))
		sum=$((sum + $($PPROF "$f" sum page-faults)))
		total=$((total + $(comment "$f" event.page-faults.total)))
	done
	echo "$n windows, $sum of $total"
	[ "$n" -ge 2 ]
	[ "$sum" = "$total" ]
	[ "$total" -ge 40000 ]
}

@test "attached, groups begin with their leader and threads to come are counted" {
	"$T/late_threads" 4 > out &
	pid=$!
	await ready out $pid
	"$DDPROF" attach -q --pid $pid -d 2 -o p.pb.gz -e '{task-clock,page-faults},minor-faults'
	wait $pid
	$PPROF p.pb.gz check
	$PPROF p.pb.gz types
	[ "$(comment p.pb.gz event.task-clock.total)" = "$(comment p.pb.gz quality.event_cpu_ns)" ]
	holds 'early > 0 and late > 0' early="$($PPROF p.pb.gz total spin_early)" late="$($PPROF p.pb.gz total spin_late)"
	[ "$(comment p.pb.gz event.page-faults.total)" = "$(comment p.pb.gz event.minor-faults.total)" ]
}

@test "in place and wrapped, the summary has a line for each event" {
	"$DDPROF_RUN" -o p.pb.gz -e task-clock,page-faults,major-faults,period=1 "$T/two_costs" 10000 2> err > truth
	cat err
	grep -qE '^ +1[0-9],[0-9]{3}  page-faults, .*1[0-9]{2} samples$' err
	grep -qE '^ +[0-9]+  major-faults' err
	! grep -q 'task-clock,' err
}

@test "an event not to be had costs one line; a group is refused as a whole; the rest is profiled" {
	"$DDPROF_RUN" -o p.pb.gz -e 'task-clock {page-faults,mem:0x1/8:rw} minor-faults' "$T/two_costs" 1000 2> err
	cat err
	[ "$(grep -c 'warning' err)" = 2 ]
	grep -q "'mem:0x1/8:rw' is left out: " err
	grep -q "'page-faults' is left out: its group is refused: 'mem:0x1/8:rw'" err
	comment p.pb.gz event.page-faults.refused | grep -q 'its group is refused'
	! $PPROF p.pb.gz types | grep -q page-faults
	$PPROF p.pb.gz types | grep -q minor-faults
}

@test "events that a limit of open files leaves no room for are left out, the rest is profiled" {
	(ulimit -n 48; "$DDPROF_RUN" -o p.pb.gz -e 'task-clock page-faults,minor-faults,major-faults,alignment-faults,cpu-clock' "$T/two_costs" 1000 2> err)
	cat err
	grep -q "is left out: no descriptors left" err
	$PPROF p.pb.gz types | grep -q cpu-time
}

@test "with nothing left CPU time is profiled, and that is said" {
	"$DDPROF_RUN" -o p.pb.gz -e mem:0x1/8:rw sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 5' 2> err || status=$?
	cat err
	[ "$status" = 5 ]
	grep -q 'no event that was asked for can be sampled: CPU time is' err
	$PPROF p.pb.gz types | grep -q cpu-time
}

@test "wrong names are refused before the program starts, with the nearest" {
	run "$DDPROF_RUN" -e page-fault touch started
	[ "$status" = 125 ]
	[[ "$output" == *"nearest: page-faults"* ]]
	[ ! -e started ]
	run "$DDPROF" attach -e cyclse --pid $$
	[ "$status" = 2 ]
	run "$DDPROF_RUN" -e page-faults,freq=99 touch started
	[ "$status" = 125 ]
	[[ "$output" == *"period=N"* ]]
	run env DD_PROFILING_NATIVE_EVENTS=page-fault "$DDPROF_RUN" -q -o p.pb.gz sh -c 'exit 4'
	[ "$status" = 4 ]
	[ "$(grep -c warning <<<"$output")" = 1 ]
	env DD_PROFILING_NATIVE_EVENTS='sCPU;sPF period=10' "$DDPROF_RUN" -q -o p.pb.gz "$T/two_costs" 1000
	[ "$(comment p.pb.gz event.page-faults.period)" = 10 ]
}

@test "an ordinary user is told which events happen in the kernel" {
	sees_kernel && skip "this user may watch the kernel"
	"$DDPROF_RUN" -o p.pb.gz -e task-clock,context-switches,page-faults "$T/two_costs" 1000 100 2> err
	cat err
	[ "$(grep -c 'warning' err)" = 1 ]
	grep -q "'context-switches' is left out: happens in the kernel, which this user may not watch" err
	[ "$(comment p.pb.gz event.page-faults.mode)" = user ]
}

@test "breakpoints, uprobes and tracepoints are sampled at their place" {
	[ "$(uname -m)" = x86_64 ] || skip "addresses of x86-64"
	at=$(nm "$T/two_costs" | sed -n 's/^\([0-9a-f]*\) [bB] sink$/\1/p')
	at=$(printf 0x%x $((0x555555554000 + 0x$at)))
	"$DDPROF_RUN" -q -o p.pb.gz -e "mem:$at/8:w,label=sink" setarch -R "$T/two_costs" 10000
	# Once at the end of each call: 20 rounds of 500.
	[ "$($PPROF p.pb.gz value busy sink)" = 20 ]
	sees_kernel || return 0
	"$DDPROF_RUN" -q -o u.pb.gz -e "probe:$T/two_costs:faulty,label=in,probe:$T/two_costs:faulty%return,label=out" \
		"$T/two_costs" 10000
	[ "$(comment u.pb.gz event.in.total)" = 20 ]
	[ "$($PPROF u.pb.gz value faulty in)" = 20 ]
	[ "$($PPROF u.pb.gz value main out)" = 20 ]
	unshare -m sh -c "mount -t tracefs nodev /sys/kernel/tracing && exec $DDPROF_RUN -q -o t.pb.gz \
		-e sched:sched_switch $T/two_costs 0 50" || skip "no tracefs"
	holds 'n >= 50' n="$($PPROF t.pb.gz value sleeps sched:sched_switch)"
}

@test "go tool pprof reads each type" {
	"$DDPROF_RUN" -q -o p.pb.gz -e task-clock,page-faults,minor-faults "$T/two_costs" 20000
	for t in cpu-time minor-faults; do
		go tool pprof -top -sample_index=$t -symbolize=none p.pb.gz > top 2>/dev/null
		grep -q "^Type: $t" top
	done
	go tool pprof -top -symbolize=none p.pb.gz 2>/dev/null | grep -q '^Type: cpu-time'
}

@test "the kernel is asked for the same as by perf stat" {
	for e in cycles branch-misses:u page-faults:u r1a2 L1-dcache-load-misses; do
		theirs=$(strace -f -e trace=perf_event_open perf stat -e $e true 2>&1 | asked)
		[ -n "$theirs" ] || skip "perf stat asks for nothing here"
		ours=$(strace -f -e trace=perf_event_open "$DDPROF_RUN" -q -o p.pb.gz -e $e true 2>&1 | asked)
		echo "$e: perf $theirs, ours $ours"
		grep -qxF "$(head -n 1 <<<"$theirs")" <<<"$ours"
	done
}

# Type and configuration of each event asked for.
asked() {
	sed -n 's/.*type=\([^,]*\), size=[^,]*, config=\([^,]*\),.*/\1 \2/p' | sed 's/ *\/\*.*\*\///g; s/}.*//' | sort -u
}
