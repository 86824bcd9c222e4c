#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# names.bats - names of random addresses are those of llvm-symbolizer, on programs that can be had quickly.
# The large ones: make check-symbolize-truth.

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
	command -v llvm-symbolizer >/dev/null || skip "llvm-symbolizer is not installed"
	symbolize=${BUILD:-build}/tests/symbolize/symbolize
}

made() { # name: into $output, or skip
	[ "$(id -un)" = nobody ] && skip "the same file as another user compares"
	run --separate-stderr tests/symbolize/material "$BATS_TEST_TMPDIR" "$1"
	[ -n "$output" ] || skip "cannot make a $1 program here"
}

bats_require_minimum_version 1.5.0

@test "a C++ program's functions, inlined calls, files and lines are as llvm-symbolizer says" {
	tests/symbolize/compare -n 4000 "$symbolize" "${BUILD:-build}/tests/targets/demo"
}

@test "our own program's are" {
	tests/symbolize/compare "$symbolize" "${DDPROF:-build/ddprof}"
}

@test "a Rust program's are" {
	command -v rustc >/dev/null || skip "rustc is not installed"
	made rust
	tests/symbolize/compare "$symbolize" "$output"
}

@test "a Go program's are" {
	command -v go >/dev/null || skip "go is not installed"
	made go
	tests/symbolize/compare "$symbolize" "$output"
}
