#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""manager.py - stands in for a service manager such as systemd (sd_notify(3), sd_listen_fds(3)).

    manager.py COMMAND...

Starts the command, which has to end up as service.py, with a listening socket
as descriptor 3, LISTEN_PID, LISTEN_FDS, WATCHDOG_PID and NOTIFY_SOCKET; accepts
readiness from the started pid alone; talks to it once; sends it SIGTERM; reads
its output to the end; waits for it. Prints what a manager would find.
"""
import os
import signal
import socket
import struct
import sys

signal.alarm(60)
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind("listen.sock")
server.listen(1)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
notify.bind("notify.sock")
output, its_output = os.pipe()
pid = os.fork()
if pid == 0:
    os.setsid()
    os.dup2(its_output, 1)
    os.dup2(server.fileno(), 3)
    env = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", WATCHDOG_PID=str(os.getpid()),
               WATCHDOG_USEC="30000000", NOTIFY_SOCKET=os.path.abspath("notify.sock"))
    os.execvpe(sys.argv[1], sys.argv[1:], env)
os.close(its_output)

_, ancillary, _, _ = notify.recvmsg(64, socket.CMSG_SPACE(12))
sender = struct.unpack("iii", ancillary[0][2])[0]
print("ready from the main process:", sender == pid)
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
client.connect("listen.sock")
answer = b"".join(iter(lambda: client.recv(4096), b"")).decode().strip()
print(answer.replace(str(pid), "PID").replace(f"ppid {os.getpid()}", "ppid MANAGER"))

# Whatever of ours runs beside it holds neither its output nor its sockets.
ours = {os.readlink(f"/proc/{pid}/fd/1"), os.readlink(f"/proc/self/fd/{server.fileno()}")}
held = 0
for p in filter(str.isdigit, os.listdir("/proc")):
    try:
        if open(f"/proc/{p}/comm").read().startswith("ddprof"):
            held += sum(os.readlink(f"/proc/{p}/fd/{f}") in ours for f in os.listdir(f"/proc/{p}/fd"))
    except OSError:
        pass
print("held by the profiler:", held)

os.kill(pid, signal.SIGTERM)
print("output:", b"".join(iter(lambda: os.read(output, 4096), b"")).decode().strip())
_, status = os.waitpid(pid, 0)
print("exit status:", os.waitstatus_to_exitcode(status))
try:
    print("another child:", os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no other child")
