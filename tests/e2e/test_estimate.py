"""POST /v1/estimate: tokens, prices, admission, and that it changes nothing."""

from __future__ import annotations

import json
import unittest

from gate import GateCase, stores
from openai import OpenAI

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x" * 400}]}


class Estimate(GateCase):
    def ask(self, key: str | None, body, api: str = "", **headers: str):
        return self.gate.request("POST", "/v1/estimate" + (f"?api={api}" if api else ""),
                                 body, key, headers or None)

    def good(self, key: str, body: dict, api: str = "") -> dict:
        r = self.ask(key, body, api)
        self.assertEqual(r.status, 200, r)
        self.plain(r.body)
        return r.json()

    def test_chat(self):
        project, key = self.gate.project()
        e = self.good(key, {**CHAT, "max_tokens": 100, "n": 2})
        self.assertEqual((e["object"], e["api"], e["model"]), ("estimate", "chat", "gpt-4o-mini"))
        # four bytes a token: the text, and "user"
        self.assertEqual(e["tokens"], {"input": 101, "output_max": 200, "usage_source": "estimated"})
        (t,) = e["targets"]
        self.assertEqual((t["provider"], t["model"], t["keys"], t["price_known"]),
                         (self.gate.provider, "gpt-4o-mini", 0, True))
        self.assertAlmostEqual(t["input_usd"], 101 * 0.15e-6, 12)
        self.assertAlmostEqual(t["output_usd_per_mtok"], 0.6, 9)
        self.assertAlmostEqual(t["max_usd"], 101 * 0.15e-6 + 200 * 0.6e-6, 12)
        self.assertEqual(t["price_from"], "2024-01-01T00:00:00.000Z")
        self.assertEqual(e["admission"]["refused_by"], None)
        self.assertTrue(e["admission"]["admitted"])

    def test_as_the_call(self):
        """What the call is billed when the provider says nothing else."""
        project, key = self.gate.project()
        e = self.good(key, CHAT)
        self.assertIsNone(e["tokens"]["output_max"])
        self.assertIsNone(e["targets"][0]["max_usd"])
        self.assertEqual(self.gate.chat(key, "x" * 400).status, 200)
        (call,) = self.gate.recorded(project)
        self.assertEqual(call["attributes"]["input_estimate"] if "attributes" in call
                         else e["tokens"]["input"], e["tokens"]["input"])

    def test_nothing_changes(self):
        self.clock.spare(20)
        project, key = self.gate.project()
        before = len(self.gate.fake.ledger())
        for _ in range(20):
            r = self.ask(key, CHAT)
            self.assertEqual(r.status, 200)
            self.assertEqual(r.headers["Cache-Control"], "no-store")
        self.assertEqual(self.counted(key), (0, 0))
        self.assertEqual(len(self.gate.fake.ledger()), before)
        self.assertEqual(self.gate.chat(key).status, 200)
        self.gate.recorded(project, 1)
        self.assertEqual(self.counted(key), (1, 1))

    def test_apis(self):
        _, key = self.gate.project()
        e = self.good(key, {"model": "text-embedding-3-small", "input": ["x" * 40]})
        self.assertEqual((e["api"], e["tokens"]["input"], e["tokens"]["output_max"]),
                         ("embeddings", 10, 0))
        self.assertAlmostEqual(e["targets"][0]["max_usd"], 10 * 0.02e-6, 12)
        e = self.good(key, {"model": "gpt-3.5-turbo-instruct", "prompt": "x" * 40, "max_tokens": 4})
        self.assertEqual((e["api"], e["tokens"]["output_max"]), ("completions", 4))
        both = {"model": "gpt-4o-mini", "input": "x" * 40}
        e = self.error(self.ask(key, both), 400, "invalid_request")
        self.assertEqual(e["param"], "api")
        self.assertEqual(self.good(key, both, "responses")["api"], "responses")
        self.assertEqual(self.good(key, both, "embeddings")["api"], "embeddings")
        self.error(self.ask(key, both, "images"), 400, "invalid_request")

    def test_unknown_price(self):
        _, key = self.gate.project()
        e = self.good(key, {**CHAT, "model": "nobody-sells-this", "max_tokens": 5})
        t = e["targets"][0]
        self.assertEqual((t["price_known"], t["input_usd"], t["output_usd_per_mtok"], t["max_usd"]),
                         (False, None, None, None))
        self.assertNotIn("price_from", t)

    def test_candidates(self):
        """Each provider once, with the number of its keys."""
        s = stores()
        names = [s.provider(f"est{i}", f"http://127.0.0.1:9/{i}", auth="'bearer'",
                            key_required="true") for i in range(2)]
        project, key = s.project("pro")
        for n in names:
            for _ in range(2):
                self.gate.cli("provider-key", "set", project, n, stdin=f"sk-{n}-0123456789\n")
        try:
            e = self.good(key, CHAT)
        finally:
            s.sql("UPDATE watchllm.provider SET enabled = false WHERE id LIKE 'est%'")
        self.assertEqual({t["provider"] for t in e["targets"]}, set(names))
        self.assertNotIn("sk-est", json.dumps(e))

    def test_limits(self):
        """Whether the next call would pass, before and after the last one."""
        self.gate.stores.plan("est-two", minute=2, month=100)
        project, key = self.gate.project("est-two")
        self.clock.spare(30)
        for used in range(3):
            a = self.good(key, CHAT)["admission"]
            self.assertEqual((a["rateLimit"]["used"], a["rateLimit"]["remaining"], a["admitted"]),
                             (used, 2 - used, used < 2))
            self.assertEqual(a["refused_by"], None if used < 2 else "rate_limit_exceeded")
            status = self.gate.chat(key).status
            self.assertEqual(status, 200 if a["admitted"] else 429)

    def test_refused_as_the_call(self):
        _, key = self.gate.project()
        for body, status, code in ((b"{", 400, "invalid_json"), (b"[]", 400, "invalid_request"),
                                   (b"{}", 400, "invalid_request"),
                                   (b'{"messages":[]}', 400, "invalid_request")):
            r = self.ask(key, body, **{"Content-Type": "application/json"})
            self.error(r, status, code)
        r = self.ask(key, b"x", **{"Content-Type": "text/plain"})
        self.error(r, 415, "unsupported_media_type")
        _, lonely = self.gate.stores.project("pro")
        self.error(self.ask(lonely, {**CHAT, "model": "unknown-model"}), 404, "model_not_found")
        self.error(self.ask(None, CHAT), 401, "missing_api_key")
        project, _ = self.gate.project()
        self.error(self.ask(self.gate.stores.key(project, scopes="ingest"), CHAT), 403,
                   "insufficient_scope")
        self.assertEqual(self.gate.request("GET", "/v1/estimate", key=key).status, 405)

    def test_client(self):
        """Any client library can send it."""
        _, key = self.gate.project()
        ai = OpenAI(base_url=self.gate.url + "/v1", api_key=key, max_retries=0)
        self.assertEqual(ai.post("/estimate", body=CHAT, cast_to=object)["api"], "chat")


if __name__ == "__main__":
    unittest.main()
