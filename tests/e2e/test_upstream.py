"""Whatever a provider does wrong: the right face for the client, one event,
the refund, and memory that stays bounded."""

import json
import socketserver
import ssl
import subprocess
import threading
import time
import unittest

from gate import LONG, GateCase, data, data_of, events
from stack import MODEL, wait_for

MB = 1_000_000


class Case(GateCase):
    conf = {"connect_timeout": "1s", "first_byte_timeout": "1s", "between_bytes_timeout": "1500ms",
            "total_timeout": "4s", "max_response": "8m", "heartbeat": "500ms",
            "stream_commit_after": "10s", "drain_interval": "100ms"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate.stores.plan("upstream")
        cls.places()
        cls.project, cls.key = cls.gate.project("upstream")

    @classmethod
    def places(cls):
        """Further providers, before the first call."""

    def setUp(self):
        self.clock.spare(15)
        self.project, self.key = self.gate.project("upstream")

    def row(self, r, seconds=2.0) -> dict:
        rows = self.gate.recorded(self.project, seconds=seconds)
        self.assertEqual(rows[0]["request_id"], r.headers["X-Request-Id"])
        return rows[0]

    def refused(self, r, status, codes, outcome="error"):
        """An error before any byte: one event, minute kept, month given back."""
        self.assertEqual(r.status, status, r)
        self.assertEqual(r.headers["Content-Type"], "application/json")
        error = r.json()["error"]
        self.assertIn(error["code"], codes, r)
        self.assertTrue(error["message"])
        self.plain(r.body)
        row = self.row(r)
        self.assertEqual((row["status"], row["http_status"], row["counts_for_month"]),
                         (outcome, status, False), row)
        wait_for(lambda: self.counted(self.key) == (1, 0) or None, 2)
        return error


UE, UI, UT = ["upstream_error"], ["upstream_invalid_response"], ["upstream_timeout"]
# what was asked of fake_llm, status, codes, status of the event
PLAIN = [
    ("status=500", 502, UE, "error"), ("status=502", 502, UE, "error"),
    ("status=503 retry_after=9", 502, UE, "error"), ("status=529", 502, UE, "error"),
    ("status=401", 502, ["upstream_credentials_rejected"], "error"),
    ("status=403", 502, ["upstream_credentials_rejected"], "error"),
    ("status=429 retry_after=7", 429, ["upstream_rate_limited"], "error"),
    ("fault=reset_before", 502, UE, "error"), ("fault=reset_mid", 502, UE, "error"),
    ("fault=eof_cut", 502, UE + UI, "error"), ("fault=eof_mid", 502, UE + UI, "error"),
    ("fault=html_error", 502, UE, "error"), ("fault=malformed_json", 502, UI, "error"),
    ("fault=malformed_sse", 502, UI, "error"), ("fault=silence", 504, UT, "timeout"),
    ("fault=stall_mid", 504, UT, "timeout"), ("fault=slow_bytes", 504, UT, "timeout"),
    ("fault=wrong_length_long", 502, UE + UI, "error"),
    ("fault=wrong_length_short", 502, UE + UI, "error"),
    ("fault=huge_body size=30000000", 502, UI, "error"),
    ("fault=gzip_bomb size=30000000", 502, UE + UI, "error"),
    ("fault=headers_1000", 502, UI, "error"),
]
# before the first event a stream fails as any call does
EARLY = [
    ("status=500", 502, UE, "error"), ("status=429 retry_after=7", 429,
                                      ["upstream_rate_limited"], "error"),
    ("fault=reset_before", 502, UE, "error"), ("fault=silence", 504, UT, "timeout"),
    ("fault=html_error", 502, UE, "error"),
    ("fault=status_200_error_body", 502, UE + UI, "error"),
]
# after it there is one event with the error, and no [DONE]
LATE = [
    ("fault=reset_mid", UE, "error"), ("fault=eof_cut", UE + UI, "error"),
    ("fault=eof_mid", UE + UI, "error"), ("fault=malformed_json", UI, "error"),
    ("fault=stall_mid", UT, "timeout"),
]


class Faults(Case):
    def test_plain(self):
        for words, status, codes, outcome in PLAIN:
            with self.subTest(words=words):
                self.setUp()
                began = time.monotonic()
                r = self.gate.chat(self.key, f"x [[{words}]]")
                self.refused(r, status, codes, outcome)
                self.assertLess(time.monotonic() - began, 8)
                if "retry_after" in words and status == 429:
                    self.assertEqual(r.headers["Retry-After"], "7")

    def test_status_200_error_body(self):
        r = self.gate.chat(self.key, "x [[fault=status_200_error_body]]")
        self.refused(r, 502, UE + UI)

    def test_stream_before_the_first_event(self):
        for words, status, codes, outcome in EARLY:
            with self.subTest(words=words):
                self.setUp()
                self.refused(self.gate.chat(self.key, f"x [[{words}]]", stream=True),
                             status, codes, outcome)

    def test_stream_after_it(self):
        for words, codes, outcome in LATE:
            with self.subTest(words=words):
                self.setUp()
                c, r = self.gate.stream(self.key, f"x [[{words} tokens=40]]")
                lines = events(r)
                c.close()
                self.assertEqual(r.status, 200)
                got = data(lines)
                self.assertNotEqual(got[-1], "[DONE]", words)
                wrong = [x["error"] for x in got if isinstance(x, dict) and "error" in x]
                self.assertEqual(len(wrong), 1, got)
                self.assertEqual(got[-1], {"error": wrong[0]})
                broken = [x for x in got if not isinstance(x, dict)]
                self.assertEqual(broken, [], "a client cannot read this")
                self.assertIn(wrong[0]["code"], codes)
                self.plain(json.dumps(wrong[0]))
                self.assertGreaterEqual(len(got), 2)
                row = self.row(r)
                self.assertEqual((row["status"], row["http_status"], row["error_code"],
                                  row["counts_for_month"]),
                                 (outcome, 200, wrong[0]["code"], True))
                self.assertIn(row["usage_source"], ("partial", "provider"))
                wait_for(lambda: self.counted(self.key) == (1, 1) or None, 2)

    def test_event_never_complete(self):
        """Of an event that trickles in nothing is passed on, and nothing counts."""
        r = self.gate.chat(self.key, "x [[fault=slow_bytes gap=100]]", stream=True)
        got = data_of(r.body)
        self.assertEqual([x["error"]["code"] for x in got], UT)
        row = self.row(r)
        self.assertEqual((row["status"], row["error_code"], row["counts_for_month"]),
                         ("timeout", UT[0], False))

    def test_error_in_stream(self):
        """The provider's own error event passes, and is the end."""
        r = self.gate.chat(self.key, "x [[fault=error_in_stream]]", stream=True)
        got = data_of(r.body)
        self.assertNotIn("[DONE]", got)
        self.assertEqual([i for i, x in enumerate(got) if "error" in x], [len(got) - 1])
        row = self.row(r)
        self.assertEqual((row["status"], row["http_status"]), ("error", 200))

    def test_credentials(self):
        """What the provider says about its key is not passed on."""
        error = self.refused(self.gate.chat(self.key, "x [[status=401]]"), 502,
                             ["upstream_credentials_rejected"])
        self.assertNotIn("sandbox. Error", error["message"])


class Odd(Case):
    """Answers that are odd, but answers."""

    conf = {**Case.conf, "total_timeout": "20s"}

    def answered(self, r) -> dict:
        self.assertEqual(r.status, 200, r)
        row = self.row(r)
        self.assertEqual((row["status"], row["counts_for_month"]), ("success", True), row)
        return row

    def chunks(self, r) -> list:
        got = data_of(r.body)
        self.assertEqual(got[-1], "[DONE]")
        return got[:-1]

    def test_plain(self):
        for words in ("fault=no_content_type", "size=2000000",
                      "fault=huge_line size=1000000"):
            with self.subTest(words=words):
                self.setUp()
                r = self.gate.chat(self.key, f"x [[{words}]]")
                self.answered(r)
                self.assertEqual(r.headers["Content-Type"], "application/json")
                self.assertIn("choices", r.json())
                self.assertLess(len(r.headers), 40)

    def test_streams(self):
        for words in ("fault=no_content_type", "fault=wrong_length_long",
                      "fault=huge_line size=1000000", "bom=1 eol=cr", "eol=crlf comments=1",
                      "split=1 utf8=1 tokens=8", "split=3 gap=1 tokens=4"):
            with self.subTest(words=words):
                self.setUp()
                r = self.gate.chat(self.key, f"x [[{words}]]", stream=True)
                row = self.answered(r)
                got = self.chunks(r)
                self.assertEqual(row["output_tokens"],
                                 self.gate.fake.ledger()[-1]["completion_tokens"])
                self.assertTrue(any(c["choices"] for c in got))

    def test_usage_reported_oddly(self):
        """Counted once, whatever the provider repeats; shown only when asked."""
        for usage in ("dup", "early", "every", "with_choices", "always"):
            for asked in (True, False):
                with self.subTest(usage=usage, asked=asked):
                    self.setUp()
                    options = {"stream_options": {"include_usage": True}} if asked else {}
                    r = self.gate.chat(self.key, f"x [[usage={usage} tokens=9]]", stream=True,
                                       **options)
                    row = self.answered(r)
                    self.assertEqual((row["output_tokens"], row["usage_source"]),
                                     (9, "provider"))
                    bare = [c for c in self.chunks(r) if not c["choices"]]
                    if not asked:
                        self.assertEqual(bare, [])

    def test_usage_zero(self):
        row = self.answered(self.gate.chat(self.key, "x [[usage=zero]]"))
        self.assertEqual(row["output_tokens"], 0)

    def test_dup_usage(self):
        row = self.answered(self.gate.chat(self.key, "x [[fault=dup_usage tokens=5]]"))
        self.assertEqual(row["output_tokens"], 5)


class Large(Case):
    """Much more than is kept: refused or passed through in bounded memory."""

    conf = {**Case.conf, "total_timeout": "60s", "between_bytes_timeout": "10s",
            "first_byte_timeout": "10s"}

    def test_answers(self):
        self.gate.chat(self.key, "x")
        before = self.peak()
        for words in ("fault=huge_body", "fault=gzip_bomb"):
            for stream in (False, True):
                with self.subTest(words=words, stream=stream):
                    r = self.gate.chat(self.key, f"x [[{words}]]", stream=stream)
                    # a stream passes, however long
                    self.assertEqual(r.status, 200 if stream and "huge" in words else 502, r)
        self.assertLess(self.peak() - before, 64)

    def test_long_stream(self):
        """A stream far longer than any buffer passes whole."""
        n = 200 if LONG else 20
        before = self.peak()
        c, r = self.gate.stream(self.key, f"x [[size={n * MB} chunk_tokens=4000]]", timeout=60)
        got = 0
        while part := r.read(1 << 16):
            got += len(part)
        c.close()
        self.assertGreater(got, n * MB)
        self.assertLess(self.peak() - before, 24)

    def test_slow_reader(self):
        """One that does not read stops the provider, and costs little."""
        before = self.peak()
        c, r = self.gate.stream(self.key, f"x [[size={60 * MB} chunk_tokens=4000 id=slow]]",
                                timeout=60)
        r.read(1000)
        time.sleep(1.5)
        self.assertEqual([x for x in self.gate.fake.ledger() if x["id"] == "slow"], [])
        self.assertLess(self.peak() - before, 24)
        began = time.monotonic()
        self.assertEqual(self.gate.chat(self.gate.project("upstream")[1]).status, 200)
        self.assertLess(time.monotonic() - began, 1)
        r.close()
        c.close()
        self.ended("client_gone", 5, id="slow")


class Tls(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            self.request.do_handshake()
        except OSError:
            pass


class Unreachable(Case):
    @classmethod
    def places(cls):
        s = cls.gate.stores
        d = s.dir / "tls"
        d.mkdir(exist_ok=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-keyout", str(d / "key.pem"),
                        "-out", str(d / "cert.pem")], check=True, capture_output=True, timeout=30)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(d / "cert.pem", d / "key.pem")

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tls, False)
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
        server.server_bind()
        server.server_activate()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def stop():
            server.shutdown()
            server.server_close()
            thread.join(10)
        cls.addClassCleanup(stop)
        n = cls.gate.web.port
        cls.names = {
            "refused": s.provider(f"refused{n}", "http://127.0.0.1:9/v1", price_provider="NULL"),
            "nowhere": s.provider(f"nowhere{n}", "https://llm.watchllm.invalid/v1",
                                  price_provider="NULL", allow_private="false"),
            "tls": s.provider(f"tls{n}", f"https://127.0.0.1:{server.server_address[1]}/v1",
                              price_provider="NULL"),
            "private": s.provider(f"private{n}", "https://10.1.2.3/v1", price_provider="NULL",
                                  allow_private="false")}

    def test_each(self):
        for name, provider in self.names.items():
            for stream in (False, True):
                with self.subTest(name=name, stream=stream):
                    self.setUp()
                    began = time.monotonic()
                    r = self.gate.chat(self.key, model=f"{provider}/m", stream=stream)
                    self.refused(r, 502, UE)
                    self.assertLess(time.monotonic() - began, 7)


class Commits(Case):
    """A provider that is silent for longer than stream_commit_after."""

    conf = {**Case.conf, "stream_commit_after": "600ms", "heartbeat": "300ms",
            "first_byte_timeout": "3s"}

    def test_answer(self):
        c, r = self.gate.stream(self.key, "x [[latency=1600 tokens=3]]")
        lines = events(r)
        c.close()
        self.assertEqual(data(lines)[-1], "[DONE]")
        first = next(i for i, (_, x) in enumerate(lines) if x.startswith("data:"))
        comments = [x for _, x in lines[:first] if x.startswith(":")]
        self.assertGreaterEqual(len(comments), 2, lines)
        self.assertEqual(self.row(r)["status"], "success")

    def test_error(self):
        """The headers have left with 200, so the error is an event; nothing was answered."""
        c, r = self.gate.stream(self.key, "x [[latency=1200 status=500]]")
        lines = events(r)
        c.close()
        self.assertEqual(r.status, 200)
        got = data(lines)
        self.assertEqual([list(x) for x in got], [["error"]])
        self.assertEqual(got[0]["error"]["code"], "upstream_error")
        row = self.row(r)
        self.assertEqual((row["status"], row["http_status"], row["counts_for_month"],
                          row["output_tokens"]), ("error", 200, False, 0))
        wait_for(lambda: self.counted(self.key) == (1, 0) or None, 2)

    def test_timeout(self):
        c, r = self.gate.stream(self.key, "x [[fault=silence]]")
        got = data(events(r))
        c.close()
        self.assertEqual([x["error"]["code"] for x in got], ["upstream_timeout"])
        self.assertEqual(self.row(r)["status"], "timeout")


del Case

if __name__ == "__main__":
    unittest.main()
