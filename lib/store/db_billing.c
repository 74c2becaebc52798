/*
 * Events of Stripe.
 */
#include "config.h"
#include "lib/store/db_billing.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/store/pg.h"
#include "lib/store/stmts.h"

static const char sql_apply[] =
    "SELECT outcome, project_id, version, plan FROM watchllm.stripe_apply($1,"
    " $2, $3, $4, $5, $6, $7, $8, $9, $10::text[], $11)";

const struct wl_stmt wl_db_billing_stmts[] = {
	{ "apply", WL_ROLE_APP, sql_apply },
	{ NULL, WL_ROLE_APP, NULL }
};

static void
read_projects(const struct wl_rows *r, struct wl_db_billing *done)
{
	struct wl_db_billing_project *p;
	int i;

	for (i = 0; i < wl_rows_count(r) && done->n < 2; i++) {
		/* nothing has changed where there is no version */
		if (wl_rows_get(r, i, 2) == NULL)
			continue;
		p = &done->projects[done->n++];
		p->id = wl_rows_get(r, i, 1);
		p->version = wl_rows_int(r, i, 2, 0);
		p->plan = wl_rows_get(r, i, 3);
	}
}

int
wl_db_billing_apply(struct wl_arena *a, const struct wl_db_billing_event *ev,
    struct wl_db_billing *done, struct wl_err *e)
{
	char created[24], rank[12];
	struct wl_param p[] = {
		WL_P(ev->id), WL_P(ev->type), WL_P(created), WL_P(rank),
		WL_P(ev->subscription), WL_P(ev->customer), WL_P(ev->project),
		WL_P(ev->trusted ? "t" : "f"), WL_P(ev->status),
		WL_P(ev->plans), WL_P(ev->default_plan)
	};
	struct wl_err later = { 0 };
	struct wl_rows *r;

	memset(done, 0, sizeof(*done));
	snprintf(created, sizeof(created), "%lld", (long long)ev->created_s);
	snprintf(rank, sizeof(rank), "%d", ev->rank);
	r = wl_pg_ask(WL_ROLE_APP, a, sql_apply, 11, p, e);
	if (r == NULL || wl_rows_count(r) == 0) {
		/* a plan that is not there yet, too, is one for another day */
		wl_err_set(&later, WL_E_UNAVAILABLE, NULL);
		wl_err_detail(&later, "%s", e->detail);
		*e = later;
		return -1;
	}
	done->outcome = wl_rows_get(r, 0, 0);
	read_projects(r, done);
	return 0;
}
