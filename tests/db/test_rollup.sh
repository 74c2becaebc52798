#!/bin/sh
# The jobs of watchllm-rollup against private servers; see test_rollup.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_rollup"
