"""watchllm doctor: on a good installation it has nothing to say, and each
thing that is broken on purpose it finds, and nothing else; behind every web
server it names the line that mends what it found."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import threading
import time
import unittest

from stack import MOUNTS, PREFIX, Clock, Daemon, ids, wait_for
from webs import MODULES, Site, side_by_side

WEB = ["reachable", "streams", "authorization", "body", "compression", "silence"]


class WebServers(unittest.TestCase):
    """Through the web server."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.stop)
        _, cls.key = cls.site.project("pro")

    def doctor(self, mount: str, *edits: tuple, args: tuple = (), key: bool = True):
        web = self.site.web(mount, *edits)
        try:
            return self.site.run(
                "doctor", "--url", f"http://127.0.0.1:{web.port}", "--json", *args,
                *(["-"] if key else []), stdin=self.key + "\n")
        finally:
            web.stop()

    def web_rows(self, r) -> dict:
        return {c["check"]: c for c in r.json["checks"] if c["area"] == "web server"}

    def test_good(self):
        """Nothing false behind any of the files in conf/."""
        done = side_by_side({m: lambda m=m: self.doctor(m, args=("--long", "6"))
                             for m in MOUNTS})
        for mount, r in done.items():
            with self.subTest(mount):
                rows = self.web_rows(r)
                self.assertEqual(list(rows), WEB)
                self.assertEqual({c["state"] for c in rows.values()}, {"ok"}, r)
                self.assertEqual({c["advice"] for c in rows.values()}, {None}, r)

    def test_without_a_key(self):
        done = side_by_side({m: lambda m=m: self.doctor(m, key=False) for m in MOUNTS})
        for mount, r in done.items():
            with self.subTest(mount):
                states = {n: c["state"] for n, c in self.web_rows(r).items()}
                # an answer without a key comes before mod_proxy_fcgi looks
                body = "skipped" if mount == "apache" else "ok"
                self.assertEqual(states, dict(zip(WEB, [
                    "ok", "ok", "ok", body, "ok", "skipped"], strict=True)), r)

    BROKEN = {
        # name: (mount, check, state, advice, edits...)
        "nginx buffering": (
            "nginx", "streams", "fail", "fastcgi_buffering off;",
            (".conf", "fastcgi_buffering off;",
             "fastcgi_ignore_headers X-Accel-Buffering;"),
            (".conf", "fastcgi_keep_conn on;", "")),
        "nginx authorization": (
            "nginx", "authorization", "fail",
            "fastcgi_param HTTP_AUTHORIZATION $http_authorization;",
            (".conf", "fastcgi_pass watchllm;",
             'fastcgi_pass watchllm; fastcgi_param HTTP_AUTHORIZATION "";')),
        "nginx body": (
            "nginx", "body", "fail", "client_max_body_size 32m;",
            (".conf", "client_max_body_size 32m;", "client_max_body_size 1k;")),
        "nginx default body": (
            "nginx", "body", "fail", "client_max_body_size 32m;",
            (".conf", "client_max_body_size 32m;", "")),
        "nginx gzip": (
            "nginx", "compression", "warn", "gzip off;",
            (".conf", "gzip off;", "gzip on; gzip_types text/event-stream;")),
        "nginx idle": (
            "nginx", "silence", "fail", "fastcgi_read_timeout 1h;",
            (".conf", "fastcgi_read_timeout 1h", "fastcgi_read_timeout 3s")),
        "lighttpd buffering": (
            "lighttpd", "streams", "fail", "server.stream-response-body = 2",
            (".conf", "server.stream-response-body = 2", "server.stream-response-body = 0")),
        "lighttpd authorization": (
            "lighttpd", "authorization", "fail", "setenv.set-request-header",
            (".conf", "server.modules += (", 'server.modules += ( "mod_setenv",'),
            (".conf", "fastcgi.server",
             'setenv.set-request-header = ("Authorization" => "")\nfastcgi.server')),
        "lighttpd body": (
            "lighttpd", "body", "fail", "server.max-request-size = 32768",
            (".conf", "server.max-request-size = 32768", "server.max-request-size = 1")),
        "lighttpd idle": (
            "lighttpd", "silence", "fail", "server.max-write-idle = 3600",
            (".conf", "server.max-write-idle = 3600", "server.max-write-idle = 3")),
        "lighttpd backend idle": (
            "lighttpd", "silence", "fail", '"read-timeout"',
            (".conf", '"check-local"', '"read-timeout" => 2,\n"check-local"')),
        "proxy buffering": (
            "apache", "streams", "fail", "flushpackets=on",
            (".conf", "flushpackets=on", "")),
        "proxy authorization": (
            "apache", "authorization", "fail", "CGIPassAuth On",
            (".conf", "CGIPassAuth On", "")),
        "proxy gzip": (
            "apache", "compression", "warn", "SetEnv no-gzip 1",
            (".conf", "SetEnv no-gzip 1", "SetOutputFilter DEFLATE"),
            (".conf", "ServerRoot", f"LoadModule filter_module {MODULES}/mod_filter.so\n"
             f"LoadModule deflate_module {MODULES}/mod_deflate.so\nServerRoot")),
        "proxy idle": (
            "apache", "silence", "fail", "timeout=3600",
            (".conf", "timeout=3600", "timeout=2"),
            (".conf", "ServerRoot", "KeepAliveTimeout 1\nServerRoot")),
        "fcgid buffering": (
            "fcgid", "streams", "fail", "FcgidOutputBufferSize 0",
            (".conf", "FcgidOutputBufferSize 0", "")),
        "fcgid authorization": (
            "fcgid", "authorization", "fail", "FcgidPassHeader Authorization",
            (".site/.htaccess", ",E=HTTP_AUTHORIZATION:%{HTTP:Authorization}", "")),
        "fcgid body": (
            "fcgid", "body", "fail", "FcgidMaxRequestLen 33554432",
            (".conf", "FcgidMaxRequestLen 33554432", "")),
        "fcgid idle": (
            "fcgid", "silence", "fail", "FcgidIOTimeout 3600",
            (".conf", "FcgidIOTimeout 3600", "FcgidIOTimeout 3")),
        "cgi buffering": (
            "cgi", "streams", "fail", "SetOutputFilter",
            (".conf", "CGIPassAuth On", "CGIPassAuth On\nSetOutputFilter BUFFER"),
            (".conf", "ScriptSock",
             f"LoadModule buffer_module {MODULES}/mod_buffer.so\nScriptSock")),
        "cgi authorization": (
            "cgi", "authorization", "fail", "CGIPassAuth On",
            (".conf", "CGIPassAuth On", "")),
        "cgi body": (
            "cgi", "body", "fail", "LimitRequestBody 33554432",
            (".conf", "CGIPassAuth On", "CGIPassAuth On\nLimitRequestBody 1024")),
        "cgi idle": (
            "cgi", "silence", "fail", "Timeout 3600",
            (".conf", "ScriptSock", "Timeout 2\nKeepAliveTimeout 1\nScriptSock")),
    }

    def test_broken(self):
        """One thing broken: that one is found, with its line, and no other."""
        def job(mount, check, *edits):
            # buffering also holds silence back, so that is tried alone
            args = ("--long", "9") if check == "silence" else ()
            return lambda: self.doctor(mount, *edits, args=args)

        done = side_by_side({n: job(b[0], b[1], *b[4:]) for n, b in self.BROKEN.items()})
        for name, (_, check, state, advice, *_) in self.BROKEN.items():
            with self.subTest(name):
                r = done[name]
                rows = self.web_rows(r)
                self.assertEqual({n: c["state"] for n, c in rows.items()
                                  if c["state"] not in ("ok", "skipped")}, {check: state}, r)
                self.assertIn(advice, rows[check]["advice"])
                self.assertEqual(r.status, 0 if state == "warn" else 1)

    def test_advice_mends(self):
        """What is advised for mod_fcgid, in either of its two places."""
        strip = (".site/.htaccess", ",E=HTTP_AUTHORIZATION:%{HTTP:Authorization}", "")
        for edit in ((".conf", "FcgidIOTimeout",
                      "FcgidPassHeader Authorization\nFcgidIOTimeout"),
                     (".site/.htaccess", "Options", "CGIPassAuth On\nOptions")):
            rows = self.web_rows(self.doctor("fcgid", strip, edit))
            self.assertEqual(rows["authorization"]["state"], "ok", rows)

    def test_body_tells_how_much_passes(self):
        rows = self.web_rows(self.doctor("fcgid", (
            ".conf", "FcgidMaxRequestLen 33554432", "")))
        self.assertIn("500, not by WatchLLM", rows["body"]["text"])
        self.assertIn("128 KB does", rows["body"]["text"])

    def test_the_stream(self):
        """The route that streams are seen by: its pace, its bounds, its guard."""
        web = self.site.web("nginx")
        self.addCleanup(web.stop)
        token = self.site.token.read_text().strip()

        def get(query: str, method: str = "GET", **headers: str):
            c = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
            c.request(method, "/v1/health/detailed" + query, headers={
                "Accept": "text/event-stream", "x-api-key": token, **headers})
            r = c.getresponse()
            text = r.read().decode()
            c.close()
            return r, text

        start = time.monotonic()
        r, text = get("?seconds=1&every=300")
        self.assertAlmostEqual(time.monotonic() - start, 1, delta=0.5)
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "text/event-stream"))
        events = [e for e in text.split("\n\n") if e.startswith("event:")]
        self.assertEqual([e.split("\n")[0] for e in events],
                         ["event: tick"] * 4 + ["event: end"])
        data = [json.loads(e.split("data: ")[1]) for e in events]
        self.assertEqual([d["n"] for d in data], [0, 1, 2, 3, 4])
        for d, at in zip(data, (0, 300, 600, 900, 1000), strict=True):
            self.assertAlmostEqual(d["at"] - data[0]["at"], at, delta=250)
        self.assertEqual((data[0]["interface"], data[0]["proxied"]), ("fastcgi", False))
        self.assertIn("nginx", data[0]["server"])
        self.assertLess(max(len(e) for e in events), 1024)
        for query, param in (("?seconds=301", "seconds"), ("?seconds=0", "seconds"),
                             ("?seconds=x", "seconds"), ("?every=9", "every"),
                             ("?every=300001", "every"), ("?every=", "every")):
            r, text = get(query)
            self.assertEqual((r.status, json.loads(text)["error"]["param"]), (400, param))
        r, text = get("", **{"x-api-key": "no-operator"})
        self.assertEqual((r.status, json.loads(text)["error"]["code"]), (401, "invalid_api_key"))
        # who does not ask for a stream gets the page
        for r, text in (get("", Accept="*/*"), get("", "HEAD")):
            self.assertEqual(r.headers["Content-Type"], "application/json")

    def test_not_reached(self):
        """Nobody there, no route to us, workers away."""
        r = self.site.run("doctor", "--url", "http://127.0.0.1:9", "--json")
        self.assertEqual(list(self.web_rows(r)), ["reachable"])
        self.assertEqual(r.status, 1)
        rows = self.web_rows(self.doctor("nginx", (".conf", "^/(v1|", "^/(v2|")))
        self.assertIn("404, not by WatchLLM", rows["reachable"]["text"])
        self.assertIn("conf/", rows["reachable"]["advice"])
        rows = self.web_rows(self.doctor("nginx", (
            ".conf", f"unix:{self.site.sock}", f"unix:{self.site.dir}/nobody.sock")))
        self.assertIn("502", rows["reachable"]["text"])
        self.assertIn("listen_mode", rows["reachable"]["advice"])

    def test_credentials(self):
        """A key that is none, an operator's token that is none, and none."""
        web = self.site.web("nginx")
        self.addCleanup(web.stop)
        url = f"http://127.0.0.1:{web.port}"
        bad = self.key[:-1] + ("a" if self.key[-1] != "a" else "b")
        r = self.site.run("doctor", "--url", url, bad, "--json")
        row = self.web_rows(r)["authorization"]
        self.assertEqual((row["state"], row["advice"]), ("fail", "give a key that is in use"))
        self.assertNotIn(bad, r.out + r.err)
        wrong = self.site.stores.secret("wrong", "no-operator")
        r = self.site.run("doctor", "--url", url, "--operator-token-file", str(wrong),
                          self.key, "--json")
        self.assertEqual(self.web_rows(r)["streams"]["state"], "skipped")
        self.assertNotIn("compression", self.web_rows(r))
        r = self.site.run("doctor", "--url", url, "--set", "x", "--json")
        self.assertEqual((r.status, r.out), (2, ""))

    def test_server_by_hand(self):
        """--server is believed before what the server says of itself."""
        web = self.site.web("nginx", (".conf", "client_max_body_size 32m;",
                                      "client_max_body_size 1k;"))
        self.addCleanup(web.stop)
        r = self.site.run("doctor", "--url", f"http://127.0.0.1:{web.port}", "--server",
                          "lighttpd", self.key, "--json")
        self.assertIn("server.max-request-size = 32768", self.web_rows(r)["body"]["advice"])

    def test_max_body_of_the_workers(self):
        """Our own 413 is not taken for the web server's."""
        conf = self.site.stores.write_conf({
            "operator_token_file": str(self.site.token), "max_body": "64m"}, "bigger.conf")
        web = self.site.web("nginx", (".conf", "client_max_body_size 32m;",
                                      "client_max_body_size 64m;"))
        self.addCleanup(web.stop)
        r = self.site.run("doctor", "--url", f"http://127.0.0.1:{web.port}", self.key,
                          "--json", conf=conf)
        row = self.web_rows(r)["body"]
        self.assertEqual(row["state"], "fail")
        self.assertIn("WatchLLM refuses", row["text"])
        self.assertIn("max_body", row["advice"])


class Stores(unittest.TestCase):
    """Configuration, stores, spool, jobs: each broken and mended again."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.stop)
        cls.stores = cls.site.stores
        cls.consumer = cls.start_consumer()

    @classmethod
    def start_consumer(cls):
        consumer = Daemon([str(PREFIX / "libexec/watchllm/watchllm-consumer"), "--config",
                           str(cls.site.conf)], cls.site.dir / "log/consumer.log")
        cls.addClassCleanup(consumer.stop)
        return consumer

    def doctor(self, *args: str, **kw):
        r = self.site.run("doctor", "--json", *args, **kw)
        self.assertIsNotNone(r.json, r)
        self.assertEqual(r.status, 1 if r.json["fail"] else 0)
        return r

    def finds(self, *wanted: tuple, **kw):
        """That these and no others are not in order: (area, check, state)."""
        r = self.doctor(**kw)
        self.assertEqual(r.not_ok(), list(wanted), r)
        for area, check, state in wanted:
            if state != "skipped":
                row = r.check(check, area)
                self.assertTrue(row["advice"] or area == "postgresql" or
                                row["text"].startswith("database:"), row)
        return r

    def conf(self, name: str, **changes):
        return self.stores.write_conf({
            "operator_token_file": str(self.site.token), **changes}, name)

    def test_good(self):
        r = self.finds()
        self.assertEqual((r.status, r.json["ok"]), (0, True))
        self.assertGreater(len(r.json["checks"]), 30)
        text = self.site.run("doctor")
        self.assertIn("0 fail, 0 warn, 0 skipped.", text.out)

    # -- configuration

    def test_unknown_key(self):
        r = self.finds(("configuration", "file", "fail"), conf=self.conf("u.conf", nonsense="1"))
        self.assertIn('unknown key "nonsense"', r.check("file")["text"])

    def test_files(self):
        token = self.stores.secret("open.token", "x" * 20)
        token.chmod(0o644)
        conf = self.conf("f.conf", operator_token_file=str(token),
                         master_key_file=f"{self.site.dir}/gone.key",
                         database_url=self.stores.url("app") + "&password=secret")
        self.finds(("configuration", "file", "warn"),
                   ("configuration", "master_key_file", "fail"),
                   ("configuration", "operator_token_file", "fail"), conf=conf)
        conf.chmod(0o666)
        r = self.doctor(conf=conf)
        self.assertIn("written by anybody", r.check("file")["text"])
        self.assertNotIn("secret", r.out)

    @unittest.skipIf(os.geteuid() != 0, "only root can give files away")
    def test_files_of_root(self):
        token = self.site.dir / "root.token"
        token.write_text("x" * 20 + "\n")
        token.chmod(0o600)
        r = self.doctor(conf=self.conf("r.conf", operator_token_file=str(token)), root=True)
        row = r.check("operator_token_file")
        self.assertEqual(row["state"], "warn")
        self.assertIn("chown", row["advice"])

    # -- PostgreSQL

    def sql(self, query: str, undo: str) -> None:
        self.addCleanup(self.stores.sql, undo, "postgres")
        self.stores.sql(query, "postgres")

    def test_bypass(self):
        self.sql("ALTER ROLE wl_app BYPASSRLS", "ALTER ROLE wl_app NOBYPASSRLS")
        self.finds(("postgresql", "rights of app", "fail"))

    def test_owner_and_superuser(self):
        for user in ("owner", None):
            url = self.stores.url("owner") if user else \
                self.stores.url("app").replace("wl_app", "postgres")
            r = self.finds(("postgresql", "rights of app", "fail"),
                           conf=self.conf("o.conf", database_url=url))
            self.assertIn("watchllm_app", r.check("rights of app")["advice"])

    def test_one_login(self):
        """Of a shared host: all is done by the owner."""
        conf = self.conf("one.conf", database_url=self.stores.url("owner"),
                         owner_database_url=None, drain_database_url=None,
                         rollup_database_url=None)
        self.finds(("postgresql", "rights of app", "fail"),
                   ("postgresql", "rights of drain", "warn"),
                   ("postgresql", "rights of rollup", "warn"), conf=conf)

    def test_no_owner(self):
        r = self.finds(("postgresql", "rights of app", "skipped"),
                       ("postgresql", "rights of drain", "skipped"),
                       ("postgresql", "rights of rollup", "skipped"),
                       ("providers", "keys", "skipped"),
                       conf=self.conf("n.conf", owner_database_url=None))
        self.assertEqual(r.status, 0)

    def test_rights(self):
        self.sql("GRANT DELETE ON watchllm.ledger TO wl_app",
                 "REVOKE DELETE ON watchllm.ledger FROM wl_app")
        r = self.finds(("postgresql", "rights of app", "fail"))
        self.assertIn("ledger: DELETE", r.check("rights of app")["text"])
        self.sql("REVOKE SELECT ON watchllm.plan FROM watchllm_app",
                 "GRANT SELECT ON watchllm.plan TO watchllm_app")
        r = self.finds(("postgresql", "rights of app", "fail"))
        self.assertIn("plan: SELECT", r.check("rights of app")["text"])

    def test_not_a_member(self):
        self.sql("REVOKE watchllm_rollup FROM wl_rollup", "GRANT watchllm_rollup TO wl_rollup")
        r = self.finds(("postgresql", "rights of rollup", "fail"), ("jobs", "rollup", "fail"))
        self.assertEqual(r.check("rights of rollup")["advice"],
                         "grant watchllm_rollup to wl_rollup")

    def test_row_security(self):
        self.sql("ALTER TABLE watchllm.project NO FORCE ROW LEVEL SECURITY",
                 "ALTER TABLE watchllm.project FORCE ROW LEVEL SECURITY")
        self.finds(("postgresql", "row security", "fail"))

    def test_schema(self):
        newest = self.stores.sql("SELECT max(version) FROM watchllm.schema_migration")[0][0]
        self.sql(f"UPDATE watchllm.schema_migration SET version = 999 WHERE version = {newest}",
                 f"UPDATE watchllm.schema_migration SET version = {newest} WHERE version = 999")
        r = self.finds(("postgresql", "schema", "fail"))
        self.assertIn("999", r.check("schema")["text"])

    def test_time_zone_and_connections(self):
        self.sql("ALTER DATABASE watchllm SET timezone TO 'Europe/Berlin'",
                 "ALTER DATABASE watchllm RESET timezone")
        self.finds(("postgresql", "time zone", "warn"), ("postgresql", "connections", "warn"),
                   conf=self.conf("c.conf", processes="100", database_connections="10"))

    def test_away(self):
        """The other findings are still there."""
        d = self.site.dir
        r = self.finds(("postgresql", "role app", "fail"), ("redis", "reachable", "fail"),
                       ("spool", "folder", "fail"), conf=self.conf(
                           "a.conf", database_url="postgresql:///watchllm?host=/nonexistent",
                           redis="unix:/nonexistent", spool_dir=f"{d}/nonexistent"))
        self.assertIn("/nonexistent", r.check("role app")["text"])

    def test_clock(self):
        clock = Clock(self.site.dir / "clock")
        clock.move(3)
        r = self.finds(("postgresql", "clock", "warn"), ("redis", "clock", "warn"),
                       **clock.env)
        self.assertRegex(r.check("clock", "redis")["text"],
                         r"^(2\d{3}|3000) ms behind this machine's")
        clock.move(-2.95)
        self.finds(**clock.env)

    # -- Redis

    def config(self, name: str, value: str) -> None:
        old = self.stores.redis("CONFIG", "GET", name).splitlines()[1]
        self.addCleanup(self.stores.redis, "CONFIG", "SET", name, old)
        self.stores.redis("CONFIG", "SET", name, value)

    def test_appendonly(self):
        self.config("appendonly", "no")
        r = self.finds(("redis", "appendonly", "fail"))
        self.assertIn("appendonly yes", r.check("appendonly")["advice"])

    def test_eviction(self):
        for policy in ("allkeys-lru", "volatile-ttl"):
            self.config("maxmemory-policy", policy)
            r = self.finds(("redis", "eviction", "fail"))
            self.assertIn(policy, r.check("eviction")["text"])

    def test_slow(self):
        """Slower than redis_timeout, but there."""
        script = "local t = redis.call('TIME'); local e = t[1]*1000000 + t[2] + 30000;" \
            " repeat t = redis.call('TIME') until t[1]*1000000 + t[2] > e; return 1"
        done = threading.Event()

        def busy():
            while not done.is_set():
                self.stores.redis("EVAL", script, "0")

        # one of them always waits for another
        for _ in range(3):
            t = threading.Thread(target=busy)
            t.start()
            self.addCleanup(t.join)
        self.addCleanup(done.set)
        self.finds(("redis", "latency", "fail"), conf=self.conf("s.conf", redis_timeout="1ms"))

    def test_no_redis(self):
        self.finds(("redis", "reachable", "fail"), conf=self.conf("x.conf", redis=""))
        self.finds(conf=self.conf("x.conf", redis="", counters="postgres"))

    def test_replica(self):
        self.addCleanup(self.stores.redis, "REPLICAOF", "NO", "ONE")
        self.stores.redis("REPLICAOF", "127.0.0.1", "9")
        r = self.finds(("redis", "reachable", "fail"))
        self.assertIn("READONLY", r.check("reachable")["text"])

    # -- spool and consumer

    def call(self) -> None:
        web = self.site.web("nginx")
        self.addCleanup(web.stop)
        _, key = self.site.project("pro")
        c = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
        c.request("POST", "/v1/chat/completions", json.dumps({
            "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        self.assertEqual(c.getresponse().status, 200)
        c.close()

    def test_consumer(self):
        cls = type(self)
        self.call()
        self.assertIn("it runs", self.finds().check("consumer")["text"])
        cls.consumer.kill(signal.SIGSTOP)
        self.call()
        r = self.finds(("spool", "consumer", "fail"))
        self.assertIn("it runs, but", r.check("consumer")["text"])
        cls.consumer.stop(0.1)
        self.assertIn("no consumer runs", self.finds(
            ("spool", "consumer", "warn")).check("consumer")["text"])
        # nobody has written for so long that cron would have come
        for path in self.site.spool.glob("*.wlj"):
            os.utime(path, (time.time() - 600,) * 2)
        self.finds(("spool", "consumer", "fail"))
        cls.consumer = self.start_consumer()
        wait_for(lambda: self.doctor().json["ok"], 30)

    def test_spool_folder(self):
        self.site.spool.chmod(0o755)
        self.addCleanup(self.site.spool.chmod, 0o700)
        self.finds(("spool", "folder", "warn"))
        if os.geteuid() == 0:
            self.assertEqual(self.doctor(root=True).check("folder")["state"], "warn")

    def test_spool_room(self):
        """Less than spool_max on the disk; spool_max used up."""
        fs = os.statvfs(self.site.spool)
        short = fs.f_bavail * fs.f_frsize < 1000 << 30
        self.finds(*([("spool", "room", "warn")] if short else []),
                   conf=self.conf("big.conf", spool_max="1000g"))
        self.site.folder.make("full")
        spool = self.site.dir / "full"
        spool.chmod(0o700)
        (spool / "1-1-x.0000000001.wlj").write_bytes(bytes(1 << 20))
        self.finds(("spool", "room", "fail"), ("spool", "consumer", "warn"),
                   conf=self.conf("full.conf", spool_max="1m", spool_dir=str(spool)))

    def test_spool_disk(self):
        """In memory, where there is such a disk."""
        shm = f"/dev/shm/wl-{os.getpid()}"
        os.mkdir(shm, 0o700)
        self.addCleanup(os.rmdir, shm)
        if ids():
            os.chown(shm, ids()["user"], ids()["group"])
        r = self.doctor(conf=self.conf("m.conf", spool_dir=shm))
        self.assertEqual(r.check("disk")["state"], "warn", r)

    # -- what the database holds

    def test_provider_keys(self):
        """No key for a default provider; a key under a lost master key."""
        s = self.stores
        s.provider("locked", self.site.fake.base, key_required="true", auth="'bearer'")
        self.addCleanup(s.sql, "DELETE FROM watchllm.provider WHERE id = 'locked'", "postgres")
        project, _ = s.project("free", "locked")
        self.addCleanup(s.sql, "UPDATE watchllm.project SET default_provider = NULL"
                        f" WHERE id = '{project}'", "postgres")
        r = self.finds(("providers", "default", "warn"))
        self.assertIn(project, r.check("default")["text"])
        s.cli("provider-key", "set", project, "locked", stdin="sk-some-key\n",
              conf=self.site.conf)
        self.addCleanup(s.sql, "DELETE FROM watchllm.provider_key"
                        f" WHERE project_id = '{project}'", "postgres")
        self.finds()
        other = s.secret("other.key", "k9 " + base64.b64encode(os.urandom(32)).decode())
        r = self.finds(("providers", "sealed keys", "fail"),
                       conf=self.conf("k.conf", master_key_file=str(other)))
        self.assertIn("k1", r.check("sealed keys")["text"])

    def test_prices(self):
        self.sql("UPDATE watchllm.price SET imported_at = now() - interval '100 days'",
                 "UPDATE watchllm.price SET imported_at = now()")
        r = self.finds(("prices", "known", "warn"))
        self.assertIn("100 days", r.check("known")["text"])
        rows = self.stores.sql("SELECT count(*) FROM watchllm.price")[0][0]
        self.sql("CREATE TABLE public.kept AS SELECT * FROM watchllm.price;"
                 " DELETE FROM watchllm.price",
                 "INSERT INTO watchllm.price SELECT * FROM public.kept;"
                 " DROP TABLE public.kept")
        r = self.finds(("prices", "known", "warn"))
        self.assertIn("none", r.check("known")["text"])
        self.assertGreater(int(rows), 0)

    def test_rollup(self):
        """Partitions that nobody has made tell how long it has not run."""
        late = self.stores.sql(
            "SELECT string_agg(format('watchllm.%I', name), ', ')"
            " FROM watchllm.partition_list() WHERE parent = 'ledger'"
            " AND lower > watchllm.utc_day(now()) + 8")[0][0]
        self.addCleanup(self.site.rollup)
        self.stores.sql(f"DROP TABLE {late}")
        r = self.finds(("jobs", "rollup", "warn"))
        self.assertIn("for 6 days", r.check("rollup")["text"])

    def test_dead_letters(self):
        self.sql("INSERT INTO watchllm.dead_letter (host, segment, record_offset, kind,"
                 " record, sqlstate, reason) VALUES ('h', 's', 0, 'E', '', '22000', 'x')",
                 "DELETE FROM watchllm.dead_letter")
        self.finds(("jobs", "dead letters", "warn"))


if __name__ == "__main__":
    unittest.main()
