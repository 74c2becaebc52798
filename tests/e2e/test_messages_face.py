"""POST /v1/messages in front of a provider of OpenAI's wire format: Anthropic's
own client, which sees no difference, behind every web server."""

from __future__ import annotations

import json
import unittest

import anthropic
import test_messages
from gate import GateCase, on_every_mount
from test_messages import MODEL, PIXEL, TOOLS, cost
from vendor import Vendor


class Case(test_messages.Case):
    wire = "openai"

    def sent(self) -> dict:
        """What the provider was asked."""
        head, _, body = self.gate.fake.call("GET", "/_fake/last").partition("\r\n\r\n")
        self.assertIn("/chat/completions", head)
        return json.loads(body)


class Client(Case):
    def test_create(self):
        answer = self.ask("Say hello. [[cached_tokens=1]]", system="Be brief.",
                          stop_sequences=["x"])
        sent, ours = self.sent(), self.gate.fake.ledger()[-1]
        self.assertEqual([m["role"] for m in sent["messages"]], ["system", "user"])
        self.assertEqual((sent["max_tokens"], sent["stop"]), (1000, ["x"]))
        self.assertIn("No model wrote this text", answer.content[0].text)
        self.assertEqual((answer.id, answer.type, answer.model, answer.stop_reason),
                         (ours["response_id"], "message", MODEL, "end_turn"))
        self.assertEqual(
            (answer.usage.input_tokens, answer.usage.cache_read_input_tokens,
             answer.usage.output_tokens),
            (ours["prompt_tokens"] - 1, 1, ours["completion_tokens"]))
        row = self.row()
        self.check(row, status="success", route="/v1/messages", finish_reason="stop",
                   usage_source="provider", input_tokens=ours["prompt_tokens"],
                   cached_input_tokens=1, output_tokens=ours["completion_tokens"])
        self.assertAlmostEqual(row["cost_usd"], cost(row), places=9)

    def test_stream(self):
        with self.stream("Say hello. [[reasoning_tokens=5]]") as s:
            types = [e.type for e in s]
            answer = s.get_final_message()
        ours = self.gate.fake.ledger()[-1]
        self.assertEqual((types[0], types[-1]), ("message_start", "message_stop"))
        self.assertGreater(types.count("content_block_delta"), 3)
        self.assertIn("No model wrote this text", answer.content[0].text)
        self.assertEqual((answer.stop_reason, answer.usage.output_tokens,
                          answer.usage.input_tokens),
                         ("end_turn", ours["completion_tokens"], ours["prompt_tokens"]))
        row = self.row()
        self.check(row, status="success", streamed=True, usage_source="provider",
                   output_tokens=ours["completion_tokens"], reasoning_tokens=5)
        self.assertAlmostEqual(row["cost_usd"], cost(row), places=9)

    def test_tools(self):
        """Calls of tools, and their results in the next question."""
        answer = self.ask("Say hello. [[tool_calls=2]]", tools=TOOLS,
                          tool_choice={"type": "auto"})
        calls = answer.content
        self.assertEqual((answer.stop_reason, [c.name for c in calls]),
                         ("tool_use", ["weather", "weather"]))
        self.assertEqual(list(calls[0].input), ["place"])
        again = self.ask(messages=[
            {"role": "user", "content": "Say hello."},
            {"role": "assistant", "content": [c.model_dump(exclude_none=True) for c in calls]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": calls[0].id, "content": "Rain."},
                {"type": "tool_result", "tool_use_id": calls[1].id, "content": "None.",
                 "is_error": True},
                {"type": "text", "text": "So?"}]}], tools=TOOLS)
        sent = self.sent()["messages"]
        self.assertEqual([m["role"] for m in sent],
                         ["user", "assistant", "tool", "tool", "user"])
        self.assertEqual([c["id"] for c in sent[1]["tool_calls"]], [c.id for c in calls])
        self.assertEqual(sent[3]["content"], "Error: None.")
        self.assertIn("No model wrote this text", again.content[0].text)
        with self.stream("Say hello. [[tool_calls=2]]", tools=TOOLS) as s:
            streamed = s.get_final_message()
        self.assertEqual([c.input for c in streamed.content], [c.input for c in calls])
        self.assertEqual(streamed.stop_reason, "tool_use")
        for row in self.gate.recorded(self.project, 3):
            self.check(row, status="success")

    def test_image(self):
        self.ask(messages=[{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                         "data": PIXEL}},
            {"type": "text", "text": "What is this?"}]}])
        self.assertEqual(self.sent()["messages"][0]["content"][0], {
            "type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}})

    def test_count_tokens(self):
        """Nobody counts them, so it is an estimate, and says so."""
        before = len(self.gate.fake.ledger())
        count = self.ai.messages.count_tokens(
            model=MODEL, system="1234", messages=[{"role": "user", "content": "12345678"}])
        self.assertGreaterEqual(count.input_tokens, 3)
        self.assertIs(count.to_dict()["estimated"], True)
        self.assertEqual(len(self.gate.fake.ledger()), before)
        self.check(self.row(), status="success", route="/v1/messages/count_tokens",
                   usage_source="none", cost_usd=None, counts_for_month=True)

    def test_what_cannot_be_asked(self):
        """It is named, and nobody is called."""
        before = len(self.gate.fake.ledger())
        for fields, param in (
                ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0"),
                ({"extra_body": {"mcp_servers": [{}]}}, "mcp_servers")):
            with self.assertRaises(anthropic.BadRequestError) as e:
                self.ask(**fields)
            self.assertEqual((e.exception.body["error"]["type"],
                              e.exception.body["error"]["param"]),
                             ("invalid_request_error", param))
        self.assertEqual(len(self.gate.fake.ledger()), before)
        for row in self.gate.recorded(self.project, 2):
            self.check(row, status="error", counts_for_month=False)

    def test_errors(self):
        for status, kind, type_ in (
                (400, anthropic.BadRequestError, "invalid_request_error"),
                (404, anthropic.NotFoundError, "not_found_error"),
                (429, anthropic.RateLimitError, "rate_limit_error"),
                (500, anthropic.InternalServerError, "api_error")):
            with self.assertRaises(kind) as e:
                self.ask(f"Say hello. [[status={status}]]")
            self.assertEqual(e.exception.body["error"]["type"], type_)
            self.plain(json.dumps(e.exception.body))
        with self.assertRaises(anthropic.APIStatusError) as e:
            with self.stream("Say hello. [[fault=error_in_stream]]") as s:
                list(s)
        self.assertEqual(e.exception.body["error"]["type"], "api_error")


class Cached(Case):
    test_cached = test_messages.Recorded.test_cached


class Failures(test_messages.Failures):
    """The same as of a provider that speaks Anthropic's."""

    wire = "openai"


class Mixed(Case):
    """A model with a provider of each format: the second is asked when the
    first cannot be reached, each in its own words."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        s = cls.gate.stores
        cls.native = s.provider(f"native{cls.gate.web.port}", cls.gate.fake.base,
                                wire="'anthropic'", price_provider="'anthropic'")
        cls.closed = s.provider(f"closed{cls.gate.web.port}", "http://127.0.0.1:9/v1",
                                wire="'anthropic'")
        cls.gone = s.provider(f"gone{cls.gate.web.port}", "http://127.0.0.1:9/v1")

    def serve(self, *providers: str) -> str:
        model = f"mixed-{self.id().rpartition('.')[2]}"
        for i, provider in enumerate(providers):
            self.gate.stores.sql(f"""INSERT INTO watchllm.model_route
                (pattern, kind, provider, priority)
                VALUES ('{model}', 'exact', '{provider}', {i + 1})""", "postgres")
        return model

    def test_then_a_chat(self):
        model = self.serve(self.closed, self.provider)
        with self.stream(model=model) as s:
            answer = s.get_final_message()
        self.assertIn("No model wrote this text", answer.content[0].text)
        self.check(self.row(), status="success", provider=self.provider, finish_reason="stop")

    def test_then_its_own(self):
        model = self.serve(self.gone, self.native)
        with self.stream(model=model) as s:
            answer = s.get_final_message()
        self.assertIn("No model wrote this text", answer.content[0].text)
        self.check(self.row(), status="success", provider=self.native, finish_reason="end_turn")

    def test_beside_each_other(self):
        """The first is late, and the second was asked in its own words."""
        self.gate.cli("route", "add", self.project, "beside", "--file", "-", stdin=json.dumps({
            "alias": "beside", "targets": [f"{self.native}/late", f"{self.provider}/{MODEL}"],
            "hedge": {"after_ms": 300, "max_cost_usd": 0.5, "percent": 100}}))
        self.gate.fake.defaults(latency=9000, for_model="late")
        self.addCleanup(self.gate.fake.reset)
        with self.stream(model="beside") as s:
            answer = s.get_final_message()
        self.assertIn("No model wrote this text", answer.content[0].text)
        self.assertIn("No model wrote this text", self.ask(model="beside").content[0].text)
        for row in self.gate.recorded(self.project, 2):
            self.check(row, status="success", provider=self.provider, finish_reason="stop")

    def test_who_can(self):
        """What a chat cannot express goes to the one that can."""
        model = self.serve(self.provider, self.native)
        self.ask(model=model, extra_body={"container": "c"})
        self.check(self.row(), status="success", provider=self.native)


def candidate(*parts, finish: str | None = None) -> dict:
    c = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        c["finishReason"] = finish
    return {"candidates": [c], "modelVersion": "gemini-2.5-flash", "responseId": "r-1",
            "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 9}}


class Translated(GateCase):
    """In front of a provider whose answers are made a chat before."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.vendor = Vendor()
        cls.gate.stores.plan("messages")
        cls.provider = cls.gate.stores.provider(
            f"gemini{cls.gate.web.port}", cls.vendor.url + "/v1beta", wire="'gemini'",
            auth="'x-goog-api-key'")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.vendor.stop()
        super().tearDownClass()

    def setUp(self) -> None:
        self.vendor.reset()
        _, key = self.gate.stores.project("messages", self.provider)
        self.ai = anthropic.Anthropic(base_url=self.gate.url, api_key=key, max_retries=0,
                                      timeout=20)
        self.addCleanup(self.ai.close)

    def test_create(self):
        self.vendor.says(candidate({"text": "Hello."}, finish="STOP"))
        answer = self.ai.messages.create(model="gemini-2.5-flash", max_tokens=50, system="Brief.",
                                         messages=[{"role": "user", "content": "hi"}])
        self.assertEqual((answer.content[0].text, answer.stop_reason, answer.usage.input_tokens,
                          answer.usage.output_tokens), ("Hello.", "end_turn", 12, 9))
        self.assertEqual(self.vendor.asked[0]["body"], {
            "systemInstruction": {"parts": [{"text": "Brief."}]},
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "generationConfig": {"maxOutputTokens": 50}})

    def test_stream(self):
        self.vendor.streams([
            candidate({"text": "Hel"}), candidate({"text": "lo."}),
            candidate({"functionCall": {"name": "weather", "args": {"place": "Rome"}}},
                      finish="STOP")])
        with self.ai.messages.stream(model="gemini-2.5-flash", max_tokens=50, tools=TOOLS,
                                     messages=[{"role": "user", "content": "hi"}]) as s:
            answer = s.get_final_message()
        self.assertEqual((answer.content[0].text, answer.content[1].input, answer.stop_reason,
                          answer.usage.output_tokens),
                         ("Hello.", {"place": "Rome"}, "tool_use", 9))


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    return on_every_mount(loader, Client, Cached, Failures, Mixed, Translated)


if __name__ == "__main__":
    unittest.main()
