TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) \
	$(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(top_srcdir)'; export top_srcdir; \
	top_builddir='$(top_builddir)'; export top_builddir;

if HAVE_CUNIT
check_LIBRARIES += libwltest.a
libwltest_a_SOURCES = tests/unit/tap.c tests/unit/tap.h
libwltest_a_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
WL_TEST_LIBS = libwltest.a $(WL_LIBS) $(CUNIT_LIBS)

# a unit test is one line here and one below: tests/unit/test_MODULE.c
UNIT_TESTS =
include $(srcdir)/tests/unit/base.mk
include $(srcdir)/tests/unit/core.mk
include $(srcdir)/tests/unit/gate.mk
include $(srcdir)/tests/unit/sched.mk
include $(srcdir)/tests/unit/http.mk
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
LDADD = $(WL_TEST_LIBS)
endif

# the scripted upstream of tests and of the sandbox
noinst_PROGRAMS += tests/fake_llm/fake_llm
tests_fake_llm_fake_llm_SOURCES = \
	tests/fake_llm/admin.c tests/fake_llm/admin.h \
	tests/fake_llm/answer.c tests/fake_llm/answer.h \
	tests/fake_llm/body.c tests/fake_llm/body.h \
	tests/fake_llm/buf.c tests/fake_llm/buf.h \
	tests/fake_llm/call.h \
	tests/fake_llm/conn.c tests/fake_llm/conn.h \
	tests/fake_llm/embed.c tests/fake_llm/embed.h \
	tests/fake_llm/event.c tests/fake_llm/event.h \
	tests/fake_llm/http.c tests/fake_llm/http.h \
	tests/fake_llm/ledger.c tests/fake_llm/ledger.h \
	tests/fake_llm/listen.c tests/fake_llm/listen.h \
	tests/fake_llm/main.c \
	tests/fake_llm/openai.c tests/fake_llm/openai.h \
	tests/fake_llm/out.c tests/fake_llm/out.h \
	tests/fake_llm/reply.c tests/fake_llm/reply.h \
	tests/fake_llm/request.c tests/fake_llm/request.h \
	tests/fake_llm/messages.c tests/fake_llm/messages.h \
	tests/fake_llm/responses.c tests/fake_llm/responses.h \
	tests/fake_llm/rules.c tests/fake_llm/rules.h \
	tests/fake_llm/schema.c tests/fake_llm/schema.h \
	tests/fake_llm/script.c tests/fake_llm/script.h \
	tests/fake_llm/stream.c tests/fake_llm/stream.h \
	tests/fake_llm/text.c tests/fake_llm/text.h \
	tests/fake_llm/usage.c tests/fake_llm/usage.h
tests_fake_llm_fake_llm_LDADD = libwatchllm.a $(JSONC_LIBS) -lz -lm
EXTRA_DIST += tests/e2e/test_fake_llm.py
TEST_EXTENSIONS += .py
PY_LOG_COMPILER = $(PYTHON3)
TESTS += tests/e2e/test_fake_llm.py
tests/e2e/test_fake_llm.log: tests/fake_llm/fake_llm$(EXEEXT)
EXTRA_DIST += tests/e2e/stack.py tests/e2e/test_mounts.py
TESTS += tests/db/test_schema.sh
EXTRA_DIST += tests/db/apply.sh tests/db/test_schema.sh
include $(srcdir)/tests/bench/local.mk
include $(srcdir)/tests/db/local.mk
include $(srcdir)/tests/e2e/local.mk
include $(srcdir)/tests/faults/local.mk
include $(srcdir)/tests/fuzz/local.mk
include $(srcdir)/tests/gdb/local.mk
include $(srcdir)/tests/lint/local.mk
TESTS += tests/db/test_database.py
EXTRA_DIST += tests/db/test_database.py tests/lib/pg.py
