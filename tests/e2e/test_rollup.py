"""watchllm-rollup as cron runs it: lines, exit status, time, two at once."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent
STORES = HERE.parent / "lib" / "with_stores.sh"
PROGRAM = str(Path(os.environ.get("top_builddir", ".")).resolve() / "watchllm-rollup")
JOBS = ["partitions", "statements", "retention", "marks", "ledger", "reconcile"]


def psql(*args: str) -> list[str]:
    return ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-d", os.environ["WL_SUPER_URL"], *args]


def sql(text: str) -> str:
    r = subprocess.run(psql("-c", text), capture_output=True, text=True, timeout=60, check=False)
    if r.returncode != 0:
        raise AssertionError(r.stderr)
    return r.stdout.strip()


class Holder:
    """A session that holds what its statements took."""

    def __init__(self, text: str) -> None:
        self.p = subprocess.Popen(psql(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.p.stdin and self.p.stdout
        self.p.stdin.write(f"BEGIN; {text};\n\\echo held\n")
        self.p.stdin.flush()
        while self.p.stdout.readline().strip() != "held":
            pass

    def __enter__(self) -> "Holder":
        return self

    def __exit__(self, *_: object) -> None:
        self.p.communicate("ROLLBACK;\n", timeout=20)


class Rollup(unittest.TestCase):
    def setUp(self) -> None:
        self.dir = tempfile.TemporaryDirectory(prefix="wlr")
        self.addCleanup(self.dir.cleanup)
        self.log = Path(self.dir.name) / "log"
        sql("TRUNCATE watchllm.usage_month, watchllm.usage_statement, watchllm.statement_month,"
            " watchllm.usage_adjustment, watchllm.rollup_day, watchllm.rollup_hour")

    def command(self, *args: str) -> list[str]:
        return [PROGRAM, "--config=/dev/null", f"--set=log_file={self.log}",
                "--set=redis_timeout=2s", *args]

    def env(self, at: str | None) -> dict[str, str]:
        if at is None:
            return dict(os.environ)
        offset = int((datetime.fromisoformat(at).replace(tzinfo=timezone.utc).timestamp()
                      - time.time()) * 1000)
        clock = Path(self.dir.name) / "clock"
        clock.write_bytes(struct.pack("=q", offset))
        return {**os.environ, "WATCHLLM_TEST_CLOCK": str(clock)}

    def run_it(self, *args: str, at: str | None = None,
               status: int = 0) -> subprocess.CompletedProcess:
        r = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=120,
                           env=self.env(at), check=False)
        self.assertEqual(r.returncode, status, r.stdout + r.stderr)
        return r

    def lines(self, out: str) -> dict[str, str]:
        """What was done by job; each line has the form of one."""
        done = {}
        for line in out.splitlines():
            m = re.fullmatch(r"([a-z]+): (.+) \([0-9]+ ms\)", line)
            self.assertIsNotNone(m, line)
            assert m
            done[m[1]] = m[2]
        return done

    def logged(self, event: str) -> list[dict]:
        rows = [json.loads(x) for x in self.log.read_text().splitlines()]
        return [r for r in rows if r["event"] == event]

    def test_all_jobs(self) -> None:
        r = self.run_it()
        self.assertEqual(list(self.lines(r.stdout)), JOBS)
        # a sanitizer may introduce itself
        self.assertEqual(re.sub(r"(?m)^==[0-9]+==WARNING: ASan .*\n", "", r.stderr), "")
        self.assertEqual([x["msg"] for x in self.logged("rollup.job")], r.stdout.splitlines())
        again = self.lines(self.run_it().stdout)
        self.assertTrue(again["partitions"].startswith("0 made, "))
        self.assertEqual(again["retention"], "0 dropped")

    def test_named_jobs(self) -> None:
        r = self.run_it("reconcile", "marks")
        self.assertEqual(list(self.lines(r.stdout)), ["marks", "reconcile"])

    def test_wrong_use(self) -> None:
        self.assertIn("no such job", self.run_it("nonsense", status=2).stderr)
        self.run_it("--now=2040-01-01T00:00:00Z", status=2)
        r = self.run_it("--help")
        for job in JOBS:
            self.assertRegex(r.stdout, rf"(?m)^  {job} +\w")
        self.assertIn("watchllm-rollup ", self.run_it("--version").stdout)

    def test_time(self) -> None:
        project = sql("INSERT INTO watchllm.project (name) VALUES ('x') RETURNING id")
        sql("SELECT watchllm.rollup_month('2040-01-01')")
        for table, column, at in (("rollup_hour", "hour", "2040-01-10 00:00Z"),
                                  ("rollup_day", "day", "2040-01-10")):
            sql(f"INSERT INTO watchllm.{table} (project_id, {column}, type, provider, model,"
                " status, events, requests, counted) VALUES"
                f" ('{project}', '{at}', 'prompt_call', 'openai', 'm', 'success', 3, 3, 3)")
        done = self.lines(self.run_it("statements", at="2040-02-02T23:59:50").stdout)
        self.assertEqual(done["statements"], "2040-01 provisional (1), 2040-02 provisional (0)")
        # nobody ran for three months
        done = self.lines(self.run_it("statements", at="2040-05-03T00:00:10").stdout)
        self.assertEqual(done["statements"], "2040-01 frozen (1), 2040-02 frozen (0),"
                         " 2040-03 frozen (0), 2040-04 frozen (0), 2040-05 provisional (0)")

    def test_a_failure_stops_nothing_else(self) -> None:
        sql("WITH p AS (INSERT INTO watchllm.project (name) VALUES ('x') RETURNING id)"
            " INSERT INTO watchllm.usage_month (project_id, month, admitted, counted)"
            " SELECT id, date_trunc('month', now() AT TIME ZONE 'UTC'), 1, 1 FROM p")
        r = self.run_it(status=1)
        done = self.lines(r.stdout)
        self.assertEqual(list(done), JOBS)
        self.assertTrue(done["ledger"].endswith(", failed"), done)
        self.assertIn("watchllm-rollup: ledger: ", r.stderr)
        self.assertNotIn("failed", done["reconcile"])

    def test_redis_away(self) -> None:
        sql("WITH p AS (INSERT INTO watchllm.project (name) VALUES ('x') RETURNING id)"
            " INSERT INTO watchllm.usage_month (project_id, month)"
            " SELECT id, date_trunc('month', now() AT TIME ZONE 'UTC') FROM p")
        r = self.run_it("--set=redis=unix:/nonexistent/redis.sock", status=1)
        done = self.lines(r.stdout)
        self.assertEqual([j for j in JOBS if "failed" in done[j]], ["reconcile"])

    def test_database_away(self) -> None:
        r = self.run_it("--set=rollup_database_url=host=/nonexistent", status=1)
        self.assertEqual(r.stdout, "")
        self.assertIn("watchllm-rollup: ", r.stderr)

    def test_own_login_is_enough(self) -> None:
        """It needs no other role than its own."""
        self.run_it("--set=database_url=host=/nonexistent")

    def test_another_schema(self) -> None:
        last = sql("SELECT max(version) FROM watchllm.schema_migration")
        self.addCleanup(sql, f"UPDATE watchllm.schema_migration SET version = {last}"
                             " WHERE version = 9000")
        sql(f"UPDATE watchllm.schema_migration SET version = 9000 WHERE version = {last}")
        r = self.run_it(status=1)
        self.assertEqual(r.stdout, "")
        self.assertIn("schema 9000", r.stderr)

    def test_one_connection_is_enough(self) -> None:
        self.run_it("--set=database_connections=1")

    def test_two_at_once(self) -> None:
        with Holder("SELECT pg_advisory_xact_lock(hashtext('watchllm.statement'))"):
            # the first one waits in the middle of its work
            first = subprocess.Popen(self.command(), stdout=subprocess.PIPE, text=True)
            self.addCleanup(first.stdout.close)
            self.addCleanup(first.wait, 30)
            self.addCleanup(first.kill)
            self.assertIn("partitions: ", first.stdout.readline())
            r = self.run_it()
            self.assertEqual(r.stdout, "another watchllm-rollup is at work; nothing done\n")
            self.assertEqual(len(self.logged("rollup.busy")), 1)
        self.assertEqual(list(self.lines(first.stdout.read())), JOBS[1:])
        self.assertEqual(first.wait(30), 0)

    def test_killed_at_work(self) -> None:
        with Holder("SELECT pg_advisory_xact_lock(hashtext('watchllm.statement'))"):
            first = subprocess.Popen(self.command(), stdout=subprocess.PIPE, text=True)
            self.addCleanup(first.stdout.close)
            first.stdout.readline()
            os.kill(first.pid, signal.SIGKILL)
            first.wait(30)
            # the server sees the closed connection of the lock at once
            self.assertEqual(list(self.lines(self.run_it("marks").stdout)), ["marks"])

    def test_many_at_once(self) -> None:
        runs = [subprocess.Popen(self.command("partitions", "marks"), stdout=subprocess.PIPE,
                                 text=True) for _ in range(4)]
        outs = [p.communicate(timeout=60)[0] for p in runs]
        self.assertEqual([p.returncode for p in runs], [0] * 4)
        for out in outs:
            if not out.startswith("another"):
                self.assertEqual(list(self.lines(out)), ["partitions", "marks"])
        self.assertTrue(any(out.startswith("partitions") for out in outs))


if __name__ == "__main__":
    if "WL_STORES_DIR" not in os.environ:
        os.execv(STORES, [str(STORES), sys.executable, "-W", "ignore", *sys.argv])
    unittest.main()
