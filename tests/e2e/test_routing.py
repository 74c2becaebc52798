"""Rules of routing: aliases, weights, conditions, canaries, what is sticky,
flags, and that rules of one project are nobody else's."""

from __future__ import annotations

import json
import time
import unittest
import uuid
from collections import Counter

from gate import GateCase, stores
from openai import APIStatusError, OpenAI
from stack import wait_for


class RoutingCase(GateCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        s = stores()
        # two hosts that are one, so that a call's provider shows where it went
        cls.other = s.provider(f"other_{uuid.uuid4().hex[:8]}", cls.gate.fake.base)

    @classmethod
    def tearDownClass(cls) -> None:
        super().tearDownClass()
        died = cls.gate.log_events("master.died")
        if died:
            raise AssertionError(f"workers died: {died}")

    def project(self) -> tuple[str, str]:
        plan = stores().plan(f"plan_{uuid.uuid4().hex[:8]}")
        return self.gate.project(plan)

    def rule(self, project: str, name: str, definition: dict) -> None:
        self.gate.cli("route", "add", project, name, "--file", "-", stdin=json.dumps(definition))

    def client(self, key: str) -> OpenAI:
        return OpenAI(api_key=key, base_url=f"{self.gate.url}/v1", max_retries=0)

    def ask(self, client: OpenAI, model: str, **kw):
        """The headers of one call."""
        r = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": "hello"}], **kw)
        self.assertIn("sandbox", r.parse().choices[0].message.content)
        return r.headers

    def served(self, since: int) -> Counter:
        """How often each model was asked for upstream from that record on."""
        return Counter(x["model"] for x in self.gate.fake.ledger()[since:])


class Routing(RoutingCase):
    def test_alias_weights_and_list(self) -> None:
        project, key = self.project()
        here, there = self.gate.provider, self.other
        self.rule(project, "split", {
            "alias": "fast", "strategy": "weighted", "targets": [
                {"model": f"{here}/model-a", "weight": 3, "variant": "a"},
                {"model": f"{there}/model-b", "weight": 1, "variant": "b"}]})
        client = self.client(key)
        seen: Counter = Counter()
        since = len(self.gate.fake.ledger())
        for _ in range(120):
            h = self.ask(client, "fast")
            self.assertEqual(h["X-WatchLLM-Rule"], "split")
            seen[h["X-WatchLLM-Variant"], h["X-WatchLLM-Provider"]] += 1
        self.assertEqual(set(seen), {("a", here), ("b", there)})
        # 30 expected; six standard deviations are 28.5
        self.assertLess(abs(seen["b", there] - 30), 29)
        self.assertEqual(self.served(since), {"model-a": seen["a", here],
                                              "model-b": seen["b", there]})
        # the event tells what was asked, and what became of it
        rows = self.gate.recorded(project, 120, 10)
        route = json.loads(stores().sql(
            f"SELECT attributes -> 'route' FROM watchllm.event WHERE project_id = '{project}'"
            f" AND event_id = '{rows[0]['call_id']}'", "postgres")[0][0])
        one = route["variant"] == "a"
        self.assertEqual(route, {
            "alias": "fast", "rule": "split", "variant": "a" if one else "b",
            "target": f"{here}/model-a" if one else f"{there}/model-b"})
        # it is among the models, and can be looked up
        listed = {m.id: m for m in client.models.list()}
        self.assertEqual(listed["fast"].owned_by, "watchllm")
        self.assertLess(abs(listed["fast"].created - time.time()), 600)
        self.assertEqual(client.models.retrieve("fast").id, "fast")
        # a provider that is named wins
        h = self.ask(client, f"{there}/model-c")
        self.assertNotIn("X-WatchLLM-Rule", h)
        self.assertEqual(h["X-WatchLLM-Provider"], there)

    def test_streams_and_errors(self) -> None:
        project, key = self.project()
        self.rule(project, "two", {"alias": "safe", "targets": [
            {"model": f"{self.gate.provider}/broken", "variant": "first"},
            {"model": f"{self.other}/whole", "variant": "second"}]})
        self.gate.fake.defaults(for_model="broken", status=500)
        try:
            client = self.client(key)
            with client.chat.completions.with_streaming_response.create(
                    model="safe", stream=True,
                    messages=[{"role": "user", "content": "hello"}]) as r:
                self.assertEqual(r.headers["X-WatchLLM-Variant"], "second")
                self.assertIn("[DONE]", "".join(r.iter_lines()))
            # the variant is that of the target that answered
            self.assertEqual(self.ask(client, "safe")["X-WatchLLM-Provider"], self.other)
            self.rule(project, "two", {"alias": "safe", "targets": [
                f"{self.gate.provider}/broken"]})
            with self.assertRaises(APIStatusError) as caught:
                self.ask(client, "safe")
            self.assertEqual(caught.exception.response.headers["X-WatchLLM-Rule"], "two")
        finally:
            self.gate.fake.reset()

    def test_sticky_user(self) -> None:
        project, key = self.project()
        self.rule(project, "ab", {
            "alias": "ab", "strategy": "weighted", "sticky": "user", "targets": [
                {"model": f"{self.gate.provider}/a", "variant": "a"},
                {"model": f"{self.gate.provider}/b", "variant": "b"}]})
        client = self.client(key)
        variants: dict[str, str] = {}
        for i in range(20):
            user = f"user-{i}"
            got = {self.ask(client, "ab", user=user)["X-WatchLLM-Variant"] for _ in range(3)}
            # the header says the same as the body's field
            got.add(self.ask(client, "ab", extra_headers={"X-WatchLLM-User-Id": user})
                    ["X-WatchLLM-Variant"])
            self.assertEqual(len(got), 1, user)
            variants[user] = got.pop()
        self.assertEqual(set(variants.values()), {"a", "b"})

    def test_kept_answers_have_their_variant(self) -> None:
        project, key = self.project()
        self.rule(project, "ab", {
            "alias": "ab", "strategy": "weighted", "sticky": "user",
            "shadow": f"{self.other}/shade", "targets": [
                {"model": f"{self.gate.provider}/a", "variant": "a"},
                {"model": f"{self.gate.provider}/b", "variant": "b"}]})
        client = self.client(key)
        users: dict[str, list[str]] = {"a": [], "b": []}
        for i in range(16):
            h = self.ask(client, "ab", user=f"user-{i}")
            users[h["X-WatchLLM-Variant"]].append(f"user-{i}")
        self.assertTrue(users["a"] and users["b"])
        since = len(self.gate.fake.ledger())
        # the user is no part of what is asked, so one answer serves a variant
        for user in [*users["a"], *users["b"]]:
            h = self.ask(client, "ab", user=user, temperature=0,
                         extra_headers={"X-WatchLLM-Cache": "exact"})
            self.assertIn(user, users[h["X-WatchLLM-Variant"]])
        self.gate.recorded(project, 32, 10)
        time.sleep(0.5)
        served = self.served(since)
        self.assertEqual({k: served[k] for k in ("a", "b")}, {"a": 1, "b": 1}, served)
        # what no provider was asked for has no shadow either
        self.assertLessEqual(served["shade"], 2)

    def test_canary(self) -> None:
        project, key = self.project()
        client = self.client(key)
        stores().sql(f"UPDATE watchllm.project SET default_provider = '{self.gate.provider}'"
                     f" WHERE id = '{project}'")

        def canary(percent: float) -> set[str]:
            """The users that are in it at this percentage."""
            self.rule(project, "canary", {
                "alias": "model-x", "percent": percent, "sticky": "user", "targets": [
                    {"model": f"{self.other}/model-y", "variant": "canary"}]})
            users = set()
            for i in range(40):
                h = self.ask(client, "model-x", user=f"u{i}")
                if h.get("X-WatchLLM-Variant") == "canary":
                    self.assertEqual(h["X-WatchLLM-Provider"], self.other)
                    users.add(f"u{i}")
                else:
                    self.assertNotIn("X-WatchLLM-Rule", h)
                    self.assertEqual(h["X-WatchLLM-Provider"], self.gate.provider)
            return users

        self.assertEqual(canary(0), set())
        few, half = canary(20), canary(60)
        self.assertLess(len(few), 24)
        self.assertTrue(few < half, (few, half))
        self.assertEqual(len(canary(100)), 40)

    def test_conditions(self) -> None:
        project, key = self.project()
        p = self.gate.provider
        for position, (name, when) in enumerate([
                ("tag", {"tags": ["batch"]}), ("header", {"headers": {"X-Tier": "gold"}}),
                ("user", {"users": ["vip"]}), ("large", {"min_input": 100}),
                ("stream", {"stream": True})]):
            self.rule(project, name, {"alias": "m", "position": position, "when": when,
                                      "targets": [f"{p}/for-{name}"]})
        self.rule(project, "rest", {"alias": "m", "targets": [f"{p}/for-rest"]})
        client = self.client(key)

        def of(**kw) -> str:
            return self.ask(client, "m", **kw)["X-WatchLLM-Rule"]

        self.assertEqual(of(), "rest")
        self.assertEqual(of(extra_headers={"X-WatchLLM-Tags": "a, batch"}), "tag")
        self.assertEqual(of(extra_headers={"X-Tier": "gold"}), "header")
        self.assertEqual(of(extra_headers={"X-Tier": "silver"}), "rest")
        self.assertEqual(of(user="vip"), "user")
        r = client.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": "long " * 100}])
        self.assertEqual(r.headers["X-WatchLLM-Rule"], "large")
        with client.chat.completions.with_streaming_response.create(
                model="m", stream=True, messages=[{"role": "user", "content": "hi"}]) as r:
            self.assertEqual(r.headers["X-WatchLLM-Rule"], "stream")
        # the estimate and the command say the same as the call
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        est = self.gate.request("POST", "/v1/estimate", body, key,
                                {"X-Tier": "gold"}).json()
        self.assertEqual(est["targets"][0]["model"], "for-header")
        told = json.loads(self.gate.cli("route", "test", project, "m", "--headers",
                                        "x-tier: gold", "--json").stdout)
        self.assertEqual(told["rule"], "header")
        self.assertEqual([(r["rule"], r["holds"], r["why_not"]) for r in told["rules"]], [
            ("tag", False, "tags"), ("header", True, None), ("user", False, "not reached"),
            ("large", False, "not reached"), ("stream", False, "not reached"),
            ("rest", False, "not reached")])
        self.assertEqual(told["targets"], [{"provider": p, "model": "for-header",
                                            "variant": None, "key": False}])

    def test_cheapest_and_quickest(self) -> None:
        project, key = self.project()
        s, p = stores(), self.gate.provider
        s.sql("".join(
            f"""INSERT INTO watchllm.price (provider, model, effective_from, input_nano,
                    output_nano, source)
                VALUES ('openai', '{m}', '2024-01-01', {i}, {o}, 'test');"""
            for m, i, o in [("cheap-in", 10**6, 10**12), ("cheap-out", 10**12, 10**6)]),
            "postgres")
        self.rule(project, "cost", {"alias": "cost", "strategy": "least_cost", "targets": [
            f"{p}/unpriced", f"{p}/cheap-in", f"{p}/cheap-out"]})
        self.rule(project, "quick", {"alias": "quick", "strategy": "least_latency",
                                     "targets": [f"{p}/slow", f"{p}/swift"]})
        client = self.client(key)
        since = len(self.gate.fake.ledger())
        self.ask(client, "cost", max_tokens=1000)
        client.chat.completions.create(model="cost", max_tokens=1, messages=[
            {"role": "user", "content": "many words " * 100}])
        self.assertEqual(list(self.served(since)), ["cheap-out", "cheap-in"])
        self.gate.fake.defaults(for_model="slow", latency=300)
        try:
            since = len(self.gate.fake.ledger())
            for _ in range(10):
                self.ask(client, "quick")
            # both are tried once; then the quicker one is known
            self.assertEqual(self.served(since), {"slow": 1, "swift": 9})
        finally:
            self.gate.fake.reset()

    def test_projects_never_cross(self) -> None:
        (one, key1), (two, key2) = self.project(), self.project()
        _, key3 = self.project()
        self.rule(one, "rule", {"alias": "mine", "targets": [f"{self.gate.provider}/one"]})
        self.rule(two, "rule", {"alias": "mine", "targets": [f"{self.other}/two"]})
        for _ in range(5):
            self.assertEqual(self.ask(self.client(key1), "mine")["X-WatchLLM-Provider"],
                             self.gate.provider)
            self.assertEqual(self.ask(self.client(key2), "mine")["X-WatchLLM-Provider"],
                             self.other)
        h = self.ask(self.client(key3), "mine")      # a model like any other
        self.assertNotIn("X-WatchLLM-Rule", h)
        self.assertNotIn("mine", [m.id for m in self.client(key3).models.list()])
        # a change is followed by the next call; of the other project nothing changes
        self.gate.cli("route", "remove", "rule", "--project", one)
        self.assertNotIn("X-WatchLLM-Rule", self.ask(self.client(key1), "mine"))
        self.assertEqual(self.ask(self.client(key2), "mine")["X-WatchLLM-Rule"], "rule")
        self.assertNotIn("mine", [m.id for m in self.client(key1).models.list()])
        # the database itself keeps them apart
        seen = stores().sql(f"""BEGIN;
            SELECT NULL FROM set_config('watchllm.project_id', '{two}', true);
            SELECT DISTINCT project_id FROM watchllm.route_rule; COMMIT""", "app")
        self.assertEqual([r for r in seen if r != [""]], [[two]])
        self.assertEqual(stores().sql("SELECT count(*) FROM watchllm.route_rule", "app"), [["0"]])


class Shadow(RoutingCase):
    """Calls that nobody waits for."""

    conf = {"shadow_calls": "2"}

    def shadowed(self, **more) -> tuple[str, OpenAI]:
        project, key = self.project()
        self.rule(project, "compare", {"alias": "real", "targets": [
            f"{self.gate.provider}/gpt-4o-mini"], "shadow": f"{self.other}/shade", **more})
        return project, self.client(key)

    def shadow_events(self, project: str, n: int) -> list[dict]:
        def find():
            rows = stores().sql("SELECT row_to_json(e) FROM watchllm.event e WHERE project_id ="
                                f" '{project}' AND source = 'shadow'", "postgres")
            return len(rows) >= n and [json.loads("\t".join(r)) for r in rows]
        return wait_for(find, 10)

    def test_mirrored(self) -> None:
        self.clock.spare(20)
        project, client = self.shadowed()
        since = len(self.gate.fake.ledger())
        h = self.ask(client, "real", user="u1")
        self.assertEqual(h["X-WatchLLM-Provider"], self.gate.provider)
        self.assertNotIn("shade", str(h))
        with client.chat.completions.with_streaming_response.create(
                model="real", stream=True,
                messages=[{"role": "user", "content": "hello"}]) as r:
            text = "".join(r.iter_lines())
        self.assertNotIn("shade", text)
        shadows = self.shadow_events(project, 2)
        self.assertEqual(self.served(since), {"gpt-4o-mini": 2, "shade": 2})
        calls = {c["call_id"]: c for c in self.gate.recorded(project, 2, 10)}
        self.assertEqual({s["linked_event_id"] for s in shadows}, set(calls))
        for s in shadows:
            self.assertEqual([s["status"], s["usage_counted"], s["provider"], s["model_used"],
                              s["model"], s["flags"], s["latency_ms"]],
                             ["success", False, self.other, "shade", "real", ["shadow"], None])
            self.assertGreater(s["tokens_output"], 0)
            self.assertEqual(s["attributes"]["shadow"]["rule"], "compare")
            self.assertEqual(s["request_id"], calls[s["linked_event_id"]]["request_id"])
        # the plan, the ledger and the sums have the two calls alone
        self.assertEqual(self.counted(client.api_key), (2, 2))
        sql = stores().sql
        where = f"WHERE project_id = '{project}'"
        self.assertEqual(sql(f"SELECT count(*) FROM watchllm.ledger {where}", "postgres"), [["2"]])
        tokens = sum(c["input_tokens"] + c["output_tokens"] for c in calls.values())
        self.assertEqual(sql("SELECT sum(admitted), sum(counted), sum(tokens)"
                             f" FROM watchllm.usage_month {where}", "postgres"),
                         [["2", "2", str(tokens)]])
        self.assertEqual(sql(
            "SELECT sum(requests), sum(errors), sum(latency_n), sum(tokens_output) FILTER"
            f" (WHERE model = 'shade') FROM watchllm.rollup_hour {where}", "postgres"),
            [["2", "0", "2", "0"]])

    def test_messages(self) -> None:
        """Anthropic's messages in front of providers that chat, in the shadow too."""
        project, client = self.shadowed()
        since = len(self.gate.fake.ledger())
        for stream in (False, True):
            r = self.gate.request("POST", "/v1/messages", {
                "model": "real", "max_tokens": 20, "stream": stream,
                "messages": [{"role": "user", "content": "hello"}]}, client.api_key)
            self.assertEqual((r.status, r.headers["X-WatchLLM-Rule"]), (200, "compare"), r)
            self.assertIn(b"sandbox", r.body)
        for s in self.shadow_events(project, 2):
            self.assertEqual([s["status"], s["route"], s["model_used"]],
                             ["success", "/v1/messages", "shade"])
        self.assertEqual(self.served(since), {"gpt-4o-mini": 2, "shade": 2})

    def test_failure_is_nobodys(self) -> None:
        self.clock.spare(20)
        project, client = self.shadowed()
        self.gate.fake.defaults(for_model="shade", status=500)
        try:
            self.ask(client, "real")
            event = self.shadow_events(project, 1)[0]
        finally:
            self.gate.fake.reset()
        self.assertEqual([event["status"], event["error_code"]], ["warning", "upstream_error"])
        self.assertEqual(self.counted(client.api_key), (1, 1))

    def test_neither_delays_nor_piles_up(self) -> None:
        project, client = self.shadowed()
        # longer than the test may take
        self.gate.fake.defaults(for_model="shade", latency=60000)
        try:
            for _ in range(5):
                self.ask(client, "real")
            # two hang, and nobody has waited for them
            active = json.loads(self.gate.fake.call("GET", "/_fake/stats"))["active"]
            self.assertEqual(active, 2)
            self.assertTrue(wait_for(lambda: self.gate.log_events("shadow.full"), 5))
            # they are dropped when the process stops
            begin = time.monotonic()
            self.assertEqual(self.gate.workers.stop(30), 0)
            self.assertLess(time.monotonic() - begin, 25)
            self.gate.start_workers()
            self.assertEqual([s["status"] for s in self.shadow_events(project, 2)],
                             ["warning"] * 2)
            self.gate.fake.reset()
            self.ask(client, "real")
        finally:
            self.gate.fake.reset()

    def test_share_and_own_key(self) -> None:
        project, client = self.shadowed(shadow={"model": f"{self.other}/shade", "percent": 0})
        since = len(self.gate.fake.ledger())
        for _ in range(10):
            self.ask(client, "real")
        # a key that came with a call pays for no other one
        self.rule(project, "compare", {"alias": "real", "targets": [
            f"{self.gate.provider}/gpt-4o-mini"], "shadow": f"{self.gate.provider}/shade"})
        self.ask(client, "real", extra_headers={"X-Provider-Key": "sk-mine"})
        self.gate.recorded(project, 11, 10)
        self.assertEqual(self.served(since), {"gpt-4o-mini": 11})


class PlainCgi(RoutingCase):
    """A process for each call: rules hold, and nothing is left running."""

    mount = "cgi"

    def test_rule_without_shadow(self) -> None:
        project, key = self.project()
        self.rule(project, "ab", {
            "alias": "ab", "strategy": "weighted", "sticky": "user", "shadow": "shade",
            "targets": [{"model": f"{self.gate.provider}/a", "variant": "a"},
                        {"model": f"{self.other}/b", "variant": "b"}]})
        client = self.client(key)
        since = len(self.gate.fake.ledger())
        for user in ("u1", "u2", "u3"):
            self.assertEqual(len({self.ask(client, "ab", user=user)["X-WatchLLM-Variant"]
                                  for _ in range(2)}), 1)
        self.gate.recorded(project, 6, 10)
        self.assertLessEqual(set(self.served(since)), {"a", "b"})


if __name__ == "__main__":
    unittest.main()
