"""Limits under many calls at once: as many are admitted as the limit says, or
as there are calls, and not one more or less."""

from __future__ import annotations

import random
import time
import unittest
from collections import Counter

from audit import Audit
from load import Call, volley
from rig import LONG, Case, Clock, Stack, Stores, drain, project, seeds

N = 1000 if LONG else 200
LIMITS = [0, 1, 10, N - 1, N, N + 1]
ANSWER = "tokens=1"
REFUSALS = {"minute": "rate_limit_exceeded", "month": "quota_exceeded",
            "key": "rate_limit_exceeded"}


class Races(Case):
    """Subclasses say where limits are counted."""

    counters = "redis"
    settings: dict = {}

    @classmethod
    def setUpClass(cls):
        cls.stores = Stores()
        cls.addClassCleanup(cls.stores.stop)
        cls.stores.start()
        cls.clock = Clock(cls.stores.dir / "clock")
        cls.stack = Stack("nginx", {
            "counters": cls.counters, "log_level": "warn",
            # a thousand at once wait for each other, on any machine
            "redis_timeout": "20s", "database_timeout": "20s",
            "auth_failures_per_minute": "1000000", **cls.settings},
            processes=2, stores=cls.stores, env=cls.clock.env)
        cls.addClassCleanup(cls.stack.stop)

    def fresh(self, what: str, kind: str, limit: int) -> list[Call]:
        """N calls of a new project of which LIMIT are allowed."""
        plan = self.stores.plan(f"{what}-{kind}-{limit}",
                                minute=limit if what == "minute" else 10**9,
                                month=limit if what == "month" else 10**9, kind=kind)
        own = {"requests_per_minute": limit} if what == "key" else {}
        p, keys = project(self.stores, plan, self.stack.provider, **own)
        return [Call(p, keys[0], words=ANSWER) for _ in range(N)]

    def check(self, calls: list[Call], limit: int, what: str) -> None:
        got = Counter((c.status, c.error) for c in calls)
        allowed = min(limit, N)
        self.assertEqual(got, Counter({(200, ""): allowed, (429, ""): N - allowed}) - Counter())
        for c in calls:
            if c.status == 429:
                self.assertIn(REFUSALS[what].encode(), c.body)
        # what is left, as the admitted were told: each figure once
        head = "x-quota-remaining" if what == "month" else "x-ratelimit-remaining"
        left = sorted(int(c.headers[head]) for c in calls if c.status == 200)
        self.assertEqual(left, list(range(limit - allowed, limit)))

    def race(self, rng: random.Random, what: str, kind: str) -> None:
        self.stack.fake.reset()
        done: list[Call] = []
        for limit in rng.sample(LIMITS, len(LIMITS)):
            with self.subTest(what=what, kind=kind, limit=limit):
                calls = self.fresh(what, kind, limit)
                self.clock.minute()
                volley(self.stack.web.port, calls)
                self.check(calls, limit, what)
                done += calls
        drain(self.stack)
        Audit([self.stack], done).run()
        self.stack.start_workers()

    def test_fixed(self):
        for seed in seeds():
            with self.seeded(seed) as rng:
                self.race(rng, "minute", "fixed")

    def test_sliding(self):
        for seed in seeds():
            with self.seeded(seed) as rng:
                self.race(rng, "minute", "sliding")

    def test_month(self):
        for seed in seeds():
            with self.seeded(seed) as rng:
                self.race(rng, "month", "fixed")

    def test_key(self):
        for seed in seeds():
            with self.seeded(seed) as rng:
                self.race(rng, "key", rng.choice(["fixed", "sliding"]))

    def test_windows(self):
        """A fixed window opens again with the next minute, a sliding one for
        each call when 60 s are over."""
        limit = N // 2
        for kind in ("fixed", "sliding"):
            with self.subTest(kind=kind):
                calls = self.fresh("minute", kind, limit)
                self.clock.minute()
                volley(self.stack.web.port, calls)
                self.check(calls, limit, "minute")
                # 58 s after the first call was sent none has left the window
                self.clock.move(58 - (time.monotonic() - calls[0].began))
                again = [Call(calls[0].project, calls[0].key, words=ANSWER) for _ in range(N)]
                if kind == "sliding":
                    volley(self.stack.web.port, again)
                    self.assertEqual(Counter(c.status for c in again), {429: N})
                self.clock.move(62)
                again = [Call(calls[0].project, calls[0].key, words=ANSWER) for _ in range(N)]
                self.clock.minute()
                volley(self.stack.web.port, again)
                self.check(again, limit, "minute")

    def test_concurrent(self):
        """Slots: no more calls at once than allowed, and all are given back."""
        for limit in (1, 7):
            p, keys = project(self.stores, self.stores.plan(f"slots-{limit}", concurrent=limit),
                              self.stack.provider)
            for _ in range(2):
                calls = [Call(p, keys[0], words="tokens=1 latency=1500") for _ in range(40)]
                volley(self.stack.web.port, calls)
                self.assertEqual(Counter(c.status for c in calls), {200: limit, 429: 40 - limit})
                for c in calls:
                    if c.status == 429:
                        self.assertIn(b"concurrency_exceeded", c.body)


class RacesPostgres(Races):
    counters = "postgres"


if __name__ == "__main__":
    unittest.main()
