#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# fallback.bats - perf events are refused: timers in the program do it, and the program cannot tell.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	T=$BUILD/tests/targets
	RUN=(timeout 120 "$T/deny_perf" 1 "$DDPROF_RUN" -q -o "$BATS_TEST_TMPDIR/p.pb.gz")
	cd "$BATS_TEST_TMPDIR"
}

comment() { # KEY
	$PPROF p.pb.gz comments | sed -n "s/^ddprof\.$1: //p"
}

less() {
	python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not a < b)' "$1" "$2" || { echo "$1 is not less than $2"; return 1; }
}

@test "refused with EPERM, EACCES or ENOSYS: profiled all the same, one warning with mode, rate and fix" {
	for errno in 1 13 38; do
		status=0
		"$T/deny_perf" $errno "$DDPROF_RUN" -q -F 100000 true 2>err || status=$?
		[ "$status" = 125 ] # the rate is out of range, whatever the mode
		status=0
		"$T/deny_perf" $errno "$DDPROF_RUN" -q -F 9999 -o p.pb.gz sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; exit 7' 2>err || status=$?
		cat err
		[ "$status" = 7 ]
		[ "$(grep -c '^ddprof: ' err)" = 1 ]
		grep -q "perf_event_open.*timers in it instead, [0-9]* Hz (the kernel's tick allows no more), without kernel frames" err
		grep -q '  fix: ' err
		$PPROF p.pb.gz check
		[ "$(comment mode)" = timer ]
		less "$(comment frequency_hz)" 1001
		less 5 "$(comment quality.samples)"
	done
}

@test "known shares of 50, 30 and 20 % within 3 points; profiled and unsampled time are the kernel's count" {
	# Asked for, not left over: the program that counts needs perf events itself.
	"$DDPROF_RUN" -q --fallback preload -F 250 -o p.pb.gz "$T/cputime" cpu "$T/shares" 6 >truth
	[ "$(comment mode)" = timer ]
	for f in half third fifth; do
		want=$(sed -n "s/^$f //p" truth)
		got=$($PPROF p.pb.gz total $f)
		echo "$f: want $want got $got"
		less "$(python3 -c "print(abs($want - $got))")" 3
	done
	sum=$($PPROF p.pb.gz sum cpu-time)
	echo "profile $sum kernel $(cat cpu)"
	less "$(python3 -c "print(abs($sum / $(cat cpu) - 1) * 100)")" 2
	less "$(comment quality.unsampled_ns)" 300000000
	[ "$(comment quality.complete)" = "$(comment quality.samples)" ]
}

@test "thousands of blocking calls and not one cut short" {
	"${RUN[@]}" -F 999 "$T/calm" 1000
	less 50 "$(comment quality.samples)"
}

@test "a program that uses all signals, its own stack for them, and every way to start another sees what it sees without" {
	status=0
	timeout 60 "$T/own_signals" >without || status=$?
	[ "$status" = 7 ]
	status=0
	"${RUN[@]}" -F 250 "$T/own_signals" >with 2>err || status=$?
	diff without with
	[ "$status" = 7 ]
}

@test "threads that block all signals are sampled" {
	"${RUN[@]}" -F 250 "$T/own_signals" threads
	less 50 "$($PPROF p.pb.gz total spin_blocked)"
}

@test "descriptors, arguments, environment and limits are as without it; of signals, one is caught" {
	timeout 120 "$T/deny_perf" 1 "$T/show_state" a 'b c' >out 2>/dev/null 3>&- <&-
	grep -v ^SigCgt out >without
	"${RUN[@]}" "$T/show_state" a 'b c' >out 2>/dev/null 3>&- <&-
	grep -v ^SigCgt out >with
	diff without with
	# What the kernel shows of the environment ends in zeros where our variables were.
	timeout 120 "$T/deny_perf" 1 cat /proc/self/environ >without
	"${RUN[@]}" cat /proc/self/environ >with 2>/dev/null
	cmp <(tr '\0' '\n' <without) <(tr '\0' '\n' <with | grep -v '^$')
}

@test "a preload list of the program's own is kept, in it and in what it starts" {
	libm=$(ldconfig -p | sed -n 's/.*libm\.so\.6 (libc6,.*=> //p' | head -n 1)
	[ -n "$libm" ] || skip "no libm"
	for list in "$libm" ""; do
		LD_PRELOAD=$list "${RUN[@]}" python3 -c 'import os, subprocess
print(repr(os.environ["LD_PRELOAD"]), os.environ.get("DDPROF_TIMER"), os.path.basename(os.environ["LD_PRELOAD"]) in open("/proc/self/maps").read(), flush=True)
os.execv("/bin/sh", ["sh", "-c", "echo $LD_PRELOAD; env | grep -c DDPROF_TIMER; exit 3"])' >out 2>err || [ $? = 3 ]
		cat out
		[ "$(cat out)" = "'$list' None True"$'\n'"$list"$'\n'0 ]
	done
}

@test "processes that live for milliseconds are seen, with their mappings, and add up" {
	cat >Makefile <<-'M'
		all: $(addprefix t,$(shell seq 1 60))
		t%: ; @sh -c 'i=0; while [ $$i -lt 15000 ]; do i=$$((i+1)); done'
	M
	"${RUN[@]}" -F 250 make -s -j2 all 2>/dev/null
	$PPROF p.pb.gz check
	comment quality.samples
	comment quality.complete
	less 50 "$(comment quality.processes)"
	less "$($PPROF p.pb.gz total '[unknown mapping]')" 5
	less "$($PPROF p.pb.gz total '[not sampled]')" 60
}

@test "musl programs too" {
	command -v musl-gcc >/dev/null || skip "no musl-gcc"
	musl-gcc -O2 -g -D_GNU_SOURCE -o shares "$ROOT/tests/targets/shares.c"
	"${RUN[@]}" -F 250 ./shares 1 2>err
	less 30 "$($PPROF p.pb.gz total half)"
}

@test "static and Go programs run unprofiled, said in one line; what they start is profiled" {
	gcc -static -O2 -D_GNU_SOURCE -o shares "$ROOT/tests/targets/shares.c"
	"${RUN[@]}" ./shares 0.2 2>err
	cat err
	[ "$(grep -c '^ddprof: ' err)" = 1 ]
	grep -q "'shares' itself is not profiled: it is statically linked" err
	less 90 "$($PPROF p.pb.gz total '[not sampled]')"
	printf '#!/bin/sh\nexit 4\n' >script
	chmod +x script
	status=0
	"${RUN[@]}" ./script 2>err || status=$?
	[ "$status" = 4 ]
	grep -q "'script' is profiled by timers" err
}

@test "no memfd, no process_vm_readv, no ptrace, no pidfd: the timers still do it" {
	timeout 60 "$T/deny_perf" 38,memfd_create,process_vm_readv,ptrace,pidfd_open "$DDPROF_RUN" -q -F 250 -o p.pb.gz "$T/shares" 1 2>err >/dev/null
	cat err
	less 100 "$(comment quality.samples)"
	[ "$(comment quality.complete)" = "$(comment quality.samples)" ]
}

@test "no file may be large enough: a System V segment, and none is left behind" {
	ipcs -m | sort >before
	prlimit --fsize=1000000:1000000 timeout 60 "$T/deny_perf" 1 "$DDPROF_RUN" -q -F 250 -o p.pb.gz "$T/shares" 1 >/dev/null 2>err
	cat err
	less 100 "$(comment quality.samples)"
	ipcs -m | sort >after
	diff before after
}

@test "no timers either: it runs, nothing is sampled, and the figures say so" {
	timeout 60 "$T/deny_perf" 1,timer_create "$DDPROF_RUN" -q -o p.pb.gz "$T/shares" 0.3 2>err >/dev/null
	less 90 "$($PPROF p.pb.gz total '[not sampled]')"
}

@test "the collector killed: the program goes on, another collector takes over the timers" {
	"$T/deny_perf" 1 "$DDPROF_RUN" -q -F 250 -o p -w 2 sh -c 'echo >started; exec "$0" 3' "$T/shares" 2>err >out 3>&- &
	pid=$!
	until [ -e started ]; do kill -0 $pid; done
	kill -KILL "$(pgrep -P $pid -x ddprof-collect)"
	wait $pid
	cat err
	ls
	grep -q 'restarted (1 of 3)' err
	grep -q '^half' out
	most=0
	for f in p*.pb.gz; do
		cp "$f" last
		n=$($PPROF last total half)
		less "$n" "$most" || most=$n
	done
	less 20 "$most"
}

@test "a child whose parent has ended at once does not bring init into the family" {
	for _ in 1 2 3 4 5; do
		timeout 20 "$DDPROF_RUN" -q --fallback preload --follow -o p.pb.gz setsid -f true
		less "$(comment quality.rusage_cpu_ns)" 1000000000
	done
}

@test "what system() and popen() start is sampled, and nobody can tell" {
	cat >starts.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/wait.h>
		int main(int argc, char **argv)
		{
			char line[4096];
			for (int i = 1; i < argc; i++) {
				int status = system(argv[i]);
				printf("%d %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
				FILE *f = popen(argv[i], "r");
				while (f && fgets(line, sizeof(line), f))
					fputs(line, stdout);
				status = f ? pclose(f) : -1;
				printf("%d\n", status);
				fflush(stdout);
			}
			return !system(NULL);
		}
	C
	commands=("$T/shares 0.5 >/dev/null" "echo \"it's \$0 \$# <\$LD_PRELOAD> <\$DDPROF_TIMER>\"; exit 3" 'no-such-program' 'echo "a  b"; kill -9 $$' 'exit 4; (' 'env | grep -v "^_=" | sort' '' "printf '%s\n' 'quo\"ted'")
	gcc -O2 -o starts starts.c
	kinds=(./starts)
	if command -v musl-gcc >/dev/null; then musl-gcc -O2 -o starts-musl starts.c && kinds+=(./starts-musl); fi
	for starts in "${kinds[@]}"; do
		timeout 60 $starts "${commands[@]}" >without 2>without.err
		"${RUN[@]}" -F 250 $starts "${commands[@]}" >with 2>with.err
		diff without with
		diff without.err <(grep -v -e '^ddprof: ' -e '^  fix: ' with.err)
		less 35 "$($PPROF p.pb.gz total half)"
	done
}

@test "arguments up to the last byte that the kernel takes" {
	cat >most.py <<-'P'
		import os, subprocess
		def fits(n):
		    try:
		        return subprocess.call(["/bin/true"] + ["x" * 1023] * (n >> 10) + ["x" * (n & 1023)], env={"A": "b"}, close_fds=False) == 0
		    except OSError as e:
		        assert e.errno == 7
		        return False
		low, high = 0, 1 << 24
		while high - low > 1:
		    middle = (low + high) // 2
		    low, high = (middle, high) if fits(middle) else (low, middle)
		print(low)
	P
	python3 most.py >without
	"${RUN[@]}" python3 most.py >with 2>err
	diff without with
}

@test "a user's queue of signals is left to the program: no more timers when half of it is taken" {
	[ "$(id -u)" = 0 ] || skip "only root may use a queue of his own here"
	# A user without processes, so that the queue is the program's alone.
	work=$(mktemp -d /tmp/ddprof-queue.XXXXXX)
	chmod 777 "$work"
	status=0
	timeout 60 setpriv --reuid 64321 --regid 64321 --clear-groups prlimit --sigpending=3:3 "$DDPROF_RUN" -q --fallback preload -F 250 -o "$work/p.pb.gz" "$T/late_threads" 1 >out 2>err || status=$?
	cat err
	rm -r "$work"
	[ "$status" = 126 ] && skip "the build cannot be read by others"
	[ "$status" = 0 ]
	[ -s out ]
	[ "$(grep -c 'have no timer and are not sampled' err)" = 1 ]
	grep -q '  fix: raise the limit of pending signals' err
}

@test "a function's sandbox: no perf, no ptrace, none of the newer calls, a read-only root, only /tmp" {
	[ "$(id -u)" = 0 ] || skip "mounting takes root"
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	exec 4>p.pb.gz 5>err
	# The build is reached by another path, since it may itself be below /tmp.
	timeout 60 unshare -m --propagation private bash -c '
		mount --bind "$0" /mnt && mount -t tmpfs none /tmp && mount --bind / / || exit 99
		for at in / /dev/shm /run; do mount -o remount,bind,ro $at 2>/dev/null; done
		cd /mnt; touch /mnt/x /dev/shm/x /var/tmp/x 2>/dev/null && exit 98
		cd /tmp
		/mnt/tests/targets/deny_perf 38,memfd_create,process_vm_readv,ptrace,pidfd_open,close_range,openat2,statx,eventfd2,userfaultfd \
			/mnt/ddprof-run -q -F 250 -o /tmp/p.pb.gz /mnt/tests/targets/shares 1 2>&5 >/dev/null || exit 97
		cat /tmp/p.pb.gz >&4' "$BUILD" || { status=$?; cat err; [ $status != 99 ] || skip "nothing can be mounted here"; return 1; }
	cat err
	[ "$(comment mode)" = timer ]
	less 100 "$(comment quality.samples)"
	[ "$(comment quality.complete)" = "$(comment quality.samples)" ]
	less 35 "$($PPROF p.pb.gz total half)"
}

@test "ddprof-run killed: what the program starts from then on is sampled as well" {
	timeout 60 "$T/deny_perf" 1 "$DDPROF_RUN" -q --log-level debug -F 250 -o p.pb.gz bash -c 'echo $PPID >parent; until [ -e go ]; do :; done; "$0" 1; exec "$0" 1' "$T/shares" >out 2>err 3>&- &
	waiting=$!
	until [ -s parent ]; do kill -0 $waiting; done
	kill -KILL "$(cat parent)"
	until grep -q "find the timers' memory with this process" err; do sleep 0.02; done
	touch go
	until [ -e p.pb.gz ] && $PPROF p.pb.gz check 2>/dev/null; do sleep 0.05; done
	less 60 "$(python3 -c "print($($PPROF p.pb.gz total half) + $($PPROF p.pb.gz total third) + $($PPROF p.pb.gz total fifth))")"
	[ "$(grep -c '^half' out)" = 2 ]
}
