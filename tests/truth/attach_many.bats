#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# attach_many.bats - processes with more threads than events can be opened for.

load ../await.bash

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	[ -z "$other" ] || kill "$other" 2>/dev/null || true
}

less() {
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not a < b)' "$1" "$2" || { echo "$1 is not less than $2"; return 1; }
}

comment() { # KEY
	$PPROF p.pb.gz comments | sed -n "s/^ddprof\.$1: //p"
}

# Per cent that chance may make of it, with as few samples as a busy machine leaves: four standard deviations.
chance() { # FRACTION
	python3 -c "print(400 * ($1 * (1 - $1) / $(comment quality.samples)) ** 0.5)"
}

# What samples say of the two functions, whatever else the profile has: 75 to 25.
shares() {
	major=$($PPROF p.pb.gz total major) minor=$($PPROF p.pb.gz total minor)
	echo "major $major minor $minor"
	share=$(python3 -c "print(100 * $major / ($major + $minor))")
	less "$(python3 -c "print(abs($share - 75))")" "$(python3 -c "print(3 + $(chance 0.75))")"
}

# May events of whole CPUs be opened?
privileged() {
	python3 -c '
import sys
eff = [int(line.split()[1], 16) for line in open("/proc/self/status") if line.startswith("CapEff")][0]
sys.exit(not eff & (1 << 38 | 1 << 21))' # CAP_PERFMON, CAP_SYS_ADMIN
}

@test "too few open files for all threads: root samples CPUs, of which only the process's samples count" {
	privileged || skip "takes CAP_PERFMON"
	"$T/shares" 60 >/dev/null & other=$!
	"$T/many_threads" 300 2 60 >out & pid=$!
	await ready out $pid
	(ulimit -n 200; exec "$DDPROF" attach -q --pid $pid -d 2 -F 997 -o p.pb.gz) 2>err
	cat err
	[ ! -s err ]
	$PPROF p.pb.gz check
	[ "$(comment attach.mode)" = "whole CPUs" ]
	less 100 "$(comment attach.foreign_samples)"
	names=$($PPROF p.pb.gz labels process_name)
	echo "$names"
	[[ $names == *many_threads* && $names != *shares* ]]
	shares
	# The kernel's own clock of the process; the ticks of CPUs that fall on it are chance.
	sum=$($PPROF p.pb.gz sum cpu-time) clock=$(comment quality.event_cpu_ns)
	echo "profile $sum, process clock $clock"
	less "$(python3 -c "print(100 * abs($sum - $clock) / $clock)")" "$(python3 -c "print(10 + 2 * $(chance 0.5))")"
}

@test "what the process starts later belongs to it when CPUs are sampled" {
	privileged || skip "takes CAP_PERFMON"
	"$T/many_threads" 300 1 60 children >out & pid=$!
	await ready out $pid
	(ulimit -n 200; exec "$DDPROF" attach -q --pid $pid -d 2 -F 499 -o p.pb.gz)
	[ "$(comment attach.mode)" = "whole CPUs" ]
	less 1 "$($PPROF p.pb.gz total of_child)"
	sum=$($PPROF p.pb.gz sum cpu-time) counted=$(comment quality.event_cpu_ns)
	echo "profile $sum, counted $counted"
	less "$(python3 -c "print(100 * abs($sum - $counted) / $counted)")" "$(python3 -c "print(10 + 2 * $(chance 0.5))")"
}

@test "without privilege the busiest threads are sampled, and how much of the time that is is said" {
	! privileged || skip "for ordinary users"
	"$T/many_threads" 300 2 60 >out & pid=$!
	await ready out $pid
	(ulimit -n 200; exec "$DDPROF" attach -q --pid $pid -d 2 -F 499 -o p.pb.gz) 2>err
	cat err
	grep -Eq "sampling the [0-9]+ busiest of 300 threads, which use (9[0-9.]+|100.0) % of their CPU time: the limit of open files" err
	$PPROF p.pb.gz check
	[ "$(comment attach.mode)" = "busiest threads" ]
	[[ $(comment attach.threads) =~ ^([0-9]+)\ of\ 300$ ]]
	[ "${BASH_REMATCH[1]}" -lt 100 ]
	less 90 "$(comment attach.cpu_share)"
	shares
	# All of the process's time is in the profile, that of threads without events as not sampled.
	sum=$($PPROF p.pb.gz sum cpu-time) all=$(comment quality.rusage_cpu_ns)
	echo "profile $sum, process $all"
	less "$(python3 -c "print(abs($sum - $all) / $all)")" 0.1
}

@test "threads that end while others are attached to are not called missing" {
	"$T/late_threads" 60 >out & pid=$!
	await ready out $pid
	for _ in 1 2 3; do
		"$DDPROF" attach -q --pid $pid -d 0.1 -o p.pb.gz
		[ "$(comment attach.mode)" = threads ]
		[[ $(comment attach.threads) =~ ^([0-9]+)\ of\ ([0-9]+)$ ]]
		[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
		rm p.pb.gz
	done
}

@test "5000 threads are attached to" {
	"$T/many_threads" 5000 2 120 >out & pid=$!
	await ready out $pid || skip "5000 threads cannot be started here"
	"$DDPROF" attach -q --pid $pid -d 2 -F 499 -o p.pb.gz
	$PPROF p.pb.gz check
	mode=$(comment attach.mode)
	echo "$mode, $(comment attach.threads)"
	shares
}
