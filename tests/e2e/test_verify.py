"""watchllm verify: its four checks behind every web server, by every kind of
minute, over TLS; and that a server which breaks a promise does not pass."""

from __future__ import annotations

import subprocess
import time
import unittest

from stack import MOUNTS, ids
from webs import Site, side_by_side

NAMES = ["request", "remaining", "limit", "headers"]


class Verify(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.stop)
        cls.web = cls.site.web("nginx")
        cls.addClassCleanup(cls.web.stop)
        cls.url = f"http://127.0.0.1:{cls.web.port}"

    def verify(self, *args: str, **kw):
        return self.site.run("verify", *args, "--json", **kw)

    def states(self, r) -> list[str]:
        self.assertIsNotNone(r.json, r)
        self.assertEqual([c["check"] for c in r.json["checks"]], NAMES)
        return [c["state"] for c in r.json["checks"]]

    def passes(self, r) -> None:
        self.assertEqual(self.states(r), ["ok"] * 4, r)
        self.assertEqual((r.status, r.json["ok"]), (0, True), r)

    def test_every_mount(self):
        def job(mount):
            def run():
                web = self.site.web(mount)
                try:
                    return self.verify(f"http://127.0.0.1:{web.port}/v1/",
                                       self.site.project()[1])
                finally:
                    web.stop()
            return run

        done = side_by_side({m: job(m) for m in MOUNTS})
        for mount, r in done.items():
            with self.subTest(mount):
                self.passes(r)
                self.assertEqual((r.json["plan"], r.json["limit"]), ("free", 10))

    def test_text(self):
        """A line for each check, and what it waits for is said."""
        project, key = self.site.project()
        r = self.site.run("verify", self.url, "-", stdin=key + "\n")
        self.assertEqual(r.status, 0, r)
        lines = r.out.splitlines()
        self.assertEqual([x.split()[:2] for x in lines[1:]], [[n, "ok"] for n in NAMES])
        self.assertIn("10, 9, 8, 7, 6 of 10", r.out)
        self.assertIn("call 11 of a minute is refused", r.out)
        self.assertNotIn(key, r.out + r.err)
        # eleven calls, of which ten were answered and counted
        used = self.site.stores.redis("--scan", "--pattern", f"quota:{project}:*")
        self.assertEqual(self.site.stores.redis("GET", used), "10")

    def test_waits_for_a_fresh_minute(self):
        _, key = self.site.project()
        self.passes(self.verify(self.url, key))
        start = time.time()
        r = self.verify(self.url, key)
        self.passes(r)
        self.assertIn("waiting", r.err)
        self.assertIn("for a minute in which nothing is used", r.err)
        self.assertGreater(time.time() // 60, start // 60)

    def test_kinds_of_minute(self):
        """Sliding, of one call, and by a key's own limit."""
        stores = self.site.stores
        sliding = stores.plan("slides", minute=4, kind="sliding")
        single = stores.plan("single", minute=1)
        narrow = stores.plan("narrow", minute=9, concurrent=1)
        keys = {
            "sliding": self.site.project(sliding)[1],
            "single": self.site.project(single)[1],
            "narrow": self.site.project(narrow)[1],
            "key": self.site.project("pro", requests_per_minute=3)[1],
        }
        done = side_by_side({n: lambda k=k: self.verify(self.url, k)
                             for n, k in keys.items()})
        for name, r in done.items():
            with self.subTest(name):
                self.passes(r)
        self.assertIn("sliding", done["sliding"].check("limit")["text"])
        self.assertEqual(done["key"].json["limit"], 3)

    def test_bigger_plan(self):
        """Not filled unasked; then with bodies that reach no provider."""
        plan = self.site.stores.plan("big", minute=120)
        project, key = self.site.project(plan)
        r = self.verify(self.url, key)
        self.assertEqual(self.states(r), ["ok", "ok", "skipped", "skipped"], r)
        self.assertEqual(r.status, 1)
        self.assertIn("121", r.check("limit")["text"])
        self.assertIn("--burst", r.check("limit")["text"])
        before = len(self.site.fake.ledger())
        project, key = self.site.project(plan)
        self.passes(self.verify(self.url, key, "--burst"))
        self.assertEqual(len(self.site.fake.ledger()) - before, 4)

    def test_refused(self):
        """Keys and addresses that are no good."""
        _, key = self.site.project()
        for args, text in (
                ((self.url, key[:-1] + ("a" if key[-1] != "a" else "b")), "invalid_api_key"),
                (("http://127.0.0.1:9", key), "127.0.0.1"),
                (("ftp://127.0.0.1", key), "address"),
                (("http://u:p@127.0.0.1", key), "address"),
                ((self.url, "a key"), "characters"),
                ((self.url, "--key-file", "/nonexistent"), "/nonexistent")):
            r = self.site.run("verify", *args)
            self.assertEqual((r.status, r.out), (1, ""), args)
            self.assertIn(text, r.err)
            self.assertNotIn(key, r.err)
        for args in ((self.url,), (), (self.url, key, "--key-file", "x"),
                     (self.url, key, "more")):
            r = self.site.run("verify", *args)
            self.assertEqual((r.status, r.out), (2, ""), args)

    def test_no_answer(self):
        """The limits hold also for calls that a provider cannot answer."""
        self.site.stores.provider("nowhere", "http://127.0.0.1:9/v1")
        r = self.verify(self.url, self.site.project()[1], "--model", "nowhere/m")
        self.assertEqual(self.states(r), ["fail", "ok", "ok", "fail"], r)
        self.assertIn("502 upstream_error", r.check("request")["text"])
        self.assertIn("no 200 was seen", r.check("headers")["text"])

    def test_broken_promises(self):
        """A web server that takes a header away, or its own page for ours."""
        location = "fastcgi_pass watchllm;"
        cases = {
            "remaining": ("fastcgi_hide_header X-RateLimit-Remaining;",
                          {"remaining": "-1", "headers": "X-RateLimit-Remaining is missing"}),
            "retry": ("fastcgi_hide_header Retry-After;",
                      {"headers": "refusal: Retry-After is missing"}),
            "id": ("fastcgi_hide_header X-Request-Id;",
                   {"headers": "X-Request-Id is missing"}),
            "draft": ("fastcgi_hide_header RateLimit;",
                      {"headers": "RateLimit does not tell of minute"}),
            "timing": ("fastcgi_hide_header Server-Timing;",
                       {"headers": "Server-Timing is missing"}),
            "page": ("fastcgi_intercept_errors on; error_page 429 /busy;",
                     {"limit": "error is missing in the body"}),
        }

        def job(line):
            def run():
                web = self.site.web("nginx", (".conf", location, location + line))
                try:
                    return self.verify(f"http://127.0.0.1:{web.port}",
                                       self.site.project()[1])
                finally:
                    web.stop()
            return run

        done = side_by_side({n: job(line) for n, (line, _) in cases.items()})
        for name, (_, wrong) in cases.items():
            with self.subTest(name):
                r = done[name]
                self.assertEqual(r.status, 1, r)
                for check, text in wrong.items():
                    self.assertEqual(r.check(check)["state"], "fail", r)
                    self.assertIn(text, r.check(check)["text"])
                self.assertEqual(r.check("request")["state"], "ok", r)

    def test_authorization_stripped(self):
        web = self.site.web("nginx", (".conf", "fastcgi_pass watchllm;",
                                      'fastcgi_param HTTP_AUTHORIZATION "";'
                                      " fastcgi_pass watchllm;"))
        self.addCleanup(web.stop)
        r = self.verify(f"http://127.0.0.1:{web.port}", self.site.project()[1])
        self.assertEqual(r.status, 1)
        self.assertIn("doctor", r.err)

    def test_tls(self):
        """Certificates are checked, against a file of one's own, or not."""
        d = self.site.dir
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", str(d / "tls.key"), "-out", str(d / "tls.pem")],
            check=True, capture_output=True, **ids())
        web = self.site.web("nginx", (
            ".conf", "server {\n    listen ", "server {\n"
            f"    ssl_certificate {d}/tls.pem; ssl_certificate_key {d}/tls.key; ssl on;\n"
            "    listen "))
        self.addCleanup(web.stop)
        url = f"https://localhost:{web.port}"
        _, key = self.site.project()
        r = self.site.run("verify", url, key)
        self.assertEqual((r.status, r.out), (1, ""))
        self.assertIn("certificate", r.err.lower())
        self.passes(self.verify(url, key, "--ca-file", str(d / "tls.pem")))
        _, key = self.site.project()
        self.passes(self.verify(url.replace("localhost", "127.0.0.1"), key, "--insecure"))
        r = self.site.run("doctor", "--url", url, "--ca-file", str(d / "tls.pem"), "--json")
        self.assertEqual(r.check("reachable", "web server")["state"], "ok")


if __name__ == "__main__":
    unittest.main()
