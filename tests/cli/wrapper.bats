#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# wrapper.bats - a program cannot tell, and nobody watching can, that ddprof-run is in front of it.

load common.bash

setup() {
	common_setup
	PTY="python3 $ROOT/tests/targets/on_pty.py"
	RUN=("$DDPROF_RUN" -q -o "$BATS_TEST_TMPDIR/p.pb.gz")
}

# Print the exit code of a command whose output does not matter.
code_of() {
	"$@" >/dev/null && echo 0 || echo $?
}

# The process id that `show_signals` printed into file $1.
program_pid() {
	await grep -q '^ready' "$1" && sed -n 's/^ready //p' "$1"
}

state_of() { # pid
	sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null
}

is_in_state() { # pid letter
	[ "$(state_of "$1")" = "$2" ]
}

is_gone() { # pid
	[ ! -e "/proc/$1" ] || is_in_state "$1" Z
}

@test "the exit code is the program's own" {
	local code
	for code in 0 1 3 126 127 255; do
		[ "$(code_of "${RUN[@]}" sh -c "exit $code")" = "$code" ]
	done
}

@test "a program that is not there gives 127, one that cannot be executed 126" {
	[ "$(code_of "${RUN[@]}" no-such-program-anywhere 2>err)" = 127 ]
	grep -q no-such-program-anywhere err
	echo text >file
	[ "$(code_of "${RUN[@]}" ./file 2>err)" = 126 ]
	[ "$(code_of "${RUN[@]}" / 2>err)" = 126 ]
}

@test "death by a signal is passed on as death by that signal" {
	local pair
	for pair in SEGV:-11 KILL:-9 TERM:-15; do
		run python3 -c 'import subprocess, sys; print(subprocess.call(sys.argv[1:]))' \
			"${RUN[@]}" sh -c "kill -${pair%:*} \$\$"
		[ "${lines[-1]}" = "${pair#*:}" ]
	done
}

@test "SIGTERM to the wrapper reaches the program, and once" {
	"${RUN[@]}" "$T/show_signals" >out 3>&- &
	local wrapper=$!
	program_pid out
	kill -TERM $wrapper
	await grep -q '^signal 15$' out
	kill -HUP $wrapper
	await grep -q '^signal 1$' out
	kill -USR2 $wrapper
	wait $wrapper
	[ "$(grep -c '^signal 15$' out)" = 1 ]
	[ "$(grep -c '^signal 1$' out)" = 1 ]
}

@test "a program that dies of a SIGTERM sent to the wrapper takes the wrapper with it" {
	"${RUN[@]}" sh -c 'echo ready $$; exec sleep 60' >out 3>&- &
	local wrapper=$!
	program_pid out
	kill -TERM $wrapper
	local code=0
	wait $wrapper || code=$?
	[ $code = 143 ]
}

@test "Ctrl-C at a terminal reaches the program once" {
	run $PTY 'expect:^ready (\d+)' 'send:\x03' 'expect:signal 2$' 'run:kill -USR2 $M' \
		'expect:^signal 12$' -- "${RUN[@]}" "$T/show_signals"
	[ "$status" = 0 ]
	[ "$(grep -c 'signal 2$' <<<"$output")" = 1 ]
	[ "${lines[-1]}" = "exit 0" ]
}

@test "a program that Ctrl-C kills makes the wrapper die of SIGINT" {
	run $PTY 'expect:ready' 'send:\x03' -- "${RUN[@]}" sh -c 'echo ready; exec sleep 60'
	[ "$status" = 0 ]
	[ "${lines[-1]}" = "signal 2" ]
}

@test "Ctrl-Z stops the program and the wrapper, fg continues both" {
	export PROGRAM="sh -c 'echo rea\"\"dy \$\$; exec sleep 60'" WRAPPER="${RUN[*]}"
	run $PTY 'expect:\$ ' 'send:eval "$WRAPPER $PROGRAM"\r' 'expect:ready (\d+)' \
		'run:grep -q "^State:.S" /proc/$M/status && grep -q sleep /proc/$M/comm' \
		'send:\x1a' 'expect:Stopped' \
		'send:jobs -l; echo checked\r' 'expect:Stopped' 'expect:^checked' \
		'run:grep -q "^State:.T" /proc/$M/status' \
		'send:fg\r' 'expect:sleep' 'run:grep -q "^State:.S" /proc/$M/status' \
		'send:\x03' 'expect:\$ ' 'send:echo status=$?\r' 'expect:status=130' 'send:exit 0\r' \
		-- env PS1='$ ' bash --norc --noprofile -i
	[ "$status" = 0 ]
	[ "${lines[-1]}" = "exit 0" ]
}

@test "a stopped program is in state T and so is the wrapper; SIGCONT to the wrapper continues both" {
	# A process group of its own with us as its parent: in an orphaned group, as a
	# test runner's may be, the kernel ignores SIGTSTP.
	set -m
	"${RUN[@]}" sh -c 'echo ready $$; exec sleep 60' >out 3>&- &
	local wrapper=$! program
	set +m
	program=$(program_pid out)
	kill -TSTP $wrapper
	await is_in_state "$program" T
	await is_in_state "$wrapper" T
	kill -CONT $wrapper
	await is_in_state "$program" S
	await is_in_state "$wrapper" S
	kill -TERM $wrapper
	await is_gone "$program"
}

@test "output is the program's alone" {
	x=$("${RUN[@]}" echo hi)
	[ "$x" = hi ]
	x=$("$DDPROF_RUN" echo hi 2>/dev/null) # with its summary, on stderr
	[ "$x" = hi ]
}

@test "standard input goes to the program" {
	x=$(printf 'a\nb\nc\n' | "${RUN[@]}" wc -l)
	[ "$x" = 3 ]
}

@test "a child that outlives the program does not hold the wrapper back, and lives on" {
	local start=$SECONDS child code=0
	"${RUN[@]}" sh -c 'sleep 60 >/dev/null 2>&1 3>&- & echo $! >child; exit 5' || code=$?
	[ $code = 5 ]
	[ $((SECONDS - start)) -lt 30 ]
	child=$(cat child)
	is_in_state "$child" S
	kill "$child"
}

@test "a program that closes all descriptors ends as ever" {
	run "${RUN[@]}" python3 -c 'import os; os.closerange(0, 1024); os._exit(7)'
	[ "$status" = 7 ]
}

@test "a program that execs another ends as that one does" {
	run "${RUN[@]}" sh -c 'exec sh -c "exec sh -c \"echo third; exit 9\""'
	[ "$status" = 9 ]
	[ "$output" = third ]
}

@test "ddprof-run inside ddprof-run is as invisible as once" {
	run "${RUN[@]}" "$DDPROF_RUN" -q -o inner.pb.gz sh -c 'echo hi; exit 4'
	[ "$status" = 4 ]
	[[ "$output" == *hi* ]]
	run $PTY 'expect:ready' 'send:\x03' -- "${RUN[@]}" "$DDPROF_RUN" -q -o inner.pb.gz sh -c 'echo ready; exec sleep 60'
	[ "${lines[-1]}" = "signal 2" ]
}

@test "descriptors, signals, limits, environment and more are as without it" {
	"$T/show_state" a 'b c' >out 3>&- <&-
	mv out without
	"${RUN[@]}" "$T/show_state" a 'b c' >out 3>&- <&-
	mv out with
	diff without with
}

@test "odd signal dispositions, masks, limits and closed streams are passed on" {
	cat >odd.py <<-'END'
		import os, resource, signal, sys
		signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR1, signal.SIGTERM, 40})
		for s in range(1, 65):
		    if s not in (9, 19, 32, 33):
		        signal.signal(s, signal.SIG_DFL if s % 3 else signal.SIG_IGN)
		signal.signal(signal.SIGCHLD, signal.SIG_IGN)
		resource.setrlimit(resource.RLIMIT_NOFILE, (99, 999))
		resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
		signal.setitimer(signal.ITIMER_REAL, 1000)
		os.umask(0o137)
		os.close(0)
		os.close(2)
		os.execv(sys.argv[1], sys.argv[1:])
	END
	python3 odd.py "$T/show_state" x >out 3>&-
	mv out without
	python3 odd.py "${RUN[@]}" "$T/show_state" x >out 3>&-
	mv out with
	diff without with
}

@test "/proc/self/environ and /proc/self/limits are as without it" {
	cmp <(cat /proc/self/limits) <("${RUN[@]}" cat /proc/self/limits)
	env X=1 cat /proc/self/environ >without
	env X=1 "${RUN[@]}" cat /proc/self/environ >with
	cmp without with
	# bash sets "_" for what it starts: that is the program, too
	(cat /proc/self/environ) >without
	("${RUN[@]}" cat /proc/self/environ) >with
	cmp without with
}

@test "an alarm set before is the program's, which can cancel it" {
	cat >timer.py <<-'END'
		import os, signal, sys
		signal.setitimer(signal.ITIMER_REAL, 1000)
		os.execv(sys.argv[1], sys.argv[1:])
	END
	run python3 timer.py "${RUN[@]}" python3 -c 'import signal; print(signal.alarm(0) > 900)'
	[ "$output" = True ]
}

@test "killing the wrapper with -9 leaves the program running" {
	"${RUN[@]}" "$T/show_signals" >out 3>&- &
	local wrapper=$! program
	program=$(program_pid out)
	kill -KILL $wrapper
	await is_gone "$wrapper"
	kill -TERM "$program"
	await grep -q '^signal 15$' out
	kill -USR2 "$program"
	await is_gone "$program"
}

# Run as pid 1 of a pid namespace, as far as the user may.
need_pid_namespace() {
	PID_1=(unshare --pid --fork --mount-proc)
	[ "$(id -u)" = 0 ] || PID_1=(unshare -r --pid --fork --mount-proc)
	"${PID_1[@]}" true 2>/dev/null || skip "no pid namespace: unshare is not permitted here"
}

@test "as pid 1 it passes the status on and reaps orphans" {
	need_pid_namespace
	run "${PID_1[@]}" "${RUN[@]}" sh -c 'exit 6'
	[ "$status" = 6 ]
	cat >orphan.sh <<-'END'
		orphan=$(sh -c 'sleep 0.1 >/dev/null & echo $!')
		i=0
		while [ -e /proc/$orphan ] && [ $i -lt 600 ]; do
			sleep 0.05
			i=$((i + 1))
		done
		[ ! -e /proc/$orphan ] && [ "$PPID" = 1 ]
	END
	"${PID_1[@]}" "${RUN[@]}" sh orphan.sh
}

@test "as pid 1 it forwards signals, from outside and from inside" {
	need_pid_namespace
	run "${PID_1[@]}" "${RUN[@]}" sh -c 'trap "echo got; exit 7" TERM; sh -c "kill -TERM 1"; while :; do sleep 0.05; done'
	[ "$status" = 7 ]
	[ "$output" = got ]
	"${PID_1[@]}" "${RUN[@]}" "$T/show_signals" >out 3>&- &
	local unshared=$!
	await grep -q '^ready' out
	kill -TERM "$(pgrep -P $unshared)"
	await grep -q '^signal 15$' out
	kill -USR2 "$(pgrep -P $unshared)"
	wait $unshared
}

@test "as pid 1 death by a signal is 128 and the signal's number" {
	need_pid_namespace
	run "${PID_1[@]}" "${RUN[@]}" sh -c 'kill -TERM $$'
	[ "$status" = 143 ]
}

@test "as pid 1 the profile is delivered" {
	need_pid_namespace
	run "${PID_1[@]}" "${RUN[@]}" sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done'
	[ "$status" = 0 ]
	[ -s p.pb.gz ] || [[ "$output" == *"without being profiled"* ]] # not permitted in a user namespace
}

@test "DD_PROFILING_ENABLED=false runs the program itself, in this very process" {
	export DD_PROFILING_ENABLED=false
	run sh -c 'echo $$; exec "$0" sh -c "echo \$\$; exit 3"' "$DDPROF_RUN"
	[ "$status" = 3 ]
	[ "${#lines[@]}" = 2 ]
	[ "${lines[0]}" = "${lines[1]}" ]
	[ -z "$(ls ddprof-* 2>/dev/null)" ]
	[ "$(code_of "$DDPROF_RUN" no-such-program-anywhere 2>/dev/null)" = 127 ]
}
