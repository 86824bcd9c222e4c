#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# modules.bats - files and memory that code comes from, when they come, go and
# change: each program knows where its time is spent, and the profile must say
# the same, with stacks that reach main.

setup_file() {
	local src
	src=$(cd "$BATS_TEST_DIRNAME/../targets/work" && pwd)
	export W=$BATS_FILE_TMPDIR
	cd "$W" || return 1
	gcc -O2 -g -fomit-frame-pointer -o modules "$src/modules.c" -ldl
	gcc -O2 -g -fomit-frame-pointer -shared -fPIC -DNAME=burn_one -o libone.so "$src/library.c"
	gcc -O2 -g -fomit-frame-pointer -shared -fPIC -DNAME=burn_two -o libtwo.so "$src/library.c"
}

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	PPROF="python3 $ROOT/tests/pprof.py"
	cd "$BATS_TEST_TMPDIR"
}

profile() {
	"$DDPROF_RUN" -q -F 999 -o p.pb.gz "$@"
	$PPROF p.pb.gz check >&2
}

# Function $1 has at least $2 per cent of the time, under main in all of its stacks.
has() {
	local total
	total=$($PPROF p.pb.gz total "$1")
	echo "$1: $total %, wanted $2"
	python3 -c 'import sys; sys.exit(float(sys.argv[1]) < float(sys.argv[2]))' "$total" "$2"
	$PPROF p.pb.gz stacks > stacks
	grep -w "$1" stacks | grep -vw main > without_main || return 0
	echo "not under main:"; head -3 without_main; false
}

complete() { # PER CENT
	local all complete
	$PPROF p.pb.gz comments | grep -E 'ddprof.(end|quality)'
	all=$($PPROF p.pb.gz comments | sed -n 's/^ddprof\.quality\.user_samples: //p')
	complete=$($PPROF p.pb.gz comments | sed -n 's/^ddprof\.quality\.complete: //p')
	[ "$all" -ge 200 ]
	[ $((complete * 100)) -ge $((all * $1)) ]
}

@test "dlopen, dlclose, and another library at the same addresses" {
	profile "$W/modules" 0.5 dlopen "$W/libone.so" burn_one "$W/libtwo.so" burn_two > addresses
	# The premise: the second takes the place of the first.
	[ "$(cut -d' ' -f2 addresses | sort -u | wc -l)" = 1 ] || skip "the loader chose another address"
	has burn_one 40
	has burn_two 40
	complete 99
}

@test "exec: two programs in one process" {
	cp "$W/modules" another
	profile "$W/modules" 0.4 exec ./another 0.4 dlopen "$W/libone.so" burn_one >/dev/null
	has burn_here 35
	has burn_one 35
	complete 99
}

@test "a program whose file is deleted while it runs" {
	cp "$W/modules" gone
	profile ./gone 0.5 deleted
	has burn_here 90
	complete 99
}

@test "a program whose file is replaced by another one while it runs" {
	cp "$W/modules" old
	cp "$W/libone.so" new
	profile ./old 0.5 replaced new
	has burn_here 90
	complete 99
}

@test "a library from a memfd" {
	profile "$W/modules" 0.5 memfd "$W/libone.so" burn_one >/dev/null
	has burn_one 90
	complete 99
}

@test "anonymous executable memory, and CFI below it" {
	profile "$W/modules" 0.5 anon
	has burn 90
	complete 99
}

@test "a mapping split by mprotect" {
	profile "$W/modules" 0.5 split
	has burn_here 90
	complete 99
}

@test "a vfork child, which has its parent's memory" {
	profile "$W/modules" 0.5 vfork
	has burn_here 90
	complete 99
}

@test "two processes with the same library at different addresses" {
	profile sh -c '"$0" 0.4 dlopen "$1" burn_one & "$0" 0.4 dlopen "$1" burn_one & wait' "$W/modules" "$W/libone.so" \
		> addresses
	if [ "$(cat /proc/sys/kernel/randomize_va_space)" != 0 ]; then
		[ "$(sort -u addresses | wc -l)" = 2 ]
	fi
	has burn_one 90
	# One library, one mapping: the same code is one place in the profile.
	[ "$($PPROF p.pb.gz stacks | grep -w burn_one | grep -ow 'burn_one' | wc -l)" -gt 0 ]
}

# The path leads to one library outside, and to another one inside: what counts is the target's.
@test "another mount namespace: the target's files, not ours of the same name" {
	cp "$W/libone.so" lib.so
	unshare -rm true 2>/dev/null || unshare -m true 2>/dev/null || skip "no mount namespace to be had"
	as=-m
	[ "$(id -u)" = 0 ] || as=-rm
	profile unshare $as sh -c 'mount --bind "$1" "$2" && exec "$0" 0.5 dlopen "$2" burn_two' \
		"$W/modules" "$W/libtwo.so" "$PWD/lib.so" >/dev/null
	has burn_two 90
	complete 99
}

@test "another root directory: files are found below it" {
	[ "$(id -u)" = 0 ] || skip "chroot needs root"
	mkdir -p root/w root/proc
	for d in lib lib64; do
		mkdir -p root/usr/$d
		if [ -L /$d ]; then cp -P /$d root/; else mkdir -p root/$d; fi
	done
	for f in $(ldd "$W/modules" | grep -o '/[^ ]*'); do
		mkdir -p "root$(dirname "$f")" && cp -L "$f" "root$f"
	done
	cp "$W/modules" "$W/libone.so" root/w/
	profile unshare -m sh -c 'mount -t proc proc root/proc && exec chroot root /w/modules 0.5 dlopen /w/libone.so burn_one' >/dev/null
	has burn_one 90
	complete 99
}
