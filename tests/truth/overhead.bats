#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# overhead.bats - what sampling may cost, and what is done when it costs more.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	cd "$BATS_TEST_TMPDIR"
}

less() {
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not a < b)' "$1" "$2" || { echo "$1 is not less than $2"; return 1; }
}

comment() { # KEY
	$PPROF p.pb.gz comments | sed -n "s/^ddprof\.$1: //p"
}

@test "10000 Hz for at most 1 %: the rate goes down, totals and shares stay right" {
	"$DDPROF_RUN" -q -F 10000 --max-overhead 1 -o p.pb.gz "$T/shares" 9 >truth
	$PPROF p.pb.gz check
	$PPROF p.pb.gz comments | grep -E "overhead|rate_change|quality"
	[ "$(comment overhead.limit_percent)" = 1 ]
	less 0 "$(comment overhead.rate_changes)"
	[[ $(comment rate_change | head -1) =~ ^10000.0\ to\ ([0-9.]+)\ Hz ]]
	less "${BASH_REMATCH[1]}" 2501
	sum=$($PPROF p.pb.gz sum cpu-time) counted=$(comment quality.event_cpu_ns)
	echo "profile $sum, counted $counted"
	less "$(python3 -c "print(abs($sum - $counted) / $counted)")" 0.01
	sampled=$(comment quality.sampled_cpu_ns) lost=$(comment quality.lost_cpu_ns)
	less "$(python3 -c "print(abs($sampled + ${lost:-0} - $counted) / $counted)")" 0.05
	# Of what the three got, whatever interrupts cost beside them.
	all=$(python3 -c "print($($PPROF p.pb.gz total half) + $($PPROF p.pb.gz total third) + $($PPROF p.pb.gz total fifth))")
	while read -r name want; do
		got=$(python3 -c "print(100 * $($PPROF p.pb.gz total "$name") / $all)")
		echo "$name: want $want, got $got"
		less "$(python3 -c "print(abs($got - $want))")" 3
	done <truth
}

@test "at the default rate the limit is 1 %, the price of an interrupt is said, and a short program is not judged" {
	"$DDPROF_RUN" -q -o p.pb.gz "$T/shares" 0.3 >/dev/null
	$PPROF p.pb.gz comments | grep overhead
	[ "$(comment overhead.limit_percent)" = 1 ]
	[[ $(comment overhead.interrupt_ns) =~ ^[1-9][0-9]*\ \((measured|assumed)\)$ ]]
	[ "$(comment overhead.rate_changes)" = 0 ]
}

@test "the slower rate is a quarter at most, and slow enough for the limit" {
	rate() { # OPTION...: the period that may be used, in ms, and the price of an interrupt in ns
		"$DDPROF_RUN" -q -l debug "$@" -o p.pb.gz "$T/shares" 0.05 2>&1 >/dev/null | sed -n 's/.*costs \([0-9]*\) ns.*may become \([0-9.]*\) ms.*/\2 \1/p'
	}
	read -r period price < <(rate)
	echo "99 Hz: $period ms, an interrupt $price ns"
	less 40.3 "$period"
	read -r period price < <(rate -F 10000 --max-overhead 1)
	echo "10000 Hz: $period ms, an interrupt $price ns"
	less "$(python3 -c "print(2 * $price / 1e6 / 0.01 * 0.99)")" "$period"
}

@test "a rate asked for is kept, unless a limit is asked for, too" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "$T/shares" 0.1 >/dev/null
	[ -z "$(comment overhead.limit_percent)" ]
	"$DDPROF_RUN" -q -F 499 --max-overhead 2.5 -o p.pb.gz "$T/shares" 0.1 >/dev/null
	[ "$(comment overhead.limit_percent)" = 2.5 ]
	"$DDPROF_RUN" -q --max-overhead 0 -o p.pb.gz "$T/shares" 0.1 >/dev/null
	[ -z "$(comment overhead.limit_percent)" ]
}

@test "a limit that is none is refused" {
	for bad in 101 -1 x 1% 1e1 ''; do
		run "$DDPROF_RUN" --max-overhead "$bad" -o p.pb.gz true
		[ "$status" = 125 ]
		[[ $output == *"a number of 0 to 100 per cent"* ]]
	done
}
