/*
 * The scanner of FastCGI records: any split of the bytes gives the same
 * verdict, and it never claims bytes that it was not given.
 */
#include "config.h"
#include "fcgi/record.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/*
 * Scan P in pieces of PIECE; the bytes of the first request, or -1.
 */
static ssize_t
scan(const uint8_t *p, size_t len, size_t piece, struct wl_record *r)
{
	size_t at = 0, n;
	ssize_t got;

	memset(r, 0, sizeof(*r));
	while (at < len && !r->ended) {
		n = len - at < piece ? len - at : piece;
		if ((got = wl_record_scan(r, p + at, n)) == -1)
			return -1;
		PROMISE((size_t)got <= n);
		PROMISE((size_t)got == n || r->ended);
		PROMISE(r->params_bytes <= WL_RECORD_PARAMS_BYTES);
		at += (size_t)got;
	}
	return (ssize_t)at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct wl_record whole, split;
	ssize_t n = scan(p, len, len, &whole), m;
	size_t piece;

	for (piece = 1; piece <= 7; piece += 3) {
		m = scan(p, len, piece, &split);
		PROMISE((n == -1) == (m == -1));
		if (n == -1)
			continue;
		PROMISE(whole.ended == split.ended);
		PROMISE(whole.params_count == split.params_count);
		/* padding behind the end counts when it is there at once */
		PROMISE(n == m || (whole.ended && n - m <= 255));
	}
	return 0;
}
