/*
 * The worker as it would be with the limiter of the original product: three
 * calls of Redis one after the other (INCR of the minute, GET and INCR of the
 * month) where ours makes one, and no settlement.  Linked in place of
 * wl_counter_admit() and wl_counter_settle_send() by the linker's --wrap;
 * everything else is the worker's own code.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/store/counter.h"
#include "lib/store/redis.h"

#define MINUTE_MS	60000

int __wrap_wl_counter_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e);
struct wl_settle *__wrap_wl_counter_settle_send(struct wl_arena *a,
    const struct wl_conf *conf, const struct wl_gate *g, const struct wl_truth *truth);

/*
 * One round trip; -1 also for a reply that is no number.
 */
static int
ask(struct wl_arena *a, const char *command, const char *key,
    const char *seconds, int64_t *n, struct wl_err *e)
{
	const char *argv[] = { command, key, seconds };
	struct wl_reply *r = wl_redis_call(a, seconds == NULL ? 2 : 3, argv,
	    NULL, e);

	if (r == NULL)
		return -1;
	if (r->type == WL_R_INT)
		*n = r->integer;
	else if (r->type == WL_R_NIL || r->type == WL_R_STR)
		*n = r->type == WL_R_NIL ? 0 : strtoll(r->str, NULL, 10);
	else
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return 0;
}

static void
note(struct wl_gate *g, enum wl_limit_name name, int64_t used)
{
	int i;

	for (i = 0; i < g->nrows; i++)
		if (g->rows[i].name == name) {
			g->rows[i].used = used;
			if (used > g->rows[i].limit) {
				g->result = WL_G_REFUSED;
				g->refused_by = i;
			}
		}
}

int
__wrap_wl_counter_admit(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_gate *g, struct wl_err *e)
{
	char minute[96], month[96], name[8];
	int64_t n;

	(void)conf;
	g->result = WL_G_ADMITTED;
	wl_clock_month_name(g->now_ms, name);
	snprintf(minute, sizeof(minute), "three:ratelimit:%s:%" PRId64,
	    g->project, g->now_ms / MINUTE_MS);
	snprintf(month, sizeof(month), "three:quota:%s:%s", g->project, name);
	if (ask(a, "INCR", minute, NULL, &n, e) == -1)
		return -1;
	note(g, WL_LN_MINUTE, n);
	if (n == 1 && ask(a, "EXPIRE", minute, "60", &n, e) == -1)
		return -1;
	if (g->result == WL_G_REFUSED)
		return 0;
	if (ask(a, "GET", month, NULL, &n, e) == -1)
		return -1;
	note(g, WL_LN_MONTH, n + 1);
	if (g->result == WL_G_REFUSED)
		return 0;
	return ask(a, "INCR", month, NULL, &n, e);
}

struct wl_settle *
__wrap_wl_counter_settle_send(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_gate *g, const struct wl_truth *truth)
{
	(void)a;
	(void)conf;
	(void)g;
	(void)truth;
	return NULL;
}
