#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# report.bats - what report shows of several events: ratios by function and line, and totals.

load common.bash

setup() {
	common_setup
	COUNTERS=$ROOT/tests/fixtures/fuzz_pprof/counters.pb.gz # two functions, 0.5 instructions per cycle
}

@test "the ratios of two functions, and of the run, are those of the machine that counted them" {
	run "$DDPROF" report --top 2 "$COUNTERS"
	[ "$status" = 0 ]
	echo "$output" | grep -qE '^ +0\.500 +2\.07  \(all\)$'
	echo "$output" | grep -qE '^ +0\.500 +2\.07  twice +silent silent\.c:33$'
	echo "$output" | grep -qE '^ +0\.502 +2\.06  once +silent silent\.c:32$'
	echo "$output" | grep -qE '^cycles +1 024 094 108 +999 757 716 +968 M/s$'
	echo "$output" | grep -qE '^ +0\.500 instructions per cycle, 0\.500 in user mode$'
}

@test "every other type has the same ratios beside its own table" {
	run "$DDPROF" report --top 2 --type instructions "$COUNTERS"
	[[ "${lines[1]}" == "instructions: 512 047 054 in "* ]]
	echo "$output" | grep -qE '^ +0\.500 +2\.07  twice '
}

@test "with --lines a row is a line" {
	run "$DDPROF" report --lines --top 3 "$COUNTERS"
	[ "$status" = 0 ]
	[[ "${lines[1]}" == "cpu-time: 1.06 s in "*" lines, "* ]]
	echo "$output" | grep -qE '  IPC  ns/instr  line$'
}

@test "page faults per second of CPU are those of the run" {
	"$DDPROF_RUN" -q -F 999 -e task-clock -e page-faults,period=100 -o p.pb.gz \
		python3 -c 'b = [bytearray(b"x" * (1 << 20)) for i in range(100)]'
	[ -s p.pb.gz ] || skip "perf events are refused here"
	$PPROF p.pb.gz comments >comments
	run "$DDPROF" report --top 3 p.pb.gz
	echo "$output"
	faults=$(sed -n 's/^ddprof\.event\.page-faults\.total: //p' comments)
	[ "$faults" -gt 10000 ]
	# the same number, in groups of three digits: columns 24 to 43
	[ "$(echo "$output" | grep '^page-faults ' | cut -c24-43 | tr -d ' ')" = "$faults" ]
	# an ordinary user's CPU time of the whole run has the kernel's in it, the faults have not
	grep -qx 'ddprof.mode: user+kernel' comments || return 0
	all=$(echo "$output" | sed -n 's/^ *\([0-9.]*\)  (all)$/\1/p')
	want=$(($($PPROF p.pb.gz sum page-faults) * 1000000000 / $($PPROF p.pb.gz sum cpu-time)))
	[ "${all%.*}" -ge $((want - 1)) ]
	[ "${all%.*}" -le $((want + 1)) ]
}
