"""What the tests of the operator's command line have in common: one set of
stores, what was printed, and that no secret was."""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import unittest
import uuid

from stack import Stores

S = Stores()
atexit.register(S.stop)
SECRETS: list[str] = []         # no command may ever print them
PRINTED: list[tuple] = []
KEY = re.compile(r"lgw_(?:proj|test)_[0-9A-Za-z]{38}")


def start() -> None:
    S.start()
    note_masters()


def note_masters() -> None:
    """The master keys that are in the file now are secrets."""
    SECRETS.extend(x.split()[1] for x in (S.dir / "master.key").read_text().splitlines() if x)


def run(*args: str, **kw) -> subprocess.CompletedProcess:
    r = S.cli(*args, check=False, **kw)
    # a build with sanitizers says this of every coroutine
    r.stderr = re.sub(r"(?m)^==\d+==WARNING: ASan doesn't fully support.*\n", "", r.stderr)
    PRINTED.append((args, r.stdout + r.stderr))
    return r


def new_provider_key() -> str:
    key = "sk-" + uuid.uuid4().hex + "tail"
    SECRETS.append(key)
    return key


def redis_version(project: str) -> str:
    return S.redis("HGET", f"project:{project}", "version")


def version(project: str) -> str:
    return S.sql(f"SELECT version FROM watchllm.project WHERE id = '{project}'")[0][0]


class Case(unittest.TestCase):
    maxDiff = None

    def ok(self, *args: str, **kw) -> str:
        r = run(*args, **kw)
        self.assertEqual((r.returncode, r.stderr), (0, ""), args)
        return r.stdout

    def json(self, *args: str, **kw):
        return json.loads(self.ok(*args, "--json", **kw))

    def fails(self, *args: str, says: str = "", **kw) -> str:
        """Exit status 1, one line on standard error, nothing else."""
        r = run(*args, **kw)
        self.assertEqual((r.returncode, r.stdout), (1, ""), (args, r.stderr))
        self.assertRegex(r.stderr, r"\Awatchllm: [^\n]+\n\Z")
        self.assertIn(says, r.stderr)
        self.assertNotIn("Internal error", r.stderr)
        return r.stderr

    def misuse(self, *args: str, says: str = "") -> None:
        """Exit status 2, the mistake and the command's own help."""
        r = run(*args)
        self.assertEqual((r.returncode, r.stdout), (2, ""), (args, r.stderr))
        self.assertIn(says, r.stderr)
        self.assertIn(f"Usage: watchllm {args[0]} ", r.stderr)

    def project(self, *args: str) -> str:
        return self.json("project", "create", "Test", *args)["id"]

    def told(self, project: str, before: str) -> str:
        """The project has another version than BEFORE, and workers know."""
        now = version(project)
        self.assertNotEqual(now, before)
        self.assertEqual(redis_version(project), now)
        return now


class Zsecrets(Case):
    """Runs last: no command above printed a secret."""

    def test_none_printed(self) -> None:
        self.assertGreater(len(PRINTED), 50)
        self.assertGreater(len(SECRETS), 0)
        hashes = [r[0] for r in S.sql("SELECT encode(hash, 'hex') FROM watchllm.api_key")]
        for args, text in PRINTED:
            for secret in SECRETS + hashes:
                self.assertNotIn(secret, text, args[:2])
            if args[:2] not in (("key", "create"), ("key", "rotate")):
                self.assertEqual(KEY.findall(text), [], args[:2])
