#!/bin/sh
# lib/store/cache_redis.h against private servers; see test_cache_redis.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_cache_redis"
