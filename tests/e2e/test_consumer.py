"""The program watchllm-consumer: kill -9 at any place, PostgreSQL away, two of
them at once, signals, exit codes. Run through tests/db/test_consumer.sh, which
gives it private stores; what is drained, record by record, is in
tests/db/test_drain.c."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import itertools
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import uuid
from pathlib import Path

BUILD = Path(os.environ.get("top_builddir", ".")).resolve()
CONSUMER = str(BUILD / "watchllm-consumer")
RUN = Path(os.environ["WL_STORES_DIR"])
PRIVATE = Path(__file__).resolve().parents[2] / "conf" / "private.sh"
COUNT = itertools.count()
DEAD = "999999999-1-"       # a process that has never been

CRC = []
for _i in range(256):
    for _ in range(8):
        _i = (_i >> 1) ^ (0x82F63B78 if _i & 1 else 0)
    CRC.append(_i)


def crc32c(data: bytes) -> int:
    c = 0xFFFFFFFF
    for b in data:
        c = CRC[(c ^ b) & 255] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


def frame(kind: str, record: dict) -> bytes:
    """A record as lib/base/journal.h describes it."""
    payload = json.dumps(record).encode()
    head = kind.encode() + struct.pack("<I", len(payload))
    return (b"WL" + head[:1] + b"\0" + head[1:]
            + struct.pack("<I", crc32c(head + payload)) + payload)


def rows(query: str) -> list[list[str]]:
    r = subprocess.run(
        ["psql", "-qXAtF", "\t", "-v", "ON_ERROR_STOP=1", "-d", os.environ["WL_SUPER_URL"],
         "-c", query], capture_output=True, text=True, timeout=60, **as_user())
    if r.returncode != 0:
        raise AssertionError(r.stderr)
    return [line.split("\t") for line in r.stdout.splitlines()]


def one(query: str) -> str:
    return rows(query)[0][0]


def as_user() -> dict:
    """Popen arguments: the user of the stores, who alone enters their folder."""
    if os.geteuid() != 0:
        return {}
    st = RUN.stat()
    return {"user": st.st_uid, "group": st.st_gid, "extra_groups": []}


def postgres(call: str, *args: str) -> None:
    with tempfile.TemporaryFile() as out:
        subprocess.run(["bash", "-c", '. "$1"; shift; "$@"', "private", str(PRIVATE),
                        f"wl_postgres_{call}", str(RUN.parent), *args],
                       check=True, timeout=90, stdin=subprocess.DEVNULL, stdout=out)


def wait_for(what, seconds: float = 20.0, every: float = 0.05):
    end = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > end:
            raise AssertionError(f"not so after {seconds} s")
        time.sleep(every)
    return value


class Case(unittest.TestCase):
    """Each test has a spool, a host and a project of its own."""

    def setUp(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="wlcs", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.spool = self.dir / "spool"
        self.spool.mkdir()
        self.log = self.dir / "log"
        self.host = f"consumer{next(COUNT)}"
        self.project = one("INSERT INTO watchllm.project (name, plan_id)"
                           " VALUES ('test', 'pro') RETURNING id")
        self.settle()

    def settle(self) -> None:
        """What we wrote as root belongs to the user of the stores."""
        if os.geteuid() == 0:
            st = RUN.stat()
            for p in (self.dir, *self.dir.rglob("*")):
                os.chown(p, st.st_uid, st.st_gid)

    # -- records

    def record(self, kind: str, event: str, **more) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        r = {"event_id": event, "project_id": self.project, "retention_class": "standard",
             "ts": now, "received_at": now, "admitted_at": now, "type": "prompt_call",
             "source": "gateway", "generation": "redis:1", "cost_nano": 1000,
             "tokens_uncached": 10, "model": "gpt-4o-mini"}
        if kind != "B":
            r.update(status="success", usage_source="provider", cost_source="price",
                     tokens_output=5, input="in", output="out")
        return frame(kind, {**r, **more})

    def calls(self, n: int) -> bytes:
        """N calls that came to their end."""
        return b"".join(self.record("B", e) + self.record("E", e)
                        for e in (str(uuid.uuid4()) for _ in range(n)))

    def segment(self, name: str, data: bytes) -> Path:
        path = self.spool / f"{DEAD}{name}.wlj"
        path.write_bytes(data)
        self.settle()
        return path

    def segments(self) -> list[Path]:
        return sorted(self.spool.glob("*.wlj"))

    # -- the program

    def env(self, **more: str) -> dict:
        return {**os.environ, "WATCHLLM_SPOOL_DIR": str(self.spool),
                "WATCHLLM_HOST_NAME": self.host, "WATCHLLM_DRAIN_BATCH": "50",
                "WATCHLLM_DRAIN_INTERVAL": "100ms", "WATCHLLM_LOG_FILE": str(self.log), **more}

    def once(self, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run([CONSUMER, "--once"], env=self.env(**env), capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL, **as_user())

    def drained(self) -> None:
        r = self.once()
        # a sanitizer remarks on coroutines
        said = [x for x in r.stderr.splitlines() if "makecontext" not in x]
        self.assertEqual((r.returncode, r.stdout, said), (0, "", []))

    def daemon(self, **env: str) -> subprocess.Popen:
        p = subprocess.Popen([CONSUMER], env=self.env(**env), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, **as_user())
        self.addCleanup(self.end, p)
        return p

    def end(self, p: subprocess.Popen, sig: int = signal.SIGKILL) -> int:
        with contextlib.suppress(ProcessLookupError):
            p.send_signal(sig)
        try:
            p.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            p.kill()
            p.communicate()
        return p.returncode

    def logged(self, event: str) -> list[dict]:
        with contextlib.suppress(FileNotFoundError):
            return [x for x in map(json.loads, self.log.read_text().splitlines())
                    if x["event"] == event]
        return []

    # -- what the database has

    def events(self) -> int:
        return int(one(f"SELECT count(*) FROM watchllm.event"
                       f" WHERE project_id = '{self.project}'"))

    def assert_calls(self, n: int, lost: int = 0) -> None:
        """All sums tell of N calls, LOST of them lost, each of 1000 nano-dollars."""
        where = f"WHERE project_id = '{self.project}'"
        self.assertEqual(rows(f"""SELECT
            (SELECT count(*) FROM watchllm.event {where}),
            (SELECT count(*) FROM watchllm.event {where} AND status = 'lost'),
            (SELECT count(*) FROM watchllm.ledger {where}),
            (SELECT count(*) FROM watchllm.ledger {where} AND state = 'open'),
            (SELECT sum(events) FROM watchllm.rollup_hour {where}),
            (SELECT sum(cost_nano) FROM watchllm.rollup_day {where}),
            (SELECT sum(admitted) FROM watchllm.usage_month {where}),
            (SELECT sum(counted) FROM watchllm.usage_month {where}),
            (SELECT sum(cost_nano) FROM watchllm.usage_month {where})"""),
            [[str(x) for x in (n, lost, n, 0, n, n * 1000, n, n, n * 1000)]])


class Once(Case):
    def test_options(self) -> None:
        for arg, status in (("--help", 0), ("--version", 0), ("--nonsense", 2), ("more", 2)):
            r = subprocess.run([CONSUMER, arg], capture_output=True, text=True, timeout=20)
            self.assertEqual(r.returncode, status, arg)
            self.assertIn("watchllm-consumer", r.stdout + r.stderr)
        r = subprocess.run([CONSUMER, "--set", "nonsense=1"], capture_output=True, text=True,
                           timeout=20)
        self.assertEqual(r.returncode, 1)
        self.assertIn("nonsense", r.stderr)

    def test_drains_and_ends(self) -> None:
        self.segment("a.0000000001", self.calls(120))
        self.segment("a.0000000002", self.calls(3) + self.record("B", str(uuid.uuid4())))
        self.drained()
        self.assert_calls(124, lost=1)
        self.assertEqual(self.segments(), [])
        self.drained()
        self.assert_calls(124, lost=1)

    def test_folder_is_made(self) -> None:
        self.spool.rmdir()
        self.drained()
        self.assertEqual(self.spool.stat().st_mode & 0o777, 0o700)

    def test_no_database(self) -> None:
        self.segment("a.0000000001", self.calls(1))
        r = self.once(WATCHLLM_DRAIN_DATABASE_URL="postgresql:///x?host=/nonexistent&user=y")
        self.assertEqual(r.returncode, 1)
        self.assertIn("not all is drained", r.stderr)
        self.assertEqual(len(self.segments()), 1)
        self.drained()
        self.assert_calls(1)

    def test_unknown_schema(self) -> None:
        self.segment("a.0000000001", self.calls(1))
        rows("INSERT INTO watchllm.schema_migration (version, name, sha256)"
             " VALUES (9999, 'later', 'x')")
        try:
            r = self.once()
            self.assertEqual(r.returncode, 1)
            self.assertIn("install the newer programs", r.stderr)
            p = self.daemon()
            self.assertEqual(p.wait(10), 1)
            self.assertIn(b"install the newer programs", p.stderr.read())
        finally:
            rows("DELETE FROM watchllm.schema_migration WHERE version = 9999")
        self.drained()
        self.assert_calls(1)

    def test_what_waits_is_told(self) -> None:
        """A writer that lives in front of bytes that are no record."""
        path = self.segment("a.0000000001", self.calls(2) + b"no record")
        with open(path, "ab") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            r = self.once()
            self.assertEqual(r.returncode, 1)
            self.assertIn("not all is drained", r.stderr)
            self.assert_calls(2)
        self.drained()
        self.assertEqual([p.read_bytes() for p in (self.spool / "quarantine").iterdir()],
                         [b"no record"])


class Killed(Case):
    PLACES = ("drain_before_copy", "drain_after_copy", "drain_before_commit",
              "drain_after_commit", "drain_before_unlink", "drain_after_quarantine",
              "drain_after_lost", "fixup_before_delete")

    def work(self) -> int:
        """A spool in which all that can be done is to be done; its calls."""
        # counters in Redis begin anew: what is drained has to be added to them
        rows(f"SELECT watchllm.counter_begin('{self.project}', 'redis',"
             " (extract(epoch FROM now()) * 1000)::bigint)")
        self.segment("a.0000000001", self.calls(70))
        self.segment("a.0000000002", self.calls(5) + self.record("B", str(uuid.uuid4())))
        self.segment("b.0000000001", self.calls(5) + b"torn")
        self.segment("c.0000000001", b"")
        return 81

    def check(self, n: int) -> None:
        self.assert_calls(n, lost=1)
        self.assertEqual(self.segments(), [])
        self.assertEqual(one("SELECT count(*) FROM watchllm.dead_letter"
                             f" WHERE host = '{self.host}'"), "1")
        self.assertEqual(one("SELECT count(*) FROM watchllm.counter_fixup"
                             f" WHERE host = '{self.host}'"), "0")
        self.assertEqual([p.read_bytes() for p in (self.spool / "quarantine").iterdir()],
                         [b"torn"])

    def test_each_place(self) -> None:
        for place in self.PLACES:
            with self.subTest(place):
                self.setUp()
                n = self.work()
                # each time it gets a little further, or not
                died = [self.once(WATCHLLM_CRASH_AT=place).returncode for _ in range(3)]
                self.assertEqual(died[0], -signal.SIGKILL)
                self.assertLessEqual(set(died), {-signal.SIGKILL, 0})
                self.drained()
                self.check(n)

    def test_any_time(self) -> None:
        rng = random.Random(7)
        n = self.work()
        for name in "def":
            self.segment(f"{name}.0000000001", self.calls(400))
        for _ in range(12):
            p = self.daemon(WATCHLLM_DRAIN_BATCH="20")
            time.sleep(0.05 + rng.random() * 0.1)
            self.end(p)
        self.drained()
        self.check(n + 1200)


class Daemon(Case):
    def writer(self, name: str = "w.0000000001"):
        """A segment with a living writer: a file, to be appended to."""
        path = self.segment(name, b"")
        f = open(path, "ab", buffering=0)
        self.addCleanup(f.close)
        fcntl.flock(f, fcntl.LOCK_EX)
        return f

    def test_soon_there(self) -> None:
        p = self.daemon(WATCHLLM_DRAIN_INTERVAL="500ms")
        f = self.writer()
        for n in range(1, 6):
            f.write(self.calls(1))
            began = time.monotonic()
            wait_for(lambda: self.events() == n, 5)
            self.assertLess(time.monotonic() - began, 2)
            time.sleep(0.1 * n)
        f.write(self.record("B", str(uuid.uuid4())))
        time.sleep(1)
        self.assertEqual(self.events(), 5)
        # the worker dies
        f.close()
        wait_for(lambda: self.events() == 6)
        wait_for(lambda: self.segments() == [])
        self.assert_calls(6, lost=1)
        self.assertEqual(self.end(p, signal.SIGTERM), 0)
        self.assertEqual(len(self.logged("consumer.end")), 1)

    def test_stops_after_the_batch(self) -> None:
        for i in range(20):
            self.segment(f"a.{i + 1:010}", self.calls(50))
        p = self.daemon(WATCHLLM_DRAIN_BATCH="10")
        wait_for(lambda: self.events() > 0, every=0.01)
        began = time.monotonic()
        self.assertEqual(self.end(p, signal.SIGTERM), 0)
        self.assertLess(time.monotonic() - began, 5)
        self.assertLess(self.events(), 1000)
        self.drained()
        self.assert_calls(1000)

    def test_reload(self) -> None:
        conf = self.dir / "conf"
        conf.write_text("drain_interval = 1h\n")
        self.settle()
        env = self.env()
        del env["WATCHLLM_DRAIN_INTERVAL"]
        p = subprocess.Popen([CONSUMER, "--config", str(conf)], env=env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, **as_user())
        self.addCleanup(self.end, p)
        wait_for(lambda: self.logged("consumer.start"))
        time.sleep(0.5)
        self.segment("a.0000000001", self.calls(1))
        time.sleep(0.5)
        self.assertEqual(self.events(), 0)
        self.log.rename(self.dir / "log.1")
        conf.write_text("drain_interval = 50ms\n")
        p.send_signal(signal.SIGHUP)
        wait_for(lambda: self.events() == 1)
        wait_for(lambda: self.logged("consumer.reload"))
        # a bad configuration is not taken
        conf.write_text("drain_interval = nonsense\n")
        p.send_signal(signal.SIGHUP)
        wait_for(lambda: [x for x in self.logged("consumer.reload") if x["level"] == "error"])
        self.segment("b.0000000001", self.calls(1))
        wait_for(lambda: self.events() == 2)
        self.assertEqual(self.end(p, signal.SIGTERM), 0)

    def test_two_of_them(self) -> None:
        first = self.daemon()
        wait_for(lambda: self.logged("consumer.start"))
        r = self.once()
        self.assertEqual(r.returncode, 0)
        self.assertIn("another consumer", r.stderr)
        second = self.daemon()
        wait_for(lambda: self.logged("consumer.standby"))
        f = self.writer()
        f.write(self.calls(10))
        wait_for(lambda: self.events() == 10)
        self.end(first)
        f.write(self.calls(10))
        wait_for(lambda: self.events() == 20)
        self.assertEqual(self.end(second, signal.SIGTERM), 0)
        third = self.daemon()
        f.close()
        wait_for(lambda: self.segments() == [])
        self.assertEqual(self.end(third, signal.SIGTERM), 0)
        self.assert_calls(20)

    def test_two_hosts(self) -> None:
        """The same calls in the journals of two hosts, drained at once."""
        data = self.calls(300)
        self.segment("a.0000000001", data)
        spools = [self.spool, self.dir / "other"]
        spools[1].mkdir()
        (spools[1] / f"{DEAD}a.0000000001.wlj").write_bytes(data)
        self.settle()
        both = [self.daemon(WATCHLLM_SPOOL_DIR=str(s), WATCHLLM_HOST_NAME=f"{self.host}-{i}")
                for i, s in enumerate(spools)]
        wait_for(lambda: all(not list(s.glob("*.wlj")) for s in spools))
        self.assertEqual([self.end(p, signal.SIGTERM) for p in both], [0, 0])
        self.assert_calls(300)

    def away_and_back(self, f, go, come) -> None:
        wait_for(lambda: self.events() >= 10)
        go()
        f.write(self.calls(100))
        wait_for(lambda: self.logged("consumer.away"))
        time.sleep(2)
        f.write(self.calls(100))
        come()
        wait_for(lambda: self.events() == 210, 30)
        self.assertEqual((len(self.logged("consumer.away")), len(self.logged("consumer.back"))),
                         (1, 1))
        f.close()
        wait_for(lambda: self.segments() == [])
        self.assert_calls(210)

    def test_postgres_killed(self) -> None:
        p = self.daemon()
        f = self.writer()
        f.write(self.calls(10))
        self.away_and_back(f, lambda: postgres("stop", "immediate"),
                           lambda: postgres("start", "fast"))
        self.assertEqual(self.end(p, signal.SIGTERM), 0)

    def test_postgres_killed_in_mid_batch(self) -> None:
        rng = random.Random(11)
        for i in range(40):
            self.segment(f"a.{i + 1:010}", self.calls(25))
        p = self.daemon(WATCHLLM_DRAIN_BATCH="25")
        for _ in range(3):
            time.sleep(0.1 + rng.random() * 0.2)
            postgres("stop", "immediate")
            postgres("start", "fast")
        wait_for(lambda: self.segments() == [], 30)
        self.assertEqual(self.end(p, signal.SIGTERM), 0)
        self.assert_calls(1000)

    def test_backends_killed(self) -> None:
        for i in range(20):
            self.segment(f"a.{i + 1:010}", self.calls(25))
        p = self.daemon(WATCHLLM_DRAIN_BATCH="25")
        end = time.monotonic() + 3
        while time.monotonic() < end and self.segments():
            rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE usename = 'wl_drain'")
        wait_for(lambda: self.segments() == [], 30)
        self.assertEqual(self.end(p, signal.SIGTERM), 0)
        self.assert_calls(500)

    def test_redis_away(self) -> None:
        """Counters that cannot be mended now hold up nothing, and are later."""
        def fixups() -> int:
            return int(one("SELECT count(*) FROM watchllm.counter_fixup"
                           f" WHERE host = '{self.host}'"))
        rows(f"SELECT watchllm.counter_begin('{self.project}', 'redis',"
             " (extract(epoch FROM now()) * 1000)::bigint)")
        p = self.daemon(WATCHLLM_REDIS="unix:/nonexistent/redis.sock")
        f = self.writer()
        for n in range(1, 4):
            f.write(self.calls(10))
            began = time.monotonic()
            wait_for(lambda: self.events() == 10 * n, 5)
            self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(self.logged("consumer.away"), [])
        self.assertGreater(fixups(), 0)
        self.assertEqual(self.end(p, signal.SIGTERM), 0)
        p = self.daemon()
        wait_for(lambda: fixups() == 0)
        self.assertEqual(self.end(p, signal.SIGTERM), 0)

    def test_no_connection_left(self) -> None:
        p = self.daemon()
        f = self.writer()
        f.write(self.calls(10))

        def limit(n: int):
            rows(f"ALTER ROLE wl_drain CONNECTION LIMIT {n}")
            rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE usename = 'wl_drain'")
        self.away_and_back(f, lambda: limit(0), lambda: limit(-1))
        self.assertEqual(self.end(p, signal.SIGTERM), 0)

    def test_read_only(self) -> None:
        """As after a failover to a standby."""
        p = self.daemon()
        f = self.writer()
        f.write(self.calls(10))

        def read_only(how: str):
            rows(f"ALTER ROLE wl_drain {how}")
            rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE usename = 'wl_drain'")
        self.away_and_back(f, lambda: read_only("SET default_transaction_read_only = on"),
                           lambda: read_only("RESET default_transaction_read_only"))
        self.assertEqual(self.end(p, signal.SIGTERM), 0)


if __name__ == "__main__":
    unittest.main()
