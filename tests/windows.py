#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What must hold of the files of consecutive windows, for tests.

  windows.py [--exact] [--from N] FILE...

In order of their names: numbered one by one from N (default 0), each beginning
at the very nanosecond at which the one before ended, and complete: the parts
that the comments name add up to the values. --exact: all together they are the
events' own count (attach, where nothing else is added), never ahead of it. Prints one line:
windows, duration, samples, lost, event_cpu_ns, cpu-time of all together.
"""
import sys

from pprof import Profile

PARTS = ("sampled_cpu_ns", "lost_cpu_ns", "kernel_denied_ns", "unsampled_ns")


def figures(p):
    comments = dict(c.split(": ", 1) for c in p.comments if c.startswith("ddprof.") and ": " in c)
    return {k[len("ddprof."):].replace("quality.", ""): v for k, v in comments.items()}


def main(argv):
    exact = "--exact" in argv
    seq = int(argv[argv.index("--from") + 1]) if "--from" in argv else 0
    files = sorted(a for a in argv[1:] if a.endswith(".pb.gz"))
    before, total = None, [0] * 6
    for name in files:
        p = Profile(name)
        f = figures(p)
        value = p.sum(p.type("cpu-time"))
        event = int(f.get("event_cpu_ns", 0))
        parts = sum(int(f.get(k, 0)) for k in PARTS)
        assert int(f["window"]) == seq, f"{name}: window {f['window']}, not {seq}"
        assert before in (None, p.start), f"{name}: begins {p.start - before} ns after the end of the one before"
        assert value == parts, f"{name}: {value} ns, its parts {parts}"
        before = p.start + p.duration
        seq += 1
        for i, v in enumerate((1, p.duration, int(f["samples"]), int(f["lost"]), event, value)):
            total[i] += v
        assert not exact or total[5] <= total[4], f"{name}: {total[5]} ns by now, the events count {total[4]}"
    assert not exact or total[5] == total[4], f"{total[5]} ns in all, the events count {total[4]}"
    print(*total)


if __name__ == "__main__":
    main(sys.argv)
