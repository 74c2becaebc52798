"""Authentication, scopes, headers and errors of the gate, byte by byte."""

import json
import re
import time
import unittest

from gate import AFTER_AUTH, GateCase, data, events, head, raw, status_of
from stack import MODEL, new_key

JSON = ("Content-Type", "application/json")
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}


class Gateway(GateCase):
    processes = 2
    conf = {"first_byte_timeout": "1s", "auth_failures_per_minute": "100000",
            "bad_requests_per_minute": "100000", "cors_origins": "https://app.example",
            "max_body": "1m"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stores = cls.gate.stores
        stores.plan("gateway")
        cls.project, cls.key = cls.gate.project("gateway")
        # before the first call, since workers look for new ones now and then
        cls.own = stores.provider(f"own{cls.gate.web.port}", cls.gate.fake.base,
                                  auth="'bearer'", key_required="true", price_provider="NULL")

    def post(self, body, key=None, path="/v1/chat/completions", **headers):
        return self.gate.request("POST", path, body, key, {
            "Content-Type": "application/json",
            **{k.replace("_", "-"): v for k, v in headers.items()}})


class Keys(Gateway):
    def ask(self, *headers: tuple[str, str]) -> int:
        return status_of(raw(self.gate.web.port, head("GET", "/v1/usage", list(headers))))

    def test_ways_to_send(self):
        k = self.key
        for name, value in [
                ("Authorization", f"Bearer {k}"), ("authorization", f"bearer {k}"),
                ("AUTHORIZATION", f"BEARER {k}"), ("Authorization", f"Bearer    {k}"),
                ("Authorization", f"Bearer {k}   "), ("x-api-key", k), ("X-Api-Key", k),
                ("X-API-KEY", f"  {k}  "), ("api-key", k), ("Api-Key", k)]:
            with self.subTest(name=name, value=value.replace(k, "KEY")):
                self.assertEqual(self.ask((name, value)), 200)

    def test_ways_that_are_none(self):
        k = self.key
        for headers in [
                [], [("Authorization", k)], [("Authorization", f"Basic {k}")],
                [("Authorization", "Bearer")], [("Authorization", "Bearer ")],
                [("Authorization", f"Bearer{k}")], [("Cookie", f"key={k}")],
                [("Authorization", f"Bearer {k} {k}")], [("x-api-key", "")],
                [("Authorization", f"Bearer {k},")], [("X-Provider-Key", k)]]:
            with self.subTest(headers=str(headers).replace(k, "KEY")):
                self.assertEqual(self.ask(*headers), 401)
        self.assertEqual(status_of(raw(self.gate.web.port, head(
            "GET", f"/v1/usage?api_key={k}&key={k}&authorization=Bearer%20{k}", []))), 401)

    def test_one_answer_for_all(self):
        """Nothing can be probed: unknown, mistyped, revoked, expired, disabled."""
        stores = self.gate.stores
        good = self.key
        mistyped = good[:20] + ("x" if good[20] != "x" else "y") + good[21:]
        project, off = self.gate.project("gateway")
        self.assertEqual(self.gate.chat(off).status, 200)
        self.gate.cli("project", "set", project, "--disable")
        keys = {"unknown": new_key(), "mistyped": mistyped, "short": good[:-1],
                "long": good + "0", "other": "sk-proj-0123456789", "one": "x",
                "kind": good.replace("lgw_proj_", "lgw_test_"),
                "revoked": stores.key(self.project, revoked_at="now()"),
                "expired": stores.key(self.project, expires_at="now() - interval '1 s'"),
                "disabled": off, "huge": "lgw_proj_" + "0" * 4000}
        seen = {}
        for name, key in keys.items():
            r = self.post(CHAT, key)
            self.error(r, 401, "invalid_api_key")
            self.assertRegex(r.headers["WWW-Authenticate"], "^Bearer ")
            seen[name] = (r.body, {k.lower() for k in r.headers},
                          r.headers["WWW-Authenticate"])
        self.assertEqual(len({repr(v[0]) for v in seen.values()}), 1, seen)
        self.assertEqual(len({repr(sorted(v[1])) for v in seen.values()}), 1, seen)
        missing = self.post(CHAT)
        self.assertEqual(self.error(missing, 401, "missing_api_key")["message"],
                         json.loads(seen["unknown"][0])["error"]["message"])

    def test_revoked_at_once(self):
        """By the next call, on every worker, for calls and for reading."""
        for path in ("/v1/chat/completions", "/v1/usage"):
            _, key = self.gate.project("gateway")
            method = "GET" if path == "/v1/usage" else "POST"

            def ask():
                return self.gate.request(method, path, CHAT if method == "POST" else None, key)
            for _ in range(12):
                self.assertEqual(ask().status, 200)
            self.gate.cli("key", "revoke", key)
            self.assertEqual([ask().status for _ in range(12)], [401] * 12)

    def test_expires(self):
        """When its time comes, although it is cached."""
        at = int(self.clock.now()) + 100
        project, _ = self.gate.project("gateway")
        key = self.gate.stores.key(project, expires_at=f"to_timestamp({at})")
        for _ in range(6):
            self.assertEqual(self.gate.chat(key).status, 200)
        self.clock.move(101)
        for _ in range(6):
            self.error(self.gate.chat(key), 401, "invalid_api_key")

    def test_scopes(self):
        project, _ = self.gate.project("gateway")
        for scope in ("ingest", "read", "admin", "ingest,read,admin"):
            key = self.gate.stores.key(project, scopes=scope)
            for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
                error = self.error(self.post(CHAT, key, path), 403, "insufficient_scope")
                self.assertEqual(error["type"], "permission_error")
            self.assertEqual(self.gate.request("GET", "/v1/usage", key=key).status, 200)
        key = self.gate.stores.key(project, scopes="gateway")
        self.assertEqual(self.gate.chat(key).status, 200)
        self.assertEqual(self.counted(key), (1, 1))

    def test_test_keys(self):
        project, _ = self.gate.project("gateway")
        key = self.gate.stores.key(project, kind="test")
        self.assertTrue(key.startswith("lgw_test_"))
        self.assertEqual(self.gate.chat(key).status, 200)

    def test_not_in_the_log(self):
        self.gate.chat(self.key)
        self.post(CHAT, new_key()[:-1])
        time.sleep(0.2)
        log = self.gate.log.read_text()
        self.assertIn(self.key[9:15], log)
        self.assertNotIn("lgw_proj_", log)
        self.assertNotIn(self.key[15:], log)


class Headers(Gateway):
    def complete(self, r) -> None:
        """The headers of limits, and that they fit each other."""
        h = r.headers
        for name in AFTER_AUTH:
            self.assertIsNotNone(h[name], f"{name} of {r}")
        now = self.clock.now()
        minute, month = int(h["X-RateLimit-Reset"]), int(h["X-Quota-Reset"])
        self.assertEqual(minute % 60, 0)
        self.assertTrue(0 <= minute - now + 2 <= 63, (minute, now))
        self.assertEqual(time.gmtime(month)[2:6], (1, 0, 0, 0))
        self.assertTrue(0 < month - now < 32 * 86400)
        limit, left = h["X-RateLimit-Limit"], h["X-RateLimit-Remaining"]
        quota, rest = h["X-Quota-Limit"], h["X-Quota-Remaining"]
        self.assertRegex(h["RateLimit-Policy"],
                         rf'^"minute";q={limit};w=60, "month";q={quota};w=\d+$')
        self.assertRegex(h["RateLimit"],
                         rf'^"minute";r={left};t=\d+, "month";r={rest};t=\d+$')
        self.assertRegex(h["Server-Timing"], r"(^|, )auth;dur=[\d.]+(, |$)")
        self.assertRegex(h["Server-Timing"], r"total;dur=[\d.]+")
        self.assertRegex(h["X-Request-Id"],
                         r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        for name in AFTER_AUTH:
            self.assertEqual(len(h.get_all(name)), 1, name)

    def test_every_answer(self):
        say = CHAT["messages"][0]["content"]
        _, bare = self.gate.stores.project("gateway")
        cases = [
            (200, self.gate.chat(self.key)),
            (200, self.post({"model": MODEL, "prompt": "x"}, self.key, "/v1/completions")),
            (200, self.post({"model": "text-embedding-3-small", "input": "x"}, self.key,
                            "/v1/embeddings")),
            (200, self.gate.request("GET", "/v1/usage", key=self.key)),
            (200, self.gate.chat(self.key, stream=True)),
            (400, self.post({"model": MODEL}, self.key)),
            (400, self.post(b"{", self.key)),
            (400, self.post(b"[" * 40, self.key)),
            (403, self.post(CHAT, self.gate.stores.key(self.project, scopes="read"))),
            (404, self.post({**CHAT, "model": "no-such-model"}, bare)),
            (415, self.gate.request("POST", "/v1/chat/completions", b"x=1", self.key,
                                    {"Content-Type": "application/x-www-form-urlencoded"})),
            (400, self.gate.chat(self.key, say + "[[status=400]]")),
            (429, self.gate.chat(self.key, say + "[[status=429]]")),
            (502, self.gate.chat(self.key, say + "[[status=500]]")),
            (502, self.gate.chat(self.key, say + "[[status=503]]", stream=True)),
            (504, self.gate.chat(self.key, say + "[[fault=silence]]")),
            (429, self.gate.chat(self.gate.project(
                self.gate.stores.plan("headers0", minute=0))[1])),
            (429, self.gate.chat(self.gate.project(
                self.gate.stores.plan("headers00", month=0))[1])),
        ]
        for i, (status, r) in enumerate(cases):
            with self.subTest(i=i, status=status):
                self.assertEqual(r.status, status, r)
                self.complete(r)

    def test_too_large(self):
        """Also of a body that is refused by its declared length."""
        for size in (1_100_000, 3_000_000):
            r = self.post(b"[" * size, self.key)
            self.error(r, 413, "request_too_large")
            self.complete(r)
        # authenticate comes first
        self.error(self.post(b"[" * 1_100_000, new_key()), 401, "invalid_api_key")

    def test_gateway_results(self):
        r = self.gate.chat(self.key)
        self.assertEqual(r.headers["X-WatchLLM-Provider"], self.gate.provider)
        self.assertIn(r.headers["X-WatchLLM-Cache"], ("MISS", "BYPASS"))
        self.assertRegex(r.headers["X-WatchLLM-Cost-USD"], r"^\d+\.\d{9}$")
        usage = r.json()["usage"]
        self.assertEqual(r.headers["X-WatchLLM-Cost-USD"], "%.9f" % (
            (usage["prompt_tokens"] * 150 + usage["completion_tokens"] * 600) / 1e9))
        self.assertRegex(r.headers["X-WatchLLM-Latency-Ms"], r"^\d+$")
        self.assertEqual(int(r.headers["Content-Length"]), len(r.body))
        self.assertRegex(r.headers["Server-Timing"], "auth;.*gate;.*upstream;.*total;")
        unpriced = self.gate.chat(self.key, model="gpt-unpriced")
        self.assertEqual(unpriced.status, 200)
        self.assertIsNone(unpriced.headers["X-WatchLLM-Cost-USD"])

    def test_stream(self):
        """What is not known when the headers leave comes before the end."""
        c, r = self.gate.stream(self.key)
        lines = [line for _, line in events(r) if line]
        c.close()
        self.assertRegex(r.headers["Content-Type"], "^text/event-stream")
        self.assertIsNone(r.headers["Content-Length"])
        self.assertEqual(lines[-1], "data: [DONE]")
        self.assertTrue(lines[-2].startswith(": watchllm {"), lines[-2])
        told = json.loads(lines[-2].removeprefix(": watchllm "))
        self.assertEqual(told["request_id"], r.headers["X-Request-Id"])
        ours = self.gate.fake.ledger()[-1]
        self.assertEqual((told["tokens"]["input"], told["tokens"]["output"]),
                         (ours["prompt_tokens"], ours["completion_tokens"]))
        self.assertAlmostEqual(
            told["cost_usd"],
            (ours["prompt_tokens"] * 150 + ours["completion_tokens"] * 600) / 1e9, places=12)

    def test_request_id(self):
        """Ours is another than the client's, which is kept with the event."""
        project, key = self.gate.project("gateway")
        r = self.post(CHAT, key, X_Request_Id="my id 7")
        self.assertNotEqual(r.headers["X-Request-Id"], "my id 7")
        row = self.gate.recorded(project)[0]
        self.assertEqual((row["request_id"], row["client_request_id"]),
                         (r.headers["X-Request-Id"], "my id 7"))

    def test_cors_exposes_them(self):
        r = self.post(CHAT, self.key, Origin="https://app.example")
        self.assertEqual(r.headers["Access-Control-Allow-Origin"], "https://app.example")
        exposed = {x.strip().lower() for x in
                   r.headers["Access-Control-Expose-Headers"].split(",")}
        wanted = [*AFTER_AUTH, "Retry-After", "X-Should-Retry", "X-WatchLLM-Cache",
                  "X-WatchLLM-Latency-Ms", "X-WatchLLM-Cost-USD", "X-WatchLLM-Provider",
                  "X-WatchLLM-Limiter"]
        self.assertEqual({x.lower() for x in wanted} - exposed, set())
        r = self.post(CHAT, self.key, Origin="https://evil.example")
        self.error(r, 403, "origin_not_allowed")

    def test_preflight(self):
        r = self.gate.request("OPTIONS", "/v1/chat/completions", headers={
            "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os"})
        self.assertEqual((r.status, r.body), (204, b""))
        allowed = r.headers["Access-Control-Allow-Headers"].lower()
        for name in ("authorization", "content-type", "x-stainless-os"):
            self.assertIn(name, allowed)
        self.assertIn("POST", r.headers["Access-Control-Allow-Methods"])


class Shape(Gateway):
    """The error object, and the routes' answers to what is not theirs."""

    def test_members(self):
        r = self.post({"model": MODEL}, self.key)
        pairs = json.loads(r.body, object_pairs_hook=list)
        self.assertEqual([k for k, _ in pairs], ["error"])
        self.assertEqual([k for k, _ in pairs[0][1]], ["message", "type", "code", "param"])
        self.assertEqual(r.json()["error"]["param"], "messages")

    def test_fields(self):
        for path, body, param in [
                ("chat/completions", {"messages": CHAT["messages"]}, "model"),
                ("chat/completions", {**CHAT, "model": 7}, "model"),
                ("chat/completions", {**CHAT, "model": ""}, "model"),
                ("chat/completions", {**CHAT, "model": None}, "model"),
                ("chat/completions", {"model": MODEL, "messages": []}, "messages"),
                ("chat/completions", {"model": MODEL, "messages": {}}, "messages"),
                ("chat/completions", {**CHAT, "stream": "yes"}, "stream"),
                ("completions", {"model": MODEL}, "prompt"),
                ("embeddings", {"model": MODEL}, "input")]:
            with self.subTest(path=path, body=body):
                r = self.post(body, self.key, "/v1/" + path)
                self.assertEqual(self.error(r, 400, "invalid_request")["param"], param)

    def test_no_routes(self):
        for method, path in [("GET", "/v1/nowhere"), ("POST", "/v1/chat"), ("GET", "/v1/"),
                             ("GET", "/observability/"), ("POST", "/v1/admin/projects"),
                             ("GET", "/observability/debug-sentry"), ("GET", "/v1/v1/health"),
                             ("POST", "/v1/chat/completions/x"), ("GET", "/health/x")]:
            with self.subTest(method=method, path=path):
                r = self.gate.request(method, path, key=self.key)
                self.error(r, 404, "not_found")

    def test_wrong_method(self):
        for method, path, allow in [
                ("GET", "/v1/chat/completions", {"POST", "OPTIONS"}),
                ("DELETE", "/v1/embeddings", {"POST", "OPTIONS"}),
                ("PUT", "/v1/completions", {"POST", "OPTIONS"}),
                ("POST", "/v1/usage", {"GET", "HEAD", "OPTIONS"}),
                ("BREW", "/v1/usage", {"GET", "HEAD", "OPTIONS"})]:
            with self.subTest(method=method, path=path):
                r = self.gate.request(method, path, key=self.key)
                self.error(r, 405, "method_not_allowed")
                self.assertEqual(set(re.split(", *", r.headers["Allow"])), allow)

    def test_provider_and_model(self):
        """An explicit provider/model is sent without the provider's name."""
        r = self.post({**CHAT, "model": f"{self.gate.provider}/some/model"}, self.key)
        self.assertEqual((r.status, r.json()["model"]), (200, "some/model"))

    def test_provider_key(self):
        """The customer's own key goes upstream, ours does not."""
        self.post(CHAT, self.key)
        self.assertNotIn(self.key, self.gate.fake.call("GET", "/_fake/last"))
        asked = {**CHAT, "model": f"{self.own}/m"}
        self.error(self.post(asked, self.key), 400, "byok_required")
        r = self.post(asked, self.key, X_Provider_Key="sk-mine-1234")
        self.assertEqual(r.status, 200, r)
        last = self.gate.fake.call("GET", "/_fake/last")
        self.assertRegex(last, r"(?im)^authorization: bearer sk-mine-1234\r?$")
        self.assertNotIn("X-Provider-Key", last)

    def test_options_of_headers(self):
        """Nothing of the client's headers goes upstream that would not be its business."""
        self.post(CHAT, self.key, Cookie="secret=1", X_Forwarded_For="203.0.113.7",
                  X_WatchLLM_Run_Id="r1")
        last = self.gate.fake.call("GET", "/_fake/last").partition("\r\n\r\n")[0]
        for word in ("secret=1", "203.0.113.7", self.key):
            self.assertNotIn(word, last)

    def test_chunks_of_the_upstream(self):
        """Bytes cut anywhere by the provider make the same events."""
        for words in ("split=1 utf8=1", "split=7 eol=crlf", "split=3 eol=cr bom=1",
                      "comments=1", "chunk_tokens=5"):
            with self.subTest(words=words):
                r = self.gate.chat(self.key, f"x [[{words} tokens=6]]", stream=True)
                got = data([(0, x) for x in r.body.decode().replace("\r\n", "\n")
                            .replace("\r", "\n").lstrip("\ufeff").split("\n")])
                self.assertEqual(got[-1], "[DONE]")
                text = "".join(c["choices"][0]["delta"].get("content") or ""
                               for c in got[:-1] if c["choices"])
                self.assertEqual(len(text.encode()), 24, text)


del Gateway

if __name__ == "__main__":
    unittest.main()
