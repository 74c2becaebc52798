"""What happens to a call after its targets are chosen, through a real web
server and workers that share what they know: keys, retries, breakers."""

import json
import signal
import socket
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from gate import GateCase, data_of, head
from stack import MODEL, FakeLLM, wait_for



class Case(GateCase):
    conf = {"connect_timeout": "2s", "first_byte_timeout": "3s", "between_bytes_timeout": "3s",
            "total_timeout": "15s", "drain_interval": "100ms", "retry_wait_max": "1500ms",
            "operator_addresses": "127.0.0.1"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate.stores.plan("retries")
        n = cls.gate.web.port
        cls.keyed = cls.gate.stores.provider(
            f"keyed{n}", cls.gate.fake.base, auth="'bearer'", key_required="true",
            price_provider="'openai'")
        # another host, with a ledger of its own
        cls.other = FakeLLM(cls.gate.folder)
        cls.addClassCleanup(cls.other.stop)
        cls.second = cls.gate.stores.provider(f"second{n}", cls.other.base)

    def setUp(self):
        self.clock.spare(20)
        self.project, self.key = self.gate.project("retries")
        self.gate.fake.reset()
        self.other.reset()

    def give(self, *keys, provider=None):
        for i, key in enumerate(keys, 1):
            self.gate.cli("provider-key", "set", self.project, provider or self.keyed,
                          "--priority", str(i), stdin=key + "\n")

    def route(self, model, *providers):
        for i, p in enumerate(providers, 1):
            self.gate.stores.sql(f"""INSERT INTO watchllm.model_route
                (pattern, provider, kind, priority) VALUES ('{model}', '{p}', 'exact', {i})""")
        self.settle()

    def settle(self):
        """Workers read the catalogue anew when its version has changed."""
        time.sleep(0.1)

    def ask(self, words="", **fields):
        return self.gate.chat(self.key, f"x [[{words}]]" if words else "x",
                              **{"model": f"{self.keyed}/m", **fields})

    def keys_used(self):
        return [x["key"] for x in self.gate.fake.ledger()]

    def lines(self, event):
        return [x for x in self.gate.log_events(event) if self.project in x["msg"]]

    def tries(self, request_id):
        """Of the event of a call."""
        def find():
            rows = self.gate.stores.sql(f"""SELECT attributes FROM watchllm.event
                WHERE request_id = '{request_id}'""", "postgres")
            return rows[0][0] if rows else None
        got = wait_for(find, 5)
        return got if isinstance(got, dict) else json.loads(got)


class Keys(Case):
    def test_next_key(self):
        """A key that was refused is left alone by later calls; the next one serves."""
        for status in (401, 402, 403, 429):
            with self.subTest(status=status):
                self.setUp()
                self.give("sk-first-0001", "sk-second-0002")
                self.gate.fake.defaults(for_key="sk-first-0001", status=status)
                first = self.ask()
                self.assertEqual(first.status, 200, first)
                for _ in range(3):
                    self.assertEqual(self.ask().status, 200)
                self.assertEqual(self.keys_used(), ["0001"] + ["0002"] * 4)
                self.assertEqual(len(self.lines("upstream.open")), 1)
                tries = self.tries(first.headers["X-Request-Id"])["tries"]
                self.assertEqual([(t["key"], t["status"], t["asked"]) for t in tries],
                                 [("0001", status, True), ("0002", 200, True)])
                self.assertEqual(tries[1]["result"], "ok")

    def test_replaced(self):
        """Nothing of a 500; and a key that was replaced is used at once."""
        self.give("sk-first-0001")
        self.gate.fake.defaults(for_key="sk-first-0001", status=401)
        for n in (1, 1, 1):
            r = self.ask()
            error = self.error(r, 502, "upstream_credentials_rejected")
            self.assertIn(self.keyed, error["message"])
            self.assertNotIn("sk-first", error["message"])
            self.assertEqual(len(self.gate.fake.ledger()), n)
        self.assertGreater(int(r.headers["Retry-After"]), 0)
        self.assertEqual(self.counted(self.key)[1], 0)
        self.give("sk-second-0002")
        self.assertEqual(self.ask().status, 200)

    def test_none(self):
        error = self.error(self.ask(), 400, "byok_required")
        self.assertIn(self.keyed, error["message"])

    def test_key_of_the_request(self):
        """It never becomes another key, and is refused for itself alone."""
        self.give("sk-first-0001")
        self.gate.fake.defaults(for_key="sk-mine-0009", status=401)
        for _ in range(2):
            r = self.ask_with("sk-mine-0009")
            error = self.error(r, 502, "upstream_credentials_rejected")
            self.assertIn("X-Provider-Key", error["message"])
        self.assertEqual(self.ask_with("sk-mine-0008").status, 200)
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(self.keys_used(), ["0009", "0009", "0008", "0001"])
        self.assertEqual(self.lines("upstream.open"), [])

    def ask_with(self, key):
        body = {"model": f"{self.keyed}/m", "messages": [{"role": "user", "content": "x"}]}
        return self.gate.request("POST", "/v1/chat/completions", body, key=self.key,
                                 headers={"X-Provider-Key": key})

    def test_projects_apart(self):
        """Two projects with one and the same key: each has its own experience."""
        self.give("sk-first-0001")
        self.gate.fake.defaults(for_key="sk-first-0001", status=401, times=1)
        self.error(self.ask(), 502, "upstream_credentials_rejected")
        self.error(self.ask(), 502, "upstream_credentials_rejected")
        self.project, self.key = self.gate.project("retries")
        self.give("sk-first-0001")
        self.assertEqual(self.ask().status, 200)

    def test_bound_to_its_host(self):
        """A key does not follow a provider that moves."""
        moving = self.gate.stores.provider(
            f"moving{self.project}", self.gate.fake.base, auth="'bearer'", key_required="true")
        self.give("sk-first-0001", provider=moving)
        self.assertEqual(self.ask(model=f"{moving}/m").status, 200)
        self.gate.stores.sql(f"""UPDATE watchllm.provider SET base_url = '{self.other.base}'
            WHERE id = '{moving}'""")
        # whoever authenticates anew learns of it at once
        self.key = self.gate.stores.key(self.project)
        self.error(self.ask(model=f"{moving}/m"), 400, "byok_required")
        self.assertEqual(self.other.ledger(), [])

    def test_rotation_of_the_master_key(self):
        """Provider keys are sealed anew while calls are running: none fails."""
        self.give("sk-first-0001", "sk-second-0002")
        stop, bad, n = threading.Event(), [], [0]

        def calls():
            while not stop.is_set():
                r = self.ask("latency=5")
                n[0] += 1
                if r.status != 200:
                    bad.append(r)
        threads = [threading.Thread(target=calls) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            for _ in range(2):
                self.rotate()
        finally:
            stop.set()
            for t in threads:
                t.join(30)
        self.assertEqual(bad, [])
        self.assertGreater(n[0], 10)
        self.assertEqual(set(self.keys_used()), {"0001"})

    def rotate(self):
        """As docs/SELF_HOSTING.md says: a new key first, told to the workers."""
        n = len(self.gate.log_events("worker.reload"))
        self.gate.cli("provider-key", "make-master", "--append")
        self.gate.workers.kill(signal.SIGHUP)
        wait_for(lambda: len(self.gate.log_events("worker.reload")) > n or None, 10)
        self.gate.cli("provider-key", "rotate-master")


class Retries(Case):
    def test_again(self):
        self.clock.spare(20)
        for words, result in (("status=503", "failing"), ("status=500", "failing"),
                              ("status=429 retry_after=1", "rate_limited")):
            for stream in (False, True):
                with self.subTest(words=words, stream=stream):
                    self.setUp()
                    began = time.monotonic()
                    r = self.gate.chat(self.key, f"x [[{words} times=1 id=a{self.project}]]",
                                       stream=stream)
                    self.assertEqual(r.status, 200, r)
                    if stream:
                        self.assertEqual(data_of(r.body)[-1], "[DONE]")
                    if "retry_after" in words:
                        self.assertGreaterEqual(time.monotonic() - began, 1)
                    tries = self.tries(r.headers["X-Request-Id"])["tries"]
                    self.assertEqual([t["result"] for t in tries], [result, "ok"])
                    self.assertEqual(self.counted(self.key), (1, 1))

    def test_never(self):
        for status in (400, 404, 413, 422):
            with self.subTest(status=status):
                self.setUp()
                r = self.gate.chat(self.key, f"x [[status={status}]]")
                self.assertEqual(r.status, status)
                self.assertEqual(len(self.gate.fake.ledger()), 1)

    def test_longer_than_may_be_waited(self):
        began = time.monotonic()
        r = self.gate.chat(self.key, "x [[status=429 retry_after=30]]")
        self.error(r, 429, "upstream_rate_limited")
        self.assertEqual(r.headers["Retry-After"], "30")
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(len(self.gate.fake.ledger()), 1)

    def test_next_provider(self):
        model = f"m-{self.project}"
        self.route(model, self.gate.provider, self.second)
        r = self.ask("status=500", model=model)
        # the script is the prompt's: both fail, and each is asked twice
        self.error(r, 502, "upstream_error")
        self.assertEqual((len(self.gate.fake.ledger()), len(self.other.ledger())), (2, 2))
        self.gate.fake.defaults(status=500)
        r = self.ask(model=model)
        self.assertEqual((r.status, r.headers["X-WatchLLM-Provider"]), (200, self.second))

    def test_context_length(self):
        """Too long for one provider's model: the next one is asked, in streams too."""
        model = f"m-{self.project}"
        self.route(model, self.gate.provider, self.second)
        self.gate.fake.defaults(status=400, error="context_length")
        for stream in (False, True):
            r = self.ask(model=model, stream=stream)
            self.assertEqual((r.status, r.headers["X-WatchLLM-Provider"]), (200, self.second))
            tries = self.tries(r.headers["X-Request-Id"])["tries"]
            self.assertEqual([t["result"] for t in tries], ["context_length", "ok"])
        self.other.defaults(status=400, error="context_length")
        r = self.ask(model=model)
        self.assertEqual(r.status, 400)
        self.assertEqual(r.json()["error"]["code"], "context_length_exceeded")

    def test_leaving_between(self):
        """A client that leaves while nothing is under way pays nothing."""
        body = json.dumps({"model": MODEL, "messages": [
            {"role": "user", "content": "x [[status=429 retry_after=1]]"}]}).encode()
        with socket.create_connection(("127.0.0.1", self.gate.web.port), 10) as s:
            s.sendall(head("POST", "/v1/chat/completions", [
                ("Authorization", f"Bearer {self.key}"), ("Content-Type", "application/json"),
                ("Content-Length", str(len(body)))]) + body)
            wait_for(lambda: self.gate.fake.ledger() or None, 5)
        row = self.gate.recorded(self.project, seconds=5)[0]
        self.assertEqual((row["status"], row["attempts"]), ("client_closed", 1))
        self.assertEqual(row["output_tokens"] or 0, 0)
        self.assertEqual(len(self.gate.fake.ledger()), 1)


class Hedges(Case):
    """A second target, asked when the first is slow."""

    def rule(self, **hedge):
        rule = {"alias": "fast", "targets": [f"{self.gate.provider}/{MODEL}",
                                             f"{self.second}/{MODEL}"],
                "hedge": {"after_ms": 300, "max_cost_usd": 0.5, "percent": 100, **hedge}}
        self.gate.cli("route", "add", self.project, "hedged", "--file", "-",
                      stdin=json.dumps(rule))

    def test_second_answers(self):
        self.clock.spare(20)
        self.rule()
        self.gate.fake.defaults(latency=9000)
        for n, stream in enumerate((False, True), 1):
            began = time.monotonic()
            r = self.ask(model="fast", stream=stream)
            self.assertEqual((r.status, r.headers["X-WatchLLM-Provider"]), (200, self.second), r)
            self.assertLess(time.monotonic() - began, 6)
            self.assertEqual(len(self.other.ledger()), n)
            tries = self.tries(r.headers["X-Request-Id"])["tries"]
            self.assertEqual([(t["provider"], t["result"], t.get("hedge")) for t in tries],
                             [(self.gate.provider, "cancelled", None),
                              (self.second, "ok", True)])
            row = self.gate.recorded(self.project, n, seconds=5)[-1]
            self.assertEqual((row["attempts"], row["cost_source"]), (2, "estimate"))
            # the prompt of the one that was cancelled is in the cost
            self.assertGreater(tries[0]["cost_nano"], 0)
        # the first provider saw its clients leave
        wait_for(lambda: [x["end"] for x in self.gate.fake.ledger()] ==
                 ["client_gone"] * 2 or None, 5)
        self.assertEqual(self.counted(self.key), (2, 2))

    def test_in_time(self):
        self.rule(after_ms=5000)
        r = self.ask(model="fast")
        self.assertEqual((r.status, r.headers["X-WatchLLM-Provider"]), (200, self.gate.provider))
        self.assertEqual(self.other.ledger(), [])

    def test_bounds(self):
        for hedge in ({"max_cost_usd": 1e-9}, {"percent": 0}):
            with self.subTest(hedge=hedge):
                self.setUp()
                self.rule(**hedge)
                self.gate.fake.defaults(latency=900)
                r = self.ask(model="fast")
                self.assertEqual((r.status, r.headers["X-WatchLLM-Provider"]),
                                 (200, self.gate.provider))
                self.assertEqual(self.other.ledger(), [])


class Breaker(Case):
    processes = 2
    conf = {**Case.conf, "breaker_failures": "5", "breaker_open": "2s", "upstream_retries": "0"}

    def test_opens_and_closes(self):
        """Seen by both workers; one call looks; all of it is one line each."""
        self.gate.fake.defaults(status=500)
        for _ in range(12):
            r = self.gate.chat(self.key, "x")
            error = self.error(r, 502, "upstream_error")
        n = len(self.gate.fake.ledger())
        self.assertLessEqual(n, 7)
        self.assertIn("keeps failing", error["message"])
        self.assertIn(r.headers["Retry-After"], ("1", "2"))
        self.assertEqual(len(self.lines("upstream.open")), 1)
        # the prompt of another project is asked as ever
        _, key = self.gate.project("retries")
        self.gate.chat(key, "x")
        self.assertEqual(len(self.gate.fake.ledger()), n + 1)
        self.gate.fake.defaults(status=0)
        self.clock.move(2.1)
        self.assertEqual(self.gate.chat(self.key, "x").status, 200)
        wait_for(lambda: self.lines("upstream.closed") or None, 5)
        self.clock.move(1.1)
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: self.gate.chat(self.key, "x"), range(16)))
        self.assertEqual({r.status for r in replies}, {200})
        self.assertEqual([len(self.lines(f"upstream.{x}")) for x in ("open", "probe", "closed")],
                         [1, 1, 1])

    def test_storm(self):
        """Many at once at a dead provider: it is hardly asked, and one looks."""
        self.gate.fake.defaults(status=503, latency=30)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: self.gate.chat(self.key, "x"), range(200)))
        n = len(self.gate.fake.ledger())
        # those that were under way when it opened
        self.assertLess(n, 5 + 2 * 16 + 8)
        self.gate.fake.defaults(status=503, latency=300)
        self.clock.move(2.1)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: self.gate.chat(self.key, "x"), range(32)))
        self.assertEqual(len(self.gate.fake.ledger()), n + 1)

    def test_figures(self):
        self.gate.fake.defaults(status=500)
        for _ in range(8):
            self.gate.chat(self.key, "x")
        text = self.gate.request("GET", "/observability/prometheus").body.decode()
        self.assertRegex(text, r'watchllm_breaker_changes_total\{to="open",'
                               r'cause="failing"\} [1-9]')
        self.assertIn("watchllm_retries_total", text)


class BreakerAlone(Case):
    """Without Redis each process has its own."""

    conf = {**Case.conf, "redis": "", "counters": "postgres", "breaker_failures": "3",
            "breaker_open": "2s", "upstream_retries": "0"}

    def test_opens_and_closes(self):
        self.gate.fake.defaults(status=500)
        for _ in range(8):
            self.error(self.gate.chat(self.key, "x"), 502, "upstream_error")
        self.assertEqual(len(self.gate.fake.ledger()), 3)
        self.gate.fake.defaults(status=0)
        self.clock.move(2.1)
        for _ in range(3):
            self.assertEqual(self.gate.chat(self.key, "x").status, 200)


class BreakerCgi(Case):
    """A process for each call, and what it learns is in Redis."""

    mount = "cgi"
    conf = {**Case.conf, "breaker_failures": "3", "upstream_retries": "0"}

    def test_opens(self):
        self.gate.fake.defaults(status=500)
        for _ in range(6):
            self.error(self.gate.chat(self.key, "x"), 502, "upstream_error")
        self.assertEqual(len(self.gate.fake.ledger()), 3)


del Case

if __name__ == "__main__":
    unittest.main()
