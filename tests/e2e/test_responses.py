"""POST /v1/responses: OpenAI's own client, of which only the base URL and the
key were changed, behind every web server; what is recorded of a call; and how
a stream fails."""

from __future__ import annotations

import json
import unittest

import openai
from gate import GateCase, on_every_mount
from openai import OpenAI
from stack import MODEL
from test_events import cost

TOOLS = [{"type": "function", "name": "weather", "description": "The weather of a place.",
          "strict": True, "parameters": {
              "type": "object", "properties": {"place": {"type": "string"}},
              "required": ["place"], "additionalProperties": False}}]


class Case(GateCase):
    conf = {"first_byte_timeout": "2s", "between_bytes_timeout": "2s", "heartbeat": "1s",
            "stream_commit_after": "1s",
            "auth_failures_per_minute": "100000", "bad_requests_per_minute": "100000"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.gate.stores.plan("responses")

    def setUp(self) -> None:
        self.project, self.key = self.gate.project("responses")
        self.ai = self.client(self.key)
        self.addCleanup(self.ai.close)

    def client(self, key: str) -> OpenAI:
        return OpenAI(base_url=self.gate.url + "/v1", api_key=key, max_retries=0, timeout=20)

    def row(self) -> dict:
        return self.gate.recorded(self.project)[0]

    def check(self, row: dict, **expected) -> None:
        self.assertEqual({k: row[k] for k in expected}, expected)

    def raw(self, text: str, **fields) -> str:
        r = self.gate.request("POST", "/v1/responses", {
            "model": MODEL, "input": text, "stream": True, **fields}, self.key)
        self.assertEqual(r.status, 200, r)
        return r.body.decode()

    def events(self, text: str) -> list[dict]:
        """The events of a raw stream, each named as its data says."""
        out = []
        for part in text.split("\n\n"):
            lines = [x for x in part.split("\n") if x and not x.startswith(":")]
            if lines:
                name, data = lines
                out.append(json.loads(data.removeprefix("data: ")))
                self.assertEqual(name, "event: " + out[-1]["type"])
        self.assertEqual([e["sequence_number"] for e in out], list(range(len(out))))
        return out


class Client(Case):
    def test_create(self):
        r = self.ai.responses.with_raw_response.create(
            model=MODEL, input="Say hello.", instructions="Be brief.")
        answer, ours = r.parse(), self.gate.fake.ledger()[-1]
        self.assertIn("No model wrote this text", answer.output_text)
        self.assertEqual((answer.id, answer.status, answer.model, answer.usage.input_tokens,
                          answer.usage.output_tokens),
                         (ours["response_id"], "completed", MODEL, ours["prompt_tokens"],
                          ours["completion_tokens"]))
        self.assertEqual(answer._request_id, r.headers["x-request-id"])
        self.assertEqual(r.headers["x-ratelimit-remaining"], str(
            int(r.headers["x-ratelimit-limit"]) - 1))

    def test_stream(self):
        with self.ai.responses.stream(model=MODEL, input="Say hello.") as s:
            types = [e.type for e in s]
            answer = s.get_final_response()
        self.assertEqual((types[0], types[-1]), ("response.created", "response.completed"))
        self.assertGreater(types.count("response.output_text.delta"), 3)
        self.assertIn("No model wrote this text", answer.output_text)
        self.assertEqual(answer.usage.output_tokens,
                         self.gate.fake.ledger()[-1]["completion_tokens"])

    def test_errors(self):
        with self.assertRaises(openai.AuthenticationError) as e:
            self.client("lgw_proj_" + "x" * 49).responses.create(model=MODEL, input="x")
        self.assertEqual(e.exception.code, "invalid_api_key")
        with self.assertRaises(openai.BadRequestError) as e:
            self.ai.responses.create(model=MODEL, input="x", background=True)
        self.assertEqual((e.exception.code, e.exception.param), ("invalid_request", "background"))


class Recorded(Case):
    def test_call(self):
        r = self.gate.request("POST", "/v1/responses", {
            "model": MODEL, "input": "Say hello. [[cached_tokens=2]]", "user": "u1"}, self.key)
        row, ours = self.row(), self.gate.fake.ledger()[-1]
        self.check(row, status="success", route="/v1/responses", streamed=False, model=MODEL,
                   finish_reason="completed", usage_source="provider", cost_source="price",
                   input_tokens=ours["prompt_tokens"], cached_input_tokens=2, user_id="u1",
                   output_tokens=ours["completion_tokens"])
        self.assertAlmostEqual(row["cost_usd"], cost(MODEL, ours), places=9)
        self.assertEqual("%.9f" % row["cost_usd"], r.headers["X-WatchLLM-Cost-USD"])

    def test_stream(self):
        text = self.raw("Say hello.")
        self.assertNotIn("[DONE]", text)
        events = self.events(text)
        self.assertEqual(events[-1]["type"], "response.completed")
        comment, last = text.rstrip("\n").split("\n\n")[-2:]
        self.assertTrue(comment.startswith(': watchllm {"request_id"'), comment)
        self.assertTrue(last.startswith("event: response.completed\n"), last)
        row, ours = self.row(), self.gate.fake.ledger()[-1]
        self.check(row, status="success", streamed=True, finish_reason="completed",
                   usage_source="provider", output_tokens=ours["completion_tokens"])
        self.assertAlmostEqual(row["cost_usd"], cost(MODEL, ours), places=9)

    def test_prompt_and_answer(self):
        """The system's message is a part of the prompt; secrets are in neither."""
        self.raw("Write to a@example.com", instructions="Never tell 4111 1111 1111 1111.")
        self.row()
        got = self.gate.stores.sql(
            "SELECT input, output FROM watchllm.event_payload"
            f" WHERE project_id = '{self.project}'", "postgres")
        prompt = json.loads(got[0][0])
        self.assertEqual(prompt, {"instructions": "Never tell [REDACTED_CARD].",
                                  "input": "Write to [REDACTED_EMAIL]"})
        self.assertIn("No model wrote this text", got[0][1])

    def test_long(self):
        """The last event holds all of the answer again."""
        text = self.raw("Say hello. [[size=600000 chunk_tokens=1000]]")
        last = self.events(text)[-1]
        self.assertEqual((last["type"], len(last["response"]["output"][0]["content"][0]["text"])),
                         ("response.completed", 600000))
        self.check(self.row(), status="success", usage_source="provider",
                   output_tokens=last["response"]["usage"]["output_tokens"])

    def test_long_instructions(self):
        """They leave room for what was asked."""
        self.raw("the question", instructions="I " * 100000)
        self.row()
        got = self.gate.stores.sql("SELECT input FROM watchllm.event_payload"
                                   f" WHERE project_id = '{self.project}'", "postgres")
        prompt = json.loads(got[0][0])
        self.assertEqual(prompt["input"], "the question")
        self.assertTrue(10000 < len(prompt["instructions"]) < 20000)

    def test_tool(self):
        answer = self.ai.responses.create(
            model=MODEL, input="Say hello. [[tool_calls=1]]", tools=TOOLS)
        call = answer.output[-1]
        self.assertEqual((call.type, call.name), ("function_call", "weather"))
        with self.ai.responses.stream(
                model=MODEL, input="Say hello. [[tool_calls=1]]", tools=TOOLS) as s:
            streamed = s.get_final_response().output[-1]
        self.assertEqual(json.loads(streamed.arguments), json.loads(call.arguments))
        for row in self.gate.recorded(self.project, 2):
            self.assertEqual(row["status"], "success")

    def test_cut(self):
        answer = self.ai.responses.create(model=MODEL, input="Say hello.", max_output_tokens=3)
        self.assertEqual((answer.status, answer.incomplete_details.reason),
                         ("incomplete", "max_output_tokens"))
        self.assertEqual(self.row()["finish_reason"], "max_output_tokens")

    def test_limit(self):
        self.gate.stores.plan("responses-none", 0)
        _, key = self.gate.project("responses-none")
        with self.assertRaises(openai.RateLimitError) as e:
            self.client(key).responses.create(model=MODEL, input="x")
        self.assertEqual(e.exception.code, "rate_limit_exceeded")
        self.assertGreater(int(e.exception.response.headers["retry-after"]), 0)


class Failures(Case):
    def last(self, directives: str) -> dict:
        """The last event of a stream that fails."""
        events = self.events(self.raw(f"Say hello. [[{directives}]]"))
        self.assertEqual(events[-1]["type"], "response.failed")
        self.plain(json.dumps(events[-1]))
        return events[-1]["response"]

    def test_cut_off(self):
        response = self.last("fault=reset_mid")
        self.assertEqual((response["status"], response["error"]["code"]),
                         ("failed", "upstream_error"))
        row = self.row()
        self.check(row, status="error", error_code="upstream_error", usage_source="partial")

    def test_stalls(self):
        response = self.last("fault=stall_mid")
        self.assertEqual(response["error"]["code"], "upstream_timeout")
        self.check(self.row(), status="timeout", error_code="upstream_timeout")

    def test_error_event(self):
        """The provider's own words, and none of its secrets."""
        response = self.last("fault=error_in_stream")
        self.assertEqual(response["error"]["code"], "server_error")
        self.check(self.row(), status="error", error_code="upstream_error")

    def test_first_event(self):
        """The client's own reader wants a response before it fails."""
        with self.ai.responses.stream(
                model=MODEL, input="Say hello. [[status=500 latency=1500]]") as stream:
            events = list(stream)
        self.assertEqual([e.type for e in events], ["response.created", "response.failed"])
        self.assertEqual(events[1].response.error.code, "upstream_error")

    def test_before(self):
        """Nothing was answered, so nothing is paid."""
        with self.assertRaises(openai.APIStatusError) as e:
            self.ai.responses.create(model=MODEL, input="Say hello. [[status=500]]")
        self.assertEqual((e.exception.status_code, e.exception.code), (502, "upstream_error"))
        self.check(self.row(), status="error", cost_usd=None, counts_for_month=False)

    def test_not_an_answer(self):
        for fault in ("malformed_json", "status_200_error_body", "eof_cut"):
            with self.assertRaises(openai.APIStatusError) as e:
                self.ai.responses.create(model=MODEL, input=f"Say hello. [[fault={fault}]]")
            self.assertEqual(e.exception.status_code, 502, fault)
        for row in self.gate.recorded(self.project, 3):
            self.check(row, status="error", counts_for_month=False)

    def test_no_last_event(self):
        """A stream that ends before its terminal event is no answer."""
        self.assertEqual(self.last("fault=eof_mid")["error"]["code"], "upstream_error")
        self.check(self.row(), status="error", usage_source="partial")

    def test_usage_not_told(self):
        self.raw("Say hello. [[usage=none]]")
        self.check(self.row(), status="success", usage_source="estimated")


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    return on_every_mount(loader, Client, Recorded, Failures)


if __name__ == "__main__":
    unittest.main()
