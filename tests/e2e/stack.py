"""A whole WatchLLM for one test: private PostgreSQL and Redis, the scripted
upstream, workers and consumer, and a real web server in front, mounted as the
files in conf/ say. Everything lives in one temporary folder and is ended by
process id.

Needs an installed tree: WL_PREFIX (make install), WL_FAKE_LLM (the program),
WL_SOURCE (the source tree, for conf/ and sql/)."""

from __future__ import annotations

import atexit
import base64
import contextlib
import http.client
import itertools
import json
import mmap
import os
import pwd
import secrets
import shutil
import signal
import socket
import string
import struct
import subprocess
import tempfile
import threading
import time
import zlib
from pathlib import Path

SOURCE = Path(os.environ.get("WL_SOURCE", Path(__file__).resolve().parents[2]))
PREFIX = Path(os.environ.get("WL_PREFIX", "/usr/local"))
FAKE_LLM = os.environ.get("WL_FAKE_LLM", "fake_llm")
USER = "watchllm"
MOUNTS = ["nginx", "lighttpd", "spawn", "apache", "fcgid", "cgi"]
MODEL = "gpt-4o-mini"
# nano-dollars per million tokens: input, input from the provider's cache, output
PRICES = {MODEL: (150_000_000, 75_000_000, 600_000_000),
          "gpt-3.5-turbo-instruct": (1_500_000_000, 1_500_000_000, 2_000_000_000),
          "text-embedding-3-small": (20_000_000, 20_000_000, 0)}
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


# free ports come again
serial = itertools.count()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds: float = 20.0, every: float = 0.05):
    """The first true value of WHAT(); fails after SECONDS."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not so after {seconds} s: {what}")
        time.sleep(every)


def ids() -> dict:
    """Popen arguments: the unprivileged user when we are root."""
    if os.geteuid() != 0:
        return {}
    p = pwd.getpwnam(USER)
    return {"user": p.pw_uid, "group": p.pw_gid, "extra_groups": []}


def shell(call: str, *args: str) -> str:
    """What a function of conf/private.sh or conf/web.sh prints."""
    # its output goes to a file: servers that it starts keep it open
    with tempfile.TemporaryFile("w+") as out:
        subprocess.run(
            ["bash", "-c", '. "$1/private.sh"; . "$1/web.sh"; shift; "$@"', "shell",
             str(SOURCE / "conf"), call, *args],
            check=True, timeout=120, stdin=subprocess.DEVNULL, stdout=out,
            env={**os.environ, "WL_OWNER": str(os.getpid())})
        out.seek(0)
        return out.read()


class Folder:
    """A temporary folder with a short path that the servers can enter."""

    def __init__(self) -> None:
        shell("wl_user")
        self.path = Path(tempfile.mkdtemp(prefix="wl", dir="/tmp"))
        self.path.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self.path, USER, USER)

    def make(self, *names: str) -> None:
        for name in names:
            p = self.path / name
            p.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                shutil.chown(p, USER, USER)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class Stores:
    """PostgreSQL and Redis with a migrated, priced database."""

    def __init__(self) -> None:
        self.folder = Folder()
        self.dir = self.folder.path
        self.folder.make("run", "log", "spool")

    def start(self) -> "Stores":
        shell("wl_stores_start", str(self.dir))
        self.write_conf({})
        self.cli("migrate", "--dir", str(PREFIX / "share/watchllm/sql/schema"))
        shell("wl_logins_make", str(self.dir))
        # known prices; no routes, so that a project's own provider serves all
        self.sql("DELETE FROM watchllm.model_route; " + "".join(
            f"""INSERT INTO watchllm.price (provider, model, effective_from,
                    input_nano, cache_read_nano, output_nano, source)
                VALUES ('openai', '{model}', '2024-01-01', {i}, {c}, {o}, 'test');"""
            for model, (i, c, o) in PRICES.items()), "postgres")
        return self

    def stop(self) -> None:
        shell("wl_stores_stop", str(self.dir))

    # -- configuration and the command line

    def url(self, role: str) -> str:
        return f"postgresql:///watchllm?host={self.dir}/run&user=wl_{role}"

    def settings(self) -> dict:
        return {
            "database_url": self.url("app"),
            "owner_database_url": self.url("owner"),
            "drain_database_url": self.url("drain"),
            "rollup_database_url": self.url("rollup"),
            "redis": f"unix:{self.dir}/run/redis.sock",
            "spool_dir": f"{self.dir}/spool",
            "master_key_file": f"{self.dir}/master.key",
            "upgrade_url": "https://watchllm.example/dashboard/billing",
            "upstream_private_hosts": "127.0.0.1",
            "host_name": "testhost",
        }

    def secret(self, name: str, text: str) -> Path:
        """A file that only the program's user may read."""
        path = self.dir / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, USER, USER)
        return path

    def write_conf(self, changes: dict, name: str = "watchllm.conf") -> Path:
        if not (self.dir / "master.key").exists():
            self.secret("master.key", "k1 " + base64.b64encode(os.urandom(32)).decode())
        path = self.dir / name
        merged = {**self.settings(), **changes}
        path.write_text("".join(f"{k} = {v}\n" for k, v in merged.items() if v is not None))
        path.chmod(0o644)
        return path

    def cli(self, *args: str, conf: Path | None = None, stdin: str | None = None,
            check: bool = True, env: dict | None = None) -> subprocess.CompletedProcess:
        r = subprocess.run(
            [str(PREFIX / "bin/watchllm"), "--config",
             str(conf or self.dir / "watchllm.conf"), *args],
            capture_output=True, text=True, timeout=120, input=stdin or "",
            env={**os.environ, **(env or {})}, **ids())
        if check and r.returncode != 0:
            raise AssertionError(f"watchllm {' '.join(args)}: {r.returncode}\n{r.stdout}{r.stderr}")
        return r

    def cli_json(self, *args: str, **kw):
        return json.loads(self.cli(*args, "--json", **kw).stdout)

    def sql(self, query: str, role: str = "owner") -> list[list[str]]:
        """Rows of QUERY; role "postgres" sees everything."""
        user = "postgres" if role == "postgres" else f"wl_{role}"
        r = subprocess.run(
            ["psql", "-qXAtF", "\t", "-v", "ON_ERROR_STOP=1",
             f"host={self.dir}/run dbname=watchllm user={user}", "-c", query],
            capture_output=True, text=True, timeout=60, **ids())
        if r.returncode != 0:
            raise AssertionError(r.stderr)
        return [line.split("\t") for line in r.stdout.split("\n")[:-1]]

    def redis(self, *args: str) -> str:
        r = subprocess.run(
            ["redis-cli", "-s", f"{self.dir}/run/redis.sock", *args],
            capture_output=True, text=True, timeout=20, **ids())
        return r.stdout.rstrip("\n")

    def redis_pid(self) -> int:
        return int((self.dir / "run/redis.pid").read_text())

    def postgres_pid(self) -> int:
        return int((self.dir / "pg/postmaster.pid").read_text().split("\n")[0])

    # -- rows

    def plan(self, name: str, minute: int = 10**9, month: int = 10**9,
             kind: str = "fixed", concurrent: int | None = None) -> str:
        """A plan of that name, unless there is one."""
        held = "NULL" if concurrent is None else str(concurrent)
        self.sql(f"""
            INSERT INTO watchllm.plan (id, name, requests_per_minute, requests_per_month,
                window_kind, concurrent_requests)
            VALUES ('{name}', '{name}', {minute}, {month}, '{kind}', {held})
            ON CONFLICT (id) DO NOTHING""")
        return name

    def project(self, plan: str = "pro", provider: str | None = None,
                **key) -> tuple[str, str]:
        """A new project and a key of it, with the columns KEY."""
        name = "p" + secrets.token_hex(5)
        default = "NULL" if provider is None else f"'{provider}'"
        self.sql(f"""INSERT INTO watchllm.project (id, name, plan_id, default_provider)
            VALUES ('{name}', 'Test', '{plan}', {default})""")
        return name, self.key(name, **key)

    def key(self, project: str, kind: str = "proj", scopes: str = "gateway,ingest,read,admin",
            **columns) -> str:
        """A key of PROJECT; COLUMNS hold SQL expressions."""
        key = new_key(kind)
        row = {"project_id": f"'{project}'", "kind": f"'{kind}'", "prefix": f"'{key[9:15]}'",
               "hash": f"sha256('{key}'::bytea)", "scopes": f"'{{{scopes}}}'", **columns}
        self.sql(f"""INSERT INTO watchllm.api_key ({", ".join(row)})
            VALUES ({", ".join(str(v) for v in row.values())})""")
        return key

    def provider(self, name: str, base: str, **columns) -> str:
        """A host at BASE on this machine that needs no key."""
        row = {"id": f"'{name}'", "name": f"'{name}'", "base_url": f"'{base}'",
               "auth": "'none'", "key_required": "false", "allow_private": "true",
               "price_provider": "'openai'", **columns}
        self.sql(f"""INSERT INTO watchllm.provider ({", ".join(row)})
            VALUES ({", ".join(str(v) for v in row.values())})""")
        return name


def new_key(kind: str = "proj") -> str:
    """A key of the form that the gate checks: random characters and their CRC-32."""
    body = "".join(secrets.choice(BASE62) for _ in range(32))
    n, check = zlib.crc32(body.encode()), ""
    for _ in range(6):
        n, digit = divmod(n, 62)
        check = BASE62[digit] + check
    return f"lgw_{kind}_{body}{check}"


class Clock:
    """The clock of programs that have ENV: ours, moved by an offset."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(8))
        path.chmod(0o644)
        self.env = {"WATCHLLM_TEST_CLOCK": str(path)}
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8)

    def offset(self) -> int:
        return struct.unpack("=q", self.map[:8])[0]

    def now(self) -> float:
        return time.time() + self.offset() / 1000

    def move(self, seconds: float) -> None:
        self.map[:8] = struct.pack("=q", self.offset() + int(seconds * 1000))

    def minute(self, second: float = 1.0) -> int:
        """Go on to that second of a fresh minute; its number."""
        self.move(60 - self.now() % 60 + second)
        return int(self.now() // 60)

    def spare(self, seconds: float) -> None:
        """Let so much of the minute be left."""
        if self.now() % 60 > 60 - seconds:
            self.minute()


class Daemon:
    """A child process that is ended with the test, and at the latest with us."""

    running: list[Daemon] = []

    def __init__(self, args: list[str], log: Path, env: dict | None = None,
                 **kw) -> None:
        self.args = args
        self.log = open(log, "ab")
        self.proc = subprocess.Popen(
            args, stdin=kw.pop("stdin", subprocess.DEVNULL), stdout=self.log,
            stderr=self.log, env={**os.environ, **(env or {})},
            start_new_session=True, **ids(), **kw)
        Daemon.running.append(self)

    @property
    def pid(self) -> int:
        return self.proc.pid

    def kill(self, sig: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.proc.pid, sig)

    def stop(self, seconds: float = 15.0) -> int:
        """SIGTERM, then SIGKILL of the whole session after SECONDS."""
        if self.proc.poll() is None:
            self.kill(signal.SIGTERM)
            try:
                self.proc.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.proc.pid, signal.SIGKILL)
        self.proc.wait(10)
        self.log.close()
        if self in Daemon.running:
            Daemon.running.remove(self)
        return self.proc.returncode


@atexit.register
def end_all() -> None:
    """End what a test that was broken off has left."""
    for daemon in list(Daemon.running):
        with contextlib.suppress(Exception):
            daemon.stop(2)


# as Ctrl-C does: unittest lets that through
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class FakeLLM:
    """The scripted upstream; its ledger is the independent witness."""

    def __init__(self, folder: Folder, *args: str) -> None:
        self.port = free_port()
        self.daemon = Daemon([FAKE_LLM, "--listen", f"127.0.0.1:{self.port}", *args],
                             folder.path / "log/fake_llm.log")
        self.base = f"http://127.0.0.1:{self.port}/v1"
        wait_for(lambda: connects(self.port))

    def call(self, method: str, path: str, body: dict | None = None) -> str:
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        c.request(method, path, json.dumps(body) if body is not None else None)
        text = c.getresponse().read().decode()
        c.close()
        return text

    def defaults(self, **values) -> None:
        self.call("POST", "/_fake/defaults", values)

    def reset(self) -> None:
        self.call("POST", "/_fake/reset", {})

    def ledger(self) -> list[dict]:
        return [json.loads(x) for x in self.call("GET", "/_fake/ledger").split("\n") if x]

    def stop(self) -> int:
        return self.daemon.stop(5)


def connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


class Web:
    """One web server, configured by the files in conf/."""

    def __init__(self, mount: str, folder: Folder, conf: Path, fcgi_sock: Path,
                 base: str = "") -> None:
        self.port = free_port()
        self.name = f"web-{mount}-{self.port}"
        self.args = shell(
            "wl_web_make", mount, str(folder.path), self.name, str(self.port),
            str(fcgi_sock), str(conf), str(PREFIX / "libexec/cgi-bin/watchllm.fcgi"),
            str(PREFIX / "share/watchllm/htdocs"), base).splitlines()
        self.daemon = Daemon(self.args, folder.path / f"log/{self.name}.log")
        wait_for(lambda: connects(self.port))

    def stop(self) -> int:
        return self.daemon.stop()


class Stack:
    """Stores, upstream, workers, consumer and web server together."""

    def __init__(self, mount: str = "nginx", conf: dict | None = None,
                 processes: int = 1, fake: tuple = (), base: str = "",
                 stores: Stores | None = None, env: dict | None = None) -> None:
        self.mount, self.base = mount, base
        self.own_stores = stores is None
        self.stores = stores or Stores().start()
        self.folder, self.dir = self.stores.folder, self.stores.dir
        self.env = env or {}
        try:
            n = free_port()
            self.spool = f"spool-{n}"
            self.folder.make(self.spool)
            self.conf_changes = {
                "spool_dir": f"{self.dir}/{self.spool}", "host_name": f"host{n}",
                "log_file": f"{self.dir}/log/gate-{n}.log", **(conf or {})}
            self.conf = self.stores.write_conf(self.conf_changes, f"gate-{n}.conf")
            self.log = Path(self.conf_changes["log_file"])
            self.sock = self.dir / f"run/f{n}.sock"
            self.fake = FakeLLM(self.folder, *fake)
            self.provider = f"sandbox{n}_{next(serial)}"
            self.stores.provider(self.provider, self.fake.base)
            self.processes = processes
            self.workers = None
            if mount in ("nginx", "lighttpd", "apache"):
                self.start_workers()
            self.consumer = None
            self.start_consumer()
            self.web = Web(mount, self.folder, self.conf, self.sock, base)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, *exc) -> None:
        self.stop()

    def start_workers(self) -> None:
        self.workers = Daemon(
            [str(PREFIX / "libexec/cgi-bin/watchllm.fcgi"), "--config", str(self.conf),
             "--listen", f"unix:{self.sock}", "--processes", str(self.processes)],
            self.dir / f"log/{self.spool}-workers.log", self.env)
        wait_for(lambda: self.sock.exists() or self.workers.proc.poll() is not None)
        if not self.sock.exists():
            raise AssertionError(
                (self.dir / f"log/{self.spool}-workers.log").read_text()[-2000:])

    def start_consumer(self) -> None:
        self.consumer = Daemon(
            [str(PREFIX / "libexec/watchllm/watchllm-consumer"), "--config", str(self.conf)],
            self.dir / f"log/{self.spool}-consumer.log", self.env)

    def stop(self) -> None:
        """End all of it; exit statuses are kept in ENDED."""
        self.ended: dict[str, int | None] = {}
        for name in ("web", "workers", "consumer", "fake"):
            x = getattr(self, name, None)
            if x is not None:
                with contextlib.suppress(Exception):
                    self.ended[name] = x.stop()
        if self.own_stores:
            self.stores.stop()
        else:
            # whoever sells a model is tried, so there is one at a time
            self.stores.sql("UPDATE watchllm.provider SET enabled = false"
                            f" WHERE id = '{self.provider}'")

    # -- talking to it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}{self.base}"

    def project(self, plan: str = "pro", **kw) -> tuple[str, str]:
        return self.stores.project(plan, self.provider, **kw)

    def cli(self, *args: str, **kw):
        return self.stores.cli(*args, conf=self.conf, **kw)

    def request(self, method: str, path: str, body=None, key: str | None = None,
                headers: dict | None = None, timeout: float = 30.0) -> "Reply":
        """One request on a connection of its own; the body read to its end."""
        c = http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=timeout)
        h = dict(headers or {})
        if key is not None:
            h.setdefault("Authorization", f"Bearer {key}")
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            h.setdefault("Content-Type", "application/json")
        c.request(method, self.base + path, body, h)
        r = c.getresponse()
        reply = Reply(r.status, r.headers, r.read())
        c.close()
        return reply

    def chat(self, key: str, text: str = "hello", model: str = "gpt-4o-mini",
             **fields) -> "Reply":
        return self.request("POST", "/v1/chat/completions", {
            "model": model, "messages": [{"role": "user", "content": text}],
            **fields}, key)

    def stream(self, key: str, text: str = "hello", timeout: float = 30.0,
               path: str = "/v1/chat/completions", **fields):
        """The open response of a streamed call; the caller reads and closes."""
        c = http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=timeout)
        c.request("POST", self.base + path, json.dumps({
            "model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}],
            "stream": True, **fields}),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        return c, c.getresponse()

    def calls(self, project: str) -> list[dict]:
        """Rows of report.calls of PROJECT, oldest first."""
        rows = self.stores.sql(
            "SELECT row_to_json(c) FROM report.calls c"
            f" WHERE project_id = '{project}' ORDER BY started_at, call_id", "report")
        return [json.loads("\t".join(r)) for r in rows]

    def recorded(self, project: str, n: int = 1, seconds: float = 2.0) -> list[dict]:
        """The same, as soon as there are N of them; fails after SECONDS, which
        are what an event may take."""
        end = time.monotonic() + seconds
        while len(rows := self.calls(project)) < n:
            if time.monotonic() > end:
                raise AssertionError(f"{len(rows)} of {n} calls recorded after {seconds} s")
            time.sleep(0.05)
        if len(rows) > n:
            raise AssertionError(f"{len(rows)} calls recorded, {n} made: {rows}")
        return rows

    def log_events(self, event: str) -> list[dict]:
        out = []
        with contextlib.suppress(FileNotFoundError):
            for line in self.log.read_text().splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    row = json.loads(line)
                    if row.get("event") == event:
                        out.append(row)
        return out


class Reply:
    def __init__(self, status: int, headers, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:300]!r}>"


def sse(response, on_event=None):
    """The data lines of an open stream, each with the time it arrived."""
    for raw in response:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if line.startswith("data:"):
            yield time.time(), line[5:].strip()


def at_once(n: int, fn):
    """FN(i) for i < N on N threads that start together; their results."""
    gate = threading.Barrier(n)
    out: list = [None] * n

    def run(i: int) -> None:
        gate.wait()
        try:
            out[i] = fn(i)
        except Exception as e:          # the test looks at it
            out[i] = e

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    return out
