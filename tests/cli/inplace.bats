#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# inplace.bats - the program keeps the process that it was started as, and the profile is finished after it.

load common.bash

setup() {
	common_setup
	SERVICE="python3 $ROOT/tests/targets/service.py"
	# Under a name of this test's own, so that it can be ended with it.
	SHARES=$BATS_TEST_TMPDIR/shares
	ln -s "$T/shares" "$SHARES"
	IN_PLACE=("$DDPROF_RUN" --in-place -q -o "$BATS_TEST_TMPDIR/p.pb.gz")
}

teardown() {
	end_left_over
}

# Processes of ours for this test: they keep the command line, with the name of its directory.
profilers() { # [name]
	local p
	for p in $(pgrep -f -- "-o $BATS_TEST_TMPDIR/"); do
		case $(cat "/proc/$p/comm" 2>/dev/null) in
		"${1:-ddprof-}"*) echo "$p" ;;
		esac
	done
}

no_profilers() {
	[ -z "$(profilers)" ]
}

finished() {
	await no_profilers
	[ -s "${1:-p.pb.gz}" ]
}

@test "in place the file is named at the start, when somebody can still read it" {
	"$DDPROF_RUN" --in-place -o "$PWD/p.pb.gz" true 2>err
	grep -F "is profiled in place, into '$PWD/p.pb.gz'; the" err
	finished
	"$DDPROF_RUN" --in-place -w 60 -o "$PWD/w.pb.gz" true 2>err
	grep -F "is profiled in place, into '$PWD/w-000000.pb.gz'; the" err
	finished w-000000.pb.gz
}

@test "in place pid, parent, group and session are the program's, and so is the exit status" {
	bash -c 'echo $$ >want; exec "$@"' sh "${IN_PLACE[@]}" \
		bash -c 'echo $$ $PPID $(ps -o pgid=,sid= $$); exit 5' >got || code=$?
	[ "$code" = 5 ]
	[ "$(cut -d ' ' -f 1 got)" = "$(cat want)" ]
	[ "$(cut -d ' ' -f 2 got)" = $$ ] || [ "$(cut -d ' ' -f 2 got)" = $BASHPID ]
	[ "$(awk '{ print $3, $4 }' got)" = "$(ps -o pgid=,sid= $$ | awk '{ print $1, $2 }')" ]
	finished
}

@test "in place the whole program is profiled, children and all" {
	"${IN_PLACE[@]}" -F 499 sh -c "'$SHARES' 1 >truth; '$SHARES' 1 >/dev/null"
	finished
	$PPROF p.pb.gz check
	sum=$($PPROF p.pb.gz sum cpu-time)
	[ "$sum" -gt 1800000000 ]
	[ "$sum" -lt 2300000000 ]
	[ "$($PPROF p.pb.gz labels process_id | wc -l)" -ge 2 ]
}

@test "descriptors, signals, limits and environment are as without the profiler" {
	run_plain() { env -i A=1 PATH="$PATH" bash -c 'exec "$@"' sh "$@"; }
	run_plain "$T/show_state" >plain 2>&1 </dev/null
	run_plain "${IN_PLACE[@]}" "$T/show_state" >profiled 2>&1 </dev/null
	# /proc/self/fd of the two outputs differ by name only
	diff <(sed 's/plain/OUT/' plain) <(sed 's/profiled/OUT/' profiled)
	finished
}

@test "a reader of the program's output sees its end with the program's, while the profiler finishes" {
	mkfifo out
	"${IN_PLACE[@]}" sh -c 'echo one; echo two >&2' >out 2>&1 &
	[ "$(cat out)" = "one
two" ]
	wait $!
	finished
}

@test "under a service manager: socket activation, readiness and its own exit status" {
	python3 "$ROOT/tests/targets/manager.py" "$DDPROF_RUN" -q -o "$BATS_TEST_TMPDIR/p.pb.gz" $SERVICE >found 2>err
	cat found err
	diff - found <<-'X'
		ready from the main process: True
		listening True watched True pgid PID sid PID ppid MANAGER children 0
		held by the profiler: 0
		output: last words
		exit status: 7
		no other child
	X
	finished
	[ "$($PPROF p.pb.gz sum cpu-time)" -gt 0 ]
}

@test "wrapped under a service manager the program finds its own pid in LISTEN_PID and WATCHDOG_PID" {
	LISTEN_PID=0 "$DDPROF_RUN" -q --wrap -o p.pb.gz sh -c '[ "$LISTEN_PID" = 0 ]'
	bash -c 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@"' sh "$DDPROF_RUN" -q --wrap -o p.pb.gz \
		sh -c '[ "$LISTEN_PID $WATCHDOG_PID" = "$$ $$" ]'
}

@test "a supervisor's variables choose the mode, and a flag wins" {
	bash -c 'NOTIFY_SOCKET=x exec "$@"' sh "$DDPROF_RUN" -q -o "$BATS_TEST_TMPDIR/a.pb.gz" \
		sh -c 'cat /proc/$PPID/comm' >comm
	! grep ddprof comm
	finished a.pb.gz
	bash -c 'NOTIFY_SOCKET=x exec "$@"' sh "$DDPROF_RUN" --wrap -q -o "$BATS_TEST_TMPDIR/b.pb.gz" \
		sh -c 'cat /proc/$PPID/comm' >comm
	grep ddprof-run comm
	"$DDPROF_RUN" -q -o "$BATS_TEST_TMPDIR/c.pb.gz" sh -c 'cat /proc/$PPID/comm' >comm
	grep ddprof-run comm
}

@test "what kills the program's group leaves the profiler, which finishes" {
	set -m
	"${IN_PLACE[@]}" -F 499 "$SHARES" 60 >out 2>err 3>&- &
	local program=$!
	set +m
	await grep -q shares "/proc/$program/comm"
	await test -n "$(profilers ddprof-coll)"
	kill -KILL -- -$program
	local code=0
	wait $program || code=$?
	[ $code = 137 ]
	finished
	$PPROF p.pb.gz check
}

@test "a program that cannot be executed in place gives 126 and 127, and no profile" {
	local code=0
	"${IN_PLACE[@]}" no-such-program-anywhere 2>err || code=$?
	[ $code = 127 ]
	grep -q no-such-program-anywhere err
	code=0
	"${IN_PLACE[@]}" / 2>err || code=$?
	[ $code = 126 ]
	await no_profilers
	[ ! -e p.pb.gz ]
}

@test "--in-place excludes --wrap and standard output" {
	for other in --wrap "-o -"; do
		local code=0
		"$DDPROF_RUN" --in-place $other true 2>err || code=$?
		[ $code = 125 ]
		grep -q -- "--in-place excludes" err
	done
}

@test "in place a collector that is killed is replaced, and its successor sees the children" {
	"$DDPROF_RUN" --in-place -w 0.3 -F 499 -o "$BATS_TEST_TMPDIR/p.pb.gz" \
		sh -c "'$SHARES' 60 & echo \$! >child; wait" >out 2>err 3>&- &
	local program=$!
	await test -e p-000001.pb.gz
	local old
	old=$(profilers ddprof-coll)
	kill -KILL "$old"
	is_replaced() { new=$(profilers ddprof-coll) && [ -n "$new" ] && [ "$new" != "$old" ]; }
	await is_replaced
	n=$(ls p-*.pb.gz | wc -l)
	await test -e "$(printf 'p-%06d.pb.gz' $((n + 2)))"
	[ "$(ps -o ppid= "$(cat child)" | tr -d ' ')" = $program ]
	kill "$(cat child)"
	wait $program || true
	await no_profilers
	grep -q 'killed by signal 9 .*restarted (1 of 3)' err
	$PPROF "$(printf 'p-%06d.pb.gz' $((n + 1)))" labels process_name | grep shares
}

@test "SIGTERM to the profiler alone ends it within the exit timeout, and the program runs on" {
	"$DDPROF_RUN" --in-place --exit-timeout 0.2 -q -o "$BATS_TEST_TMPDIR/p.pb.gz" "$SHARES" 60 >out 2>err 3>&- &
	local program=$!
	await grep -q shares "/proc/$program/comm"
	await test -n "$(profilers ddprof-superv)"
	kill -TERM "$(profilers ddprof-superv)"
	finished
	[ -d /proc/$program ]
	kill $program
	wait $program || true
}

@test "in place as pid 1 says that the last window will be missing" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	unshare --pid --fork --mount-proc "$DDPROF_RUN" --in-place -q -o p.pb.gz sh -c 'echo $$' >out 2>err
	[ "$(cat out)" = 1 ]
	grep -q 'in place as pid 1' err
	# By itself it is wrapped there, whatever the variables say.
	NOTIFY_SOCKET=x unshare --pid --fork --mount-proc "$DDPROF_RUN" -q -o q.pb.gz sh -c 'echo $$' >out
	[ "$(cat out)" != 1 ]
	[ -s q.pb.gz ]
}
