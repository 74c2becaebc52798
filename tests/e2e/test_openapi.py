"""What docs/openapi.yaml promises, tried by Schemathesis: every status, body
and header of the answers is a described one, and none is a fault of ours."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml
from gate import LONG, GateCase, stores
from stack import SOURCE

SPEC = SOURCE / "docs/openapi.yaml"
EXAMPLES = 200 if LONG else 30
SECONDS = 600 if LONG else 80
TOKEN = "operator-token-of-the-tests-0123456789"


class OpenApi(GateCase):
    """Each tag with the key that it takes."""

    processes = 2
    fake = ("--set", "tokens=4")
    conf = {"auth_failures_per_minute": "1000000", "bad_requests_per_minute": "1000000",
            "first_byte_timeout": "5s"}

    @classmethod
    def setUpClass(cls):

        cls.conf = {**cls.conf, "operator_token_file":
                    str(stores().secret("operator.token", TOKEN))}
        super().setUpClass()
        cls.gate.stores.plan("openapi")
        cls.project, cls.key = cls.gate.project("openapi")

    def run_on(self, tag: str, secret: str, checks: list[str]) -> str:
        """Schemathesis over the operations of TAG; what it printed."""
        with tempfile.TemporaryDirectory() as folder:
            # TRACE is answered by web servers themselves
            Path(folder, "schemathesis.toml").write_text(
                '[phases.coverage]\nunexpected-methods = ["DELETE", "GET", "PATCH", "POST", "PUT"]\n')
            run = subprocess.run(
                [str(Path(sys.executable).parent / "schemathesis"), "run", str(SPEC), "--url", self.gate.url,
                 "--include-tag", tag, "--max-examples", str(EXAMPLES), "--seed", "7",
                 "--phases", "examples,coverage,fuzzing", "--checks", ",".join(checks),
                 "-H", f"Authorization: Bearer {secret}", "--request-timeout", "10",
                 "--continue-on-failure", "--max-failures", "30", "--warnings", "off",
                 "--suppress-health-check", "all"],
                cwd=folder, capture_output=True, text=True, timeout=SECONDS,
                env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"})
        text = run.stdout + run.stderr
        self.assertEqual(run.returncode, 0, text[-6000:])
        ran = re.search(r"(\d+) generated, (\d+) passed", text)
        self.assertTrue(ran and int(ran[1]) >= 20, text[-2000:])
        return text

    CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
              "response_headers_conformance", "response_schema_conformance",
              "unsupported_method", "allow_header_conformance", "negative_data_rejection",
              "missing_required_header"]

    def test_gateway(self):
        # whether a field that fits is also wanted is for the provider to say
        self.run_on("Gateway", self.key, self.CHECKS)
        self.assertGreater(len(self.gate.fake.ledger()), 10)

    def test_usage(self):
        self.run_on("Usage", self.key, [*self.CHECKS, "positive_data_acceptance"])

    def test_cache(self):
        self.run_on("Cache", self.key, self.CHECKS)

    def test_operations(self):
        # a degraded dependency is 503 by design, so that check is not for these
        checks = [c for c in self.CHECKS if c != "not_a_server_error"]
        self.run_on("Operations", TOKEN, checks)

    def test_ignored_auth(self):
        self.run_on("Usage", self.key, ["ignored_auth"])

    def test_every_operation_has_a_tag(self):
        spec = yaml.safe_load(Path(SPEC).read_text())
        tags = {t["name"] for t in spec["tags"]}
        self.assertEqual(tags, {"Administration", "Billing", "Cache", "Gateway", "Usage",
                                "Operations"})
        for path, item in spec["paths"].items():
            for method, operation in item.items():
                self.assertLessEqual(set(operation["tags"]), tags, f"{method} {path}")
                self.assertEqual(len(operation["tags"]), 1)


if __name__ == "__main__":
    unittest.main()
