"""Stored responses: OpenAI's own client reads, deletes and cancels what lies
with one of several providers."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import unittest
from urllib.parse import parse_qs, urlsplit

import openai
from gate import GateCase, on_every_mount, stores
from openai import OpenAI


def response(rid: str, **fields) -> dict:
    return {"id": rid, "object": "response", "created_at": 1700000000, "status": "completed",
            "model": "m", "output": [], "parallel_tool_calls": True, "tool_choice": "auto",
            "tools": [], **fields}


class Upstream(http.server.ThreadingHTTPServer):
    """Providers by the first piece of the path, each with what it keeps."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: dict[str, dict] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.status: dict[str, int] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        url = urlsplit(self.path)
        provider, name, rid, *tail = url.path[1:].split("/")
        assert name == "responses"
        status, body = self.server.status.get(provider, 200), {}
        kept = self.server.kept.get(provider, {})
        if status != 200:
            body = {"error": {"message": f"Not you, {self.headers['Authorization'][7:]}.",
                              "type": "invalid_request_error", "code": "odd"}}
        elif rid not in kept:
            status, body = 404, {"error": {"message": f"Response with id '{rid}' not found."}}
        elif self.command == "DELETE":
            del kept[rid]
            body = {"id": rid, "object": "response", "deleted": True}
        elif tail == ["cancel"]:
            body = kept[rid] = {**kept[rid], "status": "cancelled"}
        elif tail == ["input_items"]:
            limit = int(parse_qs(url.query).get("limit", ["20"])[0])
            items = [{"id": f"msg_{i}", "type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "hello"}]} for i in range(3)][:limit]
            body = {"object": "list", "data": items, "first_id": "msg_0",
                    "last_id": items[-1]["id"], "has_more": False}
        else:
            body = kept[rid]
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_DELETE = do_POST = answer

    def log_message(self, *args: object) -> None:
        pass


@functools.cache
def upstream() -> Upstream:
    up = Upstream()
    stores().plan("stored")
    for name in ("here", "there"):
        stores().provider(name, f"http://127.0.0.1:{up.server_address[1]}/{name}",
                          auth="'bearer'", key_required="true")
    return up


class Case(GateCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.upstream = upstream()
        cls.conf = {"upstream_private_hosts":
                    f"127.0.0.1:{cls.upstream.server_address[1]} 127.0.0.1:1"}
        super().setUpClass()

    def setUp(self) -> None:
        self.upstream.asked.clear()
        self.upstream.status.clear()
        self.upstream.kept = {"here": {"resp_h": response("resp_h")},
                              "there": {"resp_t": response("resp_t")}}

    def project(self, *providers: str, default: str | None = None) -> str:
        project, key = self.gate.stores.project("stored", default)
        for p in providers:
            self.gate.cli("provider-key", "set", project, p, stdin=f"sk-{p}-1234567890\n")
        return key

    def client(self, key: str) -> OpenAI:
        ai = OpenAI(base_url=self.gate.url + "/v1", api_key=key, max_retries=0, timeout=20)
        self.addCleanup(ai.close)
        return ai


class Clients(Case):
    def test_all(self) -> None:
        key = self.project("here", "there", default="there")
        ai = self.client(key).responses
        self.assertEqual(ai.retrieve("resp_t").id, "resp_t")
        self.assertEqual(self.upstream.asked,
                         [("GET", "/there/responses/resp_t", "Bearer sk-there-1234567890")])
        raw = ai.with_raw_response.retrieve("resp_h")
        self.assertEqual((raw.parse().id, raw.headers["x-watchllm-provider"]),
                         ("resp_h", "here"))
        self.assertEqual([i.id for i in ai.input_items.list("resp_h", limit=2).data],
                         ["msg_0", "msg_1"])
        self.assertEqual(ai.cancel("resp_h").status, "cancelled")
        ai.delete("resp_h")
        with self.assertRaises(openai.NotFoundError) as caught:
            ai.retrieve("resp_h")
        self.assertEqual(caught.exception.code, "not_found")
        self.assertEqual(self.counted(key), (0, 0))


class Once(Case):
    def fails(self, key: str, status: int, code: str, rid: str = "resp_t", **more):
        r = self.gate.request("GET", f"/v1/responses/{rid}", key=key, **more)
        return self.error(r, status, code)

    def test_who_has_it_may_be_down(self) -> None:
        """A provider that fails is told of, for the response may be there."""
        key = self.project("here", "there", default="here")
        self.upstream.status["there"] = 500
        self.fails(key, 502, "upstream_error")
        self.assertEqual(len(self.upstream.asked), 2)
        self.upstream.status = {"here": 500}
        r = self.gate.request("GET", "/v1/responses/resp_t", key=key)
        self.assertEqual((r.status, r.json()["id"]), (200, "resp_t"))

    def test_servers_that_are_not_there(self) -> None:
        """Those that need no key are asked, but tell nothing by being away."""
        self.gate.stores.provider("away", "http://127.0.0.1:1", auth="'bearer'",
                                  key_required="false")
        self.addCleanup(self.gate.stores.sql,
                        "DELETE FROM watchllm.provider WHERE id = 'away'")
        self.fails(self.project("here"), 404, "not_found", "resp_none")

    def test_errors(self) -> None:
        key = self.project("there")
        for status, to, code in ((401, 502, "upstream_credentials_rejected"),
                                 (429, 429, "upstream_rate_limited"), (400, 400, "odd")):
            self.upstream.status["there"] = status
            r = self.gate.request("GET", "/v1/responses/resp_t", key=key)
            self.error(r, to, code)
            self.assertNotIn(b"sk-there", r.body)
            self.assertEqual(r.headers["Retry-After"], "7" if status == 429 else None)

    def test_refused(self) -> None:
        key = self.project("there")
        for rid, status, code in (
                ("resp_t%2E%2E", 404, "not_found"), ("a" * 129, 404, "not_found"),
                ("resp_t/other", 404, "not_found"),
                ("resp_t?stream=true", 400, "invalid_request"),
                ("resp_t?a=" + "b" * 2048, 400, "invalid_request")):
            with self.subTest(rid=rid[:20]):
                self.fails(key, status, code, rid)
        self.assertEqual(self.upstream.asked, [])
        self.fails(self.project(), 400, "byok_required")
        _, other = self.gate.stores.project("stored", None, scopes="ingest")
        self.fails(other, 403, "insufficient_scope")

    def test_own_key(self) -> None:
        """One that comes with the request goes to the default alone."""
        key = self.project("here", "there", default="there")
        r = self.gate.request("GET", "/v1/responses/resp_t?include[]=usage", key=key,
                              headers={"X-Provider-Key": "sk-mine"})
        self.assertEqual(r.status, 200, r)
        self.assertEqual(self.upstream.asked, [
            ("GET", "/there/responses/resp_t?include[]=usage", "Bearer sk-mine")])


def load_tests(loader, _tests, _pattern):
    return on_every_mount(loader, Clients, Once)


if __name__ == "__main__":
    unittest.main()
