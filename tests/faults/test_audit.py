"""The auditor finds what was put wrong by hand, and nothing else."""

from __future__ import annotations

import copy
import unittest

from audit import Audit
from load import Call, volley
from rig import Site, drain, project, spool, stopped

N = 20


class Auditor(Site):
    def test_finds(self):
        p, (key,) = project(self.stores, self.stores.plan("audit"), self.stack.provider,
                            requests_per_month=1000)
        self.clock.minute()
        calls = [Call(p, key, i % 2 == 0, "tokens=3") for i in range(N)]
        volley(self.stack.web.port, calls)
        drain(self.stack)
        Audit([self.stack], calls).run()
        self.calls, self.one = calls, calls[0].request_id
        month = self.stores.sql("SELECT to_char(now(), 'YYYY-MM')")[0][0]
        for do, undo, found in [
                ("rollup_hour SET events = events + 1", "rollup_hour SET events = events - 1",
                 "rollup_hour: kept, but not so"),
                ("rollup_day SET counted = counted - 1", "rollup_day SET counted = counted + 1",
                 "rollup_day: not kept"),
                ("usage_month SET counted = counted + 1", "usage_month SET counted = counted - 1",
                 "usage_month"),
                (self.row("event", "project_id = 'gone'"), self.row("event", f"project_id = '{p}'"),
                 "admitted calls without an event"),
                (self.row("ledger", "project_id = 'gone'"),
                 self.row("ledger", f"project_id = '{p}'"), "events that were not admitted"),
                (self.row("event", "status = 'error'"), self.row("event", "status = 'success'"),
                 "complete for its client, but not a success"),
                (self.row("event", "tokens_output = 99"), self.row("event", "tokens_output = 3"),
                 "tokens are not those that were told"),
                (self.row("ledger", "month_counted = false"),
                 self.row("ledger", "month_counted = true"), "table of outcomes")]:
            with self.subTest(found):
                self.stores.sql(f"UPDATE watchllm.{do}", "postgres")
                self.fails(found)
                self.stores.sql(f"UPDATE watchllm.{undo}", "postgres")
        for name in (f"quota:{p}:{month}", *self.stores.redis("KEYS", f"ratelimit:{p}:[0-9]*")
                     .splitlines()):
            with self.subTest(name):
                self.stores.redis("INCR", name)
                self.fails("counter (")
                self.stores.redis("DECR", name)
        with self.subTest("journal"), stopped([self.stack.consumer.pid]):
            left = spool(self.stack) / "1-1-aaaaaaaa.0000000001.wlj"
            left.write_bytes(b"")
            self.fails("left in the journal")
            left.unlink(missing_ok=True)
        with self.subTest("client"):
            other = copy.copy(calls[0])
            other.headers = {**other.headers, "x-request-id": "unknown"}
            self.calls = [*calls, other]
            self.fails("complete for its client, but no event")
        Audit([self.stack], calls).run()

    def row(self, table: str, change: str) -> str:
        return f"{table} SET {change} WHERE event_id = '{self.one}'"

    def fails(self, found: str) -> None:
        with self.assertRaises(AssertionError) as e:
            Audit([self.stack], self.calls).run()
        self.assertIn(found, str(e.exception))


if __name__ == "__main__":
    unittest.main()
