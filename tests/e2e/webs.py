"""Web servers that are not as conf/ says, and what the tests of doctor and
verify have in common."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stack import (PREFIX, Daemon, FakeLLM, Stores, Web, connects, free_port, ids, shell,
                   wait_for)

MODULES = "/usr/lib/apache2/modules"


class Edited(Web):
    """A web server of conf/ with changes: (file, text, text instead of it);
    file is the end of its name, such as ".conf" or ".site/.htaccess"."""

    def __init__(self, mount: str, folder, conf: Path, sock: Path, *edits: tuple) -> None:
        self.port = free_port()
        self.name = f"web-{mount}-{self.port}"
        self.args = shell(
            "wl_web_make", mount, str(folder.path), self.name, str(self.port), str(sock),
            str(conf), str(PREFIX / "libexec/cgi-bin/watchllm.fcgi"),
            str(PREFIX / "share/watchllm/htdocs"), "").splitlines()
        for end, old, new in edits:
            path = folder.path / (self.name + end)
            text = path.read_text()
            if old not in text:
                raise AssertionError(f"{path} has no {old!r}")
            path.write_text(text.replace(old, new, 1))
        self.daemon = Daemon(self.args, folder.path / f"log/{self.name}.log")
        wait_for(lambda: connects(self.port))


class Site:
    """Stores, a scripted provider and workers, for any number of web servers."""

    def __init__(self) -> None:
        self.stores = Stores()
        self.workers = self.fake = None
        try:
            self.stores.start()
            self.dir, self.folder = self.stores.dir, self.stores.folder
            self.spool = self.dir / "spool"
            self.spool.chmod(0o700)
            self.token = self.stores.secret("token", "operator-" + os.urandom(8).hex())
            self.conf = self.stores.write_conf({
                "operator_token_file": str(self.token),
                "log_file": f"{self.dir}/log/gate.log"}, "site.conf")
            self.sock = self.dir / "run/site.sock"
            self.fake = FakeLLM(self.folder)
            self.stores.provider("sandbox", self.fake.base)
            self.rollup()
            self.workers = Daemon(
                [str(PREFIX / "libexec/cgi-bin/watchllm.fcgi"), "--config", str(self.conf),
                 "--listen", f"unix:{self.sock}", "--processes", "2"],
                self.dir / "log/workers.log")
            wait_for(self.sock.exists)
        except BaseException:
            self.stop()
            raise

    def rollup(self) -> None:
        subprocess.run([str(PREFIX / "libexec/watchllm/watchllm-rollup"), "--config",
                        str(self.conf)], check=True, capture_output=True, timeout=120, **ids())

    def stop(self) -> None:
        for x in (self.workers, self.fake):
            if x is not None:
                x.stop()
        self.stores.stop()

    def web(self, mount: str, *edits: tuple) -> Edited:
        return Edited(mount, self.folder, self.conf, self.sock, *edits)

    def project(self, plan: str = "free", **kw) -> tuple[str, str]:
        return self.stores.project(plan, "sandbox", **kw)

    def run(self, *args: str, conf: Path | None = None, stdin: str = "",
            root: bool = False, **env: str) -> "Ran":
        r = subprocess.run(
            [str(PREFIX / "bin/watchllm"), "--config", str(conf or self.conf), *args],
            capture_output=True, text=True, timeout=200, input=stdin,
            env={**os.environ, **env}, **({} if root else ids()))
        return Ran(r)


class Ran:
    """What a run printed, as JSON if it is that."""

    def __init__(self, r: subprocess.CompletedProcess) -> None:
        self.status, self.out, self.err = r.returncode, r.stdout, r.stderr
        self.json = json.loads(r.stdout) if r.stdout.startswith("{") else None

    def check(self, name: str, area: str | None = None) -> dict:
        rows = [c for c in self.json["checks"] if c["check"] == name
                and (area is None or c["area"] == area)]
        if len(rows) != 1:
            raise AssertionError(f"{name}: {rows} in {self}")
        return rows[0]

    def not_ok(self) -> list[tuple[str, str, str]]:
        """(area, check, state) of all that is not in order."""
        return [(c.get("area", ""), c["check"], c["state"]) for c in self.json["checks"]
                if c["state"] != "ok"]

    def __repr__(self) -> str:
        return f"<{self.status} {self.out}{self.err}>"


def side_by_side(jobs: dict, at_once: int = 4) -> dict:
    """What each of JOBS, functions by name, returned, or raised."""
    def run(fn):
        try:
            return fn()
        except Exception as e:      # its test looks at it
            return e

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(jobs, pool.map(run, jobs.values()), strict=True))
