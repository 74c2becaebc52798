/*
 * The cache of host names.  Every look-up is a coroutine of its own, so that
 * who waits for it can give up at a deadline, which a helper thread cannot.
 */
#include "config.h"
#include "lib/http/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/co.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"

#define BUCKETS		256
#define NAMES_MAX	1000
#define GOOD_MS		60000
#define BAD_MS		5000

struct waiter {
	struct waiter	*next;
	struct wl_co	*co;
};

struct entry {
	struct entry	*next;
	struct waiter	*waiters;
	int64_t		 until;		/* monotonic ms */
	bool		 pending;	/* a look-up runs */
	bool		 orphan;	/* in no bucket any more */
	int		 rc;		/* of getaddrinfo() */
	struct wl_addrs	 addrs;
	char		 host[256];
};

static struct entry	*buckets[BUCKETS];
static size_t		 count;

static int
resolve(const char *host, struct wl_addrs *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int rc;

	out->n = 0;
	if ((rc = getaddrinfo(host, NULL, &hints, &list)) != 0)
		return rc;
	for (ai = list; ai != NULL && out->n < WL_NAMES_ADDRS;
	    ai = ai->ai_next)
		if (ai->ai_family == AF_INET || ai->ai_family == AF_INET6)
			memcpy(&out->addr[out->n++], ai->ai_addr,
			    ai->ai_addrlen);
	freeaddrinfo(list);
	return out->n == 0 ? EAI_NONAME : 0;
}

int (*wl_names_resolve)(const char *, struct wl_addrs *) = resolve;

static bool
numeric(const char *host, struct wl_addrs *out)
{
	union wl_addr *a = &out->addr[0];

	memset(a, 0, sizeof(*a));
	out->n = 1;
	if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		return true;
	}
	out->n = 0;
	return false;
}

static struct entry **
bucket_of(const char *host)
{
	uint32_t h = 2166136261u;

	for (; *host != '\0'; host++)
		h = (h ^ (unsigned char)*host) * 16777619u;
	return &buckets[h % BUCKETS];
}

static bool
in_use(const struct entry *en)
{
	return en->pending || en->waiters != NULL;
}

static void
unlink_entry(struct entry **link)
{
	struct entry *en = *link;

	*link = en->next;
	count--;
	en->orphan = true;
	if (!in_use(en))
		free(en);
}

/*
 * Make room: what has expired goes, or else the one that expires first.
 */
static void
evict(void)
{
	struct entry **link, **oldest = NULL;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		link = &buckets[i];
		while (*link != NULL) {
			if (!in_use(*link) && (*link)->until <= wl_mono()) {
				unlink_entry(link);
				continue;
			}
			link = &(*link)->next;
		}
	}
	if (count < NAMES_MAX)
		return;
	for (i = 0; i < BUCKETS; i++)
		for (link = &buckets[i]; *link != NULL; link = &(*link)->next)
			if (!in_use(*link) && (oldest == NULL ||
			    (*link)->until < (*oldest)->until))
				oldest = link;
	if (oldest != NULL)
		unlink_entry(oldest);
}

static struct entry *
find_or_add(const char *host)
{
	struct entry *en, **bucket = bucket_of(host);

	for (en = *bucket; en != NULL; en = en->next)
		if (strcmp(en->host, host) == 0)
			return en;
	if (count >= NAMES_MAX)
		evict();
	if (count >= NAMES_MAX || strlen(host) >= sizeof(en->host) ||
	    (en = calloc(1, sizeof(*en))) == NULL)
		return NULL;
	memcpy(en->host, host, strlen(host) + 1);
	en->next = *bucket;
	*bucket = en;
	count++;
	return en;
}

struct job {
	char		host[256];
	struct wl_addrs	addrs;
	int		rc;
};

static void
run_job(void *arg)
{
	struct job *job = arg;

	job->rc = wl_names_resolve(job->host, &job->addrs);
}

static void
look_up(void *arg)
{
	struct entry *en = arg;
	struct waiter *w;
	struct job job = { .rc = EAI_AGAIN };

	/* the helper thread must not touch what belongs to the loop */
	memcpy(job.host, en->host, sizeof(job.host));
	if (wl_offload(run_job, &job) == -1)
		job.rc = EAI_AGAIN;
	en->rc = job.rc;
	en->addrs = job.addrs;
	en->until = wl_mono_fresh() + (job.rc == 0 ? GOOD_MS : BAD_MS);
	en->pending = false;
	for (w = en->waiters; w != NULL; w = w->next)
		wl_wake(w->co);
	if (en->orphan && !in_use(en))
		free(en);
}

static void
leave(struct entry *en, struct waiter *w)
{
	struct waiter **link;

	for (link = &en->waiters; *link != w; link = &(*link)->next)
		;
	*link = w->next;
}

/*
 * Wait for the look-up of EN.  Returns 0 when it is over, or -1 with *E.
 */
static int
await(struct entry *en, int64_t deadline, struct wl_err *e)
{
	struct waiter w = { en->waiters, wl_co_self() };
	int rc = 0;

	en->waiters = &w;
	while (en->pending &&
	    (rc = wl_wait(-1, WL_WOKEN, deadline)) > 0)
		;
	leave(en, &w);
	if (!en->pending)
		return 0;
	if (rc == -1)
		return wl_err_set(e, WL_E_CLIENT_CLOSED, NULL);
	wl_err_set(e, WL_E_UPSTREAM_TIMEOUT,
	    "The provider did not answer in time (name look-up).");
	return wl_err_detail(e, "looking up %s", en->host);
}

static int
answer(const struct entry *en, struct wl_addrs *out, struct wl_err *e)
{
	if (en->rc == 0) {
		*out = en->addrs;
		return 0;
	}
	wl_err_set(e, WL_E_UPSTREAM, "The provider's host name is not known.");
	return wl_err_detail(e, "looking up %s: %s", en->host,
	    gai_strerror(en->rc));
}

int
wl_names_lookup(const char *host, int64_t deadline, struct wl_addrs *out,
    struct wl_err *e)
{
	struct entry *en;
	int rc;

	if (numeric(host, out))
		return 0;
	if ((en = find_or_add(host)) == NULL)
		goto memory;
	if (!en->pending && en->until <= wl_mono()) {
		en->pending = true;
		if (wl_co_spawn("names", look_up, en) == NULL) {
			en->pending = false;
			goto memory;
		}
	}
	rc = en->pending ? await(en, deadline, e) : 0;
	if (rc == 0)
		rc = answer(en, out, e);
	if (en->orphan && !in_use(en))
		free(en);
	return rc;

memory:
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "no room for the name %s", host);
}

void
wl_names_close(void)
{
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		while (buckets[i] != NULL)
			unlink_entry(&buckets[i]);
}
