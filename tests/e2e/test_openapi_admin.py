"""What docs/openapi.yaml promises of administration, as test_openapi does. It
has stores of its own, for it changes whatever it finds in them."""

import unittest

import test_openapi
from gate import stores
from test_openapi import TOKEN


class Administration(test_openapi.OpenApi):
    @classmethod
    def setUpClass(cls):
        cls.conf = {**cls.conf, "stripe_secret_file": str(stores().secret("stripe", "whsec_x"))}
        super().setUpClass()

    def test_administration(self):
        self.run_on("Administration", TOKEN, self.CHECKS)
        self.assertTrue(self.gate.stores.cli_json("audit", "verify")["ok"])

    def test_billing(self):
        # what nobody signed is refused, whatever it is
        self.run_on("Billing", TOKEN, self.CHECKS)

    # the others' are theirs
    test_gateway = test_usage = test_operations = test_ignored_auth = None
    test_every_operation_has_a_tag = None


if __name__ == "__main__":
    unittest.main()
