#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""on_pty.py - run a command at a terminal and talk to it.

    on_pty.py STEP... -- COMMAND...

Steps, each given up after 30 s:
    expect:REGEX   wait for it in the output; its first group, if any, becomes $M for run:
    send:TEXT      type it (\\x03 and the like are understood)
    run:COMMAND    repeat the shell command until it succeeds
    end            wait for the command's end
Prints what the terminal showed, then "exit N" or "signal N".
"""
import os
import pty
import re
import select
import subprocess
import sys
import time

PATIENCE = 30


class Terminal:
    def __init__(self, command):
        self.seen, self.rest, self.match, self.status = "", "", "", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        try:
            data = os.read(self.fd, 4096) if ready else b""
        except OSError:  # EIO: nobody has the terminal open any more
            data, ready = b"", []
            time.sleep(min(seconds, 0.01))
        text = data.decode(errors="replace").replace("\r\n", "\n")
        self.seen += text
        self.rest += text
        return bool(ready)

    def until(self, what, test):
        end = time.monotonic() + PATIENCE
        while not test():
            if time.monotonic() > end:
                print(self.seen)
                sys.exit(f"gave up waiting for {what}")
            self.read(0.05)

    def expect(self, regex):
        def test():
            m = re.search(regex, self.rest, re.M)
            if m:
                self.match = m.group(1) if m.groups() else self.match
                self.rest = self.rest[m.end():]
            return m

        self.until(regex, test)

    def run(self, command):
        env = dict(os.environ, M=self.match)
        self.until(command, lambda: subprocess.run(["sh", "-c", command], env=env).returncode == 0)

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None


def main():
    split = sys.argv.index("--")
    terminal = Terminal(sys.argv[split + 1:])
    for step in sys.argv[1:split] + ["end"]:
        kind, _, text = step.partition(":")
        if kind == "expect":
            terminal.expect(text)
        elif kind == "send":
            os.write(terminal.fd, text.encode().decode("unicode_escape").encode("latin-1"))
        elif kind == "run":
            terminal.run(text)
        elif kind == "end":
            terminal.until("the end", terminal.ended)
        else:
            sys.exit(f"no such step: {step}")
    while terminal.read(0.05):
        pass
    code = os.waitstatus_to_exitcode(terminal.status)
    print(terminal.seen)
    print(f"signal {-code}" if code < 0 else f"exit {code}")


main()
