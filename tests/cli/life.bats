#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# life.bats - windows one after another, whatever happens to the program, the profiler or the machine.

load common.bash

setup() {
	common_setup
	WINDOWS="python3 $ROOT/tests/windows.py"
	OUT=$BATS_TEST_TMPDIR/p.pb.gz
	# Under a name of this test's own, so that it can be ended with it.
	SHARES=$BATS_TEST_TMPDIR/shares
	ln -s "$T/shares" "$SHARES"
}

teardown() {
	end_left_over
}

file() { # N
	printf 'p-%06d.pb.gz' "$1"
}

count() {
	ls p-*.pb.gz 2>/dev/null | wc -l
}

at_least() { # N files
	[ "$(count)" -ge "$1" ]
}

collector() {
	local p
	for p in $(pgrep -f -- "-o $BATS_TEST_TMPDIR/"); do
		if [ "$(cat "/proc/$p/comm" 2>/dev/null)" = ddprof-collect ]; then echo "$p"; fi
	done
}

# Another collector than $1, that collects already.
successor() {
	new=$(collector) && [ -n "$new" ] && [ "$new" != "$1" ]
}

@test "20 windows adjoin to the nanosecond and add up exactly to what the events count" {
	"$SHARES" 60 >truth 3>&- &
	local program=$!
	await grep -q shares "/proc/$program/comm"
	"$DDPROF" attach -q --pid $program -F 499 -w 0.1 --keep 0 -d 600 -o "$OUT" 3>&- &
	local attach=$!
	await at_least 20
	kill -TERM $attach
	wait $attach
	kill $program
	$WINDOWS --exact p-*.pb.gz >sum
	cat sum
	read -r windows duration samples lost event value <sum
	[ "$windows" -ge 20 ] && [ "$event" = "$value" ]
	# 2 ms of each sample: none is lost at a seam without being counted as such
	python3 -c "import sys; s, l, e = $samples, $lost, $event / 2004008; sys.exit(not e * 0.9 < s + l <= e + 1)"
}

@test "the same for a program from its start to its exit, its last window included" {
	"$DDPROF_RUN" -q -F 499 -w 0.1 --keep 0 -o "$OUT" bash -c 'exec 3>cpu; TIMEFORMAT="%U %S"; { time "$0" 2 >/dev/null; } 2>&3' "$SHARES"
	$WINDOWS p-*.pb.gz >sum
	cat sum cpu
	read -r windows duration samples lost event value <sum
	python3 -c "import sys; u, s = map(float, open('cpu').read().split()); sys.exit(not abs($value / 1e9 - u - s) < 0.06 * (u + s))"
}

@test "a collector that is killed is replaced three times, the program notices nothing, the numbers go on" {
	"$DDPROF_RUN" -F 499 -w 0.2 -o "$OUT" sh -c "'$T/show_signals' >signals & echo \$! >child; exec '$SHARES' 60" >out 2>err 3>&- &
	local wrapper=$! old i n
	await at_least 1
	for i in 1 2 3; do
		old=$(collector)
		kill -KILL "$old"
		await successor "$old"
		grep -q "killed by signal 9 .*restarted ($i of 3)" err
		n=$(count)
		await at_least $((n + 2))
	done
	kill -KILL "$(collector)"
	await grep -q 'runs on without being profiled' err
	[ -z "$(collector)" ]
	# Still the wrapper's child, unsignalled, and its status is passed on.
	pgrep -P $wrapper shares
	kill -USR2 "$(cat child)"
	await grep -q 'signal 12' signals
	[ "$(grep -c '^signal' signals)" = 1 ]
	kill -TERM $wrapper
	local code=0
	wait $wrapper || code=$?
	[ $code = 143 ]
	# No number is missing.
	n=$(count)
	[ -e "$(file $((n - 1)))" ] && [ ! -e "$(file "$n")" ]
}

@test "what a killed collector had written into the one file stays, the rest goes beside it" {
	"$DDPROF_RUN" -u 0.2 -F 499 -o "$OUT" "$SHARES" 60 >out 2>err 3>&- &
	local wrapper=$!
	await test -s p.pb.gz
	local old
	old=$(collector)
	kill -KILL "$old"
	await test -s p-restarted1.pb.gz
	kill -TERM $wrapper
	wait $wrapper || true
	$PPROF p.pb.gz check
	$PPROF p-restarted1.pb.gz check
	grep -q "the rest goes to '$BATS_TEST_TMPDIR/p-restarted1.pb.gz'" err
}

@test "a stopped profiler gives one long window, not many, and times go on" {
	"$DDPROF_RUN" -q -F 99 -w 0.2 -o "$OUT" "$SHARES" 60 >out 3>&- &
	local wrapper=$! c n
	await at_least 2
	c=$(collector)
	kill -STOP "$c"
	n=$(count)
	sleep 1.5 # the standstill itself, five windows long at least
	kill -CONT "$c"
	await at_least $((n + 3))
	kill -TERM $wrapper
	wait $wrapper || true
	$WINDOWS p-*.pb.gz
	python3 - "$ROOT/tests" p-*.pb.gz <<-'P'
		import sys
		sys.path.insert(0, sys.argv[1])
		from pprof import Profile
		lengths = [Profile(f).duration / 1e9 for f in sorted(sys.argv[2:])]
		print(lengths)
		assert max(lengths) > 1.4
		assert all(l > 0.09 for l in lengths[:-1]), "a burst"
	P
}

@test "a stopped program gives empty windows, and goes on being profiled" {
	"$DDPROF_RUN" -q -F 499 -w 0.2 -o "$OUT" "$SHARES" 60 >out 3>&- &
	local wrapper=$! program n
	await at_least 1
	program=$(pgrep -P $wrapper shares)
	kill -STOP "$program"
	n=$(count) # one more may be on its way to its file, and the next holds the moment of the stop
	await at_least $((n + 4))
	kill -CONT "$program"
	await at_least $((n + 8))
	kill -TERM $wrapper
	wait $wrapper || true
	$WINDOWS p-*.pb.gz
	[ "$($PPROF "$(file $((n + 2)))" sum cpu-samples)" -le 2 ]
	[ "$($PPROF "$(file $((n + 7)))" sum cpu-samples)" -gt 5 ]
}

freezer() { # prints a cgroup's directory, the file and the words to freeze and to thaw it
	local g
	for g in /sys/fs/cgroup/freezer /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ -d "$g" ] && mkdir "$g/ddprof-test-$$" 2>/dev/null || continue
		if [ -e "$g/ddprof-test-$$/freezer.state" ]; then
			echo "$g/ddprof-test-$$" freezer.state FROZEN THAWED
			return
		elif [ -e "$g/ddprof-test-$$/cgroup.freeze" ]; then
			echo "$g/ddprof-test-$$" cgroup.freeze 1 0
			return
		fi
		rmdir "$g/ddprof-test-$$"
	done
	return 1
}

@test "frozen and thawed with the program: one window that spans it, no burst, no loss" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	read -r group file freeze thaw < <(freezer) || skip "no cgroup freezer here"
	bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
		"$DDPROF_RUN" -q -F 499 -w 0.2 -o "$OUT" "$SHARES" 60 >out 3>&- &
	local wrapper=$! n
	await at_least 2
	echo "$freeze" >"$group/$file"
	[ "$file" = cgroup.freeze ] || await grep -q FROZEN "$group/$file"
	n=$(count)
	sleep 1 # frozen: nothing to wait for happens
	[ "$(count)" -le $((n + 1)) ]
	echo "$thaw" >"$group/$file"
	await at_least $((n + 4))
	kill -TERM $wrapper
	wait $wrapper || true
	await rmdir "$group"
	$WINDOWS p-*.pb.gz
}

@test "a program that crashes has its last window written" {
	local code=0
	"$DDPROF_RUN" -q -F 499 -o "$OUT" bash -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; kill -SEGV $$' || code=$?
	[ $code = 139 ]
	[ "$($PPROF p.pb.gz sum cpu-samples)" -gt 5 ]
}

@test "SIGTERM and SIGKILL to all of a group: the last window is written all the same" {
	local s
	for s in TERM KILL; do
		rm -f p.pb.gz
		set -m
		"$DDPROF_RUN" -q -F 499 -o "$OUT" "$SHARES" 60 >out 2>&1 3>&- &
		local wrapper=$!
		set +m
		await pgrep -P $wrapper shares
		kill -$s -- -$wrapper
		wait $wrapper || true
		await test -s p.pb.gz
		$PPROF p.pb.gz check
	done
}

@test "the exit is not delayed beyond --exit-timeout, and the profile is written later" {
	mkfifo going
	"$DDPROF_RUN" -F 499 --exit-timeout 0.2 -o "$OUT" sh -c "'$SHARES' 1 >/dev/null; echo >going; read x <going; exit 4" 2>err 3>&- &
	local wrapper=$! c code=0
	read -r _ <going
	c=$(collector)
	kill -STOP "$c" # as if finding names took for ever
	echo >going
	wait $wrapper || code=$?
	[ $code = 4 ]
	grep -q 'not finished within 0.2 s' err
	[ ! -e p.pb.gz ]
	kill -CONT "$c"
	await test -s p.pb.gz
	$PPROF p.pb.gz check
}

@test "with --timeline each sample has its time, within its window and in order" {
	"$DDPROF_RUN" -q --timeline -F 499 -w 0.3 -o "$OUT" "$SHARES" 1 >out
	for f in p-*.pb.gz; do
		$PPROF "$f" check
		$PPROF "$f" timeline >timeline
		read -r timed rest <timeline
		[ "$timed" = "$($PPROF "$f" comments | sed -n 's/^ddprof.quality.samples: //p')" ]
		$PPROF "$f" comments | grep -q "^ddprof.timeline: $timed samples with their time, 0 merged"
	done
	"$DDPROF_RUN" -q -F 499 -o q.pb.gz "$SHARES" 1 >out
	[ "$($PPROF q.pb.gz timeline | cut -d ' ' -f 1)" = 0 ]
	DD_PROFILING_TIMELINE_ENABLE=true "$DDPROF_RUN" -q -F 499 -o q.pb.gz "$SHARES" 1 >out
	[ "$($PPROF q.pb.gz timeline | cut -d ' ' -f 1)" -gt 100 ]
	DD_PROFILING_TIMELINE_ENABLE=true "$DDPROF_RUN" --no-timeline -q -F 499 -o q.pb.gz "$SHARES" 1 >out
	[ "$($PPROF q.pb.gz timeline | cut -d ' ' -f 1)" = 0 ]
}

@test "a window whose file cannot be written is kept, and written when it can be" {
	mkdir "$(file 1)" # nothing replaces a directory
	"$DDPROF_RUN" -F 499 -w 0.2 --keep 0 -o "$OUT" "$SHARES" 60 >out 2>err 3>&- &
	local wrapper=$!
	await test -s "$(file 3)"
	grep -q "a window is kept in memory until it can be written: .*$(file 1)" err
	rmdir "$(file 1)"
	await test -s "$(file 1)"
	await grep -q '1 windows that had been kept are written' err
	kill -TERM $wrapper
	wait $wrapper || true
	$WINDOWS p-*.pb.gz
	! grep 'not be written at all' err
}

@test "memory and descriptors stay as they are over windows of a process that forks and dlopens all the time" {
	"$ROOT/tests/soak" "$BUILD" 30
}
