#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# upload.bats - profiles reach an Agent, by every way, with the right tags, and no secret goes astray.

load upload.bash
setup() { upload_setup; }
teardown() { upload_teardown; }

# ---- the decision ----

@test "the DD_ variables alone reach an Agent; no file is left" {
	intake
	DD_PROFILING_ENABLED=true DD_ENV=prod DD_SERVICE=web DD_VERSION=1.0.3 DD_AGENT_HOST=127.0.0.1 DD_TRACE_AGENT_PORT=$PORT \
		"$DDPROF_RUN" --wrap "$T/shares" 0.4 >out 2>err
	cat err
	all_strict
	[ "$(requests 'len(r)')" = 1 ]
	[ "$(tag service) $(tag env) $(tag version)" = "web prod 1.0.3" ]
	[ "$(tag profile_seq) $(tag language) $(tag runtime)" = "0 native native" ]
	[ "$(grep -c "profiles go to http://127.0.0.1:$PORT" err)" = 1 ]
	grep -q "uploaded to http://127.0.0.1:$PORT" err
	[ -z "$(ls ./*.pb.gz 2>/dev/null)" ]
}

@test "over a unix socket the Host is localhost; the last slash of a URL is not doubled" {
	intake --unix "$PWD/apm.socket"
	DD_TRACE_AGENT_URL=unix://$PWD/apm.socket "$DDPROF_RUN" --wrap -q "$T/shares" 0.2 >out
	all_strict
	[ "$(requests 'len(r)')" = 1 ]
	intake
	"$DDPROF_RUN" --wrap -q -U "http://127.0.0.1:$PORT/" "$T/shares" 0.2 >out
	all_strict
	[ "$(requests 'len(r)')" = 1 ]
}

@test "-o alone writes a file, --no-upload and --do-export no never send, whatever is configured" {
	intake
	export DD_SERVICE=web DD_TRACE_AGENT_URL=http://127.0.0.1:$PORT
	"$DDPROF_RUN" --wrap -q -o a.pb.gz true
	"$DDPROF_RUN" --wrap -q --no-upload true
	"$DDPROF_RUN" --wrap -q --do-export no true
	[ "$(ls ./*.pb.gz | wc -l)" = 3 ]
	[ ! -s log ]
	"$DDPROF_RUN" --wrap -q -o b.pb.gz --upload true
	[ "$(requests 'len(r)')" = 1 ]
	[ -f b.pb.gz ]
}

@test "a file of the whole run and uploads of each window: the windows add up to the file" {
	intake --keep .
	"$DDPROF_RUN" --wrap -q -F 499 -u 0.5 -o all.pb.gz --upload -U "http://127.0.0.1:$PORT" "$T/shares" 1.8 >out
	all_strict
	[ "$(requests 'len(r)')" -ge 2 ]
	[ "$(requests 'sum(x["pprof"]["sum"] for x in r)')" = "$($PPROF all.pb.gz sum cpu-time)" ]
	# adjoining, and numbered in order
	[ "$(requests '[int(x["event"]["tags"]["profile_seq"]) for x in r] == list(range(len(r)))')" = True ]
	[ "$(requests 'all(a["event"]["end"] == b["event"]["start"] for a, b in zip(r, r[1:]))')" = True ]
	[ "$(requests 'len({x["event"]["tags"]["runtime-id"] for x in r})')" = 1 ]
	# by default the uploads have the time of each sample, the file has not
	[ "$(requests 'all(x["pprof"]["timed"] > 10 for x in r[:2])')" = True ]
	[ "$($PPROF all.pb.gz labels end_timestamp_ns | wc -l)" = 0 ]
	"$DDPROF_RUN" --wrap -q --no-timeline -U "http://127.0.0.1:$PORT" "$T/shares" 0.2 >out
	[ "$(requests 'r[-1]["pprof"]["timed"]')" = 0 ]
}

@test "of several events too the windows add up to the file, values and totals" {
	intake --keep .
	"$DDPROF_RUN" --wrap -q -u 0.1 -o all.pb.gz --upload -U "http://127.0.0.1:$PORT" -e task-clock,page-faults \
		"$T/two_costs" 60000 >out
	all_strict
	[ "$(requests 'len(r)')" -ge 2 ]
	local f faults=0 total=0
	for f in [0-9]*.pb.gz; do
		faults=$((faults + $($PPROF "$f" sum page-faults)))
		total=$((total + $($PPROF "$f" comments | sed -n 's/^ddprof.event.page-faults.total: //p')))
	done
	[ "$faults" = "$($PPROF all.pb.gz sum page-faults)" ]
	[ "$total" = "$($PPROF all.pb.gz comments | sed -n 's/^ddprof.event.page-faults.total: //p')" ]
	[ "$faults" = "$total" ]
}

@test "with no terminal the program takes the place of the command, and is uploaded when it has ended" {
	intake
	DD_SERVICE=web DD_TRACE_AGENT_URL=http://127.0.0.1:$PORT "$DDPROF_RUN" sh -c "'$T/shares' 0.4 >/dev/null; echo \$\$; exit 3" >out 2>err 3>&- &
	local pid=$! code=0
	wait $pid || code=$?
	[ $code = 3 ]
	[ "$(cat out)" = $pid ]
	await test -s log
	all_strict
	[ "$(requests 'len(r)')" = 1 ]
	[ "$(tag service) $(tag process_id)" = "web $pid" ]
	[ "$(grep -c "profiles go to http://127.0.0.1:$PORT" err)" = 1 ]
}

# ---- nobody there, or nobody nice ----

@test "an Agent that is not there costs one line, not the program" {
	run "$DDPROF_RUN" --wrap -S web -U http://127.0.0.1:1 sh -c 'echo out; exit 7'
	echo "$output"
	[ "$status" = 7 ]
	[ "$(grep -c 'was not uploaded' <<<"$output")" = 1 ]
	[[ $output == *"no answer from 'http://127.0.0.1:1'"* ]]
	[[ $output == *"-o FILE writes a file instead"* ]]
}

@test "whoever waits at a terminal for an Agent that hangs is told so, and how to end it" {
	intake --answers stall-headers
	run python3 "$ROOT/tests/targets/on_pty.py" 'expect:finished or uploaded, Ctrl-C twice gives it up' 'send:\x03' 'run:sleep 0.5' 'send:\x03' end -- \
		"$DDPROF_RUN" -S web -U "http://127.0.0.1:$PORT" sh -c 'exit 7'
	echo "$output"
	[[ $output == *"not written: interrupted"* ]]
	[ "${lines[-1]}" = "exit 7" ]
}

@test "the summary of several uploads says that its figures are of the last window" {
	intake
	run "$DDPROF_RUN" --wrap -S web -u 0.5 -U "http://127.0.0.1:$PORT" "$T/shares" 1.2
	[[ $output == *"), last window: "*"the last of several"* ]]
}

@test "a black-holed Agent takes nothing from the profile" {
	intake --answers stall-headers
	"$DDPROF_RUN" --wrap -q -F 499 -u 0.5 --upload-timeout 0.3 -o p.pb.gz --upload -U "http://127.0.0.1:$PORT" "$T/shares" 1.2 >out 2>err
	cat err
	[ "$(grep -c 'was not uploaded' err)" = 1 ]
	[ "$(requests 'len(r)')" -ge 2 ]
	! $PPROF p.pb.gz comments | grep '^ddprof.quality.lost: [1-9]'
	[ "$($PPROF p.pb.gz comments | sed -n 's/^ddprof.quality.samples: //p')" -gt 300 ]
}

@test "answers that say no are told with what helps, and not asked again" {
	intake --answers 404
	run "$DDPROF_RUN" --wrap -S web -U "http://127.0.0.1:$PORT" true
	echo "$output"
	[[ $output == *"answered 404: it takes no profiles"*"update the Agent to 7.20"* ]]
	[ "$(requests 'len(r)')" = 1 ]
	intake --answers redirect
	run "$DDPROF_RUN" --wrap -S web -U "http://127.0.0.1:$PORT" true
	[[ $output == *"answered 307"*"not followed"* ]]
}

@test "every kind of failure is tried again with the same bytes, and a lost answer is flagged" {
	local passing=500,200,503,200,408,200,429/0,200,429@0,200,stall-body,200
	local lost=502,200,garbage,200,close-late,200,stall-headers,200
	intake --answers $passing,$lost,close-early,200
	"$WINDOWS" "http://127.0.0.1:$PORT" 11 700 20000 5 >out
	cat out
	[ "$(grep -c ' delivered 200 2 ' out)" = 11 ]
	all_strict
	# passing: all is the same; lost: the profile is, and the event has the flag
	[ "$(requests 'all(r[i]["body"] == r[i + 1]["body"] and not r[i + 1]["event"]["internal"]["possibly-duplicate"] for i in range(0, 12, 2))')" = True ]
	[ "$(requests 'all(r[i]["digest"] == r[i + 1]["digest"] and r[i + 1]["event"]["internal"]["possibly-duplicate"] for i in range(12, 20, 2))')" = True ]
}

@test "what is taken is not sent again, however odd the answer; what is refused neither" {
	intake --answers 200,202,interim,endless,stall-after
	"$WINDOWS" "http://127.0.0.1:$PORT" 5 5000 20000 5 >out
	cat out
	[ "$(grep -cE '^[0-4] delivered 20[02] 1 - $' out)" = 5 ]
	[ "$(requests 'len(r)')" = 5 ]
	intake --answers 400,403,404,413,redirect
	"$WINDOWS" "http://127.0.0.1:$PORT" 5 700 20000 5 >out
	cat out
	[ "$(grep -cE '^[0-4] refused [34][0-9]+ 1 - ' out)" = 5 ]
	[ "$(requests 'len(r)')" = 5 ]
}

@test "Retry-After holds for the windows that follow, too" {
	intake --answers 429/3600
	run "$WINDOWS" "http://127.0.0.1:$PORT" 3 700 3000 5
	echo "$output"
	[[ $output == *"0 gave-up 429 1 -"*"1 gave-up 0 0 - it asked to be left alone"*"2 gave-up 0 0 -"* ]]
	[ "$(requests 'len(r)')" = 1 ]
}

@test "100 windows to a receiver that fails at random all arrive" {
	"$ROOT/tests/upload/soak" "$BUILD" 100
}

@test "a profile over the limit is reduced to fit, keeps its total, and says so" {
	intake
	WINDOWS_MAX_BYTES=60000 run "$WINDOWS" "http://127.0.0.1:$PORT" 1
	echo "$output"
	[[ $output == *"rarest stacks were merged into [other]"* ]]
	all_strict
	[ "$(requests 'r[-1]["pprof"]["bytes"] <= 60000 and "[other]" in r[-1]["pprof"]["frames"]')" = True ]
	[ "$(requests 'r[-1]["event"]["internal"]["merged_stacks"] > 1000')" = True ]
	[ "$(requests 'any(c.startswith("ddprof.reduced: ") for c in r[-1]["pprof"]["comments"])')" = True ]
	local reduced=$(requests 'r[-1]["pprof"]["sum"]')
	WINDOWS_MAX_BYTES=10000000 "$WINDOWS" "http://127.0.0.1:$PORT" 1
	[ "$(requests 'r[-1]["pprof"]["sum"]')" = "$reduced" ]
	[ "$(requests '"merged_stacks" in r[-1]["event"]["internal"]')" = False ]
}

# ---- what it is filed under ----

@test "tags: flags win over the environment; technical ones cannot be taken over; bad ones are named" {
	intake
	DD_SERVICE=no DD_ENV=e1 DD_TAGS="team:a,runtime-id:mine,git.repository_url:https://u:p@example.com/r.git" DD_GIT_COMMIT_SHA=0123456789012345678901234567890123456789 \
		"$DDPROF_RUN" --wrap -q -S yes -T team:b,'bad tag:1' -U "http://127.0.0.1:$PORT" "$T/shares" 0.2 >out 2>err
	all_strict
	[ "$(tag service) $(tag env) $(tag team)" = "yes e1 b" ]
	[ "$(tag runtime-id)" != mine ]
	[ "$(tag git.commit.sha)" = 0123456789012345678901234567890123456789 ]
	[ "$(tag git.repository_url)" = https://example.com/r.git ]
	grep -q "'bad tag:1'" err
	DD_TRACE_GIT_METADATA_ENABLED=false DD_GIT_COMMIT_SHA=0123456789012345678901234567890123456789 \
		"$DDPROF_RUN" --wrap -q -U "http://127.0.0.1:$PORT" "$T/shares" 0.2 >out
	[ "$(tag git.commit.sha)" = None ]
	[ "$(tag service)" = shares ]
}

@test "commit and repository are found in the repository that the program lies in" {
	command -v git >/dev/null || skip "git is not installed"
	mkdir -p repo/bin && cp "$T/shares" repo/bin/app
	git -C repo init -q && git -C repo remote add origin https://me:secret@example.com/x/app.git
	git -C repo -c user.name=n -c user.email=e commit -q --allow-empty -m first
	intake
	"$DDPROF_RUN" --wrap -q -U "http://127.0.0.1:$PORT" repo/bin/app 0.2 >out
	all_strict
	[ "$(tag git.commit.sha)" = "$(git -C repo rev-parse HEAD)" ]
	[ "$(tag git.repository_url)" = https://example.com/x/app.git ]
	git -C repo gc -q
	"$DDPROF_RUN" --wrap -q -U "http://127.0.0.1:$PORT" repo/bin/app 0.2 >out
	[ "$(tag git.commit.sha)" = "$(git -C repo rev-parse HEAD)" ]
}

@test "attach takes service, env and tags from the process's own environment; flags win" {
	intake
	DD_SERVICE=theirs DD_ENV=staging DD_TAGS=team:core "$T/shares" 60 >out 3>&- &
	PIDS+=($!)
	DD_AGENT_HOST=127.0.0.1 DD_TRACE_AGENT_PORT=$PORT "$DDPROF" attach -q --pid $! -d 0.5
	all_strict
	[ "$(tag service) $(tag env) $(tag team)" = "theirs staging core" ]
	"$DDPROF" attach -q --pid "${PIDS[-1]}" -d 0.5 -S ours -U "http://127.0.0.1:$PORT"
	[ "$(tag service) $(tag env)" = "ours staging" ]
}

@test "attach hears from the tracer in the process; its environment goes before" {
	intake
	cat >traced.py <<-'END'
		import os, sys, time
		def s(t): return bytes([0xd9, len(t)]) + t.encode()
		m = {"service_name": "traced", "service_env": "lab", "service_version": "7", "tracer_language": "python", "tracer_version": "2.1", "runtime_id": "11111111-2222-4333-8444-555555555555"}
		fd = os.memfd_create("datadog-tracer-info-abcdefgh", os.MFD_CLOEXEC)
		os.write(fd, bytes([0x80 | len(m) + 2]) + b"".join(s(k) + s(v) for k, v in m.items()) + s("schema") + b"\x02" + s("list") + b"\x92\x01\xc0")
		open("ready", "w").close()
		while True: sum(range(1000))
	END
	DD_ENV=own python3 traced.py 3>&- &
	PIDS+=($!)
	await test -e ready
	"$DDPROF" attach -q --pid $! -d 0.5 -U "http://127.0.0.1:$PORT"
	all_strict
	[ "$(tag service) $(tag env) $(tag version)" = "traced own 7" ]
	[ "$(tag runtime)" = CPython ]
	[[ "$(tag runtime_version)" == 3.* ]]
	[ "$(requests 'r[-1]["event"]["info"]["runtime"]["tracer_version"]')" = 2.1 ]
}

@test "a program that execs another is filed as what it became; info tells of it, secrets masked" {
	intake
	sh -c 'exec "$0" "$@"' "$DDPROF_RUN" --wrap -q -u 0.5 -U "http://127.0.0.1:$PORT" sh -c \
		'exec python3 - --password=hunter2 --api-key abcdef DB_TOKEN=x1 http://u:pw@h/ plain' <<-'END'
		import time
		end = time.monotonic() + 1.2
		while time.monotonic() < end: pass
	END
	all_strict
	[ "$(tag runtime)" = CPython ]
	requests 'r[-1]["event"]["info"]'
	[[ "$(requests 'r[-1]["event"]["info"]["application"]["command"]')" == *'python3 - --password=*** --api-key *** DB_TOKEN=*** http://***@h/ plain' ]]
	! grep -qE 'hunter2|abcdef"|x1 |u:pw' log
	[ "$(requests 'bool(r[-1]["event"]["info"]["platform"]["kernel_release"]) and r[-1]["event"]["info"]["profiler"]["event"]')" = task-clock ]
}

@test "uploads while output goes to standard output" {
	intake
	"$DDPROF_RUN" --wrap -q -u 0.5 -o - --upload -U "http://127.0.0.1:$PORT" sh -c "'$T/shares' 1.2 >/dev/null" >all.pb.gz
	all_strict
	$PPROF all.pb.gz check
	[ "$(requests 'sum(x["pprof"]["sum"] for x in r)')" = "$($PPROF all.pb.gz sum cpu-time)" ]
}

@test "a copy of what is uploaded is kept on request" {
	intake
	"$DDPROF_RUN" --wrap -q -U "http://127.0.0.1:$PORT" --debug-pprof-prefix "$PWD/copy-" "$T/shares" 0.2 >out
	[ "$(sha256sum <copy-000000.pb.gz | cut -d' ' -f1)" = "$(requests 'r[0]["digest"]')" ]
}
