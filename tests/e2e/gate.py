"""What the end-to-end tests of the gate have in common: stores that all
classes of a run share, a stack for each class, a clock that it can set, and
requests byte by byte."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import time
import unittest
from pathlib import Path

from stack import MOUNTS, Clock, Stack, Stores, wait_for

LONG = os.environ.get("WL_LONG") == "yes"
AFTER_AUTH = ["X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining",
              "X-RateLimit-Reset", "X-Quota-Limit", "X-Quota-Remaining", "X-Quota-Reset",
              "RateLimit", "RateLimit-Policy", "Server-Timing"]
# words of our own inside, which no answer may have
INTERNALS = ["postgres", "libpq", "hiredis", "SELECT ", "watchllm.event", "/tmp/",
             ".c:", "errno", "lgw_proj_", "redis.sock", "curl", "127.0.0.1", "Traceback"]
_stores: Stores | None = None


def stores() -> Stores:
    """The stores of this run; they end with it."""
    global _stores
    if _stores is None:
        new = Stores()
        atexit.register(new.stop)
        _stores = new.start()
    return _stores


class GateCase(unittest.TestCase):
    """Tests of one stack, which subclasses describe."""

    mount = "nginx"
    conf: dict = {}
    processes = 1
    fake: tuple = ()
    base = ""
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        s = stores()
        cls.clock = Clock(s.dir / f"clock-{cls.__name__}")
        cls.gate = Stack(cls.mount, cls.conf, cls.processes, cls.fake, cls.base,
                         stores=s, env=cls.clock.env)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.gate.stop()
        for name in ("workers", "consumer"):
            status = cls.gate.ended.get(name)
            if status not in (None, 0):
                raise AssertionError(f"{name} ended with {status}, see {cls.tail()}")
        died = cls.gate.log_events("master.died")
        if died:
            raise AssertionError(f"workers died: {died}")

    @classmethod
    def tail(cls) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(cls.gate.log.read_text().splitlines()[-20:])
        return ""

    def peak(self) -> float:
        """The most memory that a process of the gate has used, in MB."""
        owner = self.gate.workers or self.gate.web.daemon
        out = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                name, _, rest = stat.read_text().rpartition(") ")
                if "(watchllm.fcgi" in name and int(rest.split()[3]) == owner.pid:
                    status = stat.with_name("status").read_text()
                    # one that has just ended has no memory any more
                    out += [int(x.split()[0]) / 1024
                            for x in status.split("VmHWM:")[1:]]
        # plain CGI leaves none behind
        self.assertTrue(out or self.mount == "cgi")
        return max(out, default=0.0)

    def counted(self, key: str) -> tuple[int, int]:
        """What is used of the minute and of the month, as the API tells."""
        usage = self.gate.request("GET", "/v1/usage", key=key).json()
        return usage["rateLimit"]["used"], usage["quota"]["used"]

    def error(self, reply, status: int, code: str) -> dict:
        """The error object of a reply that must be this error."""
        self.assertEqual((reply.status, reply.headers["Content-Type"]),
                         (status, "application/json"), reply)
        error = reply.json()["error"]
        self.assertEqual(error["code"], code, error)
        self.plain(reply.body)
        return error

    def plain(self, text: bytes | str) -> None:
        """Nothing of our inside is told."""
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        for word in INTERNALS:
            self.assertNotIn(word, text)

    def ended(self, end: str, seconds: float = 5.0, **fields) -> dict:
        """The newest record of fake_llm's ledger, once a call has this END."""
        def find():
            for r in reversed(self.gate.fake.ledger()):
                if r["end"] == end and all(r[k] == v for k, v in fields.items()):
                    return r
            return None
        return wait_for(find, seconds, 0.02)


def on_every_mount(loader: unittest.TestLoader, case: type, *once: type) -> unittest.TestSuite:
    """CASE behind each web server, and the others once."""
    suite = unittest.TestSuite(map(loader.loadTestsFromTestCase, once))
    for mount in MOUNTS:
        one = type(f"{case.__name__}_{mount}", (case,), {"mount": mount})
        suite.addTests(loader.loadTestsFromTestCase(one))
    return suite


def head(method: str, path: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{k}: {v}" for k, v in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def raw(port: int, data: bytes, seconds: float = 20.0) -> bytes:
    """What the server says to DATA until it closes, or has nothing to add."""
    out = b""
    with socket.create_connection(("127.0.0.1", port), seconds) as s:
        s.settimeout(seconds)
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
        with contextlib.suppress(ConnectionError):
            while not complete(out) and (part := s.recv(65536)):
                out += part
    return out


def complete(reply: bytes) -> bool:
    """Whether this is a whole reply, by its Content-Length or last chunk."""
    top, found, body = reply.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in top.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
        if line.startswith(b"transfer-encoding:"):
            return body.endswith(b"0\r\n\r\n")
    return False


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.") else 0


def events(response, seconds: float = 30.0) -> list[tuple[float, str]]:
    """Each line of an open stream with the time at which it came."""
    end = time.monotonic() + seconds
    out = []
    with contextlib.suppress(ConnectionError):
        for line in response:
            out.append((time.time(), line.decode(errors="replace").rstrip("\r\n")))
            if time.monotonic() > end:
                raise AssertionError(f"the stream has not ended after {seconds} s")
    return out


def data(lines: list[tuple[float, str]]) -> list:
    """The data of a stream's events: JSON read, other text as it is."""
    out: list = []
    for _, line in lines:
        if line.startswith("data:"):
            text = line[5:].strip()
            try:
                out.append(json.loads(text) if text.startswith("{") else text)
            except json.JSONDecodeError:
                out.append(text)
    return out


def data_of(body: bytes) -> list:
    """The same of a whole body, whatever ends its lines."""
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    return data([(0, line) for line in text.split("\n")])
