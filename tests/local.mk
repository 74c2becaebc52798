TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) \
	$(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(top_srcdir)'; export top_srcdir; \
	top_builddir='$(top_builddir)'; export top_builddir;

if HAVE_CUNIT
check_LIBRARIES += libwltest.a
libwltest_a_SOURCES = tests/unit/tap.c tests/unit/tap.h
libwltest_a_SOURCES += tests/unit/io_mem.c tests/unit/io_mem.h
libwltest_a_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS)
WL_TEST_LIBS = libwltest.a $(WL_LIBS) $(CUNIT_LIBS)

# a unit test is one line here and one below: tests/unit/test_MODULE.c
UNIT_TESTS =
include $(srcdir)/tests/unit/base.mk
UNIT_TESTS += tests/unit/test_cors tests/unit/test_guard tests/unit/test_req \
	tests/unit/test_resp tests/unit/test_sse
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
LDADD = $(WL_TEST_LIBS)
endif
