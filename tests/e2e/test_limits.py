"""Plans, limits and quota, as GET /v1/usage and the answers tell of them."""

import contextlib
import json
import os
import signal
import time
import unittest

from gate import GateCase, head, raw, status_of
from stack import MODEL, at_once, new_key, wait_for

SAY = "Say hello."


def month(at: float) -> str:
    return time.strftime("%Y-%m", time.gmtime(at))


def next_month(at: float) -> int:
    t = time.gmtime(at)
    y, m = (t.tm_year, t.tm_mon + 1) if t.tm_mon < 12 else (t.tm_year + 1, 1)
    import calendar
    return calendar.timegm((y, m, 1, 0, 0, 0))


class Limits(GateCase):
    """Rules that hold wherever is counted."""

    processes = 2
    conf = {"first_byte_timeout": "1s", "total_timeout": "5s", "max_body": "1m",
            "auth_failures_per_minute": "100000", "bad_requests_per_minute": "100000",
            "connect_timeout": "1s", "heartbeat": "1s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stores = cls.gate.stores
        stores.plan("roomy")
        # before the first call, since workers look for new ones now and then
        port = cls.gate.web.port
        cls.needy = stores.provider(f"needy{port}", cls.gate.fake.base, auth="'bearer'",
                                    key_required="true", price_provider="NULL")
        cls.closed = stores.provider(f"closed{port}", "http://127.0.0.1:9/v1",
                                     price_provider="NULL")

    def plan(self, minute=10**9, month=10**9, kind="fixed", concurrent=None):
        return self.gate.stores.plan(f"p{minute}-{month}-{kind}-{concurrent}".lower()[:32],
                                     minute, month, kind, concurrent)

    # -- the minute

    def test_free_minute(self):
        """Ten, and both bodies to the letter."""
        minute = self.clock.minute(10)
        _, key = self.gate.project("free")
        for left in range(9, -1, -1):
            r = self.gate.chat(key)
            self.assertEqual((r.status, r.headers["X-RateLimit-Remaining"]), (200, str(left)))
        r = self.gate.chat(key)
        after = int(r.headers["Retry-After"])
        self.assertTrue(44 <= after <= 50, after)
        self.assertEqual(r.body.decode(), json.dumps({"error": {
            "message": "Rate limit exceeded. You can make 10 requests per minute"
                       " on the free plan.",
            "type": "rate_limit_error", "code": "rate_limit_exceeded",
            "details": {"limit": 10, "remaining": 0, "resetAt": (minute + 1) * 60,
                        "retryAfter": after}}}, separators=(",", ":")))
        self.assertEqual(
            [r.status, *(r.headers[f"X-RateLimit-{n}"] for n in
                         ("Limit", "Remaining", "Reset"))],
            [429, "10", "0", str((minute + 1) * 60)])
        self.assertIsNone(r.headers["x-should-retry"])
        self.assertEqual(r.headers["X-Quota-Remaining"], "49990")
        # refused calls cost nothing
        self.assertEqual(self.counted(key), (10, 10))
        self.clock.minute()
        self.assertEqual(self.gate.chat(key).headers["X-RateLimit-Remaining"], "9")
        self.assertEqual(self.counted(key), (1, 11))

    def test_quota_body(self):
        project, key = self.gate.project("free")
        self.gate.cli("usage", "set", project, "--month", "49999", env=self.clock.env)
        r = self.gate.chat(key)
        self.assertEqual((r.status, r.headers["X-Quota-Remaining"]), (200, "0"))
        r = self.gate.chat(key)
        reset = next_month(self.clock.now())
        self.assertEqual(r.body.decode(), json.dumps({"error": {
            "message": "Monthly quota exceeded. Upgrade your plan or wait until quota resets.",
            "type": "quota_exceeded_error", "code": "quota_exceeded",
            "details": {"used": 50000, "limit": 50000, "remaining": 0, "resetAt": reset,
                        "upgradeUrl": "https://watchllm.example/dashboard/billing"}}},
            separators=(",", ":")))
        h = r.headers
        self.assertEqual((r.status, h["x-should-retry"], h["X-Quota-Limit"],
                          h["X-Quota-Remaining"], h["X-Quota-Reset"]),
                         (429, "false", "50000", "0", str(reset)))
        self.assertTrue(0 <= reset - self.clock.now() - int(h["Retry-After"]) + 1 <= 4)
        # the minute was not touched by what the month refused
        self.assertEqual(self.counted(key), (1, 50000))

    def test_plans(self):
        """What the seeded plans allow is told."""
        for plan, minute, quota in [("free", 10, 50000), ("starter", 50, 250000),
                                    ("pro", 200, 1000000)]:
            _, key = self.gate.project(plan)
            usage = self.gate.request("GET", "/v1/usage", key=key).json()
            self.assertEqual(
                (usage["plan"], usage["rateLimit"]["limit"], usage["rateLimit"]["used"],
                 usage["quota"]["limit"], usage["quota"]["remaining"]),
                (plan, minute, 0, quota, quota))

    def test_many_at_once(self):
        """Never one more than the limit, never one less."""
        for kind in ("fixed", "sliding"):
            for limit in (0, 1, 7):
                with self.subTest(kind=kind, limit=limit):
                    self.clock.minute()
                    _, key = self.gate.project(self.plan(limit, kind=kind))
                    got = at_once(24, lambda _, key=key: self.gate.chat(key).status)
                    self.assertEqual((got.count(200), got.count(429)), (limit, 24 - limit), got)
                    self.assertEqual(self.counted(key), (limit, limit))

    def test_month_at_once(self):
        _, key = self.gate.project(self.plan(month=9))
        got = at_once(24, lambda _: self.gate.chat(key).status)
        self.assertEqual((got.count(200), got.count(429)), (9, 15), got)
        self.assertEqual(self.counted(key), (9, 9))

    def test_sliding(self):
        """No span of 60 s sees more; the reset is when one more would be admitted."""
        self.clock.minute(40)
        _, key = self.gate.project(self.plan(3, kind="sliding"))
        first = self.clock.now()
        self.assertEqual(self.gate.chat(key).status, 200)
        self.clock.move(15)
        self.assertEqual(self.gate.chat(key).status, 200)
        self.clock.move(10)                 # beyond the end of the minute
        r = self.gate.chat(key)
        self.assertEqual((r.status, r.headers["X-RateLimit-Remaining"]), (200, "0"))
        r = self.gate.chat(key)
        error = self.error(r, 429, "rate_limit_exceeded")
        self.assertTrue(59 <= error["details"]["resetAt"] - first <= 62, error)
        self.assertEqual(error["details"]["resetAt"], int(r.headers["X-RateLimit-Reset"]))
        self.clock.move(error["details"]["resetAt"] - self.clock.now() + 0.2)
        self.assertEqual(self.gate.chat(key).status, 200)
        self.assertEqual(self.gate.chat(key).status, 429)

    def test_month_turns(self):
        """A new UTC month begins with nothing used."""
        _, key = self.gate.project(self.plan(month=1))
        self.assertEqual([self.gate.chat(key).status for _ in range(2)], [200, 429])
        back = self.clock.offset()
        try:
            self.clock.move(next_month(self.clock.now()) - self.clock.now() + 1)
            r = self.gate.chat(key)
            self.assertEqual(r.status, 200)
            self.assertEqual(int(r.headers["X-Quota-Reset"]), next_month(self.clock.now()))
        finally:
            self.clock.move((back - self.clock.offset()) / 1000)

    # -- keys

    def test_key_limits(self):
        """The tighter of key and plan holds; other keys go on."""
        self.clock.minute()
        project, wide = self.gate.project("pro")
        tight = self.gate.stores.key(project, requests_per_minute=2)
        for left in ("1", "0"):
            r = self.gate.chat(tight)
            self.assertEqual((r.status, r.headers["X-RateLimit-Limit"],
                              r.headers["X-RateLimit-Remaining"]), (200, "2", left))
        error = self.error(self.gate.chat(tight), 429, "rate_limit_exceeded")
        self.assertEqual((error["details"]["limit"], error["details"]["remaining"]), (2, 0))
        r = self.gate.chat(wide)
        self.assertEqual((r.status, r.headers["X-RateLimit-Remaining"]), (200, "197"))
        poor = self.gate.stores.key(project, requests_per_month=1)
        self.assertEqual(self.gate.chat(poor).status, 200)
        error = self.error(self.gate.chat(poor), 429, "quota_exceeded")
        self.assertEqual((error["details"]["used"], error["details"]["limit"]), (1, 1))
        self.assertEqual(self.counted(wide), (4, 4))
        usage = self.gate.request("GET", "/v1/usage", key=tight).json()
        self.assertEqual((usage["keyLimits"]["rateLimit"]["limit"],
                          usage["keyLimits"]["rateLimit"]["used"]), (2, 2))

    def test_key_wider_than_plan(self):
        self.clock.minute()
        project, _ = self.gate.project(self.plan(1))
        key = self.gate.stores.key(project, requests_per_minute=5)
        self.assertEqual([self.gate.chat(key).status for _ in range(2)], [200, 429])

    def test_concurrency(self):
        """A slot is held while a call runs and free when it has ended."""
        _, key = self.gate.project(self.plan(concurrent=2))
        got = at_once(5, lambda _: self.gate.chat(key, "x [[latency=700]]"))
        self.assertEqual(sorted(r.status for r in got), [200, 200, 429, 429, 429])
        refused = next(r for r in got if r.status == 429)
        self.error(refused, 429, "concurrency_exceeded")
        self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
        wait_for(lambda: self.gate.chat(key).status == 200, 2)
        self.assertEqual(self.counted(key)[1], 3)

    def test_plan_changes(self):
        """By the next call of every worker."""
        self.clock.minute()
        project, key = self.gate.project("free")
        for _ in range(8):
            self.assertEqual(self.gate.chat(key).headers["X-RateLimit-Limit"], "10")
        self.gate.cli("project", "set", project, "--plan", "starter")
        got = {self.gate.chat(key).headers["X-RateLimit-Limit"] for _ in range(8)}
        self.assertEqual(got, {"50"})
        self.gate.cli("usage", "reset", project, env=self.clock.env)
        self.assertEqual(self.counted(key), (0, 0))

    # -- reading

    def test_reading_is_free(self):
        self.clock.minute()
        _, key = self.gate.project("free")
        for _ in range(15):
            r = self.gate.request("GET", "/v1/usage", key=key)
            self.assertEqual((r.status, r.headers["X-RateLimit-Remaining"]), (200, "10"))
        usage = r.json()
        self.assertEqual(
            [usage["plan"], usage["rateLimit"]["used"], usage["rateLimit"]["window"],
             usage["quota"]["used"], usage["quota"]["month"], usage["quota"]["resetAt"]],
            ["free", 0, "fixed", 0, month(self.clock.now()), next_month(self.clock.now())])

    # -- order, and the table of outcomes

    def outcome(self, expect, minute, quota, *calls) -> None:
        """Each of CALLS answers EXPECT and counts so much."""
        self.clock.minute()
        project, key = self.gate.project("roomy")
        for call in calls:
            r = call(key)
            self.assertEqual(r.status if hasattr(r, "status") else r, expect, r)
        want = (minute * len(calls), quota * len(calls))
        self.assertEqual(wait_for(lambda: self.counted(key) == want or None, 2) and want, want,
                         self.counted(key))

    def post(self, body, key, path="/v1/chat/completions"):
        return self.gate.request("POST", path, body, key, {"Content-Type": "application/json"})

    def test_answered(self):
        self.outcome(200, 1, 1, self.gate.chat,
                     lambda k: self.gate.chat(k, stream=True),
                     lambda k: self.post({"model": MODEL, "prompt": "x"}, k, "/v1/completions"),
                     lambda k: self.post({"model": MODEL, "input": "x"}, k, "/v1/embeddings"))

    def test_stream_begun(self):
        """What breaks after the first event is counted."""
        self.outcome(200, 1, 1, *[
            lambda k, f=f: self.gate.chat(k, f"x [[fault={f}]]", stream=True)
            for f in ("reset_mid", "error_in_stream", "eof_mid", "malformed_json")])

    def test_client_gone(self):
        def leave(key):
            c, r = self.gate.stream(key, "x [[fault=stall_mid id=left]]")
            while not r.readline().startswith(b"data:"):
                pass
            r.close()
            c.close()
            return 0

        def leave_early(key):
            c, r = None, None
            import socket
            body = json.dumps({"model": MODEL, "messages": [
                {"role": "user", "content": "x [[latency=3000 id=early]]"}]}).encode()
            with socket.create_connection(("127.0.0.1", self.gate.web.port), 5) as s:
                s.sendall(head("POST", "/v1/chat/completions", [
                    ("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"),
                    ("Content-Length", str(len(body)))]) + body)
                wait_for(lambda: json.loads(self.gate.fake.call(
                    "GET", "/_fake/stats"))["active"] > 0, 5, 0.02)
            return c or r or 0
        self.outcome(0, 1, 1, leave, leave_early)

    def test_invalid_body(self):
        self.outcome(400, 1, 0, lambda k: self.post({"model": MODEL}, k),
                     lambda k: self.post([], k), lambda k: self.post({}, k),
                     lambda k: self.post({"model": MODEL, "prompt": 7}, k, "/v1/completions"),
                     lambda k: self.post({"model": MODEL}, k, "/v1/embeddings"))

    def test_no_provider(self):
        """Unknown model, no provider key."""
        stores = self.gate.stores
        self.clock.minute()
        _, key = stores.project("roomy")
        self.error(self.gate.chat(key, model="no-such-model"), 404, "model_not_found")
        self.error(self.gate.chat(key, model=f"{self.needy}/m"), 400, "byok_required")
        wait_for(lambda: self.counted(key) == (2, 0), 2)

    def test_upstream_fails(self):
        self.outcome(502, 1, 0, *[
            lambda k, w=w: self.gate.chat(k, f"x [[{w}]]")
            for w in ("status=500", "status=503", "fault=reset_before", "fault=html_error")],
            lambda k: self.gate.chat(k, model=f"{self.closed}/m"),
            lambda k: self.gate.chat(k, "x [[status=500]]", stream=True))

    def test_upstream_refuses(self):
        self.outcome(400, 1, 0, lambda k: self.gate.chat(k, "x [[status=400]]"))
        self.outcome(429, 1, 0, lambda k: self.gate.chat(k, "x [[status=429]]"))

    def test_upstream_times_out(self):
        self.outcome(504, 1, 0, lambda k: self.gate.chat(k, "x [[fault=silence]]"),
                     lambda k: self.gate.chat(k, "x [[fault=silence]]", stream=True))

    def test_free_of_charge(self):
        """What the scan refuses, and whoever is not let in."""
        self.outcome(400, 0, 0, lambda k: self.post(b"{", k), lambda k: self.post(b"", k),
                     lambda k: self.post(b"[" * 33 + b"]" * 33, k),
                     lambda k: self.post(b'{"model":"\xff"}', k))
        self.outcome(413, 0, 0, lambda k: self.post(b"[" * 1_100_000, k))
        self.outcome(401, 0, 0, lambda k: self.gate.chat(k[:-1]),
                     lambda k: self.gate.chat(new_key()))
        self.outcome(405, 0, 0,
                     lambda k: self.gate.request("GET", "/v1/chat/completions", key=k))
        self.outcome(404, 0, 0, lambda k: self.gate.request("POST", "/v1/x", b"{}", k))

    def test_refused_before_it_is_judged(self):
        """Rate limit before quota before validation."""
        _, key = self.gate.project(self.plan(0, 0))
        self.error(self.post({}, key), 429, "rate_limit_exceeded")
        _, key = self.gate.project(self.plan(5, 0))
        self.error(self.post({}, key), 429, "quota_exceeded")
        self.error(self.post({}, key[:-1]), 401, "invalid_api_key")
        self.assertEqual(self.counted(key), (0, 0))


class Redis(Limits):
    """Counted in Redis, under the names that the contract gives."""

    def test_names(self):
        minute = self.clock.minute(5)
        project, key = self.gate.project("free")
        for _ in range(3):
            self.gate.chat(key)
        redis = self.gate.stores.redis
        name = f"ratelimit:{project}:{minute}"
        self.assertEqual(redis("GET", name), "3")
        self.assertTrue(50 < int(redis("TTL", name)) <= 60)
        quota = f"quota:{project}:{month(self.clock.now())}"
        self.assertEqual(redis("GET", quota), "3")
        end = next_month(next_month(self.clock.now()) + 1)
        self.assertTrue(abs(int(redis("TTL", quota)) + self.clock.now() - end) < 10 + abs(
            self.clock.offset()) / 1000)
        _, key = self.gate.project(self.plan(3, kind="sliding"))
        self.gate.chat(key)
        self.assertEqual(redis("TYPE", f"ratelimit:{_}:sliding"), "zset")


class Postgres(Limits):
    """The same decisions by PostgreSQL alone."""

    conf = {**Limits.conf, "counters": "postgres", "redis": None}

    def test_nothing_in_redis(self):
        project, key = self.gate.project("free")
        self.assertEqual(self.gate.chat(key).status, 200)
        self.assertEqual(self.gate.stores.redis("KEYS", f"*{project}*"), "")


class Stopped(GateCase):
    """Redis does not answer."""

    conf = {"on_redis_failure": "open"}

    @contextlib.contextmanager
    def stopped(self):
        pid = self.gate.stores.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.project, cls.key = cls.gate.project("free")

    def recovers(self):
        """By itself, soon, and every call is counted in the end."""
        wait_for(lambda: self.gate.chat(self.key).headers.get("X-RateLimit-Remaining"), 10, 0.2)


class Open(Stopped):
    def test_calls_go_on(self):
        self.assertEqual(self.gate.chat(self.key).status, 200)
        with self.stopped():
            for _ in range(14):
                began = time.monotonic()
                r = self.gate.chat(self.key)
                self.assertEqual((r.status, r.headers["X-WatchLLM-Limiter"]), (200, "degraded"))
                self.assertLess(time.monotonic() - began, 0.5)
                self.assertEqual((r.headers["X-RateLimit-Limit"], r.headers["X-Quota-Limit"]),
                                 ("10", "50000"))
                self.assertIsNone(r.headers["X-RateLimit-Remaining"])
                self.assertIsNone(r.headers["X-Quota-Remaining"])
            self.error(self.gate.chat(new_key()), 401, "invalid_api_key")
        self.recovers()
        self.assertEqual(len(self.gate.log_events("redis.down")), 1)
        self.assertEqual(len(self.gate.log_events("redis.up")), 1)
        wait_for(lambda: self.counted(self.key)[1] >= 15, 5)


class Closed(Stopped):
    conf = {"on_redis_failure": "closed"}

    def test_calls_are_refused(self):
        self.assertEqual(self.gate.chat(self.key).status, 200)
        with self.stopped():
            for _ in range(3):
                r = self.gate.chat(self.key)
                self.error(r, 503, "unavailable")
                self.assertGreaterEqual(int(r.headers["Retry-After"]), 1)
            self.assertEqual(self.gate.request("GET", "/v1/health").status, 200)
        self.recovers()
        self.assertEqual(self.gate.stores.sql(
            "SELECT count(*) FROM report.calls WHERE http_status = 503"
            f" AND project_id = '{self.project}' AND counts_for_month", "report"), [["0"]])


class Addresses(GateCase):
    """Limits of one address: failed authentications and unreadable bodies."""

    conf = {"auth_failures_per_minute": "5", "bad_requests_per_minute": "4",
            "trusted_proxies": "127.0.0.1"}
    processes = 2

    def ask(self, key, address, body=b"{}"):
        return self.gate.request("POST", "/v1/chat/completions", body, key, {
            "Content-Type": "application/json", "X-Forwarded-For": address})

    def test_failed_authentications(self):
        self.clock.minute()
        got = [self.ask(new_key(), "203.0.113.1") for _ in range(8)]
        self.assertEqual([r.status for r in got], [401] * 5 + [429] * 3)
        self.error(got[-1], 429, "too_many_failures")
        self.assertTrue(1 <= int(got[-1].headers["Retry-After"]) <= 60)
        self.assertEqual(self.ask(new_key(), "203.0.113.2").status, 401)
        self.clock.minute()
        self.assertEqual(self.ask(new_key(), "203.0.113.1").status, 401)

    def test_unreadable_bodies(self):
        self.clock.minute()
        _, key = self.gate.project("pro")
        got = [self.ask(key, "203.0.113.3", b"{").status for _ in range(7)]
        self.assertEqual(got, [400] * 4 + [429] * 3)
        self.assertEqual(self.counted(key), (0, 0))

    def test_headers_of_others(self):
        """A forwarded address counts only from a trusted proxy's own hop."""
        self.clock.minute()
        reply = raw(self.gate.web.port, head("GET", "/v1/usage", [
            ("X-Forwarded-For", "not an address"), ("X-Forwarded-For", "198.51.100.1")]))
        self.assertEqual(status_of(reply), 401)


del Limits, Stopped

if __name__ == "__main__":
    unittest.main()
