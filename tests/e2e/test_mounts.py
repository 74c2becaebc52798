"""The program behind every web server, mounted as the files in conf/ say."""

import http.client
import json
import unittest

from stack import MOUNTS, PREFIX, Daemon, Folder, Web, wait_for


class Mounts(unittest.TestCase):
    """One web server a subclass: see load_tests."""

    mount = ""
    base = ""

    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.remove)
        d = cls.folder.path
        cls.folder.make("run", "log", "spool")
        conf = d / "watchllm.conf"
        conf.write_text(f"spool_dir = {d}/spool\nlog_file = {d}/log/gate.log\n"
                        "cors_origins = https://app.example\n")
        sock = d / "run/fcgi.sock"
        if cls.mount in ("nginx", "lighttpd", "apache"):
            cls.workers = Daemon(
                [str(PREFIX / "libexec/cgi-bin/watchllm.fcgi"), "--config", str(conf),
                 "--listen", f"unix:{sock}", "--processes", "2"], d / "log/workers.log")
            cls.addClassCleanup(cls.workers.stop)
            wait_for(sock.exists)
        cls.web = Web(cls.mount, cls.folder, conf, sock, cls.base)
        cls.addClassCleanup(cls.web.stop)

    def ask(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=20)
        c.request(method, self.base + path, body,
                  {k.replace("_", "-"): v for k, v in headers.items()})
        r = c.getresponse()
        r.text = r.read().decode()
        c.close()
        return r

    def test_health(self):
        paths = ["/v1/health", "/observability/health"]
        if not self.base:       # found by what stands before /v1/ only
            paths.append("/health")
        for path in paths:
            r = self.ask("GET", path)
            self.assertEqual(r.status, 200, r.text)
            self.assertEqual(json.loads(r.text)["status"], "ok")
            self.assertRegex(r.headers["X-Request-Id"], r"^[0-9a-f-]{36}$")
            self.assertEqual(r.headers["Content-Type"], "application/json")

    def test_head(self):
        r = self.ask("HEAD", "/v1/health")
        self.assertEqual((r.status, r.text), (200, ""))

    def test_not_found(self):
        r = self.ask("GET", "/v1/nowhere")
        self.assertEqual(r.status, 404)
        self.assertEqual(json.loads(r.text)["error"]["code"], "not_found")

    def test_wrong_method(self):
        r = self.ask("DELETE", "/v1/health")
        self.assertEqual(r.status, 405)
        self.assertEqual(r.headers["Allow"], "GET, HEAD, OPTIONS")
        self.assertEqual(json.loads(r.text)["error"]["code"], "method_not_allowed")

    def test_body_is_read(self):
        """A body that no handler reads does not disturb the next request."""
        for _ in range(3):
            r = self.ask("POST", "/v1/health", b"x" * 200000,
                         Content_Type="application/json")
            self.assertEqual(r.status, 405)
        self.assertEqual(self.ask("GET", "/v1/health").status, 200)

    def test_origin(self):
        r = self.ask("GET", "/v1/health", Origin="https://app.example")
        self.assertEqual(r.headers["Access-Control-Allow-Origin"], "https://app.example")
        r = self.ask("GET", "/v1/health", Origin="https://evil.example")
        self.assertEqual(r.status, 403)
        r = self.ask("OPTIONS", "/v1/health", Origin="https://app.example",
                     Access_Control_Request_Method="GET")
        self.assertEqual(r.status, 204)

    def test_many(self):
        """Kept or not, connection after connection is served."""
        ids = {self.ask("GET", "/v1/health").headers["X-Request-Id"] for _ in range(40)}
        self.assertEqual(len(ids), 40)


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for mount in MOUNTS:
        suite.addTests(loader.loadTestsFromTestCase(
            type(f"Mount_{mount}", (Mounts,), {"mount": mount})))
    suite.addTests(loader.loadTestsFromTestCase(
        type("Mount_prefix", (Mounts,), {"mount": "nginx", "base": "/llm"})))
    return suite


if __name__ == "__main__":
    unittest.main()
