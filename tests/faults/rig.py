"""What the fault tests are made of: a stack with projects of given limits,
ways to hurt its parts, and the drain to the last record. Used through
tests/e2e/stack.py, whose requirements hold here too."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import ClassVar

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import stack as whole
from stack import PREFIX, Clock, Stack, ids, shell, wait_for

LONG = os.environ.get("WL_LONG") == "yes"
# other servers than the machine's: a folder, a program called redis-server
PG_BIN = os.environ.get("WL_PG_BIN")
REDIS_SERVER = os.environ.get("WL_REDIS_SERVER")
ROUNDS = int(os.environ.get("WL_ROUNDS", "20" if LONG else "1"))


def seeds(n: int = ROUNDS) -> list[int]:
    """Seeds of N rounds: WL_SEED and the ones after it, else fresh ones."""
    first = int(os.environ.get("WL_SEED") or secrets.randbelow(10**6))
    return [first + i for i in range(n)]


def rounds(test):
    """TEST(self, rng) once for each seed; a failure says which it was."""
    @functools.wraps(test)
    def run(self) -> None:
        for seed in seeds():
            with self.subTest(WL_SEED=seed):
                test(self, random.Random(seed))

    return run


class Stores(whole.Stores):
    """The stores, with the servers that were asked for."""

    def start(self) -> Stores:
        # what runs already is not started by others
        if REDIS_SERVER:
            redis_start(self)
        if PG_BIN:
            postgres_start(self)
        super().start()
        return self


class Site(unittest.TestCase):
    """Tests that share stores and one stack; subclasses say which."""

    mount = "nginx"
    processes = 2
    settings: ClassVar[dict] = {}

    @classmethod
    def setUpClass(cls):
        cls.stores = Stores()
        cls.addClassCleanup(cls.stores.stop)
        cls.stores.start()
        cls.clock = Clock(cls.stores.dir / "clock")
        cls.stack = cls.new_stack()
        cls.addClassCleanup(cls.stack.stop)

    @classmethod
    def new_stack(cls, mount: str | None = None) -> Stack:
        return Stack(mount or cls.mount, {"access_log": "off", "drain_interval": "100ms",
                                          **cls.settings},
                     processes=cls.processes, stores=cls.stores, env=cls.clock.env)

    def recover(self) -> None:
        """All parts run, whatever a test before has left."""
        redis_start(self.stores)
        postgres_start(self.stores)
        if self.stack.workers.proc.poll() is not None:
            self.stack.start_workers()
        if self.stack.consumer.proc.poll() is not None:
            restart_consumer(self.stack)
        wait_for(lambda: len(workers(self.stack)) == self.processes)


def project(stores: Stores, plan: str, provider: str, keys: int = 1, **columns) -> tuple[str, list]:
    """A project and so many keys of it."""
    name, key = stores.project(plan, provider, **columns)
    return name, [key, *(stores.key(name, **columns) for _ in range(keys - 1))]


# -- processes

def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(x) for x in
                Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def workers(stack: Stack) -> list[int]:
    return children(stack.workers.pid)


KILLED: set[int] = set()    # they may have died within a write()


def kill(pid: int, sig: int = signal.SIGKILL) -> bool:
    with contextlib.suppress(ProcessLookupError):
        if sig == signal.SIGKILL:
            KILLED.add(pid)
        os.kill(pid, sig)
        return True
    return False


def file_limit(pid: int, size: int | None) -> None:
    """No file of that process may become longer, as on a disk that refuses."""
    # as its user: a container's root may not
    subprocess.run(["prlimit", "--pid", str(pid), f"--fsize={size or 'unlimited'}:"], check=True,
                   timeout=10, **ids())


# -- stores

def redis_kill(stores: Stores) -> None:
    pid = stores.redis_pid()
    kill(pid)
    wait_for(lambda: not Path(f"/proc/{pid}/cmdline").exists()
             or not Path(f"/proc/{pid}/cmdline").read_bytes(), 10, 0.005)


def redis_start(stores: Stores) -> None:
    if not REDIS_SERVER:
        shell("wl_redis_start", str(stores.dir))
    elif stores.redis("PING") != "PONG":
        d = stores.dir
        stores.folder.make("redis")
        subprocess.run(
            [REDIS_SERVER, "--port", "0", "--unixsocket", f"{d}/run/redis.sock",
             "--unixsocketperm", "700", "--dir", f"{d}/redis", "--appendonly", "yes",
             "--maxmemory-policy", "noeviction", "--daemonize", "yes",
             "--pidfile", f"{d}/run/redis.pid", "--logfile", f"{d}/log/redis.log"],
            check=True, stdout=subprocess.DEVNULL, timeout=20, **ids())
        wait_for(lambda: stores.redis("PING") == "PONG")


def postgres_kill(stores: Stores) -> None:
    """As a crash: nothing is written down."""
    shell("wl_postgres_stop", str(stores.dir), "immediate")


def postgres_start(stores: Stores) -> None:
    if not PG_BIN:
        shell("wl_postgres_start", str(stores.dir), "fast")
        return
    d = stores.dir

    def tool(name: str, *args: str) -> int:
        # the server that is started keeps its output open
        with open(d / "log/pg_ctl.log", "ab") as log:
            return subprocess.run([f"{PG_BIN}/{name}", "-D", f"{d}/pg", *args], check=False,
                                  stdout=log, stderr=log, timeout=90, **ids()).returncode

    if not (d / "pg/PG_VERSION").exists():
        tool("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    if tool("pg_ctl", "status") != 0 and tool(
            "pg_ctl", "-l", f"{d}/log/postgresql.log", "-w", "-t", "60", "-o",
            f"-c listen_addresses='' -c unix_socket_directories={d}/run -c fsync=off"
            " -c timezone=UTC -c max_connections=300", "start") != 0:
        raise AssertionError((d / "log/pg_ctl.log").read_text()[-2000:])


@contextlib.contextmanager
def stopped(pids: list[int]):
    """They do not run within the block."""
    try:
        for pid in pids:
            kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            kill(pid, signal.SIGCONT)


def postgres_pids(stores: Stores) -> list[int]:
    pid = stores.postgres_pid()
    return [pid, *children(pid)]


# -- drain

def spool(stack: Stack) -> Path:
    return Path(stack.conf_changes["spool_dir"])


def segments(stack: Stack) -> list[Path]:
    return sorted(spool(stack).glob("*.wlj"))


def leftovers(stack: Stack) -> str:
    s = stack.stores
    return (f"segments {[(p.name, p.stat().st_size) for p in segments(stack)]}, "
            f"open calls {s.sql(OPEN)[0][0]}, fix-ups {s.sql(FIXUPS)[0][0]}")


OPEN = "SELECT count(*) FROM watchllm.ledger WHERE state = 'open'"
FIXUPS = "SELECT count(*) FROM watchllm.counter_fixup"


def restart_consumer(stack: Stack, env: dict | None = None) -> None:
    if stack.consumer is not None:
        stack.consumer.stop()
    keep, stack.env = stack.env, {**stack.env, **(env or {})}
    try:
        stack.start_consumer()
    finally:
        stack.env = keep


def drain(stack: Stack, seconds: float = 30.0) -> None:
    """End the workers and have their journals drained to the last record."""
    if stack.workers is not None:
        stack.workers.stop(40)
    if stack.consumer is None or stack.consumer.proc.poll() is not None:
        restart_consumer(stack)
    try:
        wait_for(lambda: not segments(stack)
                 and stack.stores.sql(OPEN) == [["0"]]
                 and stack.stores.sql(FIXUPS) == [["0"]], seconds, 0.2)
    except AssertionError:
        raise AssertionError(f"not drained after {seconds} s: {leftovers(stack)}") from None


def reconcile(stack: Stack, clock: Clock) -> None:
    """Three minutes later every call is drained, so that what counters have
    beyond the ledger is wrong: cron sees to it."""
    clock.move(180)
    r = subprocess.run(
        [str(PREFIX / "libexec/watchllm/watchllm-rollup"), "--config", str(stack.conf),
         "reconcile"], check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, **clock.env}, **ids())
    if r.returncode != 0:
        raise AssertionError(f"watchllm-rollup: {r.returncode}\n{r.stdout}{r.stderr}")


def records(path: Path) -> list[tuple[int, int, str, str]]:
    """Where each record of a segment begins and ends, its kind and its call
    (docs/JOURNAL.md; the frame is told in lib/base/journal.h)."""
    data, out, at = path.read_bytes(), [], 0
    while data[at:at + 2] == b"WL" and data[at + 3] == 0:
        end = at + 12 + int.from_bytes(data[at + 4:at + 8], "little")
        if end > len(data):
            break
        out.append((at, end, chr(data[at + 2]), json.loads(data[at + 12:end])["event_id"]))
        at = end
    return out


def remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
