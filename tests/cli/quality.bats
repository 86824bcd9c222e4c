#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# quality.bats - --min-quality: what falls short of it, what then happens, and what a profile says of itself.

load common.bash

setup() {
	common_setup
	# 8 KB frames: a stack copy of 512 bytes never reaches its end.
	DEEP=("$T/call_chains" 0.3 deep)
	# Processes that end before their first sample, 0.1 s after they began, and those that wait for them.
	short='i=0; while [ $i -lt 150 ]; do /bin/true; i=$((i+1)); done'
	"$DDPROF_RUN" --fallback none -q -o probe.pb.gz "$T/call_chains" 0.05 plain >/dev/null 2>&1
	[ -s probe.pb.gz ] || skip "perf events are refused here"
	rm probe.pb.gz
}

teardown() {
	end_left_over
}

# Run, with the status in $status, and standard error in err.
runs() {
	status=0
	"$@" >out 2>err || status=$?
	cat err
}

@test "a profile as good as asked for changes nothing" {
	runs "$DDPROF_RUN" -q --min-quality 50 -o p.pb.gz "$T/call_chains" 0.5 plain
	[ "$status" = 0 ]
	[ ! -s err ]
	runs "$DDPROF_RUN" -q --min-quality 50 -o p.pb.gz sh -c 'exit 7'
	[ "$status" = 7 ]
	[ ! -s err ]
}

@test "cut stacks turn a program's 0 into 125, and no other status, with the reason" {
	runs "$DDPROF_RUN" -q --min-quality 60 --stack-size 512 -o p.pb.gz "${DEEP[@]}"
	[ "$status" = 125 ]
	grep -q '^ddprof: error: quality [0-9.]* %, --min-quality asks for 60 %:$' err
	grep -q '^  stacks: [0-9.]* % of [0-9]* complete; others ended: .*stack copy too small [0-9]' err
	runs "$DDPROF_RUN" -q --min-quality 60 --stack-size 512 -o p.pb.gz sh -c '"$@"; exit 7' sh "${DEEP[@]}"
	[ "$status" = 7 ]
	grep -q -- '--min-quality asks for 60 %' err
	runs "$DDPROF_RUN" -q --stack-size 512 -o p.pb.gz "${DEEP[@]}"
	[ "$status" = 0 ]
}

@test "death by a signal is passed on although the profile is bad" {
	run python3 -c 'import subprocess, sys; print(subprocess.call(sys.argv[1:]))' \
		"$DDPROF_RUN" -q --min-quality 60 --stack-size 512 -o p.pb.gz sh -c '"$@"; kill -TERM $$' sh "${DEEP[@]}"
	[ "${lines[-1]}" = -15 ]
}

@test "CPU time that was not sampled counts against a profile" {
	runs "$DDPROF_RUN" -q -F 10 --min-quality 90 -o p.pb.gz sh -c "$short"
	[ "$status" = 125 ]
	grep -q '^  CPU time: [0-9.]* % of [0-9.]* s sampled; .*[0-9.]* s not sampled' err
}

@test "of windows the worst counts" {
	runs "$DDPROF_RUN" -q -F 10 -w 0.4 --min-quality 50 -o w.pb.gz sh -c "\"\$@\"; $short" sh "$T/call_chains" 1.5 plain
	[ "$status" = 125 ]
	grep -q -- '--min-quality asks for 50 %, in the worst window:$' err
	grep -q '^  CPU time: ' err
	[ "$(ls w-*.pb.gz | wc -l)" -gt 1 ]
}

@test "a profile that cannot be written is one of 0 %" {
	mkdir gone
	runs "$DDPROF_RUN" -q --min-quality 1 -o gone/p.pb.gz rm -r gone
	[ "$status" = 125 ]
	grep -q '^ddprof: error: quality 0 %, --min-quality asks for 1 %: the profile was not written: ' err
}

@test "so is none, because nothing could be profiled" {
	runs "$T/deny_perf" 1 "$DDPROF_RUN" -q --fallback none --min-quality 1 -o p.pb.gz true
	[ "$status" = 125 ]
	grep -q 'quality 0 %, --min-quality asks for 1 %: there is no profile' err
	runs "$T/deny_perf" 1 "$DDPROF_RUN" -q --fallback none -o p.pb.gz true
	[ "$status" = 0 ]
}

@test "attach fails with 3" {
	"$T/call_chains" 60 deep >chains &
	local pid=$!
	runs "$DDPROF" attach -q -d 0.5 --stack-size 512 --min-quality 60 -p $pid -o p.pb.gz
	[ "$status" = 3 ]
	grep -q '^  stacks: ' err
	runs "$DDPROF" attach -q -d 0.5 --stack-size 512 -p $pid -o p.pb.gz
	[ "$status" = 0 ]
	kill $pid
}

@test "an idle process has not been profiled badly" {
	sleep 60 &
	local pid=$!
	runs "$DDPROF" attach -q -d 0.2 --min-quality 100 -p $pid -o p.pb.gz
	kill $pid
	[ "$status" = 0 ]
	[ ! -s err ]
}

@test "report fails with 3, after the table" {
	"$DDPROF_RUN" -q --stack-size 512 -o p.pb.gz "${DEEP[@]}" >/dev/null
	runs "$DDPROF" report --min-quality 60 p.pb.gz
	[ "$status" = 3 ]
	grep -q '^cpu-time: ' out
	grep -q "^ddprof: 'p.pb.gz' has a quality of [0-9.]* %, --min-quality asks for 60 %:$" err
	grep -q '^  stacks: .*stack copy too small' err
	"$DDPROF_RUN" -q -o p.pb.gz "$T/call_chains" 0.5 plain >/dev/null
	runs "$DDPROF" report --min-quality 50 p.pb.gz
	[ "$status" = 0 ]
	[ ! -s err ]
}

@test "report refuses to judge other tools' profiles" {
	runs "$DDPROF" report --min-quality 1 "$ROOT/tests/fixtures/pprof/go-cpu.pb.gz"
	[ "$status" = 1 ]
	[ ! -s out ]
	grep -q "cannot tell the quality of .*go-cpu.pb.gz': it has no comment 'ddprof.quality.samples:'" err
	"$DDPROF" report "$ROOT/tests/fixtures/pprof/go-cpu.pb.gz" >/dev/null
}

@test "in place nobody waits: refused when asked for, said when it is by itself" {
	runs "$DDPROF_RUN" --in-place --min-quality 90 -o p.pb.gz touch started
	[ "$status" = 125 ]
	grep -q -- '--in-place excludes --min-quality' err
	[ ! -e started ]
	runs env NOTIFY_SOCKET=@none "$DDPROF_RUN" -q -F 10 --min-quality 90 -o p.pb.gz sh -c "$short; echo ended"
	[ "$status" = 0 ]
	grep -q -- 'in place nobody waits for the profile: --min-quality changes no exit status' err
	grep -q ended out
	# what runs on writes to this file still
	await grep -q 'quality [0-9.]* %, --min-quality asks for 90 %' err
}

@test "each figure of quality is in the profile, and told with -l info" {
	local key
	"$DDPROF_RUN" -l info -o p.pb.gz "$T/call_chains" 0.3 plain >/dev/null 2>err
	$PPROF p.pb.gz comments >comments
	cat comments err
	for key in event mode frequency_hz quality.samples quality.user_samples quality.complete quality.lost quality.percent \
		quality.rate_hz quality.sampled_cpu_ns quality.event_cpu_ns quality.rusage_cpu_ns quality.own_cpu_ns \
		quality.own_peak_kb quality.exporter_cpu_ns quality.exporter_peak_kb quality.symbolizer_cpu_ns quality.symbolizer_peak_kb; do
		grep -q "^ddprof\.$key: [a-z0-9]" comments || { echo "no $key"; return 1; }
	done
	grep -q '^ddprof: sampled: [0-9]* of task-clock.*; user.*, [0-9.]* of 99 Hz; [0-9]* lost, throttled [0-9]* times$' err
	grep -q '^ddprof: quality: [0-9.]* %: stacks [0-9.]* %, CPU time [0-9.]* %; by the kernel [0-9.]* s of it$' err
	grep -q '^ddprof: cost: collector [0-9.]* ms of CPU, [0-9]* KB at most; exporter .* ms, [0-9]* KB; symbolizer .* ms, [0-9]* KB$' err
}
