"""Unstreamed calls: wrk on each target in turn, round after round, so that
what else happens on the machine meets all of them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from pathlib import Path

from rig import MODEL, Rig, median

# what the columns of CPU call the gate that serves a target
TARGETS = {"direct": "gate", "proxy": "gate", "gate": "gate", "three": "three",
           "all": "gate", "hit": "gate"}
BODY = json.dumps({
    "model": MODEL, "temperature": 0.2, "messages": [
        {"role": "system", "content": "You are a helpful assistant. Answer briefly."},
        {"role": "user", "content": "What is the capital of France, and how many people "
                                    "live there today?"}]})


def wrk(rig: Rig, target: str, c: int, seconds: float) -> dict:
    """One run of wrk against TARGET; figures, and CPU of each part per call."""
    before, own = rig.cpu(), children_us()
    full = target in ("all", "hit")
    body = BODY.replace("people", "people (%d)") if target == "all" else BODY
    out = subprocess.run(
        ["wrk", "-t1", f"-c{c}", f"-d{seconds}s", "-s", str(Path(__file__).with_name("post.lua")),
         f"http://127.0.0.1:{rig.ports['gate' if full else target]}/v1/chat/completions"],
        check=True, capture_output=True, text=True, timeout=60 + seconds,
        env={**os.environ, "WL_BENCH_BODY": body, "WL_BENCH_FROM": str(time.time_ns() // 1000),
             "WL_BENCH_KEY": rig.full_key if full else rig.key}).stdout
    after = rig.cpu()
    r = json.loads(out.splitlines()[-1])
    if r["failed"] or not r["requests"]:
        raise SystemExit(f"{target} at c={c}: {out}")
    r["rps"] = r["requests"] * 1e6 / r["us"]
    r["cpu_us"] = {k: (after[k] - before.get(k, 0)) / r["requests"] for k in after}
    r["cpu_us"]["wrk"] = (children_us() - own) / r["requests"]
    r["all_us"] = sum(r["cpu_us"].values())
    return r


def children_us() -> float:
    """CPU of the programs that were run to their end, in microseconds."""
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (u.ru_utime + u.ru_stime) * 1e6


def measure(rig: Rig, c: int, rounds: int, seconds: float) -> dict:
    """Medians over ROUNDS of each target, and of what lies between two of them
    within one round."""
    runs: dict[str, list[dict]] = {t: [] for t in TARGETS}
    if c == 1:
        for t in TARGETS:       # what each needs once
            wrk(rig, t, c, 1)
    for i in range(rounds):
        # each round begins with another one
        order = list(TARGETS)
        for t in order[i % len(order):] + order[:i % len(order)]:
            runs[t].append(wrk(rig, t, c, seconds))
    out: dict = {"c": c, "rounds": rounds, "seconds": seconds}
    for t, rs in runs.items():
        out[t] = {k: median([r[k] for r in rs]) for k in ("rps", "p50_us", "p99_us", "all_us")}
        out[t]["cpu_us"] = {k: median([r["cpu_us"][k] for r in rs]) for k in rs[0]["cpu_us"]}
        pairs = list(zip(rs, runs["proxy"]))
        out[t]["ratio"] = median([r["rps"] / p["rps"] for r, p in pairs])
        out[t]["ratio_cpu"] = median([p["all_us"] / r["all_us"] for r, p in pairs])
        out[t]["ratio_min"] = min(r["rps"] / p["rps"] for r, p in pairs)
        for q in ("p50_us", "p99_us"):
            out[t]["added_" + q] = median([r[q] - p[q] for r, p in pairs])
    return out


def show(m: dict) -> list[str]:
    names = {"direct": "fake_llm itself", "proxy": "nginx proxy_pass", "gate": "WatchLLM",
             "three": "WatchLLM, three Redis calls", "all": "WatchLLM, all features",
             "hit": "WatchLLM, answered by the cache"}
    rows = [f"calls, c={m['c']} ({m['rounds']} rounds of {m['seconds']} s)", "",
            "| target | requests/s | ratio (least; by CPU) | p50 µs (added) | p99 µs (added) |"
            " CPU µs/call: nginx + gate + redis + fake_llm + wrk |",
            "|---|---|---|---|---|---|"]
    for t in TARGETS:
        r = m[t]
        gate, cpu = TARGETS[t], r["cpu_us"]
        rows.append(
            f"| {names[t]} | {r['rps']:,.0f} | {r['ratio']:.2f} ({r['ratio_min']:.2f}; {r['ratio_cpu']:.2f}) |"
            f" {r['p50_us']:.0f} ({r['added_p50_us']:+.0f}) |"
            f" {r['p99_us']:.0f} ({r['added_p99_us']:+.0f}) |"
            f" {cpu['nginx']:.0f} + {cpu[gate]:.0f} + {cpu['redis']:.0f} +"
            f" {cpu['fake_llm']:.0f} + {cpu['wrk']:.0f} |")
    return rows + [""]
