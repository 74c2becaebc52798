/*
 * The jobs of watchllm-rollup.
 */
#include "config.h"
#include "lib/core/rollup.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/core/drain.h"
#include "lib/store/counter.h"
#include "lib/store/db_rollup.h"

/* rows that go in one transaction */
#define PURGE_MAX	10000
/* projects that are read at once */
#define PAGE		500
/* what one project's reconciliation may hold */
#define PROJECT_MEMORY	((size_t)8 * 1024 * 1024)
/* after so many failures one after the other the store is away */
#define FAILURES_MAX	3

/* ---- partitions -------------------------------------------------------- */

int
wl_rollup_partitions(struct wl_rollup *r, struct wl_err *e)
{
	const char **days;
	int64_t made, total = 0;
	int i, n;

	if (wl_db_rollup_days(r->arena, r->now_ms, WL_ROLLUP_BACK,
	    WL_ROLLUP_AHEAD, &days, &n, e) == -1)
		return -1;
	/* a day a transaction: a drain may wait for its lock */
	for (i = 0; i < n; i++, total += made)
		if (wl_db_rollup_make(r->arena, days[i], &made, e) == -1)
			break;
	wl_buf_printf(&r->done, "%lld made", (long long)total);
	if (i > 0)
		wl_buf_printf(&r->done, ", all there from %s to %s", days[0],
		    days[i - 1]);
	return i < n ? -1 : 0;
}

/* ---- statements -------------------------------------------------------- */

int
wl_rollup_statements(struct wl_rollup *r, struct wl_err *e)
{
	struct wl_db_statement *rows;
	int i, n;

	if (wl_db_rollup_statements(r->arena, r->now_ms,
	    (int)r->conf->statement_close_day, &rows, &n, e) == -1)
		return -1;
	if (n == 0)
		wl_buf_adds(&r->done, "no usage yet");
	for (i = 0; i < n; i++)
		wl_buf_printf(&r->done, "%s%.7s %s (%lld)", i > 0 ? ", " : "",
		    rows[i].month, rows[i].action, (long long)rows[i].count);
	return 0;
}

/* ---- retention --------------------------------------------------------- */

/*
 * What may become of a partition: words of drop_partition(), and ours.
 */
static const char *const outcomes[] = {
	"dropped", "busy", "failed", "no_statement", "not_due",
	"not_rolled_up", "open_calls", "still_adjusted"
};
#define OUTCOMES	(sizeof(outcomes) / sizeof(outcomes[0]))

struct tally {
	int	n[OUTCOMES];
	int	other;
};

static void
count(struct tally *t, const char *outcome)
{
	size_t i;

	for (i = 0; i < OUTCOMES; i++)
		if (strcmp(outcomes[i], outcome) == 0) {
			t->n[i]++;
			return;
		}
	t->other++;
}

static void
put_tally(struct wl_buf *b, const struct tally *t)
{
	size_t i;

	wl_buf_printf(b, "%d dropped", t->n[0]);
	for (i = 1; i < OUTCOMES; i++)
		if (t->n[i] > 0)
			wl_buf_printf(b, ", %d %s", t->n[i], outcomes[i]);
	if (t->other > 0)
		wl_buf_printf(b, ", %d other", t->other);
}

int
wl_rollup_retention(struct wl_rollup *r, struct wl_err *e)
{
	struct tally t = { { 0 }, 0 };
	struct wl_db_due *due;
	const char *outcome;
	int i, n, rc = 0;

	if (wl_db_rollup_due(r->arena, r->now_ms, &due, &n, e) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		if (due[i].wanted)
			outcome = "still_adjusted";
		else if (wl_db_rollup_drop(r->arena, due[i].name, r->now_ms,
		    &outcome, e) == -1) {
			/* the others may go */
			outcome = "failed";
			rc = -1;
		}
		count(&t, outcome);
		if (strcmp(outcome, "dropped") == 0)
			wl_log(WL_INFO, "rollup.dropped", "%s", due[i].name);
		else if (strcmp(outcome, "not_due") != 0)
			wl_log(WL_WARN, "rollup.kept", "%s: %s", due[i].name,
			    outcome);
	}
	put_tally(&r->done, &t);
	return rc;
}

/* ---- marks ------------------------------------------------------------- */

int
wl_rollup_marks(struct wl_rollup *r, struct wl_err *e)
{
	int64_t gone;

	if (wl_db_rollup_marks(r->arena, r->now_ms, &gone, e) == -1)
		return -1;
	wl_buf_printf(&r->done, "%lld removed", (long long)gone);
	return 0;
}

/* ---- ledger ------------------------------------------------------------ */

static int
check_month(struct wl_rollup *r, const char *month, struct wl_err *e)
{
	struct wl_db_ledger_gap *gaps;
	int i, n;

	if (wl_db_rollup_ledger(r->arena, month, &gaps, &n, e) == -1)
		return -1;
	for (i = 0; i < n; i++)
		wl_log(WL_ERROR, "rollup.ledger", "project %s, %.7s: the "
		    "ledger has %lld admitted and %lld counted, the month "
		    "%lld and %lld", gaps[i].project, month,
		    (long long)gaps[i].ledger_admitted,
		    (long long)gaps[i].ledger_counted,
		    (long long)gaps[i].month_admitted,
		    (long long)gaps[i].month_counted);
	return n;
}

int
wl_rollup_ledger(struct wl_rollup *r, struct wl_err *e)
{
	const char **months;
	int i, n, differ, total = 0;

	if (wl_db_rollup_open_months(r->arena, r->now_ms, &months, &n, e) ==
	    -1)
		return -1;
	for (i = 0; i < n; i++) {
		if ((differ = check_month(r, months[i], e)) == -1)
			return -1;
		wl_buf_printf(&r->done, "%s%.7s ", i > 0 ? ", " : "",
		    months[i]);
		if (differ == 0)
			wl_buf_adds(&r->done, "agrees");
		else
			wl_buf_printf(&r->done, "differs (%d)", differ);
		total += differ;
	}
	if (n == 0)
		wl_buf_adds(&r->done, "no month is open");
	if (total > 0)
		return wl_err_set(e, WL_E_INTERNAL, "monthly sums that are "
		    "not those of the ledger: %d; the log names the projects",
		    total);
	return 0;
}

/* ---- counters ---------------------------------------------------------- */

static int
purge(struct wl_rollup *r, struct wl_err *e)
{
	int64_t gone, total = 0;

	do {
		if (wl_db_rollup_counters(r->arena, r->now_ms, PURGE_MAX,
		    &gone, e) == -1)
			return -1;
		total += gone;
	} while (gone >= PURGE_MAX);
	wl_buf_printf(&r->done, "counters are in PostgreSQL, nothing to "
	    "compare; %lld that were over removed", (long long)total);
	return 0;
}

struct reconciled {
	int64_t	 agree, anew, failed;
	int	 row;		/* failures one after the other */
};

static void
reconcile_one(struct wl_rollup *r, struct wl_arena *a, const char *project,
    struct reconciled *c, struct wl_err *e)
{
	int64_t before, after;

	switch (wl_counter_reconcile(a, r->conf, project, r->now_ms,
	    wl_drain_held(r->conf), &before, &after, e)) {
	case 1:
		c->anew++;
		wl_log(WL_INFO, "rollup.reconciled", "project %s: %lld, now "
		    "%lld", project, (long long)before, (long long)after);
		break;
	case 0:
		c->agree++;
		break;
	default:
		c->failed++;
		c->row++;
		wl_log(WL_WARN, "rollup.reconcile", "project %s: %s %s",
		    project, e->msg, e->detail);
		return;
	}
	c->row = 0;
}

/*
 * The projects after *LAST, which becomes the last of them.  Returns how
 * many there were, or -1.
 */
static int
reconcile_page(struct wl_rollup *r, char last[64], struct reconciled *c,
    struct wl_err *e)
{
	struct wl_arena *page = wl_arena_new((size_t)PAGE * 1024);
	struct wl_arena *a = wl_arena_new(PROJECT_MEMORY);
	const char **projects;
	int i, n = -1;

	if (page == NULL || a == NULL)
		wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	else if (wl_db_rollup_active(page, r->now_ms, last, PAGE, &projects,
	    &n, e) == -1)
		n = -1;
	for (i = 0; i < n && c->row < FAILURES_MAX; i++) {
		reconcile_one(r, a, projects[i], c, e);
		wl_strlcpy(last, projects[i], 64);
		wl_arena_reset(a);
	}
	wl_arena_free(a);
	wl_arena_free(page);
	return n;
}

int
wl_rollup_reconcile(struct wl_rollup *r, struct wl_err *e)
{
	struct reconciled c = { 0, 0, 0, 0 };
	char last[64] = "";
	int n;

	if (r->conf->counters == WL_COUNTERS_POSTGRES)
		return purge(r, e);
	do
		n = reconcile_page(r, last, &c, e);
	while (n == PAGE && c.row < FAILURES_MAX);
	wl_buf_printf(&r->done, "%lld projects agree, %lld began anew",
	    (long long)c.agree, (long long)c.anew);
	if (c.failed > 0)
		wl_buf_printf(&r->done, ", %lld failed%s", (long long)c.failed,
		    c.row == FAILURES_MAX ? ", the rest not tried" : "");
	return n == -1 || c.failed > 0 ? -1 : 0;
}
