/*
 * What Stripe tells, brought to the projects' plans, in role app.
 */
#ifndef WL_STORE_DB_BILLING_H
#define WL_STORE_DB_BILLING_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;

/*
 * As stripe_apply() of the schema says.
 */
struct wl_db_billing_event {
	const char	*id, *type;
	int64_t		 created_s;
	int		 rank;
	const char	*subscription, *customer, *project;
	bool		 trusted;
	const char	*status, *plans, *default_plan;
};

struct wl_db_billing_project {
	const char	*id, *plan;
	int64_t		 version;
};
struct wl_db_billing {
	const char			*outcome;
	struct wl_db_billing_project	 projects[2];
	int				 n;
};

/*
 * Take EV, once, whatever follows from it included.  Returns 0, or -1 with
 * *E, and then nothing of it was stored: WL_E_UNAVAILABLE.
 */
int wl_db_billing_apply(struct wl_arena *a,
    const struct wl_db_billing_event *ev, struct wl_db_billing *done,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
