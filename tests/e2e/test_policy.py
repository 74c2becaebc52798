"""Policy on content: requests, answers, and streams cut at every place."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import unittest

from gate import GateCase, data_of, stores
from openai import APIError, BadRequestError, OpenAI
from stack import wait_for

CARD = "4111 1111 1111 1111"
EMAIL = "jane.doe@example.com"


class Upstream(http.server.ThreadingHTTPServer):
    """A host that says what it is told, in pieces of as many letters."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict] = []
        self.says, self.piece, self.finish = "hello", 3, True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        what = self.path.rsplit("/", 1)[1]
        if body.get("stream"):
            events = getattr(self, "stream_" + what)(body)
            text = "".join((f"event: {e['type']}\n" if "type" in e else "") +
                           f"data: {json.dumps(e)}\n\n" for e in events)
            if what == "completions" and self.server.finish:
                text += "data: [DONE]\n\n"
            self.say(text.encode(), "text/event-stream")
        else:
            self.say(json.dumps(self.whole(what)).encode(), "application/json")

    def whole(self, what: str) -> dict:
        said = self.server.says
        if what == "responses":
            return {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed",
                    "model": "m", "output": [{"type": "message", "id": "msg_1", "role": "assistant",
                    "status": "completed", "content": [{"type": "output_text", "text": said,
                                                        "annotations": []}]}],
                    "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}
        return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{
            "index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop",
            "logprobs": {"content": [{"token": said, "logprob": -0.5}]}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}

    def pieces(self) -> list[str]:
        said, n = self.server.says, self.server.piece
        return [said[i:i + n] for i in range(0, len(said), n)]

    def stream_completions(self, body: dict) -> list[dict]:
        base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        out = [{**base, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""},
                                     "finish_reason": None}]}]
        out += [{**base, "choices": [{"index": 0, "delta": {"content": p}, "finish_reason": None}]}
                for p in self.pieces()]
        if self.server.finish:
            out.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            out.append({**base, "choices": [], "usage": {
                "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}})
        return out

    def stream_responses(self, body: dict) -> list[dict]:
        whole = self.whole("responses")
        item = whole["output"][0]
        at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        events = [{"type": "response.created", "response": {**whole, "status": "in_progress",
                                                            "output": [], "usage": None}},
                  {"type": "response.output_item.added", "output_index": 0,
                   "item": {**item, "status": "in_progress", "content": []}},
                  {"type": "response.content_part.added", **at,
                   "part": {"type": "output_text", "text": "", "annotations": []}}]
        events += [{"type": "response.output_text.delta", **at, "delta": p, "logprobs": []}
                   for p in self.pieces()]
        events += [{"type": "response.output_text.done", **at, "text": self.server.says, "logprobs": []},
                   {"type": "response.content_part.done", **at, "part": item["content"][0]},
                   {"type": "response.output_item.done", "output_index": 0, "item": item},
                   {"type": "response.completed", "response": whole}]
        return [{**e, "sequence_number": i} for i, e in enumerate(events)]

    def say(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@functools.cache
def upstream() -> Upstream:
    up = Upstream()
    stores().provider("says", up.base)
    return up


class Policy(GateCase):
    conf = {"shadow_calls": "2"}

    @classmethod
    def setUpClass(cls) -> None:
        cls.up = upstream()
        super().setUpClass()

    def setUp(self) -> None:
        self.project, self.key = self.gate.stores.project("pro", "says")
        self.up.says, self.up.piece, self.up.finish = "hello", 3, True
        self.up.bodies.clear()
        self.ai = OpenAI(base_url=self.gate.url + "/v1", api_key=self.key, max_retries=0)

    def rule(self, name: str, **definition) -> None:
        self.gate.cli("policy", "add", self.project, name, json.dumps(definition))

    def found(self, n: int = 1) -> list[dict]:
        """What the newest of N events says."""
        self.gate.recorded(self.project, n)
        rows = self.gate.stores.sql(
            f"""SELECT to_jsonb(e) || jsonb_build_object('input', p.input, 'output', p.output)
                FROM watchllm.event e LEFT JOIN watchllm.event_payload p
                ON p.project_id = e.project_id AND p.event_id = e.event_id
                WHERE e.project_id = '{self.project}' ORDER BY e.ts DESC LIMIT 1""", "postgres")
        self.event = json.loads("\t".join(rows[0]))
        return self.event["attributes"].get("policy", [])

    def chat(self, text: str, **fields) -> str:
        r = self.ai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": text}], **fields)
        return r.choices[0].message.content

    def streamed(self, text: str = "hi") -> str:
        return "".join(c.choices[0].delta.content or "" for c in self.ai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": text}], stream=True) if c.choices)

    # -- requests

    def test_no_rules(self):
        body = b'{ "model":"m", "messages" : [{"role":"user","content":"x\\u0041"}] }'
        r = self.gate.request("POST", "/v1/chat/completions", body, self.key,
                              {"Content-Type": "application/json"})
        self.assertEqual((r.status, self.found()), (200, []))

    def test_mask_request(self):
        self.rule("cards", on="request", action="mask", pii=["card", "email"], replacement="[X]")
        self.chat(f"pay {CARD} for {EMAIL}, é \"quoted\"", user="user", temperature=0.25)
        (sent,) = self.up.bodies
        self.assertEqual(sent["messages"], [{"role": "user", "content":
                                             "pay [X] for [X], é \"quoted\""}])
        self.assertEqual((sent["user"], sent["temperature"]), ("user", 0.25))
        self.assertEqual(self.found(), [
            {"rule": "cards", "on": "request", "action": "mask", "count": 2}])
        self.assertNotIn("4111", json.dumps(self.event))

    def test_roles_stay(self):
        """What says what something is is no text."""
        self.rule("user", on="both", action="mask", words=["user", "assistant", "text", "m"])
        self.ai.chat.completions.create(model="m", messages=[
            {"role": "user", "content": [{"type": "text", "text": "a user"}]}])
        self.assertEqual(self.up.bodies[0]["messages"], [
            {"role": "user", "content": [{"type": "text", "text": "a [REDACTED]"}]}])
        self.assertEqual(self.up.bodies[0]["model"], "m")

    def test_block_request(self):
        self.clock.spare(20)
        self.rule("secret", on="request", action="block", words=["Project Zeus"])
        with self.assertRaises(BadRequestError) as e:
            self.chat("tell me of project zeus")
        self.assertEqual(e.exception.code, "content_blocked")
        self.assertIn('rule "secret"', e.exception.message)
        self.assertEqual(self.up.bodies, [])
        # the minute counts, the month is given back
        self.assertEqual(self.counted(self.key), (1, 0))
        self.assertEqual(self.found(), [
            {"rule": "secret", "on": "request", "action": "block", "count": 1}])
        self.assertNotIn("zeus", json.dumps(self.event).lower())
        self.assertEqual(self.event["error_code"], "content_blocked")
        self.chat("tell me of projects")

    def test_other_apis(self):
        self.rule("zeus", on="request", action="block", words=["zeus"])
        for path, body in (("responses", {"input": "zeus"}),
                           ("responses", {"input": "x", "instructions": "zeus"}),
                           ("responses", {"input": [{"role": "user", "content": [
                               {"type": "input_text", "text": "zeus"}]}]}),
                           ("completions", {"prompt": ["a", "zeus"]}),
                           ("embeddings", {"input": ["zeus"]}),
                           ("rerank", {"query": "q", "documents": [{"text": "zeus"}]}),
                           ("images/generations", {"prompt": "zeus"}),
                           ("audio/speech", {"input": "zeus"}),
                           ("chat/completions", {"messages": [{"role": "assistant", "tool_calls": [
                               {"id": "a", "type": "function", "function": {
                                   "name": "f", "arguments": '{"a": "zeus"}'}}]}]})):
            r = self.gate.request("POST", "/v1/" + path, {"model": "m", **body}, self.key)
            self.error(r, 400, "content_blocked")
        form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b\r\n' \
            b'Content-Disposition: form-data; name="prompt"\r\n\r\nzeus\r\n--b--'
        r = self.gate.request("POST", "/v1/audio/transcriptions", form, self.key,
                              {"Content-Type": "multipart/form-data; boundary=b"})
        self.error(r, 400, "content_blocked")
        r = self.gate.request("POST", "/v1/messages", {"model": "m", "max_tokens": 5, "messages": [
            {"role": "user", "content": "zeus"}]}, self.key)
        self.assertEqual((r.status, r.json()["type"]), (400, "error"))
        self.assertEqual(self.up.bodies, [])

    def test_twins(self):
        """A second member that the provider may read."""
        self.rule("zeus", on="request", action="block", words=["zeus"])
        r = self.gate.request("POST", "/v1/chat/completions",
                              b'{"model":"m","messages":[{"role":"user","content":"zeus"}],'
                              b'"messages":[{"role":"user","content":"x"}]}', self.key,
                              {"Content-Type": "application/json"})
        self.error(r, 400, "invalid_request")
        self.assertEqual(self.up.bodies, [])

    def test_size(self):
        self.rule("long", on="request", action="block", max_bytes=10)
        self.chat("0123456789")
        with self.assertRaises(BadRequestError):
            self.chat("0123456789a")

    # -- answers

    def test_mask_answer(self):
        self.rule("pii", on="response", action="mask", pii=["email", "card"])
        self.up.says = f"mail {EMAIL} or {CARD}"
        r = self.ai.chat.completions.create(model="m", messages=[{"role": "user", "content": EMAIL}])
        self.assertEqual(r.choices[0].message.content, "mail [REDACTED] or [REDACTED]")
        self.assertIsNone(r.choices[0].logprobs)
        self.assertEqual(r.usage.total_tokens, 7)
        self.assertEqual(self.up.bodies[0]["messages"][0]["content"], EMAIL)
        self.assertEqual(self.found(), [
            {"rule": "pii", "on": "response", "action": "mask", "count": 2}])
        self.assertEqual(self.event["status"], "success")

    def test_block_answer(self):
        self.clock.spare(20)
        self.rule("zeus", on="response", action="block", regex="(?i)zeus")
        self.up.says = "it is Zeus"
        with self.assertRaises(BadRequestError) as e:
            self.chat("hi")
        self.assertEqual(e.exception.code, "content_blocked")
        self.assertEqual(self.found()[0]["count"], 1)
        # the provider has answered, and is paid
        self.assertEqual((self.event["error_code"], self.event["tokens_output"]),
                         ("content_blocked", 4))
        self.assertEqual(self.counted(self.key), (1, 1))
        self.assertNotIn("Zeus", json.dumps(self.event))

    def test_flag(self):
        self.rule("zeus", on="both", action="flag", words=["zeus"])
        self.up.says = "Zeus! zeus?"
        self.assertEqual(self.chat("of zeus"), "Zeus! zeus?")
        self.assertEqual(self.streamed("of zeus"), "Zeus! zeus?")
        self.assertEqual(self.found(2), [
            {"rule": "zeus", "on": "request", "action": "flag", "count": 1},
            {"rule": "zeus", "on": "response", "action": "flag", "count": 2}])

    def test_no_resume(self):
        """What is kept of a stream is unfiltered: nobody gets the rest of it."""
        self.rule("zeus", on="response", action="block", regex="(?i)zeus")
        self.up.says = "it is Zeus, and his secret"
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        first = self.gate.request("POST", "/v1/chat/completions", body, self.key,
                                  {"X-WatchLLM-Resumable": "1"})
        r = self.gate.request("POST", "/v1/chat/completions", body, self.key, {
            "X-WatchLLM-Resumable": "1",
            "Last-Event-ID": first.headers["X-Request-Id"] + "-3"})
        self.error(r, 404, "not_found")
        self.assertIn("policy", r.json()["error"]["message"])

    # -- streams

    def test_masked_streams(self):
        """Wherever the stream is cut, and whatever the length of the text."""
        self.rule("pii", on="response", action="mask", pii=["email", "card"])
        n = 0
        for filler in (0, 300, 1500):
            lead = "word " * (filler // 5)
            self.up.says = f"{lead}Überweise {CARD} an {EMAIL}. {lead}Ende {EMAIL}"
            want = self.up.says.replace(CARD, "[REDACTED]").replace(EMAIL, "[REDACTED]")
            for piece in (1, 7, 5000):
                self.up.piece = piece
                self.assertEqual(self.streamed(), want, (filler, piece))
                n += 1
        self.assertEqual(self.found(n), [
            {"rule": "pii", "on": "response", "action": "mask", "count": 3}])
        self.assertNotIn("4111", self.event["output"])

    def test_stream_flows(self):
        """Text is held back, but not all of it."""
        self.rule("pii", on="response", action="mask", pii=["email"])
        self.up.says = "some words " * 200
        r = self.gate.request("POST", "/v1/chat/completions", {
            "model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}, self.key)
        texts = [c["delta"].get("content") for e in data_of(r.body) if isinstance(e, dict)
                 for c in e["choices"]]
        self.assertEqual("".join(t for t in texts if t), self.up.says)
        self.assertGreater(len([t for t in texts if t]), 100)
        self.assertIn(b": watchllm {", r.body)
        self.assertTrue(r.body.endswith(b"data: [DONE]\n\n"))

    def test_blocked_stream(self):
        self.rule("zeus", on="response", action="block", words=["project zeus"])
        for lead in ("", "some words " * 100):
            self.up.says = lead + "it is Project Zeus, indeed"
            text = ""
            with self.assertRaises(APIError) as e:
                for c in self.ai.chat.completions.create(
                        model="m", stream=True, messages=[{"role": "user", "content": "x"}]):
                    text += c.choices[0].delta.content or ""
            self.assertIn("policy", str(e.exception))
            self.assertTrue(lead.startswith(text), text)
            self.assertNotIn("Project", text)
        self.assertEqual(self.found(2), [
            {"rule": "zeus", "on": "response", "action": "block", "count": 1}])
        self.assertEqual((self.event["status"], self.event["error_code"]),
                         ("error", "content_blocked"))
        self.assertNotIn("zeus", json.dumps(self.event["output"] or "").lower())

    def test_unfinished_stream(self):
        """What is held leaves before the error, too."""
        self.rule("pii", on="response", action="mask", pii=["email"])
        self.up.says, self.up.finish = f"of {EMAIL} and more", False
        r = self.gate.request("POST", "/v1/chat/completions", {
            "model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}, self.key)
        events = [e for e in data_of(r.body) if isinstance(e, dict)]
        text = "".join(c["delta"].get("content") or "" for e in events for c in e.get("choices", []))
        self.assertEqual(text, "of [REDACTED] and more")
        self.assertIn("error", events[-1])

    def test_responses(self):
        self.rule("pii", on="response", action="mask", pii=["email", "card"])
        for lead in ("", "some words " * 60):
            self.up.says = f"{lead}mail {EMAIL} or {CARD}"
            want = f"{lead}mail [REDACTED] or [REDACTED]"
            self.assertEqual(self.ai.responses.create(model="m", input="x").output_text, want)
            events = list(self.ai.responses.create(model="m", input="x", stream=True))
            self.assertEqual("".join(e.delta for e in events
                                     if e.type == "response.output_text.delta"), want)
            self.assertEqual(events[-1].response.output_text, want)
            self.assertEqual([e.sequence_number for e in events], list(range(len(events))))
            self.assertNotIn("4111", repr(events))

    def test_messages(self):
        """Anthropic's face, where the filter comes last."""
        self.rule("pii", on="response", action="mask", pii=["email", "card"])
        self.up.says = f"mail {EMAIL} or {CARD}"
        body = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}]}
        r = self.gate.request("POST", "/v1/messages", body, self.key)
        self.assertEqual(r.json()["content"][0]["text"], "mail [REDACTED] or [REDACTED]", r)
        r = self.gate.request("POST", "/v1/messages", {**body, "stream": True}, self.key)
        events = data_of(r.body)
        self.assertEqual("".join(e["delta"].get("text", "") for e in events
                                 if e["type"] == "content_block_delta"),
                         "mail [REDACTED] or [REDACTED]")
        self.assertEqual(events[-1]["type"], "message_stop")
        kinds = [e["type"] for e in events]
        self.assertLess(len(kinds) - 1 - kinds[::-1].index("content_block_delta"),
                        kinds.index("content_block_stop"))

    def test_cached(self):
        """What is kept is filtered anew, by the rules of now."""
        self.up.says = f"mail {EMAIL} please"
        body = {"model": "m", "messages": [{"role": "user", "content": "cached?"}]}

        def ask(hit: str, **fields) -> str:
            r = self.gate.request("POST", "/v1/chat/completions", {**body, **fields}, self.key,
                                  {"X-WatchLLM-Cache": "exact"})
            self.assertEqual((r.status, r.headers["X-WatchLLM-Cache"]), (200, hit), r)
            return r.body.decode()

        for fields in ({}, {"stream": True}):
            self.assertIn(".doe@" if not fields else "e", ask("MISS", **fields))
        made = len(self.up.bodies)
        self.rule("pii", on="response", action="mask", pii=["email"])
        self.assertIn("mail [REDACTED] please", ask("HIT"))
        text = "".join(c["delta"].get("content") or "" for e in data_of(ask("HIT", stream=True).encode())
                       if isinstance(e, dict) for c in e["choices"])
        self.assertEqual(text, "mail [REDACTED] please")
        self.rule("pii", on="response", action="block", pii=["email"])
        r = self.gate.request("POST", "/v1/chat/completions", body, self.key,
                              {"X-WatchLLM-Cache": "exact"})
        self.error(r, 400, "content_blocked")
        self.assertEqual(len(self.up.bodies), made)

    def test_shadow(self):
        """No filter sees the answer of a call in the shadow: it is not kept."""
        self.gate.cli("route", "add", self.project, "compare", "--file", "-", stdin=json.dumps(
            {"alias": "real", "targets": ["says/m"], "shadow": "says/shade"}))
        self.up.says = "it is zeus"

        def shadow(n: int) -> str | None:
            self.ai.chat.completions.create(model="real", messages=[{"role": "user", "content": "x"}])
            rows = wait_for(lambda: (r := self.gate.stores.sql(
                f"""SELECT coalesce(p.output, '') FROM watchllm.event e
                    LEFT JOIN watchllm.event_payload p
                    ON p.project_id = e.project_id AND p.event_id = e.event_id
                    WHERE e.project_id = '{self.project}' AND source = 'shadow'
                    ORDER BY e.ts DESC""", "postgres")) and len(r) == n and r, 10)
            return rows[0][0]

        self.assertEqual(shadow(1), self.up.says)
        self.rule("zeus", on="response", action="mask", words=["zeus"])
        self.assertEqual(shadow(2), "")

    # -- rules

    def test_tenants(self):
        """A project's rules are its own."""
        self.rule("zeus", on="both", action="block", words=["zeus"])
        _, other = self.gate.stores.project("pro", "says")
        self.assertEqual(self.gate.request("POST", "/v1/chat/completions", {
            "model": "m", "messages": [{"role": "user", "content": "zeus"}]}, other).status, 200)
        with self.assertRaises(BadRequestError):
            self.chat("zeus")

    def test_command(self):
        self.chat("zeus")
        self.rule("zeus", on="request", action="block", words=["zeus"])
        with self.assertRaises(BadRequestError):
            self.chat("zeus")
        (row,) = self.gate.stores.cli_json("policy", "list", self.project)
        self.assertEqual((row["name"], row["enabled"], row["definition"]["words"]),
                         ("zeus", True, ["zeus"]))
        t = self.gate.stores.cli_json("policy", "test", self.project, "of zeus")
        self.assertEqual(t, {"blocked": True, "text": None, "found": [
            {"rule": "zeus", "on": "request", "action": "block", "count": 1}]})
        self.rule("zeus", on="request", action="mask", words=["zeus"])
        t = self.gate.stores.cli_json("policy", "test", self.project, "of zeus")
        self.assertEqual(t["text"], "of [REDACTED]")
        self.gate.cli("policy", "remove", self.project, "zeus")
        self.assertEqual(self.gate.stores.cli_json("policy", "list", self.project), [])
        self.chat("zeus")
        for bad in ("{", "[]", "{}", '{"on":"request"}', '{"on":"request","action":"mask"}',
                    '{"on":"both","action":"mask","regex":"("}',
                    '{"on":"both","action":"mask","max_bytes":5}',
                    '{"on":"both","action":"mask","pii":["name"]}',
                    '{"on":"both","action":"mask","words":[]}',
                    '{"on":"both","action":"mask","words":["a"],"extra":1}',
                    '{"on":"both","action":"mask","words":["a"],"replacement":"\\""}'):
            r = self.gate.cli("policy", "add", self.project, "bad", bad, check=False)
            self.assertNotEqual(r.returncode, 0, bad)
        for args in (("add", "nobody", "a", '{"on":"both","action":"flag","words":["a"]}'),
                     ("remove", self.project, "none"), ("list", "nobody"),
                     ("add", self.project, "A B", '{"on":"both","action":"flag","words":["a"]}')):
            self.assertNotEqual(self.gate.cli("policy", *args, check=False).returncode, 0, args)


if __name__ == "__main__":
    unittest.main()
