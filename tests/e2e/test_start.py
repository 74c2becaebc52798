"""./start in a clean clone: what it prints works, and is there again."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from stack import SOURCE, free_port, ids, wait_for


class Start(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = Path(tempfile.mkdtemp(prefix="wls", dir="/tmp"))
        cls.top.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.top, ignore_errors=True)
        cls.tree = cls.top / "clone"
        subprocess.run(["git", "clone", "-q", str(SOURCE), str(cls.tree)], check=True,
                       timeout=60)
        cls.port = free_port()
        cls.addClassCleanup(cls.start, "--stop")
        cls.said = cls.start("--port", str(cls.port))

    @classmethod
    def start(cls, *args):
        # servers keep what they inherit open: a file, not a pipe
        with tempfile.TemporaryFile("w+") as out:
            r = subprocess.run(["./start", *args], cwd=cls.tree, stdout=out, stderr=out,
                               stdin=subprocess.DEVNULL, timeout=300, check=False,
                               env={k: v for k, v in os.environ.items()
                                    if not k.startswith(("OPENAI_", "WATCHLLM_"))})
            out.seek(0)
            text = out.read()
        if r.returncode != 0:
            raise AssertionError(text)
        return text

    def line(self):
        """The printed call, as a user would paste it."""
        return re.search(r"^ +curl (?:.*\\\n)*.*\n", self.said, re.MULTILINE)[0]

    def paste(self, line):
        return subprocess.run(["bash", "-c", line.replace("curl ", "curl -sSi -m 20 ", 1)],
                              capture_output=True, text=True, timeout=30, check=True).stdout

    def test_printed_line(self):
        reply = self.paste(self.line())
        self.assertRegex(reply, r"^HTTP/1.1 200 ")
        for name in ("X-RateLimit-Remaining", "X-Quota-Remaining", "X-WatchLLM-Cost-USD"):
            self.assertIn(f"\n{name}: ", reply)
        self.assertIn("sandbox", reply)
        ident = re.search(r"X-Request-Id: (\S+)", reply)[1]
        wait_for(lambda: self.report(
            f"SELECT 1 FROM report.calls WHERE request_id = '{ident}'") == "1", 2)

    def report(self, query):
        run = (self.tree / "var").resolve() / "run"
        return subprocess.run(
            ["psql", "-XAtqc", query, f"host={run} dbname=watchllm user=wl_report"],
            capture_output=True, text=True, timeout=20, cwd="/", check=True, **ids()
        ).stdout.strip()

    def test_again(self):
        """Servers and key are there again, behind another web server too."""
        first = json.loads((self.tree / "var/watchllm.json").read_text())
        self.assertEqual(set(first), {"url", "key", "project", "operator_token"})
        self.assertEqual(self.start("--web", "nginx"), self.start("--web", "nginx"))
        self.assertEqual(json.loads((self.tree / "var/watchllm.json").read_text()), first)
        self.assertRegex(self.paste(self.line()), r"(?m)^Server: nginx")
        self.start("--stop")
        self.assertIn(first["key"], self.start("--web", "lighttpd"))
        self.assertRegex(self.paste(self.line()), r"^HTTP/1.1 200 ")

    def test_wrong_use(self):
        for args in (["--web", "iis"], ["--port", "x"], ["--nothing"], ["--port"]):
            r = subprocess.run(["./start", *args], cwd=self.tree, capture_output=True,
                               text=True, timeout=20, check=False)
            self.assertEqual(r.returncode, 2, args)
            self.assertIn("Usage: ./start", r.stderr)


if __name__ == "__main__":
    unittest.main()
