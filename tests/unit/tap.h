/*
 * CUnit through TAP: CU_basic_run_tests() returns 0 even when a test failed,
 * so the registry is run by this reporter.
 */
#ifndef WL_TESTS_UNIT_TAP_H
#define WL_TESTS_UNIT_TAP_H

#include <CUnit/CUnit.h>

struct wl_test {
	const char	*name;
	void		(*fn)(void);
};

/*
 * Run TESTS, an array that ends with a NULL name, as one suite and print TAP.
 * Returns the exit status: 0 when all passed, 1 else.
 */
int wl_tap_run(const char *suite, const struct wl_test *tests);

#endif
