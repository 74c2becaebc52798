"""The auditor: after a run, and after a drain to the last record, everything
that counts calls must tell the same. The ledger of fake_llm is a witness that
shares no code with the rest.

	fake_llm's ledger  what was really asked upstream
	the clients        what each of them saw
	event              one row per admitted call
	ledger             the same, and the truth about limits
	rollup_hour, rollup_day, usage_month, usage_key_month, partition_count
	Redis              or the counters in PostgreSQL
	the journal        empty

It prints the first rows that differ. fake_llm must have been reset when the run
began, so that it has seen this run alone."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from load import Call
from rig import KILLED, segments, spool, wait_for

SHOWN = 4

# what an outcome counts: minute, month (the table of outcomes)
OUTCOMES = {
    "answered": (True, True), "cache_hit": (True, True), "client_gone": (True, True),
    "invalid": (True, False), "upstream_failed": (True, False), "lost": (True, True),
}
STATUSES = {
    "answered": {"success", "error", "timeout", "client_closed"},
    "client_gone": {"client_closed"},
    "invalid": {"error"}, "upstream_failed": {"error", "timeout"}, "lost": {"lost"},
}
# what refuses before anything is recorded; a 503 may come later too
UNRECORDED = {401, 403, 413, 429}

EVENTS = """
SELECT json_build_object('project', e.project_id, 'id', e.event_id,
    'request_id', e.request_id, 'status', e.status, 'http', e.http_status,
    'code', e.error_code, 'stream', e.stream, 'source', e.usage_source,
    'outcome', coalesce(e.attributes ->> 'outcome',
        CASE WHEN e.status = 'lost' THEN 'lost' END),
    'input', coalesce(e.tokens_uncached, 0) + coalesce(e.tokens_cache_read, 0),
    'output', coalesce(e.tokens_output, 0) + coalesce(e.tokens_reasoning, 0),
    'cost', e.cost_nano, 'month', e.month_counted, 'flags', e.flags,
    'key', e.api_key_id)
FROM watchllm.event e WHERE e.source = 'gateway' AND e.project_id = ANY ({})"""

LEDGER = """
SELECT json_build_object('project', l.project_id, 'id', l.event_id,
    'key', l.api_key_id, 'state', l.state, 'minute', l.minute_counted,
    'month', l.month_counted, 'tokens', coalesce(l.tokens, 0),
    'cost', coalesce(l.cost_nano, 0), 'generation', l.generation,
    'in_month', to_char(l.admitted_at AT TIME ZONE 'UTC', 'YYYY-MM'),
    'in_minute', watchllm.to_ms(l.admitted_at) / 60000,
    'at', watchllm.to_ms(l.admitted_at))
FROM watchllm.ledger l WHERE l.project_id = ANY ({})"""

# rows of sums, and the same sums made anew from what they sum
SUMS = {
    "rollup_hour": ("""
SELECT project_id, hour, provider, model, status, events, requests, counted, errors,
    tokens_uncached, tokens_cache_read, tokens_output, tokens_reasoning, cost_nano,
    latency_ms, latency_n, ttft_n, upstream_n
FROM watchllm.rollup_hour WHERE project_id = ANY ({0})""", """
SELECT project_id, watchllm.utc_hour(ts), coalesce(provider, ''),
    coalesce(model_used, model, ''), status, count(*), count(*),
    count(*) FILTER (WHERE month_counted IS NOT FALSE),
    count(*) FILTER (WHERE status IN ('error', 'timeout', 'lost')),
    sum(coalesce(tokens_uncached, 0)), sum(coalesce(tokens_cache_read, 0)),
    sum(coalesce(tokens_output, 0)), sum(coalesce(tokens_reasoning, 0)),
    sum(coalesce(cost_nano, 0)), coalesce(sum(latency_ms), 0), count(latency_ms),
    count(ttft_ms), count(upstream_ms)
FROM watchllm.event WHERE project_id = ANY ({0}) GROUP BY 1, 2, 3, 4, 5"""),
    "rollup_day": ("""
SELECT project_id, day, status, sum(events), sum(counted), sum(cost_nano)
FROM watchllm.rollup_day WHERE project_id = ANY ({0}) GROUP BY 1, 2, 3""", """
SELECT project_id, watchllm.utc_day(ts), status, count(*),
    count(*) FILTER (WHERE month_counted IS NOT FALSE), sum(coalesce(cost_nano, 0))
FROM watchllm.event WHERE project_id = ANY ({0}) GROUP BY 1, 2, 3"""),
    "rollup_hour_latency": ("""
SELECT project_id, hour, kind, sum(n) FROM watchllm.rollup_hour_latency
WHERE project_id = ANY ({0}) GROUP BY 1, 2, 3""", """
SELECT project_id, watchllm.utc_hour(ts), k, count(v) FROM watchllm.event,
    LATERAL (VALUES ('latency', latency_ms), ('ttft', ttft_ms), ('upstream', upstream_ms)) x (k, v)
WHERE project_id = ANY ({0}) AND v IS NOT NULL GROUP BY 1, 2, 3"""),
    "usage_month": ("""
SELECT project_id, month, admitted, counted, tokens, cost_nano FROM watchllm.usage_month
WHERE project_id = ANY ({0}) AND (admitted <> 0 OR counted <> 0)""", """
SELECT project_id, watchllm.utc_month(admitted_at), count(*),
    count(*) FILTER (WHERE month_counted), sum(coalesce(tokens, 0)), sum(coalesce(cost_nano, 0))
FROM watchllm.ledger WHERE project_id = ANY ({0}) GROUP BY 1, 2"""),
    "usage_key_month": ("""
SELECT project_id, api_key_id, month, admitted, counted, tokens, cost_nano
FROM watchllm.usage_key_month WHERE project_id = ANY ({0})""", """
SELECT project_id, api_key_id, watchllm.utc_month(admitted_at), count(*),
    count(*) FILTER (WHERE month_counted), sum(coalesce(tokens, 0)), sum(coalesce(cost_nano, 0))
FROM watchllm.ledger WHERE project_id = ANY ({0}) GROUP BY 1, 2, 3"""),
    "partition_count": ("""
SELECT retention_class, day, sum(events) FROM watchllm.partition_count GROUP BY 1, 2""", """
SELECT retention_class, watchllm.utc_day(ts), count(*) FROM watchllm.event GROUP BY 1, 2"""),
    "loss_ledger": ("""
SELECT project_id, outcome, sum(n) FROM watchllm.loss_ledger
WHERE project_id = ANY ({0}) GROUP BY 1, 2""", """
SELECT project_id, 'accepted', count(*) FROM watchllm.event
WHERE project_id = ANY ({0}) GROUP BY 1"""),
}


@dataclass
class Audit:
    """What the run was, and what may differ after it."""

    stacks: list
    calls: list[Call]
    data_lost: bool = False     # Redis was emptied: its minute may lack calls that were
                                # drained after the minute
    dead_letters: int = 0
    quarantined: int = 0
    spoiled: set[str] = field(default_factory=set)  # calls whose records were spoiled by hand
    ends_refused: bool = False  # some could not be recorded: calls that ended well are lost ones
    settled: bool = False       # counters were reconciled: nothing is in doubt any more
    wrong: list[str] = field(default_factory=list)

    @property
    def stores(self):
        return self.stacks[0].stores

    def differ(self, what: str, rows) -> None:
        rows = list(rows)
        if rows:
            shown = "\n\t".join(str(r) for r in rows[:SHOWN])
            more = f"\n\t… {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
            self.wrong.append(f"{what}:\n\t{shown}{more}")

    def read(self) -> None:
        names = sorted({c.project for c in self.calls})
        self.projects = names
        self.array = "ARRAY[" + ", ".join(f"'{n}'" for n in names) + "]::text[]"
        wait_for(lambda: not any(json.loads(s.fake.call("GET", "/_fake/stats"))["active"]
                                 for s in self.stacks))
        self.served = [r for stack in self.stacks for r in stack.fake.ledger()]
        self.events = self.rows(EVENTS)
        self.ledger = self.rows(LEDGER)
        self.by_id = {e["request_id"]: e for e in self.events}

    def rows(self, query: str) -> list[dict]:
        return [json.loads("\t".join(r)) for r in
                self.stores.sql(query.format(self.array), "postgres")]

    # -- the checks

    def identities(self) -> None:
        for name, rows in (("events", self.events), ("ledger", self.ledger)):
            twice = Counter(r["id"] for r in rows)
            self.differ(f"{name}: twice", [i for i, n in twice.items() if n > 1])
        events = {(e["project"], e["id"]) for e in self.events}
        calls = {(c["project"], c["id"]) for c in self.ledger}
        self.differ("admitted calls without an event", calls - events)
        self.differ("events that were not admitted", events - calls)
        self.differ("calls still open", (c for c in self.ledger if c["state"] == "open"))
        self.differ("request id is not the event's",
                    (e for e in self.events if e["id"] != e["request_id"]))

    def witness(self) -> None:
        """fake_llm: what it served is recorded, and nothing was made up."""
        seen = defaultdict(list)
        for r in self.served:
            seen[r["request_id"]].append(r)
        self.differ("served upstream, but no event", [
            r for r in self.served if r["request_id"] not in self.by_id
            and r["request_id"] not in self.spoiled])
        self.differ("a success that nobody served whole", (
            e for e in self.events if e["status"] == "success"
            and not any(r["end"] == "complete" for r in seen[e["request_id"]])))
        for e in self.events:
            whole = [r for r in seen[e["request_id"]] if r["end"] == "complete"]
            if e["status"] == "success" and e["source"] == "provider" and whole:
                told = (whole[-1]["prompt_tokens"], whole[-1]["completion_tokens"])
                if (e["input"], e["output"]) != told:
                    self.differ("tokens are not those that were told", [(e, told)])

    def clients(self) -> None:
        known = self.by_id
        complete = [c for c in self.calls if c.complete and c.request_id not in self.spoiled]
        self.differ("complete for its client, but no event",
                    ((c.request_id, c.project) for c in complete if c.request_id not in known))
        self.differ("complete for its client, but not a success",
                    (known[c.request_id] for c in complete if c.request_id in known
                     and known[c.request_id]["status"] != "success"
                     and not (self.ends_refused and known[c.request_id]["status"] == "lost")))
        self.differ("answered, but no event",
                    ((c.request_id, c.status) for c in self.calls
                     if c.request_id and c.status not in UNRECORDED | {503}
                     and c.request_id not in known and c.request_id not in self.spoiled))
        self.differ("refused, but recorded",
                    (known[c.request_id] for c in self.calls
                     if c.status in UNRECORDED and c.request_id in known))
        self.differ("503 for its client, but more than that", (
            known[c.request_id] for c in self.calls if c.status == 503
            and c.request_id in known and known[c.request_id]["outcome"] != "invalid"))
        self.differ("another project's", (
            (c.project, known[c.request_id]) for c in self.calls
            if c.request_id in known and known[c.request_id]["project"] != c.project))

    def outcomes(self) -> None:
        ledger = {c["id"]: c for c in self.ledger}
        for e in self.events:
            row = ledger.get(e["id"])
            if row is None:
                continue
            counts = OUTCOMES.get(e["outcome"])
            if counts is None or e["status"] not in STATUSES[e["outcome"]]:
                self.differ("outcome and status do not go together", [e])
            elif (row["minute"], row["month"]) != counts or e["month"] != counts[1]:
                self.differ("counts otherwise than the table of outcomes", [(e, row)])
            if (row["state"] == "lost") != (e["status"] == "lost"):
                self.differ("lost in one place only", [(e, row)])
            if e["status"] == "lost" and "lost" not in (e["flags"] or []):
                self.differ("lost, but not marked", [e])

    def sums(self) -> None:
        for table, (kept, anew) in SUMS.items():
            a, b = ({tuple(r) for r in self.stores.sql(q.format(self.array), "postgres")}
                    for q in (kept, anew))
            self.differ(f"{table}: kept, but not so", sorted(a - b))
            self.differ(f"{table}: not kept", sorted(b - a))

    def ends(self) -> None:
        torn = 0
        for stack in self.stacks:
            self.differ("left in the journal", segments(stack))
            bad = sorted((spool(stack) / "quarantine").glob("*"))
            # a write() that SIGKILL cuts short leaves the beginning of a record
            cut = [b for b in bad if int(b.name.split("-")[0]) in KILLED]
            more = len(bad) - self.quarantined
            if more < 0 or more > len(cut):
                self.differ("in quarantine", bad or ["nothing"])
            torn += max(more, 0)
        letters = self.stores.sql("SELECT segment, record_offset, sqlstate, reason"
                                  " FROM watchllm.dead_letter", "postgres")
        if len(letters) != self.dead_letters + torn:
            self.differ("dead letters", letters or ["none"])
        self.differ("fix-ups that were not made",
                    self.stores.sql("SELECT * FROM watchllm.counter_fixup", "postgres"))

    # -- counters

    def doubtful(self) -> Counter:
        """Calls of a project that may have been debited and were never begun:
        the answer of the limiter was lost, or its worker died before BEGIN."""
        n: Counter = Counter()
        for c in self.calls:
            if c.status != 429 and (c.request_id not in self.by_id or c.degraded):
                n[c.project] += 1
        return n

    def expected(self) -> dict[str, Counter]:
        """By project, what each of its counters should hold. A key is counted
        apart where it has a limit of its own."""
        limited = {what: {tuple(r) for r in self.stores.sql(
            "SELECT project_id, id FROM watchllm.api_key"
            f" WHERE requests_per_{what} IS NOT NULL", "postgres")} for what in ("month", "minute")}
        out: dict[str, Counter] = {p: Counter() for p in self.projects}
        for c in self.ledger:
            n = out[c["project"]]
            for what in ("month", "minute"):
                n[what, c[f"in_{what}"]] += c[what]
                if (c["project"], c["key"]) in limited[what]:
                    n[what, c[f"in_{what}"], c["key"]] += c[what]
        return out

    def redis(self, project: str) -> Counter:
        """What Redis has."""
        r = self.stores.redis
        n: Counter = Counter()
        for key in r("--raw", "KEYS", f"quota:{project}:*").split():
            month = key.rsplit(":", 1)[1]
            if ":keys:" not in key:
                n["month", month] = int(r("--raw", "GET", key))
                continue
            pairs = r("--raw", "HGETALL", key).split()
            for k, v in zip(pairs[::2], pairs[1::2]):
                n["month", month, k] = int(v)
        for key in r("--raw", "KEYS", f"ratelimit:{project}:*").split():
            *of_key, minute = key.split(":")[2:]
            # it may be over by now
            if minute != "sliding" and (value := r("--raw", "GET", key)):
                n["minute", int(minute), *of_key[1:]] = int(value)
        return n

    def postgres(self, project: str) -> Counter:
        n: Counter = Counter()
        for scope, kind, window, used in self.stores.sql(
                "SELECT scope, kind, window_id, used FROM watchllm.counter"
                f" WHERE project_id = '{project}'", "postgres"):
            key = [scope[4:]] if scope else []
            if kind == "minute":
                n["minute", int(window), *key] = int(used)
            elif kind == "month":
                n["month", f"{window[:4]}-{window[4:]}", *key] = int(used)
        return n

    def window(self, project: str, doubtful: int) -> None:
        """All calls of the last 60 s, and no others."""
        calls = self.sliding(project)
        admitted = {c["id"]: c["at"] for c in self.ledger if c["project"] == project}
        last = max(admitted.values(), default=0)
        recent = {i for i, at in admitted.items() if at > last - 60000}
        self.differ(f"not in the sliding window of {project}", recent - calls if calls else [])
        unknown = calls - set(admitted)
        if len(unknown) > doubtful:
            self.differ(f"in the sliding window of {project}, but not admitted", unknown)

    def sliding(self, project: str) -> set[str]:
        """The calls in the window of a project, by their ids."""
        if self.in_postgres:
            return {r[0] for r in self.stores.sql(
                "SELECT event_id FROM watchllm.counter_call WHERE scope = ''"
                f" AND project_id = '{project}'", "postgres")}
        return set(self.stores.redis("--raw", "ZRANGE", f"ratelimit:{project}:sliding",
                                     "0", "-1").split())

    @property
    def in_postgres(self) -> bool:
        return self.stacks[0].conf_changes.get("counters") == "postgres"

    def counters(self) -> None:
        doubtful = self.doubtful()
        sliding = {r[0] for r in self.stores.sql(
            "SELECT p.id FROM watchllm.project p JOIN watchllm.plan l ON l.id = p.plan_id"
            " WHERE l.window_kind = 'sliding'", "postgres")}
        for p, expected in self.expected().items():
            have = self.postgres(p) if self.in_postgres else self.redis(p)
            for what in expected:
                # a minute may be over, and what was lost begins with the next call
                if what not in have and (what[0] == "minute" or not have):
                    continue
                # times are kept instead of the minute
                if what[0] == "minute" and (p in sliding or self.settled):
                    continue
                low, high = expected[what], expected[what]
                if not self.settled:
                    high += doubtful[p]
                if what[0] == "minute" and self.data_lost:
                    low, high = 0, high + expected[what]
                if not low <= have[what] <= high:
                    self.differ(f"counter {what} of {p}",
                                [f"has {have[what]}, should have {low} to {high}"])
            if p in sliding:
                self.window(p, doubtful[p])

    # --

    def run(self) -> Audit:
        """All of it. Fails with what differs."""
        self.read()
        for check in (self.identities, self.witness, self.clients, self.outcomes,
                      self.sums, self.ends, self.counters):
            check()
        if self.wrong:
            raise AssertionError("the audit found\n" + "\n".join(self.wrong))
        return self

    def reconciled(self) -> Audit:
        """Once more for the counters, after "watchllm-rollup reconcile"."""
        self.settled = True
        self.counters()
        if self.wrong:
            raise AssertionError("after reconciling\n" + "\n".join(self.wrong))
        return self

    def summary(self) -> str:
        by = Counter(e["status"] for e in self.events)
        return (f"{len(self.calls)} calls, {len(self.served)} served upstream, "
                f"{len(self.events)} events ("
                + ", ".join(f"{n} {s}" for s, n in sorted(by.items())) + ")")
