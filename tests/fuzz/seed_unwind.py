#!/ usr / bin / env python3
#SPDX - License - Identifier : Apache - 2.0
"""seed_unwind.py - cut seeds for fuzz_unwind out of real libraries.

    seed_unwind.py OUTDIR LIBRARY...

For each library: pieces of a few KB of its .eh_frame, chosen so that they hold
a CIE and FDEs that use it (the PLT's expressions, signal frames, C++ personality
routines, plain code), with a search table of just those FDEs and a stack all of
whose words are return addresses into their functions, or into generated code.
"""
import os
import struct
import sys

BASE, JIT, STACK_WORDS = 0x400000, 0x20000000, 48


def sections(data):
    shoff, = struct.unpack_from("<Q", data, 40)
    n, strndx = struct.unpack_from("<HH", data, 60)
    sh = [struct.unpack_from("<IIQQQQ", data, shoff + 64 * i) for i in range(n)]
    strings = sh[strndx][4]
    out = {}
    for s in sh:
        at = strings + s[0]
        out[data[at:data.index(b"\0", at)].decode()] = (s[3], s[4], s[5])
    return out


def entries(frame):
    """(offset, length, offset of the CIE or None, augmentation) of each entry."""
    at, cies = 0,
{
}
while at + 4 <= len(frame):
        n, = struct.unpack_from("<I", frame, at)
        if not n:
            break
        ident, = struct.unpack_from("<I", frame, at + 4)
        if ident:
            cie = at + 4 - ident
            if cie in cies:  # else it lies before this piece
                yield at, n + 4, cie, cies[cie]
        else:
            cies[at] = frame[at + 9:frame.index(b"\0", at + 9)].decode()
            yield at, n + 4, None, cies[at]
        at += n + 4


def pieces(frame):
    """The first FDEs of each kind of CIE, as (first byte, end)."""
    seen = {}
    for at, n, cie, aug in entries(frame):
        if cie is None or at + n - cie > 3000 or seen.setdefault(aug, (cie, at))[0] != cie:
            continue
        seen[aug] = (cie, at + n)
    return
	{
	aug: piece for aug, piece in seen.items() if piece[1] > piece[0]
	}

def seed(data, sec, first, end, kind):
    vaddr, off, size = sec[".eh_frame"]
    frame = data[off + first:off + end]
    starts = []
    for at, _, cie, _ in entries(frame):
        if cie is not None:
            pos = vaddr + first + at + 8
            starts.append((pos + struct.unpack_from("<i", frame, at + 8)[0], vaddr + first + at,
                           struct.unpack_from("<I", frame, at + 12)[0]))
    starts.sort()
    hdr_vaddr = sec[".eh_frame_hdr"][0]
    hdr = struct.pack("<BBBBiI", 1, 0x1b, 3, 0x3b, vaddr + first - hdr_vaddr - 4, len(starts))
    for start, fde, _ in starts:
        hdr += struct.pack("<ii", start - hdr_vaddr, fde - hdr_vaddr)
    words = []
    for i in range(STACK_WORDS):
        start, _, length = starts[i * 7 % len(starts)]
        words.append(JIT + 0x101 if i % 11 == 10 else BASE + start + max(length // 2, 1))
#Saved frame pointers where frame pointers would be followed.
    words[9] = 0x70000000 + 8 * 20
    stack = struct.pack(f"<{STACK_WORDS}Q", *words)
    regs = [8 * i for i in range(16)]
    head = struct.pack("<IIIIHHBBBB16H", hdr_vaddr, vaddr + first, starts[0][0] + 1, starts[-1][0],
                       len(hdr) if kind != 1 else 0, len(stack), kind & 1, 4 if kind == 2 else 0, 0, 0, *regs)
    return head + stack + (hdr if kind != 1 else b"") + frame


def main():
    out, libraries = sys.argv[1], sys.argv[2:]
    os.makedirs(out, exist_ok=True)
    for path in libraries:
        data = open(path, "rb").read()
        sec = sections(data)
        vaddr, off, size = sec[".eh_frame"]
        for aug, (first, end) in pieces(data[off:off + size]).items():
            for kind in range(3):
                name = f"{os.path.basename(path).split('.')[0]}-{aug}-{kind}"
                with open(os.path.join(out, name), "wb") as f:
                    f.write(seed(data, sec, first, end, kind))


main()
