#!/bin/sh
# lib/core/drain.h against private servers; see test_drain_bad.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_drain_bad"
