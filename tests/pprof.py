#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second, independent reader of pprof files, for tests.

  pprof.py FILE own [TYPE]        own value per innermost function, in per cent
  pprof.py FILE total NAME [TYPE] value of all stacks that contain NAME, in per cent
  pprof.py FILE value NAME TYPE   the same as it is
  pprof.py FILE types             name/unit of each sample type, one per line
  pprof.py FILE sum TYPE          sum of a sample type
  pprof.py FILE duration          of the profile in ns
  pprof.py FILE comments          one per line
  pprof.py FILE labels KEY        distinct values of a label with their cpu-time in ns
  pprof.py FILE check             structural rules; prints "ok" or what is wrong
  pprof.py FILE timeline          checks each end_timestamp_ns; prints how many samples have one, and how many not
  pprof.py FILE stacks            folded stacks with the default type's value
"""
import gzip
import sys


def varint(b, i):
    v = shift = 0
    while True:
        c = b[i]
        i += 1
        v |= (c & 0x7F) << shift
        shift += 7
        if c < 0x80:
            return v & (1 << 64) - 1, i


def fields(b):
    i = 0
    while i < len(b):
        key, i = varint(b, i)
        num, wire = key >> 3, key & 7
        if wire == 0:
            v, i = varint(b, i)
        elif wire == 2:
            n, i = varint(b, i)
            assert i + n <= len(b), "length beyond the end"
            v, i = b[i:i + n], i + n
        elif wire == 1:
            v, i = int.from_bytes(b[i:i + 8], "little"), i + 8
        else:
            raise AssertionError(f"wire type {wire}")
        yield num, v


def signed(v):
    return v - (1 << 64) if v >> 63 else v


def numbers(v):
    if isinstance(v, int):
        return [v]
    out, i = [], 0
    while i < len(v):
        n, i = varint(v, i)
        out.append(n)
    return out


def message(b):
    m = {}
    for num, v in fields(b):
        m.setdefault(num, []).append(v)
    return m


def one(m, num, default=0):
    return m.get(num, [default])[-1]


class Profile:
    def __init__(self, path):
        raw = (sys.stdin.buffer if path == "-" else open(path, "rb")).read()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        m = message(raw)
        self.strings = [s.decode("utf-8", "replace") for s in m[6]]
        s = self.strings
        types = [message(t) for t in m.get(1, [])]
        self.types = [(s[one(t, 1)], s[one(t, 2)]) for t in types]
        self.mappings = {one(x, 1): x for x in map(message, m.get(3, []))}
        self.locations = {one(x, 1): x for x in map(message, m.get(4, []))}
        self.functions = {one(x, 1): x for x in map(message, m.get(5, []))}
        self.samples = []
        for x in map(message, m.get(2, [])):
            locs = [n for v in x.get(1, []) for n in numbers(v)]
            vals = [signed(n) for v in x.get(2, []) for n in numbers(v)]
            labels = {}
            for l in map(message, x.get(3, [])):
                labels[s[one(l, 1)]] = s[one(l, 2)] if one(l, 2) else signed(one(l, 3))
            self.samples.append((locs, vals, labels))
        self.comments = [s[n] for v in m.get(13, []) for n in numbers(v)]
        self.default = s[one(m, 14)]
        self.period = one(m, 12)
        self.start, self.duration = one(m, 9), one(m, 10)

    def type(self, name=None):
        name = name or self.default
        return [t[0] for t in self.types].index(name)

    def frames(self, loc):
        """Function names of one location, innermost first."""
        x = self.locations[loc]
        names = []
        for l in map(message, x.get(4, [])):
            f = self.functions[one(l, 1)]
            names.append(self.strings[one(f, 2)])
        return names or [f"0x{one(x, 3):x}"]

    def stack(self, sample):
        return [n for l in sample[0] for n in self.frames(l)]

    def sum(self, t):
        return sum(s[1][t] for s in self.samples)


def verify(p):
    s = p.strings
    assert s[0] == "", "string 0 is not empty"
    assert p.types, "no sample types"
    assert p.default in [t[0] for t in p.types], "default type"
    seen = set()
    for locs, vals, labels in p.samples:
        assert len(vals) == len(p.types), "values per sample"
        assert locs, "sample without a stack"
        key = (tuple(locs), tuple(sorted(labels.items())))
        assert "end_timestamp_ns" in labels or key not in seen, "two samples of one stack and label set"
        seen.add(key)
        for l in locs:
            assert l in p.locations, f"location {l} missing"
    for i, x in p.locations.items():
        assert i, "location id 0"
        m = one(x, 2)
        if m:
            mp = p.mappings[m]
            assert one(mp, 2) <= one(x, 3) < one(mp, 3), f"address 0x{one(x, 3):x} outside its mapping"
        else:
            assert p.frames(i)[0].startswith("["), "no mapping and not synthetic"
        for l in map(message, x.get(4, [])):
            assert one(l, 1) in p.functions, "function missing"
    for mp in p.mappings.values():
        b = s[one(mp, 6)]
        assert b == b.lower() and all(c in "0123456789abcdef" for c in b), "build id"


def check(p):
    verify(p)
    print("ok")


def timeline(p):
    times = [s[2]["end_timestamp_ns"] for s in p.samples if "end_timestamp_ns" in s[2]]
    assert times == sorted(times), "not in the order of time"
    assert all(p.start <= t <= p.start + p.duration for t in times), "outside the window"
    counts = [s[1][p.type("cpu-samples")] for s in p.samples if "end_timestamp_ns" in s[2]]
    assert all(c == 1 for c in counts), "more than one event in a sample"
    print(len(times), len(p.samples) - len(times))


def main(argv):
    p = Profile(argv[1])
    what = argv[2]
    if what == "own":
        t = p.type(argv[3] if len(argv) > 3 else None)
        own = {}
        for smp in p.samples:
            n = p.stack(smp)[0]
            own[n] = own.get(n, 0) + smp[1][t]
        total = p.sum(t) or 1
        for n, v in sorted(own.items(), key=lambda kv: -kv[1]):
            print(f"{100 * v / total:.2f} {n}")
    elif what == "total":
        t = p.type(argv[4] if len(argv) > 4 else None)
        v = sum(smp[1][t] for smp in p.samples if argv[3] in p.stack(smp))
        print(f"{100 * v / (p.sum(t) or 1):.2f}")
    elif what == "value":
        t = p.type(argv[4])
        print(sum(smp[1][t] for smp in p.samples if argv[3] in p.stack(smp)))
    elif what == "types":
        print("\n".join(f"{t[0]}/{t[1]}" for t in p.types))
    elif what == "sum":
        print(p.sum(p.type(argv[3])))
    elif what == "duration":
        print(p.duration)
    elif what == "comments":
        print("\n".join(p.comments))
    elif what == "labels":
        t, out = p.type("cpu-time"), {}
        for smp in p.samples:
            if argv[3] in smp[2]:
                out[smp[2][argv[3]]] = out.get(smp[2][argv[3]], 0) + smp[1][t]
        for k, v in sorted(out.items(), key=lambda kv: -kv[1]):
            print(f"{v} {k}")
    elif what == "stacks":
        t = p.type()
        for smp in p.samples:
            print(";".join(reversed(p.stack(smp))), smp[1][t])
    elif what == "timeline":
        timeline(p)
    elif what == "check":
        check(p)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
