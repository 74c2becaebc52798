# lib/store against private servers; each through tests/lib/with_stores.sh
if HAVE_CUNIT
libwltest_a_SOURCES += tests/db/stores.c tests/db/stores.h
DB_TESTS = \
	tests/db/test_counter \
	tests/db/test_pg \
	tests/db/test_redis \
	tests/db/test_stmts
check_PROGRAMS += $(DB_TESTS)
TESTS += $(DB_TESTS:=.sh)
endif
EXTRA_DIST += tests/lib/with_stores.sh \
	tests/db/test_counter.sh \
	tests/db/test_pg.sh \
	tests/db/test_redis.sh \
	tests/db/test_stmts.sh
tests/db/test_counter.log: tests/db/test_counter$(EXEEXT)
tests/db/test_pg.log: tests/db/test_pg$(EXEEXT)
tests/db/test_redis.log: tests/db/test_redis$(EXEEXT)
tests/db/test_stmts.log: tests/db/test_stmts$(EXEEXT)
