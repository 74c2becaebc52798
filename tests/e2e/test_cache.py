"""The cache, through OpenAI's client and a real web server. fake_llm's ledger
tells how many calls were made."""

from __future__ import annotations

import json
import unittest
from concurrent.futures import ThreadPoolExecutor

from gate import GateCase, data_of
from openai import OpenAI
from stack import MODEL, wait_for

CHAT = "/v1/chat/completions"


class Case(GateCase):
    processes = 2
    conf = {"heartbeat": "1s", "stream_commit_after": "1s", "resume_ttl": "1m",
            "operator_addresses": "127.0.0.1"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.gate.stores.plan("caches")

    def setUp(self) -> None:
        self.project, self.key = self.gate.project("caches")
        self.gate.fake.reset()

    def body(self, text: str = "What is a cache?", **fields) -> dict:
        return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}

    def ask(self, body: dict, mode: str | None = "exact", key: str | None = None, **headers):
        h = {k.replace("_", "-"): v for k, v in headers.items()}
        if mode is not None:
            h["X-WatchLLM-Cache"] = mode
        r = self.gate.request("POST", CHAT, body, key or self.key, headers=h)
        self.assertEqual(r.status, 200, r)
        return r

    def status(self, *args, **kw) -> str:
        return self.ask(*args, **kw).headers["X-WatchLLM-Cache"]

    def calls(self) -> int:
        return len(self.gate.fake.ledger())

    def stats(self) -> dict:
        return self.gate.request("GET", "/v1/cache/stats", key=self.key).json()

    def at_once(self, n: int, body: dict, **kw) -> list:
        """So many equal calls at the same time."""
        with ThreadPoolExecutor(n) as pool:
            return list(pool.map(lambda _: self.ask(body, **kw), range(n)))


class Cache(Case):
    def test_client(self):
        """OpenAI's client, of which only the base URL and the key were changed."""
        with OpenAI(base_url=self.gate.url + "/v1", api_key=self.key, max_retries=0,
                    timeout=20, default_headers={"X-WatchLLM-Cache": "exact"}) as ai:
            def call(**kw):
                return ai.chat.completions.with_raw_response.create(**self.body(), **kw)
            first, second = call(), call()
            self.assertEqual([r.headers["x-watchllm-cache"] for r in (first, second)],
                             ["MISS", "HIT"])
            self.assertEqual(first.parse(), second.parse())
            self.assertEqual(second.headers["x-watchllm-cost-usd"], "0.000000000")
            used = first.parse().usage
            self.assertEqual(second.headers["x-watchllm-tokens-saved"], str(used.total_tokens))
            texts = []
            for _ in range(2):
                with ai.chat.completions.create(**self.body(), stream=True) as s:
                    texts.append("".join(c.choices[0].delta.content or "" for c in s))
            self.assertEqual(texts[0], texts[1])
            self.assertTrue(texts[0])
        self.assertEqual(self.calls(), 2)

    def test_recorded(self):
        """A hit is an event without tokens or cost that tells what was saved."""
        made = self.ask(self.body())
        hit = self.ask(self.body())
        self.assertEqual(made.body, hit.body)
        self.gate.recorded(self.project, 2)
        rows = self.gate.stores.sql(
            "SELECT cache_status, cost_nano, saved_nano, tokens_saved,"
            " tokens_uncached, tokens_output, month_counted FROM watchllm.event"
            f" WHERE project_id = '{self.project}' ORDER BY ts, event_id", "postgres")
        self.assertEqual((rows[0][0], rows[1][0]), ("MISS", "HIT"))
        self.assertEqual(rows[1][1:3], ["0", rows[0][1]])
        self.assertEqual(int(rows[1][3]), int(rows[0][4]) + int(rows[0][5]))
        self.assertEqual(rows[1][4:], ["0", "0", "t"])
        s = self.stats()
        self.assertEqual((s["hits"], s["misses"], s["stores"], s["entries"]), (1, 1, 1, 1))
        self.assertEqual(s["saved_tokens"], int(rows[1][3]))
        self.assertAlmostEqual(s["saved_usd"], int(rows[0][1]) / 1e9, places=9)
        text = self.gate.request("GET", "/observability/prometheus").body.decode()
        figures = dict(x.rsplit(" ", 1) for x in text.split("\n") if x and x[0] != "#")
        self.assertGreaterEqual(int(figures['watchllm_cache_calls_total{result="HIT"}']), 1)
        self.assertGreaterEqual(float(figures["watchllm_cache_saved_usd_total"]), s["saved_usd"])

    def test_stream(self):
        first = self.ask(self.body(stream=True))
        second = self.ask(self.body(stream=True))
        self.assertEqual((first.headers["X-WatchLLM-Cache"], second.headers["X-WatchLLM-Cache"]),
                         ("MISS", "HIT"))
        self.assertEqual(data_of(first.body), data_of(second.body))
        self.assertEqual(data_of(second.body)[-1], "[DONE]")
        self.assertIn(b'"cache":"HIT"', second.body)
        # in one piece it is another answer
        self.assertEqual(self.status(self.body()), "MISS")
        self.assertEqual(self.calls(), 2)

    def test_canonical(self):
        ask = lambda text, mode="canonical": self.status(self.body(text), mode)
        self.assertEqual(ask("What is the capital of France?"), "MISS")
        self.assertEqual(ask("Please, what's the capital of  France"), "HIT-CANONICAL")
        self.assertEqual(ask("What is the capital of France?"), "HIT")
        self.assertEqual(ask("what is capital of france", "exact"), "MISS")
        self.assertEqual(ask("What is not the capital of France?"), "MISS")
        # the order of members and white space are nobody's question
        b = self.body("What is the capital of France?")
        r = self.gate.request("POST", CHAT, json.dumps(dict(reversed(b.items())), indent=2),
                              self.key, headers={"X-WatchLLM-Cache": "exact",
                                                 "Content-Type": "application/json"})
        self.assertEqual(r.headers["X-WatchLLM-Cache"], "HIT")

    def test_bypass(self):
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        image = [{"role": "user", "content": [{"type": "image_url", "image_url": {
            "url": "data:image/png;base64,AAAA"}}]}]
        for why, kw, headers in [
                ("several_answers", {"n": 2}, {}), ("tools", {"tools": tools}, {}),
                ("logprobs", {"logprobs": True}, {}), ("stored", {"store": True}, {}),
                ("content", {"messages": image}, {}),
                ("no_store", {}, {"Cache_Control": "no-store"})]:
            for _ in range(2):
                r = self.ask(self.body() | kw, **headers)
                self.assertEqual((r.headers["X-WatchLLM-Cache"],
                                  r.headers["X-WatchLLM-Cache-Reason"]), ("BYPASS", why))
        # nobody asked for it
        for _ in range(2):
            self.assertEqual(self.status(self.body(), None), "BYPASS")
        self.assertEqual(self.calls(), 14)

    def test_not_kept(self):
        """An answer that was cut off, or failed, is not kept."""
        for _ in range(2):
            self.assertEqual(self.status(self.body("x [[finish=length]]")), "MISS")
            r = self.gate.request("POST", CHAT, self.body("x [[status=400]]"), self.key,
                                  headers={"X-WatchLLM-Cache": "exact"})
            self.assertEqual(r.status, 400)
            r = self.ask(self.body("x [[fault=reset_mid]]", stream=True))
            self.assertIn(b'"error"', r.body)
        self.assertEqual(self.stats()["entries"], 0)

    def test_refresh_and_ttl(self):
        self.assertEqual(self.status(self.body()), "MISS")
        first = self.ask(self.body()).json()["id"]
        self.assertEqual(self.status(self.body(), Cache_Control="no-cache"), "MISS")
        second = self.ask(self.body())
        self.assertEqual(second.headers["X-WatchLLM-Cache"], "HIT")
        self.assertNotEqual(second.json()["id"], first)
        self.assertEqual(self.status(self.body("short"), X_WatchLLM_Cache_TTL="1"), "MISS")
        wait_for(lambda: self.status(self.body("short"), X_WatchLLM_Cache_TTL="1") == "MISS", 5, 0.3)
        r = self.gate.request("POST", CHAT, self.body(), self.key,
                              headers={"X-WatchLLM-Cache": "sometimes"})
        self.assertEqual(self.error(r, 400, "invalid_request")["param"], "X-WatchLLM-Cache")

    def test_settings(self):
        def mode(m: str) -> None:
            self.gate.stores.cli("project", "set", self.project, "--cache", m,
                                 "--cache-ttl", "60")
            # each worker learns of it with its next call
            for _ in range(10):
                self.ask(self.body("other"), None)
        mode("canonical")
        self.assertEqual(self.status(self.body("q"), None), "MISS")
        self.assertIn("HIT", self.status(self.body("Q?"), None))
        self.assertEqual(self.status(self.body("q"), "off"), "BYPASS")
        mode("off")
        wait_for(lambda: self.status(self.body("q")) == "BYPASS", 5, 0.1)
        # what the command does not know stays
        self.gate.stores.sql("UPDATE watchllm.project SET settings ="
                             """ '{"cache": {"mode": "off", "ttl": 9, "scope": "user"}}'"""
                             f" WHERE id = '{self.project}'")
        self.gate.stores.cli("project", "set", self.project, "--cache", "exact")
        self.assertEqual(self.gate.stores.sql(
            f"SELECT settings FROM watchllm.project WHERE id = '{self.project}'"),
            [['{"cache": {"mode": "exact", "scope": "user"}}']])
        r = self.gate.stores.cli("project", "set", self.project, "--cache", "on", check=False)
        self.assertNotEqual(r.returncode, 0)

    def test_tenants(self):
        """Same host, same prompts, same key of the provider: nothing is shared."""
        other, key = self.gate.project("caches")
        b = self.body() | {"messages": [{"role": "system", "content": "Be brief."},
                                        *self.body()["messages"]]}
        mine = {"X_Provider_Key": "sk-same"}
        self.assertEqual(self.status(b, **mine), "MISS")
        self.assertEqual(self.status(b, **mine), "HIT")
        self.assertEqual(self.status(b, key=key, **mine), "MISS")
        entry = self.ask(b, **mine).headers["X-WatchLLM-Cache-Entry"]
        for method, path, body in [("DELETE", f"/v1/cache/entries/{entry}", None),
                                   ("POST", "/v1/cache/feedback",
                                    {"entry_id": entry, "verdict": "wrong"})]:
            self.error(self.gate.request(method, path, body, key), 404, "not_found")
        self.gate.request("POST", "/v1/cache/purge", {}, key)
        self.assertEqual(self.status(b, **mine), "HIT")
        # another key of the provider is another answer
        self.assertEqual(self.status(b, X_Provider_Key="sk-other"), "MISS")
        once = {"Idempotency_Key": "k1"}
        ids = {self.ask(b, None, **once).json()["id"], self.ask(b, None, key=key, **once).json()["id"]}
        self.assertEqual(len(ids), 2)
        slow = self.body("slow [[latency=700]]")
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda k: self.ask(slow, key=k), [self.key, key]))
        self.assertEqual([r.headers["X-WatchLLM-Cache"] for r in both], ["MISS", "MISS"])

    def test_namespaces(self):
        space = {"X_WatchLLM_Cache_Namespace": "a"}
        self.assertEqual(self.status(self.body(), **space), "MISS")
        self.assertEqual(self.status(self.body()), "MISS")
        self.assertEqual(self.status(self.body(), **space), "HIT")
        r = self.gate.request("POST", "/v1/cache/purge", {"namespace": "a"}, self.key)
        self.assertEqual(r.json(), {"purged": True})
        self.assertEqual(self.status(self.body(), **space), "MISS")
        self.assertEqual(self.status(self.body()), "HIT")

    def test_purge(self):
        self.ask(self.body())
        slow = self.body("slow [[latency=800]]")
        with ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(self.ask, slow)
            wait_for(lambda: json.loads(self.gate.fake.call("GET", "/_fake/stats"))["active"])
            self.assertEqual(self.gate.request("POST", "/v1/cache/purge", None, self.key).status,
                             200)
            under_way.result()
        self.assertEqual(self.stats()["entries"], 0)
        self.assertEqual(self.status(self.body()), "MISS")
        self.assertEqual(self.status(slow), "MISS")
        reader = self.gate.stores.key(self.project, scopes="gateway")
        self.error(self.gate.request("POST", "/v1/cache/purge", {}, reader), 403,
                   "insufficient_scope")
        r = self.gate.request("POST", "/v1/cache/purge", {"name": "a"}, self.key)
        self.error(r, 400, "invalid_request")

    def test_feedback(self):
        b = self.body("What is the capital of Spain?")
        self.ask(b, "canonical")
        near = self.body("what is capital of spain")
        hit = self.ask(near, "canonical")
        self.assertEqual(hit.headers["X-WatchLLM-Cache"], "HIT-CANONICAL")
        entry = {"entry_id": hit.headers["X-WatchLLM-Cache-Entry"]}
        def say(verdict: str):
            return self.gate.request("POST", "/v1/cache/feedback", entry | {"verdict": verdict},
                                     self.key)
        self.assertEqual(say("right").status, 200)
        self.assertEqual(say("wrong").status, 200)
        self.assertEqual(say("wrong").status, 404)
        self.assertEqual(say("maybe").status, 400)
        self.assertEqual(self.status(b, "canonical"), "MISS")
        self.assertEqual(self.status(near, "canonical"), "MISS")
        self.assertEqual(self.status(b, "canonical"), "HIT")
        entry = self.ask(b, "canonical").headers["X-WatchLLM-Cache-Entry"]
        gone = [self.gate.request("DELETE", f"/v1/cache/entries/{entry}", key=self.key).status
                for _ in range(2)]
        self.assertEqual(gone, [200, 404])
        self.assertEqual((self.stats()["right"], self.stats()["wrong"]), (1, 1))

    def test_free(self):
        """A hit counts, unless the plan says that it is free for the month."""
        self.gate.stores.plan("freehits")
        self.gate.stores.sql("UPDATE watchllm.plan SET cache_hits_free = true"
                             " WHERE id = 'freehits'")
        _, free = self.gate.project("freehits")
        for key, month in (self.key, 2), (free, 1):
            self.ask(self.body(), key=key)
            self.assertEqual(self.status(self.body(), key=key), "HIT")
            wait_for(lambda: self.counted(key) == (2, month), 5)

if __name__ == "__main__":
    unittest.main()
