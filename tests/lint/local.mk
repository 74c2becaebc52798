# Lints: what no compiler knows.  Each is a script that prints what is wrong.
check_PROGRAMS += tests/lint/print_tables
tests_lint_print_tables_LDADD = $(WL_LIBS)
BASE_LINTS = \
	tests/lint/banned.sh \
	tests/lint/blocking.sh \
	tests/lint/conf.sh \
	tests/lint/dist.sh \
	tests/lint/errors.sh \
	tests/lint/field.sh \
	tests/lint/headers.sh \
	tests/lint/layers.sh \
	tests/lint/lint_test.sh \
	tests/lint/providers.sh
TESTS += $(BASE_LINTS)
EXTRA_DIST += $(BASE_LINTS) tests/lint/code.awk
AM_TESTS_ENVIRONMENT += \
	CC='$(CC)'; export CC; \
	LINT_CPPFLAGS='-I$(top_builddir) $(LIBPQ_CFLAGS) $(HIREDIS_CFLAGS) \
	    $(JSONC_CFLAGS) $(CURL_CFLAGS) $(SODIUM_CFLAGS) $(FCGI_CFLAGS) \
	    $(CUNIT_CFLAGS)'; export LINT_CPPFLAGS;
