#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# stacks.bats - stacks of programs as Debian ships them or as compilers make
# them, under a named CPU-bound load: complete by the chain of calls, and frame by
# frame what libdw computes from the same bytes.
#
# Where the two differ the tool says so, and why. What it counts apart, because
# libdw has no verdict there:
#   - code without CFI (musl, -fno-asynchronous-unwind-tables, V8's builtins): libdw
#     takes the frame pointer for a frame, ours is from the code; rows from it are compared with CFI below;
#   - behind an epilogue: libdw does not know that a popped register holds its value;
#   - frames of the kernel's callchain, where Go's runtime changes stacks.

setup_file() {
	local src
	src=$(cd "$BATS_TEST_DIRNAME/../targets/work" && pwd)
	export W=$BATS_FILE_TMPDIR SRC=$src
	cd "$W" || return 1
	gcc -O2 -fomit-frame-pointer -pthread -o c_pie "$src/work.c"
	gcc -O2 -fomit-frame-pointer -pthread -no-pie -fno-pie -o c_nopie "$src/work.c"
	gcc -O2 -fomit-frame-pointer -pthread -fno-asynchronous-unwind-tables -o c_bare "$src/work.c"
	# CFI in .debug_frame only, as debug information: plain, and as objcopy and -gz compress it
	gcc -O2 -g -fomit-frame-pointer -pthread -fno-asynchronous-unwind-tables -o c_debug_frame "$src/work.c"
	objcopy --compress-debug-sections=zlib c_debug_frame c_packed_frame
	gcc -O2 -fomit-frame-pointer -pthread -static -o c_static "$src/work.c"
	g++ -O2 -fomit-frame-pointer -o exceptions "$src/exceptions.cc"
	if command -v musl-gcc >/dev/null; then
		musl-gcc -O2 -fomit-frame-pointer -o musl "$src/work.c"
		musl-gcc -O2 -fomit-frame-pointer -static -o musl_static "$src/work.c"
	fi
	if command -v go >/dev/null; then
		GO111MODULE=off go build -o go "$src/work.go"
		GO111MODULE=off go build -ldflags='-s -w' -o go_stripped "$src/work.go"
	fi
	command -v rustc >/dev/null && rustc -O -o rust "$src/work.rs"
	command -v javac >/dev/null && javac -d "$W" "$src/Work.java"
	true
}

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	T=$BUILD/tests/targets
	MIN_EQUAL=99.9 MIN_COMPLETE=99
	cd "$BATS_TEST_TMPDIR"
}

# Passed by its exit status; the figures are shown when it fails. 1000 samples at least.
compare() {
	local rc=0 n
	"$BUILD/tests/truth/unwind_libdw" -n 1050 -F 1999 --min-equal "$MIN_EQUAL" --min-complete "$MIN_COMPLETE" -- \
		"$@" >out 2>&1 || rc=$?
	tail -n 25 out
	n=$(sed -n 's/^samples \([0-9]*\),.*/\1/p' out)
	[ "$rc" = 0 ] && [ "${n:-0}" -ge 1000 ]
}

built() {
	[ -x "$W/$1" ] || skip "$2 is not installed"
}

@test "C at -O2 without frame pointers, position-independent" {
	MIN_COMPLETE=99.9
	compare "$W/c_pie" 4
}

@test "C at -O2 without frame pointers, at a fixed address, in a thread" {
	MIN_COMPLETE=99.9
	compare "$W/c_nopie" 4 thread
}

@test "C at -O2 with neither frame pointers nor unwind tables" {
	compare "$W/c_bare" 4
}

@test "C at -O2 with unwind tables in .debug_frame only" {
	MIN_COMPLETE=99.9
	compare "$W/c_debug_frame" 4
}

@test "C at -O2 with unwind tables in a compressed .debug_frame only" {
	readelf -SW "$W/c_packed_frame" | grep -q '\.debug_frame .* C '
	MIN_COMPLETE=99.9
	compare "$W/c_packed_frame" 4
	# and by those tables: what the code itself tells would do as well here
	"$DDPROF_RUN" --log-level debug -o packed.pb.gz "$W/c_packed_frame" 1 2>&1 | grep -q 'indexed [1-9][0-9]* functions'
}

@test "C linked statically with glibc, in a thread" {
	compare "$W/c_static" 4 thread
}

@test "musl, which has no CFI and no frame pointers" {
	built musl musl-tools
	compare "$W/musl" 4
}

@test "musl linked statically, in a thread" {
	built musl_static musl-tools
	compare "$W/musl_static" 4 thread
}

@test "musl: a loop that never returns keeps its callers" {
	built musl_static musl-tools
	musl-gcc -O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables -static -o endless "$SRC/endless.c"
	"$DDPROF_RUN" --quiet -o endless.pb.gz ./endless 2>/dev/null || true # it ends by SIGALRM
	"$DDPROF" report --sort total endless.pb.gz | tee out
	for f in unaligned endless begin main; do
		awk -v f="$f" '$7 == f && $6 + 0 > 90 { ok = 1 } END { exit !ok }' out
	done
}

@test "Rust, cargo's release profile" {
	built rust rustc
	compare "$W/rust" 4
}

# What mcall and morestack call ends there: the runtime gives up that stack for good, where libdw goes on.
@test "Go: goroutines, the garbage collector, the runtime's own stacks" {
	built go "Go"
	MIN_EQUAL=99 # mostly 99.9 of both; how much of a run is on the runtime's stacks varies
	compare "$W/go" 3
}

# libdw has nothing to go by there.
@test "Go, stripped" {
	built go_stripped "Go"
	compare "$W/go_stripped" 3
}

@test "the demo: threads, deep recursion, virtual and inlined calls" {
	compare "$T/demo" 3
}

@test "sqlite3: a recursive query with sort and aggregate" {
	command -v sqlite3 >/dev/null || skip "sqlite3 is not installed"
	compare sqlite3 :memory: "with recursive c(x) as (select 1 union all select x+1 from c where x<3000000)
		select x%1000, count(*), max(printf('%d-%d',x,x%13)) from c group by 1 order by 2 desc, 3 limit 3;"
}

@test "python3: recursion, regular expressions, JSON and sorting" {
	[ -x /usr/bin/python3 ] || skip "Debian's python3 is not installed"
	cat > load.py <<-'P'
	import json, re, time
	def fib(n):
	    return n if n < 2 else fib(n - 1) + fib(n - 2)
	end = time.process_time() + 2
	while time.process_time() < end:
	    fib(18)
	    data = [{"k%d" % i: [i, str(i)] for i in range(100)}] * 20
	    json.loads(json.dumps(data))
	    re.sub(r"(\d+)-(\w+)", lambda m: m.group(2), "12-ab 34-cd " * 500)
	    sorted(range(2000), key=lambda i: -i % 97)
	P
	compare /usr/bin/python3 load.py
}

@test "ls: a long listing, sorted by version, again and again" {
	mkdir d
	(cd d && seq -f 'f%.0f.10.2' 4000 | xargs touch)
	compare sh -c 'for d in $(seq 3000); do set -- "$@" d; done; exec ls -lv --color=always "$@" >/dev/null'
}

@test "gcc's cc1plus: templates and lambdas at -O2" {
	cc1=$(g++ -print-prog-name=cc1plus)
	[ -x "$cc1" ] || skip "g++ is not installed"
	python3 - > big.cc <<-'P'
	print("template<int N> struct F { template<class T> static auto run(T t) { return F<N-1>::run(t+N) * F<N-2>::run(t-N); } };"
	      "template<> struct F<0> { template<class T> static T run(T t) { return t; } };"
	      "template<> struct F<1> { template<class T> static T run(T t) { return t + 1; } };")
	for i in range(250):
	    print(f"long f{i}(long a, const long *p, int n) {{ long s = {i}; for (int k = 0; k < n; k++) {{"
	          f" auto g = [&](auto x) {{ return x * p[k] + s; }}; s += g(a) + F<{i % 9 + 2}>::run(s) - g((long){i}); }} return s; }}")
	P
	compare "$cc1" -quiet -O2 big.cc -o big.s
}

# Some of its stacks are deeper than the 64 KB that the kernel copies at most.
@test "gcc's cc1: compiling generated code at -O2" {
	cc1=$(gcc -print-prog-name=cc1)
	[ -x "$cc1" ] || skip "gcc is not installed"
	python3 - > big.i <<-'P'
	print("int printf(const char *, ...);")
	for i in range(400):
	    print(f"static int f{i}(int a, int *p, int n) {{ int s = {i}; for (int i = 0; i < n; i++) {{"
	          f" if (p[i] % {i + 2}) s += p[i] * a; else s ^= (a << {i % 7}) + p[n - i - 1];"
	          f" switch (s & 7) {{ case 0: s += {i}; break; case 3: s -= p[0]; break; case 5: a ^= s; }} }} return s + a; }}")
	    print(f"int g{i}(int *p, int n) {{ return f{i}(n, p, n) + printf(\"%d\", p[{i}]); }}")
	P
	MIN_COMPLETE=96
	compare "$cc1" -quiet -O2 big.i -o big.s
	[ "$(grep -c 'samples incomplete' out)" = "$(grep -c 'samples incomplete: stack copy too small' out)" ]
}

@test "redis-server: redis-benchmark over a unix socket" {
	command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null || skip "redis is not installed"
	compare sh -c '( until [ -S s ]; do sleep 0.02; done
		redis-benchmark -s s -q -n 150000 -r 100000 -t set,get,lpush,zadd,lrange_100 >/dev/null
		redis-cli -s s shutdown nosave ) & exec redis-server --port 0 --unixsocket "$PWD/s" --save "" --appendonly no --logfile log'
}

@test "node: compiled JavaScript, by frame pointers, and the native code below" {
	command -v node >/dev/null || skip "node is not installed"
	MIN_COMPLETE=99 # mostly 99.9
	compare node "$SRC/work.js" 3
}

@test "openjdk with -XX:+PreserveFramePointer: compiled and native code" {
	[ -f "$W/Work.class" ] || skip "a JDK is not installed"
	MIN_COMPLETE=95
	compare java -XX:+PreserveFramePointer -cp "$W" Work 4
}

@test "LuaJIT: traces on the interpreter's frame" {
	command -v luajit >/dev/null || skip "luajit is not installed"
	MIN_COMPLETE=95
	compare luajit "$SRC/work.lua" 3
}

@test "C++ exceptions in flight, and longjmp" {
	compare "$W/exceptions" 4
}

@test "signal handlers, the vdso, PLT stubs, alloca and callbacks" {
	compare "$T/odd_stacks" 2
}

# The interrupted stack is not in the copy then: the walk ends there, and says that it is cut.
@test "a handler on an alternate stack: the same frames as libdw, up to the interrupted function" {
	MIN_COMPLETE=50
	compare "$T/odd_stacks" 2 alternate
	grep -q 'stack copy too small' out
}

@test "frames beyond the copy: the kernel's callchain is spliced on, and no stack is wrong" {
	gcc -O2 -g -fno-omit-frame-pointer -D_GNU_SOURCE -o chain_fp "$ROOT/tests/targets/known_chain.c"
	"$BUILD/tests/truth/known_chain" -n 1000 --min-spliced 99 -- ./chain_fp 3 deep
}

@test "without frame pointers they are cut, and no stack is wrong" {
	"$BUILD/tests/truth/known_chain" -n 1000 -- "$T/known_chain" 3 deep > out || { cat out; false; }
	grep -q 'spliced 0.00 %' out
	"$BUILD/tests/truth/known_chain" -n 1000 -- "$T/known_chain" 3 alternate
	"$BUILD/tests/truth/known_chain" -n 1000 --min-complete 99 -- "$T/known_chain" 3 plain
}

@test "rows made from the code alone agree with CFI, at every instruction of every 20th function" {
	[ "$(uname -m)" = x86_64 ] || skip "the code is analysed on x86-64 only"
	"$BUILD/tests/truth/code_cfi" -s 20 --min-rows 95 --max-wrong 0.1 /lib/x86_64-linux-gnu/libc.so.6 /usr/bin/sqlite3
}
