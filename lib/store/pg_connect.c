/*
 * Connecting to PostgreSQL without blocking: names are looked up first and
 * given to libpq as hostaddr, then its state machine runs on wl_wait().
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/base/wait.h"
#include "lib/store/pg_priv.h"
#include "lib/store/resolve.h"

#define HOSTS_MAX	16	/* addresses of all hosts together */
#define KEYWORDS_MAX	64

/*
 * Hosts as libpq wants them: three lists with as many items each.
 */
struct hosts {
	struct wl_buf	 host, hostaddr, port;
	int		 n;
};

static const char *
option(const PQconninfoOption *o, const char *keyword, const char *env)
{
	for (; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0 && o->val != NULL)
			return o->val;
	return env != NULL ? getenv(env) : NULL;
}

static void
add_host(struct hosts *h, struct wl_str host, const char *addr,
    struct wl_str port)
{
	const char *comma = h->n++ > 0 ? "," : "";

	wl_buf_adds(&h->host, comma);
	wl_buf_add(&h->host, host.p, host.len);
	wl_buf_adds(&h->hostaddr, comma);
	wl_buf_adds(&h->hostaddr, addr);
	wl_buf_adds(&h->port, comma);
	wl_buf_add(&h->port, port.p, port.len);
}

static bool
needs_look_up(struct wl_str host)
{
	return host.len > 0 && host.p[0] != '/' && host.p[0] != '@';
}

/*
 * Fill *H from the lists HOST and PORT.  A name with several addresses
 * becomes as many items; one that is not known is left to the others.
 */
static int
look_up(struct hosts *h, const char *host, const char *port, int64_t deadline)
{
	struct wl_str hosts = wl_str_of(host), ports = wl_str_of(port);
	struct wl_str one, at = wl_str_of("");
	struct wl_addrs addrs;
	char name[256];
	int i;

	while (hosts.p != NULL && h->n < HOSTS_MAX) {
		one = wl_str_cut(&hosts, ',');
		if (ports.p != NULL)
			at = wl_str_cut(&ports, ',');
		if (!needs_look_up(one)) {
			add_host(h, one, "", at);
			continue;
		}
		if (one.len >= sizeof(name))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)one.len, one.p);
		if (wl_resolve(name, deadline, &addrs) == -1) {
			if (errno == ECANCELED || errno == ETIMEDOUT)
				return -1;
			continue;
		}
		for (i = 0; i < addrs.n && h->n < HOSTS_MAX; i++)
			add_host(h, one, addrs.text[i], at);
	}
	if (h->n == 0)
		errno = EHOSTUNREACH;
	return h->n == 0 || h->host.failed || h->hostaddr.failed ||
	    h->port.failed ? -1 : 0;
}

static bool
is_place(const char *keyword)
{
	return strcmp(keyword, "host") == 0 || strcmp(keyword, "port") == 0;
}

/*
 * Without addresses of ours (H->n is 0) the URL's own hold.
 */
static PGconn *
start(const PQconninfoOption *o, const struct hosts *h)
{
	const char *k[KEYWORDS_MAX + 1], *v[KEYWORDS_MAX + 1];
	int n = 0;

	if (h->n > 0) {
		k[n] = "host", v[n++] = h->host.p;
		k[n] = "hostaddr", v[n++] = h->hostaddr.p;
		k[n] = "port", v[n++] = h->port.p;
	}
	k[n] = "client_encoding", v[n++] = "UTF8";
	if (option(o, "application_name", NULL) == NULL)
		k[n] = "application_name", v[n++] = "watchllm";
	if (option(o, "gssencmode", NULL) == NULL)
		k[n] = "gssencmode", v[n++] = "disable";	/* it may block */
	for (; o->keyword != NULL && n < KEYWORDS_MAX; o++) {
		if (o->val == NULL ||
		    strcmp(o->keyword, "client_encoding") == 0 ||
		    (h->n > 0 && is_place(o->keyword)))
			continue;
		k[n] = o->keyword, v[n++] = o->val;
	}
	k[n] = NULL, v[n] = NULL;
	return PQconnectStartParams(k, v, 0);
}

static int
failed(struct wl_err *e, const char *why)
{
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "connecting to the database: %s", why);
}

static void
on_notice(void *arg, const PGresult *res)
{
	(void)arg;
	wl_log(WL_DEBUG, "db.notice", "%s", PQresultErrorMessage(res));
}

static int
poll_until(struct wl_pg *c, int64_t deadline, struct wl_err *e)
{
	PostgresPollingStatusType s = PGRES_POLLING_WRITING;
	int r;

	while (s == PGRES_POLLING_READING || s == PGRES_POLLING_WRITING) {
		r = wl_pg_wait(c, s == PGRES_POLLING_READING ? EPOLLIN :
		    EPOLLOUT, deadline);
		if (r <= 0)
			return failed(e, r == 0 ? "no answer in time" :
			    strerror(errno));
		/* it may go on with another socket of the same number */
		wl_pg_forget(c);
		s = PQconnectPoll(c->conn);
	}
	if (s != PGRES_POLLING_OK)
		return failed(e, PQerrorMessage(c->conn));
	return 0;
}

static int
connect_to(struct wl_pg *c, const PQconninfoOption *o, struct hosts *h,
    int64_t deadline, struct wl_err *e)
{
	const char *host = option(o, "host", "PGHOST");

	if (option(o, "hostaddr", "PGHOSTADDR") == NULL && look_up(h,
	    host != NULL ? host : "", option(o, "port", "PGPORT"),
	    deadline) == -1)
		return failed(e, strerror(errno));
	c->conn = start(o, h);
	if (c->conn == NULL)
		return failed(e, "out of memory");
	PQsetNoticeReceiver(c->conn, on_notice, NULL);
	if (PQstatus(c->conn) == CONNECTION_BAD)
		return failed(e, PQerrorMessage(c->conn));
	if (poll_until(c, deadline, e) == -1)
		return -1;
	if (PQsetnonblocking(c->conn, 1) == -1)
		return failed(e, "cannot be made non-blocking");
	return 0;
}

int
wl_pg_connect(struct wl_pg *c, const PQconninfoOption *o, int64_t deadline,
    struct wl_err *e)
{
	struct hosts h = { .n = 0 };
	int ret = connect_to(c, o, &h, deadline, e);

	wl_buf_free(&h.host);
	wl_buf_free(&h.hostaddr);
	wl_buf_free(&h.port);
	return ret;
}
