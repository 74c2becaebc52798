"""Equal calls that share one call upstream, Idempotency-Key, streams that can be
resumed, and what dies meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from gate import data_of
from stack import wait_for
from test_cache import CHAT, Case


def load_tests(loader, tests, pattern):
    return unittest.TestSuite(map(loader.loadTestsFromTestCase,
                                  (Coalescing, Once, Resume, WithoutRedis, Killed)))


class Coalescing(Case):
    def test_many(self):
        """Twenty equal calls, two workers, one call upstream."""
        for stream in False, True:
            with self.subTest(stream=stream):
                self.gate.fake.reset()
                got = self.at_once(20, self.body(
                    f"slow {stream} [[latency=400 per_token=20]]", stream=stream))
                self.assertEqual(self.calls(), 1)
                told = sorted(r.headers["X-WatchLLM-Cache"] for r in got)
                self.assertEqual(told.count("MISS"), 1)
                self.assertEqual({t[:3] for t in told}, {"HIT", "MIS"})
                # where processes begin with their calls, some come too late
                if self.mount == "nginx":
                    self.assertGreater(told.count("HIT-COALESCED"), 10)
                first = data_of(got[0].body) if stream else got[0].body
                for r in got:
                    self.assertEqual(data_of(r.body) if stream else r.body, first)

    def test_leader_fails(self):
        """Each failure hands over to one: as many calls as failures, and one."""
        b = self.body("x [[latency=300 id=l status=400 times=2]]")
        with ThreadPoolExecutor(10) as pool:
            got = list(pool.map(lambda _: self.gate.request(
                "POST", CHAT, b, self.key, headers={"X-WatchLLM-Cache": "exact"}).status,
                range(10)))
        self.assertEqual(sorted(got), [200] * 8 + [400] * 2)
        self.assertEqual(self.calls(), 3)

    def test_leader_leaves(self):
        """Its client goes away, the others get the answer."""
        b = self.body("slow [[latency=600 per_token=20]]", stream=True)
        c = http.client.HTTPConnection("127.0.0.1", self.gate.web.port, timeout=20)
        c.request("POST", CHAT, json.dumps(b), {
            "Authorization": f"Bearer {self.key}", "Content-Type": "application/json",
            "X-WatchLLM-Cache": "exact"})
        wait_for(lambda: json.loads(self.gate.fake.call("GET", "/_fake/stats"))["active"])
        with ThreadPoolExecutor(4) as pool:
            rest = [pool.submit(self.ask, b) for _ in range(4)]
            time.sleep(0.3)
            c.close()
            for r in rest:
                self.assertEqual(data_of(r.result().body)[-1], "[DONE]")
        self.assertLessEqual(self.calls(), 2)


class Killed(Case):
    def test_worker(self):
        """The worker that makes the answer dies: one other makes it."""
        b = self.body("slow [[latency=1500]]")
        def call(_):
            r = self.gate.request("POST", CHAT, b, self.key, headers={"X-WatchLLM-Cache": "exact"})
            return r.status
        with ThreadPoolExecutor(12) as pool:
            got = [pool.submit(call, i) for i in range(12)]
            wait_for(lambda: json.loads(self.gate.fake.call("GET", "/_fake/stats"))["active"])
            time.sleep(0.3)
            # the one that has a connection to the provider
            port = f":{self.gate.fake.port:04X} 01"
            pids = [int(p) for p in os.popen(f"pgrep -P {self.gate.workers.pid}").read().split()]
            inodes = {line.split()[9] for line in open("/proc/net/tcp")
                      if port in line}
            leader = None
            for pid in pids:
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    try:
                        link = os.readlink(f"/proc/{pid}/fd/{fd}")
                    except OSError:
                        continue
                    if link.removeprefix("socket:[").rstrip("]") in inodes:
                        leader = pid
            self.assertIsNotNone(leader)
            os.kill(leader, signal.SIGKILL)
            statuses = [f.result() for f in got]
        # clients of the dead one get an error of the web server
        self.assertIn(200, statuses)
        self.assertLessEqual(self.calls(), 2)
        type(self).killed = True

    @classmethod
    def tearDownClass(cls) -> None:
        cls.gate.stop()


class Once(Case):
    def test_replay(self):
        self.clock.spare(20)
        before = self.counted(self.key)
        for stream in False, True:
            b, h = self.body(stream=stream), {"Idempotency_Key": f"k{stream}"}
            first, second = self.ask(b, None, **h), self.ask(b, None, **h)
            self.assertEqual(second.headers["Idempotency-Replayed"], "true")
            self.assertNotIn("Idempotency-Replayed", first.headers)
            if stream:
                self.assertEqual(data_of(first.body), data_of(second.body))
            else:
                self.assertEqual(first.body, second.body)
        self.assertEqual(self.calls(), 2)
        wait_for(lambda: self.counted(self.key) == (before[0] + 2, before[1] + 2), 5)
        rows = self.gate.recorded(self.project, 4)
        self.assertEqual(len(rows), 4)

    def test_large(self):
        """An answer of several commands to Redis."""
        b = self.body("x [[size=3000000]]")
        first, second = (self.ask(b, None, Idempotency_Key="k") for _ in range(2))
        self.assertEqual(second.headers["Idempotency-Replayed"], "true")
        self.assertGreaterEqual(len(first.body), 3000000)
        self.assertEqual(first.body, second.body)
        self.assertEqual(self.calls(), 1)

    def test_conflict(self):
        self.ask(self.body("a"), None, Idempotency_Key="k")
        r = self.gate.request("POST", CHAT, self.body("b"), self.key,
                              headers={"Idempotency-Key": "k"})
        self.error(r, 409, "idempotency_conflict")
        r = self.gate.request("POST", CHAT, self.body("b"), self.key,
                              headers={"Idempotency-Key": "k" * 256})
        self.error(r, 400, "invalid_request")

    def test_in_flight(self):
        got = self.at_once(6, self.body("slow [[latency=500]]"), mode=None, Idempotency_Key="k")
        self.assertEqual(self.calls(), 1)
        self.assertEqual(len({r.body for r in got}), 1)

    def test_failed(self):
        """A call that failed is made anew."""
        b = self.body("x [[id=once status=400 times=1]]")
        h = {"Idempotency-Key": "k"}
        self.assertEqual(self.gate.request("POST", CHAT, b, self.key, headers=h).status, 400)
        self.assertEqual(self.gate.request("POST", CHAT, b, self.key, headers=h).status, 200)

    def test_refused_at_last(self):
        """One that waited, and must make the call itself, is held to the limits then: a
        refusal, which its event tells, and which is not counted."""
        self.clock.spare(20)
        project, key = self.gate.project(self.gate.stores.plan("once1", minute=1))
        b, h = self.body("x [[latency=700 status=400]]"), {"Idempotency-Key": "k"}
        with ThreadPoolExecutor(2) as pool:
            got = sorted(r.status for r in pool.map(lambda _: self.gate.request(
                "POST", CHAT, b, key, headers=h), range(2)))
        self.assertEqual(got, [400, 429])
        self.assertEqual(sorted(r["http_status"] for r in self.gate.recorded(project, 2, 5)),
                         [400, 429])
        # drained, and nothing was added for it
        time.sleep(2)
        self.assertEqual(self.counted(key), (1, 0))

    def test_revoked(self):
        b = self.body()
        self.ask(b, None, Idempotency_Key="k")
        self.gate.stores.sql("UPDATE watchllm.api_key SET revoked_at = now()"
                             f" WHERE project_id = '{self.project}'")
        r = self.gate.request("POST", CHAT, b, self.key, headers={"Idempotency-Key": "k"})
        self.error(r, 401, "invalid_api_key")


class Resume(Case):
    def open(self, body: dict):
        c = http.client.HTTPConnection("127.0.0.1", self.gate.web.port, timeout=20)
        c.request("POST", CHAT, json.dumps(body), {
            "Authorization": f"Bearer {self.key}", "Content-Type": "application/json",
            "X-WatchLLM-Resumable": "1"})
        return c, c.getresponse()

    def ids(self, text: str) -> list[str]:
        return [x[4:] for x in text.split("\n") if x.startswith("id: ")]

    def test_dropped(self):
        """The connection drops; the rest comes from where it broke, one call in all."""
        b = self.body("slow [[tokens=40 per_token=40]]", stream=True)
        c, r = self.open(b)
        head = b""
        while head.count(b"id: ") < 5:
            head += r.readline()
        c.close()
        head = head[:head.rindex(b"\n\n") + 2].decode()
        last = self.ids(head)[-1]
        rest = self.ask(b, None, Last_Event_ID=last).body.decode()
        numbers = [int(x.rsplit("-", 1)[1]) for x in self.ids(head) + self.ids(rest)]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        text = "".join(d["choices"][0]["delta"].get("content") or ""
                       for d in data_of((head + rest).encode()) if d != "[DONE]")
        self.assertEqual(len(text), 160)
        self.assertEqual(data_of(rest.encode())[-1], "[DONE]")
        self.assertEqual(self.calls(), 1)
        again = self.ask(b, None, Last_Event_ID=last).body.decode()
        self.assertEqual(data_of(again.encode()), data_of(rest.encode()))
        self.assertEqual(self.calls(), 1)

    def test_others(self):
        """Only the same project, key and request can go on with it."""
        b = self.body(stream=True)
        c, r = self.open(b)
        last = self.ids(r.read().decode())[0]
        c.close()
        _, stranger = self.gate.project("caches")
        for key, body in ((stranger, b), (self.gate.stores.key(self.project), b),
                          (self.key, self.body("y", stream=True))):
            r = self.gate.request("POST", CHAT, body, key, headers={"Last-Event-ID": last})
            self.error(r, 404, "not_found")
        self.assertEqual(self.calls(), 1)


class WithoutRedis(Case):
    def test_killed(self):
        """Redis dies: calls are made, coalesced within a process, and never fail."""
        self.assertEqual(self.status(self.body()), "MISS")
        os.kill(self.gate.stores.redis_pid(), signal.SIGSTOP)
        try:
            for _ in range(3):
                self.assertEqual(self.status(self.body()), "MISS")
            got = self.at_once(8, self.body("slow [[latency=500]]"))
            self.assertLessEqual(len({r.json()["id"] for r in got}), 2)
            b = self.body(stream=True)
            self.assertEqual(data_of(self.ask(b, None, Idempotency_Key="k").body)[-1], "[DONE]")
            r = self.gate.request("GET", "/v1/cache/stats", key=self.key)
            self.error(r, 503, "unavailable")
        finally:
            os.kill(self.gate.stores.redis_pid(), signal.SIGCONT)
        wait_for(lambda: self.status(self.body()) == "HIT", 10, 0.2)


if __name__ == "__main__":
    unittest.main()
