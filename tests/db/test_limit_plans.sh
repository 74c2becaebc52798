#!/bin/sh
# The seeded plans against private stores; see test_limit_plans.c.
exec "$(dirname "$0")/../lib/with_stores.sh" \
    "${top_builddir:-.}/tests/db/test_limit_plans"
