/*
 * Counters in Redis and the ledger agree again: calls that a generation of
 * counters did not see are added to it once they are drained.
 */
#include "config.h"
#include "lib/core/drain.h"

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/core/drain_priv.h"
#include "lib/store/counter.h"

#define MEMORY	((size_t)256 * 1024 * 1024)

/*
 * The order counts: Redis remembers the last row of a host, and takes no
 * earlier one.
 */
static int
add_all(struct wl_arena *a, const struct wl_conf *conf, struct wl_err *e)
{
	struct wl_counter_fixup *rows;
	int64_t *done;
	int i, n, rc = 0;

	if (wl_db_drain_fixups(a, conf->host_name, &rows, &n, e) == -1)
		return -1;
	if ((done = wl_arena_alloc(a, (size_t)n * sizeof(*done) + 1)) == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	for (i = 0; i < n && rc == 0; i++) {
		rc = wl_counter_fixup(a, conf, &rows[i], wl_clock_ms(), e);
		done[i] = rows[i].id;
	}
	n = rc == 0 ? i : i - 1;
	if (n > 0) {
		wl_drain_crash("fixup_before_delete");
		if (wl_db_drain_fixed(done, n, e) == -1)
			return -1;
	}
	return rc == 0 ? n : -1;
}

int
wl_drain_fixups(const struct wl_conf *conf, struct wl_err *e)
{
	struct wl_arena *a;
	int rc;

	if (conf->redis[0] == '\0')
		return 0;
	if ((a = wl_arena_new(MEMORY)) == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	rc = add_all(a, conf, e);
	wl_arena_free(a);
	return rc;
}
