# lib/store and lib/core against private servers; each through
# tests/lib/with_stores.sh
if HAVE_CUNIT
libwltest_a_SOURCES += tests/db/stores.c tests/db/stores.h
DB_TESTS = \
	tests/db/test_breaker \
	tests/db/test_cache_redis \
	tests/db/test_counter \
	tests/db/test_db_price \
	tests/db/test_drain \
	tests/db/test_drain_bad \
	tests/db/test_pg \
	tests/db/test_redaction \
	tests/db/test_redis \
	tests/db/test_rollup \
	tests/db/test_route \
	tests/db/test_stmts
check_PROGRAMS += $(DB_TESTS)
TESTS += $(DB_TESTS:=.sh)
tests_db_test_drain_SOURCES = tests/db/test_drain.c \
	tests/db/spool.c tests/db/spool.h
tests_db_test_drain_bad_SOURCES = tests/db/test_drain_bad.c \
	tests/db/spool.c tests/db/spool.h
endif
EXTRA_DIST += tests/lib/with_stores.sh \
	tests/db/test_breaker.sh \
	tests/db/test_cache_redis.sh \
	tests/db/test_counter.sh \
	tests/db/test_db_price.sh \
	tests/db/test_drain.sh \
	tests/db/test_drain_bad.sh \
	tests/db/test_pg.sh \
	tests/db/test_redaction.sh \
	tests/db/test_redis.sh \
	tests/db/test_rollup.sh \
	tests/db/test_route.sh \
	tests/db/test_stmts.sh
tests/db/test_breaker.log: tests/db/test_breaker$(EXEEXT)
tests/db/test_cache_redis.log: tests/db/test_cache_redis$(EXEEXT)
tests/db/test_counter.log: tests/db/test_counter$(EXEEXT)
tests/db/test_db_price.log: tests/db/test_db_price$(EXEEXT)
tests/db/test_drain.log: tests/db/test_drain$(EXEEXT)
tests/db/test_drain_bad.log: tests/db/test_drain_bad$(EXEEXT)
tests/db/test_pg.log: tests/db/test_pg$(EXEEXT)
tests/db/test_redaction.log: tests/db/test_redaction$(EXEEXT)
tests/db/test_redis.log: tests/db/test_redis$(EXEEXT)
tests/db/test_rollup.log: tests/db/test_rollup$(EXEEXT)
tests/db/test_route.log: tests/db/test_route$(EXEEXT)
tests/db/test_stmts.log: tests/db/test_stmts$(EXEEXT)

TESTS += tests/db/test_consumer.sh
EXTRA_DIST += tests/db/test_consumer.sh
tests/db/test_consumer.log: watchllm-consumer$(EXEEXT)
