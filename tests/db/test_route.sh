#!/bin/sh
# Rules of routing and flags in the database; see test_route.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_route"
