#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# usage.bats - help, version, completions, and what a wrong command line gets to hear.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	cd "$BATS_TEST_TMPDIR"
}

# What must be refused: exit code, then the words. One message, nothing on stdout, nothing left behind.
refuses() { # code message command...
	local code=$1 message=$2
	shift 2
	local got=0
	"$@" >out 2>err || got=$?
	cat err
	[ "$got" = "$code" ]
	[ ! -s out ]
	grep -qF -- "$message" err
	[ "$(grep -c '^ddprof: ' err)" = 1 ]
	rm out err
	[ -z "$(ls -A)" ]
}

@test "a wrong command line of run is refused with 125 before the program starts" {
	refuses 125 "unknown option '--frequecy'" "$DDPROF_RUN" --frequecy 9 touch started
	refuses 125 "--frequency: '0' is not a number of 1 to 10000 Hz" "$DDPROF_RUN" -F 0 touch started
	refuses 125 "--window: '-1' is not a number of 0.1 to 86400 s" "$DDPROF_RUN" -w -1 touch started
	refuses 125 "--stack-size: '70000' is not a number" "$DDPROF_RUN" --stack-size=70000 touch started
	refuses 125 "--duration: '' is not a number" "$DDPROF_RUN" -d '' touch started
	refuses 125 "no program to run" "$DDPROF_RUN" -q
	refuses 125 "no program to run" "$DDPROF" run
	refuses 125 "unknown option '-Z'" "$DDPROF" -Z touch started
	refuses 125 "exclude each other" "$DDPROF" -p 1 touch started
}

@test "an unknown option is answered with the nearest one" {
	refuses 125 "did you mean --frequency?" "$DDPROF_RUN" --frequecy 9 true
	refuses 2 "did you mean --sort?" "$DDPROF" report --srot own file
}

@test "a log mode after -o is refused with a hint" {
	local mode
	for mode in stdout stderr syslog disabled; do
		refuses 125 "use --log-mode $mode" "$DDPROF" -o $mode touch started
	done
}

@test "an output that cannot be written is refused before the program starts" {
	refuses 125 "/nonexistent-directory/p.pb.gz" "$DDPROF_RUN" -o /nonexistent-directory/p.pb.gz touch started
}

@test "a wrong command line of other commands is refused with 2" {
	refuses 2 "no process to attach to" "$DDPROF" attach
	refuses 2 "--pid: 'abc' is not a process id" "$DDPROF" attach --pid abc
	refuses 2 "--pid: '0' is not a process id" "$DDPROF" attach --pid 0
	refuses 2 "name processes with --pid" "$DDPROF" attach 1
	refuses 2 "no profile to report on" "$DDPROF" report
	refuses 2 "unexpected 'b'" "$DDPROF" report a b
	refuses 2 "--sort: 'size' is not one of own total name" "$DDPROF" report --sort size a
	refuses 2 "no command 'reprot'" "$DDPROF" help reprot
	refuses 2 "no completion for 'csh'" "$DDPROF" completion csh
	refuses 2 "unexpected 'x'" "$DDPROF" version x
}

@test "a process that is gone is refused with 1" {
	sh -c 'exit 0' &
	local gone=$!
	wait $gone
	refuses 1 "$gone" "$DDPROF" attach --pid $gone
}

@test "a file that is no profile is refused with 1 and its name" {
	refuses 1 "no-such-file.pb.gz" "$DDPROF" report no-such-file.pb.gz
	refuses 1 "/etc/passwd" "$DDPROF" report /etc/passwd
	refuses 1 "/dev/null" "$DDPROF" report /dev/null
	refuses 1 "$BATS_TEST_DIRNAME" "$DDPROF" report "$BATS_TEST_DIRNAME"
}

@test "a reserved command that is not built says so with 2 and runs nothing" {
	local word
	mkdir "$BATS_TEST_TMPDIR/bin"
	for word in diff list metrics merge bench config control top store; do
		printf '#!/bin/sh\necho ran\n' >"$BATS_TEST_TMPDIR/bin/$word"
		chmod +x "$BATS_TEST_TMPDIR/bin/$word"
		run env PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$DDPROF" $word
		[ "$status" = 2 ]
		[ "$output" = "ddprof: '$word' is not built yet" ]
		run env PATH="$BATS_TEST_TMPDIR/bin:$PATH" "$DDPROF_RUN" -q -o p.pb.gz $word
		[ "$output" = ran ]
	done
}

@test "help lists the commands that are built and no other" {
	run "$DDPROF" --help
	[ "$status" = 0 ]
	[[ "$output" == *"attach "* ]]
	[[ "$output" != *"metrics"* ]]
	[ "$output" = "$("$DDPROF" help)" ]
	run "$DDPROF"
	[ "$status" = 2 ]
}

@test "every command explains itself, in three ways" {
	local command
	for command in run attach report doctor help version completion; do
		run "$DDPROF" $command --help
		[ "$status" = 0 ]
		[[ "${lines[0]}" == "ddprof $command - "* ]]
		[ "$output" = "$("$DDPROF" $command -h)" ]
		[ "$output" = "$("$DDPROF" help $command)" ]
	done
	[ "$("$DDPROF_RUN" --help)" = "$("$DDPROF" run --help)" ]
}

@test "help shows no option without effect unless asked to" {
	run "$DDPROF" run --help
	[[ "$output" != *--nice* ]]
	run "$DDPROF" run --help-extended
	[[ "$output" == *--nice* ]]
}

@test "the help of the program is not ours" {
	run "$DDPROF_RUN" -q -o p.pb.gz sh -c 'echo "$1"' sh --help
	[ "$output" = --help ]
}

@test "version says the version" {
	run "$DDPROF" version
	[ "$status" = 0 ]
	[[ "$output" =~ ^ddprof\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[ "$output" = "$("$DDPROF" --version)" ]
	[ "$output" = "$("$DDPROF_RUN" --version)" ]
}

@test "what cannot be written to standard output is a failure" {
	local code=0
	"$DDPROF" --help >/dev/full 2>err || code=$?
	[ $code = 1 ]
	grep -q "No space left" err
	code=0
	"$DDPROF" version >&- 2>err || code=$?
	[ $code = 1 ]
}

@test "the completions checked in are those of the option table" {
	"$DDPROF" completion bash | diff "$ROOT/completions/ddprof.bash" -
	"$DDPROF" completion zsh | diff "$ROOT/completions/_ddprof" -
	"$DDPROF" completion fish | diff "$ROOT/completions/ddprof.fish" -
}

# Complete the last word, in bash.
completes() {
	bash -c 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ddprof 2>/dev/null; echo ${COMPREPLY[*]}' \
		"$ROOT/completions/ddprof.bash" "$@"
}

@test "bash completes commands, options, values and the program" {
	[ "$(completes ddprof att)" = attach ]
	[ "$(completes ddprof-run --fr)" = --frequency ]
	[ "$(completes ddprof report --sort '')" = "own total name" ]
	[ "$(completes ddprof report --sort = to)" = total ]
	[ "$(completes ddprof-run -l d)" = debug ]
	[[ "$(completes ddprof-run -F 9 whoam)" == whoami* ]]
	[ -z "$(completes ddprof-run whoami --fr)" ]
	[ "$(completes ddprof doctor --bun)" = --bundle ]
	[[ "$(completes ddprof doctor whoam)" == whoami* ]]
	[ -z "$(completes ddprof doctor whoami --js)" ]
	[ "$(completes ddprof completion '')" = "bash zsh fish" ]
}

@test "the completion scripts are good zsh and fish" {
	command -v zsh >/dev/null || command -v fish >/dev/null || skip "neither zsh nor fish is installed"
	! command -v zsh >/dev/null || zsh -n "$ROOT/completions/_ddprof"
	! command -v fish >/dev/null || fish -n "$ROOT/completions/ddprof.fish"
}

@test "the former ddprof's command lines work, with one warning" {
	run "$DDPROF" -S web -E prod -V 1.0 -T a:b -U http://127.0.0.1:1 -H h -P 1 -u 5 -e sCPU -b sock -t -l warn \
		--do_export no --log_mode stderr --inlined_functions true sh -c 'exit 3'
	[ "$status" = 3 ]
	[ "$(grep -c 'not built yet' <<<"$output")" = 1 ]
	[[ "$output" == *"--internal-stats"* ]]
}

@test "a bad variable costs one warning, never the program" {
	run env DD_PROFILING_UPLOAD_PERIOD=soon DD_PROFILING_ENABLED=maybe "$DDPROF_RUN" -q -o p.pb.gz sh -c 'exit 3'
	[ "$status" = 3 ]
	[ "$(grep -c "DD_PROFILING_UPLOAD_PERIOD: 'soon' is not a number" <<<"$output")" = 1 ]
	[ "$(grep -c "DD_PROFILING_ENABLED: 'maybe' is not true or false" <<<"$output")" = 1 ]
}

@test "a bad tag costs one warning that names it" {
	run "$DDPROF_RUN" -q -o p.pb.gz -T 'good:tag,bad tag:x' sh -c 'exit 3'
	[ "$status" = 3 ]
	[ "$(grep -c "'bad tag:x'" <<<"$output")" = 1 ]
}

@test "events lists what can be sampled, as this user, and finds events by a pattern" {
	run "$DDPROF" events
	[ "$status" = 0 ]
	[[ "$output" == *"task-clock "*sampled* ]]
	# Switches happen in the kernel: who may not watch that is told no, not 0.
	if [ "$(id -u)" != 0 ] && [ "$(cat /proc/sys/kernel/perf_event_paranoid)" -ge 2 ]; then
		[[ "$output" == *"context-switches "*" no "*"happens in the kernel"* ]]
	fi
	run "$DDPROF" events page-fault
	[ "$status" = 0 ]
	[[ "$output" == "page-faults "* ]]
	run "$DDPROF" events no-such-event
	[ "$status" = 1 ]
	[[ "$output" == *"no event matches 'no-such-event'"*"--all"* ]]
	run "$DDPROF" events one two
	[ "$status" = 2 ]
}
