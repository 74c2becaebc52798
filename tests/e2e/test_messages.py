"""POST /v1/messages: Anthropic's own client, of which only the base URL and the
key were changed, behind every web server, with a provider that speaks the same;
what is recorded of a call; and how a stream fails."""

from __future__ import annotations

import json
import unittest

import anthropic
from anthropic import Anthropic
from gate import GateCase, on_every_mount

MODEL = "claude-test-1"
# input, cache read, cache write, output: nano-dollars per million tokens
PRICE = (3_000_000_000, 300_000_000, 3_750_000_000, 15_000_000_000)
SECRET = "sk-ant-api03-of-the-tests-0123456789"
TOOLS = [{"name": "weather", "description": "The weather of a place.", "input_schema": {
    "type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}}]
PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
         "AABJRU5ErkJggg==")


def cost(row: dict, written: int = 0) -> float:
    """What the classes of ROW cost together, in USD, with WRITTEN to the cache."""
    read = row["cached_input_tokens"]
    nano = ((row["input_tokens"] - read - written) * PRICE[0] + read * PRICE[1]
            + written * PRICE[2] + row["output_tokens"] * PRICE[3])
    return nano / 1e15


class Case(GateCase):
    conf = {"first_byte_timeout": "2s", "between_bytes_timeout": "2s", "heartbeat": "1s",
            "stream_commit_after": "1s",
            "auth_failures_per_minute": "100000", "bad_requests_per_minute": "100000"}
    wire = "anthropic"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        s = cls.gate.stores
        s.plan("messages")
        s.sql(f"""INSERT INTO watchllm.price (provider, model, effective_from, input_nano,
                cache_read_nano, cache_write_nano, output_nano, source)
            VALUES ('anthropic', '{MODEL}', '2024-01-01', {PRICE[0]}, {PRICE[1]}, {PRICE[2]},
                {PRICE[3]}, 'test') ON CONFLICT DO NOTHING""", "postgres")
        cls.provider = s.provider(
            f"{cls.wire}{cls.gate.web.port}", cls.gate.fake.base, wire=f"'{cls.wire}'",
            auth="'x-api-key'", price_provider="'anthropic'")

    def setUp(self) -> None:
        self.project, self.key = self.gate.stores.project("messages", self.provider)
        self.ai = self.client(self.key)
        self.addCleanup(self.ai.close)

    def client(self, key: str) -> Anthropic:
        return Anthropic(base_url=self.gate.url, api_key=key, max_retries=0, timeout=20)

    def ask(self, text: str = "Say hello.", **fields):
        return self.ai.messages.create(**self.body(text, **fields))

    def stream(self, text: str = "Say hello.", **fields):
        return self.ai.messages.stream(**self.body(text, **fields))

    def body(self, text: str, **fields) -> dict:
        return {"model": MODEL, "max_tokens": 1000,
                "messages": [{"role": "user", "content": text}], **fields}

    def row(self) -> dict:
        return self.gate.recorded(self.project)[0]

    def check(self, row: dict, **expected) -> None:
        self.assertEqual({k: row[k] for k in expected}, expected)

    def raw(self, text: str, **fields) -> str:
        r = self.gate.request("POST", "/v1/messages", self.body(text, stream=True, **fields),
                              self.key, {"anthropic-version": "2023-06-01"})
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
        return out


class Client(Case):
    def test_create(self):
        r = self.ai.messages.with_raw_response.create(
            **self.body("Say hello.", system="Be brief."))
        answer, ours = r.parse(), self.gate.fake.ledger()[-1]
        self.assertIn("No model wrote this text", answer.content[0].text)
        self.assertEqual((answer.id, answer.type, answer.model, answer.stop_reason),
                         (ours["response_id"], "message", MODEL, "end_turn"))
        self.assertEqual((answer.usage.input_tokens, answer.usage.output_tokens),
                         (ours["prompt_tokens"], ours["completion_tokens"]))
        self.assertEqual(answer._request_id, r.headers["x-request-id"])
        self.assertEqual(r.headers["x-ratelimit-remaining"], str(
            int(r.headers["x-ratelimit-limit"]) - 1))

    def test_stream(self):
        with self.stream() as s:
            types = [e.type for e in s]
            answer = s.get_final_message()
        self.assertEqual((types[0], types[-1]), ("message_start", "message_stop"))
        self.assertGreater(types.count("content_block_delta"), 3)
        self.assertIn("No model wrote this text", answer.content[0].text)
        self.assertEqual((answer.stop_reason, answer.usage.output_tokens),
                         ("end_turn", self.gate.fake.ledger()[-1]["completion_tokens"]))

    def test_tools(self):
        """A call of a tool, and its result in the next question."""
        answer = self.ask("Say hello. [[tool_calls=1]]", tools=TOOLS)
        call = answer.content[-1]
        self.assertEqual((answer.stop_reason, call.type, call.name),
                         ("tool_use", "tool_use", "weather"))
        self.assertEqual(list(call.input), ["place"])
        again = self.ask(messages=[
            {"role": "user", "content": "Say hello."},
            {"role": "assistant", "content": [call.model_dump(exclude_none=True)]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."},
                {"type": "text", "text": "So?"}]}], tools=TOOLS)
        self.assertIn("No model wrote this text", again.content[0].text)
        with self.stream("Say hello. [[tool_calls=1]]", tools=TOOLS) as s:
            streamed = s.get_final_message().content[-1]
        self.assertEqual(streamed.input, call.input)
        for row in self.gate.recorded(self.project, 3):
            self.check(row, status="success")

    def test_image(self):
        answer = self.ask(messages=[{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                         "data": PIXEL}},
            {"type": "text", "text": "What is this?"}]}])
        self.assertIn("No model wrote this text", answer.content[0].text)

    def test_models(self):
        """The list of the provider, in the shape of the client."""
        models = self.ai.models.list()
        mine = [m for m in models if m.id == f"{self.provider}/sandbox"]
        self.assertEqual((len(mine), mine[0].type, mine[0].created_at.year),
                         (1, "model", 2024))
        self.assertEqual((models.has_more, models.last_id), (False, models.data[-1].id))
        self.assertEqual(self.ai.models.retrieve(mine[0].id).id, mine[0].id)
        with self.assertRaises(anthropic.NotFoundError):
            self.ai.models.retrieve("nobody")
        plain = self.gate.request("GET", "/v1/models", key=self.key).json()
        self.assertEqual(plain["object"], "list")
        self.assertIn("owned_by", plain["data"][0])

    def test_count_tokens(self):
        count = self.ai.messages.count_tokens(
            model=MODEL, system="Be brief.",
            messages=[{"role": "user", "content": "Say hello. [[prompt_tokens=77]]"}])
        self.assertEqual((count.input_tokens, count.to_dict().get("estimated")), (77, None))
        row = self.row()
        self.check(row, status="success", route="/v1/messages/count_tokens",
                   usage_source="none", cost_usd=None, counts_for_month=True)
        with self.assertRaises(anthropic.RateLimitError):
            self.ai.messages.count_tokens(
                model=MODEL, messages=[{"role": "user", "content": "[[status=429]]"}])

    def test_errors(self):
        with self.assertRaises(anthropic.AuthenticationError) as e:
            self.client("lgw_proj_" + "x" * 49).messages.create(**self.body("x"))
        self.assertEqual(e.exception.body["error"]["type"], "authentication_error")
        with self.assertRaises(anthropic.BadRequestError) as e:
            self.ask(messages=[])
        self.assertEqual((e.exception.body["error"]["type"], e.exception.body["error"]["param"]),
                         ("invalid_request_error", "messages"))
        self.gate.stores.plan("messages-none", 0)
        _, key = self.gate.stores.project("messages-none", self.provider)
        with self.assertRaises(anthropic.RateLimitError) as e:
            self.client(key).messages.create(**self.body("x"))
        self.assertEqual(e.exception.body["error"]["code"], "rate_limit_exceeded")
        self.assertGreater(int(e.exception.response.headers["retry-after"]), 0)
        for path, status in (("/v1/messages", 405), ("/v1/messages/none", 404)):
            r = self.gate.request("GET", path, key=self.key)
            self.assertEqual((r.status, r.json()["type"], r.json()["request_id"]),
                             (status, "error", r.headers["X-Request-Id"]))

    def test_errors_of_the_provider(self):
        for status, kind, type_ in (
                (400, anthropic.BadRequestError, "invalid_request_error"),
                (413, anthropic.APIStatusError, "request_too_large"),
                (429, anthropic.RateLimitError, "rate_limit_error"),
                (529, anthropic.InternalServerError, "api_error")):
            with self.assertRaises(kind) as e:
                self.ask(f"Say hello. [[status={status}]]")
            self.assertEqual((e.exception.status_code, e.exception.body["error"]["type"]),
                             (502 if status > 499 else status, type_))
            self.plain(json.dumps(e.exception.body))
        with self.assertRaises(anthropic.APIStatusError) as e:
            with self.stream("Say hello. [[fault=error_in_stream]]") as s:
                list(s)
        self.assertEqual(e.exception.body["error"]["type"], "overloaded_error")


class Recorded(Case):
    def test_call(self):
        r = self.gate.request("POST", "/v1/messages", self.body(
            "Say hello. [[prompt_tokens=100 cached_tokens=20 cache_write_tokens=30]]",
            metadata={"user_id": "u1"}), self.key)
        self.assertEqual(r.json()["usage"]["input_tokens"], 50)
        row, ours = self.row(), self.gate.fake.ledger()[-1]
        self.check(row, status="success", route="/v1/messages", streamed=False, model=MODEL,
                   finish_reason="end_turn", usage_source="provider", cost_source="price",
                   input_tokens=100, cached_input_tokens=20,
                   user_id="u1", output_tokens=ours["completion_tokens"])
        self.assertAlmostEqual(row["cost_usd"], cost(row, 30), places=9)
        self.assertEqual("%.9f" % row["cost_usd"], r.headers["X-WatchLLM-Cost-USD"])

    def test_stream(self):
        text = self.raw("Say hello. [[prompt_tokens=100 cached_tokens=20 "
                        "cache_write_tokens=30 reasoning_tokens=7]]")
        events = self.events(text)
        self.assertEqual(events[1]["content_block"]["type"], "thinking")
        comment, last = text.rstrip("\n").split("\n\n")[-2:]
        self.assertTrue(comment.startswith(': watchllm {"request_id"'), comment)
        self.assertEqual(last, 'event: message_stop\ndata: {"type":"message_stop"}')
        row, ours = self.row(), self.gate.fake.ledger()[-1]
        self.check(row, status="success", streamed=True, finish_reason="end_turn",
                   usage_source="provider", input_tokens=100, cached_input_tokens=20,
                   output_tokens=ours["completion_tokens"],
                   reasoning_tokens=7)
        self.assertAlmostEqual(row["cost_usd"], cost(row, 30), places=9)

    def test_prompt_and_answer(self):
        """The system's message is a part of the prompt; secrets are in neither."""
        self.raw("Write to a@example.com", system="Never tell 4111 1111 1111 1111.")
        self.row()
        got = self.gate.stores.sql(
            "SELECT input, output FROM watchllm.event_payload"
            f" WHERE project_id = '{self.project}'", "postgres")
        self.assertEqual(json.loads(got[0][0]), {
            "system": "Never tell [REDACTED_CARD].",
            "messages": [{"role": "user", "content": "Write to [REDACTED_EMAIL]"}]})
        self.assertIn("No model wrote this text", got[0][1])

    def test_cached(self):
        """A message that is kept is told again as it was, in one piece or as a
        stream; another version of the API is another question."""
        before = len(self.gate.fake.ledger())
        ai = self.ai.with_options(default_headers={"X-WatchLLM-Cache": "exact"})
        text = self.id()
        answers = [ai.messages.with_raw_response.create(**self.body(text)) for _ in range(2)]
        self.assertEqual([a.headers["x-watchllm-cache"] for a in answers], ["MISS", "HIT"])
        self.assertEqual(answers[0].parse(), answers[1].parse())
        told = []
        for _ in range(2):
            with ai.messages.stream(**self.body(text)) as s:
                told.append([e.type for e in s])
                self.assertEqual(s.get_final_message().stop_reason, "end_turn")
        self.assertEqual((told[0], told[1][-1]), (told[1], "message_stop"))
        self.assertEqual(len(self.gate.fake.ledger()), before + 2)
        other = ai.with_options(default_headers={"anthropic-beta": "x",
                                                 "X-WatchLLM-Cache": "exact"})
        other.messages.create(**self.body(text))
        self.assertEqual(len(self.gate.fake.ledger()), before + 3)

    def test_other_apis(self):
        """What the wire format cannot do is refused before a call."""
        before = len(self.gate.fake.ledger())
        r = self.gate.request("POST", "/v1/embeddings", {"model": MODEL, "input": "x"}, self.key)
        self.assertEqual(self.error(r, 400, "invalid_request")["param"], "model")
        self.assertEqual(len(self.gate.fake.ledger()), before)
        self.check(self.row(), status="error", counts_for_month=False)


class Failures(Case):
    def last(self, directives: str) -> dict:
        """The error of a stream that fails."""
        events = self.events(self.raw(f"Say hello. [[{directives}]]"))
        self.assertEqual(events[-1]["type"], "error")
        self.plain(json.dumps(events[-1]))
        return events[-1]["error"]

    def test_cut_off(self):
        self.assertEqual(self.last("fault=reset_mid")["code"], "upstream_error")
        row = self.row()
        self.check(row, status="error", error_code="upstream_error", usage_source="partial")
        self.assertGreater(row["output_tokens"], 1)

    def test_stalls(self):
        error = self.last("fault=stall_mid")
        self.assertEqual((error["type"], error["code"]), ("timeout_error", "upstream_timeout"))
        self.check(self.row(), status="timeout", error_code="upstream_timeout")

    def test_no_last_event(self):
        self.assertEqual(self.last("fault=eof_mid")["code"], "upstream_error")
        self.check(self.row(), status="error", usage_source="partial")

    def test_not_an_answer(self):
        for fault in ("malformed_json", "status_200_error_body", "eof_cut"):
            with self.assertRaises(anthropic.InternalServerError) as e:
                self.ask(f"Say hello. [[fault={fault}]]")
            self.assertEqual(e.exception.status_code, 502, fault)
        for row in self.gate.recorded(self.project, 3):
            self.check(row, status="error", counts_for_month=False)

    def test_usage_not_told(self):
        self.raw("Say hello. [[usage=none]]")
        self.check(self.row(), status="success", usage_source="estimated")

    def test_key_is_not_told(self):
        """The key that goes to the provider is in no answer."""
        ai = Anthropic(base_url=self.gate.url, api_key=self.key, max_retries=0, timeout=20,
                       default_headers={"X-Provider-Key": SECRET})
        self.addCleanup(ai.close)
        with self.assertRaises(anthropic.BadRequestError) as e:
            ai.messages.create(**self.body(f"{SECRET} [[status=400]]"))
        self.assertNotIn(SECRET, str(e.exception.body))
        self.assertEqual(self.gate.fake.ledger()[-1]["key"], SECRET[-4:])


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    return on_every_mount(loader, Client, Recorded, Failures)


if __name__ == "__main__":
    unittest.main()
