"""The operator's command line against real stores: every command, wrong use,
that changes reach the gate at once, and that no secret is ever printed."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
import unittest
import uuid
from datetime import datetime, timezone
from pathlib import Path

from stack import PREFIX, Stack, Stores, ids, wait_for

S: Stores
SECRETS: list[str] = []         # no command may ever print them
PRINTED: list[tuple] = []
COMMANDS = ["migrate", "project", "key", "plan", "usage", "provider", "route",
            "provider-key", "audit", "dead-letter"]
KEY = re.compile(r"lgw_(?:proj|test)_[0-9A-Za-z]{38}")


def setUpModule() -> None:
    global S
    S = Stores()
    try:
        S.start()
        note_masters()
    except BaseException:
        S.stop()
        raise


def tearDownModule() -> None:
    S.stop()


def note_masters() -> None:
    """The master keys that are in the file now are secrets."""
    SECRETS.extend(x.split()[1] for x in (S.dir / "master.key").read_text().splitlines() if x)


def run(*args: str, **kw) -> subprocess.CompletedProcess:
    r = S.cli(*args, check=False, **kw)
    PRINTED.append((args, r.stdout + r.stderr))
    return r


def new_provider_key() -> str:
    key = "sk-" + uuid.uuid4().hex + "tail"
    SECRETS.append(key)
    return key


def redis_version(project: str) -> str:
    return S.redis("HGET", f"project:{project}", "version")


def version(project: str) -> str:
    return S.sql(f"SELECT version FROM watchllm.project WHERE id = '{project}'")[0][0]


class Case(unittest.TestCase):
    maxDiff = None

    def ok(self, *args: str, **kw) -> str:
        r = run(*args, **kw)
        self.assertEqual((r.returncode, r.stderr), (0, ""), args)
        return r.stdout

    def json(self, *args: str, **kw):
        return json.loads(self.ok(*args, "--json", **kw))

    def fails(self, *args: str, says: str = "", **kw) -> str:
        """Exit status 1, one line on standard error, nothing else."""
        r = run(*args, **kw)
        self.assertEqual((r.returncode, r.stdout), (1, ""), (args, r.stderr))
        self.assertRegex(r.stderr, r"\Awatchllm: [^\n]+\n\Z")
        self.assertIn(says, r.stderr)
        self.assertNotIn("Internal error", r.stderr)
        return r.stderr

    def misuse(self, *args: str, says: str = "") -> None:
        """Exit status 2, the mistake and the command's own help."""
        r = run(*args)
        self.assertEqual((r.returncode, r.stdout), (2, ""), (args, r.stderr))
        self.assertIn(says, r.stderr)
        self.assertIn(f"Usage: watchllm {args[0]} ", r.stderr)

    def project(self, *args: str) -> str:
        return self.json("project", "create", "Test", *args)["id"]

    def told(self, project: str, before: str) -> str:
        """The project has another version than BEFORE, and workers know."""
        now = version(project)
        self.assertNotEqual(now, before)
        self.assertEqual(redis_version(project), now)
        return now


class Use(Case):
    def test_help(self) -> None:
        listed = self.ok("help")
        for c in COMMANDS:
            self.assertRegex(listed, rf"(?m)^  {c} +\S")
            text = self.ok("help", c)
            self.assertTrue(text.startswith(f"Usage: watchllm {c}"), c)
            self.assertEqual(self.ok(c, "--help"), text)
            for line in text.splitlines():
                self.assertLessEqual(len(line), 80, line)
        self.assertEqual(self.ok("key", "list", "x", "--help"), self.ok("help", "key"))
        self.assertRegex(self.ok("--version"), r"\Awatchllm \d")
        self.assertIn("COMMAND", self.ok("--help"))

    def test_misuse(self) -> None:
        for args in [(), ("--foo",), ("foo",), ("help", "foo")]:
            r = run(*args)
            self.assertEqual((r.returncode, r.stdout), (2, ""), args)
            self.assertIn("watchllm", r.stderr)
        self.misuse("project", says="project what?")
        self.misuse("project", "eat", says="eat: no such command")
        self.misuse("project", "create", says="missing")
        self.misuse("project", "create", "a", "b", says="too many")
        self.misuse("project", "create", "a", "--colour", "red", says="--colour")
        self.misuse("project", "create", "a", "--plan", says="--plan takes a value")
        self.misuse("project", "create", "a", "--plan", "", says="--plan")
        self.misuse("project", "set", "a", "--enable=yes", says="--enable takes no value")
        self.misuse("project", "set", "a", "--enable", "--disable", says="exclude")
        self.misuse("project", "list", "-n", says="-n")
        self.misuse("project", "list", "--limit", "0", says="from 1 to")
        self.misuse("project", "list", "--limit", "1e3", says="number")
        self.misuse("key", "create", "p", "--rpm", "-1", says="--rpm -1")
        self.misuse("key", "create", "p", "--month", "9" * 30, says="--month")
        self.misuse("key", "create", "p", "--expires", "soon", says="--expires")
        self.misuse("key", "create", "p", "--expires", "2001-01-01T00:00:00Z", says="past")
        self.misuse("key", "rotate", "p", "--grace", "-3", says="--grace")
        self.misuse("key", "rotate", "p", "--grace", "800d", says="a year")
        self.misuse("plan", "set", "free", "--window", "round", says="fixed|sliding")
        self.misuse("plan", "set", "free", "--rpm", "none", says="--rpm none")
        self.misuse("plan", "set", "free", "--concurrent", "many", says="or none")
        self.misuse("plan", "set", "free", "--price-usd", "-1", says="--price-usd")
        self.misuse("plan", "set", "free", "--cache-hits-free", "yes", says="on|off")
        self.misuse("usage", "add", "p", "0", says="N 0")
        self.misuse("usage", "set", "p", says="--minute or --month")
        self.misuse("usage", "set", "p", "--minute", "100001", says="--minute")
        self.misuse("provider", "set", "x", "--auth", "magic", says="bearer")
        self.misuse("provider", "set", "x", "--private", "--public", says="exclude")
        self.misuse("route", "set", "gpt-", says="missing")
        self.misuse("provider-key", "set", "p", "openai", "--priority", "4", says="from 1 to 3")
        self.misuse("dead-letter", "drop", "x", says="ID x")
        self.misuse("audit", "list", "--limit", "99999", says="--limit")

    def test_order_of_arguments(self) -> None:
        """Options stand anywhere, "--" ends them."""
        a = json.loads(self.ok("--json", "project", "create", "--plan=pro", "Before"))
        b = json.loads(self.ok("project", "create", "After", "--json", "--plan", "pro"))
        c = json.loads(self.ok("project", "create", "--json", "--", "--plan"))
        self.assertEqual([a["name"], a["plan"]], ["Before", "pro"])
        self.assertEqual([b["name"], b["plan"]], ["After", "pro"])
        self.assertEqual([c["name"], c["plan"]], ["--plan", "free"])

    def test_configuration(self) -> None:
        r = subprocess.run([str(PREFIX / "bin/watchllm"), "--config", "/nowhere", "plan", "list"],
                           capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("/nowhere", r.stderr)
        away = S.write_conf({"owner_database_url":
                             f"postgresql:///watchllm?host={S.dir}/nowhere"}, "away.conf")
        self.fails("plan", "list", conf=away, says="look at owner_database_url")
        app = S.write_conf({"owner_database_url": S.url("app")}, "app.conf")
        self.fails("project", "list", conf=app, says="does not own the tables")
        self.fails("project", "create", "x", conf=app, says="does not own the tables")

    def test_broken_pipe(self) -> None:
        p = subprocess.Popen([str(PREFIX / "bin/watchllm"), "--config",
                              str(S.dir / "watchllm.conf"), "plan", "list"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **ids())
        assert p.stdout and p.stderr
        p.stdout.close()
        err = p.stderr.read()
        p.stderr.close()
        self.assertEqual(p.wait(30), 1)
        self.assertIn("standard output", err)


class Migrate(Case):
    dir = str(PREFIX / "share/watchllm/sql/schema")

    def test_again(self) -> None:
        rows = self.json("migrate", "--dir", self.dir)
        self.assertEqual([r["version"] for r in rows],
                         [f"{i + 1:04}" for i in range(len(rows))])
        self.assertEqual({r["state"] for r in rows}, {"present"})
        self.assertIn("0001     base", self.ok("migrate", "--dir", self.dir))

    def test_a_new_database(self) -> None:
        S.sql("CREATE DATABASE fresh OWNER wl_owner", "postgres")
        conf = S.write_conf({"owner_database_url":
                             f"postgresql:///fresh?host={S.dir}/run&user=wl_owner"}, "fresh.conf")
        self.fails("project", "list", conf=conf, says='run "watchllm migrate"')
        would = self.json("migrate", "--dry-run", "--dir", self.dir, conf=conf)
        self.assertEqual({r["state"] for r in would}, {"pending"})
        done = self.json("migrate", "--dir", self.dir, conf=conf)
        self.assertEqual({r["state"] for r in done}, {"applied"})
        self.assertEqual(len(done), len(would))
        self.assertEqual(self.json("project", "list", conf=conf), [])

    def test_without_rights(self) -> None:
        S.sql("CREATE ROLE wl_weak LOGIN", "postgres")
        S.sql("CREATE DATABASE foreign_one", "postgres")
        conf = S.write_conf({"owner_database_url":
                             f"postgresql:///foreign_one?host={S.dir}/run&user=wl_weak"},
                            "weak.conf")
        self.fails("migrate", "--dir", self.dir, conf=conf, says="must own the database")

    def test_no_files(self) -> None:
        self.fails("migrate", "--dir", "/nowhere", says="/nowhere")
        self.fails("migrate", "--dir", str(S.dir / "run"), says="no migrations there")


class Projects(Case):
    def test_create_and_show(self) -> None:
        made = self.json("project", "create", "Näme", "--plan", "pro",
                         "--default-provider", "openai", "--id", "mine1")
        self.assertEqual(made, {"id": "mine1", "dsn_id": made["dsn_id"], "name": "Näme",
                                "plan": "pro", "default_provider": "openai"})
        shown = self.json("project", "show", "mine1")
        self.assertEqual([shown[k] for k in ("name", "plan", "enabled", "per_minute", "per_month",
                                             "window", "keys", "provider_keys")],
                         ["Näme", "pro", True, 200, 1000000, "fixed", [], []])
        self.assertEqual(shown["usage"]["rateLimit"]["remaining"], 200)
        self.assertIn(shown["id"], [p["id"] for p in self.json("project", "list")])
        self.assertRegex(self.ok("project", "show", "mine1"), r"(?m)^plan +pro$")
        self.assertRegex(self.ok("project", "list"), r"(?m)^mine1 +\d+  Näme +pro +openai +yes +0 ")
        self.assertEqual(len(self.json("project", "list", "--limit", "1")), 1)

    def test_refused(self) -> None:
        self.fails("project", "create", "x", "--plan", "nope", says='no plan "nope"')
        self.fails("project", "create", "x", "--id", "A b", says="lower-case")
        self.fails("project", "create", "x" * 201, says="project_name_check")
        p = self.project()
        self.fails("project", "create", "x", "--id", p, says="exists already")
        self.fails("project", "show", "nobody", says='no project "nobody"')
        self.fails("project", "set", "nobody", "--name", "x", says='no project "nobody"')
        self.fails("project", "set", p, "--plan", "nope", says='no plan "nope"')

    def test_unknown_provider_is_a_warning(self) -> None:
        r = run("project", "create", "x", "--default-provider", "later")
        self.assertEqual(r.returncode, 0)
        self.assertIn('warning: there is no provider "later" yet', r.stderr)

    def test_set(self) -> None:
        p = self.project()
        v = version(p)
        self.ok("project", "set", p, "--disable", "--name", "Other")
        v = self.told(p, v)
        shown = self.json("project", "show", p)
        self.assertEqual([shown["enabled"], shown["name"], shown["plan"]],
                         [False, "Other", "free"])
        self.assertEqual(self.json("project", "set", p, "--enable", "--plan", "starter",
                                   "--default-provider", "openai"), {"id": p})
        v = self.told(p, v)
        shown = self.json("project", "show", p)
        self.assertEqual([shown["enabled"], shown["name"], shown["plan"],
                          shown["default_provider"], shown["per_minute"]],
                         [True, "Other", "starter", "openai", 50])
        self.ok("project", "set", p, "--default-provider", "none")
        self.assertIsNone(self.json("project", "show", p)["default_provider"])

    def test_terminals_are_safe(self) -> None:
        p = self.project()
        name = "a\x1b[31mred\nline"
        self.ok("project", "set", p, "--name", name)
        self.assertNotIn("\x1b", self.ok("project", "show", p))
        self.assertIn("a?[31mred?line", self.ok("project", "list"))
        self.assertEqual(self.json("project", "show", p)["name"], name)


class Keys(Case):
    def row(self, project: str, key_id: str) -> dict:
        return next(k for k in self.json("key", "list", project) if k["id"] == key_id)

    def test_create(self) -> None:
        p = self.project()
        v = redis_version(p)
        k = self.json("key", "create", p, "--scopes", "gateway,read", "--name", "one",
                      "--expires", "2d", "--rpm", "5", "--month", "0", "--concurrent", "2")
        self.told(p, v)
        self.assertRegex(k["key"], r"\Algw_proj_[0-9A-Za-z]{38}\Z")
        self.assertEqual(k["prefix"], k["key"][9:15])
        self.assertEqual(S.sql("SELECT hash = sha256('%s'::bytea) FROM watchllm.api_key"
                               " WHERE id = '%s'" % (k["key"], k["id"])), [["t"]])
        row = self.row(p, k["id"])
        self.assertEqual([row[x] for x in ("name", "scopes", "state", "per_minute", "per_month",
                                           "concurrent", "kind")],
                         ["one", ["gateway", "read"], "active", 5, 0, 2, "proj"])
        expires = datetime.fromisoformat(row["expires_at"].replace("Z", "+00:00"))
        self.assertAlmostEqual((expires - datetime.now(timezone.utc)).total_seconds(),
                               2 * 86400, delta=60)
        t = self.json("key", "create", p, "--test", "--expires", "2031-01-01T00:00:00+02:00")
        self.assertTrue(t["key"].startswith("lgw_test_"))
        self.assertEqual(t["scopes"], ["gateway", "ingest", "read"])
        self.assertEqual(self.row(p, t["id"])["expires_at"], "2030-12-31T22:00:00Z")

    def test_shown_once(self) -> None:
        p = self.project()
        text = self.ok("key", "create", p)
        found = KEY.findall(text)
        self.assertEqual(len(found), 1)
        self.assertIn("not shown again", text)
        for args in [("key", "list", p), ("project", "show", p), ("audit", "list")]:
            self.assertNotIn(found[0], self.ok(*args))
            self.assertNotIn(found[0], self.ok(*args, "--json"))

    def test_refused(self) -> None:
        p = self.project()
        self.fails("key", "create", "nobody", says='no project "nobody"')
        self.fails("key", "create", p, "--scopes", "gateway,fly", says='no scope "fly"')
        self.fails("key", "create", p, "--scopes", "read,read", says="twice")
        self.fails("key", "create", p, "--scopes", "read,", says='no scope ""')
        self.fails("key", "list", "nobody", says='no project "nobody"')
        self.fails("key", "revoke", "zzzzzz", says='no key "zzzzzz"')
        k = self.json("key", "create", p)["key"]
        wrong = k[:-1] + ("a" if k[-1] != "a" else "b")
        said = self.fails("key", "revoke", wrong, says="checksum")
        self.assertNotIn(wrong, said)
        other = self.project()
        self.fails("key", "revoke", k, "--project", other, says="no such key")

    def test_revoke(self) -> None:
        """By id, by prefix and by the whole key; workers know at once."""
        for field in ("id", "prefix", "key"):
            p = self.project()
            k = self.json("key", "create", p)
            v = version(p)
            self.assertEqual(self.json("key", "revoke", k[field]), {"id": k["id"]})
            self.told(p, v)
            self.assertEqual(self.row(p, k["id"])["state"], "revoked")
            v = version(p)
            self.assertIn("revoked before", self.ok("key", "revoke", k["id"]))
            self.assertEqual(version(p), v)

    def test_a_prefix_of_two(self) -> None:
        p, q = self.project(), self.project()
        k, m = self.json("key", "create", p), self.json("key", "create", q)
        S.sql(f"UPDATE watchllm.api_key SET prefix = '{k['prefix']}' WHERE id = '{m['id']}'")
        said = self.fails("key", "revoke", k["prefix"], says="give the id")
        self.assertIn(k["id"], said)
        self.assertIn(m["id"], said)
        self.ok("key", "revoke", k["prefix"], "--project", q)
        self.assertEqual(self.row(q, m["id"])["state"], "revoked")
        self.assertEqual(self.row(p, k["id"])["state"], "active")

    def test_rotate(self) -> None:
        p = self.project()
        k = self.json("key", "create", p, "--scopes", "read", "--rpm", "7", "--test",
                      "--name", "old")
        v = version(p)
        new = self.json("key", "rotate", k["prefix"])
        self.told(p, v)
        self.assertEqual(new["replaces"], k["id"])
        self.assertTrue(new["key"].startswith("lgw_test_"))
        self.assertNotEqual(new["key"], k["key"])
        row = self.row(p, new["id"])
        self.assertEqual([row["scopes"], row["per_minute"], row["name"], row["state"]],
                         [["read"], 7, "old", "active"])
        self.assertEqual(self.row(p, k["id"])["state"], "revoked")
        self.fails("key", "rotate", k["id"], says="does not work any more")

    def test_rotate_with_grace(self) -> None:
        p = self.project()
        k = self.json("key", "create", p)
        new = self.json("key", "rotate", k["id"], "--grace", "24h")
        old = self.row(p, k["id"])
        self.assertEqual(old["state"], "active")
        ends = datetime.fromisoformat(old["expires_at"].replace("Z", "+00:00"))
        self.assertAlmostEqual((ends - datetime.now(timezone.utc)).total_seconds(), 86400,
                               delta=60)
        self.assertIsNone(self.row(p, new["id"])["expires_at"])
        # a grace never makes a key live longer
        self.ok("key", "rotate", k["id"], "--grace", "300d")
        self.assertEqual(self.row(p, k["id"])["expires_at"], old["expires_at"])


class Plans(Case):
    def plan(self, name: str) -> dict:
        return next(p for p in self.json("plan", "list") if p["id"] == name)

    def test_list(self) -> None:
        self.assertEqual([(p["id"], p["per_minute"], p["per_month"], p["price_usd"])
                          for p in self.json("plan", "list")
                          if p["id"] in ("free", "starter", "pro")],
                         [("free", 10, 50000, 0), ("starter", 50, 250000, 29),
                          ("pro", 200, 1000000, 49)])
        self.assertRegex(self.ok("plan", "list"), r"(?m)^free +Free +10 +50000  fixed ")

    def test_set(self) -> None:
        self.fails("plan", "set", "gold", "--rpm", "7", says="a new one needs")
        self.ok("plan", "set", "gold", "--rpm", "7", "--month", "900", "--name", "Gold",
                "--window", "sliding", "--concurrent", "3", "--price-usd", "9.50",
                "--retention", "long", "--cache-hits-free", "on")
        self.assertEqual(self.plan("gold"), {
            "id": "gold", "name": "Gold", "per_minute": 7, "per_month": 900,
            "window": "sliding", "concurrent": 3, "cache_hits_free": True, "price_usd": 9.5,
            "retention": "long", "retention_days": 90, "projects": 0})
        p, q = self.project("--plan", "gold"), self.project("--plan", "gold")
        other = self.project()
        v = [version(x) for x in (p, q, other)]
        self.ok("plan", "set", "gold", "--concurrent", "none", "--month", "901",
                "--cache-hits-free", "off")
        got = self.plan("gold")
        self.assertEqual([got["concurrent"], got["per_month"], got["per_minute"],
                          got["cache_hits_free"], got["window"], got["projects"]],
                         [None, 901, 7, False, "sliding", 2])
        self.told(p, v[0])
        self.told(q, v[1])
        self.assertEqual(version(other), v[2])

    def test_refused(self) -> None:
        self.fails("plan", "set", "free", "--retention", "ages", says='retention class "ages"')
        self.fails("plan", "set", "A B", "--rpm", "1", "--month", "1", says="plan_id_check")
        self.assertEqual(self.plan("free")["retention"], "short")


class Usage(Case):
    month = datetime.now(timezone.utc).strftime("%Y-%m")

    def used(self, project: str, **kw) -> tuple[int, int]:
        u = self.json("usage", "show", project, **kw)
        self.assertEqual(u["source"], "counters")
        return u["rateLimit"]["used"], u["quota"]["used"]

    def away_from_a_new_minute(self) -> None:
        left = 60 - time.time() % 60
        if left < 15:
            time.sleep(left + 0.1)

    def corrections(self, **kw) -> str:
        self.away_from_a_new_minute()
        p = self.project()
        self.assertEqual(self.used(p, **kw), (0, 0))
        self.ok("usage", "set", p, "--minute", "3", "--month", "77", **kw)
        self.assertEqual(self.used(p, **kw), (3, 77))
        self.ok("usage", "add", p, "5", **kw)
        self.assertEqual(self.used(p, **kw), (8, 82))
        self.ok("usage", "set", p, "--month", "80", **kw)
        self.assertEqual(self.used(p, **kw)[1], 80)
        self.ok("usage", "set", p, "--minute", "1", **kw)
        self.assertEqual(self.used(p, **kw), (1, 80))
        return p

    def test_in_redis(self) -> None:
        p = self.corrections()
        self.assertEqual(S.redis("GET", f"quota:{p}:{self.month}"), "80")
        S.redis("FLUSHALL")
        self.assertEqual(self.used(p)[1], 80)
        self.ok("usage", "reset", p)
        self.assertEqual(self.used(p), (0, 0))
        self.assertRegex(self.ok("usage", "show", p),
                         r"(?m)^per minute +10 +0 +10  \d{4}-\d\d-\d\dT")

    def test_in_postgres(self) -> None:
        conf = S.write_conf({"counters": "postgres", "redis": None}, "pg.conf")
        p = self.corrections(conf=conf)
        self.ok("usage", "reset", p, conf=conf)
        self.assertEqual(self.used(p, conf=conf), (0, 0))

    def test_of_a_key(self) -> None:
        p = self.project()
        k = self.json("key", "create", p, "--rpm", "4", "--month", "9")
        u = self.json("usage", "show", p, "--key", k["prefix"])
        self.assertEqual([u["keyLimits"]["rateLimit"]["limit"], u["keyLimits"]["quota"]["limit"],
                          u["rateLimit"]["limit"]], [4, 9, 10])
        self.assertRegex(self.ok("usage", "show", p, "--key", k["id"]),
                         r"(?m)^key, per month +9 +0 +9 ")

    def test_refused(self) -> None:
        for args in [("show", "nobody"), ("reset", "nobody"), ("add", "nobody", "1"),
                     ("set", "nobody", "--month", "1"), ("set", "nobody", "--minute", "1")]:
            self.fails("usage", *args, says='no project "nobody"')
        self.fails("usage", "show", self.project(), "--key", "zzzzzz", says='no key "zzzzzz"')


class Providers(Case):
    def provider(self, name: str) -> dict:
        return next(p for p in self.json("provider", "list") if p["id"] == name)

    def test_set(self) -> None:
        self.ok("provider", "set", "box", "--base-url", "http://127.0.0.1:9/v1/", "--private",
                "--no-key", "--no-stream-options", "--price-provider", "openai")
        self.assertEqual(self.provider("box"), {
            "id": "box", "name": "box", "wire": "openai", "base_url": "http://127.0.0.1:9/v1",
            "auth": "bearer", "key_required": False, "private": True, "stream_options": False,
            "price_provider": "openai", "enabled": True})
        self.ok("provider", "set", "box", "--name", "Box", "--auth", "x-api-key", "--disable",
                "--key-required", "--stream-options", "--price-provider", "none",
                "--wire", "openai")
        self.assertEqual(self.provider("box"), {
            "id": "box", "name": "Box", "wire": "openai", "base_url": "http://127.0.0.1:9/v1",
            "auth": "x-api-key", "key_required": True, "private": True, "stream_options": True,
            "price_provider": None, "enabled": False})
        self.ok("provider", "set", "box", "--enable", "--public", "--base-url",
                "https://box.example/v1")
        self.assertEqual(self.provider("box")["private"], False)
        self.assertRegex(self.ok("provider", "list"), r"(?m)^box +Box +openai +https://box")

    def test_refused(self) -> None:
        self.fails("provider", "set", "new", says="needs its base URL")
        self.fails("provider", "set", "openai", "--wire", "morse", says='wire format "morse"')
        self.fails("provider", "set", "new", "--base-url", "http://x.example", says="plain http")
        self.fails("provider", "set", "openai", "--base-url", "http://x.example",
                   says="plain http")
        for url in ("ftp://x.example", "https://u:p@x.example", "x.example", "https://x:y/"):
            said = self.fails("provider", "set", "new", "--base-url", url, says="no URL")
        self.assertIn("https", said)
        self.fails("provider", "set", "new", "--base-url", "https://x.example/?a=b",
                   says="no query")
        self.fails("provider", "set", "A B", "--base-url", "https://x.example", says="id")

    def test_private_but_not_listed(self) -> None:
        r = run("provider", "set", "lan", "--base-url", "http://10.9.8.7:8000/v1", "--private")
        self.assertEqual(r.returncode, 0)
        self.assertIn("upstream_private_hosts of the configuration does not list 10.9.8.7",
                      r.stderr)

    def test_routes(self) -> None:
        self.ok("provider", "set", "way", "--base-url", "https://way.example/v1")
        self.ok("route", "set", "way-", "way")
        self.ok("route", "set", "way-1", "way", "--exact", "--priority", "3")
        self.ok("route", "set", "way-1", "way", "--exact", "--priority", "2")
        self.assertEqual(self.json("route", "list", "--provider", "way"), [
            {"pattern": "way-", "kind": "prefix", "provider": "way", "priority": 1},
            {"pattern": "way-1", "kind": "exact", "provider": "way", "priority": 2}])
        self.fails("route", "set", "x", "nope", says='no provider "nope"')
        self.fails("route", "remove", "way-1", says="no such route")
        self.fails("route", "remove", "way-1", "openai", "--exact", says="no such route")
        self.ok("route", "remove", "way-1", "way", "--exact")
        self.ok("route", "remove", "way-")
        self.assertEqual(self.json("route", "list", "--provider", "way"), [])
        actions = [(a["action"], a["target"]) for a in self.json("audit", "list")]
        for a in [("model_route.set", "way-1"), ("model_route.delete", "way-")]:
            self.assertIn(a, actions)


class ProviderKeys(Case):
    def rows(self, project: str) -> list[dict]:
        return self.json("provider-key", "list", project)

    def set(self, project: str, provider: str = "openai", *args: str, **kw) -> str:
        return self.json("provider-key", "set", project, provider, *args,
                         stdin=new_provider_key() + "\n", **kw)["id"]

    def test_set_and_remove(self) -> None:
        p = self.project()
        v = redis_version(p)
        first = self.set(p, "openai", "--name", "one")
        v = self.told(p, v)
        row = self.rows(p)[0]
        self.assertEqual([row[k] for k in ("provider", "priority", "id", "name", "hint", "host",
                                           "master", "enabled")],
                         ["openai", 1, first, "one", "tail", "api.openai.com", row["master"],
                          True])
        self.set(p, "openai", "--priority", "2")
        before = S.sql(f"SELECT ciphertext FROM watchllm.provider_key WHERE id = '{first}'")
        self.assertEqual(self.set(p), first)        # replaced
        self.assertNotEqual(
            S.sql(f"SELECT ciphertext FROM watchllm.provider_key WHERE id = '{first}'"), before)
        v = version(p)
        self.ok("provider-key", "remove", p, "openai", "--priority", "2")
        self.told(p, v)
        self.assertEqual([r["priority"] for r in self.rows(p)], [1])
        self.fails("provider-key", "remove", p, "openai", "--priority", "2", says="has no key")

    def test_bound_to_host_and_port(self) -> None:
        p = self.project()
        for i, (url, host) in enumerate([
                ("https://A.example/v1", "a.example"), ("https://a.example:444", "a.example:444"),
                ("http://127.0.0.1:81", "127.0.0.1:81"), ("https://[::1]:444", "[::1]:444"),
                ("https://[::1]/v1", "::1")]):
            run("provider", "set", f"bind{i}", "--base-url", url, "--private")
            self.set(p, f"bind{i}")
            self.assertEqual(next(r["host"] for r in self.rows(p) if r["provider"] == f"bind{i}"),
                             host)
        r = run("provider", "set", "bind0", "--base-url", "https://b.example/v1")
        self.assertEqual(r.returncode, 0)
        self.assertIn("1 keys for bind0 are bound to another host", r.stderr)

    def test_from_a_file(self) -> None:
        p = self.project()
        f = S.dir / "key.txt"
        f.write_text(new_provider_key() + "\n")
        if os.geteuid() == 0:
            os.chown(f, S.dir.stat().st_uid, S.dir.stat().st_gid)
        f.chmod(0o644)
        self.fails("provider-key", "set", p, "openai", "--file", str(f), says="chmod 600")
        f.chmod(0o600)
        self.ok("provider-key", "set", p, "openai", "--file", str(f))

    def test_on_a_terminal(self) -> None:
        """Nothing of what is typed is shown; the terminal is as before."""
        p, key = self.project(), new_provider_key()
        main, end = pty.openpty()
        child = subprocess.Popen(
            [str(PREFIX / "bin/watchllm"), "--config", str(S.dir / "watchllm.conf"),
             "provider-key", "set", p, "openai"], stdin=end, stdout=end, stderr=end,
            start_new_session=True, **ids())
        os.close(end)
        seen = b""
        while b"Provider key: " not in seen:
            seen += os.read(main, 1024)
        os.write(main, b"wrong\x15x\x7f" + key.encode() + b"\r")
        try:
            while chunk := os.read(main, 1024):
                seen += chunk
        except OSError:                              # the other end is closed
            pass
        os.close(main)
        self.assertEqual(child.wait(20), 0, seen)
        self.assertNotIn(key.encode(), seen)
        self.assertNotIn(b"wrong", seen)
        self.assertEqual([r["hint"] for r in self.rows(p)], ["tail"])

    def test_interrupted_on_a_terminal(self) -> None:
        p = self.project()
        main, end = pty.openpty()
        child = subprocess.Popen(
            [str(PREFIX / "bin/watchllm"), "--config", str(S.dir / "watchllm.conf"),
             "provider-key", "set", p, "openai"], stdin=end, stdout=end, stderr=end,
            start_new_session=True, **ids())
        seen = b""
        while b"Provider key: " not in seen:
            seen += os.read(main, 1024)
        os.write(main, b"sk-\x03")
        self.assertEqual(child.wait(20), 1)
        import termios
        self.assertTrue(termios.tcgetattr(end)[3] & termios.ECHO)
        os.close(main)
        os.close(end)
        self.assertEqual(self.rows(p), [])

    def test_refused(self) -> None:
        p = self.project()
        bad = [("", "nothing was read"), ("a b\n", "visible ASCII"), ("a\nb\n", "one line"),
               ("x" * 5000, "longer"), ("sch\u00fcssel\n", "visible ASCII")]
        for text, says in bad:
            self.fails("provider-key", "set", p, "openai", stdin=text, says=says)
        self.fails("provider-key", "set", p, "nope", stdin="x\n", says='no provider "nope"')
        self.fails("provider-key", "set", "nobody", "openai", stdin="x\n",
                   says='no project "nobody"')
        self.fails("provider-key", "list", "nobody", says='no project "nobody"')
        bare = S.write_conf({"master_key_file": None}, "bare.conf")
        self.fails("provider-key", "set", p, "openai", stdin="x\n", conf=bare,
                   says="master_key_file")
        self.assertEqual(self.rows(p), [])


class Masters(Case):
    """Master keys, in a file of their own."""

    def setUp(self) -> None:
        self.file = S.dir / f"master-{uuid.uuid4().hex[:8]}"
        self.conf = S.write_conf({"master_key_file": str(self.file)}, "masters.conf")
        S.sql("DELETE FROM watchllm.provider_key")
        self.ok("provider-key", "make-master", "--id", "m1", conf=self.conf)
        self.note()

    def note(self) -> list[str]:
        lines = self.file.read_text().splitlines()
        SECRETS.extend(x.split()[1] for x in lines)
        return [x.split()[0] for x in lines]

    def masters(self) -> dict[str, int]:
        return {r[0]: int(r[1]) for r in S.sql(
            "SELECT key_id, count(*) FROM watchllm.provider_key GROUP BY 1")}

    def keys(self, n: int) -> list[str]:
        """N projects with a key of one provider, under all three priorities."""
        out = []
        for _ in range(n):
            p = self.project()
            self.ok("provider-key", "set", p, "openai", stdin=new_provider_key() + "\n",
                    conf=self.conf)
            out.append(p)
        S.sql("""INSERT INTO watchllm.provider_key (project_id, provider, priority, key_id, nonce,
                    ciphertext, host, hint)
                SELECT project_id, provider, n, key_id, nonce, ciphertext, host, hint
                FROM watchllm.provider_key, generate_series(2, 3) n""")
        return out

    def test_make(self) -> None:
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.note(), ["m1"])
        self.fails("provider-key", "make-master", conf=self.conf, says="exists already")
        self.fails("provider-key", "make-master", "--append", "--id", "m1", conf=self.conf,
                   says="used twice")
        self.fails("provider-key", "make-master", "--append", "--id", "a b", conf=self.conf,
                   says="letters, digits")
        made = self.json("provider-key", "make-master", "--append", conf=self.conf)["id"]
        self.assertEqual(self.note(), [made, "m1"])
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(list(S.dir.glob(self.file.name + "?*")), [])

    def test_rotate(self) -> None:
        p, q = self.keys(2)
        self.ok("provider-key", "make-master", "--append", "--id", "m2", conf=self.conf)
        self.note()
        self.assertEqual(self.masters(), {"m1": 6})
        v = [version(p), version(q)]
        done = self.json("provider-key", "rotate-master", conf=self.conf)
        self.assertEqual(done, {"master": "m2", "resealed": 6, "failed": 0})
        self.assertEqual(self.masters(), {"m2": 6})
        self.told(p, v[0])
        self.told(q, v[1])
        # again: nothing to do; and without the old master all still open
        self.assertEqual(self.json("provider-key", "rotate-master", conf=self.conf)["resealed"], 0)
        line = next(x for x in self.file.read_text().splitlines() if x.startswith("m2 "))
        self.file.write_text(line + "\n")
        self.ok("provider-key", "make-master", "--append", "--id", "m3", conf=self.conf)
        self.note()
        self.assertEqual(self.json("provider-key", "rotate-master", conf=self.conf),
                         {"master": "m3", "resealed": 6, "failed": 0})

    def test_what_does_not_open(self) -> None:
        p, q = self.keys(2)
        S.sql(f"UPDATE watchllm.provider_key SET key_id = 'gone' WHERE project_id = '{p}'"
              " AND priority = 2")
        S.sql(f"UPDATE watchllm.provider_key SET host = 'evil.example' WHERE project_id = '{q}'"
              " AND priority = 3")
        self.ok("provider-key", "make-master", "--append", "--id", "m2", conf=self.conf)
        self.note()
        r = run("provider-key", "rotate-master", "--json", conf=self.conf)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(json.loads(r.stdout), {"master": "m2", "resealed": 4, "failed": 2})
        self.assertIn(f"the key of project {p} for openai with priority 2 does not open with"
                      " master key gone", r.stderr)
        self.assertEqual(self.masters(), {"m2": 4, "m1": 1, "gone": 1})

    def test_interrupted(self) -> None:
        """Killed in its second batch, it goes on where it was."""
        self.keys(40)
        self.ok("provider-key", "make-master", "--append", "--id", "m2", conf=self.conf)
        self.note()
        last = S.sql("SELECT project_id FROM watchllm.provider_key ORDER BY 1 DESC LIMIT 1")[0][0]
        held = subprocess.Popen(
            ["psql", "-qXAt", f"host={S.dir}/run dbname=watchllm user=wl_owner"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **ids())
        assert held.stdin and held.stdout
        held.stdin.write("BEGIN; SELECT 'held' FROM watchllm.provider_key"
                         f" WHERE project_id = '{last}' FOR UPDATE;\n")
        held.stdin.flush()
        self.assertEqual(held.stdout.readline(), "held\n")
        child = subprocess.Popen(
            [str(PREFIX / "bin/watchllm"), "--config", str(self.conf), "--set",
             "database_timeout=60s", "provider-key", "rotate-master"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **ids())
        wait_for(lambda: self.masters() == {"m1": 20, "m2": 100})
        wait_for(lambda: S.sql("SELECT count(*) FROM pg_locks WHERE NOT granted",
                               "postgres") != [["0"]])
        os.kill(child.pid, signal.SIGKILL)
        child.communicate(timeout=20)
        held.communicate("ROLLBACK;\n", timeout=20)
        self.assertEqual(self.masters(), {"m1": 20, "m2": 100})
        self.assertEqual(self.json("provider-key", "rotate-master", conf=self.conf),
                         {"master": "m2", "resealed": 20, "failed": 0})
        self.assertEqual(self.masters(), {"m2": 120})

    def test_two_at_once(self) -> None:
        self.keys(20)
        self.ok("provider-key", "make-master", "--append", "--id", "m2", conf=self.conf)
        self.note()
        args = [str(PREFIX / "bin/watchllm"), "--config", str(self.conf), "--json",
                "provider-key", "rotate-master"]
        two = [subprocess.Popen(args, stdout=subprocess.PIPE, text=True, **ids())
               for _ in range(2)]
        got = [json.loads(c.communicate(timeout=60)[0]) for c in two]
        self.assertEqual([c.returncode for c in two], [0, 0])
        self.assertEqual(sum(g["resealed"] for g in got), 60)
        self.assertEqual(self.masters(), {"m2": 60})


class Audit(Case):
    def test_actor(self) -> None:
        p = self.project()
        self.ok("usage", "set", p, "--month", "3")
        self.ok("key", "create", p)
        rows = self.json("audit", "list", "--project", p)
        self.assertEqual([r["action"] for r in rows],
                         ["project.insert", "usage.set", "api_key.insert"])
        who = "cli:" + (S.dir.owner() if os.geteuid() == 0 else
                        subprocess.check_output(["id", "-un"], text=True).strip())
        self.assertEqual({r["actor"] for r in rows}, {who})
        self.assertEqual(rows[0]["after"]["plan_id"], "free")
        self.assertRegex(self.ok("audit", "list", "--project", p, "--limit", "1"),
                         rf"Z  {who} +{p} +api_key.insert .* kind=proj")
        self.assertEqual(len(self.json("audit", "list", "--limit", "2")), 2)

    def test_behind_sudo(self) -> None:
        if os.geteuid() != 0:                   # others cannot be root
            return
        r = subprocess.run(
            [str(PREFIX / "bin/watchllm"), "--config", str(S.dir / "watchllm.conf"), "--json",
             "project", "create", "x"], capture_output=True, text=True, timeout=60, check=True,
            env={**os.environ, "SUDO_USER": "alice"})
        p = json.loads(r.stdout)["id"]
        self.assertEqual(self.json("audit", "list", "--project", p)[0]["actor"], "cli:alice")

    def test_verify(self) -> None:
        self.project()
        good = self.json("audit", "verify")
        self.assertEqual([good["ok"], good["first_bad"]], [True, None])
        self.assertIn(f"All {good['entries']} entries", self.ok("audit", "verify"))
        forge = ("BEGIN; ALTER TABLE watchllm.audit_log DISABLE TRIGGER ALL;"
                 " UPDATE watchllm.audit_log SET actor = '{}' WHERE id = 1;"
                 " ALTER TABLE watchllm.audit_log ENABLE TRIGGER ALL; COMMIT")
        actor = S.sql("SELECT actor FROM watchllm.audit_log WHERE id = 1")[0][0]
        S.sql(forge.format("cli:mallory"), "postgres")
        self.fails("audit", "verify", says="entry 1 of the audit log")
        r = run("audit", "verify", "--json")
        self.assertEqual(r.returncode, 1)
        self.assertEqual([json.loads(r.stdout)[k] for k in ("ok", "first_bad")], [False, 1])
        S.sql(forge.format(actor), "postgres")
        self.ok("audit", "verify")


class DeadLetters(Case):
    def bury(self, project: str, event: str, segment: str = "1-2-abc.0000000001.wlj",
             kind: str = "E") -> str:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        record = json.dumps({
            "event_id": event, "project_id": project, "retention_class": "standard",
            "admitted_at": now, "ts": now, "received_at": now, "type": "prompt_call",
            "source": "gateway", "status": "success", "route": "/v1/chat/completions",
            "minute_counted": True, "month_counted": True, "model": "m", "attempts": 1})
        hexed = record.encode().hex()
        S.sql(f"""SELECT watchllm.bury('testhost', '{segment}', {uuid.uuid4().int % 10**9},
            '{kind}', '{project}', 'gateway', decode('{hexed}', 'hex'), '22003', 'too big')""",
              "postgres")
        return S.sql("SELECT max(id) FROM watchllm.dead_letter")[0][0]

    def event(self) -> str:
        """An id as the gate makes them: UUID version 7 of now."""
        ms = f"{int(time.time() * 1000):012x}"
        rest = uuid.uuid4().hex
        return f"{ms[:8]}-{ms[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[6:18]}"

    def test_show_and_drop(self) -> None:
        p = self.project()
        n = self.bury(p, self.event())
        listed = next(x for x in self.json("dead-letter", "list") if x["id"] == int(n))
        self.assertEqual([listed[k] for k in ("host", "kind", "project", "sqlstate", "reason",
                                              "replayed_at")],
                         ["testhost", "E", p, "22003", "too big", None])
        shown = self.json("dead-letter", "show", n)
        self.assertEqual(json.loads(shown["record"])["project_id"], p)
        self.assertRegex(self.ok("dead-letter", "show", n), r"(?m)^reason +too big$")
        self.ok("dead-letter", "drop", n)
        self.fails("dead-letter", "drop", n, says=f"no dead letter {n}")
        self.fails("dead-letter", "show", n, says=f"no dead letter {n}")
        self.assertEqual(self.json("audit", "list", "--project", p)[-1]["action"],
                         "dead_letter.drop")

    def test_retry(self) -> None:
        p, event = self.project(), self.event()
        n = self.bury(p, event)
        self.ok("dead-letter", "retry", n)
        self.assertNotIn(int(n), [x["id"] for x in self.json("dead-letter", "list")])
        again = next(x for x in self.json("dead-letter", "list", "--all") if x["id"] == int(n))
        self.assertIsNotNone(again["replayed_at"])
        self.fails("dead-letter", "retry", n, says="sent again already")
        subprocess.run([str(PREFIX / "libexec/watchllm/watchllm-consumer"), "--config",
                        str(S.dir / "watchllm.conf"), "--once"], check=True, timeout=60,
                       capture_output=True, **ids())
        self.assertEqual(S.sql(f"SELECT project_id, status FROM watchllm.event"
                               f" WHERE event_id = '{event}'"), [[p, "success"]])

    def test_refused(self) -> None:
        p = self.project()
        torn = self.bury(p, self.event(), kind="?")
        self.fails("dead-letter", "retry", torn, says="no whole record")
        lost = self.bury(p, self.event(), segment="1-2-abc some-event", kind="B")
        self.fails("dead-letter", "retry", lost, says="no whole record")
        self.fails("dead-letter", "retry", "999999", says="no dead letter 999999")
        n = self.bury(p, self.event())
        elsewhere = S.write_conf({"spool_dir": "/nowhere/at/all"}, "nospool.conf")
        self.fails("dead-letter", "retry", n, conf=elsewhere, says="a host with workers")
        foreign = S.write_conf({"spool_dir": "/proc"}, "foreign.conf")
        if S.dir.stat().st_uid != 0:
            self.fails("dead-letter", "retry", n, conf=foreign, says="run this as that user")


class RedisAway(Case):
    """Changes are stored; a warning says that workers learn of them later."""

    def setUp(self) -> None:
        self.conf = S.write_conf({"redis": f"unix:{S.dir}/nowhere.sock"}, "noredis.conf")

    def warned(self, *args: str, **kw) -> str:
        r = run(*args, conf=self.conf, **kw)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertRegex(r.stderr, r"\Awatchllm: warning: Redis cannot be reached[^\n]+\n\Z")
        return r.stdout

    def test_changes(self) -> None:
        p = self.json("project", "create", "x", conf=self.conf)["id"]
        k = json.loads(self.warned("key", "create", p, "--json"))
        self.warned("key", "rotate", k["id"], "--grace", "1h")
        self.warned("key", "revoke", k["id"])
        self.warned("project", "set", p, "--disable")
        self.warned("plan", "set", "free", "--name", "Free of charge")
        self.warned("plan", "set", "free", "--name", "Free")
        self.warned("provider-key", "set", p, "openai", stdin=new_provider_key() + "\n")
        self.warned("provider-key", "remove", p, "openai")
        self.assertEqual({x["state"] for x in self.json("key", "list", p)}, {"active", "revoked"})
        self.assertEqual(self.json("project", "show", p)["enabled"], False)

    def test_usage(self) -> None:
        p = self.project()
        self.ok("usage", "set", p, "--month", "12")
        r = run("usage", "show", p, "--json", conf=self.conf)
        self.assertEqual(r.returncode, 0)
        self.assertIn("the counters cannot be read", r.stderr)
        shown = json.loads(r.stdout)
        self.assertEqual([shown["source"], shown["quota"]["used"]], ["ledger", 12])
        self.assertIn("the counters cannot be read", run("project", "show", p,
                                                         conf=self.conf).stderr)
        r = run("usage", "set", p, "--month", "13", conf=self.conf)
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("do it again when they answer", r.stderr)
        self.ok("usage", "set", p, "--month", "13")
        self.assertEqual(self.json("usage", "show", p)["quota"]["used"], 13)


class Gate(Case):
    """What the command line changes is what the gate does next."""

    stack: Stack
    secret: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.secret = "sk-" + uuid.uuid4().hex + "gate"
        SECRETS.append(cls.secret)
        cls.stack = Stack(stores=S, fake=("--require-key", cls.secret), processes=1)
        cls.addClassCleanup(cls.stack.stop)

    def setUp(self) -> None:
        self.conf = self.stack.conf
        name = "up" + uuid.uuid4().hex[:8]
        self.ok("provider", "set", name, "--base-url", self.stack.fake.base, "--private",
                "--key-required", conf=self.conf)
        self.provider = name
        made = self.json("project", "create", "Gate", "--plan", "pro", "--default-provider", name,
                         conf=self.conf)
        self.id = made["id"]
        self.key = self.json("key", "create", self.id, "--scopes", "gateway,read",
                             conf=self.conf)

    def status(self, key: str | None = None) -> int:
        # a provider named in the model is looked up now, not within a minute
        return self.stack.chat(key or self.key["key"], model=f"{self.provider}/gpt-4o-mini").status

    def test_provider_key_and_master(self) -> None:
        wait_for(lambda: self.status() == 400, 70)      # no provider key yet
        self.ok("provider-key", "set", self.id, self.provider, stdin=self.secret + "\n",
                conf=self.conf)
        self.stack.fake.reset()
        self.assertEqual(self.status(), 200)
        self.assertEqual([x["key"] for x in self.stack.fake.ledger()], ["gate"])
        self.ok("provider-key", "make-master", "--append", conf=self.conf)
        note_masters()
        self.stack.workers.kill(signal.SIGHUP)
        self.assertEqual(self.json("provider-key", "rotate-master", conf=self.conf)["failed"], 0)
        self.assertEqual(self.status(), 200)
        self.ok("provider-key", "remove", self.id, self.provider, conf=self.conf)
        self.assertEqual(self.status(), 400)

    def test_revoked_and_disabled(self) -> None:
        self.assertNotEqual(self.status(), 401)
        new = self.json("key", "rotate", self.key["id"], "--grace", "1h", conf=self.conf)["key"]
        self.assertNotEqual(self.status(), 401)
        self.assertNotEqual(self.status(new), 401)
        self.ok("key", "revoke", self.key["key"], conf=self.conf)
        self.assertEqual(self.status(), 401)
        self.assertNotEqual(self.status(new), 401)
        self.ok("project", "set", self.id, "--disable", conf=self.conf)
        self.assertEqual(self.status(new), 401)
        self.ok("project", "set", self.id, "--enable", conf=self.conf)
        self.assertNotEqual(self.status(new), 401)

    def test_limits(self) -> None:
        self.ok("plan", "set", "tiny", "--rpm", "2", "--month", "50", conf=self.conf)
        self.assertNotEqual(self.status(), 429)
        self.ok("project", "set", self.id, "--plan", "tiny", conf=self.conf)
        self.ok("usage", "set", self.id, "--minute", "2", conf=self.conf)
        self.assertEqual(self.status(), 429)
        self.ok("plan", "set", "tiny", "--rpm", "1000", conf=self.conf)
        self.assertNotEqual(self.status(), 429)
        self.ok("usage", "set", self.id, "--month", "50", conf=self.conf)
        self.assertEqual(self.status(), 429)
        self.ok("usage", "reset", self.id, conf=self.conf)
        self.assertNotEqual(self.status(), 429)


class Zsecrets(Case):
    """Runs last: no command above printed a secret."""

    def test_none_printed(self) -> None:
        self.assertGreater(len(PRINTED), 100)
        self.assertGreater(len(SECRETS), 20)
        hashes = [r[0] for r in S.sql("SELECT encode(hash, 'hex') FROM watchllm.api_key")]
        for args, text in PRINTED:
            for secret in SECRETS + hashes:
                self.assertNotIn(secret, text, args[:2])
            if args[:2] not in (("key", "create"), ("key", "rotate")):
                self.assertEqual(KEY.findall(text), [], args[:2])


if __name__ == "__main__":
    unittest.main()
