"""Many clients at once: gateway calls over HTTP/1.1, and what each of them saw.
One thread runs an event loop for all of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Self

MODEL = "gpt-4o-mini"
LATE = 60.0                     # no call may take longer


@dataclass
class Call:
    """One call, as its client saw it."""

    project: str
    key: str
    stream: bool = False
    words: str = ""             # directives for fake_llm
    fields: dict = field(default_factory=dict)
    status: int = 0             # 0: no answer came
    headers: dict = field(default_factory=dict)
    whole: bool = False         # the answer came to its proper end
    done: bool = False          # a stream, with [DONE]
    data: list = field(default_factory=list)    # events of a stream
    body: bytes = b""
    error: str = ""
    began: float = 0.0          # monotonic
    first: float = 0.0          # its head was there
    ended: float = 0.0

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def complete(self) -> bool:
        """A client would take this for the answer to its call."""
        return self.status == 200 and self.whole and (self.done or not self.stream)

    @property
    def degraded(self) -> bool:
        return "x-watchllm-limiter" in self.headers

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def gate_ms(self) -> float:
        """What the limiter took, by Server-Timing."""
        for part in self.headers.get("server-timing", "").split(","):
            name, _, value = part.strip().partition(";dur=")
            if name == "gate":
                return float(value)
        return 0.0

    def __str__(self) -> str:
        kind = "stream" if self.stream else "call"
        return (f"{kind} {self.request_id or '(no id)'} of {self.project}: {self.status}"
                f"{'' if self.whole else ' cut'}{' done' if self.done else ''}"
                f" after {self.seconds:.3f} s {self.error} {self.body[:160]!r}")

    def request(self) -> bytes:
        text = f"a call [[{self.words}]]" if self.words else "a call"
        body = json.dumps({
            "model": MODEL, "messages": [{"role": "user", "content": text}],
            **({"stream": True} if self.stream else {}), **self.fields}).encode()
        return (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                b"Connection: close\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
                % (self.key.encode(), len(body))) + body


async def _chunked(reader: asyncio.StreamReader, take) -> bool:
    """The body by chunks; whether its end came."""
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            return False
        size = int(line.split(b";")[0], 16)
        if size == 0:
            await reader.readline()
            return True
        data = await reader.readexactly(size + 2)
        take(data[:-2])


def _events(call: Call, rest: bytes) -> bytes:
    """Move whole lines of a stream to CALL; what is left of the last one."""
    *lines, rest = rest.split(b"\n")
    for line in lines:
        if line.startswith(b"data:"):
            text = line[5:].strip()
            if text == b"[DONE]":
                call.done = True
            else:
                call.data.append(text)
    return rest


async def _read(call: Call, reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    call.first = time.monotonic()
    lines = head.decode("latin-1").split("\r\n")
    call.status = int(lines[0].split()[1])
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name:
            call.headers[name.lower()] = value.strip()
    rest = b""

    def take(data: bytes) -> None:
        nonlocal rest
        if call.stream and call.status == 200:
            rest = _events(call, rest + data)
        else:
            call.body += data

    if "chunked" in call.headers.get("transfer-encoding", ""):
        call.whole = await _chunked(reader, take)
    elif "content-length" in call.headers:
        take(await reader.readexactly(int(call.headers["content-length"])))
        call.whole = True
    else:
        # its end cannot be told from a cut; a stream has [DONE]
        while data := await reader.read(65536):
            take(data)
        call.whole = call.done


async def perform(port: int, call: Call, start: asyncio.Barrier | None = None) -> Call:
    """Make CALL; with START connections are opened before, calls made after."""
    writer = None
    call.began = time.monotonic()
    try:
        async with asyncio.timeout(LATE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            if start is not None:
                await start.wait()
                call.began = time.monotonic()
            writer.write(call.request())
            await _read(call, reader)
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as e:
        call.error = f"{type(e).__name__}: {e}"
    except TimeoutError:
        call.error = f"nothing more within {LATE:.0f} s"
    finally:
        call.ended = time.monotonic()
        if writer is not None:
            writer.close()
    return call


async def _volley(port: int, calls: list[Call]) -> None:
    start = asyncio.Barrier(len(calls))
    await asyncio.gather(*(perform(port, c, start) for c in calls))


def volley(port: int, calls: list[Call]) -> list[Call]:
    """All CALLS at one moment."""
    asyncio.run(_volley(port, calls))
    return calls


class Traffic:
    """N clients that call one after the other, each at once again, from the
    beginning of the with-block to its end; calls under way are awaited."""

    def __init__(self, ports: list[int], keys: list[tuple[str, str]], n: int, rng: random.Random,
                 pause: float = 0.0, **words: int) -> None:
        self.ports, self.keys, self.n = ports, keys, n
        self.seed = rng.getrandbits(48)
        self.pause = pause
        self.words = words
        self.calls: list[Call] = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))
        self.count = itertools.count()

    def make(self, rng: random.Random) -> Call:
        project, key = rng.choice(self.keys)
        stream = rng.random() < 0.5
        words = {"tokens": rng.randint(4, 20), "latency": rng.randint(0, 80),
                 "per_token": rng.randint(20, 60) if stream else rng.randint(5, 40),
                 **self.words}
        return Call(project, key, stream, f"id=c{next(self.count)} "
                    + " ".join(f"{k}={v}" for k, v in words.items()))

    async def client(self, i: int) -> None:
        rng = random.Random(self.seed + i)
        while not self.ending.is_set():
            call = self.make(rng)
            self.calls.append(call)
            await perform(rng.choice(self.ports), call)
            # who is refused at once must not spin
            if call.status != 200:
                await asyncio.sleep(0.1)
            elif self.pause:
                await asyncio.sleep(rng.random() * 2 * self.pause)

    async def run(self) -> None:
        await asyncio.gather(*(self.client(i) for i in range(self.n)))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self.ending.set()
        self.thread.join(LATE + 30)
        if self.thread.is_alive():
            raise AssertionError("clients did not come to an end")

    def finished(self) -> int:
        return sum(1 for c in list(self.calls) if c.ended)

    def running(self) -> int:
        return sum(1 for c in list(self.calls) if c.began and not c.ended)

    def between(self, began: float, ended: float) -> list[Call]:
        """Calls that began in that time."""
        return [c for c in self.calls if began <= c.began < ended]
