/*
 * PostgreSQL: each role's login, what it may do and what it must not, the
 * schema, the clock, room for connections.
 */
#include "config.h"
#include "fcgi/doctor.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/doctor_clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/store/db_doctor.h"
#include "lib/store/db_health.h"
#include "lib/store/db_migrate.h"

#define AREA		"postgresql"
#define OLDEST		130000
#define NEWEST		180000		/* the first that was not tried */
/* Connections of watchllm-consumer, watchllm-rollup and the command line
 * beside those of a pool each. */
#define OTHERS		4

struct role {
	enum wl_role	 role;
	const char	*check;		/* "role app" */
	const char	*rights;	/* "rights of app" */
	const char	*group;		/* "watchllm_app" */
	const char	*key;		/* of the configuration */
};

static const struct role roles[] = {
	{ WL_ROLE_APP, "role app", "rights of app", "watchllm_app",
	    "database_url" },
	{ WL_ROLE_OWNER, "role owner", NULL, NULL, "owner_database_url" },
	{ WL_ROLE_DRAIN, "role drain", "rights of drain", "watchllm_drain",
	    "drain_database_url" },
	{ WL_ROLE_ROLLUP, "role rollup", "rights of rollup",
	    "watchllm_rollup", "rollup_database_url" },
};
_Static_assert(sizeof(roles) / sizeof(roles[0]) == WL_ROLE_MAX,
    "a row for every role");

/* ---- logins ----------------------------------------------------------- */

static void
reach(struct wl_doctor *d, const struct role *r, struct wl_db_login *l)
{
	struct wl_err e = { 0 };

	if (wl_db_doctor_login(d->a, r->role, l, &e) == 0) {
		d->db_up[r->role] = true;
		wl_doctor_add(d, AREA, r->check, WL_GRADE_OK, NULL,
		    "connects as %s", l->name);
		return;
	}
	wl_doctor_add(d, AREA, r->check, WL_GRADE_FAIL, wl_doctor_text(d,
	    "is %s right, is the server running, is the password right, does "
	    "pg_hba.conf let this login in?", r->key), "%s",
	    wl_doctor_why(&e));
}

static void
version(struct wl_doctor *d, const struct wl_db_login *l)
{
	enum wl_grade g = l->version < OLDEST ? WL_GRADE_FAIL :
	    l->version >= NEWEST ? WL_GRADE_WARN : WL_GRADE_OK;

	wl_doctor_add(d, AREA, "version", g, g == WL_GRADE_OK ? NULL :
	    "PostgreSQL 13 to 17 are supported", "%s", l->version_text);
	if (l->standby)
		wl_doctor_add(d, AREA, "primary", WL_GRADE_FAIL,
		    "give the address of the primary, or "
		    "target_session_attrs=read-write in the URL",
		    "this server is a standby, which cannot be written to");
	if (strcmp(l->timezone, "UTC") != 0 &&
	    strcmp(l->timezone, "Etc/UTC") != 0)
		wl_doctor_add(d, AREA, "time zone", WL_GRADE_WARN,
		    "ALTER DATABASE ... SET timezone TO 'UTC'", "%s: the "
		    "programs reckon in UTC whatever it is, but queries made "
		    "by hand show other days", l->timezone);
	else
		wl_doctor_add(d, AREA, "time zone", WL_GRADE_OK, NULL, "%s",
		    l->timezone);
}

static int64_t
server_clock(struct wl_doctor *d)
{
	struct wl_err e = { 0 };
	int64_t ms;

	return wl_db_clock(d->a, &ms, &e) == -1 ? -1 : ms;
}

static bool
schema(struct wl_doctor *d)
{
	struct wl_err e = { 0 };

	if (wl_migrate_check(d->a, WL_ROLE_APP, &e) == 0) {
		wl_doctor_add(d, AREA, "schema", WL_GRADE_OK, NULL, "%d",
		    WL_SCHEMA_VERSION);
		return true;
	}
	wl_doctor_add(d, AREA, "schema", WL_GRADE_FAIL, NULL, "%s",
	    e.code == WL_E_UNAVAILABLE ? wl_doctor_why(&e) : e.msg);
	return false;
}

/* ---- rights ----------------------------------------------------------- */

/*
 * What a login must not be.  Where the roles could not be made, as on a shared
 * host, one login does everything and nothing can be done about it.  True when
 * there is more to look at.
 */
static bool
harmless(struct wl_doctor *d, const struct role *r,
    const struct wl_db_login *l)
{
	enum wl_grade bad = r->role == WL_ROLE_APP && l->group ?
	    WL_GRADE_FAIL : WL_GRADE_WARN;
	const char *what = l->super ? "is a superuser" : l->bypasses_rls ?
	    "has BYPASSRLS" : l->owner ? "owns the tables" : NULL;

	if (what != NULL) {
		wl_doctor_add(d, AREA, r->rights, bad, wl_doctor_text(d,
		    l->group ? "make a login in role %s, and give it in "
		    "%s" : "make role %s and run \"watchllm migrate\" "
		    "again, where the host allows it; then a login in it for "
		    "%s", r->group, r->key), "%s %s: row-level security does "
		    "not hold one project's rows back from another",
		    l->name, what);
		return false;
	}
	if (l->member)
		return true;
	wl_doctor_add(d, AREA, r->rights, WL_GRADE_FAIL,
	    wl_doctor_text(d, "grant %s to %s", r->group, l->name),
	    "%s is not in role %s", l->name, r->group);
	return false;
}

static void
rights(struct wl_doctor *d, const struct role *r, const struct wl_db_login *l,
    bool owner)
{
	struct wl_err e = { 0 };
	struct wl_db_rights x;

	if (!d->db_up[r->role] || !harmless(d, r, l))
		return;
	if (!owner)
		wl_doctor_add(d, AREA, r->rights, WL_GRADE_SKIP,
		    "set owner_database_url for this run", "%s is in role %s; "
		    "whether it has all its rights only the owner can see",
		    l->name, r->group);
	else if (wl_db_doctor_rights(d->a, l->name, r->group, &x, &e) == -1)
		wl_doctor_add(d, AREA, r->rights, WL_GRADE_FAIL, NULL, "%s",
		    wl_doctor_why(&e));
	else if (x.lacking > 0)
		wl_doctor_add(d, AREA, r->rights, WL_GRADE_FAIL,
		    "SELECT watchllm.apply_privileges() as the owner",
		    "%s lacks %" PRId64 ": %s", l->name, x.lacking,
		    x.lacking_one);
	else if (x.besides > 0)
		wl_doctor_add(d, AREA, r->rights, r->role == WL_ROLE_APP ?
		    WL_GRADE_FAIL : WL_GRADE_WARN,
		    "REVOKE them, or SELECT watchllm.apply_privileges() as "
		    "the owner; and a login of its own for each role",
		    "%s has %" PRId64 " that it needs not: %s", l->name,
		    x.besides, x.besides_one);
	else
		wl_doctor_add(d, AREA, r->rights, WL_GRADE_OK, NULL,
		    "%s has what %s needs, and no more", l->name, r->group);
}

static void
row_security(struct wl_doctor *d)
{
	struct wl_err e = { 0 };
	int64_t n;

	if (wl_db_doctor_open_tables(d->a, &n, &e) == -1)
		wl_doctor_add(d, AREA, "row security", WL_GRADE_FAIL, NULL,
		    "%s", wl_doctor_why(&e));
	else if (n > 0)
		wl_doctor_add(d, AREA, "row security", WL_GRADE_FAIL,
		    "SELECT watchllm.apply_privileges() as the owner",
		    "%" PRId64 " tables of projects are not under it", n);
	else
		wl_doctor_add(d, AREA, "row security", WL_GRADE_OK, NULL,
		    "all tables of projects are under it");
}

/* ---- connections ------------------------------------------------------ */

static void
connections(struct wl_doctor *d, const struct wl_db_login *l)
{
	int64_t n = d->conf->processes, each = d->conf->database_connections;
	int64_t most;

	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	most = n * each + each + OTHERS;
	wl_doctor_add(d, AREA, "connections", most > l->max_connections ?
	    WL_GRADE_WARN : WL_GRADE_OK, most <= l->max_connections ? NULL :
	    "lower database_connections or processes, or raise "
	    "max_connections in postgresql.conf", "at most %" PRId64
	    " of %" PRId64 " (%" PRId64 " workers with %" PRId64 " each); "
	    "workers that a web server starts are not known here", most,
	    l->max_connections, n, each);
}

void
wl_doctor_db(struct wl_doctor *d)
{
	struct wl_db_login l[WL_ROLE_MAX] = { 0 };
	bool own = strcmp(d->conf->owner_database_url,
	    d->conf->database_url) != 0;
	const struct wl_db_login *app = &l[WL_ROLE_APP];
	size_t i;

	for (i = 0; i < WL_ROLE_MAX; i++)
		if (roles[i].role != WL_ROLE_OWNER || own)
			reach(d, &roles[i], &l[i]);
	if (!d->db_up[WL_ROLE_APP])
		return;
	version(d, app);
	wl_doctor_clock(d, AREA, server_clock);
	connections(d, app);
	d->db_schema = schema(d);
	if (!d->db_schema)
		return;
	/* where one login does everything it is the owner too */
	d->db_owner = own ? l[WL_ROLE_OWNER].owner : app->owner;
	for (i = 0; i < WL_ROLE_MAX; i++)
		if (roles[i].rights != NULL)
			rights(d, &roles[i], &l[i], d->db_owner);
	if (d->db_owner)
		row_security(d);
}
