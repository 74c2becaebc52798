/*
 * RFC 3339: a time that is accepted is printed as one that means the same.
 */
#include "config.h"
#include "lib/base/clock.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int64_t ms, again;
	char text[25];

	if (wl_clock_parse((const char *)data, len, &ms) == -1)
		return 0;
	PROMISE(len >= 20);
	wl_clock_rfc3339(ms, text);
	PROMISE(wl_clock_parse(text, strlen(text), &again) == 0);
	/* an offset may lead out of the years 0 to 9999 */
	if (strncmp(text, "0000-01-01", 10) != 0 &&
	    strncmp(text, "9999-12-31", 10) != 0)
		PROMISE(again == ms);
	return 0;
}
