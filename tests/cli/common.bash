# SPDX-License-Identifier: Apache-2.0
#
# common.bash - for bats files of the command line: where things are, waiting, and ending what a test leaves.

# Sets what all tests use, and goes to the test's own directory.
common_setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	: "${BUILD:=$ROOT/build}" "${DDPROF:=$BUILD/ddprof}" "${DDPROF_RUN:=$BUILD/ddprof-run}"
	T=$BUILD/tests/targets
	PPROF="python3 $ROOT/tests/pprof.py"
	cd "$BATS_TEST_TMPDIR"
}

# What a failed test leaves running would disturb the next ones.
end_left_over() {
	local p
	for p in $(pgrep -f -- "$BATS_TEST_TMPDIR/"); do kill -KILL "$p" 2>/dev/null || true; done
}

# Repeat a condition for up to 30 s.
await() {
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" && return 0
		sleep 0.05
	done
	echo "gave up waiting for: $*"
	return 1
}
