#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jit.bats - code that programs make at run time has the names they say.

load ../await.bash

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	MAKES=$BUILD/tests/targets/makes_code
	cd "$BATS_TEST_TMPDIR"
	cat >fib.js <<-'JS'
	function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
	const start = process.cpuUsage();
	for (;;) { fib(20); const used = process.cpuUsage(start); if (used.user + used.system > 7e5) break; }
	JS
}

# Maps stay behind in /tmp, as their writers leave them.
teardown() {
	[ ! -s path ] || rm -f "$(head -1 path)" "$(head -1 path).elsewhere"
	[ ! -s pid ] || rm -f "/tmp/perf-$(cat pid).map"
}

more() { # A B: A above B
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not a > b)' "$1" "$2" || { echo "$1 is not more than $2"; return 1; }
}

comments() {
	$PPROF "$1" comments
}

nothing_unnamed() { # FILE: all generated code has a name
	! comments "$1" | grep '\[anon\]'
}

@test "a perf map names code, also what it grew by" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "$MAKES" map 300 >path
	$PPROF p.pb.gz check
	$PPROF p.pb.gz own | head -5
	more "$($PPROF p.pb.gz total first)" 15
	more "$($PPROF p.pb.gz total second)" 40
	comments p.pb.gz | grep -q "^ddprof.names.function-from-a-JIT's-map: "
	"$DDPROF" report p.pb.gz | grep -E 'first +\[anon\] app.py'
}

@test "each window has the names that were there by then" {
	mkdir w
	"$DDPROF_RUN" -q -F 499 -w 0.3 --keep 0 -o w/p.pb.gz "$MAKES" map 600 >path
	last=$(ls w/* | tail -1)
	more "$($PPROF w/p-000000.pb.gz total first)" 50
	more "$($PPROF "$last" total second)" 50
	for f in w/*; do
		nothing_unnamed "$f"
	done
}

@test "attached to, a program is asked for its map as well" {
	"$MAKES" map 1500 >path &
	pid=$!
	await perf- path $pid
	"$DDPROF" attach -q --pid $pid -d 1 -F 499 -o p.pb.gz
	more "$($PPROF p.pb.gz total first)" 50
	kill $pid
	wait $pid || true
}

@test "a jitdump tells codes apart that were at one address, and has lines" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "$MAKES" dump 300 >path
	$PPROF p.pb.gz own | head -5
	more "$($PPROF p.pb.gz total first)" 20
	more 45 "$($PPROF p.pb.gz total first)"
	more "$($PPROF p.pb.gz total second)" 50
	"$DDPROF" report p.pb.gz | grep -E 'second +\[anon\] second.lang'
	nothing_unnamed p.pb.gz
}

@test "code without a map is an address, and the comments count it" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "$MAKES" none 300
	comments p.pb.gz | grep -E '^ddprof.unnamed: [0-9]+ samples, [0-9]+ addresses in \[anon\] \(generated code without a map\)$'
	"$DDPROF" report p.pb.gz | grep -E ' \[anon\+0x[0-9a-f]+\] '
}

@test "a map of another user is not believed" {
	[ "$(id -u)" = 0 ] || skip "only root can give files away"
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "$MAKES" foreign 200 >path
	comments p.pb.gz | grep -E '^ddprof.unnamed: .* \[anon\] \(generated code, map of another user or process\)$'
	[ "$($PPROF p.pb.gz total first)" = 0.00 ]
}

@test "a symbolic link to a map is not followed" {
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "$MAKES" link 200 >path
	[ "$($PPROF p.pb.gz total first)" = 0.00 ]
}

@test "a map left behind by another process of that number is not believed" {
	# The shell's own number, which exec keeps.
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz bash -c 'echo $$ >pid; touch -d "2 days ago" /tmp/perf-$$.map
		for a in 5 6 7; do echo "${a}00000000000 1fffffffffff old" >>/tmp/perf-$$.map; done
		touch -d "2 days ago" /tmp/perf-$$.map; exec "$0" none 200' "$MAKES"
	comments p.pb.gz | grep -E '^ddprof.unnamed: .* \[anon\] \(generated code, map of another user or process\)$'
	[ "$($PPROF p.pb.gz total old)" = 0.00 ]
}

@test "in another pid and mount namespace the map is found under the number it has there" {
	unshare=(unshare -m -p -f)
	[ "$(id -u)" = 0 ] || unshare=(unshare -r -m -p -f)
	"${unshare[@]}" mount -t tmpfs none /mnt 2>err || skip "no namespaces here: $(cat err)"
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz "${unshare[@]}" bash -c 'exec 3<"$0"; mount -t tmpfs none /tmp; exec /proc/self/fd/3 map 300' "$MAKES" >inside
	# Its /tmp is gone with it, and so is the process.
	[ "$(cat inside)" = /tmp/perf-1.map ]
	[ ! -e /tmp/perf-1.map ] || skip "there is a /tmp/perf-1.map on this machine"
	more "$($PPROF p.pb.gz total first)" 15
	more "$($PPROF p.pb.gz total second)" 40
}

@test "functions of node have names, files and lines by --perf-basic-prof" {
	command -v node >/dev/null || skip "node is not installed"
	NODE_OPTIONS=--perf-basic-prof "$DDPROF_RUN" -q -F 499 -o p.pb.gz bash -c 'echo $$ >pid; exec node fib.js'
	more "$($PPROF p.pb.gz total fib)" 30
	"$DDPROF" report p.pb.gz | grep -E 'fib +\[anon\] fib.js:1$'
}

@test "and by --perf-prof, with the lines of a jitdump" {
	command -v node >/dev/null || skip "node is not installed"
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz node --perf-prof fib.js
	ls jit-*.dump
	more "$($PPROF p.pb.gz total fib)" 30
	"$DDPROF" report p.pb.gz | grep -E 'fib +\[anon\] fib.js:1$'
}

@test "functions of CPython have names by -X perf" {
	python=
	for p in python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3; do
		"$p" -X perf -c 'import sys; sys.exit(not sys.is_stack_trampoline_active())' 2>/dev/null && python=$p && break
	done
	[ -n "$python" ] || skip "no python 3.12 or later with perf support"
	cat >fib.py <<-'PY'
	import time
	def fib(n):
	    return n if n < 2 else fib(n - 1) + fib(n - 2)
	end = time.process_time() + 0.7
	while time.process_time() < end:
	    fib(15)
	PY
	"$DDPROF_RUN" -q -F 499 -o p.pb.gz bash -c 'echo $$ >pid; exec "$0" -X perf fib.py' "$python"
	more "$($PPROF p.pb.gz total fib)" 30
	"$DDPROF" report --top 0 p.pb.gz | grep -E 'fib +\[anon\] fib.py'
}
