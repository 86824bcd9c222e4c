#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# upload_secrets.bats - API keys, passwords in URLs, certificates and proxies.

load upload.bash
setup() { upload_setup; }
teardown() { upload_teardown; }

uploading() {
	[ -s log ]
}

@test "agentless: the key goes to the intake, by its own path, and nowhere else" {
	intake --agentless 0123456789abcdef0123456789abcdef --keep .
	"$DDPROF_RUN" --wrap -l debug --agentless yes --api-key=0123456789abcdef0123456789abcdef -U "http://127.0.0.1:$PORT" -u 0.5 \
		-o p.pb.gz --upload sh -c "'$T/shares' 1; while [ ! -e seen ]; do sleep 0.05; done" >out 2>err 3>&- &
	PIDS+=($!)
	await uploading
	local p all=
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/exe")" = "$(realpath "$DDPROF_RUN")" ] || continue
		all+=$(tr '\0' ' ' 2>/dev/null <"$p/cmdline") || true
	done
	touch seen
	wait "${PIDS[-1]}"
	cat err
	all_strict
	grep -q 'profiles go to the intake' err
	[[ $all == *"--api-key=xxxxxxxx"* ]]
	[[ $all != *0123456789abcdef* ]]
	! grep -q 0123456789abcdef err out
	[ "$(tag host)" = "$(hostname)" ]
	for p in *.pb.gz; do ! zcat "$p" | grep -aq 0123456789abcdef; done
	! grep -q 0123456789abcdef ./*.json
}

@test "a password in the Agent's URL authorizes, and is seen by nobody else" {
	intake
	"$DDPROF_RUN" --wrap -l debug -U "http://me:hunter22@127.0.0.1:$PORT/" sh -c "'$T/shares' 0.2; cat /proc/\$PPID/cmdline" >out 2>err
	cat err
	all_strict
	[ "$(requests 'r[-1]["headers"]["authorization"]')" = "Basic $(printf me:hunter22 | base64)" ]
	! grep -aq hunter22 out err
	grep -aq "http://127.0.0.1:$PORT/" out
	run "$DDPROF_RUN" --wrap -l debug -U http://me:hunter22@127.0.0.1:1/ true
	[[ $output != *hunter22* ]]
	DD_TRACE_AGENT_URL=http://me:hunter22@127.0.0.1:0/ run "$DDPROF_RUN" --wrap -o p.pb.gz true
	echo "$output"
	[[ $output == *"DD_TRACE_AGENT_URL: 'http://127.0.0.1:0/' is not the address of an Agent"* ]]
	[[ $output != *hunter22* ]]
	run "$DDPROF_RUN" --wrap -U http://me:hunt/er22@h/ touch started
	[ "$status" = 125 ]
	[[ $output != *er22* ]]
	run "$DDPROF_RUN" --wrap -U ftp://me:hunter22@h/ touch started
	[ "$status" = 125 ]
	[[ $output != *hunter22* ]]
	[ ! -e started ]
}

@test "a key is not sent without TLS to another machine, not without being asked for, and not when it is none" {
	DD_API_KEY=00112233445566778899aabbccddeeff run "$DDPROF_RUN" --wrap --agentless true -U http://192.0.2.1:1 true
	[[ $output == *"profiles are not uploaded: an API key goes to another machine only by https://"* ]]
	run "$DDPROF_RUN" --wrap --agentless true true
	[[ $output == *"there is no API key"*"set DD_API_KEY"* ]]
	run "$DDPROF_RUN" --wrap --agentless true --api-key 'bad key' true
	[ "$status" = 125 ]
	[[ $output != *'bad key'* ]]
	intake
	DD_API_KEY=00112233445566778899aabbccddeeff "$DDPROF_RUN" --wrap -q -U "http://127.0.0.1:$PORT" true
	all_strict
}

# ---- TLS ----

certificate() { # name in it
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj "/CN=$1" \
		-addext "subjectAltName=$2" 2>/dev/null
}

@test "https: a certificate nobody vouches for is refused once, a trusted one is good" {
	command -v openssl >/dev/null || skip "openssl is not installed"
	certificate localhost DNS:localhost,IP:127.0.0.1
	intake --tls cert.pem key.pem
	run "$WINDOWS" "https://127.0.0.1:$PORT" 1
	echo "$output"
	[[ $output == "0 refused 0 1 - no answer from"*ertificate* ]]
	SSL_CERT_FILE=$PWD/cert.pem run "$WINDOWS" "https://127.0.0.1:$PORT" 1
	echo "$output"
	[[ $output == "0 delivered 200 1 "* ]]
	[ "$(requests 'sum(x["taken"] for x in r)')" = 1 ]
	certificate elsewhere DNS:elsewhere.example
	intake --tls cert.pem key.pem
	SSL_CERT_FILE=$PWD/cert.pem run "$WINDOWS" "https://127.0.0.1:$PORT" 1
	[[ $output == "0 refused 0 1 "* ]]
}

@test "https: the system's authorities are found in their directory, or in the one file" {
	command -v openssl >/dev/null || skip "openssl is not installed"
	[ "$(id -u)" = 0 ] && [ -d /etc/ssl/certs ] || skip "needs root to lay other certificates over the system's"
	certificate localhost IP:127.0.0.1
	intake --tls cert.pem key.pem
	unshare -m bash -eu -c '
		mount -t tmpfs none /etc/ssl/certs
		"$0" "https://127.0.0.1:$1" 1 >none || true
		cp cert.pem /etc/ssl/certs/own.pem && openssl rehash /etc/ssl/certs >/dev/null
		"$0" "https://127.0.0.1:$1" 1 >directory
		rm /etc/ssl/certs/* && cp cert.pem /etc/ssl/certs/ca-certificates.crt
		"$0" "https://127.0.0.1:$1" 1 >file' "$WINDOWS" "$PORT"
	cat none directory file
	[[ "$(cat none)" == "0 refused 0 1 "* ]]
	[[ "$(cat directory)" == "0 delivered 200 1 "* ]]
	[[ "$(cat file)" == "0 delivered 200 1 "* ]]
}

# ---- proxies ----

# A network of its own, in which 192.0.2.1 is this machine but not its loopback address.
in_network() { # script
	local how=-n
	[ "$(id -u)" = 0 ] || how=-rn
	unshare $how true 2>/dev/null || skip "no network namespace may be made here"
	command -v ip >/dev/null || skip "iproute2 is not installed"
	export -f upload_setup upload_teardown await intake requests all_strict tag certificate proxy
	export ROOT BUILD DDPROF DDPROF_RUN T WINDOWS PY PPROF BATS_TEST_TMPDIR BATS_TEST_DIRNAME
	unshare $how bash -eu -c 'ip link set lo up && ip address add 192.0.2.1/32 dev lo
		PIDS=(); trap upload_teardown EXIT
		'"$1" 3>&-
}

proxy() { # more lines of configuration
	cat >proxy.conf <<-END
		Port 8888
		Listen 127.0.0.1
		Timeout 20
		LogFile "$PWD/proxy.log"
		LogLevel Connect
		MaxClients 20
		Allow 127.0.0.1
		$1
	END
	: >proxy.log
	tinyproxy -d -c proxy.conf >/dev/null 2>&1 &
	PIDS+=($!)
	await bash -c 'exec 4<>/dev/tcp/127.0.0.1/8888' 2>/dev/null
}

@test "http by a proxy, with and without credentials; no_proxy and loopback are left alone" {
	command -v tinyproxy >/dev/null || skip "tinyproxy is not installed"
	in_network '
		proxy "BasicAuth me hunter22"
		intake --via --bind 192.0.2.1 0
		export http_proxy=http://me:hunter22@127.0.0.1:8888
		"$WINDOWS" "http://192.0.2.1:$PORT" 1 >out; cat out; grep -q "^0 delivered 200 1" out
		all_strict
		[[ "$(requests "r[-1][\"headers\"].get(\"via\")")" == *tinyproxy* ]]
		"$DDPROF_RUN" --wrap -l debug -U "http://192.0.2.1:$PORT" true 2>err; cat err
		[[ "$(requests "len(r), r[-1][\"headers\"].get(\"via\")")" == "(2, "*tinyproxy* ]]
		! grep -q hunter22 err
		export http_proxy=http://me:wrongone@127.0.0.1:8888
		"$WINDOWS" "http://192.0.2.1:$PORT" 1 >out; cat out; grep -q "^0 refused 40[17] 1" out
		! grep -q wrongone out
		no_proxy=192.0.2.1 "$WINDOWS" "http://192.0.2.1:$PORT" 1 >out; grep -q "^0 delivered" out
		[ "$(requests "r[-1][\"headers\"].get(\"via\")")" = None ]
		intake
		"$WINDOWS" "http://127.0.0.1:$PORT" 1 >out; grep -q "^0 delivered" out
		"$WINDOWS" "http://localhost:$PORT" 1 >out; grep -q "^0 delivered" out
		all_strict
		intake --unix "$PWD/s"
		"$WINDOWS" "unix://$PWD/s" 1 >out; grep -q "^0 delivered" out
		all_strict
		http_proxy=http://127.0.0.1:1 "$WINDOWS" "http://192.0.2.1:9" 1 200 300 >out; cat out; grep -q "^0 gave-up 0" out
	'
}

@test "https goes through a proxy by CONNECT, credentials included" {
	command -v tinyproxy >/dev/null || skip "tinyproxy is not installed"
	command -v openssl >/dev/null || skip "openssl is not installed"
	certificate agent IP:192.0.2.1
	in_network '
		export SSL_CERT_FILE=$PWD/cert.pem
		proxy "BasicAuth me hunter22"
		intake --tls cert.pem key.pem --bind 192.0.2.1 0
		https_proxy=http://me:hunter22@127.0.0.1:8888 "$WINDOWS" "https://192.0.2.1:$PORT" 1 >out
		cat out proxy.log; grep -q "^0 delivered 200 1" out
		all_strict
		grep -q "CONNECT 192.0.2.1:$PORT" proxy.log
		https_proxy=http://me:wrongone@127.0.0.1:8888 "$WINDOWS" "https://192.0.2.1:$PORT" 1 >out
		cat out; grep -qE "^0 refused 0 1 - the proxy to .https://192.0.2.1:$PORT. answered 40[17]" out
		! grep -q wrongone out
	'
}

@test "with nothing configured the Agent's usual port and socket are found" {
	in_network '
		intake --bind 127.0.0.1 8126
		"$DDPROF_RUN" --wrap --upload true 2>err; cat err
		all_strict
		[ "$(requests "len(r)")" = 1 ]
		grep -q "profiles go to http://localhost:8126" err
	'
	[ "$(id -u)" = 0 ] || return 0
	[ -d /var/run ] || return 0
	unshare -m bash -eu -c '
		mount -t tmpfs none /var/run && mkdir /var/run/datadog
		PIDS=(); trap upload_teardown EXIT
		intake --unix /var/run/datadog/apm.socket
		"$DDPROF_RUN" --wrap --upload true 2>err; cat err
		all_strict
		[ "$(requests "len(r)")" = 1 ]
		grep -q "profiles go to unix:///var/run/datadog/apm.socket" err' 3>&-
}
