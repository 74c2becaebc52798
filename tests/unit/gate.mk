UNIT_TESTS += \
	tests/unit/test_address \
	tests/unit/test_auth \
	tests/unit/test_key \
	tests/unit/test_limit \
	tests/unit/test_limit_rule \
	tests/unit/test_operator \
	tests/unit/test_out \
	tests/unit/test_prom \
	tests/unit/test_reserve \
	tests/unit/test_routes \
	tests/unit/test_serve \
	tests/unit/test_usage
tests_unit_test_out_SOURCES = tests/unit/test_out.c fcgi/out.c
tests_unit_test_operator_LDADD = libwlfcgi.a $(WL_TEST_LIBS)
tests_unit_test_prom_LDADD = libwlfcgi.a $(WL_TEST_LIBS)
tests_unit_test_routes_LDADD = libwlfcgi.a $(WL_TEST_LIBS)
tests_unit_test_serve_SOURCES = tests/unit/test_serve.c \
	tests/unit/no_admin.c
tests_unit_test_serve_LDADD = libwlfcgi.a $(WL_TEST_LIBS)

# the seeded plans, through tests/lib/with_stores.sh
check_PROGRAMS += tests/db/test_limit_plans
TESTS += tests/db/test_limit_plans.sh
EXTRA_DIST += tests/db/test_limit_plans.sh
tests/db/test_limit_plans.log: tests/db/test_limit_plans$(EXEEXT)

# routes against docs/openapi.yaml and docs/API.md
check_PROGRAMS += tests/lint/print_routes
tests_lint_print_routes_LDADD = libwlfcgi.a $(WL_LIBS) $(FCGI_LIBS)
TESTS += tests/lint/routes.sh
EXTRA_DIST += tests/lint/routes.sh
tests/lint/routes.log: tests/lint/print_routes$(EXEEXT)
