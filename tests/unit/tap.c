/*
 * TAP for CUnit: "1..N", then a line per test, its failures as comments.
 */
#include "config.h"
#include "tests/unit/tap.h"

#include <CUnit/TestRun.h>

#include <stdio.h>

static int	count, failed;

static void
test_done(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord f)
{
	const struct CU_FailureRecord *r;

	(void)suite;
	count++;
	if (f != NULL)
		failed++;
	printf("%s %d - %s\n", f == NULL ? "ok" : "not ok", count, test->pName);
	for (r = f; r != NULL; r = r->pNext)
		printf("# %s:%u: %s\n", r->strFileName, r->uiLineNumber,
		    r->strCondition);
	fflush(stdout);
}

static void
suite_failed(const CU_pSuite suite)
{
	printf("Bail out! suite %s cannot start\n", suite->pName);
	fflush(stdout);
}

int
wl_tap_run(const char *suite, const struct wl_test *tests)
{
	CU_pSuite s;
	int i, n;

	for (n = 0; tests[n].name != NULL; n++)
		;
	printf("1..%d\n", n);
	fflush(stdout);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	s = CU_add_suite(suite, NULL, NULL);
	for (i = 0; s != NULL && i < n; i++)
		if (CU_add_test(s, tests[i].name, tests[i].fn) == NULL)
			s = NULL;
	if (s == NULL) {
		printf("Bail out! out of memory\n");
		return 1;
	}
	CU_set_test_complete_handler(test_done);
	CU_set_suite_init_failure_handler(suite_failed);
	CU_run_all_tests();
	CU_cleanup_registry();
	return failed != 0 || count != n;
}
