/*
 * Clocks of other machines.
 */
#include "config.h"
#include "fcgi/doctor_clock.h"

#include <inttypes.h>

#include "fcgi/doctor.h"
#include "lib/base/clock.h"

#define ASKS		5
/* More than this, and calls are counted in the wrong minute. */
#define APART_MS	200

void
wl_doctor_clock(struct wl_doctor *d, const char *area,
    int64_t (*time)(struct wl_doctor *d))
{
	int64_t before, after, theirs, way, off = 0, best = INT64_MAX;
	int i;

	for (i = 0; i < ASKS; i++) {
		before = wl_clock_us();
		if ((theirs = time(d)) == -1)
			return;
		after = wl_clock_us();
		if ((way = after - before) >= best)
			continue;
		best = way;
		off = theirs - (before + after) / 2000;
	}
	/* what the way explains is no difference */
	if (off > best / 2000)
		off -= best / 2000;
	else if (off < -best / 2000)
		off += best / 2000;
	else
		off = 0;
	if (off > APART_MS || off < -APART_MS)
		wl_doctor_add(d, area, "clock", WL_GRADE_WARN,
		    "let both machines take their time from NTP",
		    "%" PRId64 " ms %s this machine's: calls may be counted "
		    "in the wrong minute", off < 0 ? -off : off, off > 0 ?
		    "ahead of" : "behind");
	else
		wl_doctor_add(d, area, "clock", WL_GRADE_OK, NULL,
		    "%" PRId64 " ms apart from this machine's",
		    off < 0 ? -off : off);
}
