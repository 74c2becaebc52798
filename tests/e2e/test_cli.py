"""The operator's command line against real stores: use and wrong use,
migrations, projects, keys, plans, usage and providers."""

from __future__ import annotations

import json
import os
import subprocess
import time
import unittest
from datetime import datetime, timezone

from cli import KEY, Case, S, Zsecrets, redis_version, run, start, version  # noqa: F401
from stack import PREFIX, ids

COMMANDS = ["migrate", "project", "key", "plan", "usage", "provider", "route",
            "flag", "provider-key", "audit", "dead-letter"]


def setUpModule() -> None:
    start()


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
        self.misuse("usage", "set", "p", says="--spent-month is wanted")
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

    def test_another_encoding(self) -> None:
        S.sql("CREATE DATABASE latin OWNER wl_owner ENCODING 'LATIN1' LOCALE 'C' "
              "TEMPLATE template0", "postgres")
        conf = S.write_conf({"owner_database_url":
                             f"postgresql:///latin?host={S.dir}/run&user=wl_owner"}, "latin.conf")
        self.fails("migrate", "--dir", self.dir, conf=conf, says="ENCODING 'UTF8'")

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
        for name in ("", "  ", "x" * 201, "a\x1b[31m", "a\x7f", "a\u0085"):
            self.fails("project", "create", name, says="a name is 1 to 200 characters")
        self.fails("project", "set", self.project(), "--name", " ", says="a name is")
        self.fails("plan", "set", "free", "--name", "a\nb", says="a name is")
        self.fails("key", "create", self.project(), "--name", "a\tb", says="a name is")
        self.fails("provider", "set", "openai", "--name", "\u0080", says="a name is")
        self.ok("project", "create", "\u00e9" * 200)
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
        S.sql(f"UPDATE watchllm.project SET name = E'a\\x1b[31mred\\nline' WHERE id = '{p}'",
              "postgres")
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
            "window": "sliding", "concurrent": 3, "tokens": None, "budget_day_usd": None,
            "budget_month_usd": None, "unknown_price": "allow", "overrun": "allow",
            "cache_hits_free": True, "price_usd": 9.5,
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
            "price_provider": "openai", "enabled": True, "api_version": None})
        self.ok("provider", "set", "box", "--name", "Box", "--auth", "x-api-key", "--disable",
                "--key-required", "--stream-options", "--price-provider", "none",
                "--wire", "openai")
        self.assertEqual(self.provider("box"), {
            "id": "box", "name": "Box", "wire": "openai", "base_url": "http://127.0.0.1:9/v1",
            "auth": "x-api-key", "key_required": True, "private": True, "stream_options": True,
            "price_provider": None, "enabled": False, "api_version": None})
        self.ok("provider", "set", "box", "--wire", "azure", "--auth", "api-key",
                "--api-version", "2024-10-21")
        self.assertEqual(
            [self.provider("box")[k] for k in ("wire", "auth", "api_version")],
            ["azure", "api-key", "2024-10-21"])
        self.fails("provider", "set", "box", "--api-version", "2024&x=1",
                   says="a version of an API")
        self.ok("provider", "set", "box", "--wire", "openai", "--auth", "bearer",
                "--api-version", "none")
        self.assertIsNone(self.provider("box")["api_version"])
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

    def test_rules(self) -> None:
        p = self.project()
        before = version(p)
        self.ok("route", "add", p, "ab", "best", "openai/a,weight=3,variant=x",
                "groq/b,priority=2", "--strategy", "weighted", "--sticky", "user",
                "--percent", "12.5", "--when", '{"tags":["t"]}', "--position", "7")
        before = self.told(p, before)
        definition = {"alias": "best", "strategy": "weighted", "percent": 12.5,
                      "sticky": "user", "when": {"tags": ["t"]}, "position": 7, "targets": [
                          {"model": "openai/a", "weight": 3, "variant": "x"},
                          {"model": "groq/b", "priority": 2}]}
        shown = self.json("route", "show", p, "ab")
        self.assertEqual([shown["alias"], shown["enabled"], shown["definition"]],
                         ["best", True, definition])
        self.assertEqual([(r["name"], r["position"]) for r in self.json("route", "list", p)],
                         [("ab", 7)])
        # the same from a file, switched off
        self.ok("route", "add", p, "file", "--file", "-",
                stdin=json.dumps({**definition, "alias": "other", "enabled": False}))
        self.assertIn('"other"', self.ok("route", "list", p))
        self.assertFalse(self.json("route", "show", p, "file")["enabled"])
        before = self.told(p, before)

        for args, says in [
                (["A b", "a", "x"], "lower-case"), (["r", "openai/x", "y"], "names a provider"),
                (["r", "a", "x,weight=0", "--strategy", "weighted"], "weight above 0"),
                (["r", "a", "x/y", "--strategy", "least_cost"], "names no provider"),
                (["r", "a", "x", "--percent", "1e99"], "0 to 100"),
                (["r", "a", "x", "--percent", "}"], "not JSON"),
                (["r", "a", "x", "--when", '{"tag":1}'], 'no member "tag"'),
                (["r", "a", "x", "--flag", "nope"], 'flag set nope'),
                (["r", "x", "best"], "")]:
            if says:
                self.fails("route", "add", p, *args, says=says)
        self.fails("route", "add", "nobody", "r", "a", "x", says='no project "nobody"')
        self.fails("route", "add", p, "r", "--file", "/nonexistent", says="No such file")
        self.fails("route", "add", p, "r", "--file", "-", stdin="[]", says="must be an object")
        # a circle, by way of two aliases
        self.ok("route", "add", p, "one", "one", "two")
        self.ok("route", "add", p, "self", "three", "three", "one")
        self.fails("route", "add", p, "two", "two", "three", says="leads back")
        self.misuse("route", "add", p, "r", "a", says="a target")
        self.misuse("route", "add", p, "r", "a", "x,wait=1", says="weight=N")
        self.misuse("route", "add", p, "r", "a", "x,weight=many", says="a number")
        self.misuse("route", "add", p, "r", "a", "x", "--file", "f", says="the file has")
        self.misuse("route", "add", p, "r", "a", "x", "--strategy", "best", says="priority|")
        self.misuse("route", "remove", "r", "x", "--project", p, says="by its name")
        self.misuse("route", "test", p, "m", "--api", "chats", says="embeddings")

        told = self.json("route", "test", p, "best", "--tags", "none")
        self.assertEqual([told["rule"], told["targets"]], [None, []])
        self.assertEqual(told["rules"], [{"rule": "ab", "of": "the project", "holds": False,
                                          "why_not": "tags"}])
        self.assertIn("rule", self.ok("route", "test", p, "openai/x"))
        self.ok("route", "remove", "ab", "--project", p)
        self.fails("route", "remove", "ab", "--project", p, says='no rule "ab"')
        self.fails("route", "show", p, "ab", says="route list")
        self.fails("route", "list", "nobody", says="no project")
        actions = {(a["action"], a["target"]) for a in self.json("audit", "list")}
        self.assertLessEqual({("route_rule.insert", "ab"), ("route_rule.delete", "ab")}, actions)

    def test_flags(self) -> None:
        p = self.project()
        self.ok("flag", "set", "new", "--percent", "0")
        self.ok("route", "add", "-", "common", "next", "openai/x", "--flag", "new")
        self.assertEqual([r["name"] for r in self.json("route", "list", "-")], ["common"])

        def why() -> list:
            return [r["why_not"] for r in self.json("route", "test", p, "next")["rules"]]

        self.assertEqual(why(), ["flag new"])
        self.ok("flag", "set", "new", "--on", f"{p},other")
        self.assertEqual(why(), [None])
        self.ok("flag", "set", "new", "--percent", "100", "--off", p, "--on", "none")
        self.assertEqual(why(), ["flag new"])
        flag = self.json("flag", "list")[0]
        self.assertEqual([flag["name"], flag["percent"], flag["on"], flag["off"]],
                         ["new", 100, [], [p]])
        self.fails("flag", "set", "New", says="lower-case")
        self.fails("flag", "set", "new", "--percent", "x", says="0 to 100")
        self.fails("flag", "set", "new", "--percent", "100.01", says="refuses")
        self.ok("flag", "remove", "new")
        self.fails("flag", "remove", "new", says='no flag "new"')
        self.assertEqual(why(), ["flag new"])
        self.ok("route", "remove", "common", "--project", "-")


if __name__ == "__main__":
    unittest.main()
