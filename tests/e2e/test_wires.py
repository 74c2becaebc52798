"""Providers whose wire format is not OpenAI's, through OpenAI's own client, of
which only the base URL and the key were changed.  The host on the other side
answers with what the vendors' specifications and client libraries have
(google-genai 3.6, anthropic 2.13, botocore 1.44, cohere 7.3, openai 3.54 for Azure)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import struct
import unittest
import urllib.parse

import openai
from gate import GateCase
from openai import OpenAI
from vendor import Vendor

TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather of a place.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}},
                   "required": ["at"]}}}]
HI = [{"role": "user", "content": "hi"}]
KEY = "key-of-the-project-0123"


class Case(GateCase):
    wire = ""
    auth = "x-api-key"
    path = "/v1"
    model = ""
    prices = "'openai'"
    columns: dict = {}
    conf = {"retry_budget": "0"}

    @classmethod
    def setUpClass(cls) -> None:
        """One gate for all of them."""
        if not hasattr(Case, "shared"):
            super().setUpClass()
            Case.shared = cls
        cls.gate = Case.shared.gate
        cls.vendor = Vendor()
        cls.gate.stores.plan("wires")
        cls.provider = cls.gate.stores.provider(
            f"box-{cls.__name__.lower()}", cls.vendor.url + cls.path, wire=f"'{cls.wire}'",
            auth=f"'{cls.auth}'", key_required="true", price_provider=cls.prices, **cls.columns)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.vendor.stop()

    def setUp(self) -> None:
        self.vendor.reset()
        self.project, self.key = self.gate.stores.project("wires", self.provider)
        self.ai = OpenAI(base_url=self.gate.url + "/v1", api_key=self.key, max_retries=0,
                         timeout=20, default_headers={"X-Provider-Key": KEY})
        self.addCleanup(self.ai.close)

    def chat(self, **fields):
        fields.setdefault("messages", HI)
        return self.ai.chat.completions.create(model=self.model, **fields)

    def asked(self) -> dict:
        """The one call that reached the vendor."""
        self.assertEqual(len(self.vendor.asked), 1)
        return self.vendor.asked[0]

    def row(self) -> dict:
        return self.gate.recorded(self.project)[0]

    def check(self, row: dict, **expected) -> None:
        self.assertEqual({k: row[k] for k in expected}, expected)

    def collect(self, stream) -> dict:
        """What the chunks of a stream make together."""
        out = {"text": "", "reasoning": "", "calls": {}, "finish": None, "usage": None,
               "roles": []}
        for c in stream:
            out["id"], out["model"] = c.id, c.model
            out["usage"] = c.usage or out["usage"]
            for choice in c.choices:
                d = choice.delta
                out["text"] += d.content or ""
                out["reasoning"] += getattr(d, "reasoning_content", None) or ""
                out["finish"] = choice.finish_reason or out["finish"]
                if d.role:
                    out["roles"].append(d.role)
                for t in d.tool_calls or []:
                    call = out["calls"].setdefault(t.index, {"id": t.id, "arguments": ""})
                    call["name"] = t.function.name or call.get("name")
                    call["arguments"] += t.function.arguments or ""
        self.assertEqual(out["roles"], ["assistant"])
        return out

    def refused(self, param: str, **fields) -> None:
        """A 400 that names PARAM, without a call; the month gets it back."""
        before = self.counted(self.key)
        with self.assertRaises(openai.BadRequestError) as e:
            self.chat(**fields)
        self.assertEqual((e.exception.code, e.exception.param), ("invalid_request", param))
        self.assertEqual(self.vendor.asked, [])
        after = self.counted(self.key)
        # a new minute may have begun
        self.assertIn(after[0], (before[0] + 1, 1))
        self.assertEqual(after[1], before[1])


def tearDownModule() -> None:  # noqa: N802
    if hasattr(Case, "shared"):
        super(Case, Case.shared).tearDownClass()


def part(*parts, finish: str | None = None, **usage) -> dict:
    c = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        c["finishReason"] = finish
    return {"candidates": [c], "usageMetadata": {"promptTokenCount": 12, **usage},
            "modelVersion": "gemini-2.5-flash", "responseId": "r-1"}


class Gemini(Case):
    wire = "gemini"
    auth = "x-goog-api-key"
    path = "/v1beta"
    model = "gemini-2.5-flash"
    prices = "'gemini'"

    def test_chat(self) -> None:
        self.vendor.says(part({"text": "Hello."}, finish="STOP", candidatesTokenCount=2,
                              cachedContentTokenCount=4, thoughtsTokenCount=7,
                              totalTokenCount=21))
        r = self.chat(temperature=0.5, max_tokens=50)
        self.assertEqual((r.choices[0].message.content, r.choices[0].finish_reason, r.id),
                         ("Hello.", "stop", "r-1"))
        u = r.usage
        self.assertEqual((u.prompt_tokens, u.completion_tokens, u.total_tokens,
                          u.prompt_tokens_details.cached_tokens,
                          u.completion_tokens_details.reasoning_tokens), (12, 9, 21, 4, 7))
        asked = self.asked()
        self.assertEqual(asked["path"], "/v1beta/models/gemini-2.5-flash:generateContent")
        self.assertEqual(asked["headers"]["x-goog-api-key"], KEY)
        self.assertNotIn("authorization", asked["headers"])
        self.assertEqual(asked["body"], {
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 50}})
        self.check(self.row(), provider=self.provider, status="success", input_tokens=12,
                   cached_input_tokens=4, output_tokens=9)

    def test_stream(self) -> None:
        self.vendor.streams([
            part({"text": "Hel"}, candidatesTokenCount=1),
            part({"text": "lo."}, candidatesTokenCount=2),
            part({"functionCall": {"name": "weather", "args": {"at": "Rome"}},
                  "thoughtSignature": "c2ln"}, finish="STOP", candidatesTokenCount=9)])
        out = self.collect(self.chat(stream=True, tools=TOOLS,
                                     stream_options={"include_usage": True}))
        self.assertEqual((out["text"], out["finish"], out["usage"].completion_tokens),
                         ("Hello.", "tool_calls", 9))
        call = out["calls"][0]
        self.assertEqual((call["name"], json.loads(call["arguments"])),
                         ("weather", {"at": "Rome"}))
        self.assertTrue(call["id"].startswith("call_"))
        self.assertEqual(self.asked()["path"], "/v1beta/models/gemini-2.5-flash:"
                         "streamGenerateContent?alt=sse")
        self.check(self.row(), status="success", input_tokens=12, output_tokens=9)

    def test_tools_back(self) -> None:
        """What the client's library makes of a call goes back as it came."""
        self.vendor.says(part({"functionCall": {"id": "f1", "name": "weather",
                                                "args": {"at": "Rome"}},
                               "thoughtSignature": "c2ln"}, finish="STOP"))
        m = self.chat(tools=TOOLS).choices[0].message
        self.assertEqual((m.content, m.tool_calls[0].id), (None, "f1"))
        self.vendor.reset()
        self.vendor.says(part({"text": "Sunny."}, finish="STOP"))
        self.chat(tools=TOOLS, messages=[*HI, m, {
            "role": "tool", "tool_call_id": "f1", "content": "blue sky"}])
        self.assertEqual(self.asked()["body"]["contents"][1:], [
            {"role": "model", "parts": [{"functionCall": {
                "id": "f1", "name": "weather", "args": {"at": "Rome"}},
                "thoughtSignature": "c2ln"}]},
            {"role": "user", "parts": [{"functionResponse": {
                "id": "f1", "name": "weather", "response": {"output": "blue sky"}}}]}])

    def test_embeddings(self) -> None:
        """The client asks for base64 unless it is told otherwise."""
        self.vendor.says({"embeddings": [{"values": [0.5, -2.25]}, {"values": [1, 3e-2]}]})
        r = self.ai.embeddings.create(model="gemini-embedding-001", input=["a", "b"],
                                      dimensions=2)
        self.assertEqual(r.data[0].embedding, [0.5, -2.25])
        self.assertEqual([round(x, 6) for x in r.data[1].embedding], [1, 0.03])
        self.assertEqual(self.asked()["path"],
                         "/v1beta/models/gemini-embedding-001:batchEmbedContents")
        self.vendor.reset()
        self.vendor.says({"embeddings": [{"values": [0.5, -2.25]}]})
        r = self.ai.embeddings.with_raw_response.create(
            model="gemini-embedding-001", input="a", encoding_format="base64")
        raw = base64.b64decode(json.loads(r.text)["data"][0]["embedding"])
        self.assertEqual(struct.unpack("<2f", raw), (0.5, -2.25))

    def test_models(self) -> None:
        self.vendor.says({"models": [{"name": "models/gemini-2.5-flash", "version": "001"},
                                     {"name": "models/gemini-embedding-001"}]})
        names = [m.id for m in self.ai.models.list()]
        self.assertIn("gemini-2.5-flash", [n.rpartition("/")[2] for n in names])
        asked = self.asked()
        self.assertEqual((asked["path"], asked["headers"]["x-goog-api-key"]),
                         ("/v1beta/models?pageSize=1000", KEY))

    def test_broken_stream(self) -> None:
        """One that ends without a reason is an error, not an answer."""
        self.vendor.streams([part({"text": "Hel"})])
        with self.assertRaises(openai.APIError):
            list(self.chat(stream=True))
        self.assertNotEqual(self.row()["status"], "success")

    def test_errors(self) -> None:
        self.vendor.says({"error": {"code": 400, "message": "API key not valid.", "status":
                                    "INVALID_ARGUMENT", "details": [{
                                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                                        "reason": "API_KEY_INVALID"}]}}, 400)
        with self.assertRaises(openai.APIStatusError) as e:
            self.chat()
        self.assertEqual((e.exception.status_code, e.exception.code),
                         (502, "upstream_credentials_rejected"))
        self.vendor.reset()
        self.vendor.says({"error": {"code": 429, "message": "Quota exceeded.", "status":
                                    "RESOURCE_EXHAUSTED"}}, 429)
        with self.assertRaises(openai.RateLimitError) as e:
            self.chat()
        self.assertEqual(e.exception.code, "upstream_rate_limited")

    def test_refused(self) -> None:
        self.refused("n", n=2)
        self.refused("logit_bias", logit_bias={"1": 1})
        self.refused("messages", messages=[{"role": "user", "content": [{
            "type": "image_url", "image_url": {"url": "https://x.example/y.png"}}]}])


def named(kind: str, **fields) -> dict:
    return {"type": kind, **fields}


class Anthropic(Case):
    wire = "anthropic"
    model = "claude-sonnet-4-5"
    prices = "'anthropic'"

    def test_chat(self) -> None:
        self.vendor.says({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn",
            "stop_sequence": None, "usage": {
                "input_tokens": 10, "cache_read_input_tokens": 30,
                "cache_creation_input_tokens": 20, "output_tokens": 9}})
        r = self.chat(messages=[{"role": "system", "content": "Be brief."}, *HI])
        self.assertEqual((r.choices[0].message.content, r.choices[0].finish_reason,
                          r.usage.prompt_tokens, r.usage.prompt_tokens_details.cached_tokens,
                          r.usage.completion_tokens), ("Hello.", "stop", 60, 30, 9))
        asked = self.asked()
        self.assertEqual((asked["path"], asked["headers"]["x-api-key"],
                          asked["headers"]["anthropic-version"]),
                         ("/v1/messages", KEY, "2023-06-01"))
        self.assertEqual(asked["body"], {
            "model": "claude-sonnet-4-5", "max_tokens": 16384,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
        self.check(self.row(), provider=self.provider, status="success", input_tokens=60,
                   cached_input_tokens=30, output_tokens=9)

    def test_stream(self) -> None:
        self.vendor.streams([
            named("message_start", message={
                "id": "msg_1", "type": "message", "role": "assistant", "model": "c-1",
                "content": [], "stop_reason": None,
                "usage": {"input_tokens": 7, "output_tokens": 1}}),
            named("content_block_start", index=0, content_block={"type": "thinking",
                                                                 "thinking": ""}),
            named("content_block_delta", index=0, delta={"type": "thinking_delta",
                                                         "thinking": "Hm."}),
            named("content_block_stop", index=0), named("ping"),
            named("content_block_start", index=1, content_block={
                "type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}),
            named("content_block_delta", index=1, delta={"type": "input_json_delta",
                                                         "partial_json": "{\"at\": "}),
            named("content_block_delta", index=1, delta={"type": "input_json_delta",
                                                         "partial_json": "\"Rome\"}"}),
            named("content_block_stop", index=1),
            named("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None},
                  usage={"output_tokens": 12}), named("message_stop")], named=True)
        out = self.collect(self.chat(stream=True, tools=TOOLS,
                                     stream_options={"include_usage": True}))
        self.assertEqual((out["reasoning"], out["finish"], out["usage"].total_tokens,
                          out["calls"][0]), ("Hm.", "tool_calls", 19, {
                              "id": "toolu_1", "name": "weather",
                              "arguments": '{"at": "Rome"}'}))
        self.check(self.row(), status="success", input_tokens=7, output_tokens=12)

    def test_structured(self) -> None:
        self.vendor.says({"id": "m", "type": "message", "role": "assistant", "model": "c",
                          "content": [{"type": "text", "text": "{\"a\": 1}"}],
                          "stop_reason": "end_turn",
                          "usage": {"input_tokens": 1, "output_tokens": 1}})
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        r = self.chat(response_format={"type": "json_schema", "json_schema": {
            "name": "x", "strict": True, "schema": schema}})
        self.assertEqual(json.loads(r.choices[0].message.content), {"a": 1})
        self.assertEqual(self.asked()["body"]["output_config"],
                         {"format": {"type": "json_schema", "schema": schema}})

    def test_thought_back(self) -> None:
        """What the client's library makes of a thought goes back as it came."""
        def answer(*content, stop="tool_use"):
            return {"id": "m", "type": "message", "role": "assistant", "model": "c",
                    "content": list(content), "stop_reason": stop,
                    "usage": {"input_tokens": 1, "output_tokens": 1}}
        thought = named("thinking", thinking="Hm.", signature="c2ln")
        call = named("tool_use", id="toolu_1", name="weather", input={"at": "Rome"})
        self.vendor.says(answer(thought, call))
        m = self.chat(tools=TOOLS, reasoning_effort="low").choices[0].message
        self.assertEqual(self.asked()["body"]["thinking"],
                         {"type": "enabled", "budget_tokens": 2048})
        self.vendor.reset()
        self.vendor.says(answer(named("text", text="Sunny."), stop="end_turn"))
        self.chat(tools=TOOLS, reasoning_effort="low", messages=[*HI, m, {
            "role": "tool", "tool_call_id": "toolu_1", "content": "blue sky"}])
        self.assertEqual(self.asked()["body"]["messages"][1],
                         {"role": "assistant", "content": [thought, call]})

    def test_overloaded(self) -> None:
        """Before anything was said it is an error of the stream."""
        self.vendor.streams([named("error", error={"type": "overloaded_error",
                                                   "message": "Overloaded"})], named=True)
        with self.assertRaises(openai.APIError) as e:
            list(self.chat(stream=True))
        self.assertIn("Overloaded", str(e.exception))
        self.assertNotEqual(self.row()["status"], "success")

    def test_refused(self) -> None:
        self.refused("seed", seed=1)
        self.refused("response_format", response_format={"type": "json_object"})


class Azure(Case):
    wire = "azure"
    auth = "api-key"
    path = ""
    model = "my-gpt"
    columns = {"api_version": "'2024-10-21'"}

    def test_chat(self) -> None:
        answer = {"id": "c-1", "object": "chat.completion", "created": 1,
                  "model": "gpt-4o-mini", "prompt_filter_results": [{
                      "prompt_index": 0, "content_filter_results": {
                          "hate": {"filtered": False, "severity": "safe"}}}],
                  "choices": [{"index": 0, "finish_reason": "stop",
                               "content_filter_results": {},
                               "message": {"role": "assistant", "content": "Hello."}}],
                  "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
        self.vendor.says(answer)
        r = self.ai.chat.completions.with_raw_response.create(model=self.model, messages=HI)
        self.assertEqual(json.loads(r.text), answer)
        asked = self.asked()
        self.assertEqual((asked["path"], asked["headers"]["api-key"]), (
            "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21", KEY))
        self.check(self.row(), status="success", input_tokens=3, output_tokens=2)

    def test_filtered(self) -> None:
        self.vendor.says({"error": {
            "message": "The response was filtered.", "type": None, "param": "prompt",
            "code": "content_filter", "status": 400, "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"hate": {"filtered": True}}}}}, 400)
        with self.assertRaises(openai.BadRequestError) as e:
            self.chat()
        self.assertEqual(e.exception.code, "content_filter")
        self.assertEqual(e.exception.body["innererror"]["code"], "ResponsibleAIPolicyViolation")

    def test_stream(self) -> None:
        def chunk(*choices, **more):
            return {"id": "c-1", "object": "chat.completion.chunk", "created": 1,
                    "model": "gpt-4o-mini", "choices": list(choices), **more}
        self.vendor.streams([
            chunk(prompt_filter_results=[]),
            chunk({"index": 0, "delta": {"role": "assistant", "content": "Hello."},
                   "finish_reason": None}),
            chunk({"index": 0, "delta": {}, "finish_reason": "stop"}),
            chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
            b"data: [DONE]\n\n"])
        out = self.collect(self.chat(stream=True))
        self.assertEqual((out["text"], out["finish"], out["usage"]), ("Hello.", "stop", None))
        self.check(self.row(), status="success", input_tokens=3, output_tokens=2)

    def test_embeddings(self) -> None:
        self.vendor.says({"object": "list", "model": "e", "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5]}],
            "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        r = self.ai.embeddings.create(model="my-embed", input="x", encoding_format="float")
        self.assertEqual(r.data[0].embedding, [0.5])
        self.assertEqual(self.asked()["path"],
                         "/openai/deployments/my-embed/embeddings?api-version=2024-10-21")


def signature(asked: dict, secret: str) -> str:
    """What Signature Version 4 is for a request that came, computed anew."""
    h = asked["headers"]
    _, scope = re.search("Credential=([^/]+)/([^,]+),", h["authorization"]).groups()
    names = re.search("SignedHeaders=([^,]+),", h["authorization"]).group(1)
    day, region, service, end = scope.split("/")
    canonical = "\n".join(
        ["POST", urllib.parse.quote(asked["path"], safe="/-_.~"), "",
         *[f"{n}:{h[n]}" for n in names.split(";")], "", names,
         hashlib.sha256(asked["raw"]).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", h["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for step in (day, region, service, end, text):
        key = hmac.digest(key, step.encode(), "sha256")
    return key.hex()


def frame(name: str, body: dict, kind: str = "event") -> bytes:
    """A message of Amazon's event stream."""
    heads = b""
    for k, v in {f":{kind}-type": name, ":content-type": "application/json",
                 ":message-type": kind}.items():
        heads += struct.pack("!B", len(k)) + k.encode() + struct.pack("!BH", 7, len(v))
        heads += v.encode()
    payload = json.dumps(body).encode()
    top = struct.pack("!II", 16 + len(heads) + len(payload), len(heads))
    whole = top + struct.pack("!I", binascii.crc32(top)) + heads + payload
    return whole + struct.pack("!I", binascii.crc32(whole))


class Bedrock(Case):
    wire = "bedrock"
    auth = "sigv4"
    path = ""
    model = "anthropic.claude-3-haiku-20240307-v1:0"
    prices = "'bedrock'"
    pair = ("AKIDEXAMPLE0123", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

    def setUp(self) -> None:
        super().setUp()
        self.ai = self.ai.with_options(default_headers={"X-Provider-Key": ":".join(self.pair)})

    def stream_of(self, *frames: bytes) -> None:
        self.vendor.streams(list(frames), kind="application/vnd.amazon.eventstream")

    def test_chat(self) -> None:
        self.vendor.says({
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}},
            "stopReason": "end_turn", "metrics": {"latencyMs": 9},
            "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}})
        r = self.chat(max_tokens=10)
        self.assertEqual((r.choices[0].message.content, r.choices[0].finish_reason,
                          r.usage.total_tokens), ("Hello.", "stop", 7))
        asked = self.asked()
        self.assertEqual(asked["path"],
                         "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse")
        self.assertEqual(asked["body"], {
            "messages": [{"role": "user", "content": [{"text": "hi"}]}],
            "inferenceConfig": {"maxTokens": 10}})
        self.assertIn(f"Credential={self.pair[0]}/", asked["headers"]["authorization"])
        self.assertTrue(asked["headers"]["authorization"].endswith(
            "Signature=" + signature(asked, self.pair[1])))
        self.assertNotIn(self.pair[1], str(asked["headers"]))
        self.check(self.row(), provider=self.provider, status="success", input_tokens=5,
                   output_tokens=2)

    def test_stream(self) -> None:
        self.stream_of(
            frame("messageStart", {"role": "assistant"}),
            frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "I look."}}),
            frame("contentBlockStop", {"contentBlockIndex": 0}),
            frame("contentBlockStart", {"contentBlockIndex": 1, "start": {
                "toolUse": {"toolUseId": "t1", "name": "weather"}}}),
            frame("contentBlockDelta", {"contentBlockIndex": 1, "delta": {
                "toolUse": {"input": '{"at":"Rome"}'}}}),
            frame("contentBlockStop", {"contentBlockIndex": 1}),
            frame("messageStop", {"stopReason": "tool_use"}),
            frame("metadata", {"usage": {"inputTokens": 7, "outputTokens": 9,
                                         "totalTokens": 16}}))
        out = self.collect(self.chat(stream=True, tools=TOOLS,
                                     stream_options={"include_usage": True}))
        self.assertEqual((out["text"], out["finish"], out["usage"].total_tokens,
                          out["calls"][0]), ("I look.", "tool_calls", 16, {
                              "id": "t1", "name": "weather", "arguments": '{"at":"Rome"}'}))
        self.assertTrue(self.asked()["path"].endswith("/converse-stream"))
        self.check(self.row(), status="success", input_tokens=7, output_tokens=9)

    def test_page(self) -> None:
        """The commands of docs/PROVIDERS.md."""
        self.gate.cli("provider", "set", "azure", "--base-url",
                      "https://RESOURCE.openai.azure.com", "--wire", "azure", "--auth",
                      "api-key", "--api-version", "2024-10-21")
        self.gate.cli("provider", "set", "bedrock", "--base-url",
                      "https://bedrock-runtime.eu-west-1.amazonaws.com")
        rows = json.loads(self.gate.cli("provider", "list", "--json").stdout)
        rows = rows if isinstance(rows, list) else rows["data"]
        row = next(r for r in rows if r["id"] == "bedrock")
        self.assertEqual((row["wire"], row["auth"]), ("bedrock", "sigv4"))

    def test_damaged(self) -> None:
        """A stream whose checksum is wrong ends with an error."""
        whole = frame("contentBlockDelta", {"delta": {"text": "Hello."}})
        self.stream_of(frame("messageStart", {"role": "assistant"}), whole,
                       whole.replace(b"Hello", b"Hallo"))
        text = ""
        with self.assertRaises(openai.APIError):
            for c in self.chat(stream=True):
                text += c.choices[0].delta.content or ""
        self.assertEqual(text, "Hello.")
        self.assertNotEqual(self.row()["status"], "success")

    def test_errors(self) -> None:
        self.vendor.says({"message": f"The token of {self.pair[0]} is invalid."}, 403)
        with self.assertRaises(openai.APIStatusError) as e:
            self.chat()
        self.assertEqual(e.exception.code, "upstream_credentials_rejected")
        self.vendor.reset()
        self.vendor.says({"message": f"Malformed input of {self.pair[0]}."}, 400)
        with self.assertRaises(openai.BadRequestError) as e:
            self.chat()
        self.assertIn("Malformed input of [REDACTED_KEY].", str(e.exception))
        self.vendor.reset()
        self.stream_of(frame("throttlingException", {"message": "Too many."}, "exception"))
        with self.assertRaises(openai.APIError) as e:
            list(self.chat(stream=True))
        self.assertIn("Too many.", str(e.exception))

    def test_refused(self) -> None:
        self.refused("seed", seed=1)
        self.refused("reasoning_effort", reasoning_effort="low")


class Mixed(Case):
    """Providers of several formats for one model, and Anthropic's shape in
    front of another vendor's."""
    wire = "gemini"
    auth = "x-goog-api-key"
    path = "/v1beta"
    model = "gemini-mixed-1"
    prices = "'gemini'"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.other = Vendor()
        cls.gate.stores.provider("mixed-openai", cls.other.url + "/v1")
        cls.gate.stores.provider("mixed-gemini", cls.vendor.url + "/v1beta", wire="'gemini'")
        cls.gate.stores.sql("""
            INSERT INTO watchllm.model_route (pattern, kind, provider, priority)
            VALUES ('gemini-mixed-', 'prefix', 'mixed-gemini', 1),
                   ('gemini-mixed-', 'prefix', 'mixed-openai', 2)""")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.other.stop()
        super().tearDownClass()

    def setUp(self) -> None:
        super().setUp()
        self.other.reset()
        # a key of the request's own would be for one provider alone
        self.ai = OpenAI(base_url=self.gate.url + "/v1", api_key=self.key, max_retries=0,
                         timeout=20)
        self.addCleanup(self.ai.close)

    def test_able(self) -> None:
        """What the first cannot express goes to the one that can."""
        self.other.says({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                         "choices": [{"index": i, "finish_reason": "stop", "message": {
                             "role": "assistant", "content": str(i)}} for i in (0, 1)],
                         "usage": {"prompt_tokens": 1, "completion_tokens": 2,
                                   "total_tokens": 3}})
        r = self.chat(n=2)
        self.assertEqual([c.message.content for c in r.choices], ["0", "1"])
        self.assertEqual((self.vendor.asked, self.other.asked[0]["body"]["n"]), ([], 2))

    def test_messages(self) -> None:
        self.vendor.says(part({"functionCall": {"id": "f1", "name": "weather",
                                                "args": {"at": "Rome"}}}, finish="STOP",
                              candidatesTokenCount=3))
        r = self.gate.request("POST", "/v1/messages", {
            "model": self.model, "max_tokens": 50, "system": "Be brief.", "messages": HI,
            "tools": [{"name": "weather", "input_schema": {"type": "object"}}]}, self.key)
        self.assertEqual(r.status, 200, r.body)
        answer = r.json()
        self.assertEqual((answer["stop_reason"], answer["usage"]["output_tokens"]),
                         ("tool_use", 3))
        self.assertEqual(answer["content"], [{"type": "tool_use", "id": "f1",
                                              "name": "weather", "input": {"at": "Rome"}}])
        self.assertEqual(self.asked()["body"]["systemInstruction"],
                         {"parts": [{"text": "Be brief."}]})

    def test_messages_stream(self) -> None:
        self.vendor.streams([part({"text": "Hel"}, candidatesTokenCount=1),
                             part({"text": "lo."}, finish="STOP", candidatesTokenCount=2)])
        r = self.gate.request("POST", "/v1/messages", {
            "model": self.model, "max_tokens": 50, "messages": HI, "stream": True}, self.key)
        text = r.body.decode()
        self.assertIn('"text":"Hel"', text.replace(" ", ""))
        self.assertIn("event: message_stop", text)
        self.assertNotIn("[DONE]", text)


class Cohere(Case):
    wire = "cohere"
    auth = "bearer"
    path = ""
    model = "command-a-03-2025"
    prices = "'cohere'"

    def test_chat(self) -> None:
        self.vendor.says({
            "id": "c-1", "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
            "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 2},
                      "tokens": {"input_tokens": 71, "output_tokens": 2}}})
        r = self.chat(messages=[{"role": "developer", "content": "Be brief."}, *HI], top_p=0.5)
        self.assertEqual((r.id, r.choices[0].message.content, r.choices[0].finish_reason,
                          r.usage.prompt_tokens, r.usage.completion_tokens),
                         ("c-1", "Hello.", "stop", 5, 2))
        asked = self.asked()
        self.assertEqual((asked["path"], asked["headers"]["authorization"]),
                         ("/v2/chat", f"Bearer {KEY}"))
        self.assertEqual(asked["body"], {
            "model": self.model, "p": 0.5, "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
        self.check(self.row(), provider=self.provider, status="success", input_tokens=5,
                   output_tokens=2)

    def test_stream(self) -> None:
        def delta(kind, **message):
            return named(kind, index=0, delta={"message": message})
        self.vendor.streams([
            named("message-start", id="c-1", delta={"message": {"role": "assistant"}}),
            delta("tool-plan-delta", tool_plan="I look."),
            delta("tool-call-start", tool_calls={
                "id": "t1", "type": "function",
                "function": {"name": "weather", "arguments": ""}}),
            delta("tool-call-delta", tool_calls={"function": {"arguments": "{\"at\":"}}),
            delta("tool-call-delta", tool_calls={"function": {"arguments": "\"Rome\"}"}}),
            named("tool-call-end", index=0),
            named("message-end", delta={"finish_reason": "TOOL_CALL", "usage": {
                "billed_units": {"input_tokens": 7, "output_tokens": 9}}})], named=True)
        out = self.collect(self.chat(stream=True, tools=TOOLS,
                                     stream_options={"include_usage": True}))
        self.assertEqual((out["text"], out["finish"], out["usage"].total_tokens,
                          out["calls"][0]), ("I look.", "tool_calls", 16, {
                              "id": "t1", "name": "weather", "arguments": '{"at":"Rome"}'}))
        self.check(self.row(), status="success", input_tokens=7, output_tokens=9)

    def test_embeddings(self) -> None:
        self.vendor.says({"id": "e", "embeddings": {"float": [[0.5, -2.25]]}, "texts": ["a"],
                          "meta": {"billed_units": {"input_tokens": 3}}})
        r = self.ai.embeddings.create(model="embed-v4.0", input="a",
                                      extra_body={"input_type": "search_query"})
        self.assertEqual((r.data[0].embedding, r.usage.prompt_tokens), ([0.5, -2.25], 3))
        asked = self.asked()
        self.assertEqual((asked["path"], asked["body"]["input_type"]),
                         ("/v2/embed", "search_query"))

    def test_errors(self) -> None:
        self.vendor.says({"id": "x", "message": "invalid api token"}, 401)
        with self.assertRaises(openai.APIStatusError) as e:
            self.chat()
        self.assertEqual(e.exception.code, "upstream_credentials_rejected")
        self.vendor.reset()
        self.vendor.streams([named("message-start", id="c"), named("message-end", delta={
            "finish_reason": "ERROR", "error": "it broke"})], named=True)
        with self.assertRaises(openai.APIError) as e:
            list(self.chat(stream=True))
        self.assertIn("it broke", str(e.exception))

    def test_refused(self) -> None:
        self.refused("logprobs", logprobs=True)
        self.refused("parallel_tool_calls", tools=TOOLS, parallel_tool_calls=False)


if __name__ == "__main__":
    unittest.main()
