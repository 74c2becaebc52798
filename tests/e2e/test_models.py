"""GET /v1/models: what providers list, in every shape and with every fault,
under names that calls can have."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import threading
import time
import unittest
from collections import Counter
from urllib.parse import quote

from gate import GateCase, on_every_mount, stores
from openai import NotFoundError, OpenAI


class Upstream(http.server.ThreadingHTTPServer):
    """Many hosts in one: the first piece of the path says how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.keys: dict[str, str | None] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def base(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        name, _, rest = self.path[1:].partition("/")
        self.server.asked[name] += 1
        self.server.keys[name] = self.headers.get("Authorization")
        status, body = self.server.answers[name]
        if rest != "models":
            status, body = 404, b""
        if name == "slow":
            time.sleep(8)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def listing(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [
        {"id": n, "object": "model", "created": 1700000000 + i, "owned_by": "someone"}
        for i, n in enumerate(names)]}).encode()


ANSWERS = {
    "plain": (200, listing("sandbox", "org/tuned:1")),
    "hub": (200, listing("gpt-4o", "org/tuned:1", "a b?c#d")),
    "none": (404, b"{}"), "html": (200, b"<html>"), "denied": (401, b"{}"),
    "broken": (500, b""), "slow": (200, listing("late")),
    "array": (200, b'[{"id":"zai-org/GLM-4"}]'), "empty": (200, listing())}


@functools.cache
def upstream() -> Upstream:
    """The hosts, as providers that need a key."""
    up = Upstream()
    stores().plan("models")
    for name, answer in ANSWERS.items():
        up.answers[name] = answer
        stores().provider(name, up.base(name), auth="'bearer'", key_required="true")
    return up


class Case(GateCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.upstream = upstream()
        cls.conf = {"connect_timeout": "1s", "upstream_private_hosts":
                    f"127.0.0.1:{cls.upstream.server_address[1]}"}
        super().setUpClass()

    def setUp(self) -> None:
        self.upstream.asked.clear()

    def project(self, *providers: str, default: str | None = None) -> str:
        """A project with a key for each of these; its own key."""
        project, key = self.gate.stores.project("models", default)
        for p in providers:
            self.gate.cli("provider-key", "set", project, p, stdin=f"sk-{p}-{project}\n")
        return key

    def names(self, key: str, **headers: str) -> list[str]:
        r = self.gate.request("GET", "/v1/models", key=key, headers=headers or None)
        self.assertEqual(r.status, 200, r)
        self.plain(r.body)
        body = r.json()
        self.assertEqual(body["object"], "list")
        for m in body["data"]:
            self.assertEqual(set(m), {"id", "object", "created", "owned_by"})
            self.assertEqual(m["object"], "model")
        return [m["id"] for m in body["data"]]


class Models(Case):
    def test_one_provider(self):
        """Its names, as they are, when it is the project's default."""
        key = self.project("plain", default="plain")
        self.assertEqual(self.names(key), ["sandbox", "org/tuned:1"])
        self.assertTrue(self.upstream.keys["plain"].startswith("Bearer sk-plain-"))
        self.assertEqual(self.names(self.project("plain")),
                         ["plain/sandbox", "plain/org/tuned:1"])

    def test_several(self):
        key = self.project("plain", "hub", default="plain")
        self.assertEqual(self.names(key), [
            "hub/gpt-4o", "hub/org/tuned:1", "hub/a b?c#d",
            "plain/sandbox", "plain/org/tuned:1"])

    def test_nothing(self):
        self.assertEqual(self.names(self.project()), [])
        self.assertEqual(self.names(self.project("empty")), [])

    def test_priced(self):
        """A host without a list: what has a price, as for its calls."""
        for name in ("none", "html", "broken"):
            names = self.names(self.project(name))
            self.assertIn(f"{name}/gpt-4o-mini", names)
            self.assertEqual(names, sorted(set(names)))

    def test_refused(self):
        self.assertEqual(self.names(self.project("denied", "array")),
                         ["array/zai-org/GLM-4"])

    def test_slow(self):
        """One that does not answer holds up nobody for long."""
        began = time.monotonic()
        names = self.names(self.project("slow", "plain"))
        self.assertLess(time.monotonic() - began, 7)
        self.assertIn("plain/sandbox", names)
        self.assertNotIn("slow/late", names)
        self.assertIn("slow/gpt-4o-mini", names)

    def test_remembered(self):
        key = self.project("plain", "hub")
        first = self.names(key)
        for _ in range(5):
            self.assertEqual(self.names(key), first)
        self.assertEqual(self.upstream.asked, {"plain": 1, "hub": 1})
        # another project has another key, and its own list
        self.names(self.project("plain"))
        self.assertEqual(self.upstream.asked["plain"], 2)

    def test_key_changed(self):
        project, key = self.gate.stores.project("models")
        self.assertEqual(self.names(key), [])
        self.gate.cli("provider-key", "set", project, "plain", stdin="sk-new-0123456789\n")
        self.assertEqual(self.names(key), ["plain/sandbox", "plain/org/tuned:1"])

    def test_own_key(self):
        """A key that comes with the request is for the default provider."""
        key = self.project("hub", default="plain")
        got = self.names(key, **{"X-Provider-Key": "sk-mine"})
        self.assertEqual(got, ["sandbox", "org/tuned:1"])
        self.assertEqual(self.upstream.keys["plain"], "Bearer sk-mine")
        self.names(key, **{"X-Provider-Key": "sk-mine"})
        self.assertEqual(self.upstream.asked, {"plain": 2})
        r = self.gate.request("GET", "/v1/models", key=key, headers={"X-Provider-Key": "a b"})
        self.assertEqual((r.status, r.json()["error"]["param"]), (400, "X-Provider-Key"))

    def test_one_model(self):
        key = self.project("plain", "hub", default="plain")
        for name in ("hub/gpt-4o", "plain/org/tuned:1", "hub/a b?c#d", "sandbox"):
            r = self.gate.request("GET", "/v1/models/" + quote(name, safe=""), key=key)
            self.assertEqual((r.status, r.json()["id"]), (200, name), r)
        r = self.gate.request("GET", "/v1/models/hub/org/tuned:1", key=key)
        self.assertEqual(r.json(), {"id": "hub/org/tuned:1", "object": "model",
                                    "created": 1700000001, "owned_by": "someone"})
        for name in ("hub/none", "none", "openai/gpt-4o", "hub/", "hub/gpt-4o/"):
            r = self.gate.request("GET", "/v1/models/" + name, key=key)
            self.assertEqual((r.status, r.json()["error"]["code"]), (404, "model_not_found"), name)

    def test_not_counted(self):
        project, key = self.gate.stores.project("models", "plain")
        self.names(key)
        self.assertEqual(self.counted(key), (0, 0))

    def test_who_may(self):
        project, _ = self.gate.stores.project("models")
        ingest = self.gate.stores.key(project, scopes="ingest")
        for path in ("/v1/models", "/v1/models/x"):
            self.assertEqual(self.gate.request("GET", path, key=None).status, 401)
            self.assertEqual(self.gate.request("GET", path, key=ingest).status, 403)
            self.assertEqual(self.gate.request("POST", path, key=ingest).status, 405)


class Client(Case):
    """The client encodes the slashes of a name, and no server minds."""

    def test_client(self):
        key = self.project("plain", "hub", default="plain")
        ai = OpenAI(base_url=self.gate.url + "/v1", api_key=key, max_retries=0)
        names = [m.id for m in ai.models.list()]
        self.assertIn("hub/org/tuned:1", names)
        self.assertEqual(ai.models.retrieve("hub/org/tuned:1").created, 1700000001)
        with self.assertRaises(NotFoundError) as e:
            ai.models.retrieve("hub/unknown")
        self.assertEqual(e.exception.code, "model_not_found")


class Local(GateCase):
    """Without keys: the default, and what the operator has listed."""

    def test_default(self):
        project, key = self.gate.project()
        r = self.gate.request("GET", "/v1/models", key=key)
        self.assertEqual([m["id"] for m in r.json()["data"]], ["sandbox"], r)


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    return on_every_mount(loader, Client, Models, Local)


if __name__ == "__main__":
    unittest.main()
