"""Every call ends as one row of report.calls within two seconds, whatever its
end, and nothing private reaches the journal or PostgreSQL."""

import http.server
import json
import threading
import time
import unittest
from pathlib import Path

from gate import GateCase, data, events
from stack import MODEL, PRICES, at_once, wait_for

INSTRUCT = "gpt-3.5-turbo-instruct"
EMBED = "text-embedding-3-small"


def cost(model: str, record: dict) -> float:
    """What fake_llm's ledger record costs at the known price, in USD."""
    per_in, per_cached, per_out = PRICES[model]
    cached = record["cached_tokens"] or 0
    nano = ((record["prompt_tokens"] - cached) * per_in + cached * per_cached
            + (record["completion_tokens"] or 0) * per_out)
    return nano / 1e15


class Case(GateCase):
    conf = {"first_byte_timeout": "1s", "between_bytes_timeout": "2s", "heartbeat": "1s",
            "auth_failures_per_minute": "100000", "bad_requests_per_minute": "100000"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate.stores.plan("events")
        cls.closed = cls.gate.stores.provider(
            f"closed{cls.gate.web.port}", "http://127.0.0.1:9/v1", price_provider="NULL")

    def setUp(self):
        self.project, self.key = self.gate.project("events")

    def row(self) -> dict:
        return self.gate.recorded(self.project)[0]

    def check(self, row: dict, **expected) -> None:
        self.assertEqual({k: row[k] for k in expected}, expected)


class Recorded(Case):
    def post(self, path: str, body: dict, **headers):
        return self.gate.request("POST", path, body, self.key, {
            "Content-Type": "application/json",
            **{k.replace("_", "-"): v for k, v in headers.items()}})

    def test_chat(self):
        r = self.gate.chat(self.key, "x [[tokens=30 cached_tokens=2 latency=150]]")
        row, ours = self.row(), self.gate.fake.ledger()[-1]
        self.check(row, status="success", http_status=200, error_code=None, streamed=False,
                   route="/v1/chat/completions", provider=self.gate.provider,
                   model_requested=MODEL, model=MODEL, finish_reason="stop",
                   key_prefix=self.key[9:15], input_tokens=ours["prompt_tokens"],
                   cached_input_tokens=2, output_tokens=ours["completion_tokens"],
                   reasoning_tokens=0, usage_source="provider", cost_source="price",
                   attempts=1, counts_for_month=True, first_token_ms=None,
                   request_id=r.headers["X-Request-Id"], project="Test")
        self.assertAlmostEqual(row["cost_usd"], cost(MODEL, ours), places=9)
        self.assertEqual("%.9f" % row["cost_usd"], r.headers["X-WatchLLM-Cost-USD"])
        # fake_llm's 150 ms begin with a whole one, so the first may be short
        self.assertTrue(149 <= row["upstream_ms"] <= row["latency_ms"] < 1500, row)
        self.assertEqual(row["cache"], r.headers["X-WatchLLM-Cache"])

    def test_stream(self):
        r = self.gate.chat(self.key, "x [[ttft=200 tokens=10 per_token=20]]", stream=True)
        self.assertEqual(data([(0, x) for x in r.body.decode().split("\n")])[-1], "[DONE]")
        row, ours = self.row(), self.gate.fake.ledger()[-1]
        self.check(row, status="success", http_status=200, streamed=True,
                   output_tokens=ours["completion_tokens"], usage_source="provider")
        self.assertAlmostEqual(row["cost_usd"], cost(MODEL, ours), places=9)
        # the first event, with the role, comes before the first token
        self.assertTrue(0 <= row["first_token_ms"] < 800, row)
        self.assertTrue(350 <= row["latency_ms"] < 2000, row)

    def test_completions_and_embeddings(self):
        self.post("/v1/completions", {"model": INSTRUCT, "prompt": "Say hello."})
        self.post("/v1/embeddings", {"model": EMBED, "input": ["one", "two words"]})
        rows, ledger = self.gate.recorded(self.project, 2), self.gate.fake.ledger()[-2:]
        for row, ours, model, route in zip(rows, ledger, (INSTRUCT, EMBED),
                                           ("completions", "embeddings"), strict=True):
            self.check(row, route=f"/v1/{route}", model=model, status="success",
                       input_tokens=ours["prompt_tokens"],
                       output_tokens=ours["completion_tokens"] or 0)
            self.assertAlmostEqual(row["cost_usd"], cost(model, ours), places=9)

    def test_tokens_of_all_classes(self):
        self.gate.chat(self.key, "x [[prompt_tokens=1000 cached_tokens=600"
                                 " completion_tokens=500 reasoning_tokens=300]]")
        row = self.row()
        self.check(row, input_tokens=1000, cached_input_tokens=600, output_tokens=500,
                   reasoning_tokens=300)
        self.assertAlmostEqual(row["cost_usd"], (400 * 150 + 600 * 75 + 500 * 600) / 1e9)

    def test_price_unknown(self):
        self.gate.chat(self.key, model="gpt-unpriced")
        self.check(self.row(), cost_usd=None, cost_source="unknown", status="success")

    def test_no_usage_told(self):
        """Counted from the text, and said so."""
        self.gate.chat(self.key, "x [[usage=none]]")
        row = self.row()
        self.check(row, usage_source="estimated", cost_source="estimate")
        self.assertTrue(row["input_tokens"] > 0 and row["output_tokens"] > 0, row)

    def test_who_and_what(self):
        self.post("/v1/chat/completions", {
            "model": MODEL, "messages": [{"role": "user", "content": "x"}], "user": "of-body"},
            X_WatchLLM_User_Id="user-1", X_WatchLLM_Run_Id="run-1",
            X_WatchLLM_Session_Id="session-1", X_WatchLLM_Tags="a, b,,c",
            X_Request_Id="client-1",
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        row = self.row()
        self.check(row, user_id="user-1", run_id="run-1", tags=["a", "b", "c"],
                   client_request_id="client-1")
        got = self.gate.stores.sql(
            "SELECT session_id, trace_id, parent_span_id FROM report.events"
            f" WHERE project_id = '{self.project}'", "report")
        self.assertEqual(got, [["session-1", "4bf92f3577b34da6a3ce929d0e0e4736",
                                "00f067aa0ba902b7"]])

    def test_user_of_the_body(self):
        self.gate.chat(self.key, user="of-body")
        self.check(self.row(), user_id="of-body")

    def test_upstream_errors(self):
        for words, status, http, code in [
                ("status=500", "error", 502, "upstream_error"),
                ("status=400", "error", 400, "upstream_error"),
                ("status=429 retry_after=3", "error", 429, "upstream_rate_limited"),
                ("status=401", "error", 502, "upstream_credentials_rejected"),
                ("fault=reset_before", "error", 502, "upstream_error"),
                ("fault=status_200_error_body", "error", 502, None),
                ("fault=malformed_json", "error", 502, "upstream_invalid_response"),
                ("fault=silence", "timeout", 504, "upstream_timeout"),
                ("fault=stall_mid", "timeout", 504, "upstream_timeout")]:
            with self.subTest(words=words):
                self.setUp()
                r = self.gate.chat(self.key, f"x [[{words}]]")
                row = self.row()
                self.check(row, status=status, http_status=http, counts_for_month=False,
                           output_tokens=0)
                self.assertEqual(r.status, http)
                if code is not None:
                    self.check(row, error_code=code)
                self.assertTrue(row["error_message"])

    def test_unreachable(self):
        self.gate.chat(self.key, model=f"{self.closed}/m")
        self.check(self.row(), status="error", http_status=502, error_code="upstream_error",
                   provider=self.closed, counts_for_month=False)

    def test_broken_streams(self):
        """Begun: the client saw 200, the month counts, what came is charged."""
        for words, status, code in [
                ("fault=reset_mid after=4", "error", "upstream_error"),
                ("fault=stall_mid after=4", "timeout", "upstream_timeout")]:
            with self.subTest(words=words):
                self.setUp()
                self.gate.chat(self.key, f"x [[{words}]]", stream=True)
                row = self.row()
                self.check(row, status=status, http_status=200, error_code=code,
                           usage_source="partial", counts_for_month=True)
                self.assertTrue(0 < row["output_tokens"] <= 8, row)
                self.assertGreater(row["cost_usd"], 0)

    def test_client_gone(self):
        c, r = self.gate.stream(self.key, "x [[per_token=100 tokens=100 id=gone]]")
        for _ in range(3):
            while not r.readline().startswith(b"data:"):
                pass
        r.close()
        c.close()
        self.ended("client_gone", 3, id="gone")
        row = self.row()
        self.check(row, status="client_closed", http_status=499,
                   error_code="client_closed_request", usage_source="partial",
                   counts_for_month=True)
        self.assertTrue(0 < row["output_tokens"] < 40, row)

    def test_refused_bodies(self):
        """Admitted, then found wrong; the scan's own refusals are no calls."""
        self.post("/v1/chat/completions", {"model": MODEL})
        self.gate.request("POST", "/v1/chat/completions", b"{", self.key,
                          {"Content-Type": "application/json"})
        row = self.row()
        self.check(row, http_status=400, error_code="invalid_request", counts_for_month=False)
        self.assertIn(row["cost_usd"], (None, 0))
        time.sleep(0.6)
        self.assertEqual(len(self.gate.calls(self.project)), 1)

    def test_refused_calls(self):
        """429 of ours is no call."""
        project, key = self.gate.project(self.gate.stores.plan("events1", minute=1))
        self.clock.minute()
        self.assertEqual([self.gate.chat(key).status for _ in range(3)], [200, 429, 429])
        self.gate.recorded(project)
        time.sleep(0.6)
        self.assertEqual(len(self.gate.calls(project)), 1)

    def test_many_at_once(self):
        """As many rows as calls, each with its own figures."""
        got = at_once(24, lambda i: self.gate.chat(
            self.key, f"x [[tokens={i + 5} id=m{i}]]", stream=i % 2 == 0))
        self.assertEqual([r.status for r in got], [200] * 24)
        rows = {r["request_id"]: r for r in self.gate.recorded(self.project, 24, 4)}
        for i, r in enumerate(got):
            row = rows[r.headers["X-Request-Id"]]
            self.check(row, output_tokens=i + 5, streamed=i % 2 == 0)
        usage = self.gate.stores.sql(
            "SELECT sum(input_tokens), sum(output_tokens), count(*) FROM report.calls"
            f" WHERE project_id = '{self.project}'", "report")
        ours = [x for x in self.gate.fake.ledger() if (x["id"] or "").startswith("m")][-24:]
        self.assertEqual(usage, [[str(sum(x["prompt_tokens"] for x in ours)),
                                  str(sum(x["completion_tokens"] for x in ours)), "24"]])


PRIVATE = {"email": "jane.doe@example.org", "card": "4111 1111 1111 1111",
           "key": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD",
           "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."
                  "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
           "phone": "+1 415-555-0132", "ssn": "078-05-1120", "ip": "203.0.113.77"}


class Gossip(http.server.BaseHTTPRequestHandler):
    """A provider whose answers are full of private things."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = "I know " + ", ".join(f"{k} {v}" for k, v in PRIVATE.items())
        if body.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            # in pieces that part every one of them
            for i in range(0, len(text), 5):
                self.wfile.write(b"data: " + json.dumps({
                    "id": "g", "object": "chat.completion.chunk", "model": MODEL,
                    "choices": [{"index": 0, "delta": {"content": text[i:i + 5]},
                                 "finish_reason": None}]}).encode() + b"\n\n")
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True
            return
        answer = json.dumps({
            "id": "g", "object": "chat.completion", "model": MODEL, "choices": [
                {"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Redacted(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gossip)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def stop():
            server.shutdown()
            server.server_close()
            thread.join(10)
        cls.addClassCleanup(stop)
        cls.gossip = cls.gate.stores.provider(
            f"gossip{server.server_port}", f"http://127.0.0.1:{server.server_port}/v1")

    def nowhere(self, text: str) -> None:
        for name, value in PRIVATE.items():
            self.assertNotIn(value, text, f"{name} is in {text[:2000]}")

    def payload(self) -> tuple[str, str]:
        self.gate.recorded(self.project)
        rows = self.gate.stores.sql(
            "SELECT json_build_array(input, output) FROM watchllm.event_payload"
            f" WHERE project_id = '{self.project}'", "postgres")
        self.assertEqual(len(rows), 1)
        return tuple(json.loads("\t".join(rows[0])))

    def ask(self, **fields):
        secrets = "Mine: " + ", ".join(f"{k} {v}" for k, v in PRIVATE.items())
        return self.gate.chat(self.key, secrets, model=f"{self.gossip}/{MODEL}",
                              user=PRIVATE["email"], **fields)

    def whole_database(self) -> str:
        """All columns of the call's rows, as text."""
        out = ""
        for table in ("event", "event_payload"):
            out += str(self.gate.stores.sql(
                f"SELECT row_to_json(t) FROM watchllm.{table} t"
                f" WHERE project_id = '{self.project}'", "postgres"))
        return out

    def both(self, stream: bool) -> None:
        # journals stay while nobody drains them
        self.gate.consumer.stop()
        try:
            r = self.ask(stream=stream)
            self.assertEqual(r.status, 200, r)
            whole = r.body.decode()
            if stream:
                whole = "".join(c["choices"][0]["delta"].get("content") or ""
                                for c in data([(0, x) for x in whole.split("\n")])[:-1])
            for value in PRIVATE.values():      # the client gets all of it
                self.assertIn(value, whole)
            files = list(Path(self.gate.conf_changes["spool_dir"]).glob("*"))
            journal = wait_for(lambda: [t for t in [b"".join(
                f.read_bytes() for f in files).decode(errors="replace")]
                if t.count(self.project) >= 2], 5)[0]
            self.assertIn("[REDACTED_EMAIL]", journal)
            self.nowhere(journal)
            # nor in any encoding of JSON
            self.nowhere(journal.replace("\\/", "/").replace("\\u002b", "+"))
        finally:
            self.gate.start_consumer()
        asked, answered = self.payload()
        for name in ("EMAIL", "CARD", "KEY", "JWT", "PHONE", "SSN", "IP"):
            self.assertIn(f"[REDACTED_{name}]", asked)
            self.assertIn(f"[REDACTED_{name}]", answered)
        self.assertIn("Mine: email ", asked)
        self.assertIn("I know email ", answered)
        self.nowhere(self.whole_database())

    def test_answer(self):
        self.both(False)

    def test_stream(self):
        self.both(True)

    def test_headers(self):
        self.gate.request("POST", "/v1/chat/completions", {
            "model": MODEL, "messages": [{"role": "user", "content": "x"}]}, self.key, {
            "Content-Type": "application/json",
            "X-WatchLLM-User-Id": PRIVATE["email"], "X-WatchLLM-Run-Id": PRIVATE["key"],
            "X-WatchLLM-Tags": f"ok,{PRIVATE['email']}", "X-Request-Id": PRIVATE["jwt"]})
        self.gate.recorded(self.project)
        self.nowhere(self.whole_database())

    def test_log(self):
        """The log has neither prompt nor answer."""
        self.ask()
        time.sleep(0.3)
        log = self.gate.log.read_text()
        self.assertIn(self.key[9:15], log)
        self.assertNotIn("Mine:", log)
        self.assertNotIn("I know", log)


class NoPayloads(Case):
    conf = {**Case.conf, "store_payloads": "off"}

    def test_figures_only(self):
        self.gate.chat(self.key, "a very private prompt")
        row = self.row()
        self.assertGreater(row["output_tokens"], 0)
        for table in ("event", "event_payload"):
            rows = self.gate.stores.sql(
                f"SELECT row_to_json(t) FROM watchllm.{table} t"
                f" WHERE project_id = '{self.project}'", "postgres")
            self.assertNotIn("private prompt", str(rows))
            self.assertNotIn("No model wrote", str(rows))


del Case

if __name__ == "__main__":
    unittest.main()
