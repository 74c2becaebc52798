/*
 * The way of a call through its targets: upstream_course.c goes it, and
 * upstream_nobody.c says why it led nowhere.  Nobody else includes it.
 */
#ifndef WL_CORE_UPSTREAM_COURSE_H
#define WL_CORE_UPSTREAM_COURSE_H

#include "lib/core/health.h"
#include "lib/core/upstream_priv.h"

/*
 * A target of this call.
 */
struct wl_upleg {
	const struct wl_target	*t;
	struct wl_health_ref	 health;
	int			 asked;		/* how often */
	bool			 spent;		/* not again by this call */
	bool			 paid;		/* costs of the budget */
	int64_t			 at;		/* not before, monotonic ms */
	enum wl_health_cause	 aside;		/* why it was not asked */
	int64_t			 wait;		/* and for how long, ms */
};

/*
 * What an error says, kept while other targets are tried.
 */
struct wl_upfailure {
	struct wl_err	err;
	struct wl_str	refusal;
	int		upstream_http;
	char		upstream_code[65];
};

struct wl_upcourse {
	struct wl_uprun	*r;
	struct wl_upleg	 leg[WL_TARGETS];
	int		 n;
	int		 keys_refused;
	int		 key_status;	/* of the last of them */
	struct wl_upfailure	 kept;
	struct wl_upleg	*rival;		/* that may be asked beside the first */
};

/*
 * Nobody has answered: the error that says most to who asks.  How the call
 * ends.
 */
enum wl_upend wl_upstream_nobody(struct wl_upcourse *c);

#endif
