#!/bin/sh
# The price table against a private PostgreSQL; see test_db_price.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_db_price"
