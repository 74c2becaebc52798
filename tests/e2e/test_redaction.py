"""Redaction by the rules of the database: what a worker that keeps running
writes into the journal, and so what is stored."""

from __future__ import annotations

import unittest

from gate import GateCase
from stack import wait_for

SAID = "I am bob@example.com at 10.1.2.3, EMP-123456"


class Redaction(GateCase):
    def setUp(self) -> None:
        self.rules("DELETE FROM watchllm.redaction_rule WHERE kind = 'regex' OR project_id IS NOT"
                   " NULL; UPDATE watchllm.redaction_rule SET enabled = true")

    tearDown = setUp

    def rules(self, text: str) -> None:
        self.gate.stores.sql(text, "postgres")

    def kept(self, project: str, key: str) -> str:
        """What is stored of a prompt, as the next call has it."""
        count = ("SELECT count(*) FROM watchllm.event_payload"
                 f" WHERE project_id = '{project}' AND input IS NOT NULL")
        before = int(self.gate.stores.sql(count, "postgres")[0][0])
        self.assertEqual(self.gate.chat(key, SAID).status, 200)
        wait_for(lambda: int(self.gate.stores.sql(count, "postgres")[0][0]) > before, 5)
        (row,) = self.gate.stores.sql(
            "SELECT p.input::jsonb -> 0 ->> 'content' FROM watchllm.event_payload p"
            f" WHERE p.project_id = '{project}' ORDER BY p.ts DESC LIMIT 1", "postgres")
        return row[0]

    def fresh(self, plan: str = "pro") -> str:
        """What a project keeps that nobody has seen yet; it makes the version
        of the catalogue known to the worker."""
        return self.kept(*self.gate.project(plan))

    def test_rules(self) -> None:
        mine, key = self.gate.project()
        all_rules = "I am [REDACTED_EMAIL] at [REDACTED_IP], EMP-123456"
        self.assertEqual(self.kept(mine, key), all_rules)

        # a common rule is switched off: for all, without a restart
        self.rules("UPDATE watchllm.redaction_rule SET enabled = false WHERE name = 'ip'")
        without = "I am [REDACTED_EMAIL] at 10.1.2.3, EMP-123456"
        self.assertEqual(self.fresh(), without)
        self.assertEqual(self.kept(mine, key), without)

        # a rule of one project, and one that is of no use, which is told
        self.rules("INSERT INTO watchllm.redaction_rule (project_id, name, pattern, replacement)"
                   f" VALUES ('{mine}', 'employee', 'EMP-[0-9]{{6}}', '[EMPLOYEE]'),"
                   f" ('{mine}', 'broken', '(', '[X]')")
        self.assertEqual(self.fresh(), without)
        self.assertEqual(self.kept(mine, key), "I am [REDACTED_EMAIL] at 10.1.2.3, [EMPLOYEE]")
        self.assertEqual(len(self.gate.log_events("redact.rule")), 1)

        # the project's own in place of a common one of the same name
        self.rules("INSERT INTO watchllm.redaction_rule (project_id, name, kind, replacement)"
                   f" VALUES ('{mine}', 'email', 'builtin', '<mail>')")
        self.assertEqual(self.fresh(), without)
        self.assertEqual(self.kept(mine, key), "I am <mail> at 10.1.2.3, [EMPLOYEE]")

        # and back
        self.setUp()
        self.assertEqual(self.fresh(), all_rules)
        self.assertEqual(self.kept(mine, key), all_rules)
        self.assertEqual(len(self.gate.log_events("redact.rule")), 1)


if __name__ == "__main__":
    unittest.main()
