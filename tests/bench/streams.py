"""Streams: many at once, each chunk judged by the time that fake_llm stamped
into it."""

from __future__ import annotations

import json
import subprocess
import time

from rig import MODEL, SSE_LOAD, Rig, cpu_us, pss_kb
from stack import wait_for

PER_TOKEN_MS = 200


def body(chunks: int) -> str:
    text = f"[[stamp=1 per_token={PER_TOKEN_MS} tokens={chunks} chunk_tokens=1]] count"
    return json.dumps({"model": MODEL, "stream": True,
                       "messages": [{"role": "user", "content": text}]})


def start(rig: Rig, target: str, n: int, chunks: int, ramp_ms: int) -> subprocess.Popen:
    return subprocess.Popen(
        [SSE_LOAD, f"--port={rig.ports[target]}", f"--streams={n}", f"--chunks={chunks}",
         f"--body={body(chunks)}", f"--key={rig.key}", f"--ramp={ramp_ms}",
         f"--seconds={ramp_ms // 1000 + chunks * PER_TOKEN_MS // 1000 + 20}"],
        stdout=subprocess.PIPE, text=True)


def finish(p: subprocess.Popen) -> dict:
    out = p.communicate(timeout=120)[0]
    return json.loads(out.splitlines()[-1])


def warm(rig: Rig, target: str) -> None:
    """What a process needs once, whoever calls first: one stream for each."""
    for _ in range(4):
        r = finish(start(rig, target, 4, 2, 0))
        if r["lost"]:
            raise SystemExit(f"{target}: {r}")


def measure(rig: Rig, target: str, n: int, seconds: int) -> dict:
    """N streams through TARGET for SECONDS, with fresh workers."""
    rig.fresh()
    warm(rig, target)
    gate = rig.groups()["gate"]
    web = rig.groups()["lighttpd" if target == "lighttpd" else "nginx"]
    idle, web_idle = pss_kb(gate), pss_kb(web)
    ramp = max(500, n)
    p = start(rig, target, n, seconds * 1000 // PER_TOKEN_MS, ramp)
    if p.stdout is None or p.stdout.readline().strip() != "open":
        raise SystemExit(f"{target}: not all of {n} streams begin: {finish(p)}")
    time.sleep(0.3)
    held, web_held = pss_kb(gate), pss_kb(web)
    before, t0 = {k: sum(map(cpu_us, v)) for k, v in rig.groups().items()}, time.monotonic()
    time.sleep(min(3.0, seconds / 3))
    after, t1 = {k: sum(map(cpu_us, v)) for k, v in rig.groups().items()}, time.monotonic()
    r = finish(p)
    chunks = n * (t1 - t0) * 1000 / PER_TOKEN_MS
    r["cpu_us_per_chunk"] = {k: (after[k] - before[k]) / chunks for k in after}
    r["gate_kb_per_stream"] = (held - idle) / n
    r["web_kb_per_stream"] = (web_held - web_idle) / n
    r["gate_idle_kb"] = idle
    r["target"], r["seconds"], r["per_token_ms"] = target, seconds, PER_TOKEN_MS
    wait_for(lambda: json.loads(rig.fake.call("GET", "/_fake/stats"))["active"] == 0)
    return r


def show(results: list[dict]) -> list[str]:
    names = {"proxy": "nginx proxy_pass", "gate": "WatchLLM, nginx",
             "lighttpd": "WatchLLM, lighttpd"}
    rows = [f"streams, a chunk every {PER_TOKEN_MS} ms", "",
            "| target | streams | chunks | lost, out of order | delay p50 / p99 / max µs |"
            " KB per stream: gate, web server | CPU µs/chunk: web server + gate + fake_llm |",
            "|---|---|---|---|---|---|---|"]
    for r in results:
        cpu = r["cpu_us_per_chunk"]
        web = "lighttpd" if r["target"] == "lighttpd" else "nginx"
        gate = "-" if r["target"] == "proxy" else f"{r['gate_kb_per_stream']:.1f}"
        cut = r["refused"] + r["cut"] + r["unfinished"]
        rows.append(
            f"| {names[r['target']]} | {r['streams']:,} | {r['chunks']:,} |"
            f" {r['lost']}, {r['disorder']}{f' ({cut} cut)' if cut else ''} |"
            f" {r['p50_us']:,} / {r['p99_us']:,} / {r['max_us']:,} |"
            f" {gate}, {r['web_kb_per_stream']:.1f} |"
            f" {cpu[web]:.0f} + {cpu['gate']:.0f} + {cpu['fake_llm']:.0f} |")
    return rows + [""]
