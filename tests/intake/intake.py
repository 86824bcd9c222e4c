#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""intake - a strict stand-in for the receiver of profiles, for tests.

  intake.py --log FILE [--port-file FILE] [--unix PATH] [--tls CERT KEY] [--agentless KEY]
            [--bind ADDRESS PORT] [--answers A,A,...] [--random PERCENT SEED] [--keep DIR] [--via]

Serves on a free loopback port (or --bind; written to --port-file once it listens) or on a
unix socket, until it is ended. Each request is checked against every rule of
the wire; one JSON line per request goes to --log: {"errors": [...], "answer":
..., "taken": bool, "event": {...}, "headers": {...}, "pprof": {...}, "digest": ...}.
--via allows what an Agent adds on the way to the intake.

Answers, one per request, the last for all further ones: a status; "429/2"
(Retry-After in seconds), "429@2" (as a date); stall-headers, stall-body (of a 500), stall-after (in
the body of a 200: stop in the middle, keep the connection open), close-early (before the body is read), close-late
(after all of it: taken, but nobody is told), garbage, endless, redirect, interim
(a 100 and a 103 before the 200).
--random: that percentage of the requests fails in one of these ways.
"""
import argparse
import email.utils
import gzip
import hashlib
import json
import os
import random
import re
import socket
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import pprof  # noqa: E402

TAG = re.compile(r"[A-Za-z][A-Za-z0-9_:./\\-]{0,199}\Z")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\Z")
CONTAINER = re.compile(r"([0-9a-f]{64}|[0-9a-f]{8}([-_])[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12}|[0-9a-f]{32}-\d+)\Z")
ALWAYS = ["language", "runtime", "runtime-id", "process_id", "profiler_version", "profile_seq",
          "runtime_platform", "cpu_arch", "number_of_cpu_cores", "include_kernel", "service"]
REASONS = {200: "OK", 202: "Accepted", 429: "Too Many Requests", 503: "Service Unavailable"}
FAILURES = ["500", "503", "429/0", "408", "502", "close-early", "close-late", "garbage"]


class Bad(Exception):
    pass


def need(errors, condition, text):
    if not condition:
        errors.append(text)


def check_headers(errors, opt, request, headers):
    method, path, version = request.split(" ")
    want = "/api/v2/profile" if opt.agentless else "/profiling/v1/input"
    need(errors, (method, path, version) == ("POST", want, "HTTP/1.1"), f"request line {request!r}")
    names = [k for k, _ in headers]
    for n in set(names):
        need(errors, names.count(n) == 1, f"{n} {names.count(n)} times")
    h = dict(headers)
    need(errors, h.get("dd-evp-origin") == "ddprof", "DD-EVP-ORIGIN")
    need(errors, re.fullmatch(r"\d+\.\d+\.\d+", h.get("dd-evp-origin-version", "")), "DD-EVP-ORIGIN-VERSION")
    need(errors, opt.via or h.get("user-agent", "").startswith("ddprof"), "User-Agent")
    for n in ["content-encoding", "expect", "transfer-encoding", "proxy-authorization"]:
        need(errors, n not in h, f"{n} is set")
    need(errors, h.get("content-length", "").isdigit(), "no Content-Length")
    if opt.agentless:
        need(errors, h.get("dd-api-key") == opt.agentless, "DD-API-KEY")
    else:
        need(errors, "dd-api-key" not in h or opt.via, "DD-API-KEY is for agentless only")
    if opt.unix:
        need(errors, h.get("host") == "localhost", f"Host {h.get('host')!r}")
    else:
        need(errors, h.get("host"), "no Host")
    if "datadog-container-id" in h:
        need(errors, CONTAINER.match(h["datadog-container-id"]), "Datadog-Container-ID")
        need(errors, h.get("datadog-entity-id") == "ci-" + h["datadog-container-id"], "entity is not the container")
    elif "datadog-entity-id" in h:
        need(errors, re.fullmatch(r"in-\d+", h["datadog-entity-id"]), "Datadog-Entity-ID")
    return h


def parts_of(content_type, body):
    m = re.fullmatch(r'multipart/form-data; boundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?', content_type)
    if not m:
        raise Bad(f"Content-Type {content_type!r}")
    mark = b"--" + m.group(1).encode()
    if not body.startswith(mark + b"\r\n") or not body.endswith(b"\r\n" + mark + b"--\r\n"):
        raise Bad("the body is not enclosed in its boundary")
    pieces = body[len(mark) + 2:-len(mark) - 6].split(b"\r\n" + mark + b"\r\n")
    parts = []
    for piece in pieces:
        head, sep, data = piece.partition(b"\r\n\r\n")
        if not sep:
            raise Bad("a part without headers")
        h = {}
        for line in head.decode("ascii").split("\r\n"):
            k, _, v = line.partition(": ")
            if k.lower() in h:
                raise Bad("a part's header twice")
            h[k.lower()] = v
        parts.append((h, data))
    return parts


def check_parts(errors, parts):
    want = [('form-data; name="event"; filename="event.json"', "application/json"),
            ('form-data; name="profile.pprof"; filename="profile.pprof"', "application/octet-stream")]
    if len(parts) != 2:
        raise Bad(f"{len(parts)} parts")
    for (h, _), (disposition, kind) in zip(parts, want):
        need(errors, h == {"content-disposition": disposition, "content-type": kind}, f"part's headers {h}")


def once(pairs):
    d = {}
    for k, v in pairs:
        if k in d:
            raise Bad(f"{k!r} twice in event.json")
        d[k] = v
    return d


def check_tags(errors, text):
    tags = {}
    for t in text.split(","):
        need(errors, TAG.match(t), f"tag {t!r}")
        k, sep, v = t.partition(":")
        need(errors, sep and v, f"tag {t!r} has no value")
        need(errors, k not in tags or k == "ddprof.custom_ctx", f"tag {k} twice")
        tags[k] = v
    for k in ALWAYS:
        need(errors, k in tags, f"tag {k} is missing")
    need(errors, re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", tags.get("runtime-id", "")), "runtime-id")
    for k in ["process_id", "profile_seq", "number_of_cpu_cores"]:
        need(errors, tags.get(k, "").isdigit(), k)
    need(errors, tags.get("cpu_arch") in ("amd64", "arm64"), "cpu_arch")
    need(errors, tags.get("include_kernel") in ("true", "false"), "include_kernel")
    need(errors, "@" not in tags.get("git.repository_url", ""), "credentials in git.repository_url")
    return tags


def check_event(errors, data):
    e = json.loads(data.decode("utf-8"), object_pairs_hook=once)
    known = {"version", "family", "attachments", "start", "end", "tags_profiler", "endpoint_counts",
             "process_tags", "internal", "info"}
    need(errors, set(e) == known, f"fields of event.json: {sorted(set(e) ^ known)}")
    need(errors, e.get("version") == "4", "version")
    need(errors, e.get("family") == "native", "family")
    need(errors, e.get("attachments") == ["profile.pprof"], "attachments")
    for k in ["start", "end"]:
        need(errors, TIME.match(e.get(k, "")), f"{k} {e.get(k)!r}")
    need(errors, e.get("start", "") < e.get("end", ""), "start is not before end")
    need(errors, e.get("endpoint_counts") is None or isinstance(e["endpoint_counts"], dict), "endpoint_counts")
    pt = e.get("process_tags")
    need(errors, pt is None or pt.split(",") == sorted(pt.split(",")), "process_tags are not sorted")
    need(errors, isinstance(e.get("internal"), dict) and isinstance(e.get("info"), dict), "internal, info")
    need(errors, isinstance(e.get("internal", {}).get("possibly-duplicate"), bool), "possibly-duplicate")
    for k in ["application", "platform", "profiler", "runtime"]:
        need(errors, isinstance(e.get("info", {}).get(k), dict), f"info.{k}")
    e["tags"] = check_tags(errors, e.get("tags_profiler", ""))
    return e


def check_pprof(errors, data):
    need(errors, data[:2] == b"\x1f\x8b", "the profile is not gzip")
    need(errors, len(data) <= 10 << 20, "the profile is larger than 10 MiB")
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        p = pprof.Profile(f.name)
    try:
        pprof.verify(p)
    except (AssertionError, KeyError, IndexError) as e:
        errors.append(f"profile: {e!r}")
    return {"types": [list(t) for t in p.types], "samples": len(p.samples), "bytes": len(data),
            "raw": len(gzip.decompress(data)), "sum": p.sum(p.type()),
            "timed": sum("end_timestamp_ns" in s[2] for s in p.samples), "comments": p.comments,
            "frames": sorted({n for s in p.samples for n in p.stack(s)}, key=lambda n: ("0x" in n, n))[:2000]}


class Intake:
    def __init__(self, opt):
        self.opt = opt
        self.lock = threading.Lock()
        self.n = 0
        self.answers = opt.answers.split(",")
        self.random = random.Random(int(opt.random[1])) if opt.random else None
        self.log = open(opt.log, "a", buffering=1)

    def next_answer(self):
        with self.lock:
            i, self.n = self.n, self.n + 1
            if self.random and self.random.randrange(100) < int(self.opt.random[0]):
                return self.random.choice(FAILURES)
            return self.answers[min(i, len(self.answers) - 1)]

    def note(self, **line):
        with self.lock:
            self.log.write(json.dumps(line) + "\n")

    def check(self, request, headers, body):
        errors, seen = [], {}
        try:
            h = check_headers(errors, self.opt, request, headers)
            seen["headers"] = h
            parts = parts_of(h.get("content-type", ""), body)
            check_parts(errors, parts)
            seen["event"] = check_event(errors, parts[0][1])
            seen["pprof"] = check_pprof(errors, parts[1][1])
            seen["digest"] = hashlib.sha256(parts[1][1]).hexdigest()
            seen["body"] = hashlib.sha256(body).hexdigest()
            if self.opt.keep:
                name = os.path.join(self.opt.keep, f"{self.n:06d}")
                open(name + ".json", "wb").write(parts[0][1])
                open(name + ".pb.gz", "wb").write(parts[1][1])
        except Exception as e:  # whatever it is: the request was bad
            errors.append(f"{type(e).__name__}: {e}")
        return errors, seen

    def serve(self, conn):
        try:
            conn.settimeout(60)
            if self.opt.tls:
                ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                ctx.load_cert_chain(*self.opt.tls)
                conn = ctx.wrap_socket(conn, server_side=True)
            self.request(conn)
        except (OSError, Bad) as e:
            self.note(errors=[f"connection: {e}"], answer=None, taken=False)
        finally:
            conn.close()

    def request(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                if data:
                    raise Bad("headers cut off")
                return
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = [(k.strip().lower(), v.strip()) for k, _, v in (l.partition(":") for l in lines[1:])]
        if lines[0].startswith("GET /info "):
            return self.send(conn, 200, json.dumps({"version": "7.60.1", "endpoints": ["/profiling/v1/input"]}))
        answer = self.next_answer()
        if answer == "close-early":
            self.note(errors=[], answer=answer, taken=False)
            return
        length = int(dict(headers).get("content-length", "0"))
        while len(body) < length:
            more = conn.recv(min(1 << 20, length - len(body)))
            if not more:
                raise Bad("body cut off")
            body += more
        errors, seen = self.check(lines[0], headers, body)
        if len(body) > length:
            errors.append("more than Content-Length")
        taken = answer[0] == "2" or answer in ("close-late", "stall-headers", "stall-after", "garbage", "interim", "endless", "502")
        self.note(errors=errors, answer=answer, taken=taken, at=time.monotonic(), **seen)
        self.reply(conn, answer)

    def send(self, conn, status, body="", *extra):
        head = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Content-Length: {len(body)}",
                "Connection: close", *extra]
        conn.sendall(("\r\n".join(head) + "\r\n\r\n" + body).encode())

    def reply(self, conn, answer):
        if answer == "close-late":
            return
        if answer == "stall-headers":
            conn.sendall(b"HTTP/1.1 200 O")
            self.stall(conn)
        elif answer == "stall-body":
            conn.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nhalf")
            self.stall(conn)
        elif answer == "stall-after":
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            self.stall(conn)
        elif answer == "garbage":
            conn.sendall(b"\x00\x01 not a web server\r\n\r\n")
        elif answer == "endless":
            conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    conn.sendall(b"x" * 65536)
            except OSError:
                pass
        elif answer == "redirect":
            self.send(conn, 307, "", "Location: http://127.0.0.1:1/elsewhere")
        elif answer == "interim":
            conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
            self.send(conn, 200)
        elif "/" in answer:
            status, after = answer.split("/")
            self.send(conn, int(status), "", f"Retry-After: {after}")
        elif "@" in answer:
            status, after = answer.split("@")
            date = email.utils.formatdate(time.time() + int(after) + 1, usegmt=True)
            self.send(conn, int(status), "", f"Retry-After: {date}")
        else:
            self.send(conn, int(answer))

    def stall(self, conn):
        """Until the other side has had enough."""
        try:
            while conn.recv(65536):
                pass
        except OSError:
            pass


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--log", required=True)
    ap.add_argument("--port-file")
    ap.add_argument("--unix")
    ap.add_argument("--bind", nargs=2, default=["127.0.0.1", "0"])
    ap.add_argument("--tls", nargs=2)
    ap.add_argument("--agentless")
    ap.add_argument("--answers", default="200")
    ap.add_argument("--random", nargs=2)
    ap.add_argument("--keep")
    ap.add_argument("--via", action="store_true")
    opt = ap.parse_args()
    intake = Intake(opt)
    if opt.unix:
        s = socket.socket(socket.AF_UNIX)
        s.bind(opt.unix)
    else:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((opt.bind[0], int(opt.bind[1])))
    s.listen(128)
    if opt.port_file:
        with open(opt.port_file + ".new", "w") as f:
            f.write("ready" if opt.unix else str(s.getsockname()[1]))
        os.rename(opt.port_file + ".new", opt.port_file)
    while True:
        conn, _ = s.accept()
        threading.Thread(target=intake.serve, args=(conn,), daemon=True).start()


if __name__ == "__main__":
    main()
