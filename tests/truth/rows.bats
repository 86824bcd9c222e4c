#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# rows.bats - every row of unwind information of real libraries is what libdw
# makes of it. Of the big ones each 16th function; all of them when ROWS_EACH=1
# (make check-rows).

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${ROWS_EACH:=16}"
	LIBS=/usr/lib/$(gcc -dumpmachine)
}

# At least one row of each file was compared, and none differed: by exit status.
rows() { # N NAME FILE
	[ -e "$3" ] || skip "$2 is not installed"
	"$BUILD/tests/truth/rows" -e "$1" "$3"
}

@test "libc: all rows are libdw's" {
	rows 1 libc "$LIBS/libc.so.6"
}

@test "libstdc++: all rows are libdw's" {
	rows 1 libstdc++ "$LIBS/libstdc++.so.6"
}

@test "libcrypto, assembly with expressions: rows are libdw's" {
	rows 1 libcrypto "$LIBS/libcrypto.so.3"
}

@test "libpython: rows are libdw's" {
	rows "$ROWS_EACH" libpython "$(ls "$LIBS"/libpython3.*.so.1.0 2>/dev/null | head -n1)"
}

@test "cc1plus: rows are libdw's" {
	rows "$ROWS_EACH" cc1plus "$(g++ -print-prog-name=cc1plus)"
}

@test "libLLVM, 100 MB: rows are libdw's" {
	rows "$ROWS_EACH" libLLVM "$(ls /usr/lib/llvm-*/lib/libLLVM-*.so.1 2>/dev/null | head -n1)"
}
