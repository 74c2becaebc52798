"""A private PostgreSQL for Python tests, and psql as a client.

with Server() as pg:
    pg.migrate()
    pg.run("SELECT 1")
"""

import atexit
import os
import subprocess
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
PRIVATE = os.path.join(HERE, "..", "..", "conf", "private.sh")
APPLY = os.path.join(HERE, "..", "db", "apply.sh")
SEP = "\x1f"


class Error(Exception):
    """What the server said."""


def private(call: str, *args: str) -> None:
    """A function of conf/private.sh."""
    subprocess.run(["bash", "-c", '. "$1"; shift; "$@"', "private", PRIVATE,
                    call, *args], check=True, timeout=120,
                   env=dict(os.environ, WL_OWNER=str(os.getpid())),
                   stdin=subprocess.DEVNULL)


class Server:
    """A server in a temporary directory; ends with the test."""

    def __init__(self) -> None:
        self.dir = tempfile.mkdtemp(prefix="wlst", dir="/tmp")
        atexit.register(self.stop)
        private("wl_stores_start", self.dir)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self.dir:
            private("wl_stores_stop", self.dir)
            self.dir = ""

    def url(self, db: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql:///{db}?host={self.dir}/run&user={user}"

    def migrate(self, db: str = "postgres", user: str = "postgres",
                folder: str = "") -> subprocess.CompletedProcess:
        """Apply the migrations of FOLDER (the tree's own when empty)."""
        cmd = [APPLY, self.url(db, user)] + ([folder] if folder else [])
        return subprocess.run(cmd, timeout=120, check=False, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def run(self, sql: str, db: str = "postgres", user: str = "postgres",
            timeout: float = 60) -> list[list[str]]:
        """Run SQL (several statements: each by itself); the rows of all."""
        p = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", SEP, "-v",
             "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-d",
             self.url(db, user), "-f", "-"],
            input=sql, text=True, timeout=timeout, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if p.returncode != 0:
            raise Error(p.stderr)
        return [line.split(SEP) for line in p.stdout.splitlines() if line]

    def one(self, sql: str, **kw: str) -> str:
        """The only value of the only row."""
        rows = self.run(sql, **kw)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise Error(f"not one value: {rows}")
        return rows[0][0]

    def session(self, db: str = "postgres",
                user: str = "postgres") -> "Session":
        return Session(self.url(db, user))


class Session:
    """One psql that stays connected, for transactions that overlap."""

    def __init__(self, url: str) -> None:
        self.p = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-F", SEP, "-d", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.n = 0
        self.lines: list[str] = []
        self.have = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.p.stdout is not None
        for line in self.p.stdout:
            with self.have:
                self.lines.append(line.rstrip("\n"))
                self.have.notify_all()

    def send(self, sql: str) -> str:
        """Start a statement; returns the mark that ends its output."""
        assert self.p.stdin is not None
        self.n += 1
        mark = f"--mark-{self.n}--"
        self.p.stdin.write(sql.rstrip("; \n") + ";\n\\echo " + mark + "\n")
        self.p.stdin.flush()
        return mark

    def done(self, mark: str) -> bool:
        with self.have:
            return mark in self.lines

    def wait(self, mark: str, timeout: float = 30) -> list[str]:
        """The lines up to MARK."""
        with self.have:
            if not self.have.wait_for(lambda: mark in self.lines, timeout):
                raise Error(f"no answer in {timeout} s: {self.lines}")
            at = self.lines.index(mark)
            out, self.lines = self.lines[:at], self.lines[at + 1:]
        if any("ERROR:" in line for line in out):
            raise Error("\n".join(out))
        return [line for line in out if line]

    def run(self, sql: str, timeout: float = 30) -> list[str]:
        return self.wait(self.send(sql), timeout)

    def close(self) -> None:
        assert self.p.stdin is not None
        self.p.stdin.close()
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.thread.join(5)
        assert self.p.stdout is not None
        self.p.stdout.close()
