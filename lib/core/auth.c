/*
 * Authentication.  What PostgreSQL said of a key is remembered by the whole
 * SHA-256 of the key; one coroutine asks for all that want the same key.
 */
#include "config.h"
#include "lib/core/auth.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/base/wait.h"
#include "lib/core/address.h"
#include "lib/core/limit_rule.h"
#include "lib/store/db.h"
#include "lib/store/redis.h"

#define GOOD_MAX	4096	/* keys remembered */
#define BAD_MAX		1024	/* keys remembered as refused */
#define BUCKETS		4096
#define BAD_MS		1000	/* a refused key is refused again so long */
#define RECENT_MS	1000
/* Beside the time that the database may take. */
#define WAIT_EXTRA_MS	1000
/*
 * Look-ups in a second for addresses that have failed too often: many share
 * one, and a key that works must not suffer because this process does not
 * know it yet.
 */
#define SPARE_MAX	10
/* Answers to others that began too early, then one that counts. */
#define TRIES		4

struct entry {
	struct entry	*next;		/* in its bucket */
	uint8_t		 hash[32];
	struct wl_auth	*auth;		/* NULL: refused */
	const char	*why;		/* it was refused, a literal */
	uint64_t	 asked;		/* when the query began, by ticket */
	int64_t		 since;		/* monotonic ms of that */
	bool		 used;		/* since the hand last came by */
	bool		 live;
};

/*
 * A bounded set of entries with a clock hand that looks for one not used.
 */
struct cache {
	struct entry	*entries;	/* made at first use */
	size_t		 max, n, hand;
	struct entry	*bucket[BUCKETS];
};

static struct cache	good = { .max = GOOD_MAX };
static struct cache	bad = { .max = BAD_MAX };

/* Queries and requests get rising numbers: which of two began first. */
static uint64_t		tickets;
static uint64_t		flushed;	/* nothing older counts */

static size_t
bucket_of(const uint8_t hash[32])
{
	return ((size_t)hash[0] << 8 | hash[1]) % BUCKETS;
}

static struct entry *
cache_find(struct cache *c, const uint8_t hash[32])
{
	struct entry *t;

	for (t = c->bucket[bucket_of(hash)]; t != NULL; t = t->next)
		if (wl_equal_ct(t->hash, hash, sizeof(t->hash))) {
			t->used = true;
			return t;
		}
	return NULL;
}

static void
cache_drop(struct cache *c, struct entry *t)
{
	struct entry **p = &c->bucket[bucket_of(t->hash)];

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	wl_auth_unref(t->auth);
	memset(t, 0, sizeof(*t));
}

static struct entry *
cache_room(struct cache *c)
{
	struct entry *t;

	if (c->entries == NULL &&
	    (c->entries = calloc(c->max, sizeof(*t))) == NULL)
		return NULL;
	/* ends within two rounds: the first one clears USED */
	for (;; c->hand = (c->hand + 1) % c->max) {
		t = &c->entries[c->hand];
		if (!t->live)
			return t;
		if (!t->used) {
			cache_drop(c, t);
			return t;
		}
		t->used = false;
	}
}

/*
 * Remember what is known of the key with HASH.  Takes over AUTH.
 */
static void
cache_put(struct cache *c, const uint8_t hash[32], struct wl_auth *auth,
    const char *why, uint64_t asked, int64_t since)
{
	struct entry *t = cache_find(c, hash), **p;

	if (t == NULL) {
		if ((t = cache_room(c)) == NULL) {
			wl_auth_unref(auth);
			return;
		}
		memcpy(t->hash, hash, sizeof(t->hash));
		p = &c->bucket[bucket_of(hash)];
		t->next = *p;
		*p = t;
		t->live = true;
	} else {
		wl_auth_unref(t->auth);
	}
	t->auth = auth;
	t->why = why;
	t->asked = asked;
	t->since = since;
}

static void
cache_forget(struct cache *c, const uint8_t hash[32])
{
	struct entry *t = cache_find(c, hash);

	if (t != NULL)
		cache_drop(c, t);
}

static void
cache_flush(struct cache *c)
{
	size_t i;

	for (i = 0; c->entries != NULL && i < c->max; i++)
		if (c->entries[i].live)
			cache_drop(c, &c->entries[i]);
	free(c->entries);
	c->entries = NULL;
	c->hand = 0;
}

/*
 * Scopes.
 */

static const struct {
	const char	*name;
	unsigned	 scope;
} scopes[] = {
	{ "admin", WL_SCOPE_ADMIN },
	{ "gateway", WL_SCOPE_GATEWAY },
	{ "ingest", WL_SCOPE_INGEST },
	{ "read", WL_SCOPE_READ },
};
#define SCOPES	(sizeof(scopes) / sizeof(scopes[0]))

const char *
wl_auth_scope_name(unsigned scope)
{
	size_t i;

	for (i = 0; i < SCOPES; i++)
		if (scopes[i].scope == scope)
			return scopes[i].name;
	return NULL;
}

static unsigned
parse_scopes(const char *list)
{
	struct wl_str rest = wl_str_of(list), word;
	unsigned found = 0;
	size_t i;

	while (rest.len > 0) {
		word = wl_str_trim(wl_str_cut(&rest, ','));
		for (i = 0; i < SCOPES; i++)
			if (wl_str_eq(word, scopes[i].name))
				found |= scopes[i].scope;
	}
	return found;
}

int
wl_auth_allows(const struct wl_auth *auth, unsigned wanted, struct wl_err *e)
{
	unsigned missing = wanted & ~auth->scopes;
	const char *name;

	if (missing == 0)
		return 0;
	name = wl_auth_scope_name(missing & -missing);
	return wl_err_set(e, WL_E_SCOPE,
	    "This API key lacks the scope \"%s\".", name != NULL ? name : "");
}

/*
 * References.
 */

void
wl_auth_ref(struct wl_auth *auth)
{
	auth->refs++;
}

void
wl_auth_unref(struct wl_auth *auth)
{
	if (auth == NULL || --auth->refs > 0)
		return;
	free(auth->settings);
	free(auth->rules);
	free(auth);
}

void
wl_auth_flush(void)
{
	cache_flush(&good);
	cache_flush(&bad);
	flushed = ++tickets;
}

void
wl_auth_verified(struct wl_auth *auth)
{
	/* a limiter that was away since may agree with an old version */
	if (auth->epoch == wl_redis_epoch())
		auth->verified = wl_mono();
}

/*
 * Asking PostgreSQL.
 */

/*
 * The limits beside calls per minute and month.
 */
static void
take_limits(struct wl_auth *auth, const struct wl_db_key *k)
{
	auth->concurrent = k->concurrent;
	auth->key_concurrent = k->key_concurrent;
	auth->tokens = k->tokens;
	auth->key_tokens = k->key_tokens;
	auth->day_nano = k->day_nano;
	auth->month_nano = k->month_nano;
	auth->key_day_nano = k->key_day_nano;
	auth->key_month_nano = k->key_month_nano;
	auth->flat_nano = k->flat_nano;
	if (k->unknown_price != NULL)
		auth->unknown_price = strcmp(k->unknown_price, "deny") == 0 ?
		    WL_UNKNOWN_DENY : strcmp(k->unknown_price, "flat") == 0 ?
		    WL_UNKNOWN_FLAT : WL_UNKNOWN_ALLOW;
	if (k->overrun != NULL)
		auth->overrun = strcmp(k->overrun, "stop") == 0 ?
		    WL_OVERRUN_STOP : strcmp(k->overrun, "warn") == 0 ?
		    WL_OVERRUN_WARN : WL_OVERRUN_ALLOW;
}

static struct wl_auth *
make_auth(struct wl_arena *a, const struct wl_db_key *k)
{
	struct wl_auth *auth = calloc(1, sizeof(*auth));
	const char *settings = k->settings != NULL ? k->settings : "{}";

	if (auth == NULL || (auth->settings = strdup(settings)) == NULL) {
		free(auth);
		return NULL;
	}
	auth->refs = 1;
	(void)wl_strlcpy(auth->project, k->project, sizeof(auth->project));
	(void)wl_strlcpy(auth->project_name, k->project_name,
	    sizeof(auth->project_name));
	(void)wl_strlcpy(auth->plan, k->plan, sizeof(auth->plan));
	(void)wl_strlcpy(auth->key_id, k->key_id, sizeof(auth->key_id));
	(void)wl_strlcpy(auth->key_prefix, k->prefix,
	    sizeof(auth->key_prefix));
	(void)wl_strlcpy(auth->retention_class, k->retention_class,
	    sizeof(auth->retention_class));
	if (k->default_provider != NULL)
		(void)wl_strlcpy(auth->default_provider, k->default_provider,
		    sizeof(auth->default_provider));
	auth->dsn_id = k->dsn_id;
	auth->version = k->version;
	auth->catalog_version = k->catalog_version;
	auth->scopes = parse_scopes(k->scopes);
	auth->expires_ms = k->expires_ms;
	auth->rpm = k->rpm;
	auth->month = k->month;
	auth->key_rpm = k->key_rpm;
	auth->key_month = k->key_month;
	auth->sliding = k->sliding;
	auth->cache_hits_free = k->cache_hits_free;
	take_limits(auth, k);
	if (wl_limit_rules_read(a, k->rules, &auth->rules, &auth->nrules) ==
	    -1) {
		free(auth->settings);
		free(auth);
		return NULL;
	}
	return auth;
}

/*
 * Ask for the key with HASH, and remember the answer.  Returns 0, or -1 with
 * *E when there is none.
 */
static int
ask(struct wl_arena *a, const uint8_t hash[32], struct wl_err *e)
{
	uint64_t asked = ++tickets, epoch = wl_redis_epoch();
	int64_t since = wl_mono();
	const char *why = NULL;
	struct wl_auth *auth;
	struct wl_db_key k;
	int found;

	if ((found = wl_db_auth_key(a, hash, &k, e)) == -1)
		return -1;
	if (found == 0)
		why = "unknown";
	else if (k.revoked)
		why = "revoked";
	else if (k.project_disabled)
		why = "project disabled";
	if (why != NULL) {
		cache_forget(&good, hash);
		cache_put(&bad, hash, NULL, why, asked, since);
		return 0;
	}
	if ((auth = make_auth(a, &k)) == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	auth->epoch = epoch;
	auth->verified = since;
	cache_forget(&bad, hash);
	cache_put(&good, hash, auth, NULL, asked, since);
	return 0;
}

/*
 * A query that runs, and who waits for it; on the stack of who asks.
 */
struct waiter {
	struct waiter	*next;
	struct wl_co	*co;
	bool		 done;
	int		 rc;
	struct wl_err	*e;
};

struct flight {
	struct flight	*next;
	const uint8_t	*hash;
	struct waiter	*waiters;
};

static struct flight	*flights;

static struct flight *
find_flight(const uint8_t hash[32])
{
	struct flight *f;

	for (f = flights; f != NULL; f = f->next)
		if (wl_equal_ct(f->hash, hash, 32))
			return f;
	return NULL;
}

static int
lead(struct wl_arena *a, const uint8_t hash[32], struct wl_err *e)
{
	struct flight me = { flights, hash, NULL }, **p;
	struct waiter *w, *next;
	int rc;

	flights = &me;
	rc = ask(a, hash, e);
	for (p = &flights; *p != &me; p = &(*p)->next)
		;
	*p = me.next;
	for (w = me.waiters; w != NULL; w = next) {
		next = w->next;
		if ((w->rc = rc) == -1)
			*w->e = *e;
		w->done = true;
		wl_wake(w->co);
	}
	return rc;
}

static int
join(struct flight *f, const struct wl_conf *conf, struct wl_err *e)
{
	struct waiter me = { f->waiters, wl_co_self(), false, 0, e }, **p;
	int64_t deadline = wl_mono() + 2 * conf->database_timeout +
	    WAIT_EXTRA_MS;
	int got = 1;

	f->waiters = &me;
	while (!me.done && got > 0)
		got = wl_wait(-1, WL_WOKEN, deadline);
	if (me.done)
		return me.rc;
	for (p = &f->waiters; *p != &me; p = &(*p)->next)
		;
	*p = me.next;
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "no answer to another query for the key");
}

/*
 * Judging.
 */

/*
 * A limiter call will follow and compare versions.
 */
static bool
limiter_up(const struct wl_conf *conf)
{
	return conf->counters == WL_COUNTERS_POSTGRES || wl_redis_up();
}

/*
 * Whether T may be used without asking for a request that came at TICKET.
 */
static bool
holds(const struct entry *t, const struct wl_conf *conf,
    enum wl_auth_mode mode, uint64_t ticket)
{
	if (t->asked > ticket)
		return true;
	if (mode == WL_AUTH_FRESH || t->asked < flushed)
		return false;
	if (t->auth == NULL)
		return wl_mono() - t->since < BAD_MS;
	if (t->auth->epoch != wl_redis_epoch())
		return false;
	if (mode == WL_AUTH_CACHED && limiter_up(conf))
		return true;
	return wl_mono() - t->since < RECENT_MS;
}

static bool
expired(const struct wl_auth *auth)
{
	return auth->expires_ms > 0 && wl_clock_ms() >= auth->expires_ms;
}

static struct entry *
find(const uint8_t hash[32])
{
	struct entry *t = cache_find(&good, hash);

	return t != NULL ? t : cache_find(&bad, hash);
}

/*
 * The entry of HASH as it may be used now, or NULL with *E: no store can
 * tell.
 */
static struct entry *
look_up(struct wl_arena *a, const struct wl_conf *conf, const uint8_t hash[32],
    enum wl_auth_mode mode, bool after_stale, struct wl_err *e)
{
	uint64_t ticket = ++tickets;
	struct wl_err failed = { 0 };
	struct flight *f;
	struct entry *t;
	int rc = 0, tries;

	for (tries = 0;; tries++) {
		t = find(hash);
		if (t != NULL && holds(t, conf, mode, ticket))
			return t;
		if (rc == -1 || tries == TRIES)
			break;
		f = find_flight(hash);
		rc = f != NULL ? join(f, conf, &failed) :
		    lead(a, hash, &failed);
	}
	/* nobody can tell: what was true a short while ago still is */
	if (t != NULL && t->auth != NULL && !after_stale &&
	    t->asked >= flushed && wl_mono() - t->auth->verified <
	    conf->auth_stale_max)
		return t;
	/* a broken schema is the operator's business, not the client's */
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	wl_err_detail(e, "key look-up: %s (%s)", failed.msg, failed.detail);
	return NULL;
}

/*
 * The one answer to a key that is not accepted.
 */
static struct wl_auth *
refuse(struct wl_arena *a, const struct wl_conf *conf, const char *addr,
    const char *prefix, const char *why, struct wl_err *e)
{
	if (wl_address_failed(a, conf, WL_ADDRESS_AUTH, addr, e) == 0)
		wl_err_set(e, WL_E_INVALID_KEY, NULL);
	wl_err_detail(e, "key %s: %s", prefix, why);
	return NULL;
}

static bool
spare_look_up(void)
{
	static int64_t second;
	static int n;

	if (wl_mono() / 1000 != second) {
		second = wl_mono() / 1000;
		n = 0;
	}
	return n++ < SPARE_MAX;
}

static struct wl_auth *
check(struct wl_arena *a, const struct wl_conf *conf, const char *key,
    const char *addr, enum wl_auth_mode mode, bool after_stale,
    struct wl_err *e)
{
	char prefix[WL_KEY_PREFIX + 1];
	struct entry *t;
	uint8_t hash[32];

	if (key == NULL || key[0] == '\0') {
		wl_err_set(e, WL_E_MISSING_KEY, NULL);
		return NULL;
	}
	if (!wl_key_wellformed(key, prefix))
		return refuse(a, conf, addr, "?", "malformed", e);
	wl_sha256(key, WL_KEY_LEN, hash);
	if (cache_find(&good, hash) == NULL &&
	    wl_address_check(conf, WL_ADDRESS_AUTH, addr, e) == -1) {
		if (!spare_look_up())
			return NULL;
		memset(e, 0, sizeof(*e));
	}
	if ((t = look_up(a, conf, hash, mode, after_stale, e)) == NULL)
		return NULL;
	if (t->auth == NULL)
		return refuse(a, conf, addr, prefix, t->why, e);
	if (expired(t->auth))
		return refuse(a, conf, addr, prefix, "expired", e);
	wl_auth_ref(t->auth);
	return t->auth;
}

struct wl_auth *
wl_auth_check(struct wl_arena *a, const struct wl_conf *conf, const char *key,
    const char *addr, enum wl_auth_mode mode, struct wl_err *e)
{
	return check(a, conf, key, addr, mode, false, e);
}

struct wl_auth *
wl_auth_again(struct wl_arena *a, const struct wl_conf *conf, const char *key,
    const char *addr, struct wl_err *e)
{
	return check(a, conf, key, addr, WL_AUTH_FRESH, true, e);
}
