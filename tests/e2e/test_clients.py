"""OpenAI's own client libraries, of which only the base URL and the key were
changed, behind every web server."""

import base64
import json
import os
import socket
import struct
import subprocess
import time
import unittest
from pathlib import Path

import openai
from gate import GateCase, data, events, head, raw, status_of
from openai import OpenAI
from stack import MODEL, MOUNTS, SOURCE, wait_for

MODULES = os.environ.get("WL_NODE_MODULES", "")
SAY = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather of a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}},
                   "required": ["place"], "additionalProperties": False}}}]


def say(directives: str) -> list[dict]:
    return [{"role": "user", "content": f"Say hello. [[{directives}]]"}]


class Clients(GateCase):
    """One web server a subclass: see load_tests."""

    conf = {"heartbeat": "1s", "first_byte_timeout": "2s", "between_bytes_timeout": "8s",
            "max_body": "1m", "auth_failures_per_minute": "1000",
            "upstream_retries": "0",        # the libraries' own are to be seen
            "bad_requests_per_minute": "1000"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate.stores.plan("clients")
        cls.project, cls.key = cls.gate.project("clients")
        cls.addClassCleanup(cls.clear)
        cls.ai = cls.client(cls.key)

    @classmethod
    def clear(cls):
        cls.ai.close()

    @classmethod
    def client(cls, key: str, retries: int = 0, sent: list | None = None) -> OpenAI:
        hooks = {"request": [] if sent is None else [sent.append]}
        return OpenAI(base_url=cls.gate.url + "/v1", api_key=key, max_retries=retries,
                      timeout=20, http_client=openai.DefaultHttpxClient(event_hooks=hooks))

    def last(self) -> dict:
        """The body of the newest call that came upstream."""
        return json.loads(self.gate.fake.call("GET", "/_fake/last").partition("\r\n\r\n")[2])

    # -- answers

    def test_chat(self):
        r = self.ai.chat.completions.with_raw_response.create(model=MODEL, messages=SAY)
        answer = r.parse()
        self.assertIn("No model wrote this text", answer.choices[0].message.content)
        self.assertEqual(answer.model, MODEL)
        ours = self.gate.fake.ledger()[-1]
        self.assertEqual((answer.id, answer.usage.prompt_tokens, answer.usage.completion_tokens),
                         (ours["response_id"], ours["prompt_tokens"], ours["completion_tokens"]))
        self.assertRegex(r.headers["x-request-id"], "^[0-9a-f]{8}-")
        self.assertEqual(answer._request_id, r.headers["x-request-id"])
        self.assertEqual(r.headers["x-watchllm-provider"], self.gate.provider)

    def test_forwarded_as_it_came(self):
        """Bytes of the body, fields that nobody knows among them."""
        sent = []
        self.client(self.key, sent=sent).chat.completions.create(
            model=MODEL, messages=SAY, temperature=0.1, seed=7, logit_bias={"1": -1},
            extra_body={"x_unknown": {"deep": [1, 2.50, None, "\u00fc"]}})
        self.assertEqual(self.gate.fake.call("GET", "/_fake/last").partition("\r\n\r\n")[2],
                         sent[0].content.decode())

    def test_stream(self):
        """Chunks come when they are sent, none held back."""
        began = time.time()
        delays, times = [], []
        for chunk in self.ai.chat.completions.create(
                model=MODEL, messages=say("stamp=1 tokens=12 per_token=60"), stream=True):
            now = time.time()
            content = chunk.choices[0].delta.content
            if content:
                times.append(now)
                delays.append(now - int(content.split(":")[1]) / 1e6)
        self.assertEqual(len(times), 12)
        self.assertLess(times[0] - began, 0.6)
        self.assertGreater(times[-1] - times[0], 0.5)
        self.assertLess(sorted(delays)[6], 0.05, delays)
        self.assertLess(max(delays), 0.5, delays)

    def test_stream_usage(self):
        """The usage chunk is asked for, and shown to who asked."""
        chunks = list(self.ai.chat.completions.create(model=MODEL, messages=SAY, stream=True))
        self.assertTrue(all(c.choices for c in chunks))
        self.assertTrue(all(c.usage is None for c in chunks))
        self.assertEqual(self.last()["stream_options"], {"include_usage": True})
        chunks = list(self.ai.chat.completions.create(
            model=MODEL, messages=SAY, stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens,
                         self.gate.fake.ledger()[-1]["completion_tokens"])
        list(self.ai.chat.completions.create(
            model=MODEL, messages=SAY, stream=True,
            stream_options={"include_usage": False, "include_obfuscation": False}))
        self.assertEqual(self.last()["stream_options"],
                         {"include_usage": True, "include_obfuscation": False})

    def test_completions(self):
        instruct = "gpt-3.5-turbo-instruct"
        answer = self.ai.completions.create(model=instruct, prompt="Say hello.")
        self.assertIn("sandbox", answer.choices[0].text)
        self.assertEqual(answer.model, instruct)
        chunks = list(self.ai.completions.create(
            model=instruct, prompt="Say hello.", stream=True))
        self.assertGreater(len(chunks), 3)
        self.assertIn("sandbox", "".join(c.choices[0].text for c in chunks))

    def test_embeddings(self):
        model = "text-embedding-3-small"
        small = {"model": model, "dimensions": 16}
        floats = self.ai.embeddings.create(
            input="a text", encoding_format="float", **small).data[0].embedding
        self.assertEqual(len(floats), 16)
        # what the library asks for by itself is base64
        packed = self.ai.embeddings.create(input="a text", **small).data[0].embedding
        self.assertEqual(self.last()["encoding_format"], "base64")
        for a, b in zip(floats, packed, strict=True):
            self.assertAlmostEqual(a, b, places=5)
        text = self.ai.embeddings.create(
            input="a text", encoding_format="base64", **small).data[0].embedding
        self.assertEqual(struct.unpack("<16f", base64.b64decode(text)), tuple(packed))
        many = self.ai.embeddings.create(input=["one", "two", "three"], **small)
        self.assertEqual([d.index for d in many.data], [0, 1, 2])
        ids = self.ai.embeddings.create(input=[[1, 2, 3], [4, 5]], **small)
        self.assertEqual((len(ids.data), ids.usage.prompt_tokens), (2, 5))

    def test_tools(self):
        answer = self.ai.chat.completions.create(
            model=MODEL, messages=say("tool_calls=1"), tools=TOOLS, tool_choice="auto")
        call = answer.choices[0].message.tool_calls[0]
        self.assertEqual((call.function.name, answer.choices[0].finish_reason),
                         ("weather", "tool_calls"))
        self.assertIn("place", json.loads(call.function.arguments))
        self.assertEqual(self.last()["tools"], TOOLS)
        name, arguments = "", ""
        for chunk in self.ai.chat.completions.create(
                model=MODEL, messages=say("tool_calls=1"), tools=TOOLS, stream=True):
            for part in chunk.choices[0].delta.tool_calls or []:
                name += part.function.name or ""
                arguments += part.function.arguments or ""
        self.assertEqual(name, "weather")
        self.assertIn("place", json.loads(arguments))

    def test_json_mode(self):
        answer = self.ai.chat.completions.create(
            model=MODEL, messages=say("tokens=40"), response_format={"type": "json_object"})
        self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)
        schema = {"type": "object", "properties": {"n": {"type": "integer"}},
                  "required": ["n"], "additionalProperties": False}
        answer = self.ai.chat.completions.create(
            model=MODEL, messages=SAY, response_format={
                "type": "json_schema",
                "json_schema": {"name": "number", "strict": True, "schema": schema}})
        self.assertIsInstance(json.loads(answer.choices[0].message.content)["n"], int)
        self.assertEqual(self.last()["response_format"]["json_schema"]["schema"], schema)

    def test_large(self):
        """Bodies and answers far over any buffer of a web server."""
        text = "0123456789abcdef" * 40000
        answer = self.ai.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": text + "[[size=900000]]"}])
        self.assertGreater(len(answer.choices[0].message.content), 800000)
        self.assertEqual(len(self.last()["messages"][0]["content"]), len(text) + 15)

    # -- errors, as the library raises them

    def fails(self, error, status, code, model=MODEL, messages=SAY, ai=None, **fields):
        with self.assertRaises(error) as caught:
            got = (ai or self.ai).chat.completions.create(
                model=model, messages=messages, **fields)
            if fields.get("stream"):
                list(got)
        e = caught.exception
        self.assertEqual((type(e), e.status_code, e.code), (error, status, code), e)
        self.plain(str(e))
        return e

    def test_authentication_error(self):
        for key in ("sk-wrong", self.key[:-1] + ("a" if self.key[-1] != "a" else "b")):
            e = self.fails(openai.AuthenticationError, 401, "invalid_api_key",
                           ai=self.client(key, retries=2))
            self.assertEqual(e.type, "authentication_error")

    def test_rate_limit_error(self):
        self.clock.minute()
        if self.gate.workers is None and time.time() % 60 > 45:
            time.sleep(60 - time.time() % 60)   # their clock is the web server's
        _, key = self.gate.project("free")
        sent = []
        ai = self.client(key, sent=sent)
        for left in range(9, -1, -1):
            r = ai.chat.completions.with_raw_response.create(model=MODEL, messages=SAY)
            self.assertEqual(r.headers["x-ratelimit-remaining"], str(left))
        e = self.fails(openai.RateLimitError, 429, "rate_limit_exceeded", ai=ai)
        after = int(e.response.headers["retry-after"])
        self.assertEqual(e.body["details"]["retryAfter"], after)
        self.assertTrue(1 <= after <= 60, after)
        self.assertNotIn("x-should-retry", e.response.headers)
        self.assertEqual(len(sent), 11)

    def test_waits_for_the_minute(self):
        """The library's own retry comes when the minute has ended, as it was told."""
        if self.gate.workers is None:
            return          # their clock is the web server's
        self.clock.minute(57)
        _, key = self.gate.project("free")
        sent = []
        ai = self.client(key, retries=1, sent=sent)
        for _ in range(10):
            ai.chat.completions.create(model=MODEL, messages=SAY)
        self.assertEqual(len(sent), 10)
        minute = self.clock.now() // 60
        ai.chat.completions.create(model=MODEL, messages=SAY)
        self.assertEqual((len(sent), self.clock.now() // 60), (12, minute + 1))

    def test_quota_error(self):
        """The library does not try again what only a new month helps."""
        _, key = self.gate.project(self.gate.stores.plan("clients0", month=0))
        sent = []
        e = self.fails(openai.RateLimitError, 429, "quota_exceeded",
                       ai=self.client(key, retries=3, sent=sent))
        self.assertEqual((e.type, e.response.headers["x-should-retry"]),
                         ("quota_exceeded_error", "false"))
        self.assertEqual(len(sent), 1)

    def test_provider_limits_itself(self):
        """Its 429 and Retry-After pass, and the library's own retry waits so long."""
        e = self.fails(openai.RateLimitError, 429, "upstream_rate_limited",
                       messages=say("status=429 retry_after=7"))
        self.assertEqual(e.response.headers["retry-after"], "7")
        sent = []
        began = time.monotonic()
        self.client(self.key, retries=1, sent=sent).chat.completions.create(
            model=MODEL, messages=say(f"status=429 retry_after=2 times=1 id=r{self.mount}"))
        self.assertEqual(len(sent), 2)
        self.assertGreaterEqual(time.monotonic() - began, 1.9)

    def test_bad_request_error(self):
        e = self.fails(openai.BadRequestError, 400, "invalid_request", messages="hello")
        self.assertEqual(e.param, "messages")
        e = self.fails(openai.BadRequestError, 400, "invalid_request", model="")
        self.assertEqual(e.param, "model")

    def test_provider_refuses(self):
        """Its own words about a bad request pass."""
        e = self.fails(openai.BadRequestError, 400, None,
                       messages=say("status=400"))
        self.assertIn("error", e.response.json())

    def test_not_found_error(self):
        _, key = self.gate.stores.project("clients")
        self.fails(openai.NotFoundError, 404, "model_not_found", ai=self.client(key),
                   model="no-such-model")
        with self.assertRaises(openai.NotFoundError) as caught:
            self.ai.get("/nowhere", cast_to=object)
        self.assertEqual(caught.exception.code, "not_found")

    def test_permission_denied_error(self):
        _, key = self.gate.project("clients", scopes="ingest")
        self.fails(openai.PermissionDeniedError, 403, "insufficient_scope",
                   ai=self.client(key))

    def test_upstream_error(self):
        """502, and the library tries again."""
        e = self.fails(openai.InternalServerError, 502, "upstream_error",
                       messages=say("fault=reset_before"))
        self.assertEqual(e.type, "api_error")
        sent = []
        self.client(self.key, retries=2, sent=sent).chat.completions.create(
            model=MODEL, messages=say(f"fault=reset_before times=1 id=u{self.mount}"))
        self.assertIn(len(sent), (1, 2))

    def test_timeout(self):
        began = time.monotonic()
        self.fails(openai.InternalServerError, 504, "upstream_timeout",
                   messages=say("fault=silence"))
        self.assertTrue(1.9 <= time.monotonic() - began < 6)

    def test_too_large(self):
        text = [{"role": "user", "content": "x" * 1_200_000}]
        self.fails(openai.APIStatusError, 413, "request_too_large", messages=text)
        # declared, and refused before it is read
        reply = raw(self.gate.web.port, head("POST", "/v1/chat/completions", [
            ("Authorization", f"Bearer {self.key}"), ("Content-Type", "application/json"),
            ("Content-Length", "1200000"), ("Connection", "close")]) + b"{" * 1_200_000)
        self.assertEqual(status_of(reply), 413, reply[:200])
        self.assertIn(b'"request_too_large"', reply)

    def test_error_in_stream(self):
        """After the first chunk an error is an event, which the library raises."""
        chunks = []
        with self.assertRaises(openai.APIError) as caught:
            for chunk in self.ai.chat.completions.create(
                    model=MODEL, messages=say("fault=reset_mid"), stream=True):
                chunks.append(chunk)
        self.assertGreaterEqual(len(chunks), 3)
        self.assertEqual(caught.exception.code, "upstream_error")

    # -- a client that leaves

    def test_client_gone(self):
        """Seen at once, or by the next heartbeat where the server hides it."""
        at_once = self.mount in ("nginx", "lighttpd", "spawn")
        c, r = self.gate.stream(self.key, "Hello. [[fault=stall_mid after=3 id=gone]]")
        for _ in range(3):
            while not r.readline().startswith(b"data:"):
                pass
        left = time.time()
        r.close()
        c.close()
        record = self.ended("client_gone", 6, id="gone")
        self.assertLess(record["end_us"] / 1e6 - left, 1.0 if at_once else 2.5)

    def test_client_gone_unstreamed(self):
        """Cancelled at once, or run to its end where the server hides it; one row.

        lighttpd does not always watch a client that it has nothing for yet."""
        project, key = self.gate.project("clients")
        body = json.dumps({"model": MODEL, "messages": say("latency=1500 id=quiet")}).encode()
        with socket.create_connection(("127.0.0.1", self.gate.web.port), 5) as s:
            s.sendall(head("POST", "/v1/chat/completions", [
                ("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"),
                ("Content-Length", str(len(body)))]) + body)
            wait_for(lambda: json.loads(self.gate.fake.call(
                "GET", "/_fake/stats"))["active"] > 0, 5, 0.02)
        left = time.time()
        record = wait_for(lambda: [x for x in self.gate.fake.ledger() if x["id"] == "quiet"],
                          5, 0.02)[0]
        row = self.gate.recorded(project)[0]
        if self.mount == "nginx" or record["end"] == "client_gone":
            self.assertEqual((record["end"], row["status"], row["http_status"]),
                             ("client_gone", "client_closed", 499))
            self.assertLess(record["end_us"] / 1e6 - left, 1.0)
        else:
            self.assertEqual(record["end"], "complete")
            self.assertIn(row["status"], ("success", "client_closed"))
            self.assertEqual(row["output_tokens"], record["completion_tokens"])
        self.assertTrue(row["counts_for_month"])

    def test_heartbeat(self):
        """Comments keep a silent stream alive, and its headers leave early."""
        c, r = self.gate.stream(self.key, "Hello. [[ttft=2500 tokens=2]]")
        self.assertRegex(r.headers["Content-Type"], "^text/event-stream")
        lines = events(r)
        c.close()
        comments = [t for t, line in lines if line.startswith(":")]
        first = next(t for t, line in lines if line.startswith("data:"))
        self.assertGreaterEqual(len([t for t in comments if t < first - 0.2]), 2, lines)
        self.assertEqual(data(lines)[-1], "[DONE]")

    # -- the other library

    def test_npm(self):
        """The same with npm's openai: tests/e2e/js/client.mjs."""
        self.clock.minute()
        stores = self.gate.stores
        env = {"WL_URL": self.gate.url + "/v1", "WL_KEY": self.key,
               "WL_FREE_KEY": self.gate.project("free")[1],
               "WL_QUOTA_KEY": self.gate.project(stores.plan("clients0", month=0))[1],
               "WL_BARE_KEY": stores.project("clients")[1], "WL_MODULES": MODULES,
               "WL_ID": self.mount, "NODE_NO_WARNINGS": "1"}
        run = subprocess.run(["node", str(SOURCE / "tests/e2e/js/client.mjs")], text=True,
                             capture_output=True, timeout=90, env={**os.environ, **env})
        lines = run.stdout.splitlines()
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(lines[-1], f"{len(lines) - 1} ok")
        self.assertGreaterEqual(len(lines), 14)

    def test_recorded(self):
        """A call of a library is one row within two seconds."""
        project, key = self.gate.project("clients")
        answer = self.client(key).chat.completions.create(model=MODEL, messages=SAY, user="u-7")
        row = self.gate.recorded(project)[0]
        self.assertEqual(
            (row["request_id"], row["http_status"], row["user_id"], row["input_tokens"],
             row["output_tokens"]),
            (answer._request_id, 200, "u-7", answer.usage.prompt_tokens,
             answer.usage.completion_tokens))


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for mount in os.environ.get("WL_MOUNTS", " ".join(MOUNTS)).split():
        suite.addTests(loader.loadTestsFromTestCase(
            type(f"Clients_{mount}", (Clients,), {"mount": mount})))
    # below a prefix of the site
    below = type("Clients_prefix", (Clients,), {"mount": "nginx", "base": "/llm"})
    suite.addTests(below(f"test_{x}") for x in ("chat", "stream", "not_found_error", "recorded"))
    return suite


if __name__ == "__main__":
    unittest.main()
