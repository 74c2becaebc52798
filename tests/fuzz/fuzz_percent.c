/*
 * Percent decoding: it only shortens, and no separator comes out of it.
 */
#include "config.h"
#include "lib/base/enc.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static size_t
count(const char *p, size_t len, char c)
{
	size_t n = 0;

	for (; len > 0; len--)
		n += *p++ == c;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data;
	char *out = malloc(len + 1);
	ssize_t n;

	PROMISE(out != NULL);
	n = wl_percent_decode(p, len, out);
	if (n == -1)
		PROMISE(count(p, len, '%') > 0);
	else {
		PROMISE((size_t)n + 2 * count(p, len, '%') == len);
		PROMISE(out[n] == '\0');
		PROMISE(count(out, (size_t)n, '/') == count(p, len, '/'));
		PROMISE(count(out, (size_t)n, '\\') == count(p, len, '\\'));
		PROMISE(count(out, (size_t)n, '\0') == count(p, len, '\0'));
	}
	free(out);
	return 0;
}
