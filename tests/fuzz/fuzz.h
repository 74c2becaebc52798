/*
 * What every fuzz target needs.
 */
#ifndef WL_TESTS_FUZZ_FUZZ_H
#define WL_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * One input; returns 0, or does not return when a promise is broken.
 */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/*
 * End the program when a promise does not hold; unlike assert(), always.
 */
#define PROMISE(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: broken: %s\n", __FILE__,	\
		    __LINE__, #cond);					\
		abort();						\
	}								\
} while (0)

#endif
