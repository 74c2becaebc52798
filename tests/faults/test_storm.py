"""Faults of all kinds, one after the other and at random."""

from __future__ import annotations

import signal
import time
import unittest
from collections import Counter

from rig import (LONG, kill, postgres_kill, postgres_pids, postgres_start, redis_kill, redis_start,
                 restart_consumer, rounds, stopped, wait_for, workers)
from test_faults import Attacked

SECONDS = 45 if LONG else 8


class Storm(Attacked):
    @rounds
    def test_storm(self, rng):
        done = []

        def worker():
            # the parent gives one that died young ever more time
            running = workers(self.stack)
            if len(running) > 1:
                kill(rng.choice(running), rng.choice(
                    [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]))

        def consumer():
            self.stack.consumer.kill()
            time.sleep(rng.random())
            restart_consumer(self.stack)

        def redis():
            redis_kill(self.stores)
            time.sleep(rng.random())
            redis_start(self.stores)

        def empty():
            self.stores.redis("FLUSHALL")

        def redis_stopped():
            with stopped([self.stores.redis_pid()]):
                time.sleep(rng.random())

        def postgres():
            postgres_kill(self.stores)
            time.sleep(rng.random())
            postgres_start(self.stores)

        def postgres_stopped():
            with stopped(postgres_pids(self.stores)):
                time.sleep(rng.random() * 2)

        faults = [worker, worker, consumer, redis, empty, redis_stopped, postgres,
                  postgres_stopped]

        def harm(traffic):
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                fault = rng.choice(faults)
                done.append(fault.__name__)
                fault()
                time.sleep(rng.random() * 0.7)
            wait_for(lambda: len(workers(self.stack)) == self.processes, 40)

        self.attack(rng, harm, after=3.0, data_lost=True)
        print(f"{dict(Counter(done))}: {self.audit.summary()}", flush=True)


if __name__ == "__main__":
    unittest.main()
