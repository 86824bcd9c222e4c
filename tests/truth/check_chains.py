#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the stacks of a profile of tests/targets/call_chains with the chains that it made.

  check_chains.py PROFILE TRUTH [KIND...]

TRUTH is what the program printed. Every stack must be a way through one of
its chains: complete ones from main on, ones with [truncated] as the parts
before and after the mark, of the same chain. Prints per kind
    KIND samples N complete N truncated N gap N incomplete N wrong N
and the wrong ones, outermost first; exit status 1 if there are any.
complete: from main to the leaf without a gap. truncated: the outermost
frames are missing. gap: both ends are there, frames between are not.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import pprof  # noqa: E402

LEVEL = re.compile(r"^[fg][0-9a-f]$")
INLINED = {"run", "start", "at_level", "pick", "mix", "print"}
KINDS = ("plain", "recursive", "sparse", "deep", "lengthy", "handled")
LEAVES = {"burn"}
ENTRY = re.compile(r"^(_start|__libc_start.*|0x[0-9a-f]+)$")


def text(names):
    return " ".join([*names, ""])


def read_truth(path):
    """kind -> list of (chain, chain of the handler or None), each as one string"""
    truth = {}
    for line in open(path):
        kind, *names = line.split()
        if "|" in names:
            at = names.index("|")
            truth.setdefault(kind, []).append((text(names[:at]), text(names[at + 1:])))
        else:
            truth.setdefault(kind, []).append((text(names), None))
    return truth


def levels(names):
    """The chain's functions of a run of frames as a string, or None when something else is among them."""
    rest = [n for n in names if n not in INLINED]
    while rest and rest[-1] in LEAVES:
        rest.pop()
    return text(rest) if all(LEVEL.match(n) for n in rest) else None


def split_handler(names):
    """Frames before and after the handler's; None for the latter if it was not reached."""
    if "on_signal" not in names:
        return names, None
    at = names.index("on_signal")
    before = names[:at]
    # What the C library and the kernel put between the last level and the handler.
    while before and not LEVEL.match(before[-1]) and not before[-1].startswith("["):
        before.pop()
    return before, names[at + 1:]


class Judge:
    def __init__(self, truth):
        self.truth = truth

    def root_part(self, names):
        """From the entry point to a kind: (kind, the frames after it), else (None, why)."""
        rest = list(names)
        while rest and ENTRY.match(rest[0]):
            rest.pop(0)
        if not rest or rest.pop(0) != "main":
            return None, "does not begin in main"
        while rest and rest[0] in INLINED:
            rest.pop(0)
        if not rest or rest[0] not in KINDS:
            return None, "no kind below main"
        return rest[0], rest[1:]

    def fits_from_root(self, kind, names):
        """The chains of @kind that @names, everything after the kind, is a beginning of."""
        before, after = split_handler(names)
        if after is None and kind == "handled":
            # In raise(), or in the signal's delivery.
            while before and not LEVEL.match(before[-1]) and before[-1] not in LEAVES | INLINED:
                before = before[:-1]
        before = levels(before)
        after = levels(after) if after is not None else ""
        if before is None or after is None:
            return []
        return [(c, h) for c, h in self.truth.get(kind, [])
                if (before == c and h is not None and h.startswith(after) if after
                    else c.startswith(before))]

    def fits_leaf(self, names):
        """The chains of any kind that @names, which ends at the leaf, is a part of."""
        before, after = split_handler(names)
        if after is None:
            while before and not LEVEL.match(before[-1]) and before[-1] not in LEAVES | INLINED | set(KINDS):
                before = before[:-1]
        before = levels(before)
        after = levels(after) if after is not None else None
        if before is None:
            return []
        fits = []
        for kind in self.truth:
            for c, h in self.truth[kind]:
                if after is None:
                    ok = before in c or (h is not None and before in h)
                else:
                    ok = h is not None and h.startswith(after) and c.endswith(before)
                if ok:
                    fits.append((c, h))
        return fits

    def judge_leaf(self, names, what):
        """A stack whose outermost frames are missing."""
        outer = [i for i, n in enumerate(names) if n in KINDS]
        if outer:
            kind, rest = names[outer[-1]], names[outer[-1] + 1:]
            if not all(n == "main" or n in INLINED or ENTRY.match(n) for n in names[:outer[-1]]):
                return "wrong", kind, "not called by main"
            return (what, kind, "") if self.fits_from_root(kind, rest) else ("wrong", kind, "no such chain")
        fits = self.fits_leaf(names)
        kind = next((k for k in self.truth if any(f in self.truth[k] for f in fits)), None)
        return (what, kind, "") if fits else ("wrong", None, "no chain has this part")

    def judge(self, names):
        """(class, kind or None, why it is wrong)"""
        marks = [i for i, n in enumerate(names) if n in ("[truncated]", "[incomplete]", "[unwind failure]", "[unknown mapping]")]
        plain = [n for n in names if not n.startswith("[")]
        if not any(LEVEL.match(n) for n in plain):
            return "outside", None, ""
        if not marks:
            kind, rest = self.root_part(names)
            if kind is None:
                return "wrong", None, rest
            return ("complete", kind, "") if self.fits_from_root(kind, rest) else ("wrong", kind, "no such chain")
        last = marks[-1]
        leaf = names[last + 1:]
        what = "truncated" if names[last] == "[truncated]" else "incomplete"
        first = marks[0]
        if first == 0:
            return self.judge_leaf(leaf, what)
        kind, rest = self.root_part(names[:first])
        if kind is None:
            return "wrong", None, rest
        roots = self.fits_from_root(kind, rest)
        leaves = self.fits_leaf(leaf)
        return ("gap", kind, "") if any(r in leaves for r in roots) else ("wrong", kind, "the parts are of different chains")


def main(argv):
    p = pprof.Profile(argv[1])
    truth = read_truth(argv[2])
    judge, t = Judge(truth), p.type("cpu-samples")
    kernel = {i for i, m in p.mappings.items() if p.strings[pprof.one(m, 5)].startswith("[kernel")}
    counts, wrong = {}, []
    names_of = {l: p.frames(l) for l in p.locations}
    for smp in p.samples:
        locs = [l for l in smp[0] if pprof.one(p.locations[l], 2) not in kernel]
        names = [n for l in locs for n in names_of[l]][::-1]
        what, kind, why = judge.judge(names)
        if what == "outside":
            continue
        row = counts.setdefault(kind or "unknown", dict.fromkeys(("complete", "truncated", "gap", "incomplete", "wrong"), 0))
        row[what] += smp[1][t]
        if what == "wrong":
            wrong.append((smp[1][t], why, names))
    for kind, row in sorted(counts.items()):
        print(kind, "samples", sum(row.values()), *(f"{k} {v}" for k, v in row.items()))
    for n, why, names in wrong[:10]:
        print(f"WRONG ({n}, {why}):", " ".join(names if len(names) <= 60 else names[:30] + ["..."] + names[-30:]))
    print("wrong", sum(n for n, _, _ in wrong))
    return bool(wrong)


sys.exit(main(sys.argv))
