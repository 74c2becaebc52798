"""Limits of tokens and money, and rules by user, model, tag and key: reserved at
admission, settled with the truth, told in answers, figures and events."""

import contextlib
import unittest

from gate import GateCase, data, events
from stack import at_once, wait_for


class Budgets(GateCase):
    """With counters in Redis."""

    processes = 2
    conf = {"total_timeout": "10s", "operator_addresses": "127.0.0.1"}

    def own_plan(self, *options: str) -> str:
        """A plan of this test's own, roomy but for OPTIONS of "plan set"."""
        type(self).plans = getattr(type(self), "plans", 0) + 1
        name = f"own-{self.conf.get('counters', 'redis')[:3]}-{self.plans}"
        self.gate.cli("plan", "set", name, "--rpm", "1000000", "--month", "1000000", *options)
        return name

    def ask(self, key: str, most: int | None = 20, words: str = "tokens=4",
            model: str = "gpt-4o-mini", **headers):
        body = {"model": model, "messages": [{"role": "user", "content": f"[[{words}]]"}]}
        if most is not None:
            body["max_tokens"] = most
        return self.gate.request("POST", "/v1/chat/completions", body, key=key,
                                 headers={k.replace("_", "-"): v for k, v in headers.items()})

    def usage(self, key: str) -> dict:
        return self.gate.request("GET", "/v1/usage", key=key).json()

    def settled(self, key: str, name: str, used, where: str | None = None) -> None:
        """What a limit says when the last call is settled, which follows its answer."""
        def same():
            u = self.usage(key)
            got = (u[where] if where else u)[name]["used"]
            return abs(got - used) < 1e-9
        wait_for(same, 5, 0.02)

    def figure(self, what: str) -> int:
        text = self.gate.request("GET", "/observability/prometheus").body.decode()
        for line in text.splitlines():
            if line.startswith(what):
                return int(line.split()[-1])
        return 0

    def test_tokens(self):
        """Reserved by max_tokens, settled by what the provider says."""
        self.clock.minute()
        _, key = self.gate.project(self.own_plan("--tokens", "100"))
        r = self.ask(key, 20)
        used = r.json()["usage"]["total_tokens"]
        self.assertEqual(r.status, 200)
        self.assertIn('"tokens";q=100;qu="tokens";w=60', r.headers["RateLimit-Policy"])
        self.settled(key, "tokens", used)
        # no room now for one that may use so many, but for a small one
        error = self.error(r := self.ask(key, 100 - used), 429, "tokens_per_minute_exceeded")
        self.assertEqual(error["type"], "rate_limit_error")
        d = error["details"]
        self.assertEqual((d["used"], d["limit"], d["remaining"]), (used, 100, 100 - used))
        self.assertEqual(d["retryAfter"], int(r.headers["Retry-After"]))
        self.assertIsNone(r.headers["x-should-retry"])
        self.assertEqual(self.ask(key, 20).status, 200)
        # waiting does not help one that is larger than the limit
        self.error(r := self.ask(key, 101), 429, "tokens_per_minute_exceeded")
        self.assertEqual((r.headers["x-should-retry"], r.headers["Retry-After"]), ("false", None))
        self.clock.minute()
        self.settled(key, "tokens", 0)

    def test_tokens_at_once(self):
        """What runs is counted by its reservation, so no more run than fit."""
        self.clock.minute()
        _, key = self.gate.project(self.own_plan("--tokens", "100"))
        # the prompt has 7 tokens at most
        got = at_once(20, lambda _: self.ask(key, 40, "tokens=1 latency=700").status)
        self.assertEqual((got.count(200), got.count(429)), (2, 18), got)

    def test_tokens_beyond(self):
        """More than was reserved is charged, whatever the limit."""
        self.clock.minute()
        _, key = self.gate.project(self.own_plan("--tokens", "100"))
        self.assertEqual(self.ask(key, 20, "tokens=4 completion_tokens=500").status, 200)
        wait_for(lambda: self.usage(key)["tokens"]["used"] > 500, 5, 0.02)
        self.error(self.ask(key, 1), 429, "tokens_per_minute_exceeded")

    def test_budget_at_once(self):
        """A budget holds reservations, and gives back what was not used."""
        # each may cost 20 tokens of output and some of input
        plan = self.own_plan("--budget-day", "0.000050")
        _, key = self.gate.project(plan)
        got = at_once(20, lambda _: self.ask(key, 20, "tokens=1 latency=700"))
        done = [r for r in got if r.status == 200]
        self.assertTrue(2 <= len(done) <= 4, [r.status for r in got])
        spent = sum(float(r.headers["X-WatchLLM-Cost-USD"]) for r in done)
        self.settled(key, "budgetDay", spent)
        r = next(r for r in got if r.status == 429)
        error = self.error(r, 429, "budget_exceeded")
        self.assertEqual(error["type"], "quota_exceeded_error")
        d = error["details"]
        self.assertEqual((d["limit"], d["currency"]), (0.00005, "USD"))
        self.assertEqual(d["resetAt"] % 86400, 0)
        self.assertEqual(r.headers["x-should-retry"], "false")
        # what is left after that may be spent
        self.assertEqual(self.ask(key, 20).status, 200)

    def test_budget_of_key(self):
        project, key = self.gate.project(self.own_plan())
        made = self.gate.stores.cli_json("key", "create", project, "--budget-month", "0.00002",
                                         "--tokens", "1000", conf=self.gate.conf)
        poor = made["key"]
        self.assertEqual(self.ask(poor, 10).status, 200)
        error = self.error(self.ask(poor, 100), 429, "budget_exceeded")
        self.assertIn("with this API key", error["message"])
        self.assertEqual(self.ask(key, 100).status, 200)
        u = self.usage(poor)
        self.assertEqual(u["keyLimits"]["budgetMonth"]["limit"], 0.00002)
        self.assertGreater(u["keyLimits"]["tokens"]["used"], 0)

    def test_refused_upstream(self):
        """What the provider did not do is given back whole."""
        _, key = self.gate.project(self.own_plan("--tokens", "1000", "--budget-month", "1"))
        self.assertEqual(self.ask(key, 20, "status=400").status, 400)
        self.settled(key, "tokens", 0)
        self.settled(key, "budgetMonth", 0)

    def test_unknown_price(self):
        """Allowed, denied, or counted at a flat price; and told."""
        before = self.figure('watchllm_limits_total{what="unknown_price"}')
        _, key = self.gate.project(self.own_plan("--budget-day", "0"))
        self.assertEqual(self.ask(key, model="nobody-knows").status, 200)
        _, key = self.gate.project(self.own_plan("--budget-day", "1", "--unknown-price", "deny"))
        error = self.error(self.ask(key, model="nobody-knows"), 400, "price_unknown")
        self.assertEqual(error["param"], "model")
        self.assertEqual(self.ask(key).status, 200)
        plan = self.own_plan("--budget-day", "1", "--flat-price", "1000", "--unknown-price",
                             "flat")
        _, key = self.gate.project(plan)
        r = self.ask(key, model="nobody-knows")
        self.assertEqual((r.status, r.headers["X-WatchLLM-Cost-USD"]), (200, None))
        self.settled(key, "budgetDay", r.json()["usage"]["total_tokens"] * 0.001)
        self.error(self.ask(key, 1000, model="nobody-knows"), 429, "budget_exceeded")
        self.assertGreaterEqual(self.figure('watchllm_limits_total{what="unknown_price"}'),
                                before + 4)

    def test_free_model(self):
        """A model that costs nothing needs no budget."""
        self.gate.stores.sql("""INSERT INTO watchllm.price (provider, model, effective_from,
            input_nano, output_nano, source) VALUES ('openai', 'gratis', '2020-01-01', 0, 0,
            'test') ON CONFLICT DO NOTHING""")
        _, key = self.gate.project(self.own_plan("--budget-day", "0"))
        self.error(self.ask(key), 429, "budget_exceeded")
        self.assertEqual(self.ask(key, model="gratis").status, 200)

    # -- streams

    def lines(self, key: str, words: str, **fields) -> list:
        c, r = self.gate.stream(key, f"[[{words}]]", **fields)
        with contextlib.closing(c):
            return data(events(r))

    def test_overrun_stop(self):
        """A stream that uses up its reservation ends with an error."""
        before = self.figure('watchllm_limits_total{what="stream_stopped"}')
        plan = self.own_plan("--tokens", "100000", "--overrun", "stop")
        project, key = self.gate.project(plan)
        # 512 are expected of a model that nobody knows yet
        got = self.lines(key, "tokens=900 chunk_tokens=20 per_token=1")
        self.assertEqual(got[-1]["error"]["code"], "reservation_exceeded", got[-1])
        self.assertNotIn("[DONE]", got)
        tokens = sum(len(e["choices"][0]["delta"].get("content") or "") for e in got
                     if e.get("choices")) / 4
        self.assertTrue(512 < tokens < 800, tokens)
        # what was passed on is settled: the reservation and a little more
        wait_for(lambda: 512 < self.usage(key)["tokens"]["used"] < 850, 5, 0.02)
        # who says how much is wanted gets it
        got = self.lines(key, "tokens=900 chunk_tokens=20", max_tokens=900)
        self.assertEqual(got[-1], "[DONE]")
        self.assertEqual(self.figure('watchllm_limits_total{what="stream_stopped"}'), before + 1)
        first = self.gate.recorded(project, 2, 5)[0]
        self.assertEqual((first["status"], first["error_code"]), ("error", "reservation_exceeded"))

    def test_overrun_warn(self):
        """Or it goes on, and its event tells."""
        project, key = self.gate.project(self.own_plan("--tokens", "100000", "--overrun", "warn"))
        self.assertEqual(self.lines(key, "tokens=900 chunk_tokens=20")[-1], "[DONE]")
        self.gate.recorded(project, 1, 5)
        self.assertEqual(self.gate.stores.sql(
            "SELECT 'overrun' = ANY (flags) FROM watchllm.event"
            f" WHERE project_id = '{project}'"), [["t"]])

    # -- rules

    def rule(self, project: str, *args: str) -> str:
        return self.gate.stores.cli_json("limit", "set", project, *args,
                                         conf=self.gate.conf)["id"]

    def test_users(self):
        """Each user has his own; the header goes before the body."""
        self.clock.minute()
        project, key = self.gate.project(self.own_plan())
        rule = self.rule(project, "user", "--rpm", "2")
        for _ in range(2):
            self.assertEqual(self.ask(key, X_WatchLLM_User_Id="ann").status, 200)
        error = self.error(r := self.ask(key, X_WatchLLM_User_Id="ann"), 429,
                           "rate_limit_exceeded")
        self.assertEqual(error["message"], "Rate limit exceeded. You can make 2 requests per"
                                           " minute for this user.")
        self.assertEqual((error["details"]["rule"], error["details"]["per"]), (rule, "user"))
        self.assertIn('"rule-minute";q=2;w=60', r.headers["RateLimit-Policy"])
        self.assertEqual(self.ask(key, X_WatchLLM_User_Id="bob").status, 200)
        self.assertEqual(self.ask(key).status, 200)
        body = {"model": "gpt-4o-mini", "user": "ann", "messages": [
            {"role": "user", "content": "[[tokens=1]]"}]}
        self.assertEqual(self.gate.request("POST", "/v1/chat/completions", body,
                                           key=key).status, 429)
        # the counters do not tell whose they are
        if self.conf.get("counters") != "postgres":
            keys = self.gate.stores.redis("--scan", "--pattern", f"*{rule}*")
            self.assertIn(f"m:{rule}:", keys)
            self.assertNotIn("ann", keys)
        self.gate.cli("limit", "remove", project, rule)
        self.assertEqual(self.ask(key, X_WatchLLM_User_Id="ann").status, 200)

    def test_users_at_once(self):
        """Tokens, money and calls at once of each user."""
        self.clock.minute()
        project, key = self.gate.project(self.own_plan())
        for limit, fit in [(("--concurrent", "3"), 3), (("--tokens", "100"), 2),
                           (("--budget-day", "0.000080"), 3)]:
            with self.subTest(limit=limit):
                rule = self.rule(project, "user", *limit)
                got = at_once(16, lambda i: self.ask(
                    key, 40, "tokens=1 latency=700", X_WatchLLM_User_Id=f"u{i % 2}").status)
                self.assertEqual((got.count(200), got.count(429)), (2 * fit, 16 - 2 * fit), got)
                self.gate.cli("limit", "remove", project, rule)
                self.clock.minute()

    def test_tightest(self):
        """Of model, tag, key and project all hold."""
        self.clock.minute()
        project, key = self.gate.project(self.own_plan())
        self.rule(project, "model", "gpt-4o*", "--month", "4")
        self.rule(project, "tag", "batch", "--month", "2")
        self.rule(project, "key", "--month", "6")
        self.rule(project, "project", "--month", "5")
        for _ in range(2):
            self.assertEqual(self.ask(key, X_WatchLLM_Tags="night, batch,batch").status, 200)
        error = self.error(self.ask(key, X_WatchLLM_Tags="batch"), 429, "quota_exceeded")
        self.assertEqual(error["details"]["per"], "tag")
        for _ in range(2):
            self.assertEqual(self.ask(key).status, 200)
        error = self.error(self.ask(key), 429, "quota_exceeded")
        self.assertEqual(error["details"]["per"], "model")
        # nor is it passed by the longer name of the same model
        error = self.error(self.ask(key, model=f"{self.gate.provider}/gpt-4o-mini"), 429,
                           "quota_exceeded")
        self.assertEqual(self.ask(key, model="other").status, 200)
        error = self.error(self.ask(key, model="other"), 429, "quota_exceeded")
        self.assertEqual(error["details"]["per"], "project")
        rules = self.usage(key)["rules"]
        self.assertEqual(sorted((r["per"], r["used"]) for r in rules),
                         [("model", 4), ("project", 5), ("tag", 2)])

    def test_too_many_tags(self):
        """More rows than one decision has are refused, not passed over."""
        project, key = self.gate.project(self.own_plan())
        self.rule(project, "tag", "--rpm", "100")
        tags = ",".join(f"t{i}" for i in range(16))
        self.assertEqual(self.ask(key, X_WatchLLM_Tags=tags).status, 200)
        self.error(self.ask(key, X_WatchLLM_Tags=tags + ",t16"), 400, "invalid_request")

    def test_shadow(self):
        """Counted and told, never refused."""
        before = self.figure('watchllm_limits_total{what="shadow_refused"}')
        self.clock.minute()
        project, key = self.gate.project(self.own_plan())
        rule = self.rule(project, "user", "--rpm", "1", "--shadow")
        for _ in range(3):
            self.assertEqual(self.ask(key, X_WatchLLM_User_Id="ann").status, 200)
        self.assertEqual(self.figure('watchllm_limits_total{what="shadow_refused"}'), before + 2)
        self.gate.recorded(project, 3, 5)
        rows = self.gate.stores.sql(
            "SELECT attributes -> 'shadow_limits' ->> 0, 'shadow_limit' = ANY (flags)"
            f" FROM watchllm.event WHERE project_id = '{project}' ORDER BY seq")
        self.assertEqual([bool(r[0]) for r in rows].count(True), 2)
        self.assertTrue(all(r[0].startswith(f"m:{rule}:") for r in rows if r[0]))
        self.assertEqual([r[1] for r in rows].count("t"), 2)
        # then it is meant
        self.assertEqual(self.rule(project, "user", "--rpm", "1"), rule)
        self.error(self.ask(key, X_WatchLLM_User_Id="ann"), 429, "rate_limit_exceeded")

    # -- the ledger

    def test_rebuilt(self):
        """What was spent is known to the ledger, too."""
        project, key = self.gate.project(self.own_plan("--budget-month", "1"))
        self.rule(project, "user", "--budget-month", "1")
        spent = sum(float(self.ask(key, X_WatchLLM_User_Id="ann")
                          .headers["X-WatchLLM-Cost-USD"]) for _ in range(3))
        self.settled(key, "budgetMonth", spent)
        self.gate.recorded(project, 3, 5)
        self.gate.cli("usage", "set", project, "--spent-day", "0.5", env=self.clock.env)
        self.settled(key, "budgetMonth", spent)
        self.gate.cli("usage", "set", project, "--spent-month", "0.75", env=self.clock.env)
        self.settled(key, "budgetMonth", 0.75)
        shown = self.gate.cli("usage", "show", project, env=self.clock.env).stdout
        self.assertIn("USD per month", shown)
        self.assertIn("0.750000000", shown)
        error = self.error(self.ask(key, 10**6, X_WatchLLM_User_Id="ann"), 429, "budget_exceeded")
        self.assertEqual(error["details"]["used"], 0.75)
        rows = self.gate.stores.sql(
            "SELECT kind, used FROM watchllm.usage_window WHERE scope LIKE 'b:%'"
            f" AND project_id = '{project}'")
        self.assertEqual(rows, [["month_nano", str(round(spent * 1e9))]])


class BudgetsPostgres(Budgets):
    """The same without Redis."""

    conf = {**Budgets.conf, "counters": "postgres"}


if __name__ == "__main__":
    unittest.main()
