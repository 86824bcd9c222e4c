#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# doctor.bats - each thing that a profile needs is really taken away, and the doctor says so, why, and what helps.

load upload.bash
setup() {
	upload_setup
	export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state HOME=$BATS_TEST_TMPDIR
	: >saved
}

teardown() {
	local name value
	while read -r name value; do sysctl -q "$name=$value"; done <"$BATS_TEST_TMPDIR/saved"
	[ -z "${OPEN:-}" ] || rm -rf "$OPEN"
	upload_teardown
}

root() {
	[ "$(id -u)" = 0 ] || skip "needs root to take it away"
}

# Set a sysctl until the end of the test.
sysctl_set() { # name value
	[ -w "/proc/sys/${1//.//}" ] || skip "$1 cannot be set here"
	echo "$1 $(sysctl -n "$1")" >>"$BATS_TEST_TMPDIR/saved"
	sysctl -q "$1=$2"
}

# Without the capabilities of root: as an ordinary user, but for whose files it may read.
ordinary() {
	if [ "$(id -u)" = 0 ]; then setpriv --bounding-set=-all --inh-caps=-all "$@"; else "$@"; fi
}

# Run a command with the doctor in it, keep its JSON and exit status; both must agree.
examine() {
	local words=() w
	for w; do
		words+=("$w")
		[ "$w" != doctor ] || words+=(--json)
	done
	status=0
	"${words[@]}" >j 2>err || status=$?
	cat err
	[ "$status" = "$(json 'j["exit"]')" ]
}

json() { # expression over j and, by key, the checks c
	"$PY" -c 'import json, sys
j = json.load(open("j"))
c = {}
for x in j["checks"]: c.setdefault(x["key"], x)
for x in c.values(): x.setdefault("fix", ""), x.setdefault("meanwhile", "")
print(eval(sys.argv[1]))' "$1"
}

# state, or "note" for what has no part in the verdict
state() { # key
	json "'note' if c['$1']['optional'] and c['$1']['state'] != 'ok' else c['$1']['state']"
}

is() { # key state [words of its reason] [words of its fix]
	"$PY" -c 'import json, sys
key, state, reason, fix = (sys.argv[1:] + ["", ""])[:4]
c = [x for x in json.load(open("j"))["checks"] if x["key"] == key][0]
print(c)
was = "note" if c["optional"] and c["state"] != "ok" else c["state"]
sys.exit(not (was == state and reason in c["reason"] and fix in c.get("fix", "")))' "$@"
}

# The program and its library where any user can run them.
open_copy() {
	OPEN=$(mktemp -d "${TMPDIR:-/tmp}/ddprof-doctor.XXXXXX")
	chmod 755 "$OPEN"
	cp "$(realpath "$DDPROF")" "$OPEN/ddprof"
	cp "$BUILD/libddprof-timer.so" "$OPEN/"
}

as_nobody() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all --bounding-set=-all "$@"
	else
		"$@"
	fi
}

@test "the verdict and the exit status follow from the rows, most hurting first" {
	examine "$DDPROF" doctor
	[ "$(json 'j["exit"] == (3 if [x for x in j["checks"] if x["state"] != "ok" and not x["optional"]] else 0)')" = True ]
	[ "$(json '(lambda r: r == sorted(r))([3 if x["state"] == "ok" else 2 if x["optional"] else 1 if x["state"] == "degraded" else 0 for x in j["checks"]])')" = True ]
	[ "$(json 'sorted(set(x["section"] for x in j["checks"]))')" = "['delivery', 'host']" ]
	for key in perf timers kernel kernel-symbols rings files rate pmu tracepoints proc disk seccomp lockdown container ptrace libpfm debuginfod destination agent key proxy libcurl spool; do
		[ "$(json "'$key' in c")" = True ] || { echo "no row $key"; false; }
	done
	is perf ok
}

@test "lines have 80 columns of plain ASCII, with colours only at a terminal" {
	"$DDPROF" doctor -- "$T/shares" >out || true
	[ "$(LC_ALL=C awk 'length > 80' out | wc -l)" = 0 ]
	! LC_ALL=C grep -q '[^ -~]' out
	TERM=xterm "$PY" "$ROOT/tests/targets/on_pty.py" end -- "$DDPROF" doctor >tty
	grep -aq "$(printf '\033')\[" tty
	NO_COLOR=1 TERM=xterm "$PY" "$ROOT/tests/targets/on_pty.py" end -- "$DDPROF" doctor >plain
	! grep -aq "$(printf '\033')\[" plain
}

@test "perf events refused by a filter: missing, the reason, the fix, timers meanwhile; nothing for a process" {
	local errno name
	for errno in 1:EPERM 13:EACCES 38:ENOSYS; do
		name=${errno#*:}
		examine "$T/deny_perf" "${errno%:*}" "$DDPROF" doctor
		[ "$status" = 3 ]
		is perf missing "by a seccomp filter or sandbox, which keeps the call from the kernel ($name)" "seccomp profile"
		[[ "$(json 'c["perf"]["meanwhile"]')" == "timers in what ddprof-run starts, "*" Hz, no kernel frames; attach cannot" ]]
		is seccomp note "a filter refuses perf_event_open (Seccomp: 2)"
		[ "$(json '[s["errno"] for s in j["ladder"] if s["key"] == "user"]')" = "['$name']" ]
	done
	examine "$T/deny_perf" 1 "$DDPROF" doctor --pid $$
	[ "$status" = 4 ]
	is target missing "there are no perf events"
}

@test "a filter that lets perf events through is none of the reasons" {
	examine "$T/deny_perf" 1,as-kernel,ptrace "$DDPROF" doctor
	is perf missing
	[[ "$(json 'c["perf"]["reason"]')" != *"seccomp filter"* ]]
	is seccomp ok "a filter is in force, and lets perf_event_open through"
}

@test "refused by kernel.perf_event_paranoid: the one command" {
	root
	sysctl_set kernel.perf_event_paranoid 3
	examine "$T/deny_perf" 13,as-kernel "$DDPROF" doctor
	[ "$status" = 3 ]
	is perf missing "kernel.perf_event_paranoid is 3 (EACCES)" "sudo sysctl kernel.perf_event_paranoid=2"
}

@test "kernel frames not permitted: degraded, and in the profile's comments as in the doctor's table" {
	[ "$(cat /proc/sys/kernel/perf_event_paranoid)" -ge 2 ] || skip "they are permitted to everybody"
	examine ordinary "$DDPROF" doctor
	[ "$status" = 3 ]
	is kernel degraded "(EACCES)" "sudo sysctl kernel.perf_event_paranoid=1"
	is kernel-symbols note
	[ "$(json '[(s["granted"], s["errno"], s["instead"]) for s in j["ladder"] if s["key"] == "kernel"]')" = "[(False, 'EACCES', 'user stacks only')]" ]
	ordinary "$DDPROF_RUN" -q -o p.pb.gz "$T/shares" 0.1
	$PPROF p.pb.gz comments | grep -x 'ddprof.ladder.kernel: EACCES; instead: user stacks only; costs: kernel time is one figure, without functions'
}

@test "kernel symbols hidden by kptr_restrict" {
	root
	sysctl_set kernel.kptr_restrict 2
	examine "$DDPROF" doctor
	[ "$status" = 3 ]
	is kernel-symbols degraded "kernel.kptr_restrict is 2" "sudo sysctl kernel.kptr_restrict=0"
}

@test "the mlock budget: small rings are told, none at all leave the timers" {
	root
	open_copy
	# The budget is a user's: one whom nobody else is.
	local alone=(prlimit --memlock=0:0 setpriv --reuid=54321 --regid=54321 --clear-groups --inh-caps=-all --bounding-set=-all)
	sysctl_set kernel.perf_event_mlock_kb 68
	examine "${alone[@]}" "$OPEN/ddprof" doctor -o /tmp/
	is rings degraded "kernel.perf_event_mlock_kb is 68" "sudo sysctl kernel.perf_event_mlock_kb="
	[ "$status" = 3 ]
	sysctl -q kernel.perf_event_mlock_kb=0
	examine "${alone[@]}" "$OPEN/ddprof" doctor -o /tmp/
	is perf missing "the memory that this user may lock for perf events is used up (ENOBUFS)" "sudo sysctl kernel.perf_event_mlock_kb="
	[ "$status" = 3 ]
}

@test "open files: too few for any event, too few for threads" {
	examine prlimit --nofile=12:12 "$DDPROF" doctor
	is perf missing "Too many open files (EMFILE)" "ulimit -n"
	[ "$status" = 3 ]
	examine prlimit --nofile=100:100 "$DDPROF" doctor
	is perf ok
	is files degraded "the hard limit of 100 allows attaching to" "LimitNOFILE"
	# a low soft limit is raised by a capture itself
	examine prlimit --nofile=32: "$DDPROF" doctor
	is files ok
}

@test "a rate above the kernel's limit: said, and the limit used, by the doctor and by a run" {
	root
	sysctl_set kernel.perf_event_max_sample_rate 50
	examine "$DDPROF" doctor
	is rate degraded "50 of 99 Hz granted" "sudo sysctl kernel.perf_event_max_sample_rate="
	"$DDPROF_RUN" -o p.pb.gz "$T/shares" 0.3 >out 2>err
	cat err
	grep -q '50 samples a second, not 99: kernel.perf_event_max_sample_rate allows no more' err
	$PPROF p.pb.gz comments | grep -x 'ddprof.frequency_hz: 50'
	$PPROF p.pb.gz comments | grep -q '^ddprof.ladder.rate: EINVAL; instead: the highest rate allowed'
	examine "$DDPROF" doctor -F 50
	is rate ok
}

@test "the timers' library missing or not loadable: a note; without perf events nothing works" {
	open_copy
	rm "$OPEN/libddprof-timer.so"
	examine "$OPEN/ddprof" doctor
	is timers note "libddprof-timer.so is neither beside ddprof nor in ../lib/ddprof" "make install"
	cp "$OPEN/ddprof" "$T/deny_perf" .
	examine ./deny_perf 1 ./ddprof doctor
	[ "$status" = 4 ]
	is timers missing
	[ "$(json 'j["verdict"]')" = nothing ]
	echo "no library" >libddprof-timer.so
	examine ./deny_perf 1 ./ddprof doctor
	[ "$status" = 4 ]
	is timers missing "cannot be loaded"
	cp "$BUILD/libddprof-timer.so" .
	examine ./deny_perf 1,timer_create ./ddprof doctor
	[ "$status" = 4 ]
	is timers missing "timer_create is refused"
}

@test "libraries that uploads, names and debuginfod need cannot be loaded" {
	mkdir lib
	for name in libcurl.so.4 libcurl-gnutls.so.4 libpfm.so.4 libdebuginfod.so.1; do echo >lib/$name; done
	examine env LD_LIBRARY_PATH="$PWD/lib" "$DDPROF" doctor
	is libcurl note "" libcurl4
	is libpfm note "" libpfm4
	is debuginfod note "" libdebuginfod1
	examine env LD_LIBRARY_PATH="$PWD/lib" "$DDPROF" doctor --upload --debuginfod
	[ "$status" = 3 ]
	is libcurl missing
	is debuginfod missing
}

@test "namespaces: /proc of another one is degraded, a pid namespace of its own is told" {
	root
	unshare -pf true || skip "no pid namespaces"
	examine unshare -pf "$DDPROF" doctor
	is proc degraded "of another pid namespace" "mount -t proc"
	[ "$status" = 3 ]
	examine unshare -pf --mount-proc "$DDPROF" doctor
	is proc ok
	is container ok "pid namespace of its own"
	examine unshare -m sh -c 'umount -l /proc && exec "$@"' sh "$DDPROF" doctor
	is proc missing "it is not mounted" "mount -t proc"
}

@test "/proc with hidepid: told, and a hidden process is said to be there" {
	root
	open_copy
	sleep 60 &
	PIDS+=($!)
	cat >inside <<-'S'
		mount -t proc -o hidepid=2 proc /proc || exit 77
		exec setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all --bounding-set=-all "$@"
	S
	unshare -m bash ./inside true || skip "no mount namespaces, or no hidepid"
	examine unshare -m bash ./inside "$OPEN/ddprof" doctor --pid "${PIDS[0]}"
	[ "$status" = 4 ]
	is proc note "mounted with hidepid="
	is target missing "is there, but hidden from this user (hidepid of /proc)" "sudo ddprof attach --pid ${PIDS[0]}"
}

@test "no directory can be written, or hardly anything is left: where files go" {
	mkdir locked
	chmod 555 locked
	open_copy
	cd locked
	status=0
	XDG_STATE_HOME=/proc/none as_nobody "$OPEN/ddprof" doctor --json >"$OPEN/j" || status=$?
	cp "$OPEN/j" "$BATS_TEST_TMPDIR/j"
	cd ..
	[ "$status" = 3 ]
	is disk degraded "cannot be written" "-o DIR/"
	root
	unshare -m true || skip "no mount namespaces"
	examine unshare -m sh -c 'mkdir -p small && mount -t tmpfs -o size=1m none small && exec "$@"' sh "$DDPROF" doctor -o small/x.pb.gz
	is disk degraded "MB left for 'small'"
}

more_threads() { # pid
	[ "$(ls "/proc/$1/task" | wc -l)" = 2 ]
}

@test "a process: gone, a thread, another user's, our own" {
	true &
	local gone=$!
	wait $gone
	examine "$DDPROF" doctor --pid $gone
	[ "$status" = 4 ]
	is target missing "there is no process $gone"
	open_copy
	sleep 60 &
	PIDS+=($!)
	status=0
	as_nobody "$OPEN/ddprof" doctor --json --pid 1 >j || status=$?
	[ "$status" = 4 ]
	is target missing "(EACCES): process 1 belongs to user 0" "sudo ddprof attach --pid 1"
	"$PY" -c 'import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()' 3>&- &
	PIDS+=($!)
	await more_threads "$!"
	local tid
	tid=$(ls "/proc/$!/task" | grep -vx "$!")
	examine "$DDPROF" doctor --pid "$tid"
	[ "$status" = 4 ]
	is target missing "$tid is a thread of process $!" "ddprof doctor --pid $!"
	examine "$DDPROF" doctor --pid "${PIDS[0]}"
	is target ok "pid ${PIDS[0]} of user $(id -u), 1 thread: can be attached to"
	is runtime ok "native"
	is executable ok "dynamically linked"
	is allocator ok "glibc's malloc"
	[ "$(json '"target-timers" in c')" = False ]
}

@test "a program is found as exec finds it, looked at, and not run" {
	printf '#!/bin/sh\ntouch ran\n' >script
	chmod +x script
	examine "$DDPROF" doctor -- ./script --its-own
	[ ! -e ran ]
	is target ok "'./script' runs '$(realpath /bin/sh)'"
	examine "$DDPROF" doctor no-such-program
	[ "$status" = 4 ]
	is target missing "'no-such-program' cannot be run: No such file or directory"
	chmod -x script
	examine "$DDPROF" doctor ./script
	[ "$status" = 4 ]
	is target missing "Permission denied"
	for words in "--pid 1,2" "--pid 1 true" "--bundle= true" "--bogus"; do
		# shellcheck disable=SC2086
		run "$DDPROF" doctor $words
		echo "$output"
		[ "$status" = 2 ]
	done
}

@test "a program with more rights than its user is not profiled by him" {
	open_copy
	local su
	su=$(command -v su) && [ -u "$su" ] || skip "no set-user-ID su"
	status=0
	as_nobody "$OPEN/ddprof" doctor --json su >j || status=$?
	[ "$status" = 4 ]
	is target missing "has rights of its own (set-user-ID)" "as root"
}

@test "call frame information, symbols, debug information: there, stripped, in a file of its own, of another build, not at all" {
	cp "$ROOT/tests/targets/shares.c" a.c
	gcc -O2 -g -D_GNU_SOURCE -o a a.c
	examine "$DDPROF" doctor ./a
	is cfi ok "in the program, "
	is symbols ok "in the program's symbol table"
	is debug ok "in the program itself"
	is executable ok "GCC: "
	strip -o stripped a
	examine "$DDPROF" doctor ./stripped
	[ "$status" = 3 ]
	is symbols degraded "is stripped, and no debug file for it is here" "--debuginfod"
	is debug note "/stripped': it was built without -g"
	is cfi ok
	mkdir debug
	objcopy --only-keep-debug a debug/stripped.debug
	examine "$DDPROF" doctor --debug-dir debug ./stripped
	is symbols ok "in its debug file"
	is debug ok "in a separate debug file"
	sed -i 's/return/ return /' a.c
	gcc -O1 -g -D_GNU_SOURCE -o other a.c
	objcopy --only-keep-debug other debug/stripped.debug
	examine "$DDPROF" doctor --debug-dir debug ./stripped
	is symbols degraded
	is debug note "the debug file that is here is of another build"
	gcc -O2 -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-exceptions -fomit-frame-pointer -D_GNU_SOURCE -o bare a.c
	examine "$DDPROF" doctor ./bare
	[ "$status" = 3 ]
	is cfi degraded "% of its code" "rebuild with -fasynchronous-unwind-tables"
	[[ "$(json 'c["cfi"]["meanwhile"]')" == *"stacks may end early" ]]
	gcc -O1 -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-exceptions -fno-omit-frame-pointer -fno-inline -D_GNU_SOURCE -o framed a.c
	examine "$DDPROF" doctor ./framed
	is cfi degraded
	json 'c["frame-pointers"]["reason"]'
}

@test "static and Go programs: no timers for them, a note while there are perf events" {
	printf 'int main(void) { return 0; }\n' >s.c
	gcc -static -O2 -o s s.c
	examine "$DDPROF" doctor ./s
	is target-timers note "it is statically linked"
	is executable ok "statically linked"
	examine "$T/deny_perf" 1 "$DDPROF" doctor ./s
	[ "$status" = 4 ]
	is target-timers missing "it is statically linked"
	command -v go >/dev/null || skip "no go"
	printf 'package main\nfunc main() {}\n' >g.go
	GOCACHE=$PWD/cache GOFLAGS=-p=1 go build -ldflags '-s -w' -o g g.go
	examine "$DDPROF" doctor ./g
	is target-timers note "it is a Go program"
	is runtime ok "Go "
	is symbols ok "by Go's function table"
	is cfi ok "by Go's function table"
}

@test "musl programs, and libraries that are not there" {
	printf 'int main(void) { return 0; }\n' >s.c
	if command -v musl-gcc >/dev/null; then
		musl-gcc -O2 -o s s.c
		examine "$DDPROF" doctor ./s
		is runtime ok "musl"
	fi
	printf 'int f(void) { return 1; }\n' >f.c
	mkdir lib
	gcc -O2 -shared -fPIC -o lib/libf-of-ours.so f.c
	printf 'int f(void); int main(void) { return f(); }\n' >m.c
	gcc -O2 -o m m.c -Llib -lf-of-ours '-Wl,-rpath,$ORIGIN/lib'
	examine "$DDPROF" doctor ./m
	[ "$(state libraries)" != degraded ]
	mv lib away
	examine "$DDPROF" doctor ./m
	is libraries degraded "1 cannot be opened, such as 'libf-of-ours.so'"
}

@test "what a process is: runtime, perf map, allocator" {
	PYTHONUNBUFFERED=1 "$PY" -c 'import time; print("up"); time.sleep(60)' >up 3>&- &
	PIDS+=($!)
	await test -s up
	examine "$DDPROF" doctor --pid "${PIDS[0]}"
	is runtime ok "CPython"
	is jit note "" PYTHONPERFSUPPORT
	: >"/tmp/perf-${PIDS[0]}.map"
	examine "$DDPROF" doctor --pid "${PIDS[0]}"
	rm "/tmp/perf-${PIDS[0]}.map"
	is jit ok "by its perf map"
	examine "$DDPROF" doctor node
	if [ "$(json '"runtime" in c')" = True ]; then
		is jit degraded "Node.js writes no perf map" "NODE_OPTIONS=--perf-basic-prof"
		examine env NODE_OPTIONS=--perf-basic-prof "$DDPROF" doctor node
		is jit ok "asked for"
	fi
	if command -v java >/dev/null; then
		examine "$DDPROF" doctor java -version
		is runtime ok "JVM "
		is jit degraded "JVM writes no perf map" DumpPerfMapAtExit
	fi
	local lib
	lib=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)
	[ -n "$lib" ] || skip "no libjemalloc"
	LD_PRELOAD=$lib sleep 60 3>&- &
	PIDS+=($!)
	await grep -q jemalloc "/proc/$!/maps"
	examine "$DDPROF" doctor --pid "${PIDS[1]}"
	is allocator ok jemalloc
}

# An Agent that answers /info and nothing else; its port in $PORT.
agent() {
	rm -f port
	"$PY" -c 'import http.server, json, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": "7.60.0", "endpoints": ["/profiling/v1/input"]}).encode()
        self.send_response(200 if self.path == "/info" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
open("port.new", "w").write(str(s.server_port))
os.rename("port.new", "port")
s.serve_forever()' 3>&- &
	PIDS+=($!)
	await test -e port
	PORT=$(cat port)
}

@test "delivery: an Agent, none, agentless with and without a key, a proxy" {
	agent
	examine "$DDPROF" doctor -U "http://127.0.0.1:$PORT"
	is agent ok "is an Agent 7.60"
	is destination ok "http://127.0.0.1:$PORT"
	examine "$DDPROF" doctor -U http://127.0.0.1:1
	[ "$status" = 3 ]
	is agent missing "127.0.0.1:1" "start the Agent"
	examine "$DDPROF" doctor -o p.pb.gz -U http://127.0.0.1:1
	is agent note
	is destination ok "a file (-o)"
	examine "$DDPROF" doctor --agentless true
	[ "$status" = 3 ]
	is destination missing "there is no API key" "set DD_API_KEY"
	is key missing "" "export DD_API_KEY"
	examine env DD_API_KEY=0123456789abcdef0123456789abcdef https_proxy=http://me:hunter22@proxy.example:3128 "$DDPROF" doctor --agentless true
	is key ok "given (***)"
	is agent ok "agentless"
	is proxy ok "https_proxy is http://proxy.example:3128"
	! grep -q -e hunter22 -e 0123456789abcdef j
}

@test "the spool: what waits in it, nearly full, not readable" {
	"$DDPROF_RUN" -q --wrap --upload -U http://127.0.0.1:1 --spool spool true 2>err
	[ "$(ls spool | grep -c ddspool)" = 1 ]
	examine "$DDPROF" doctor --spool spool
	is spool note "1 profile (" "ddprof upload"
	examine "$DDPROF" doctor --spool spool --spool-count 1
	[ "$status" = 3 ]
	is spool degraded "which is nearly full"
	examine "$DDPROF" doctor --no-spool
	is spool ok "none (--no-spool)"
	examine "$DDPROF" doctor --spool none-here
	is spool ok "nothing waits in 'none-here'"
	[ ! -e none-here ]
	: >no-directory
	examine "$DDPROF" doctor --upload --spool no-directory
	is spool degraded "cannot be read: Not a directory"
}

@test "the bundle: all of it, for us alone, and no secret from anywhere" {
	local key=0123456789abcdef0123456789abcdef pass=hunter22x proxy=s3cretProxyWord
	"$PY" -c 'import time; time.sleep(60)' --api-key $key --password=$pass 3>&- &
	PIDS+=($!)
	DD_API_KEY=$key DD_TAGS="token:$key,who:$pass" http_proxy=http://u:$proxy@p.example:1 HTTPS_PROXY=u:$proxy@p.example:2 \
		DD_APP_KEY=$key DD_TRACE_AGENT_URL=http://me:$pass@127.0.0.1:1 DD_SERVICE="s-$key" \
		"$DDPROF" doctor --pid $! --bundle b.tar.gz --api-key $key -U "http://me:$pass@127.0.0.1:1/" -T "k:$key" >out 2>err || [ $? = 3 ]
	cat err
	[ "$(stat -c %a b.tar.gz)" = 600 ]
	"$PY" - b.tar.gz <<-'P'
		import json, sys, tarfile
		t = tarfile.open(sys.argv[1], "r:gz")
		names = sorted(m.name for m in t)
		assert names == ["ddprof-doctor/" + n for n in ("config.txt", "debug.log", "doctor.json", "doctor.txt", "system.txt", "target.txt", "version.txt")], names
		assert all(m.isfile() and m.mode == 0o600 for m in t)
		read = lambda n: t.extractfile("ddprof-doctor/" + n).read().decode(errors="replace")
		json.loads(read("doctor.json"))
		assert "this machine" in read("doctor.txt")
		assert "ddprof: debug: user and kernel stacks" in read("debug.log") and "check perf: " in read("debug.log"), read("debug.log")
		assert "==== /proc/self/status" in read("system.txt") and "Seccomp:" in read("system.txt")
		assert "frequency=99" in read("config.txt") and "api-key=***" in read("config.txt"), read("config.txt")
		assert "--password=***" in read("target.txt"), read("target.txt")[:400]
		all = "".join(read(n.split("/")[1]) for n in names)
		for secret in "0123456789abcdef0123456789abcdef", "hunter22x", "s3cretProxyWord":
		    assert secret not in all, [l for l in all.split("\n") if secret in l]
	P
	! grep -q -e $key -e $pass -e $proxy out err
	tar -tzf b.tar.gz >/dev/null
	: >there.tar.gz
	run "$DDPROF" doctor --bundle there.tar.gz
	[ "$status" = 1 ]
	[[ "$output" == *"'there.tar.gz' exists already"* ]]
	[ ! -s there.tar.gz ]
	ln -s target-of-link link.tar.gz
	run "$DDPROF" doctor --bundle link.tar.gz
	[ "$status" = 1 ]
	[ ! -e target-of-link ]
}
