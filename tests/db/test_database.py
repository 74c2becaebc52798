"""The schema against a private PostgreSQL: privileges, identity, drain,
counters, statements, retention."""

import itertools
import os
import shutil
import sys
import tempfile
import threading
import time
import unittest
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from pg import APPLY, Error, Server  # noqa: E402

P1, P2 = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
SCHEMA = os.path.join(HERE, "..", "..", "sql", "schema")
T0 = 1767225600000              # 2026-01-01 00:00:00 UTC, in ms
SERVER: Server
COUNT = itertools.count()


def setUpModule() -> None:
    global SERVER
    SERVER = Server()
    SERVER.run("CREATE DATABASE base")
    p = SERVER.migrate("base")
    if p.returncode != 0:
        raise RuntimeError(p.stderr)
    SERVER.run(f"""
        INSERT INTO watchllm.project (id, name, plan_id)
            VALUES ('{P1}', 'one', 'pro'), ('{P2}', 'two', 'free');
        INSERT INTO watchllm.api_key (project_id, id, hash, prefix, kind)
            VALUES ('{P1}', 'k1', sha256('one'), 'aaaaaa', 'proj'),
            ('{P2}', 'k2', sha256('two'), 'bbbbbb', 'proj');
        INSERT INTO watchllm.provider_key (project_id, provider, key_id,
            nonce, ciphertext, host) SELECT p, 'openai', 'm1',
            decode(repeat('00', 24), 'hex'), decode(repeat('00', 20), 'hex'),
            'api.openai.com:443' FROM unnest(ARRAY['{P1}', '{P2}']) p;
        CREATE ROLE t_app LOGIN IN ROLE watchllm_app;
        CREATE ROLE t_drain LOGIN IN ROLE watchllm_drain;
        CREATE ROLE t_rollup LOGIN IN ROLE watchllm_rollup;
        CREATE ROLE t_report LOGIN IN ROLE watchllm_report;
        """, db="base")


def tearDownModule() -> None:
    SERVER.stop()


class Case(unittest.TestCase):
    """Each test has a database of its own, copied from one template."""

    def setUp(self) -> None:
        self.db = f"t{next(COUNT)}"
        SERVER.run(f"CREATE DATABASE {self.db} TEMPLATE base")
        self.addCleanup(SERVER.run,
                        f"DROP DATABASE IF EXISTS {self.db} WITH (FORCE)")

    def sql(self, text: str, user: str = "postgres") -> list[list[str]]:
        return SERVER.run(text, db=self.db, user=user)

    def one(self, text: str, user: str = "postgres") -> str:
        return SERVER.one(text, db=self.db, user=user)

    def refused(self, text: str, user: str, code: str = "42501") -> None:
        with self.assertRaises(Error) as c:
            self.sql(text, user)
        self.assertIn(code, str(c.exception))


class Migration(Case):
    def test_second_run_does_nothing(self) -> None:
        p = SERVER.migrate(self.db)
        self.assertEqual((p.returncode, p.stdout), (0, ""), p.stderr)

    def test_changed_file_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as d:
            shutil.copytree(SCHEMA, d, dirs_exist_ok=True)
            with open(os.path.join(d, "0001_base.sql"), "a") as f:
                f.write("-- changed\n")
            p = SERVER.migrate(self.db, folder=d)
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("another content", p.stderr)

    def test_failing_file_leaves_nothing(self) -> None:
        with tempfile.TemporaryDirectory() as d:
            with open(os.path.join(d, "9000_bad.sql"), "w") as f:
                f.write("CREATE TABLE watchllm.halfway (a int);\n"
                        "SELECT 1/0;\n")
            p = SERVER.migrate(self.db, folder=d)
        self.assertNotEqual(p.returncode, 0)
        self.assertEqual(self.one(
            "SELECT count(*) FROM pg_class WHERE relname = 'halfway'"), "0")
        self.assertEqual(self.one("SELECT count(*) FROM"
                                  " watchllm.schema_migration"
                                  " WHERE version = 9000"), "0")

    def test_everything_has_a_comment(self) -> None:
        bare = self.sql("""
            SELECT c.relname, coalesce(a.attname, '')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                AND NOT a.attisdropped
            WHERE n.nspname IN ('watchllm', 'report')
                AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
                AND (obj_description(c.oid, 'pg_class') IS NULL
                    OR col_description(c.oid, a.attnum) IS NULL)
            UNION ALL
            SELECT p.proname, '' FROM pg_proc p
            JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = 'watchllm'
                AND obj_description(p.oid, 'pg_proc') IS NULL""")
        self.assertEqual(bare, [])

    def test_one_user_without_createrole(self) -> None:
        with Server() as s:
            s.run("CREATE ROLE single LOGIN; CREATE DATABASE d OWNER single")
            p = s.migrate("d", "single")
            self.assertEqual(p.returncode, 0, p.stderr)
            s.run(f"INSERT INTO watchllm.project (id, name)"
                  f" VALUES ('{P1}', 'x')", db="d", user="single")
            v = s.one(f"SELECT version FROM watchllm.project_version('{P1}')",
                      db="d", user="single")
            r = s.run(f"SELECT decision FROM watchllm.admit('{P1}', {v}, {T0},"
                      " gen_random_uuid(), '{\"\"}', '{minute}', '{5}',"
                      " '{1}')", db="d", user="single")
            self.assertEqual(r, [["ok"]])
            e = uuid.uuid4()
            r = s.run(drain([ingest(e)]), db="d", user="single")
            self.assertEqual(r[-1][3], "1")
            self.assertEqual(s.one("SELECT count(*) FROM report.events",
                                   db="d", user="single"), "1")
            # roles that come later are served by a second run
            s.run("CREATE ROLE watchllm_app; CREATE ROLE l LOGIN IN ROLE"
                  " watchllm_app")
            s.run("SELECT watchllm.apply_privileges()", db="d",
                  user="single")
            self.assertEqual(s.one("SELECT count(*) FROM watchllm.project",
                                   db="d", user="l"), "0")


class Access(Case):
    TENANT = "SELECT name FROM watchllm.tenant_list()"

    def test_policies_are_forced(self) -> None:
        self.assertEqual(self.sql(f"""
            SELECT relname FROM pg_class WHERE relname IN ({self.TENANT})
                AND relnamespace = 'watchllm'::regnamespace
                AND NOT (relrowsecurity AND relforcerowsecurity)"""), [])
        self.assertGreater(len(self.sql(self.TENANT)), 20)

    def test_app_sees_only_its_project(self) -> None:
        for table in ("project", "api_key", "provider_key"):
            count = f"SELECT count(*) FROM watchllm.{table}"
            self.assertEqual(self.one(count, "t_app"), "0")
            rows = self.sql(f"""BEGIN;
                SELECT set_config('watchllm.project_id', '{P1}', true);
                {count}; COMMIT; {count};""", "t_app")
            self.assertEqual(rows, [[P1], ["1"], ["0"]])

    def test_privileges_of_app(self) -> None:
        setp = (f"SELECT set_config('watchllm.project_id', '{P1}', false);")
        for text in (
                "UPDATE watchllm.audit_log SET actor = 'x'",
                "DELETE FROM watchllm.audit_log",
                "DELETE FROM watchllm.event",
                "UPDATE watchllm.event SET status = 'success'",
                "DELETE FROM watchllm.ledger",
                "UPDATE watchllm.ledger SET month_counted = false",
                "UPDATE watchllm.usage_month SET counted = 0",
                "UPDATE watchllm.api_key SET scopes = '{admin}'",
                "SELECT count(*) FROM watchllm.counter",
                "SELECT count(*) FROM watchllm.dead_letter",
                "SELECT count(*) FROM watchllm.event_standard",
                "SELECT count(*) FROM report.calls",
                f"SELECT watchllm.usage_set('{P1}', 0, 0)",
                "SELECT watchllm.apply_privileges()"):
            with self.subTest(text):
                self.refused(setp + text, "t_app")
        self.refused(setp + "INSERT INTO watchllm.audit_log (actor,"
                     f" project_id, action, target) VALUES ('x', '{P2}', 'a',"
                     " 'b')", "t_app")

    def test_privileges_of_the_others(self) -> None:
        for user, text in (
                ("t_drain", "SELECT count(*) FROM watchllm.provider_key"),
                ("t_drain", "SELECT count(*) FROM watchllm.api_key"),
                ("t_drain", "DELETE FROM watchllm.event"),
                ("t_rollup", "SELECT count(*) FROM watchllm.event"),
                ("t_rollup", "SELECT count(*) FROM watchllm.provider_key"),
                ("t_rollup", "UPDATE watchllm.ledger SET state = 'open'"),
                ("t_report", "SELECT count(*) FROM watchllm.project"),
                ("t_report", "SELECT watchllm.auth_key('')")):
            with self.subTest(text):
                self.refused(text, user)

    def test_report_reads_every_view(self) -> None:
        views = self.sql("SELECT viewname FROM pg_views"
                         " WHERE schemaname = 'report'")
        self.assertGreater(len(views), 10)
        for (v,) in views:
            self.sql(f"SELECT * FROM report.{v}", "t_report")

    def test_definers_pin_their_path(self) -> None:
        self.assertEqual(self.sql("""
            SELECT proname FROM pg_proc WHERE prosecdef
                AND pronamespace = 'watchllm'::regnamespace
                AND NOT 'search_path=pg_catalog, pg_temp'
                    = ANY (coalesce(proconfig, '{}'))"""), [])

    def test_auth_key(self) -> None:
        r = self.sql("SELECT project_id, key_id, plan_id, requests_per_minute,"
                     " revoked, expired, disabled, scopes FROM"
                     " watchllm.auth_key(sha256('one'))", "t_app")
        self.assertEqual(r, [[P1, "k1", "pro", "200", "f", "f", "f",
                              "gateway,ingest,read"]])
        self.assertEqual(self.sql("SELECT * FROM"
                                  " watchllm.auth_key(sha256('no'))",
                                  "t_app"), [])

    def test_versions(self) -> None:
        def version(p: str) -> int:
            return int(self.one("SELECT version FROM"
                                f" watchllm.project_version('{p}')", "t_app"))
        for text, one, two in (
                (f"UPDATE watchllm.project SET name = 'n' WHERE id = '{P1}'",
                 True, False),
                (f"UPDATE watchllm.project SET name = name WHERE id = '{P1}'",
                 False, False),
                ("UPDATE watchllm.api_key SET revoked_at = now()"
                 " WHERE id = 'k1'", True, False),
                ("UPDATE watchllm.plan SET requests_per_minute = 11"
                 " WHERE id = 'free'", False, True),
                (f"DELETE FROM watchllm.provider_key WHERE"
                 f" project_id = '{P2}'", False, True)):
            a, b = version(P1), version(P2)
            self.sql(text)
            self.assertEqual((version(P1) > a, version(P2) > b), (one, two),
                             text)

    def test_audit_chain(self) -> None:
        self.sql(f"""BEGIN; SELECT set_config('watchllm.actor', 'ann', true);
            UPDATE watchllm.project SET name = 'n' WHERE id = '{P1}'; COMMIT;
            UPDATE watchllm.provider_key SET name = 'y'""")
        self.assertEqual(self.sql(
            "SELECT actor, action, before ->> 'name', after ->> 'name' FROM"
            " watchllm.audit_log WHERE action = 'project.update'"),
            [["ann", "project.update", "one", "n"]])
        self.assertEqual(self.one("SELECT count(*) FROM watchllm.audit_log"
                                  " WHERE after ? 'ciphertext'"
                                  " OR after ? 'hash'"), "0")
        self.assertEqual(self.sql("SELECT watchllm.audit_verify()"), [])
        self.refused("DELETE FROM watchllm.audit_log", "postgres")
        self.sql("ALTER TABLE watchllm.audit_log DISABLE TRIGGER ALL;"
                 "UPDATE watchllm.audit_log SET actor = 'bob' WHERE id = 2")
        self.assertEqual(self.one("SELECT watchllm.audit_verify()"), "2")


class Price(Case):
    def test_price_at(self) -> None:
        self.sql("""INSERT INTO watchllm.price (provider, model,
            effective_from, input_nano, source) VALUES
            ('x', 'm', '2025-01-01Z', 1, 's'),
            ('x', 'm', '2025-06-01Z', 2, 's'),
            ('x', 'm-2024-08-06', '2025-03-01Z', 3, 's')""")
        for model, at, want in (
                ("m", "2025-05-31", "1"), ("m", "2025-06-01", "2"),
                ("m", "2024-12-31", None), ("m-2024-08-06", "2025-07-01", "3"),
                ("m-2024-08-06", "2025-02-01", "1"),
                ("m-20241022", "2025-07-01", "2"),
                ("m@20241022", "2025-07-01", "2"), ("m-1", "2025-07-01", None)):
            r = self.sql("SELECT input_nano FROM watchllm.price_at('x',"
                         f" '{model}', '{at}Z')", "t_app")
            self.assertEqual(r, [[want]] if want else [], (model, at))


def row(**col: object) -> dict[str, object]:
    return col


def ingest(e: uuid.UUID, project: str = P1, ts: str = "2026-01-10 12:00Z",
           **more: object) -> dict[str, object]:
    return row(kind="I", project_id=project, event_id=e, ts=ts,
               received_at=ts, type="prompt_call", source="events",
               status="success", retention_class="long", **more)


def begin(e: uuid.UUID, at: str = "2026-01-10 12:00Z",
          **more: object) -> dict[str, object]:
    return row(kind="B", project_id=P1, event_id=e, admitted_at=at, ts=at,
               process="p1", generation="g1", api_key_id="k1",
               retention_class="long", model="gpt-4o", provider="openai",
               reserved_nano=500, tokens_uncached=7, **more)


def end(e: uuid.UUID, at: str = "2026-01-10 12:00Z",
        **more: object) -> dict[str, object]:
    r = row(kind="E", project_id=P1, event_id=e, admitted_at=at, ts=at,
            received_at=at, process="p1", generation="g1", api_key_id="k1",
            retention_class="long", model="gpt-4o", provider="openai",
            type="prompt_call", source="gateway", status="success",
            tokens_uncached=10, tokens_output=5, cost_nano=1000,
            usage_source="provider", cost_source="price", latency_ms=120,
            input="in", output="out", minute_counted="true",
            month_counted="true")
    r.update(more)
    return r


def drain(rows: list[dict[str, object]], host: str = "h1",
          now: str = "2026-01-11 00:00Z", end_with: str = "COMMIT") -> str:
    out = ["BEGIN;", "SELECT 1 FROM watchllm.drain_open() \\g /dev/null"]
    for n, r in enumerate(rows):
        cols = ", ".join(["n", *r])
        vals = ", ".join([str(n)] + [f"'{v}'" for v in r.values()])
        out.append(f"INSERT INTO pg_temp.stage ({cols}) VALUES ({vals});")
    out.append(f"SELECT * FROM watchllm.drain_run('{host}', '{now}');")
    return "\n".join(out) + f"\n{end_with};\n"


class Drain(Case):
    TOTALS = """SELECT
        (SELECT count(*) FROM watchllm.event),
        (SELECT count(*) FROM watchllm.event_payload),
        (SELECT string_agg(state || minute_counted || month_counted, ','
            ORDER BY event_id) FROM watchllm.ledger),
        (SELECT string_agg(project_id || ' ' || month || ' ' || admitted
            || ' ' || counted || ' ' || tokens || ' ' || cost_nano, ','
            ORDER BY project_id, month) FROM watchllm.usage_month),
        (SELECT string_agg(api_key_id || admitted || ' ' || counted, ',')
            FROM watchllm.usage_key_month),
        (SELECT sum(events) || ' ' || sum(requests) || ' ' || sum(counted)
            || ' ' || sum(errors) || ' ' || sum(cost_nano) || ' '
            || sum(tokens_uncached) || ' ' || sum(tokens_output) || ' '
            || sum(latency_ms) || ' ' || sum(latency_n)
            FROM watchllm.rollup_hour),
        (SELECT sum(events) || ' ' || sum(requests) || ' ' || sum(cost_nano)
            FROM watchllm.rollup_day),
        (SELECT sum(n) FROM watchllm.rollup_hour_latency),
        (SELECT sum(events) FROM watchllm.partition_count)"""

    def drain(self, rows: list[dict[str, object]], **kw: str) -> list[str]:
        return self.sql(drain(rows, **kw), "t_drain")[-1]

    def totals(self) -> list[list[str]]:
        return self.sql(self.TOTALS)

    def test_one_call(self) -> None:
        e = uuid.uuid4()
        self.assertEqual(self.drain([begin(e)])[1:4], ["1", "0", "0"])
        self.assertEqual(self.one("SELECT state FROM watchllm.ledger"), "open")
        self.assertEqual(self.drain([end(e)])[1:4], ["0", "1", "1"])
        self.assertEqual(self.totals(), [[
            "1", "1", "settledtruetrue", f"{P1} 2026-01-01 1 1 15 1000",
            "k11 1", "1 1 1 0 1000 10 5 120 1", "1 1 1000", "1", "1"]])
        self.assertEqual(self.sql(
            "SELECT call_id, cost_usd, input_tokens, output_tokens, model,"
            " project FROM report.calls", "t_report"),
            [[str(e), "0.000001000", "10", "5", "gpt-4o", "one"]])
        self.assertEqual(self.sql(
            f"SELECT set_config('watchllm.project_id', '{P2}', false);"
            "SELECT count(*) FROM watchllm.event", "t_app")[1], ["0"])

    def test_any_order_gives_the_same(self) -> None:
        a, b, c = (uuid.UUID(int=n) for n in (1, 2, 3))
        rec = [begin(a), end(a), begin(b),
               end(b, month_counted="false", status="error", cost_nano="0"),
               ingest(c)]
        want = None
        for k, order in enumerate(
                list(itertools.permutations(range(5)))[::19]):
            for size in ((1, 2, 5)[k % 3],):
                db, self.db = self.db, f"t{next(COUNT)}"
                SERVER.run(f"CREATE DATABASE {self.db} TEMPLATE base")
                for i in range(0, 5, size):
                    self.drain([rec[j] for j in order[i:i + size]])
                got = self.totals()
                SERVER.run(f"DROP DATABASE {self.db} WITH (FORCE)")
                self.db = db
                if want is None:
                    want = got
                    self.assertEqual(got[0][3],
                                     f"{P1} 2026-01-01 2 1 30 1000")
                self.assertEqual(got, want, (order, size))

    def test_three_sends_change_nothing(self) -> None:
        a, b, c = (uuid.UUID(int=n) for n in (1, 2, 3))
        batch = [begin(a), end(a), begin(b), ingest(c), ingest(c),
                 ingest(a), ingest(c, project=P2)]
        first = self.drain(batch)
        self.assertEqual(first[1:6], ["2", "1", "3", "2", "0"])
        want = self.totals()
        for now in ("2026-01-11 00:00Z", "2026-02-03 00:00Z"):
            again = self.drain(batch, host="h2", now=now)
            self.assertEqual(again[1:4], ["0", "0", "0"])
            self.assertEqual(self.totals(), want)
        late = ingest(c)
        late["ts"] = "2026-01-25 00:00Z"
        self.drain([late], now="2026-02-03 00:00Z")
        self.assertEqual(self.totals(), want)
        self.assertEqual(self.one("SELECT sum(n) FROM watchllm.loss_ledger"
                                  " WHERE outcome = 'duplicate'"), "13")

    def test_rollback_leaves_nothing(self) -> None:
        before = self.totals()
        e = uuid.uuid4()
        self.sql(drain([begin(e), end(e)], end_with="ROLLBACK"), "t_drain")
        self.assertEqual(self.totals(), before)
        self.assertEqual(self.drain([begin(e), end(e)])[3], "1")

    def test_lost(self) -> None:
        a, b = uuid.UUID(int=1), uuid.UUID(int=2)
        self.drain([begin(a, tags='{x,"y z"}'), begin(b), end(b)])
        lost = ("BEGIN; SELECT watchllm.drain_lost('h1', '{}', 1000,"
                " '2026-01-11Z'); COMMIT;")
        self.assertEqual(self.sql(lost.format("p2"), "t_drain"), [["0"]])
        for want in ("1", "0"):
            self.assertEqual(self.sql(lost.format("p1"), "t_drain"), [[want]])
        self.assertEqual(self.sql(
            "SELECT status, usage_source, cost_source, cost_nano, model,"
            " tags, flags FROM watchllm.event WHERE status = 'lost'"),
            [["lost", "estimated", "estimate", "500", "gpt-4o", '{x,"y z"}',
              "{lost}"]])
        self.assertEqual(self.sql("SELECT admitted, counted, tokens, cost_nano"
                                  " FROM watchllm.usage_month"),
                         [["2", "2", "22", "1500"]])
        want = self.totals()
        self.drain([end(a)])
        self.assertEqual(self.totals(), want)
        self.assertEqual(self.one("SELECT n FROM watchllm.loss_ledger WHERE"
                                  " outcome = 'end_after_lost'"), "1")

    def test_older_than_kept_is_counted_not_stored(self) -> None:
        e = ingest(uuid.uuid4())
        e["retention_class"] = "short"
        got = self.drain([e], now="2026-01-25 00:00Z")
        self.assertEqual((got[3], got[5]), ("0", "1"))
        self.assertEqual(self.one("SELECT sum(events) FROM"
                                  " watchllm.rollup_day"), "1")

    def test_linked_usage_is_not_added(self) -> None:
        self.drain([ingest(uuid.uuid4(), usage_counted="false",
                           tokens_output=9, cost_nano=9,
                           cost_source="gateway")])
        self.assertEqual(self.sql("SELECT events, tokens_output, cost_nano,"
                                  " unpriced FROM watchllm.rollup_day"),
                         [["1", "0", "0", "0"]])

    def test_bad_records_are_refused(self) -> None:
        for bad in (ingest(uuid.uuid4(), tokens_output=-1),
                    {**ingest(uuid.uuid4()), "type": "nonsense"},
                    {**ingest(uuid.uuid4()), "retention_class": "none"},
                    {**end(uuid.uuid4()), "admitted_at": "2020-01-01Z"}):
            with self.assertRaises(Error) as c:
                self.drain([bad])
            self.assertRegex(str(c.exception), "ERROR:  (22|23)")

    def test_mark(self) -> None:
        self.sql("SELECT watchllm.drain_mark('h', 's', 0, 10, false);"
                 "SELECT watchllm.drain_mark('h', 's', 10, 20, true)",
                 "t_drain")
        for args in ("10, 20, true", "0, 5, false", "20, 30, false"):
            self.refused(f"SELECT watchllm.drain_mark('h', 's', {args})",
                         "t_drain", "40001")

    def test_bury_once(self) -> None:
        for _ in range(2):
            self.sql(f"SELECT watchllm.bury('h', 's', 5, 'I', '{P1}',"
                     " 'events', '\\x00', '23514', 'why')", "t_drain")
        self.assertEqual(self.sql("SELECT reason, bytes FROM"
                                  " report.dead_letters"), [["why", "1"]])
        self.assertEqual(self.one("SELECT n FROM report.losses"), "1")

    def test_two_hosts_at_once(self) -> None:
        ids = [uuid.uuid4() for _ in range(40)]
        errors: list[Exception] = []

        def work(host: str) -> None:
            try:
                order = ids if host == "h0" else ids[::-1]
                for i in range(0, 40, 10):
                    self.drain([ingest(e) for e in order[i:i + 10]],
                               host=host)
            except Exception as x:
                errors.append(x)
        run_all([lambda h=f"h{i}": work(h) for i in range(4)])
        self.assertEqual(errors, [])
        self.assertEqual(self.one("SELECT count(*) FROM watchllm.event"), "40")
        self.assertEqual(self.one("SELECT sum(events) FROM"
                                  " watchllm.rollup_day"), "40")


def run_all(work: list) -> None:
    threads = [threading.Thread(target=w) for w in work]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)


class Claim(Case):
    def claim(self, ids: list, now: str = "2026-01-11Z") -> str:
        u = ",".join(f"'{e}'" for e in ids)
        p = ",".join(f"'{P1}'" for _ in ids)
        return (f"SELECT count(*) FROM watchllm.claim_events(ARRAY[{p}],"
                f" ARRAY[{u}]::uuid[], '{now}')")

    def test_thirty_days(self) -> None:
        e = [uuid.uuid4()]
        self.assertEqual(self.one(self.claim(e), "t_drain"), "1")
        for now in ("2026-01-11Z", "2026-01-12Z", "2026-01-19Z",
                    "2026-02-10 00:00Z"):
            self.assertEqual(self.one(self.claim(e, now), "t_drain"), "0")

    def test_dropped_by_partition(self) -> None:
        e = [uuid.uuid4()]
        self.one(self.claim(e), "t_drain")
        last = self.one("SELECT max(upper) FROM watchllm.partition_list()"
                        " WHERE parent = 'event_seen'")
        for days, n in ((29, 1), (30, 0)):
            self.sql("SELECT * FROM watchllm.drop_partitions("
                     f"'{last} 00:00Z'::timestamptz + interval '{days} days')",
                     "t_rollup")
            self.assertEqual(self.one("SELECT count(*) FROM"
                                      " watchllm.event_seen"), str(n))
        self.assertEqual(self.one(self.claim(e, "2026-04-01Z"), "t_drain"),
                         "1")

    def overlap(self, first: str, second: str, end_with: str) -> str:
        e = [uuid.uuid4()]
        a = SERVER.session(self.db, "t_drain")
        b = SERVER.session(self.db, "t_drain")
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        a.run("BEGIN")
        self.assertEqual(a.run(self.claim(e, first)), ["1"])
        mark = b.send(self.claim(e, second))
        time.sleep(0.3)
        self.assertFalse(b.done(mark), "did not wait")
        a.run(end_with)
        return b.wait(mark)[0]

    def test_second_waits_for_the_first(self) -> None:
        self.assertEqual(self.overlap("2026-01-11Z", "2026-01-11Z", "COMMIT"),
                         "0")
        self.assertEqual(self.overlap("2026-01-11Z", "2026-01-11Z",
                                      "ROLLBACK"), "1")

    def test_seam_between_partitions(self) -> None:
        edge = self.one("SELECT watchllm.seen_bucket('2026-01-11Z') + 8")
        before = self.one(f"SELECT '{edge} 00:00Z'::timestamptz"
                          " - interval '1 second'")
        self.assertEqual(self.overlap(before, f"{edge} 00:00Z", "COMMIT"),
                         "0")
        self.assertEqual(self.overlap(before, f"{edge} 00:00Z", "ROLLBACK"),
                         "1")

    def test_many_sessions(self) -> None:
        ids = [uuid.uuid4() for _ in range(300)]
        won: list[int] = []

        def work(k: int) -> None:
            mine = ids[k * 7:] + ids[:k * 7]
            won.append(int(self.one(self.claim(mine), "t_drain")))
        run_all([lambda k=k: work(k) for k in range(16)])
        self.assertEqual((len(won), sum(won)), (16, 300))

    def test_other_isolation_is_refused(self) -> None:
        self.refused("BEGIN ISOLATION LEVEL REPEATABLE READ;"
                     + self.claim([uuid.uuid4()]), "t_drain", "P0001")


class Admit(Case):
    def setUp(self) -> None:
        super().setUp()
        self.version = self.one("SELECT version FROM"
                                f" watchllm.project_version('{P1}')")

    def admit(self, items: list[tuple], now: int = T0, event: object = None,
              version: str = "", dry: bool = False,
              lease: int = 0) -> list[list[str]]:
        arrays = []
        for i, t in ((0, "text"), (1, "text"), (2, "bigint"), (3, "bigint")):
            vals = ", ".join("NULL" if x[i] is None else f"'{x[i]}'"
                             for x in items)
            arrays.append(f"ARRAY[{vals}]::{t}[]")
        return self.sql(
            "SELECT decision, ok, used, remaining, reset_at, retry_ms,"
            f" generation FROM watchllm.admit('{P1}',"
            f" {version or self.version}, {now},"
            f" '{event or uuid.uuid4()}', {', '.join(arrays)}, {lease},"
            f" {dry})", "t_app")

    def test_fixed(self) -> None:
        two = [("", "minute", 2, 1), ("", "month", 10, 1)]
        r = self.admit(two, T0 + 1500)
        self.assertEqual([x[:6] for x in r], [
            ["ok", "t", "1", "1", str(T0 // 1000 + 60), "0"],
            ["ok", "t", "1", "9", "1769904000", "0"]])
        self.admit(two, T0 + 2000)
        r = self.admit(two, T0 + 3000)
        self.assertEqual([x[:6] for x in r], [
            ["refused", "f", "2", "0", str(T0 // 1000 + 60), "57000"],
            ["refused", "t", "2", "8", "1769904000", "0"]])
        self.assertEqual(self.admit(two, T0 + 60000)[0][:3], ["ok", "t", "1"])

    def test_all_or_nothing(self) -> None:
        self.admit([("", "minute", 5, 1), ("key:k1", "minute", 0, 1),
                    ("", "concurrent", 5, 1), ("", "sliding", 5, 1)])
        r = self.admit([("", "minute", 5, 1), ("", "concurrent", 5, 1),
                        ("", "sliding", 5, 1)], dry=True)
        self.assertEqual([x[2] for x in r], ["0", "0", "0"])

    def test_sliding(self) -> None:
        one = [("", "sliding", 2, 1)]
        for at, want in ((0, "ok"), (30000, "ok"), (59999, "refused"),
                         (60000, "ok"), (89999, "refused"), (90000, "ok")):
            r = self.admit(one, T0 + at)[0]
            self.assertEqual(r[0], want, at)
        r = self.admit(one, T0 + 91000)[0]
        # the call of 60000 leaves at 120000
        self.assertEqual(r[4:6], [str(T0 // 1000 + 120), "29000"])

    def test_lease(self) -> None:
        one = [("", "concurrent", 1, 1)]
        e = uuid.uuid4()
        gen = self.admit(one, event=e, lease=5000)[0][6]
        self.assertEqual(self.admit(one, lease=5000)[0][0], "refused")
        self.sql(f"SELECT watchllm.settle('{P1}', {T0}, '{e}', '{gen}',"
                 " '{}', '{}', '{}', '{}')", "t_app")
        self.assertEqual(self.admit(one, lease=5000)[0][0], "ok")
        self.assertEqual(self.admit(one, T0 + 4999, lease=5000)[0][0],
                         "refused")
        self.assertEqual(self.admit(one, T0 + 5000, lease=5000)[0][0], "ok")

    def test_stale(self) -> None:
        r = self.admit([("", "minute", 5, 1)], version="1")
        self.assertEqual(r[0][:2], ["stale", "f"])
        self.assertEqual(self.admit([("", "minute", 5, 1)],
                                    dry=True)[0][2], "0")

    def test_settle(self) -> None:
        items = [("", "minute", 5, 1), ("", "month", 5, 1),
                 ("", "sliding", 5, 1), ("", "tokens", 100, 60)]
        e = uuid.uuid4()
        gen = self.admit(items, event=e)[0][6]
        settle = (f"SELECT watchllm.settle('{P1}', {T0}, '{e}', '{{}}',"
                  " '{{\"\",\"\",\"\",\"\"}}', '{{month,sliding,tokens,minute}}',"
                  " '{{NULL,NULL,NULL,1}}', '{{-1,-1,-90,5}}')")
        self.sql(settle.format("redis:0"), "t_app")
        self.assertEqual([x[2] for x in self.admit(items, dry=True)],
                         ["1", "1", "1", "60"])
        self.sql(settle.format(gen), "t_app")
        self.assertEqual([x[2] for x in self.admit(items, dry=True)],
                         ["1", "0", "0", "0"])

    def test_exact_under_concurrency(self) -> None:
        sessions = [SERVER.session(self.db, "t_app") for _ in range(100)]
        try:
            for kind in ("minute", "sliding"):
                for limit in (0, 1, 10, 99):
                    marks = [s.send(
                        "SELECT decision FROM watchllm.admit("
                        f"'{P1}', {self.version}, {T0}, '{uuid.uuid4()}',"
                        f" '{{{kind}{limit}}}', '{{{kind}}}', '{{{limit}}}',"
                        " '{1}')") for s in sessions * 2]
                    got = [s.wait(m)[0] for s, m in zip(sessions * 2, marks)]
                    self.assertEqual(got.count("ok"), limit, (kind, limit))
                    self.assertEqual(got.count("refused"), 200 - limit)
        finally:
            for s in sessions:
                s.close()

    def test_begins_with_the_ledger(self) -> None:
        es = [uuid.UUID(int=n) for n in range(1, 4)]
        self.sql(drain([end(e) for e in es]
                       + [end(uuid.UUID(int=9), month_counted="false")]),
                 "t_drain")
        now = 1768046400000 + 5000          # 2026-01-10 12:00:05 UTC
        r = self.admit([("", "minute", 9, 1), ("", "month", 9, 1),
                        ("key:k1", "month", 9, 1), ("", "sliding", 9, 1)],
                       now)
        self.assertEqual([x[2] for x in r], ["5", "4", "4", "5"])

    def test_generations_add_up(self) -> None:
        """Counters = base + what is drained later under another name."""
        a, b, c, d = (uuid.UUID(int=n) for n in (1, 2, 3, 4))
        self.sql(drain([begin(a)]), "t_drain")
        now = 1768046400000 + 5000
        seed = (f"SELECT generation, used FROM watchllm.counter_begin('{P1}',"
                f" 'redis', {now}) WHERE scope = '' AND kind = 'month'")
        (gen, used), = self.sql(seed, "t_app")
        self.assertEqual(used, "1")
        self.assertEqual(self.sql(seed, "t_app"), [])       # held
        self.sql(drain([begin(b), end(c, month_counted="false"),
                        {**begin(d), "generation": gen}]), "t_drain")
        self.sql(drain([end(a, month_counted="false"), end(b),
                        end(d, generation=gen)]), "t_drain")
        fix = ("SELECT generation, month_n, minute_n FROM"
               " watchllm.drain_fixups('h1')")
        self.assertEqual(self.sql(fix, "t_drain"),
                         [[gen, "1", "2"], [gen, "-1", "0"]])
        # to PostgreSQL and on: nothing is added twice
        month = [("", "month", 99, 1)]
        self.assertEqual(self.admit(month, now, dry=False)[0][2], "3")
        self.assertEqual(self.sql(fix, "t_drain"), [])
        self.sql(drain([begin(uuid.UUID(int=7)),
                        end(uuid.UUID(int=8), month_counted="false")]),
                 "t_drain")
        self.assertEqual(self.admit(month, now, dry=True)[0][2], "4")

    def test_usage_set_lasts(self) -> None:
        self.admit([("", "month", 100, 1)])
        self.assertEqual(self.one(
            f"SELECT watchllm.usage_set('{P1}', {T0}, 99)"), "0")
        self.assertEqual([x[0] for x in (self.admit([("", "month", 100, 1)])
                         + self.admit([("", "month", 100, 1)]))],
                         ["ok", "refused"])
        r = self.sql(f"SELECT used FROM watchllm.counter_begin('{P1}',"
                     f" 'redis', {T0}) WHERE kind = 'month' AND scope = ''",
                     "t_app")
        self.assertEqual(r, [["99"]])

    def test_purge(self) -> None:
        self.admit([("", "minute", 5, 1), ("", "sliding", 5, 1),
                    ("", "concurrent", 5, 1)], lease=1000)
        purge = "SELECT watchllm.counter_purge({})"
        self.assertEqual(self.one(purge.format(T0 + 500), "t_app"), "0")
        self.one(purge.format(T0 + 40 * 86400000 * 2), "t_app")
        self.assertEqual(self.one(
            "SELECT (SELECT count(*) FROM watchllm.counter)"
            " + (SELECT count(*) FROM watchllm.counter_call)"
            " + (SELECT count(*) FROM watchllm.counter_lease)"), "0")


class Maintenance(Case):
    def test_partitions_made_and_dropped(self) -> None:
        today = self.one("SELECT watchllm.utc_day(now())")
        made = self.one(f"SELECT watchllm.make_partitions('{today}',"
                        f" '{today}'::date + 6)", "t_rollup")
        self.assertGreaterEqual(int(made), 7 * 7 + 3)
        self.assertEqual(self.one(
            f"SELECT watchllm.make_partitions('{today}',"
            f" '{today}'::date + 6)", "t_rollup"), "0")
        self.assertEqual(self.sql("SELECT * FROM watchllm.partitions_due()",
                                  "t_rollup"), [])
        due = self.sql("SELECT retention_class, count(*) FROM"
                       f" watchllm.partitions_due('{today} 00:00Z'::timestamptz"
                       " + interval '8 days') WHERE parent LIKE 'event\\_s%'"
                       " AND parent <> 'event_seen' GROUP BY 1", "t_rollup")
        self.assertEqual(due, [["short", "1"]])

    def test_not_before_the_rollup(self) -> None:
        self.sql(drain([ingest(uuid.uuid4())]), "t_drain")
        drop = ("SELECT watchllm.drop_partition('event_long_20260110',"
                " '{}')")
        self.assertEqual(self.one(drop.format("2026-04-10Z"), "t_rollup"),
                         "not_due")
        self.sql("INSERT INTO watchllm.event (retention_class, ts,"
                 " project_id, event_id, received_at, type, source, status)"
                 f" VALUES ('long', '2026-01-10 01:00Z', '{P1}',"
                 " gen_random_uuid(), now(), 'error', 'events', 'error')")
        self.assertEqual(self.one(drop.format("2026-04-11Z"), "t_rollup"),
                         "not_rolled_up")
        self.sql("DELETE FROM watchllm.event WHERE type = 'error'")
        self.assertEqual(self.one(drop.format("2026-04-11Z"), "t_rollup"),
                         "dropped")
        self.assertEqual(self.one("SELECT sum(events) FROM"
                                  " watchllm.rollup_day"), "1")

    def test_ledger_with_open_calls_stays(self) -> None:
        self.sql(drain([begin(uuid.uuid4())]), "t_drain")
        self.assertEqual(self.one(
            "SELECT watchllm.drop_partition('ledger_20260110',"
            " '2026-06-01Z')", "t_rollup"), "open_calls")

    def test_statements(self) -> None:
        self.sql(drain([end(uuid.uuid4())]), "t_drain")
        run = "SELECT * FROM watchllm.statement_run('{}')"
        self.assertEqual(self.sql(run.format("2026-02-02 23:59Z"),
                                  "t_rollup")[0],
                         ["2026-01-01", "provisional", "1"])
        # a late event while provisional changes the statement
        self.sql(drain([end(uuid.uuid4())]), "t_drain")
        self.assertEqual(self.sql(run.format("2026-05-03 00:00Z"),
                                  "t_rollup"),
                         [["2026-01-01", "frozen", "1"],
                          ["2026-02-01", "frozen", "0"],
                          ["2026-03-01", "frozen", "0"],
                          ["2026-04-01", "frozen", "0"],
                          ["2026-05-01", "provisional", "0"]])
        # afterwards it becomes an adjustment, once
        self.sql(drain([end(uuid.uuid4())], now="2026-02-04Z"), "t_drain")
        for _ in range(2):
            self.sql(run.format("2026-03-03 00:00Z"), "t_rollup")
        self.assertEqual(self.sql("SELECT requests, cost_usd, status FROM"
                                  " report.statements"),
                         [["2", "0.000002000", "frozen"]])
        self.assertEqual(self.sql("SELECT requests, cost_usd FROM"
                                  " report.adjustments"),
                         [["1", "0.000001000"]])
        self.assertEqual(self.sql("SELECT * FROM"
                                  " watchllm.ledger_check('2026-01-01')",
                                  "t_rollup"), [])

    def test_new_class(self) -> None:
        self.sql("INSERT INTO watchllm.retention_class (name, days)"
                 " VALUES ('year', 365)")
        e = ingest(uuid.uuid4())
        e["retention_class"] = "year"
        self.assertEqual(self.sql(drain([e]), "t_drain")[-1][3], "1")
        self.assertEqual(self.one("SELECT tableoid::regclass FROM"
                                  " watchllm.event"),
                         "watchllm.event_year_20260110")
        self.refused("DELETE FROM watchllm.retention_class"
                     " WHERE name = 'year'", "postgres", "P0001")


class Latency(Case):
    def test_bucket_is_within_five_percent(self) -> None:
        self.assertEqual(self.one("""
            SELECT count(*) FROM generate_series(8, 100000, 13) ms
            WHERE abs(power(1.1::numeric, watchllm.latency_bucket(ms) + 0.5)
                - ms) > 0.05 * ms + 0.1"""), "0")


if __name__ == "__main__":
    assert os.path.exists(APPLY)
    unittest.main()
