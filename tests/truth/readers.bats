#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# readers.bats - what others make of our files, and what months of windows do to us.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	cd "$BATS_TEST_TMPDIR"
}

demo_profile() {
	"$DDPROF_RUN" -q -F 499 -o "$BATS_FILE_TMPDIR/demo.pb.gz" "$T/demo" 2 >/dev/null
}

@test "go tool pprof reads, lists and disassembles a profile of the demo" {
	command -v go >/dev/null || skip "go is not installed"
	export GOCACHE=${GOCACHE:-$(go env GOCACHE 2>/dev/null)}
	mkdir -p "$GOCACHE" 2>/dev/null && [ -w "$GOCACHE" ] || skip "no writable Go cache"
	demo_profile
	p=$BATS_FILE_TMPDIR/demo.pb.gz
	go tool pprof -top "$p" >top 2>err || { cat err; false; }
	cat top
	grep -q 'Type: cpu-time' top
	grep -q 'demo::queens' top
	# Inlined: it has no symbol of its own in the program.
	grep -q 'demo::mix' top
	go tool pprof -list 'demo::queens' "$p" >list
	grep -q 'free &= free - 1' list
	go tool pprof -disasm 'queens' "$p" >disasm 2>err
	cat disasm err | head -20
	grep -qiE 'popcnt|and|call' disasm
	go tool pprof -comments "$p" | grep -q '^ddprof.quality.samples: '
}

@test "every function of the demo has its file and line, inlined calls included" {
	demo_profile
	$PPROF "$BATS_FILE_TMPDIR/demo.pb.gz" check
	$PPROF "$BATS_FILE_TMPDIR/demo.pb.gz" stacks >stacks
	# The inlined lambda of the sort, below the library's inlined templates, below the worker.
	grep -E 'demo::sort_worker\(\);std::sort.*demo::mix' stacks | head -1 | grep -q .
	# The recursion at its full depth.
	grep -q "$(printf 'demo::descend(unsigned int, unsigned long);%.0s' {1..300})" stacks
	run "$DDPROF" report --top 0 "$BATS_FILE_TMPDIR/demo.pb.gz"
	[[ $output == *"demo::queens"*"demo.cc:"* ]]
}

@test "libc's functions are named from its separate debug file, with lines" {
	f=/lib/x86_64-linux-gnu/libc.so.6
	[ -f "$f" ] || skip "no libc of Debian's on x86-64"
	id=$(readelf -n "$f" | sed -n 's/.*Build ID: //p')
	[ -f "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" ] || skip "libc6-dbg is not installed or of another version"
	demo_profile
	run "$DDPROF" report --top 0 "$BATS_FILE_TMPDIR/demo.pb.gz"
	echo "$output"
	[[ $output == *"_int_malloc"*"malloc.c:"* ]]
}

@test "memory stays flat over many windows of a program that forks, execs and starts threads" {
	"$DDPROF_RUN" -q -w 0.1 --keep 0 -o w.pb.gz bash -c 'end=$((SECONDS+7)); while [ $SECONDS -lt $end ]; do
		/bin/true; "$0" 0.05 >/dev/null; done' "$T/late_threads"
	files=(w*.pb.gz)
	[ ${#files[@]} -ge 25 ]
	rss() { $PPROF "$1" comments | sed -n 's/^ddprof.quality.own_rss_kb: //p'; }
	early=$(rss "${files[10]}")
	late=$(rss "${files[-1]}")
	echo "${#files[@]} windows: $early KB, then $late KB"
	[ "$late" -le $((early + early / 5)) ]
	[ "$late" -lt 40960 ]
	$PPROF "${files[-2]}" check
}
