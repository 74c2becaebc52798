"""Limits under many calls at once: as many are admitted as the limit says, or
as there are calls, and not one more or less."""

from __future__ import annotations

import time
import unittest
from collections import Counter
from typing import ClassVar

from audit import Audit
from load import Call, Traffic, volley
from rig import (LONG, Site, drain, postgres_kill, postgres_start, project, redis_kill,
                 redis_start, rounds, wait_for)

N = 1000 if LONG else 200
LIMITS = [0, 1, 10, N - 1, N, N + 1]
ANSWER = "tokens=1"
REFUSALS = {"minute": "rate_limit_exceeded", "month": "quota_exceeded",
            "key": "rate_limit_exceeded"}


class Races(Site):
    """Where limits are counted is said by subclasses."""

    # a thousand at once wait for each other, on any machine
    settings: ClassVar[dict] = {"redis_timeout": "20s", "database_timeout": "20s"}

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

    @rounds
    def test_limits(self, rng):
        """Of the project and of its key, per minute and per month."""
        self.stack.fake.reset()
        done: list[Call] = []
        shots = [(what, kind, limit) for what, kind in
                 [("minute", "fixed"), ("minute", "sliding"), ("month", "fixed"),
                  ("key", rng.choice(["fixed", "sliding"]))] for limit in LIMITS]
        for what, kind, limit in rng.sample(shots, len(shots)):
            with self.subTest(what=what, kind=kind, limit=limit):
                calls = self.fresh(what, kind, limit)
                self.clock.minute()
                volley(self.stack.web.port, calls)
                self.check(calls, limit, what)
                done += calls
        drain(self.stack)
        Audit([self.stack], done).run()
        self.recover()

    def setUp(self):
        self.recover()

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
        limit = 7
        p, keys = project(self.stores, self.stores.plan(f"slots-{limit}", concurrent=limit),
                          self.stack.provider)
        for _ in range(2):
            calls = [Call(p, keys[0], words="tokens=1 latency=1200") for _ in range(60)]
            volley(self.stack.web.port, calls)
            self.assertEqual(Counter(c.status for c in calls), {200: limit, 429: 60 - limit})
            for c in calls:
                if c.status == 429:
                    self.assertIn(b"concurrency_exceeded", c.body)


class RacesPostgres(Races):
    settings: ClassVar[dict] = {"counters": "postgres", "database_timeout": "20s"}


class Killed(Site):
    """The counters' server dies under load, and who cannot ask is refused."""

    settings: ClassVar[dict] = {"on_redis_failure": "closed"}
    waits = 0.05 + 0.5          # until a refusal: redis_timeout, and a busy machine

    def down(self) -> None:
        redis_kill(self.stores)

    def up(self) -> None:
        redis_start(self.stores)

    def until_full(self, calls: list[Call]) -> None:
        """Call until nobody is admitted any more."""
        def more() -> bool:
            shot = [Call(calls[0].project, calls[0].key, words=ANSWER) for _ in range(100)]
            calls.extend(volley(self.stack.web.port, shot))
            return all(c.status == 429 for c in shot)

        wait_for(more, 40)

    @rounds
    def test_limit(self, rng):
        self.recover()
        self.stack.fake.reset()
        limit = rng.randint(300, 1200)
        what, kind = rng.choice([("minute", "fixed"), ("minute", "sliding"), ("month", "fixed")])
        plan = self.stores.plan(f"killed-{what}-{kind}-{limit}", **{what: limit}, kind=kind)
        p, (key,) = project(self.stores, plan, self.stack.provider)
        self.clock.minute()
        with Traffic([self.stack.web.port], [(p, key)], 100, rng, tokens=1, latency=20,
                     per_token=0) as traffic:
            for _ in range(3):
                time.sleep(rng.random() * 0.6)
                self.down()
                time.sleep(rng.random() * 0.4)
                self.up()
            time.sleep(0.5)
        calls = traffic.calls
        self.until_full(calls)
        drain(self.stack)
        Audit([self.stack], calls).run()
        self.recover()
        self.until_full(calls)
        got = Counter(c.status for c in calls)
        self.assertEqual(set(got) - {200, 429, 503}, set(), got)
        self.assertLessEqual(got[200], limit, (what, kind))
        # a call in doubt may have taken its place, but no other has
        self.assertGreaterEqual(got[200] + got[503], limit, (what, kind))
        for c in calls:
            if c.status == 503:
                self.assertIn("retry-after", c.headers)
                self.assertLess(c.seconds, self.waits, str(c))


class KilledPostgres(Killed):
    settings: ClassVar[dict] = {"counters": "postgres"}
    waits = 4.0 + 1.0           # database_timeout, for the key and for the counters

    def down(self) -> None:
        postgres_kill(self.stores)

    def up(self) -> None:
        postgres_start(self.stores)


if __name__ == "__main__":
    unittest.main()
