"""What the measurements run on: private stores, the scripted upstream, workers,
and nginx with one location for each target, all on this machine."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import sys
from pathlib import Path

SOURCE = Path(os.environ.get("WL_SOURCE", Path(__file__).resolve().parents[2])).resolve()
BUILD = Path(os.environ.get("WL_BUILD", ".")).resolve()
os.environ.setdefault("WL_FAKE_LLM", str(BUILD / "tests/fake_llm/fake_llm"))
os.environ["WL_SOURCE"] = str(SOURCE)
sys.path.insert(0, str(SOURCE / "tests/e2e"))

import stack  # noqa: E402

SSE_LOAD = str(BUILD / "tests/bench/sse_load")
GATE = str(BUILD / "watchllm.fcgi")
THREE_TRIPS = str(BUILD / "tests/bench/three_trips")
MODEL = stack.MODEL
FILES = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


NGINX = """
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {d}/nginx/pid;
error_log {d}/nginx/error.log;
events {{ worker_connections 16384; }}
http {{
access_log {d}/nginx/access.log;
client_body_temp_path {d}/nginx/body;
proxy_temp_path {d}/nginx/proxy;
fastcgi_temp_path {d}/nginx/fastcgi;
uwsgi_temp_path {d}/nginx/uwsgi;
scgi_temp_path {d}/nginx/scgi;
upstream fake {{ server {fake}; keepalive 128; keepalive_requests 1000000; }}
server {{
    listen 127.0.0.1:{port};
    keepalive_requests 10000000;
    location / {{
        proxy_pass http://fake;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_buffering off;
    }}
}}
{gates}
}}
"""


class Rig:
    """Everything that a measurement needs; ended by stop()."""

    def __init__(self, processes: int = 0) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
        self.lighttpd: stack.Web | None = None
        self.stores = stack.Stores()
        self.dir = self.stores.dir
        self.processes = processes or os.cpu_count() or 1
        self.gates: dict[str, stack.Daemon] = {}
        try:
            self.stores.start()
            self.fake = stack.FakeLLM(self.stores.folder, "--ledger-keep", "1000")
            self.stores.provider("fake", self.fake.base)
            # the limits that the seeded plans have, only out of reach
            self.key = self.stores.project(self.stores.plan("bench"), "fake")[1]
            self.full_key = self.full()
            self.binaries = {"gate": GATE, "three": THREE_TRIPS}
            self.ports = {"direct": self.fake.port, "proxy": stack.free_port(),
                          "gate": stack.free_port(), "three": stack.free_port()}
            for name in self.binaries:
                self.start_gate(name)
            self.start_nginx()
        except BaseException:
            self.stop()
            raise

    def full(self) -> str:
        """The key of a project with everything that a call can meet."""
        project, key = self.stores.project("bench", "fake")
        cli = self.stores.cli
        cli("project", "set", project, "--cache", "exact")
        cli("route", "add", project, "bench", MODEL, f"fake/{MODEL}")
        for limit, most in (("rpm", 10**8), ("tokens", 10**9), ("budget-day", 10**6)):
            cli("limit", "set", project, "project", f"--{limit}", str(most))
        cli("limit", "set", project, "model", "gpt-*", "--budget-month", str(10**6))
        return key

    def conf(self, name: str) -> Path:
        self.stores.folder.make(f"spool-{name}")
        return self.stores.write_conf({
            "spool_dir": f"{self.dir}/spool-{name}", "host_name": f"bench-{name}",
            "spool_max": "8g", "log_file": f"{self.dir}/log/{name}.log"}, f"{name}.conf")

    def sock(self, name: str) -> Path:
        return self.dir / f"run/{name}.sock"

    def start_gate(self, name: str) -> None:
        self.sock(name).unlink(missing_ok=True)
        self.gates[name] = stack.Daemon(
            [self.binaries[name], "--config", str(self.conf(name)),
             "--listen", f"unix:{self.sock(name)}", "--processes", str(self.processes)],
            self.dir / f"log/{name}.err")
        stack.wait_for(self.sock(name).exists)

    def restart_gate(self, name: str) -> None:
        self.gates.pop(name).stop()
        self.start_gate(name)

    def sample(self, name: str) -> str:
        text = (SOURCE / "conf/nginx/watchllm.conf").read_text()
        for a, b in (("upstream watchllm", f"upstream {name}"),
                     ("fastcgi_pass watchllm", f"fastcgi_pass {name}"),
                     ("/run/watchllm/fcgi.sock", str(self.sock(name))),
                     ("127.0.0.1:8080;", f"127.0.0.1:{self.ports[name]};"
                      " keepalive_requests 10000000;")):
            if a not in text:
                raise SystemExit(f"conf/nginx/watchllm.conf has no {a!r} any more")
            text = text.replace(a, b)
        return text

    def start_nginx(self) -> None:
        self.stores.folder.make("nginx")
        main = self.dir / "nginx.conf"
        main.write_text(NGINX.format(
            workers=os.cpu_count(), files=FILES, d=self.dir, port=self.ports["proxy"],
            fake=f"127.0.0.1:{self.fake.port}",
            gates="\n".join(self.sample(n) for n in self.binaries)))
        self.nginx_args = ["nginx", "-c", str(main), "-e", f"{self.dir}/nginx/error.log"]
        self.run_nginx()

    def run_nginx(self) -> None:
        self.nginx = stack.Daemon(self.nginx_args, self.dir / "log/nginx.log")
        for name in ("proxy", *self.binaries):
            stack.wait_for(lambda p=self.ports[name]: stack.connects(p))

    def start_lighttpd(self) -> None:
        self.lighttpd = stack.Web("lighttpd", self.stores.folder, self.dir / "gate.conf",
                                  self.sock("gate"))
        self.ports["lighttpd"] = self.lighttpd.port

    def fresh(self) -> None:
        """The gate and the web servers anew: their memory is to be compared."""
        self.restart_gate("gate")
        self.nginx.stop()
        self.run_nginx()
        if self.lighttpd is not None:
            self.lighttpd.stop()
            self.start_lighttpd()

    def stop(self) -> None:
        for d in (*self.gates.values(), self.lighttpd, getattr(self, "nginx", None),
                  getattr(self, "fake", None)):
            if d is not None:
                d.stop()
        self.stores.stop()

    def groups(self) -> dict[str, list[int]]:
        """The processes of each part, by name."""
        out = {"nginx": family(self.nginx.pid), "redis": [self.stores.redis_pid()],
               "fake_llm": [self.fake.daemon.pid],
               "postgres": family(self.stores.postgres_pid())}
        for name, d in self.gates.items():
            out[name] = family(d.pid)
        if self.lighttpd is not None:
            out["lighttpd"] = family(self.lighttpd.daemon.pid)
        return out

    def cpu(self) -> dict[str, float]:
        """Microseconds of CPU that each part has used."""
        return {name: sum(cpu_us(p) for p in pids) for name, pids in self.groups().items()}


def family(pid: int) -> list[int]:
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        try:
            todo += map(int, Path(f"/proc/{p}/task/{p}/children").read_text().split())
        except OSError:
            pass
    return out


def cpu_us(pid: int) -> float:
    """CPU time of all threads of PID, in microseconds."""
    total = 0
    for f in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(f.read_text().split()[0])
        except OSError:
            pass
    return total / 1000


def pss_kb(pids: list[int]) -> int:
    """Proportional memory of PIDS in KB."""
    total = 0
    for p in pids:
        for line in Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def need(*programs: str) -> None:
    for p in programs:
        if shutil.which(p) is None:
            raise SystemExit(f"{p} is missing: apt-get install {p}")
