#!/bin/sh
# lib/store/breaker.h and lib/core/health.h against a private Redis; see
# test_breaker.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_breaker"
