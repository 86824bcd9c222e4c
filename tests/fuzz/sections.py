#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sections.py - pack an ELF file's debug sections as fuzz_die reads them.

    sections.py FILE > tests/fixtures/fuzz_die/NAME

The file should be small, linked, and have code at 0x1000, e.g.
    gcc -g -O2 -nostdlib -static -Wl,-Ttext=0x1000,-e,f -o x x.c
"""
import struct
import subprocess
import sys
import tempfile

NAMES = ["info", "abbrev", "line", "str", "line_str", "ranges", "rnglists", "addr", "str_offsets"]

parts = []
for name in NAMES:
    with tempfile.NamedTemporaryFile() as f:
        subprocess.run(["objcopy", "-O", "binary", "--set-section-flags", f".debug_{name}=alloc",
                        "-j", f".debug_{name}", sys.argv[1], f.name], check=True, stderr=subprocess.DEVNULL)
        parts.append(f.read())
sys.stdout.buffer.write(b"".join(struct.pack("<H", len(p)) for p in parts) + b"".join(parts))
