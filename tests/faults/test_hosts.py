"""Two hosts, each with a spool and a consumer of its own, on the same stores:
the sums are the same as of one, also when the counters begin anew while both
drain."""

from __future__ import annotations

import time
import unittest

from audit import Audit
from load import Call, Traffic, volley
from rig import (Site, drain, kill, project, reconcile, redis_kill, redis_start, restart_consumer,
                 rounds, wait_for, workers)

CLIENTS = 120


class Hosts(Site):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.new_stack("lighttpd")
        cls.addClassCleanup(cls.other.stop)

    def setUp(self):
        self.both = [self.stack, self.other]

    def run_on_both(self, rng, harm, **expected) -> Traffic:
        self.recover()
        for stack in self.both:
            stack.fake.reset()
            if stack.workers.proc.poll() is not None:
                stack.start_workers()
            if stack.consumer.proc.poll() is not None:
                restart_consumer(stack)
        keys = []
        for i in range(3):
            p, own = project(self.stores, self.stores.plan(
                f"hosts-{i}", kind="sliding" if i == 2 else "fixed"),
                self.both[i % 2].provider, keys=2, requests_per_month=10**8)
            keys += [(p, k) for k in own]
        self.clock.minute()
        ports = [s.web.port for s in self.both]
        with Traffic(ports, keys, CLIENTS, rng) as traffic:
            wait_for(lambda: traffic.finished() >= CLIENTS)
            harm(traffic)
            time.sleep(1.0)
        last = [Call(p, k, words="tokens=1") for p, k in dict(keys).items()]
        volley(ports[0], last)
        self.assertEqual([str(c) for c in last if not c.complete], [])
        traffic.calls += last
        for stack in self.both:
            drain(stack)
        audit = Audit(self.both, traffic.calls, **expected).run()
        hosts = {r[0] for r in self.stores.sql(
            f"SELECT DISTINCT host FROM watchllm.ledger WHERE project_id = ANY ({audit.array})",
            "postgres")}
        self.assertEqual(hosts, {s.conf_changes["host_name"] for s in self.both})
        reconcile(self.stack, self.clock)
        audit.reconciled()
        return traffic

    @rounds
    def test_emptied(self, rng):
        def harm(traffic):
            for _ in range(4):
                self.stores.redis("FLUSHALL")
                time.sleep(rng.random() * 0.5)

        traffic = self.run_on_both(rng, harm, data_lost=True)
        self.assertEqual([str(c) for c in traffic.calls if not c.complete], [])

    @rounds
    def test_killed(self, rng):
        """A worker here, a consumer there, and Redis for both."""
        def harm(traffic):
            kill(rng.choice(workers(self.stack)))
            self.other.consumer.kill()
            redis_kill(self.stores)
            time.sleep(rng.random())
            redis_start(self.stores)
            restart_consumer(self.other)
            kill(rng.choice(workers(self.other)))
            time.sleep(1.5)

        self.run_on_both(rng, harm)


if __name__ == "__main__":
    unittest.main()
