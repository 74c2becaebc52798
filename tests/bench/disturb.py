"""Bad neighbours: clients that send their body at two bytes a second, and
clients that never read, through nginx and straight to the worker's socket.
What they do to others is measured by calls and streams beside them."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time

import calls
import streams
from rig import MODEL, Rig, median, pss_kb
from stack import wait_for

SLOW = 50       # of each kind
DEAF = 20
ENDLESS = "[[tokens=2000000 chunk_tokens=256]] on and on"


def request_body(text: str) -> bytes:
    return json.dumps({"model": MODEL, "stream": True,
                       "messages": [{"role": "user", "content": text}]}).encode()


def http_head(rig: Rig, length: int) -> bytes:
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {rig.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def record(kind: int, content: bytes) -> bytes:
    """A FastCGI record."""
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def fcgi_head(rig: Rig, length: int) -> bytes:
    """BEGIN_REQUEST and PARAMS of a call whose body is to come."""
    pairs = b""
    for name, value in {
            "REQUEST_METHOD": "POST", "REQUEST_URI": "/v1/chat/completions",
            "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(length),
            "REMOTE_ADDR": "127.0.0.1", "HTTP_AUTHORIZATION": f"Bearer {rig.key}"}.items():
        pairs += bytes([len(name), len(value)]) + name.encode() + value.encode()
    return (record(1, struct.pack(">HB5x", 1, 0)) + record(4, pairs) + record(4, b""))


class Neighbours:
    """All the bad clients at once, until close()."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.ending = rig, threading.Event()
        self.slow: list[tuple[socket.socket, bool]] = []
        self.deaf: list[socket.socket] = []
        self.body = request_body("slowly " * 20)
        whole = request_body(ENDLESS)
        for _ in range(SLOW):
            self.slow.append((self.http(http_head(rig, len(self.body))), False))
            self.slow.append((self.fcgi(fcgi_head(rig, len(self.body))), True))
        for _ in range(DEAF):
            self.deaf.append(self.http(http_head(rig, len(whole)) + whole))
            self.deaf.append(self.fcgi(fcgi_head(rig, len(whole)) + record(5, whole)
                                       + record(5, b"")))
        self.sent = 0
        self.thread = threading.Thread(target=self.drip)
        self.thread.start()

    def http(self, data: bytes) -> socket.socket:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", self.rig.ports["gate"]))
        s.sendall(data)
        return s

    def fcgi(self, data: bytes) -> socket.socket:
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.rig.sock("gate")))
        s.sendall(data)
        return s

    def drip(self) -> None:
        while not self.ending.wait(1):
            piece = self.body[self.sent:self.sent + 2]
            self.sent += 2
            for s, raw in self.slow:
                s.sendall(record(5, piece) if raw else piece)

    def close(self) -> None:
        self.ending.set()
        self.thread.join()
        for s in [s for s, _ in self.slow] + self.deaf:
            s.close()


def active(rig: Rig) -> int:
    return json.loads(rig.fake.call("GET", "/_fake/stats"))["active"]


def is_still(rig: Rig) -> bool:
    """Whether the buffers of those that never read are full."""
    before = rig.cpu()["gate"]
    time.sleep(0.2)
    return rig.cpu()["gate"] - before < 4000


def beside(rig: Rig, seconds: int) -> dict:
    """Calls, then streams, as others have them."""
    call = calls.wrk(rig, "gate", 16, seconds)
    chunks = seconds * 1000 // streams.PER_TOKEN_MS
    stream = streams.finish(streams.start(rig, "gate", 100, chunks, 300))
    return {"rps": call["rps"], "call_p50_us": call["p50_us"], "call_p99_us": call["p99_us"],
            "chunk_p50_us": stream["p50_us"], "chunk_p99_us": stream["p99_us"],
            "lost": stream["lost"]}


def measure(rig: Rig, rounds: int, seconds: int) -> dict:
    rig.restart_gate("gate")
    streams.warm(rig, "gate")
    runs: dict[str, list[dict]] = {"quiet": [], "disturbed": []}
    kb = 0.0
    for _ in range(rounds):
        runs["quiet"].append(beside(rig, seconds))
        before = pss_kb(rig.groups()["gate"])
        bad = Neighbours(rig)
        try:
            wait_for(lambda: active(rig) >= 2 * DEAF and is_still(rig))
            runs["disturbed"].append(beside(rig, seconds))
            kb = max(kb, (pss_kb(rig.groups()["gate"]) - before) / (2 * SLOW + 2 * DEAF))
        finally:
            bad.close()
        wait_for(lambda: active(rig) == 0)
    out: dict = {name: {k: median([r[k] for r in rs]) for k in rs[0]} for name, rs in runs.items()}
    out["rounds"], out["kb_per_bad_client"] = rounds, kb
    return out


def show(m: dict) -> list[str]:
    rows = [f"bad neighbours: {2 * SLOW} clients that send 2 bytes/s, {2 * DEAF} that never read"
            f" ({m['rounds']} rounds; {m['kb_per_bad_client']:.0f} KB each)", "",
            "| | calls/s, c=16 | call p50 / p99 µs | chunk delay p50 / p99 µs | lost |",
            "|---|---|---|---|---|"]
    for name in ("quiet", "disturbed"):
        r = m[name]
        rows.append(f"| {name} | {r['rps']:,.0f} | {r['call_p50_us']:,.0f} /"
                    f" {r['call_p99_us']:,.0f} | {r['chunk_p50_us']:,.0f} /"
                    f" {r['chunk_p99_us']:,.0f} | {r['lost']:.0f} |")
    return rows + [""]
