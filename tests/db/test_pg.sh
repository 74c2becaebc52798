#!/bin/sh
# lib/store/pg.h against a private PostgreSQL; see test_pg.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_pg"
