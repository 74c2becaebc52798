"""Administration over HTTP: what the command line can do, with the operator's
token and nothing else."""

import json
import os
import re
import subprocess
import unittest

from gate import GateCase, stores
from stack import SOURCE, at_once, new_key

TOKEN = "operator-token-of-the-tests-0123456789"
KEY = re.compile(r"lgw_(?:proj|test)_[0-9A-Za-z]{38}")
PROVIDER_KEY = "sk-admin-test-0123456789-tail"


class AdminCase(GateCase):
    conf = {"auth_failures_per_minute": "1000", "bad_requests_per_minute": "1000000"}

    @classmethod
    def setUpClass(cls):
        cls.conf = {**cls.conf, "operator_token_file":
                    str(stores().secret("operator.token", TOKEN))}
        super().setUpClass()

    def admin(self, method, path, body=None, status=None, **headers):
        r = self.gate.request(method, "/v1/admin" + path, body, TOKEN,
                              {k.replace("_", "-"): v for k, v in headers.items()})
        if status is not None:
            self.assertEqual(r.status, status, r)
        self.assertEqual(r.headers.get("Cache-Control"),
                         "no-store" if r.status in (200, 201) else None)
        return r

    def get(self, path):
        return self.admin("GET", path, status=200).json()

    def refused(self, method, path, body, status, code, param=None, **headers):
        error = self.error(self.admin(method, path, body, **headers), status, code)
        if param is not None:
            self.assertEqual(error.get("param"), param, error)
        return error

    def new_project(self, **fields):
        return self.admin("POST", "/projects", {"name": "Made by HTTP", **fields}, 201).json()

    def last(self, project):
        """The newest entry of the audit log about PROJECT."""
        return self.get(f"/audit?project={project}&limit=1")["data"][0]


class Admin(AdminCase):
    def test_projects(self):
        made = self.new_project(plan="starter")
        self.assertEqual((made["name"], made["plan"], made["enabled"], made["keys"]),
                         ("Made by HTTP", "starter", True, 0))
        path = f"/projects/{made['id']}"
        self.assertEqual(self.get(path), made)
        entry = self.last(made["id"])
        self.assertEqual((entry["actor"], entry["address"], entry["action"]),
                         ("http:operator", "127.0.0.1", "project.insert"))
        changed = self.admin("PATCH", path, {"plan": "pro", "default_provider": "openai"},
                             200).json()
        self.assertEqual(changed, {**made, "plan": "pro", "default_provider": "openai"})
        cleared = self.admin("PATCH", path, {"default_provider": None, "enabled": False},
                             200).json()
        self.assertEqual((cleared["default_provider"], cleared["enabled"]), (None, False))
        entry = self.last(made["id"])
        self.assertEqual((entry["action"], entry["before"]["default_provider"],
                          entry["after"]["default_provider"]),
                         ("project.update", "openai", None))
        self.admin("PATCH", path, {"enabled": True}, 200)
        self.refused("POST", "/projects", {"id": made["id"], "name": "x"}, 409, "conflict")
        self.refused("POST", "/projects", {"name": "x", "plan": "none-such"}, 404, "not_found")
        self.refused("POST", "/projects", {"name": "x", "id": "No-Such_Id"}, 400,
                     "invalid_request")
        self.refused("GET", "/projects/nosuch", None, 404, "not_found")
        self.refused("PATCH", "/projects/nosuch", {"name": "x"}, 404, "not_found")

    def test_pages(self):
        ids = [self.new_project()["id"] for _ in range(5)]
        for what, name in (("projects", "id"), ("usage", "project")):
            seen, after = [], ""
            while True:
                page = self.get(f"/{what}?limit=2{after}")
                self.assertLessEqual(len(page["data"]), 2)
                seen += [row[name] for row in page["data"]]
                self.assertEqual(page["has_more"], page["next"] is not None)
                if not page["has_more"]:
                    break
                after = f"&after={page['next']}"
            self.assertEqual([x for x in seen if x in ids], ids)
            self.assertEqual(len(seen), len(set(seen)))
        for what in ("projects", "keys", "plans", "prices", "usage", "audit", "provider-keys"):
            for query, param in (("limit=0", "limit"), ("limit=1001", "limit"),
                                 ("limit=x", "limit"), ("after=%27%3B--", "after")):
                self.refused("GET", f"/{what}?{query}", None, 400, "invalid_request", param)

    def test_keys(self):
        project = self.new_project(plan="free")["id"]
        made = self.admin("POST", "/keys", {
            "project": project, "name": "CI", "scopes": ["gateway"], "per_minute": 3,
            "expires": "30d"}, 201).json()
        self.assertRegex(made["key"], KEY)
        self.assertEqual((made["scopes"], made["per_minute"], made["per_month"], made["state"],
                          made["prefix"]), (["gateway"], 3, None, "active", made["key"][9:15]))
        path = f"/keys/{made['id']}"
        shown = self.get(path)
        self.assertEqual({**shown, "key": made["key"]}, made)
        self.assertEqual(self.gate.request("GET", "/v1/usage", key=made["key"]).status, 200)
        self.assertEqual([k["id"] for k in self.get(f"/keys?project={project}")["data"]],
                         [made["id"]])
        self.refused("GET", f"{path}?project=another", None, 404, "not_found")

        new = self.admin("POST", path + "/rotate", {"grace": "1h"}, 201).json()
        self.assertEqual((new["scopes"], new["per_minute"]), (["gateway"], 3))
        for key in (made["key"], new["key"]):
            self.assertEqual(self.gate.request("GET", "/v1/usage", key=key).status, 200)
        self.admin("DELETE", path, None, 204)
        self.admin("DELETE", path, None, 204)
        self.assertEqual(self.gate.request("GET", "/v1/usage", key=made["key"]).status, 401)
        self.assertEqual(self.get(path)["state"], "revoked")
        self.refused("POST", path + "/rotate", None, 409, "conflict")
        # without a body: at once
        last = self.admin("POST", f"/keys/{new['id']}/rotate", None, 201).json()
        self.assertEqual(self.gate.request("GET", "/v1/usage", key=new["key"]).status, 401)
        self.assertEqual(self.gate.request("GET", "/v1/usage", key=last["key"]).status, 200)
        # limits that nobody gave are none
        self.assertEqual(self.gate.stores.sql(
            "SELECT DISTINCT tokens_per_minute IS NULL AND budget_day_nano IS NULL"
            f" AND budget_month_nano IS NULL FROM watchllm.api_key WHERE project_id = '{project}'"),
            [["t"]])
        self.refused("POST", "/keys", {"project": "nosuch"}, 404, "not_found")
        self.refused("POST", "/keys", {"project": project, "scopes": ["root"]}, 400,
                     "invalid_request")
        self.refused("POST", "/keys", {"project": project, "expires": "yesterday"}, 400,
                     "invalid_request", "expires")
        self.refused("DELETE", "/keys/nosuch", None, 404, "not_found")

    def test_a_key_of_several_projects(self):
        ids = [self.new_project()["id"] for _ in range(2)]
        for p in ids:
            self.gate.stores.key(p, id="'twice'")
        self.refused("DELETE", "/keys/twice", None, 400, "invalid_request", "project")
        self.admin("DELETE", f"/keys/twice?project={ids[0]}", None, 204)
        self.assertEqual(self.get(f"/keys/twice?project={ids[1]}")["state"], "active")

    def test_once_by_idempotency_key(self):
        project = self.new_project()["id"]
        body = {"project": project, "name": "once", "expires": "30d"}

        def make(_):
            return self.admin("POST", "/keys", body, Idempotency_Key="deploy-7")
        replies = at_once(6, make)
        statuses = sorted(r.status for r in replies)
        self.assertEqual(statuses, [200] * 5 + [201])
        for r in replies:
            self.assertEqual("key" in r.json(), r.status == 201)
            self.assertEqual(r.headers.get("Idempotency-Replayed"),
                             "true" if r.status == 200 else None)
        self.assertEqual(len(self.get(f"/keys?project={project}")["data"]), 1)
        self.refused("POST", "/keys", {**body, "name": "other"}, 409, "idempotency_conflict",
                     Idempotency_Key="deploy-7")
        # another project's is another key
        other = self.new_project()["id"]
        self.admin("POST", "/keys", {**body, "project": other}, 201, Idempotency_Key="deploy-7")
        one = self.admin("POST", "/projects", {"name": "p"}, 201, Idempotency_Key="p1").json()
        two = self.admin("POST", "/projects", {"name": "p"}, 200, Idempotency_Key="p1").json()
        self.assertEqual(one["id"], two["id"])
        self.refused("POST", "/projects", {"name": "q"}, 409, "idempotency_conflict",
                     Idempotency_Key="p1")

    def test_provider_keys(self):
        project = self.new_project()["id"]
        body = {"project": project, "provider": "openai", "key": PROVIDER_KEY, "name": "main"}
        made = self.admin("POST", "/provider-keys", body, 201).json()
        self.assertEqual((made["provider"], made["priority"], made["host"], made["hint"]),
                         ("openai", 1, "api.openai.com", "tail"))
        again = self.admin("POST", "/provider-keys", {**body, "name": "new"}, 201).json()
        self.assertEqual((again["id"], again["name"]), (made["id"], "new"))
        self.assertEqual(self.get(f"/provider-keys?project={project}")["data"], [again])
        self.assertEqual(self.get(f"/provider-keys/{made['id']}"), again)
        self.refused("POST", "/provider-keys", {**body, "provider": "nosuch"}, 404, "not_found")
        self.refused("POST", "/provider-keys", {**body, "project": "nosuch"}, 404, "not_found")
        self.refused("POST", "/provider-keys", {**body, "priority": 4}, 400, "invalid_request",
                     "priority")
        self.refused("POST", "/provider-keys", {**body, "key": "a\nb"}, 400, "invalid_request")
        self.admin("DELETE", f"/provider-keys/{made['id']}", None, 204)
        self.refused("DELETE", f"/provider-keys/{made['id']}", None, 404, "not_found")

    def test_plans(self):
        body = {"id": "http-plan", "per_minute": 5, "per_month": 100, "price_usd": 9.5}
        made = self.admin("POST", "/plans", body, 201).json()
        self.assertEqual((made["per_minute"], made["price_usd"], made["window"],
                          made["concurrent"]), (5, 9.5, "fixed", None))
        self.refused("POST", "/plans", body, 409, "conflict")
        path = "/plans/http-plan"
        changed = self.admin("PATCH", path, {"concurrent": 2, "window": "sliding"}, 200).json()
        self.assertEqual(changed, {**made, "concurrent": 2, "window": "sliding"})
        self.assertEqual(self.admin("PATCH", path, {"concurrent": None}, 200).json()["concurrent"],
                         None)
        self.refused("PATCH", "/plans/nosuch", {"per_minute": 1, "per_month": 1}, 404,
                     "not_found")
        self.refused("PATCH", path, {"window": "round"}, 400, "invalid_request")
        self.refused("PATCH", path, {"retention": "nosuch"}, 404, "not_found")
        # it holds for the next call
        project, key = self.gate.stores.project("http-plan")
        self.assertEqual(self.gate.request("GET", "/v1/usage", key=key).json()["rateLimit"]["limit"],
                         5)
        self.admin("PATCH", path, {"per_minute": 7}, 200)
        self.assertEqual(self.gate.request("GET", "/v1/usage", key=key).json()["rateLimit"]["limit"],
                         7)
        self.assertEqual(self.get(path)["projects"], 1)
        self.assertEqual(self.gate.stores.sql(
            "SELECT tokens_per_minute IS NULL AND budget_day_nano IS NULL"
            " AND budget_month_nano IS NULL FROM watchllm.plan WHERE id = 'http-plan'"), [["t"]])
        # what was not named is no limit, neither of the plan nor of a key
        poor = self.admin("POST", "/keys", {"project": project}, 201).json()["key"]
        usage = self.gate.request("GET", "/v1/usage", key=poor).json()
        self.assertEqual({"tokens", "budgetDay", "budgetMonth", "keyLimits"} & set(usage), set())

    def test_prices(self):
        csv = b"provider,model,input_usd_per_mtok,output_usd_per_mtok\nacme,big,1.5,3\n"
        dry = self.admin("POST", "/prices?dry_run=true", csv, 200, Content_Type="text/csv").json()
        self.assertEqual((dry["dry_run"], dry["added"]), (True, 1))
        self.assertEqual(self.get("/prices?provider=acme")["data"], [])
        self.admin("POST", "/prices", csv, 200, Content_Type="text/csv")
        again = self.admin("POST", "/prices", csv, 200, Content_Type="text/csv").json()
        self.assertEqual((again["added"], again["unchanged"]), (0, 1))
        price = self.get("/prices?provider=acme")["data"][0]
        self.assertEqual((price["model"], price["input_usd_per_mtok"]), ("big", 1.5))
        entry = self.get("/audit?action=price.&limit=1")["data"][0]
        self.assertEqual((entry["actor"], entry["after"]),
                         ("http:operator", {"prices": 1, "providers": ["acme"]}))
        first = self.get("/prices?limit=1")
        second = self.get(f"/prices?limit=1&after={first['next']}")
        self.assertNotEqual(first["data"], second["data"])
        self.refused("POST", "/prices", b"no,such,columns\n", 400, "invalid_request",
                     Content_Type="text/csv")
        self.refused("POST", "/prices", csv, 415, "unsupported_media_type",
                     Content_Type="application/xml")
        self.refused("POST", "/prices?dry_run=maybe", csv, 400, "invalid_request", "dry_run",
                     Content_Type="text/csv")

    def test_usage(self):
        project, key = self.gate.project("free")
        self.assertEqual(self.gate.chat(key).status, 200)
        path = f"/usage/{project}"
        now = self.get(path)
        self.assertEqual((now["quota"]["used"], now["would_pass"]),
                         (1, {"rate_limit": True, "quota": True}))
        full = self.admin("PATCH", path, {"month": 50000}, 200).json()
        self.assertEqual((full["quota"]["remaining"], full["would_pass"]["quota"]), (0, False))
        self.assertEqual(self.gate.chat(key).status, 429)
        self.assertEqual(self.last(project)["action"], "usage.set")
        self.admin("PATCH", path, {"minute": 0, "month": 0}, 200)
        self.assertEqual(self.gate.chat(key).status, 200)
        more = self.admin("POST", path + "/add", {"calls": 5}, 200).json()
        self.assertEqual(more["quota"]["used"], 6)
        self.refused("PATCH", path, {}, 400, "invalid_request", "month")
        self.refused("PATCH", path, {"month": -1}, 400, "invalid_request", "month")
        self.refused("PATCH", "/usage/nosuch", {"month": 1}, 404, "not_found")
        self.refused("POST", path + "/add", {"calls": 0}, 400, "invalid_request", "calls")
        rows = self.get("/usage?limit=1000")["data"]
        self.assertEqual([r["limit"] for r in rows if r["project"] == project], [50000])

    def test_reading_usage_changes_nothing(self):
        project, key = self.gate.project("free")
        self.gate.chat(key)
        before = self.gate.stores.redis("KEYS", f"*{project}*")
        seen = [self.gate.request("GET", "/v1/usage", key=key).json() for _ in range(5)]
        seen += [self.gate.request("GET", "/v1/usage", key=key).json()]
        for usage in seen:
            for name in ("rateLimit", "quota"):
                self.assertEqual(usage[name]["used"], 1)
                self.assertEqual(usage[name]["remaining"], usage[name]["limit"] - 1)
                self.assertGreater(usage[name]["resetAt"], self.clock.now() - 1)
        self.get(f"/usage/{project}")
        self.assertEqual(self.gate.stores.redis("KEYS", f"*{project}*"), before)
        self.assertEqual(self.get(f"/usage/{project}")["rateLimit"]["used"], 1)


class Hostile(AdminCase):
    """What is no operator, and bodies that are none."""

    CREATES = [("POST", "/projects"), ("POST", "/keys"), ("POST", "/plans"),
               ("POST", "/provider-keys"), ("PATCH", "/projects/x"), ("PATCH", "/plans/free"),
               ("PATCH", "/usage/x"), ("POST", "/usage/x/add")]

    def test_nobody_else(self):
        _, key = self.gate.project("free")
        for token, code in ((None, "missing_api_key"), (key, "invalid_api_key"),
                            (new_key(), "invalid_api_key"), (TOKEN + "x", "invalid_api_key"),
                            (TOKEN[:-1], "invalid_api_key")):
            for method, path in [*self.CREATES, ("GET", "/audit"), ("GET", "/keys")]:
                r = self.gate.request(method, "/v1/admin" + path, {} if method != "GET" else None,
                                      token)
                self.error(r, 401, code)

    def test_bodies(self):
        for method, path in self.CREATES:
            error = self.refused(method, path, {"evil": 1}, 400, "invalid_request", "evil")
            self.assertIn("evil", error["message"])
            self.refused(method, path, [], 400, "invalid_request")
            self.refused(method, path, b"{", 400, "invalid_json",
                         Content_Type="application/json")
            self.refused(method, path, b"", 400, "invalid_json",
                         Content_Type="application/json")
            self.refused(method, path, b"{}", 415, "unsupported_media_type",
                         Content_Type="text/plain")
            self.refused(method, path, b"{}", 415, "unsupported_media_type",
                         Content_Type="application/x-www-form-urlencoded")
            self.refused(method, path, b'{"a":"' + b"x" * 70000 + b'"}', 413,
                         "request_too_large", Content_Type="application/json")
            self.refused(method, path, b"[" * 100 + b"]" * 100, 400, "invalid_json",
                         Content_Type="application/json")
        for value in (1, True, ["x"], {"x": 1}, "", "x" * 2000, "a\u0000b", None):
            self.refused("POST", "/projects", {"name": value}, 400, "invalid_request", "name")
        for value in ("x", 1.5, -1, 10**15, None, 2**63):
            self.refused("PATCH", "/plans/free", {"per_minute": value}, 400, "invalid_request",
                         "per_minute")
        self.refused("POST", "/projects", {}, 400, "invalid_request", "name")
        self.refused("POST", "/projects", {"name": "x" * 300}, 400, "invalid_request")
        sql = "'; DROP TABLE watchllm.project; --"
        made = self.admin("POST", "/projects", {"name": sql}, 201).json()
        self.assertEqual(made["name"], sql)
        self.refused("GET", "/projects/%27%20OR%201=1", None, 404, "not_found")
        self.refused("GET", "/projects/" + "x" * 3000, None, 404, "not_found")

    def test_ways(self):
        r = self.admin("PUT", "/projects", {})
        self.error(r, 405, "method_not_allowed")
        self.assertEqual(r.headers["Allow"], "GET, HEAD, POST, OPTIONS")
        self.error(self.admin("GET", "/keys/a/rotate"), 405, "method_not_allowed")
        self.error(self.admin("GET", "/keys/a/b"), 404, "not_found")
        self.error(self.admin("POST", "/projects", {"name": "x"}, Origin="https://evil.example"),
                   403, "origin_not_allowed")

    def test_secrets_stay(self):
        """No list, error, log or entry of the audit has a secret."""
        project = self.new_project()["id"]
        made = self.admin("POST", "/keys", {"project": project}, 201).json()
        self.admin("POST", "/provider-keys", {"project": project, "provider": "openai",
                                              "key": PROVIDER_KEY}, 201)
        self.refused("POST", "/provider-keys", {"project": project, "provider": "openai",
                                                "key": PROVIDER_KEY, "evil": 1}, 400,
                     "invalid_request", "evil")
        # a key is never in a URL, but who does it must not find it in a log
        r = self.admin("GET", f"/keys/{made['key']}")
        self.assertEqual(r.status, 404)
        texts = [json.dumps(self.get(p)) for p in (
            f"/keys?project={project}", f"/audit?project={project}", f"/projects/{project}",
            f"/provider-keys?project={project}")]
        texts.append(self.gate.log.read_text())
        self.assertIn("/v1/admin/keys", texts[-1])
        for text in texts:
            self.assertEqual(KEY.findall(text), [])
            for secret in (PROVIDER_KEY, TOKEN):
                self.assertNotIn(secret, text)

    def test_audit_is_a_chain(self):
        projects = [self.new_project()["id"] for _ in range(3)]
        # writers at once follow each other
        at_once(12, lambda i: self.admin("PATCH", f"/projects/{projects[i % 3]}",
                                         {"name": f"n{i}"}, 200))
        check = self.get("/audit/verify")
        self.assertTrue(check["ok"], check)
        n, _, digest = check["head"].partition(":")
        self.assertEqual(int(n), check["entries"])
        newest = self.get("/audit?limit=2")["data"]
        self.assertEqual((newest[0]["id"], newest[0]["hash"]), (int(n), digest))
        said = self.gate.stores.cli_json("audit", "verify", "--head", check["head"])
        self.assertTrue(said["ok"])
        self.refused("GET", "/audit/verify?head=nonsense", None, 400, "invalid_request", "head")
        sql = self.gate.stores.sql
        for role in ("app", "drain", "rollup", "owner"):
            for text in ("UPDATE watchllm.audit_log SET actor = 'x'",
                         "DELETE FROM watchllm.audit_log", "TRUNCATE watchllm.audit_log"):
                with self.assertRaises(AssertionError, msg=(role, text)):
                    sql(text, role)
        # who owns the tables can cut the end off; the chain fits, the head does not
        sql(f"""SET session_replication_role = replica;
            DELETE FROM watchllm.audit_log WHERE id = {n}""", "postgres")
        cut = self.get("/audit/verify")
        self.assertTrue(cut["ok"])
        cut = self.get(f"/audit/verify?head={check['head']}")
        self.assertEqual((cut["ok"], cut["head_gone"]), (False, True))
        r = self.gate.stores.cli("audit", "verify", "--head", check["head"], check=False)
        self.assertEqual(r.returncode, 1)
        # and what is changed in the middle is found
        sql(f"""SET session_replication_role = replica;
            UPDATE watchllm.audit_log SET actor = 'nobody' WHERE id = {int(n) - 2}""", "postgres")
        bad = self.get("/audit/verify")
        self.assertEqual((bad["ok"], bad["first_bad"]), (False, int(n) - 2))


class Docs(AdminCase):
    """The examples of docs/ADMIN.md, one after the other."""

    def test_examples(self):
        text = (SOURCE / "docs/ADMIN.md").read_text()
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
        self.assertGreater(len(blocks), 5)
        r = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
                           capture_output=True, text=True, timeout=60,
                           env={**os.environ, "GATE": self.gate.url, "TOKEN": TOKEN})
        self.assertEqual((r.returncode, r.stderr), (0, ""), r.stdout[-2000:])
        self.assertNotIn('"error"', r.stdout)


class Off(GateCase):
    """Without a token there is no administration, whoever asks."""

    conf = {"operator_addresses": "127.0.0.1"}

    def test_no_such_route(self):
        for token in (None, "", TOKEN, new_key()):
            for method, path in Hostile.CREATES + [("GET", "/audit")]:
                r = self.gate.request(method, "/v1/admin" + path, {}, token)
                self.error(r, 404, "not_found")


class NotOwner(AdminCase):
    """Workers whose login does not own the tables say so, and do nothing."""

    @classmethod
    def setUpClass(cls):
        cls.conf = {**cls.conf, "owner_database_url": stores().url("app")}
        super().setUpClass()

    def test_unavailable(self):
        for method, path, body in (("GET", "/projects", None),
                                   ("POST", "/projects", {"name": "x"})):
            error = self.refused(method, path, body, 503, "unavailable")
            self.assertIn("may not administer", error["message"])


if __name__ == "__main__":
    unittest.main()
