#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# stacks.bats - stacks of programs as Debian ships them, under a named CPU-bound
# load: complete by their own unwind information, and frame by frame what
# libdw computes from the same bytes.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	T=$BUILD/tests/targets
	COMPARE=("$BUILD/tests/truth/unwind_libdw" -n 1200 -F 999 --min-equal 99.5 --min-complete 98 --)
	cd "$BATS_TEST_TMPDIR"
}

# Passed by its exit status; the figures are shown when it fails. 1000 samples at least.
compare() {
	"${COMPARE[@]}" "$@" >out 2>&1
	local rc=$? n
	tail -n 25 out
	n=$(sed -n 's/^samples \([0-9]*\),.*/\1/p' out)
	[ "$rc" = 0 ] && [ "${n:-0}" -ge 1000 ]
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
	compare "$cc1" -quiet -O2 big.i -o big.s
}

@test "redis-server: redis-benchmark over a unix socket" {
	command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null || skip "redis is not installed"
	compare sh -c '( until [ -S s ]; do sleep 0.02; done
		redis-benchmark -s s -q -n 150000 -r 100000 -t set,get,lpush,zadd,lrange_100 >/dev/null
		redis-cli -s s shutdown nosave ) & exec redis-server --port 0 --unixsocket "$PWD/s" --save "" --appendonly no --logfile log'
}

@test "signal handlers, the vdso, PLT stubs, alloca and callbacks" {
	compare "$T/odd_stacks" 2
}

# The interrupted stack is not in the copy then: the walk ends there, and says that it is cut.
@test "a handler on an alternate stack: the same frames as libdw, up to the interrupted function" {
	COMPARE=("${COMPARE[@]/98/50}")
	compare "$T/odd_stacks" 2 alternate
	grep -q 'stack copy too small' out
}
