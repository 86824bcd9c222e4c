# SPDX-License-Identifier: Apache-2.0
#
# await.bash - for bats files: wait for a thing itself, but not for ever.

# Until FILE holds PATTERN; fails when process PID, which is to write it, has ended without.
await() { # PATTERN FILE PID
	until grep -qs "$1" "$2"; do
		kill -0 "$3" 2>/dev/null || grep -qs "$1" "$2" || { echo "process $3 ended before '$1' was in $2"; return 1; }
		sleep 0.02
	done
}
