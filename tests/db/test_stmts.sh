#!/bin/sh
# lib/store/db.h against a private PostgreSQL; see test_stmts.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_stmts"
