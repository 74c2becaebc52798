"""The cache and its kin behind the other web servers: a few of the tests of
test_cache and test_coalescing."""

from __future__ import annotations

import unittest

from test_cache import Cache
from test_coalescing import Coalescing, Once, Resume

NAMES = ["test_client", "test_stream", "test_many", "test_replay", "test_in_flight",
         "test_large", "test_dropped"]


class All(Cache, Coalescing, Once, Resume):
    """So that a web server is started once."""


def load_tests(loader, tests, pattern):
    suite = unittest.TestSuite()
    for mount in ("lighttpd", "fcgid", "cgi"):
        one = type(f"All_{mount}", (All,), {"mount": mount})
        suite.addTests(map(one, NAMES))
    return suite


if __name__ == "__main__":
    unittest.main()
