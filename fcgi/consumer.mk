# watchllm-consumer: program, drain, their tests and manual
libwatchllm_a_SOURCES += \
	lib/core/drain.c lib/core/drain.h lib/core/drain_priv.h \
	lib/core/drain_batch.c \
	lib/core/drain_fixup.c \
	lib/core/drain_lost.c \
	lib/core/drain_row.c lib/core/drain_row.h \
	lib/core/drain_spool.c \
	lib/store/db_drain.c lib/store/db_drain.h

pkglibexec_PROGRAMS += watchllm-consumer
watchllm_consumer_SOURCES = fcgi/watchllm_consumer.c
watchllm_consumer_LDADD = libwlfcgi.a $(WL_LIBS)
dist_man_MANS += docs/man/watchllm-consumer.8

TESTS += tests/db/test_consumer.sh
tests/db/test_consumer.log: watchllm-consumer$(EXEEXT)
if HAVE_CUNIT
check_PROGRAMS += tests/db/test_drain tests/db/test_drain_bad \
	tests/unit/test_drain_row
tests_db_test_drain_SOURCES = tests/db/test_drain.c \
	tests/db/spool.c tests/db/spool.h
tests_db_test_drain_bad_SOURCES = tests/db/test_drain_bad.c \
	tests/db/spool.c tests/db/spool.h
TESTS += tests/db/test_drain.sh tests/db/test_drain_bad.sh \
	tests/unit/test_drain_row
endif
tests/db/test_drain.log: tests/db/test_drain$(EXEEXT)
tests/db/test_drain_bad.log: tests/db/test_drain_bad$(EXEEXT)
EXTRA_DIST += tests/db/test_consumer.sh tests/db/test_drain.sh \
	tests/db/test_drain_bad.sh tests/e2e/test_consumer.py
