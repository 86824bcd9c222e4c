# SPDX-License-Identifier: Apache-2.0
# upload.bash - what the upload tests share: the intake, waiting, looking into what arrived.

load common.bash

upload_setup() {
	common_setup
	WINDOWS=$BUILD/tests/upload/windows
	# itself, not a shim that takes its time
	PY=$(python3 -c 'import sys; print(sys.executable)')
	PPROF="$PY $ROOT/tests/pprof.py"
	PIDS=()
	# What the machine says of Agents and proxies must not have a part in this.
	local v
	for v in $(compgen -e | grep -E '^(DD_|http_proxy|https_proxy|no_proxy|HTTPS_PROXY|HTTP_PROXY|ALL_PROXY|all_proxy|NO_PROXY|SSL_CERT|CURL_CA)'); do
		unset "$v"
	done
	# what cannot be delivered is kept here, not in the home of whoever runs the tests
	export XDG_STATE_HOME=$PWD/state
}

upload_teardown() {
	local p
	for p in "${PIDS[@]}"; do kill "$p" 2>/dev/null || true; done
	for p in "${PIDS[@]}"; do wait "$p" 2>/dev/null || true; done
}

# Start the intake; its port is in $PORT, what it receives in file log.
intake() {
	rm -f log port
	"$PY" "$ROOT/tests/intake/intake.py" --log log --port-file port "$@" 3>&- &
	PIDS+=($!)
	await test -e port
	PORT=$(cat port)
}

# Evaluate a Python expression over r, the list of all requests.
requests() {
	"$PY" -c 'import json, sys
r = [json.loads(l) for l in open("log")]
print(eval(sys.argv[1]))' "$1"
}

# Everything that came was as it must be; print what was not.
all_strict() {
	[ "$(requests '[e for x in r for e in x["errors"]]')" = "[]" ] || { requests '[e for x in r for e in x["errors"]]'; return 1; }
}

tag() { # name: of the last request
	requests "r[-1]['event']['tags'].get('$1')"
}
