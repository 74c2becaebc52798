"""What recording the calls costs afterwards: the consumer, and PostgreSQL, for
each of some seconds of calls."""

from __future__ import annotations

import subprocess
import time

import calls
from rig import Rig
from stack import PREFIX, ids


def journals(rig: Rig) -> int:
    return sum(f.stat().st_size for f in (rig.dir / "spool-gate").rglob("*") if f.is_file())


def events(rig: Rig) -> int:
    return int(rig.stores.sql("SELECT count(*) FROM watchllm.event", "postgres")[0][0])


def measure(rig: Rig, seconds: int) -> dict:
    calls.wrk(rig, "gate", 16, seconds)
    size, before = journals(rig), events(rig)
    own, start = calls.children_us(), time.monotonic()
    subprocess.run(
        [str(PREFIX / "libexec/watchllm/watchllm-consumer"), "--config",
         str(rig.dir / "gate.conf"), "--once"], check=True, timeout=300, **ids())
    took, n = time.monotonic() - start, events(rig) - before
    if n == 0:
        raise SystemExit("the consumer moved nothing")
    return {"calls": n, "seconds": took, "per_second": n / took,
            "journal_bytes_per_call": size / n,
            "consumer_cpu_us": (calls.children_us() - own) / n}


def show(m: dict) -> list[str]:
    return [f"drain: {m['calls']:,} calls at {m['per_second']:,.0f}/s,"
            f" {m['consumer_cpu_us']:.0f} µs of CPU per call in the consumer,"
            f" {m['seconds'] * 1e6 / m['calls']:.0f} µs in all with PostgreSQL;"
            f" {m['journal_bytes_per_call']:,.0f} bytes of journal each", ""]
