/*
 * Look-ups run in a helper thread under a coroutine of their own: whoever
 * asked may give up at its deadline, the look-up cannot.
 */
#include "config.h"
#include "lib/store/resolve.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"

struct lookup {
	char		*host;
	struct wl_addrs	 addrs;
	struct wl_co	*waiter;	/* NULL: it gave up */
	bool		 done;
};

static int
numbers(const char *host, int flags, struct wl_addrs *out)
{
	struct addrinfo hints, *list, *ai;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = flags;
	out->n = 0;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return -1;
	for (ai = list; ai != NULL && out->n < WL_RESOLVE_MAX; ai = ai->ai_next)
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen,
		    out->text[out->n], WL_RESOLVE_TEXT, NULL, 0,
		    NI_NUMERICHOST) == 0)
			out->n++;
	freeaddrinfo(list);
	return out->n > 0 ? 0 : -1;
}

static void
work(void *arg)
{
	struct lookup *l = arg;

	if (numbers(l->host, 0, &l->addrs) == -1)
		l->addrs.n = 0;
}

static void
release(struct lookup *l)
{
	free(l->host);
	free(l);
}

static void
run(void *arg)
{
	struct lookup *l = arg;

	if (wl_offload(work, l) == -1)
		l->addrs.n = 0;
	l->done = true;
	if (l->waiter == NULL)
		release(l);
	else
		wl_wake(l->waiter);
}

static struct lookup *
start(const char *host)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->waiter = wl_co_self();
	l->host = strdup(host);
	if (l->host == NULL || wl_co_spawn("resolve", run, l) == NULL) {
		release(l);
		errno = ENOMEM;
		return NULL;
	}
	return l;
}

int
wl_resolve(const char *host, int64_t deadline, struct wl_addrs *out)
{
	struct lookup *l;
	int r = 1;

	if (numbers(host, AI_NUMERICHOST, out) == 0)
		return 0;
	if ((l = start(host)) == NULL)
		return -1;
	while (!l->done && r > 0)
		r = wl_wait(-1, WL_WOKEN, deadline);
	if (!l->done) {
		l->waiter = NULL;
		errno = r == 0 ? ETIMEDOUT : ECANCELED;
		return -1;
	}
	*out = l->addrs;
	release(l);
	if (out->n == 0)
		errno = EHOSTUNREACH;
	return out->n == 0 ? -1 : 0;
}
