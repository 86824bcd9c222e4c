#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""service.py - a service as systemd starts them: by socket activation, saying when it is ready.

Tells READY=1 to NOTIFY_SOCKET, answers one connection on descriptor 3 with
what it knows of itself, burns some CPU until SIGTERM, exits with 7.
"""
import os
import signal
import socket

ended = False


def end(signo, frame):
    global ended
    ended = True


signal.signal(signal.SIGTERM, end)
me = os.getpid()
listening = os.environ.get("LISTEN_PID") == str(me) and os.environ.get("LISTEN_FDS") == "1"
watched = os.environ.get("WATCHDOG_PID") == str(me)
server = socket.socket(fileno=3)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(os.environ["NOTIFY_SOCKET"])
notify.send(b"READY=1")
client, _ = server.accept()
children = 0
try:
    os.waitpid(-1, os.WNOHANG)
    children = 1
except ChildProcessError:
    pass
client.sendall(f"listening {listening} watched {watched} pgid {os.getpgid(0)} sid {os.getsid(0)} "
               f"ppid {os.getppid()} children {children}\n".encode())
client.close()
x = 0
while not ended:
    for i in range(100000):
        x += i * i
os.write(1, b"last words\n")
os._exit(7)
