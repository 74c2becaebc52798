"""200 streams at once through a web server: every chunk arrives, in order, up
to [DONE], whatever slow clients do beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import unittest

from audit import Audit
from load import Call, perform
from rig import LONG, Site, drain, project, rounds

STREAMS = 2000 if LONG else 200
CHUNKS = 40
SLOW_SENDERS = 20
DEAF = 10
PLAIN = 60                      # calls beside them


class Slow:
    """Clients that send two bytes a second, or ask and never read."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.open: list[socket.socket] = []

    def ask(self, extra: int, **fields) -> bytes:
        body = json.dumps({"model": "gpt-4o-mini", "messages": [
            {"role": "user", "content": "[[size=4000000 chunk_tokens=200]]"}], **fields}).encode()
        return (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nAuthorization: Bearer %s\r\n"
                b"Content-Length: %d\r\n\r\n" % (self.key.encode(), len(body) + extra)) + body

    def connect(self) -> socket.socket:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", self.port))
        self.open.append(s)
        return s

    def deaf(self, n: int) -> None:
        for _ in range(n):
            self.connect().sendall(self.ask(0, stream=True))

    async def senders(self, n: int) -> None:
        """Until they are cancelled."""
        slow = [self.connect() for _ in range(n)]
        for s in slow:
            s.sendall(self.ask(10000))
        while True:
            for s in slow:
                with contextlib.suppress(OSError):
                    s.send(b"  ")
            await asyncio.sleep(1)

    def close(self) -> None:
        for s in self.open:
            s.close()


class Streams(Site):
    """Through nginx; a subclass has lighttpd."""

    @rounds
    def test_all_arrives(self, rng):
        self.recover()
        self.stack.fake.reset()
        p, keys = project(self.stores, self.stores.plan("streams"), self.stack.provider, keys=2)
        slow = Slow(self.stack.web.port, keys[1])
        self.addCleanup(slow.close)
        calls = [Call(p, keys[0], True, f"id=s{i} stamp=1 tokens={CHUNKS}"
                      f" per_token={rng.randint(20, 60)} ttft={rng.randint(0, 500)}"
                      + rng.choice(["", f" split={rng.randint(1, 90)}", " eol=crlf"]))
                 for i in range(STREAMS)]
        plain = [Call(p, keys[0], words="tokens=2") for _ in range(PLAIN)]

        async def all_of_them() -> None:
            slow.deaf(DEAF)
            senders = asyncio.create_task(slow.senders(SLOW_SENDERS))
            await asyncio.sleep(0.3)
            streams = [asyncio.create_task(perform(self.stack.web.port, c)) for c in calls]
            for c in plain:
                await perform(self.stack.web.port, c)
                await asyncio.sleep(0.03)
            await asyncio.gather(*streams)
            senders.cancel()

        asyncio.run(all_of_them())
        slow.close()
        for c in calls + plain:
            self.assertTrue(c.complete, str(c))
        for c in calls:
            text = [self.content(d) for d in c.data]
            numbers = [int(t.split(":")[0]) for t in text if ":" in t]
            self.assertEqual(numbers, list(range(len(numbers))), str(c))
            self.assertEqual(len(numbers), CHUNKS, str(c))
        self.assertLess(max(c.seconds for c in plain), 1.0 if not LONG else 5.0)
        time.sleep(1)           # those who left are noticed
        drain(self.stack)
        calls += plain
        calls.append(Call(p, keys[1]))      # for the audit: of the same project
        Audit([self.stack], calls).run()

    def content(self, event: bytes) -> str:
        choices = json.loads(event)["choices"]
        return choices[0]["delta"].get("content") or "" if choices else ""


class StreamsLighttpd(Streams):
    mount = "lighttpd"


if __name__ == "__main__":
    unittest.main()
