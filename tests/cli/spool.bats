#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# spool.bats - what could not be delivered is kept, and arrives once, oldest first, when somebody is there again.

load upload.bash
setup() { upload_setup; SPOOL=$PWD/spool; }
teardown() { upload_teardown; }

# A port of this machine on which nobody listens, in $PORT, until back.
away() {
	PORT=$("$PY" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	URL=http://127.0.0.1:$PORT
}
back() { intake --bind 127.0.0.1 "$PORT" "$@"; }
kept() { find "$SPOOL" -name '*.ddspool' 2>/dev/null | wc -l; }
has_kept() { [ "$(kept)" -ge "$1" ]; }
arrived() { [ -s log ] && [ "$(requests 'sum(x["taken"] for x in r)')" -ge "$1" ]; }
in_order() { [ "$(requests '(lambda t: t == sorted(t))([x["event"]["start"] for x in r])')" = True ]; }
once() { [ "$(requests 'len({(x["event"]["tags"]["runtime-id"], x["event"]["tags"]["profile_seq"]) for x in r}) == len(r)')" = True ]; }
run_one() { "$DDPROF_RUN" --wrap -q -U "$URL" --spool "$SPOOL" "$@" "$T/shares" 0.2 >/dev/null; }

# ---- by ddprof upload ----

@test "kept while nobody is there, sent by ddprof upload once and oldest first, to where it was meant to go" {
	away
	run_one -S a 2>err
	cat err
	grep -q "was not uploaded, and is kept in '$SPOOL'" err
	run_one -S b 2>err
	[ "$(kept)" = 2 ]
	run "$DDPROF" upload --spool "$SPOOL"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == "ddprof: 0 profiles uploaded, 2 left from '$SPOOL': no answer from '$URL'"* ]]
	back
	run "$DDPROF" upload --spool "$SPOOL"
	[ "$status" = 0 ]
	[ "$output" = "ddprof: 2 profiles uploaded from '$SPOOL'" ]
	all_strict
	[ "$(requests '[x["event"]["tags"]["service"] for x in r]')" = "['a', 'b']" ]
	in_order
	[ "$(kept)" = 0 ]
	run "$DDPROF" upload -q --spool "$SPOOL"
	[ "$status" = 0 ] && [ -z "$output" ]
	[ "$(requests 'len(r)')" = 2 ]
}

@test "from no terminal it is kept under the state directory, and not with --no-spool" {
	away
	"$DDPROF_RUN" --wrap -q --no-spool -U "$URL" true 2>err
	grep -q 'was not uploaded: ' err
	[ ! -e state ]
	"$DDPROF_RUN" --wrap -q -U "$URL" true 2>err
	[ "$(ls state/ddprof/spool/*.ddspool | wc -l)" = 1 ]
	run "$DDPROF" upload -q
	[ "$status" = 1 ] && [ -z "$output" ]
	intake
	run "$DDPROF" upload -U "http://127.0.0.1:$PORT"
	[ "$status" = 0 ]
	all_strict
	[ "$(requests 'len(r)')" = 1 ]
}

@test "at a terminal nothing is kept unless asked for" {
	away
	"$PY" "$ROOT/tests/targets/on_pty.py" end -- "$DDPROF_RUN" --wrap -U "$URL" true
	[ ! -e state ]
	"$PY" "$ROOT/tests/targets/on_pty.py" end -- "$DDPROF_RUN" --wrap -U "$URL" --spool "$SPOOL" true
	[ "$(kept)" = 1 ]
}

@test "an answer that is lost in the middle of the spool is flagged when it is sent again" {
	away
	run_one 2>err
	back --answers close-late
	run "$DDPROF" upload --spool "$SPOOL"
	[ "$status" = 1 ]
	[ "$(requests 'r[-1]["event"]["internal"]["possibly-duplicate"]')" = False ]
	kill "${PIDS[-1]}"
	wait "${PIDS[-1]}" || true
	back
	"$DDPROF" upload --spool "$SPOOL"
	all_strict
	[ "$(requests 'r[-1]["event"]["internal"]["possibly-duplicate"]')" = True ]
}

@test "a bad profile is given up after some refusals, a refused sender is not its fault" {
	away
	run_one 2>err
	back --answers 403,403,403,403,403,403,400,400,400,400,400
	for i in 1 2 3 4 5 6 7 8 9 10; do
		run "$DDPROF" upload -q --spool "$SPOOL"
		echo "$output"
		[ "$status" = 1 ] && [ -z "$output" ] && [ "$(kept)" = 1 ]
	done
	run "$DDPROF" upload -q --spool "$SPOOL"
	[ "$status" = 1 ]
	[[ $output == *"1 given up"*"answered 400"* ]]
	[ "$(kept)" = 0 ]
}

# ---- by a running profiler ----

@test "a running profiler keeps its windows and sends them when somebody is there again" {
	away
	"$DDPROF_RUN" --wrap -u 0.3 -U "$URL" --spool "$SPOOL" "$T/shares" 60 >out 2>err 3>&- &
	local pid=$!
	PIDS+=($pid)
	await has_kept 3
	back
	await arrived 5
	kill -TERM $pid
	wait $pid || true
	cat err
	all_strict
	once
	"$DDPROF" upload -q --spool "$SPOOL"
	# each window once, none missing
	[ "$(requests 'sorted(int(x["event"]["tags"]["profile_seq"]) for x in r) == list(range(len(r)))')" = True ]
	# the one that got through first, then those that were kept, by age
	[ "$(requests '(lambda s: s[1:s[0] + 1] == list(range(s[0])))([int(x["event"]["tags"]["profile_seq"]) for x in r])')" = True ]
	[ "$(grep -c 'was not uploaded' err)" = 1 ]
	grep -q 'that had been kept are uploaded' err
}

@test "in place the last window is kept after the program's end" {
	away
	"$DDPROF_RUN" --in-place -U "$URL" --spool "$SPOOL" "$T/shares" 0.2 >out 2>err
	await has_kept 1
	back
	"$DDPROF" upload --spool "$SPOOL"
	all_strict
	[ "$(requests 'len(r)')" = 1 ]
}

@test "several profilers and uploaders share a spool; nothing is sent by two of them" {
	away
	local i
	for i in 1 2 3; do
		"$DDPROF_RUN" --wrap -q -u 0.2 -U "$URL" --spool "$SPOOL" "$T/shares" 0.8 >/dev/null 2>&1 3>&- &
		PIDS+=($!)
	done
	wait
	local n=$(kept)
	[ "$n" -ge 3 ]
	back
	for i in 1 2 3; do "$DDPROF" upload -q --spool "$SPOOL" 3>&- & done
	wait -n || true; wait -n || true; wait -n || true
	"$DDPROF" upload -q --spool "$SPOOL"
	all_strict
	once
	[ "$(requests 'len(r)')" = "$n" ]
	[ "$(requests 'any(x["event"]["internal"]["possibly-duplicate"] for x in r)')" = False ]
}

@test "an uploader killed in the middle loses nothing; what may have arrived says so" {
	away
	run_one 2>err
	run_one 2>err
	back --answers stall-headers,200
	"$DDPROF" upload -q --spool "$SPOOL" 3>&- &
	local pid=$!
	await arrived 1
	kill -KILL $pid
	wait $pid || true
	[ "$(kept)" = 2 ]
	"$DDPROF" upload -q --spool "$SPOOL"
	all_strict
	[ "$(requests '[x["event"]["internal"]["possibly-duplicate"] for x in r]')" = "[False, True, False]" ]
	[ "$(requests 'r[0]["digest"] == r[1]["digest"] != r[2]["digest"]')" = True ]
	[ "$(kept)" = 0 ]
}

@test "an exporter killed while it sends leaves no half file, and the profiler goes on" {
	intake --answers stall-headers,stall-headers,stall-headers,200
	"$DDPROF_RUN" --wrap -u 1 -U "http://127.0.0.1:$PORT" --spool "$SPOOL" "$T/shares" 60 >out 2>err 3>&- &
	local pid=$!
	PIDS+=($pid)
	await arrived 1
	"$PY" - "$pid" <<-'END'
		import os, sys, time
		def stat(p):
		    t = open(f"/proc/{p}/stat").read()
		    return t[t.index("(") + 1:t.rindex(")")], int(t[t.rindex(")") + 2:].split()[1])
		def exporters():
		    all = {}
		    for p in filter(str.isdigit, os.listdir("/proc")):
		        try: all[int(p)] = stat(p)
		        except OSError: pass
		    def below(p):
		        while p in all:
		            if p == int(sys.argv[1]): return True
		            p = all[p][1]
		    # not the symbolizers they fork
		    return [p for p in all if all[p][0] == "ddprof-export" and below(p) and all.get(all[p][1], " ")[0] != "ddprof-export"]
		end = time.monotonic() + 30
		while time.monotonic() < end:
		    for p in exporters():
		        try: os.kill(p, 9)
		        except ProcessLookupError: continue
		        sys.exit(0)
		sys.exit("no exporter")
	END
	await arrived 5
	kill -TERM $pid
	wait $pid || true
	cat err
	all_strict
	"$DDPROF" upload -q --spool "$SPOOL"
	[ "$(find "$SPOOL" -type f | wc -l)" = 0 ]
	[ "$(requests 'max(x["event"]["internal"]["undelivered"] for x in r)')" -ge 1 ]
}

# ---- bounds ----

@test "the oldest make room; the next profile that is delivered says how many" {
	away
	local i
	for i in 1 2 3 4; do run_one --spool-count 2 -S "s$i" 2>err; done
	grep -q 'spool is full' err
	[ "$(kept)" = 2 ]
	back
	run_one
	[ "$(requests 'r[-1]["event"]["internal"]["spool_dropped"]')" = 2 ]
	run_one
	[ "$(requests '"spool_dropped" in r[-1]["event"]["internal"]')" = False ]
	"$DDPROF" upload -q --spool "$SPOOL"
	all_strict
	[ "$(requests '[x["event"]["tags"]["service"] for x in r[2:]]')" = "['s3', 's4']" ]
}

@test "a full disk costs a line, not the program; what was kept before is still sent" {
	[ "$(id -u)" = 0 ] || skip "mounting takes root"
	mkdir disk
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	away
	cat >inside <<-'END'
		mount -t tmpfs -o size=1m,mode=700 none disk || exit 99
		"$DDPROF_RUN" --wrap -q -U "$URL" --spool disk/spool sh -c 'exit 5'
		[ $? = 5 ] || exit 1
		cp disk/spool/*.ddspool .
		dd if=/dev/zero of=disk/full bs=1k count=2000 2>/dev/null
		"$DDPROF_RUN" --wrap -q -U "$URL" --spool disk/spool sh -c 'exit 6'
		[ $? = 6 ] || exit 2
		ls -A disk/spool >left
		cp disk/spool/dropped . 2>/dev/null
		:
	END
	export URL DDPROF_RUN
	local code=0
	unshare -m sh inside 2>err || code=$?
	cat err left
	[ $code != 99 ] || skip "mounting is not permitted"
	[ $code = 0 ]
	grep -qE "cannot write to '.*disk/spool': No space left|is kept in" err
	! grep -vE '^[0-9]{20}-[0-9]+\.ddspool$|^dropped$' left
}

@test "no file size allowed: no half file, the program's status is its own" {
	away
	run bash -c "ulimit -f 0; trap '' XFSZ; exec '$DDPROF_RUN' --wrap -q -U '$URL' --spool '$SPOOL' sh -c 'exit 5' 2>&1 | cat; exit \${PIPESTATUS[0]}"
	echo "$output"
	[[ $output == *"cannot write to '$SPOOL': File too large"* ]]
	[ "$(kept)" = 0 ]
	[ "$(find "$SPOOL" -type f | wc -l)" = 0 ]
}

@test "what does not belong there is left alone and told; links are not followed" {
	away
	run_one 2>err
	echo rubbish >"$SPOOL/00000000000000000001-1.ddspool.txt"
	touch -d '1 hour ago' target
	ln -s "$PWD/target" "$SPOOL/09999999999999999999-1.ddspool"
	truncate -s 10G "$SPOOL/09999999999999999998-1.ddspool"
	back
	run "$DDPROF" upload --spool "$SPOOL"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == "ddprof: 1 profile uploaded from '$SPOOL'; 3 files in the spool are none of its profiles"* ]]
	[ -e target ]
	chmod 777 "$SPOOL"
	run "$DDPROF" upload --spool "$SPOOL"
	[ "$status" = 1 ]
	[[ $output == *"could be written by others"*"chmod 700"* ]]
}

@test "no key and no password is in the spool, and nobody else can read it" {
	away
	DD_API_KEY=0123456789abcdef0123456789abcdef "$DDPROF_RUN" --wrap -q -U "http://me:hunter2@127.0.0.1:$PORT" --spool "$SPOOL" "$T/shares" 0.2 >/dev/null 2>err
	DD_API_KEY=0123456789abcdef0123456789abcdef "$DDPROF_RUN" --wrap -q --agentless true -U "http://me:hunter2@127.0.0.1:$PORT" --spool "$SPOOL" "$T/shares" 0.2 >/dev/null 2>err
	[ "$(kept)" = 2 ]
	! grep -rlaE 'hunter2|0123456789abcdef' "$SPOOL"
	[ "$(stat -c %a "$SPOOL")" = 700 ]
	[ "$(stat -c %a "$SPOOL"/*.ddspool | sort -u)" = 600 ]
	# without an address what was for the intake stays: no key follows what a file says
	intake
	run env DD_API_KEY=0123456789abcdef0123456789abcdef "$DDPROF" upload --spool "$SPOOL"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"2 left"* ]]
	# with one all goes there
	intake --agentless 0123456789abcdef0123456789abcdef
	DD_API_KEY=0123456789abcdef0123456789abcdef "$DDPROF" upload --agentless true -U "http://127.0.0.1:$PORT" --spool "$SPOOL"
	all_strict
	[ "$(requests 'len(r)')" = 2 ]
}

# ---- files ----

@test "any saved profile is sent: ours with its tags, others', compressed or not" {
	"$DDPROF_RUN" --wrap -q -S web -T team:a -o ours.pb.gz "$T/shares" 0.3 >/dev/null
	gunzip <ours.pb.gz >plain.pb
	intake
	run "$DDPROF" upload -E prod -U "http://127.0.0.1:$PORT" ours.pb.gz plain.pb
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "ddprof: 2 profiles uploaded to http://127.0.0.1:$PORT" ]
	all_strict
	[ "$(tag service) $(tag env) $(tag team)" = "web prod a" ]
	[ "$(requests 'r[0]["digest"]')" = "$(sha256sum <ours.pb.gz | cut -d' ' -f1)" ]
	# the same contents are the same profile
	[ "$(requests 'r[0]["event"]["tags"]["runtime-id"] == r[1]["event"]["tags"]["runtime-id"]')" = True ]
	[ "$(requests 'r[0]["pprof"]["sum"] == r[1]["pprof"]["sum"] > 0')" = True ]
	[ "$(requests 'r[0]["event"]["info"]["profiler"]["event"]')" = task-clock ]
	"$DDPROF" upload -q -S other -U "http://127.0.0.1:$PORT" - <ours.pb.gz
	[ "$(tag service)" = other ]
}

@test "what is no profile is not sent; the others are; the status says so" {
	"$DDPROF_RUN" --wrap -q -o ours.pb.gz "$T/shares" 0.2 >/dev/null
	head -c 300 ours.pb.gz >cut.pb.gz
	intake
	run "$DDPROF" upload -U "http://127.0.0.1:$PORT" cut.pb.gz missing ours.pb.gz
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"cannot use 'cut.pb.gz' as a profile: "*"cannot open 'missing'"*"1 profile uploaded"* ]]
	[ "$(requests 'len(r)')" = 1 ]
}
