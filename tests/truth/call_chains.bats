#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# call_chains.bats - stacks against the calls that a program knows it has made, and
# stack copies whose size follows the need.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	CHECK="python3 $ROOT/tests/truth/check_chains.py"
	T=$BUILD/tests/targets
	cd "$BATS_TEST_TMPDIR"
}

comment() { # KEY
	$PPROF p.pb.gz comments | sed -n "s/^ddprof\.$1: //p"
}

# At least 99 in 100 samples of each of these kinds are complete, and there are 500.
complete() { # KIND...
	local kind
	for kind; do
		awk -v k="$kind" '$1 == k { n = $3; c = $5 } END { exit !(n >= 500 && c >= 0.99 * n) }' out ||
			{ echo "$kind: too few samples, or complete ones"; return 1; }
	done
}

# A chain that never was is wrong, in whatever way the stack ended: none at all is allowed.
chains() { # PROGRAM [KIND...]
	local program=$1
	shift
	"$DDPROF_RUN" -q -F 2999 -o p.pb.gz "$T/$program" 0.35 "$@" >truth
	$CHECK p.pb.gz truth >out || { cat out; return 1; }
	cat out
}

@test "every stack is a chain of calls that was made: without frame pointers" {
	chains call_chains
	complete plain recursive
}

@test "the same with frame pointers, where the kernel's callchain goes on from the copy" {
	chains call_chains_fp
	complete plain recursive
	# The deep ones are more than a copy holds.
	[ "$(comment quality.spliced)" -ge 100 ]
}

@test "the same where every other function has a frame pointer: none is skipped" {
	chains call_chains_mixed
	complete plain recursive
}

@test "the check itself notices a frame too few, one too many, and parts of different chains" {
	chains call_chains plain deep
	for edit in 's/ [fg]./&/3;s/ [fg].//4' 's/ [fg]./& f0 f1 f0/4'; do
		sed "$edit" truth >other
		run $CHECK p.pb.gz other
		[ "$status" = 1 ]
		[[ $output == *"no such chain"* ]]
	done
}

@test "shallow stacks get small copies, deep ones large copies again, and the profile says so" {
	[ "$(getconf _NPROCESSORS_ONLN)" -le 32 ] || skip "more than 32 CPUs: one size only"
	"$DDPROF_RUN" -q -F 2999 -o p.pb.gz "$T/call_chains" 0.8 plain deep >truth
	$PPROF p.pb.gz comments | grep -F stack
	mapfile -t changes < <(comment stack_resize)
	[[ ${changes[0]} =~ ^([0-9]+)\ to\ ([0-9]+)\ bytes\ after ]]
	large=${BASH_REMATCH[1]} small=${BASH_REMATCH[2]}
	[ "$small" = $((large / 4 / 8 * 8)) ]
	[[ ${changes[1]} == "$small to $large bytes after"* ]]
	[ "$(comment quality.stack_resizes)" -ge 2 ]
	# Every sample with a user stack came with one of them.
	[ $(($(comment "quality.stack_copies.$large") + $(comment "quality.stack_copies.$small"))) = "$(comment quality.user_samples)" ]
	# What was cut before the change took effect is not more than a few.
	[ "$(comment quality.stack_copies.$small)" -ge 500 ]
	$CHECK p.pb.gz truth
}

@test "a size asked for is kept" {
	"$DDPROF_RUN" -q -F 2999 --stack-size 8184 -o p.pb.gz "$T/call_chains" 0.3 plain deep >truth
	[ -z "$(comment stack_resize)" ]
	[ "$(comment quality.stack_copies.8184)" = "$(comment quality.user_samples)" ]
	[ "$(comment quality.truncated)" -gt 0 ]
	$CHECK p.pb.gz truth
}

@test "a user who may lock no memory gets smaller rings, and copies that fit them" {
	[ "$(id -u)" != 0 ] || skip "root's rings have no limit"
	prlimit --memlock=0:0 "$DDPROF_RUN" -q -F 999 -o p.pb.gz bash -c '"$0" 0.7 plain >truth & "$0" 0.7 recursive >>other & wait; cat other >>truth' "$T/call_chains"
	cat <($PPROF p.pb.gz comments)
	[ "$(comment stack_size)" -ge 8184 ]
	[ "$(comment quality.samples)" -ge 500 ]
	# On a busy machine a few may be lost: nobody emptied the ring for 15 ms of CPU time.
	[ $(($(comment quality.lost) * 20)) -lt "$(comment quality.samples)" ]
	$CHECK p.pb.gz truth
	[ $(($(comment quality.complete) * 100)) -ge $(($(comment quality.user_samples) * 98)) ]
}
