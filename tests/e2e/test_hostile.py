"""Hostile input through real web servers: the right status, bounded memory,
nobody else disturbed, nothing of the inside told."""

import contextlib
import json
import socket
import threading
import time
import unittest

from gate import LONG, GateCase, head, raw, status_of
from stack import MODEL, MOUNTS, new_key

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
MB = 1 << 20


class Case(GateCase):
    conf = {"auth_failures_per_minute": "100000", "bad_requests_per_minute": "100000",
            "max_body": "4m"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate.stores.plan("hostile")
        cls.project, cls.key = cls.gate.project("hostile")
        assert cls.gate.chat(cls.key).status == 200

    def lines(self, *more: tuple[str, str]) -> list[tuple[str, str]]:
        return [("Authorization", f"Bearer {self.key}"), ("Content-Type", "application/json"),
                *more]

    def say(self, method: str, path: str, *headers, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of a request written by hand."""
        reply = raw(self.gate.web.port, head(method, path, [*headers]) + body)
        self.plain(reply)
        return status_of(reply), reply.partition(b"\r\n\r\n")[2]

    def post(self, body: bytes, *more: tuple[str, str]) -> tuple[int, bytes]:
        return self.say("POST", "/v1/chat/completions", *self.lines(
            ("Content-Length", str(len(body))), *more), body=body)

    def code(self, body: bytes) -> str:
        start = body.find(b"{")
        return json.loads(body[start:body.rfind(b"}") + 1])["error"]["code"]

    def alive(self) -> None:
        began = time.monotonic()
        self.assertEqual(self.gate.chat(self.key).status, 200)
        self.assertLess(time.monotonic() - began, 2)


class Bodies(Case):
    def test_too_many_values(self):
        """1 MiB of "{}," costs little memory and less time."""
        before = self.peak()
        body = b"[" + b"{}," * (MB // 3) + b"{}]"
        for text in (body, b'{"model":"m","messages":' + body + b"}",
                     b'{"a":' * 10 + body + b"}" * 10, b"[" + b"0," * (MB // 2) + b"0]",
                     b'{' + b",".join(b'"%d":0' % i for i in range(90000)) + b"}"):
            began = time.monotonic()
            status, reply = self.post(text)
            self.assertIn((status, self.code(reply)),
                          [(413, "request_too_large"), (400, "invalid_request"),
                           (400, "invalid_json")], reply[:200])
            self.assertLess(time.monotonic() - began, 2)
        self.assertLess(self.peak() - before, 32)
        self.alive()

    def test_refused_by_the_scan(self):
        """"{}," a third of a million times is refused as such, not read."""
        status, reply = self.post(b"[" + b"{}," * (MB // 3) + b"{}]")
        self.assertEqual((status, self.code(reply)), (413, "request_too_large"))

    def test_depth(self):
        """32 levels are read, 33 are not."""
        def nested(n, inner="1"):
            return json.dumps(CHAT)[:-1].encode() + b',"x":' + (
                "[" * (n - 1) + inner + "]" * (n - 1)).encode() + b"}"
        self.assertEqual(self.post(nested(32))[0], 200)
        for n in (33, 34, 1000, 500000):
            status, reply = self.post(nested(n))
            self.assertEqual((status, self.code(reply)), (400, "invalid_json"), n)
        status, reply = self.post(b'{"a":' * 33 + b"1" + b"}" * 33)
        self.assertEqual((status, self.code(reply)), (400, "invalid_json"))
        status, reply = self.post(b"[" * 3 * MB)
        self.assertEqual((status, self.code(reply)), (400, "invalid_json"))

    def test_not_utf8(self):
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82",
                    b"\x80"):
            body = json.dumps(CHAT).encode().replace(b"Say hello.", b"x" + bad + b"x")
            status, reply = self.post(body)
            self.assertEqual((status, self.code(reply)), (400, "invalid_json"), bad)

    def test_not_json(self):
        good = json.dumps(CHAT).encode()
        for body in (b"", b" ", b"nul", b"{", b"}", good[:-1], good + b"x", good + good,
                     good.replace(b'"model"', b"'model'"), good[:-1] + b",}",
                     b"\xef\xbb\xbf" + good, good.replace(b"Say", b"S\x00ay"),
                     good.replace(b"Say", b"S\nay"), b"/*x*/" + good, b"NaN",
                     good[:-1] + b',"x":01}', good[:-1] + b',"x":Infinity}',
                     good[:-1] + b',"x":"\\x"}', b"<xml/>", b"model=x"):
            status, reply = self.post(body)
            self.assertEqual((status, self.code(reply)), (400, "invalid_json"), body[:60])

    def test_other_values(self):
        for body in (b"[]", b'""', b"1", b"null", b"true", b"{}", b'{"model":null}'):
            status, reply = self.post(body)
            self.assertEqual((status, self.code(reply)), (400, "invalid_request"), body)

    def test_twins(self):
        """A name that comes twice must not be read one way here and another there."""
        body = (b'{"model":"%s","model":"no-such","messages":[{"role":"user","content":"x"}]}'
                % MODEL.encode())
        status, reply = self.post(body)
        if status == 200:
            self.assertEqual(json.loads(reply)["model"], "no-such")
        else:
            self.assertEqual((status, self.code(reply)), (400, "invalid_request"))

    def test_texts(self):
        """NUL and lone surrogates, escaped as JSON allows, do no harm."""
        for text in (b"\\u0000", b"\\ud800", b"\\udc00\\ud800", b"\\u202e", b"\\ufffe"):
            status, _ = self.post(json.dumps(CHAT).encode().replace(b"Say", b"Say" + text))
            self.assertIn(status, (200, 400), text)
        for model in ("\u0000", "../../etc/passwd", "a" * 100000, "'; DROP TABLE x; --",
                      "x\r\nX-Evil: 1", "%s%n", "a/b/c", "\u202e"):
            status, reply = self.post(json.dumps({**CHAT, "model": model}).encode())
            self.assertIn(status, (200, 400, 404), reply[:200])
            self.assertNotIn(b"X-Evil: 1", reply.partition(b"\r\n\r\n")[0])
        self.alive()

    def test_numbers(self):
        good = json.dumps(CHAT).encode()[:-1]
        for number in (b"1e999", b"-1", b"99999999999999999999999999", b"1.5", b"0"):
            status, _ = self.post(good + b',"max_tokens":' + number + b',"n":' + number + b"}")
            self.assertIn(status, (200, 400), number)
        self.alive()

    def test_largest(self):
        """A body just under the limit passes."""
        text = "x" * (4 * MB - 4096)
        r = self.gate.chat(self.key, text)
        self.assertEqual(r.status, 200, r)
        self.assertEqual(self.gate.fake.ledger()[-1]["request_bytes"] > 4 * MB - 4096, True)


class Requests(Case):
    def test_chunked(self):
        """A body without Content-Length, in odd pieces."""
        body = json.dumps(CHAT).encode()
        for size in (1, 7, 4096):
            parts = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size])
                             for i in range(0, len(body), size)) + b"0\r\n\r\n"
            status, reply = self.say("POST", "/v1/chat/completions", *self.lines(
                ("Transfer-Encoding", "chunked")), body=parts)
            self.assertEqual(status, 200, reply[:300])
        large = b"x" * 65536
        parts = b"".join(b"%x\r\n%s\r\n" % (len(large), large) for _ in range(80))
        status, reply = self.say("POST", "/v1/chat/completions", *self.lines(
            ("Transfer-Encoding", "chunked")), body=parts + b"0\r\n\r\n")
        self.assertEqual((status, self.code(reply)), (413, "request_too_large"))

    def test_smuggling(self):
        body = json.dumps(CHAT).encode()
        for headers in ([("Content-Length", str(len(body))), ("Transfer-Encoding", "chunked")],
                        [("Content-Length", "3"), ("Content-Length", str(len(body)))],
                        [("Content-Length", "-1")], [("Content-Length", "abc")],
                        [("Content-Length", "99999999999999999999")],
                        [("Transfer-Encoding", "gzip")]):
            status, reply = self.say("POST", "/v1/chat/completions", *self.lines(*headers),
                                     ("Connection", "close"), body=body + b"\r\n\r\n")
            # mod_fcgid takes the length where both are told
            self.assertIn(status, (400, 411, 413, 501) if self.mount != "fcgid"
                          or len(headers) == 1 else (200, 400), (headers, reply[:200]))
        self.alive()

    def test_headers(self):
        """CR LF, NUL, 21 KB, thousands, twice."""
        get = ("Authorization", f"Bearer {self.key}")
        evil = "1\r\nX-Injected: yes"
        reply = raw(self.gate.web.port, head("GET", "/v1/usage", [get, ("X-Request-Id", evil)]))
        self.assertEqual(status_of(reply), 200)
        self.assertNotIn(b"X-Injected", reply)
        for name in ("X-Request-Id", "X-Long", "Cookie", "Origin"):
            status, _ = self.say("GET", "/v1/usage", get, (name, "a" * 21000))
            self.assertIn(status, (200, 400, 403, 414, 431), name)
        self.assertEqual(self.say("GET", "/v1/usage", (
            "Authorization", "Bearer " + "a" * 21000))[0] in (400, 401, 431), True)
        status, _ = self.say("GET", "/v1/usage", get, *[(f"X-N{i}", "v") for i in range(3000)])
        self.assertIn(status, (200, 400, 431))
        for value in ("a\x00b", "a\x01b", "a\x7fb", "caf\xe9"):
            status, _ = self.say("GET", "/v1/usage", get, ("X-Request-Id", value))
            self.assertIn(status, (200, 400), repr(value))
        self.alive()

    def test_twice(self):
        """Of two keys none is guessed to be the right one that opens more."""
        wrong = new_key()
        for first, second in ((self.key, wrong), (wrong, self.key)):
            status, _ = self.say("GET", "/v1/usage", ("Authorization", f"Bearer {first}"),
                                 ("Authorization", f"Bearer {second}"))
            self.assertIn(status, (400, 401))
        status, _ = self.say("GET", "/v1/usage", ("Authorization", f"Bearer {wrong}"),
                             ("x-api-key", self.key))
        self.assertEqual(status, 401)
        status, _ = self.say("GET", "/v1/usage", ("Proxy", "http://127.0.0.1:9"),
                             ("Authorization", f"Bearer {self.key}"))
        self.assertEqual(status, 200)

    def test_paths(self):
        key = ("Authorization", f"Bearer {self.key}")
        for path in ("/v1//usage", "/v1/./usage", "/v1/x/../usage", "/v1/usage/", "/v1/usage/.",
                     "/v1/%2e%2e/usage", "/v1/usage%2f", "/v1%2fusage", "/v1/usage%00",
                     "/v1/usage%0d%0aX-Injected:%201", "/v1/%75sage", "/v1/usage;x=1",
                     "/v1/usage%3fx", "//v1/usage", "/v1/../v1/usage", "/v1/usage%",
                     "/v1/usage%zz", "/v1/us%c0%afage", "/V1/usage", "/v1/USAGE",
                     "/v1/usage?x=%00", "/v1/" + "a" * 6000, "/v1/" + "../" * 50 + "etc/passwd",
                     "/v1/%252e%252e/usage", "/v1/\\usage"):
            with self.subTest(path=path[:60]):
                status, reply = self.say("GET", path, key)
                # 403: Apache, of names that no file can have
                self.assertIn(status, (200, 301, 400, 403, 404, 414), reply[:200])
                self.assertNotIn(b"X-Injected", reply)
                self.assertNotIn(b"root:", reply)
        # no trick reaches what is closed
        for path in ("/v1/x/../../observability/prometheus", "/v1/%2e%2e/observability/prometheus",
                     "/observability/%70rometheus", "//observability/prometheus"):
            status, reply = self.say("GET", path, key)
            self.assertNotEqual(status, 200, path)
            self.assertNotIn(b"watchllm_", reply)

    def test_methods(self):
        key = ("Authorization", f"Bearer {self.key}")
        for method in ("TRACE", "CONNECT", "PROPFIND", "G" * 60, "get", "P\x01T"):
            status, _ = self.say(method, "/v1/usage", key)
            self.assertIn(status, (400, 405, 501), method)
        status, body = self.say("HEAD", "/v1/usage", key, ("Connection", "close"))
        self.assertEqual((status, body), (200, b""))

    def test_not_http(self):
        for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 100,
                     b"GET\r\n\r\n", b"\r\n" * 50, b"HELO x\r\n\r\n"):
            with contextlib.suppress(OSError):
                self.plain(raw(self.gate.web.port, junk, 2))
        self.alive()

    def test_nothing_told_by_the_log(self):
        """Lines of the log are JSON, whatever was sent."""
        evil = 'x"}\n{"event":"forged"'
        self.gate.request("GET", "/v1/usage", key=self.key,
                          headers={"User-Agent": "a\x1b[31mb", "X-Request-Id": "id \x7f\t"})
        self.gate.chat(self.key, model=evil)
        time.sleep(0.2)
        for line in self.gate.log.read_text().splitlines():
            json.loads(line)
        self.assertEqual(self.gate.log_events("forged"), [])


class Slow(Case):
    """Clients that send or read slowly, or leave, beside one that does not."""

    conf = {**Case.conf, "heartbeat": "500ms"}

    def trickle(self, port: int, sockets: list, stop: threading.Event) -> None:
        """Bodies at 2 bytes a second, on all of SOCKETS."""
        start = head("POST", "/v1/chat/completions", self.lines(("Content-Length", "5000")))
        for _ in range(20):
            s = socket.create_connection(("127.0.0.1", port), 10)
            s.sendall(start + b'{"model":"')
            sockets.append(s)
        while not stop.wait(0.5):
            for s in sockets:
                with contextlib.suppress(OSError):
                    s.sendall(b"x")

    def test_slow_bodies(self):
        sockets: list = []
        stop = threading.Event()
        before = self.peak()
        thread = threading.Thread(target=self.trickle,
                                  args=(self.gate.web.port, sockets, stop))
        thread.start()
        try:
            for _ in range(30 if LONG else 10):
                began = time.monotonic()
                self.assertEqual(self.gate.chat(self.key).status, 200)
                self.assertLess(time.monotonic() - began, 0.5)
                time.sleep(0.2)
        finally:
            stop.set()
            thread.join(10)
            for s in sockets:
                s.close()
        self.assertEqual(len(sockets), 20)
        self.assertLess(self.peak() - before, 16)
        self.alive()
        self.assertEqual(self.counted(self.key)[1] > 0, True)

    def test_never_read(self):
        """Twenty that ask for much and never read it."""
        body = json.dumps({"model": MODEL, "stream": True, "messages": [
            {"role": "user", "content": "x [[size=20000000 chunk_tokens=2000 id=never]]"}]})
        before = self.peak()
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                s = socket.socket()
                stack.callback(s.close)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.connect(("127.0.0.1", self.gate.web.port))
                s.sendall(head("POST", "/v1/chat/completions", self.lines(
                    ("Content-Length", str(len(body))))) + body.encode())
            time.sleep(2)
            self.assertLess(self.peak() - before, 24)
            for _ in range(5):
                began = time.monotonic()
                self.assertEqual(self.gate.chat(self.key).status, 200)
                self.assertLess(time.monotonic() - began, 0.5)
            self.assertEqual([x for x in self.gate.fake.ledger() if x["id"] == "never"], [])
        self.ended("client_gone", 10, id="never")

    def test_half_requests(self):
        """Many that leave in the middle of head or body, by FIN and by RST."""
        part = head("POST", "/v1/chat/completions", self.lines(("Content-Length", "1000")))
        for i in range(60):
            s = socket.create_connection(("127.0.0.1", self.gate.web.port), 5)
            s.sendall((part + b'{"model"')[:40 + 4 * i])
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
        self.alive()


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for test, mounts in ((Requests, MOUNTS), (Slow, ["nginx", "lighttpd", "apache"]),
                         (Bodies, MOUNTS if LONG else ["nginx", "lighttpd", "fcgid", "cgi"])):
        for mount in mounts:
            suite.addTests(loader.loadTestsFromTestCase(
                type(f"{test.__name__}_{mount}", (test,), {"mount": mount})))
    return suite


if __name__ == "__main__":
    unittest.main()
