#!/bin/sh
# lib/store/counter.h against private servers; see test_counter.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_counter"
