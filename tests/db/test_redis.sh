#!/bin/sh
# lib/store/redis.h against private servers; see test_redis.c.
exec "$(dirname "$0")/../lib/with_stores.sh" "${top_builddir:-.}/tests/db/test_redis"
