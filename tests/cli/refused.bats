#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# refused.bats - when perf events, memory or the disk are refused, the program runs all the same.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	[ ! -f paranoid ] || sysctl -q kernel.perf_event_paranoid="$(cat paranoid)"
}

@test "perf_event_open refused and no fallback wanted: one warning that names it, the program's own output and status" {
	for errno in 1 13 38; do
		"$T/deny_perf" $errno "$DDPROF_RUN" --fallback none sh -c 'echo out; exit 7' >out 2>err || status=$?
		[ "$status" = 7 ]
		[ "$(cat out)" = out ]
		cat err
		[ "$(grep -c '^ddprof: ' err)" = 1 ]
		grep -q perf_event_open err
		grep -q '  fix: ' err
	done
	[ "$(ls)" = "$(printf 'err\nout')" ]
}

@test "refused at perf_event_paranoid 3: the line holds the one command that helps" {
	# A distribution's kernel refuses at 3 by itself; elsewhere the filter stands for it.
	[ -w /proc/sys/kernel/perf_event_paranoid ] && [ "$(id -u)" = 0 ] || skip "needs root to set the sysctl"
	cat /proc/sys/kernel/perf_event_paranoid > paranoid
	sysctl -q kernel.perf_event_paranoid=3
	"$T/deny_perf" 13,as-kernel "$DDPROF_RUN" true 2>err
	cat err
	grep -q 'sudo sysctl kernel.perf_event_paranoid=2' err
}

@test "attach refused by seccomp fails with 1 and the reason" {
	sleep 30 & pid=$!
	run "$T/deny_perf" 13 "$DDPROF" attach --pid $pid -d 1
	kill $pid
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"cannot profile: perf_event_open: Permission denied"* ]]
}

@test "attach to a process that is gone, or not ours, names the pid" {
	true & pid=$!
	wait $pid
	run "$DDPROF" attach --pid $pid -d 1
	[ "$status" = 1 ]
	[[ $output == *"cannot attach to pid $pid: there is no such process"* ]]
	[ "$(id -u)" != 0 ] || return 0
	run "$DDPROF" attach --pid 1 -d 1
	[ "$status" = 1 ]
	[[ $output == *"cannot attach to pid 1: "*"fix: "* ]]
}

@test "a small mlock budget costs ring size, not the profile" {
	prlimit --memlock=0:0 "$DDPROF_RUN" -q -F 499 -o p.pb.gz "$T/shares" 1 >/dev/null
	$PPROF p.pb.gz comments
	! $PPROF p.pb.gz comments | grep '^ddprof.quality.lost: [1-9]'
	[ "$($PPROF p.pb.gz comments | sed -n 's/^ddprof.quality.samples: //p')" -gt 400 ]
}

@test "a limit of open files too low for the events costs one line, not the program" {
	for n in 8 9 10 11 12 14 16 20; do
		run prlimit --nofile=$n:$n "$DDPROF_RUN" sh -c 'exit 5'
		echo "$n: $output"
		[ "$status" = 5 ]
	done
}

@test "a directory that cannot be written: the profile goes to the state directory, and that is said" {
	[ "$(id -u)" != 0 ] || skip "root may write anywhere"
	mkdir ro state
	chmod 555 ro
	cd ro
	XDG_STATE_HOME=$BATS_TEST_TMPDIR/state run "$DDPROF_RUN" true
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"$BATS_TEST_TMPDIR/state/ddprof/"* ]]
	[ "$(find "$BATS_TEST_TMPDIR/state" -name '*.pb.gz' | wc -l)" = 1 ]
}

@test "an output that cannot be written is refused before the program starts" {
	run "$DDPROF_RUN" -o /nonexistent/dir/p.pb.gz sh -c 'echo started'
	echo "$output"
	[ "$status" = 125 ]
	[[ $output != *started* ]]
	[[ $output == */nonexistent/dir* ]]
}

@test "a full disk costs the profile, said, and leaves nothing behind" {
	[ "$(id -u)" = 0 ] || skip "needs root to mount a small file system"
	mkdir small
	unshare -m bash -c 'mount -t tmpfs -o size=4k tmpfs small && head -c 8192 /dev/zero >small/fill 2>/dev/null
		"$1" -o small/p.pb.gz sh -c "exit 3" 2>err; echo $? >status; ls -A small >left' bash "$DDPROF_RUN"
	cat err status left
	[ "$(cat left)" = fill ]
	[ "$(cat status)" = 3 ] || [ "$(cat status)" = 125 ]
	grep -q 'small' err
}
