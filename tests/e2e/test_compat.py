"""The client libraries that people use, unmodified, behind every web server.
The table of docs/COMPATIBILITY.md is what this run finds; with WL_WRITE=1 it
is written anew."""

from __future__ import annotations

import json
import os
import subprocess
import unittest
from pathlib import Path

from gate import GateCase
from stack import MODEL, MOUNTS, SOURCE

HERE = SOURCE / "tests/e2e/compat"
DIR = Path(os.environ.get("WL_COMPAT", ""))
PAGE = SOURCE / "docs/COMPATIBILITY.md"
BEGIN, END = "<!-- made by tests/e2e/test_compat.py -->\n", "<!-- end -->\n"
CLIENTS = {
    "PyPI": ["openai", "langchain-openai", "litellm", "anthropic", "langchain-anthropic"],
    "npm": ["openai", "@ai-sdk/openai", "@langchain/openai", "@anthropic-ai/sdk",
            "@ai-sdk/anthropic", "@langchain/anthropic"],
}
FEATURES = ["chat", "stream", "tools", "structured", "embeddings", "responses", "errors"]


class Runner:
    """A process with the libraries, which takes one mount after the other."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        command = ["node", str(HERE / "clients.mjs")] if registry == "npm" else [
            str(DIR / "venv/bin/python"), "-W", "ignore", str(HERE / "clients.py")]
        env = {**os.environ, "WL_MODULES": str(DIR / "js"), "NODE_NO_WARNINGS": "1"}
        self.process = subprocess.Popen(command, text=True, env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def run(self, job: dict) -> list[dict]:
        line = json.dumps({**job, "clients": CLIENTS[self.registry]})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        found = []
        for line in self.process.stdout:
            if line == "end\n":
                return found
            found.append({**json.loads(line), "registry": self.registry})
        raise AssertionError(f"{self.registry}: the clients died")

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def table(found: dict[str, list[dict]]) -> str:
    """One row a library and format, in a cell the mounts behind which the feature works."""
    good: dict[tuple, int] = {}
    for results in found.values():
        for r in results:
            key = (f"{r['client']} ({r['registry']})", r["version"], r["format"], r["feature"])
            good[key] = good.get(key, 0) + (r["error"] is None)
    rows = dict.fromkeys(k[:3] for k in good)
    out = ["| library | version | provider's format | " + " | ".join(FEATURES) + " |",
           "|---|---|---|" + "---|" * len(FEATURES)]
    for row in rows:
        cells = [f"{good[(*row, f)]}/{len(found)}" if (*row, f) in good else ""
                 for f in FEATURES]
        out.append("| " + " | ".join([*row, *cells]) + " |")
    return "\n".join(out) + "\n"


class Compat(unittest.TestCase):
    maxDiff = None
    found: dict[str, list[dict]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.runners = [Runner(registry) for registry in CLIENTS]

    @classmethod
    def tearDownClass(cls) -> None:
        for runner in cls.runners:
            runner.stop()

    def behind(self, mount: str) -> None:
        case = type(f"Compat_{mount}", (GateCase,), {"mount": mount, "conf": {
            "auth_failures_per_minute": "1000", "bad_requests_per_minute": "1000"}})
        case.setUpClass()
        try:
            gate = case.gate
            gate.stores.plan("compat")
            claude = gate.stores.provider(f"claude{gate.web.port}", gate.fake.base,
                                          wire="'anthropic'", auth="'x-api-key'")
            job = {"url": gate.url, "embedding": "text-embedding-3-small",
                   "key": gate.project("compat")[1],
                   "spent": gate.project(gate.stores.plan("compat0", minute=0))[1]}
            self.found[mount] = [
                {**r, "format": form} for form, model, skip in (
                    ("OpenAI", MODEL, []),
                    ("Anthropic", f"{claude}/claude-sonnet-4", ["embeddings", "responses"]))
                for runner in self.runners
                for r in runner.run({**job, "model": model, "skip": skip})]
        finally:
            case.tearDownClass()
        for r in self.found[mount]:
            with self.subTest(client=r["client"], format=r["format"], feature=r["feature"]):
                self.assertIsNone(r["error"], r["error"])

    def test_the_page(self) -> None:
        """Last, by its name: the page tells what was found."""
        self.assertEqual(list(self.found), MOUNTS)
        before, _, rest = PAGE.read_text().partition(BEGIN)
        page = before + BEGIN + table(self.found) + END + rest.partition(END)[2]
        if os.environ.get("WL_WRITE"):
            PAGE.write_text(page)
        self.assertEqual(PAGE.read_text(), page)


def behind(mount: str):
    return lambda self: self.behind(mount)


for _n, _mount in enumerate(MOUNTS):
    setattr(Compat, f"test_{_n}_{_mount}", behind(_mount))


if __name__ == "__main__":
    unittest.main()
