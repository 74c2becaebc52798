/*
 * Connections to PostgreSQL: a small pool for each role, last in first out,
 * with a queue for those who must wait and a breaker for a server that is
 * away.  Connecting is in pg_connect.c, statements are in pg_query.c.
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/store/pg_priv.h"

#define BREAKER_MS	1000

/*
 * Somebody in wl_pg_take(); lies on its stack.
 */
struct waiter {
	struct waiter	*next;
	struct wl_co	*co;
	struct wl_pg	*given;		/* a connection */
	bool		 may_open;	/* or the right to open one */
	bool		 refused;	/* or neither */
};

struct pool {
	PQconninfoOption *options;	/* NULL: not configured */
	struct wl_pg	*idle;
	struct waiter	*first, **last;
	int		 open;		/* connections, idle or not, or coming */
	int64_t		 retry_at;	/* none is opened before */
	bool		 down;		/* the last attempt failed */
};

static const char *const role_names[] = { "app", "owner", "drain", "rollup" };
_Static_assert(sizeof(role_names) / sizeof(role_names[0]) == WL_ROLE_MAX,
    "a name for each role");

static struct {
	bool		 open;
	struct pool	 pool[WL_ROLE_MAX];
	int64_t		 timeout;
	int64_t		 idle_timeout;
	int		 max;
	bool		 up;
	struct wl_timer	 reaper;
} pg;

static int
parse(struct pool *p, const char *url, struct wl_err *e)
{
	char *why = NULL;

	memset(p, 0, sizeof(*p));
	p->last = &p->first;
	if (url[0] == '\0')
		return 0;
	p->options = PQconninfoParse(url, &why);
	if (p->options == NULL) {
		/* the text of libpq may repeat the URL, password included */
		PQfreemem(why);
		return wl_err_set(e, WL_E_INTERNAL,
		    "a database URL cannot be understood");
	}
	return 0;
}

int
wl_pg_open(const struct wl_conf *conf, struct wl_err *e)
{
	const char *urls[WL_ROLE_MAX] = {
		[WL_ROLE_APP] = conf->database_url,
		[WL_ROLE_OWNER] = conf->owner_database_url,
		[WL_ROLE_DRAIN] = conf->drain_database_url,
		[WL_ROLE_ROLLUP] = conf->rollup_database_url,
	};
	int i;

	pg.timeout = conf->database_timeout;
	pg.idle_timeout = conf->database_idle_timeout;
	pg.max = (int)conf->database_connections;
	pg.up = true;
	for (i = 0; i < WL_ROLE_MAX; i++)
		if (parse(&pg.pool[i], urls[i], e) == -1) {
			while (i-- > 0)
				PQconninfoFree(pg.pool[i].options);
			return -1;
		}
	pg.open = true;
	return 0;
}

/*
 * End C's connection; its place in the pool stays taken.
 */
static void
finish(struct wl_pg *c)
{
	wl_pg_forget(c);
	PQfinish(c->conn);
	free(c);
}

static struct waiter *
shift(struct pool *p)
{
	struct waiter *w = p->first;

	if (w == NULL)
		return NULL;
	p->first = w->next;
	if (p->first == NULL)
		p->last = &p->first;
	return w;
}

static void
refuse_all(struct pool *p)
{
	struct waiter *w;

	while ((w = shift(p)) != NULL) {
		w->refused = true;
		wl_wake(w->co);
	}
}

/*
 * A place in the pool is free: whoever waits longest may open a connection,
 * or, when the server is away and no connection is left to wait for, all fail.
 */
static void
vacate(struct pool *p)
{
	struct waiter *w;

	p->open--;
	if (!pg.open || wl_mono_fresh() < p->retry_at) {
		if (p->open == 0 || !pg.open)
			refuse_all(p);
		return;
	}
	if ((w = shift(p)) != NULL) {
		p->open++;
		w->may_open = true;
		wl_wake(w->co);
	}
}

static void
drop(struct wl_pg *c)
{
	struct pool *p = &pg.pool[c->role];

	finish(c);
	vacate(p);
}

void
wl_pg_close(void)
{
	struct wl_pg *c;
	int i;

	if (!pg.open)
		return;
	pg.open = false;
	if (pg.reaper.pos != 0)
		wl_timer_clear(&pg.reaper);
	for (i = 0; i < WL_ROLE_MAX; i++) {
		while ((c = pg.pool[i].idle) != NULL) {
			pg.pool[i].idle = c->next;
			finish(c);
			pg.pool[i].open--;
		}
		refuse_all(&pg.pool[i]);
		PQconninfoFree(pg.pool[i].options);
		pg.pool[i].options = NULL;
	}
}

static void
reap(void *arg)
{
	struct wl_pg *c, **pp;
	int64_t now = wl_mono(), next = INT64_MAX;
	int i;

	(void)arg;
	for (i = 0; i < WL_ROLE_MAX; i++)
		for (pp = &pg.pool[i].idle; (c = *pp) != NULL;) {
			if (c->idle_since + pg.idle_timeout > now) {
				if (c->idle_since + pg.idle_timeout < next)
					next = c->idle_since + pg.idle_timeout;
				pp = &c->next;
				continue;
			}
			*pp = c->next;
			drop(c);
		}
	if (next != INT64_MAX &&
	    wl_timer_set(&pg.reaper, next, reap, NULL) == -1)
		wl_log(WL_WARN, "db.timer", "idle connections stay open");
}

/*
 * Whether an idle connection is still one: a server that closed it has made
 * its socket readable.
 */
static bool
usable(const struct wl_pg *c)
{
	char b;

	return PQstatus(c->conn) == CONNECTION_OK &&
	    recv(PQsocket(c->conn), &b, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK);
}

static void
reached(struct pool *p, enum wl_role role)
{
	pg.up = true;
	p->retry_at = 0;
	if (p->down)
		wl_log(WL_INFO, "db.up", "database of role %s answers again",
		    role_names[role]);
	p->down = false;
}

static void
not_reached(struct pool *p, enum wl_role role, const struct wl_err *e)
{
	pg.up = false;
	p->retry_at = wl_mono_fresh() + BREAKER_MS;
	if (!p->down)
		wl_log(WL_ERROR, "db.down", "database of role %s: %s",
		    role_names[role], e->detail);
	p->down = true;
}

/*
 * What the operator has set for other programs must not change the meaning of
 * ours: decisions by row lock need READ COMMITTED, times are read as ISO.
 */
static const char sql_session[] =
    "SELECT pg_catalog.set_config('default_transaction_isolation',"
    " 'read committed', false),"
    " pg_catalog.set_config('DateStyle', 'ISO, YMD', false),"
    " pg_catalog.set_config('IntervalStyle', 'postgres', false),"
    " pg_catalog.set_config('TimeZone', 'UTC', false)";

/*
 * Use a place in the pool, which the caller has taken already.
 */
static struct wl_pg *
open_one(enum wl_role role, int64_t deadline, struct wl_err *e)
{
	struct pool *p = &pg.pool[role];
	struct wl_pg *c = calloc(1, sizeof(*c));
	bool fair = deadline - wl_mono_fresh() >= pg.timeout / 2;

	if (c == NULL) {
		vacate(p);
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		return NULL;
	}
	c->role = role;
	c->fd = -1;
	c->timeout = pg.timeout;
	if (wl_pg_connect(c, p->options, deadline, e) == 0 &&
	    wl_pg_exec(c, sql_session, 0, NULL, NULL, e) == 0) {
		reached(p, role);
		return c;
	}
	/* a caller in a hurry says nothing about the server */
	if (fair && !wl_co_cancelled())
		not_reached(p, role, e);
	drop(c);
	return NULL;
}

static void
leave_queue(struct pool *p, struct waiter *w)
{
	struct waiter **pp;

	for (pp = &p->first; *pp != NULL && *pp != w; pp = &(*pp)->next)
		;
	if (*pp == NULL)
		return;
	*pp = w->next;
	if (p->last == &w->next)
		p->last = pp;
}

static struct wl_pg *
queue_up(enum wl_role role, int64_t deadline, struct wl_err *e)
{
	struct pool *p = &pg.pool[role];
	struct waiter w = { NULL, wl_co_self(), NULL, false, false };
	int r = 1;

	*p->last = &w;
	p->last = &w.next;
	while (r > 0 && w.given == NULL && !w.may_open && !w.refused)
		r = wl_wait(-1, WL_WOKEN, deadline);
	if (w.given != NULL)
		return w.given;
	if (w.may_open && r > 0)
		return open_one(role, deadline, e);
	if (w.may_open)
		vacate(p);
	leave_queue(p, &w);
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	wl_err_detail(e, "%s", w.refused ? "database is away" :
	    r == -1 ? "cancelled" : "no database connection was free in time");
	return NULL;
}

struct wl_pg *
wl_pg_take(enum wl_role role, struct wl_err *e)
{
	struct pool *p = &pg.pool[role];
	int64_t now = wl_mono_fresh();
	struct wl_pg *c;

	if (!pg.open || p->options == NULL) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		wl_err_detail(e, "no database is configured for role %s",
		    role_names[role]);
		return NULL;
	}
	while ((c = p->idle) != NULL) {
		p->idle = c->next;
		if (usable(c))
			return c;
		drop(c);
	}
	if (now < p->retry_at && p->open == 0) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		wl_err_detail(e, "database is away");
		return NULL;
	}
	if (now >= p->retry_at && p->open < pg.max) {
		p->open++;
		return open_one(role, now + pg.timeout, e);
	}
	return queue_up(role, now + pg.timeout, e);
}

void
wl_pg_give(struct wl_pg *c)
{
	struct pool *p = &pg.pool[c->role];
	struct waiter *w;

	if (!c->broken && PQtransactionStatus(c->conn) != PQTRANS_IDLE)
		wl_pg_rollback(c);
	if (c->broken || !pg.open ||
	    PQtransactionStatus(c->conn) != PQTRANS_IDLE) {
		drop(c);
		return;
	}
	c->timeout = pg.timeout;
	c->sqlstate[0] = '\0';
	if ((w = shift(p)) != NULL) {
		w->given = c;
		wl_wake(w->co);
		return;
	}
	c->idle_since = wl_mono();
	c->next = p->idle;
	p->idle = c;
	if (pg.reaper.pos == 0 && wl_timer_set(&pg.reaper,
	    c->idle_since + pg.idle_timeout, reap, NULL) == -1)
		drop(c);
}

bool
wl_pg_up(void)
{
	return pg.up;
}

const char *
wl_pg_sqlstate(const struct wl_pg *c)
{
	return c->sqlstate;
}

void
wl_pg_statement_timeout(struct wl_pg *c, int64_t ms)
{
	c->timeout = ms;
}
