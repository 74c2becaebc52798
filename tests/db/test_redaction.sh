#!/bin/sh
# Redaction rules of the database; see test_redaction.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_redaction"
