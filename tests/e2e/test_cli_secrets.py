"""The operator's command line against real stores: provider keys and master
keys, audit log, dead letters, Redis away, and the gate, which does at once what
the command line says."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import termios
import time
import unittest
import uuid
from datetime import datetime, timezone

from cli import SECRETS, Case, S, Zsecrets, new_provider_key, note_masters  # noqa: F401
from cli import redis_version, run, start, version
from stack import PREFIX, Stack, ids, wait_for


def setUpModule() -> None:
    start()


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
        done = len(self.stack.log_events("worker.reload"))
        self.stack.workers.kill(signal.SIGHUP)
        wait_for(lambda: len(self.stack.log_events("worker.reload")) > done)
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
        # what was refused is remembered for a second
        wait_for(lambda: self.status(new) != 401, 5)

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


if __name__ == "__main__":
    unittest.main()
