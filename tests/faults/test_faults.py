"""Parts are killed, stopped and emptied under 200 clients; after each run
nothing may be lost and nothing counted twice: see audit.py."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import unittest
from collections import Counter
from pathlib import Path
from typing import ClassVar

from audit import Audit
from load import Call, Traffic, volley
from rig import (Site, drain, file_limit, kill, postgres_kill, postgres_pids, postgres_start,
                 project, reconcile, records, redis_kill, redis_start, remove, restart_consumer,
                 rounds, segments, spool, stopped, wait_for, workers)

CLIENTS = 200
PROCESSES = 3
# redis_timeout, and what a busy machine adds
GATE_MS = 50 + 350
CRASHES = ["drain_before_copy", "drain_after_copy", "drain_before_commit", "drain_after_commit",
           "drain_before_unlink", "drain_after_lost", "fixup_before_delete"]


class Attacked(Site):
    """What is attacked, and how it is seen that nothing came of it."""

    processes = PROCESSES

    def setUp(self):
        self.calls: list[Call] = []
        self.recover()

    # -- a run

    def keys(self, rng) -> list[tuple[str, str]]:
        """Several projects, some with several keys, with all kinds of limits."""
        out = []
        for i in range(4):
            plan = self.stores.plan(f"load-{i}", concurrent=1000 if i % 2 else None,
                                    kind="sliding" if i > 1 else "fixed")
            own = {"requests_per_month": 10**8, "requests_per_minute": 10**7} if i > 0 else {}
            p, keys = project(self.stores, plan, self.stack.provider, keys=1 + i, **own)
            out += [(p, k) for k in keys]
        return out

    def attack(self, rng, harm, after: float = 0.7, clients: int = CLIENTS,
               **expected) -> Traffic:
        """HARM(traffic) under load; then all must work again, and add up."""
        stack = self.stack
        self.recover()
        self.stores.sql("TRUNCATE watchllm.dead_letter", "postgres")
        remove(spool(stack) / "quarantine")
        stack.fake.reset()
        self.pids = workers(stack)
        self.log_from = stack.log.stat().st_size if stack.log.exists() else 0
        keys = self.keys(rng)
        self.clock.minute()
        with Traffic([stack.web.port], keys, clients, rng) as traffic:
            wait_for(lambda: traffic.finished() >= clients // 2)
            time.sleep(rng.random())
            harm(traffic)
            time.sleep(after)
        last = [Call(p, k, words="tokens=1") for p, k in dict(keys).items()]
        volley(stack.web.port, last)
        self.assertEqual([str(c) for c in last if not c.complete or c.degraded], [],
                         "it did not recover")
        self.calls = traffic.calls + last
        drain(stack)
        self.audit = Audit([stack], self.calls, **expected).run()
        reconcile(stack, self.clock)
        self.audit.reconciled()
        return traffic

    def log_rows(self) -> list[dict]:
        """What workers said during the run."""
        with open(self.stack.log) as f:
            f.seek(self.log_from)
            rows = [json.loads(line) for line in f]
        return [r for r in rows if r["program"] == "watchllm.fcgi"]

    def said(self, event: str) -> Counter:
        """How often each of them said that."""
        return Counter(r["pid"] for r in self.log_rows() if r["event"] == event)

    def assert_complete(self, calls: list[Call]) -> None:
        bad = [str(c) for c in calls if not c.complete]
        self.assertEqual(bad[:5], [], f"{len(bad)} of {len(calls)} calls")


class Faults(Attacked):
    # -- workers

    @rounds
    def test_worker_killed(self, rng):
        killed = []

        def harm(traffic):
            for _ in range(2):
                wait_for(lambda: len(workers(self.stack)) == PROCESSES)
                kill(rng.choice(workers(self.stack)))
                killed.append(time.monotonic())
                time.sleep(rng.random())
            wait_for(lambda: len(workers(self.stack)) == PROCESSES)

        traffic = self.attack(rng, harm)
        cut = [c for c in traffic.calls if not c.complete]
        self.assertTrue(any(c.stream and c.status == 200 for c in cut),
                        "no stream was under way")
        # who was with another worker, or came after, noticed nothing
        for c in cut:
            self.assertTrue(any(c.began < k + 0.1 and k < c.ended + 0.1 for k in killed),
                            str(c))
        self.assertLess(len(cut), 2 * CLIENTS * 0.8)
        self.assertTrue(any(e["status"] == "lost" for e in self.audit.events))

    @rounds
    def test_worker_signals(self, rng):
        """Reload and orderly end under load: nobody is cut off."""
        def harm(traffic):
            for _ in range(6):
                kill(self.stack.workers.pid, signal.SIGHUP)
                time.sleep(rng.random() * 0.2)
            for _ in range(2):
                pid = rng.choice(workers(self.stack))
                kill(pid, signal.SIGTERM)
                wait_for(lambda: pid not in workers(self.stack))
                wait_for(lambda: len(workers(self.stack)) == PROCESSES)

        traffic = self.attack(rng, harm)
        self.assert_complete(traffic.calls)

    @rounds
    def test_all_stopped(self, rng):
        """SIGTERM of the parent: what runs comes to its end."""
        ended = []

        def harm(traffic):
            began = time.monotonic()
            self.assertEqual(self.stack.workers.stop(40), 0)
            ended.append((began, time.monotonic()))
            self.stack.start_workers()

        traffic = self.attack(rng, harm)
        began, over = ended[0]
        self.assert_complete([c for c in traffic.calls if c.ended and (
            c.ended < began or c.began > over + 0.2 or (c.first and c.first < began))])

    # -- consumer

    @rounds
    def test_consumer_killed(self, rng):
        def harm(traffic):
            for _ in range(8):
                time.sleep(rng.random() * 0.3)
                self.stack.consumer.kill()
                restart_consumer(self.stack)

        traffic = self.attack(rng, harm)
        self.assert_complete(traffic.calls)

    @rounds
    def test_consumer_crashes(self, rng):
        """At each place where one transaction, or one file, follows another."""
        def harm(traffic):
            for place in rng.sample(CRASHES, len(CRASHES)):
                restart_consumer(self.stack, {"WATCHLLM_CRASH_AT": place})
                if place in ("drain_before_unlink", "drain_after_lost"):
                    kill(rng.choice(workers(self.stack)))
                for _ in range(20):
                    # a call between its decision and its record makes a fixup
                    # necessary; there need not be one at each time
                    if place == "fixup_before_delete":
                        self.stores.redis("FLUSHALL")
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self.stack.consumer.proc.wait(1)
                        break
                self.assertEqual(self.stack.consumer.proc.returncode, -signal.SIGKILL,
                                 place)
            restart_consumer(self.stack)

        self.attack(rng, harm, data_lost=True)

    # -- Redis

    def until_up(self) -> None:
        wait_for(lambda: self.said("redis.up") == self.said("redis.down"), 5)

    def limiter(self, traffic: Traffic, down: float, up: float) -> None:
        """While Redis was away calls went on at once; each worker said so
        once, and once that it is back."""
        self.assert_complete(traffic.calls)
        degraded = [c for c in traffic.calls if c.degraded]
        self.assertTrue(degraded)
        for c in degraded:
            self.assertNotIn("x-ratelimit-remaining", c.headers)
            self.assertTrue(down - 0.5 < c.began < up + 2.5, str(c))
        slow = max(traffic.calls, key=lambda c: c.gate_ms)
        self.assertLess(slow.gate_ms, GATE_MS, str(slow))
        # a worker without a call meanwhile has noticed nothing
        said = self.said("redis.down")
        self.assertEqual(said, self.said("redis.up"))
        self.assertEqual(said, dict.fromkeys(said, 1))
        self.assertTrue(0 < len(said) <= len(self.pids))

    @rounds
    def test_redis_killed(self, rng):
        times = []

        def harm(traffic):
            times.append(time.monotonic())
            redis_kill(self.stores)
            time.sleep(0.5 + rng.random())
            redis_start(self.stores)
            times.append(time.monotonic())
            self.until_up()

        traffic = self.attack(rng, harm)
        self.limiter(traffic, *times)

    @rounds
    def test_redis_stopped(self, rng):
        times = []

        def harm(traffic):
            times.append(time.monotonic())
            with stopped([self.stores.redis_pid()]):
                time.sleep(1 + rng.random())
            times.append(time.monotonic())
            self.until_up()

        traffic = self.attack(rng, harm)
        self.limiter(traffic, *times)

    @rounds
    def test_redis_emptied(self, rng):
        def harm(traffic):
            for _ in range(3):
                self.stores.redis("FLUSHALL")
                time.sleep(rng.random())

        traffic = self.attack(rng, harm, data_lost=True)
        self.assert_complete(traffic.calls)
        self.assertEqual([str(c) for c in traffic.calls if c.degraded], [])

    # -- PostgreSQL

    def warm(self, traffic: Traffic) -> None:
        """Each worker sees each key."""
        calls = [Call(p, k, words="tokens=1") for p, k in traffic.keys for _ in range(40)]
        traffic.calls += calls
        volley(self.stack.web.port, calls)

    def without_postgres(self, traffic: Traffic) -> None:
        """Keys that are known need none: refused are those alone that a
        worker had to look up."""
        details = {}
        for row in self.log_rows():
            if row["event"] == "request":
                details[row["request_id"]] = row.get("detail", "")
        bad = [c for c in traffic.calls if not c.complete]
        for c in bad:
            self.assertEqual(c.status, 503, str(c))
            self.assertTrue(details[c.request_id].startswith("key look-up"),
                            details[c.request_id])
        self.assertLess(len(bad), len(traffic.calls) / 100)

    @rounds
    def test_postgres_killed(self, rng):
        def harm(traffic):
            self.warm(traffic)
            for _ in range(2):
                postgres_kill(self.stores)
                time.sleep(rng.random())
                postgres_start(self.stores)
                time.sleep(0.5 + rng.random())

        self.without_postgres(self.attack(rng, harm))

    @rounds
    def test_postgres_stopped(self, rng):
        def harm(traffic):
            self.warm(traffic)
            with stopped(postgres_pids(self.stores)):
                time.sleep(2 + 2 * rng.random())

        self.without_postgres(self.attack(rng, harm))

    @rounds
    def test_everything_killed(self, rng):
        """All at one moment."""
        def harm(traffic):
            for pid in workers(self.stack):
                kill(pid)
            self.stack.consumer.kill()
            kill(self.stores.redis_pid())
            postgres_kill(self.stores)
            redis_kill(self.stores)
            time.sleep(rng.random())
            postgres_start(self.stores)
            redis_start(self.stores)
            restart_consumer(self.stack)
            wait_for(lambda: len(workers(self.stack)) == PROCESSES)

        self.attack(rng, harm, after=1.5)


class Spool(Attacked):
    """The journal has no room, or its disk refuses, or its files are spoiled."""

    settings: ClassVar[dict] = {"spool_segment": "64k", "spool_max": "4m"}

    def refused(self, calls: list[Call]) -> list[Call]:
        """Calls that could not be recorded, each refused as it should be; all
        others were answered whole."""
        bad = [c for c in calls if not c.complete]
        self.assertTrue(bad, "nothing was refused")
        for c in bad:
            self.assertEqual((c.status, json.loads(c.body)["error"]["code"]),
                             (503, "unavailable"), str(c))
            self.assertIn("retry-after", c.headers)
            self.assertNotIn(b"/", c.body.replace(b"https://", b""))
        return bad

    @rounds
    def test_full(self, rng):
        most = []

        def harm(traffic):
            with stopped([self.stack.consumer.pid]):
                wait_for(lambda: any(c.status == 503 for c in list(traffic.calls)))
                for _ in range(5):
                    time.sleep(0.2)
                    most.append(sum(p.stat().st_size for p in segments(self.stack)))

        traffic = self.attack(rng, harm, after=1.5)
        self.refused(traffic.calls)
        self.assertLess(max(most), 4 * 2**20)

    @rounds
    def test_read_only(self, rng):
        """New segments cannot be made, old ones not be removed."""
        def harm(traffic):
            spool(self.stack).chmod(0o500)
            try:
                wait_for(lambda: any(c.status == 503 for c in list(traffic.calls)))
                time.sleep(rng.random())
            finally:
                spool(self.stack).chmod(0o700)

        traffic = self.attack(rng, harm, after=1.5)
        self.refused(traffic.calls)

    @rounds
    def test_refusing_disk(self, rng):
        """A write that is cut short by a limit leaves nothing behind."""
        def harm(traffic):
            pids = workers(self.stack)
            for pid in pids:
                file_limit(pid, rng.randint(20000, 60000))
            wait_for(lambda: any(c.status == 503 for c in list(traffic.calls)))
            time.sleep(rng.random())
            for pid in pids:
                file_limit(pid, None)

        traffic = self.attack(rng, harm, after=1.5, ends_refused=True)
        self.refused(traffic.calls)

    def undrained(self, path: Path) -> list[tuple[int, int, str, str]]:
        """Its records that no consumer has read yet."""
        mark = self.stores.sql("SELECT drained_bytes FROM watchllm.journal_mark"
                               f" WHERE segment = '{path.name}'", "postgres")
        return [r for r in records(path) if r[0] >= (int(mark[0][0]) if mark else 0)]

    def spoil(self, rng, path: Path, how: str) -> tuple[set[str], int]:
        """Damage a segment of a dead worker. The calls that have a record
        behind that point, and the bytes that are none any more."""
        data, found = path.read_bytes(), self.undrained(path)
        begin, end, _, _ = found[-1] if how == "short" else rng.choice(found)
        if how == "short":
            data = data[:rng.randint(begin + 1, end - 1)]
        elif how == "flipped":
            at = rng.randint(begin + 12, end - 1)
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]
        elif how == "huge":
            data = data[:begin + 4] + b"\xff\xff\xff\x7f" + data[begin + 8:]
        else:
            begin = end = len(data)
            data += bytes(5000) if how == "zeros" else rng.randbytes(100)
        path.write_bytes(data)
        return {r[3] for r in found if r[0] >= begin}, len(data) - begin

    @rounds
    def test_spoiled(self, rng):
        """What comes before the damage is kept, the rest set aside."""
        spoiled: set[str] = set()
        sizes = []
        hows = ["short", "flipped", "huge", "zeros", "garbage"]

        def harm(traffic):
            self.stack.consumer.stop()
            time.sleep(1.0)
            for how in rng.sample(hows, len(hows)):
                def of(pid):
                    return [s for s in segments(self.stack)
                            if s.name.startswith(f"{pid}-") and self.undrained(s)]

                pid = wait_for(lambda: next((p for p in workers(self.stack) if of(p)), None))
                kill(pid)
                wait_for(lambda: pid not in workers(self.stack))
                own = of(pid)
                lost, size = self.spoil(rng, rng.choice(own), how)
                spoiled.update(lost)
                sizes.append(size)
            restart_consumer(self.stack, {"WATCHLLM_CRASH_AT": "drain_after_quarantine"})
            wait_for(lambda: self.stack.consumer.proc.poll() is not None, 10)
            self.assertEqual(self.stack.consumer.proc.returncode, -signal.SIGKILL)
            restart_consumer(self.stack)

        self.attack(rng, harm, spoiled=spoiled, dead_letters=len(hows),
                    quarantined=len(hows))
        aside = spool(self.stack) / "quarantine"
        self.assertEqual(Counter(sizes) - Counter(p.stat().st_size for p in aside.iterdir()),
                         Counter())
        remove(aside)


if __name__ == "__main__":
    unittest.main()
