/*
 * Keys and arguments of the scripts in cache_scripts.c.
 */
#include "config.h"
#include "lib/store/cache_redis.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/base/rand.h"
#include "lib/store/cache_scripts.h"

/* Strings of the longest call. */
#define ARGS	24
/* Entries that are removed at most by one purge; the others end by time. */
#define PURGE_ROUNDS	200

static const char *const counts[] = {
	[WL_CC_MISSES] = "misses",
	[WL_CC_HITS] = "hits",
	[WL_CC_CANONICAL] = "canonical",
	[WL_CC_COALESCED] = "coalesced",
	[WL_CC_REPLAYS] = "replays",
	[WL_CC_STORES] = "stores",
	[WL_CC_RIGHT] = "right",
	[WL_CC_WRONG] = "wrong",
	[WL_CC_SAVED_TOKENS] = "saved_tokens",
	[WL_CC_SAVED_NANO] = "saved_nano",
	[WL_CC_SAVED_BYTES] = "saved_bytes",
};
static_assert(sizeof(counts) / sizeof(counts[0]) == WL_CACHE_COUNT_MAX,
    "a name for every figure");

const char *
wl_cache_count_name(enum wl_cache_count c)
{
	return counts[c];
}

/*
 * Keys, then arguments.  Memory that is out shows when they are sent.
 */
struct args {
	struct wl_arena	*a;
	const char	*pre;		/* of all keys */
	const char	*v[ARGS];
	size_t		 len[ARGS];
	int		 n, nkeys;
	bool		 failed;
};

static void
add(struct args *x, const char *p, size_t len)
{
	assert(x->n < ARGS);
	x->failed |= p == NULL && len > 0;
	x->v[x->n] = p == NULL ? "" : p;
	x->len[x->n++] = len;
}

static void
add_str(struct args *x, const char *s)
{
	x->failed |= s == NULL;
	add(x, s, s == NULL ? 0 : strlen(s));
}

static void
add_int(struct args *x, int64_t v)
{
	char text[WL_NUM_LEN];
	size_t len = wl_num_put(v, text);

	add(x, wl_arena_dup(x->a, text, len), len);
}

static void
add_key(struct args *x, const char *kind, const char *name)
{
	add_str(x, wl_arena_printf(x->a, "%s%s%s", x->pre, kind, name));
	x->nkeys = x->n;
}

static void
begin(struct args *x, struct wl_arena *a, const struct wl_conf *conf,
    const char *project)
{
	memset(x, 0, sizeof(*x));
	x->a = a;
	x->pre = wl_arena_printf(a, conf->redis_hash_tags ? "cache:{%s}:" :
	    "cache:%s:", project);
	if (x->pre == NULL) {
		x->pre = "";
		x->failed = true;
	}
}

static int
send(struct args *x, struct wl_redis_req *req, struct wl_script *s,
    struct wl_err *e)
{
	if (x->failed)
		return wl_err_memory(e);
	return wl_redis_script_send(req, x->a, s, x->nkeys, x->n, x->v, x->len,
	    e);
}

static struct wl_reply *
run(struct args *x, struct wl_script *s, struct wl_err *e)
{
	struct wl_redis_req req;

	if (send(x, &req, s, e) == -1)
		return NULL;
	return wl_redis_script_wait(&req, s, e);
}

static int
unexpected(const struct wl_reply *r, struct wl_err *e)
{
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "redis: %s", r->type == WL_R_ERROR ? r->str :
	    "an unexpected reply");
}

/*
 * Run a script that returns a number, which goes to *N.
 */
static int
run_int(struct args *x, struct wl_script *s, int64_t *n, struct wl_err *e)
{
	struct wl_reply *r = run(x, s, e);

	if (r == NULL)
		return -1;
	if (r->type != WL_R_INT)
		return unexpected(r, e);
	*n = r->integer;
	return 0;
}

/* ---- looking ----------------------------------------------------------- */

int
wl_cache_look_send(struct wl_arena *a, const struct wl_conf *conf,
    struct wl_cache_look *l, struct wl_err *e)
{
	struct args x;

	begin(&x, a, conf, l->project);
	add_key(&x, "meta", "");
	add_key(&x, "entry:", l->entry);
	add_key(&x, "alias:", l->alias);
	add_key(&x, "", l->owner);
	add_key(&x, "tape:", l->token);
	add_str(&x, x.pre);
	add_str(&x, l->token);
	add_int(&x, WL_CACHE_LEASE_MS);
	add_str(&x, l->entry);
	add_str(&x, l->alias[0] != '\0' ? "1" : "0");
	add_str(&x, l->ns);
	add_str(&x, l->owner[0] != '\0' ? "1" : "0");
	add_str(&x, l->hash);
	add(&x, l->first.p, l->first.len);
	return send(&x, &l->req, &wl_cache_script_look, e);
}

static enum wl_cache_hold
hold_of(const char *word)
{
	if (strcmp(word, "ours") == 0)
		return WL_HOLD_OURS;
	if (strcmp(word, "other") == 0)
		return WL_HOLD_OTHER;
	return strcmp(word, "conflict") == 0 ? WL_HOLD_CONFLICT :
	    WL_HOLD_NONE;
}

int
wl_cache_look_wait(struct wl_cache_look *l, struct wl_err *e)
{
	struct wl_reply *r = wl_redis_script_wait(&l->req,
	    &wl_cache_script_look, e);
	size_t i;

	if (r == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n != 7 ||
	    r->item[0]->type != WL_R_INT)
		return unexpected(r, e);
	for (i = 1; i < r->n; i++)
		if (r->item[i]->type != WL_R_STR)
			return unexpected(r, e);
	l->tier = (int)r->item[0]->integer;
	l->id = r->item[1]->str;
	l->body = (struct wl_str){ r->item[2]->str, r->item[2]->len };
	l->at_ms = strtoll(r->item[3]->str, NULL, 10);
	l->epoch = r->item[4]->str;
	l->hold = hold_of(r->item[5]->str);
	l->holder = r->item[6]->str;
	return 0;
}

/* ---- tapes ------------------------------------------------------------- */

int
wl_cache_push(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *owner, const char *token,
    struct wl_str bytes, struct wl_err *e)
{
	struct args x;
	int64_t n;

	begin(&x, a, conf, project);
	add_key(&x, "", owner);
	add_key(&x, "tape:", token);
	add_str(&x, token);
	add(&x, bytes.p, bytes.len);
	add_int(&x, WL_CACHE_LEASE_MS);
	if (run_int(&x, &wl_cache_script_push, &n, e) == -1)
		return -1;
	return n < 0 ? -2 : n > INT32_MAX ? INT32_MAX : (int)n;
}

int
wl_cache_end(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_cache_end *end, struct wl_err *e)
{
	struct args x;
	int64_t n;

	begin(&x, a, conf, end->project);
	add_key(&x, "meta", "");
	add_key(&x, "entry:", end->id);
	add_key(&x, "alias:", end->alias);
	add_key(&x, "", end->owner);
	add_key(&x, "tape:", end->token);
	add_key(&x, "index", "");
	add_key(&x, "sizes", "");
	add_str(&x, x.pre);
	add_str(&x, end->token);
	add(&x, end->bytes.p, end->bytes.len);
	add_str(&x, end->ok ? "1" : "0");
	add_int(&x, end->keep_tape_ms);
	add_int(&x, end->keep_owner_ms);
	add_str(&x, end->id);
	add_str(&x, end->alias);
	add_str(&x, end->ns);
	add_str(&x, end->epoch);
	add(&x, end->body.p, end->body.len);
	add_int(&x, end->ttl_ms);
	add_int(&x, end->now_ms);
	add_int(&x, conf->cache_entries);
	add_int(&x, conf->cache_bytes);
	add_int(&x, end->keep_idle_ms);
	return run_int(&x, &wl_cache_script_end, &n, e);
}

int
wl_cache_read(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *token, size_t off, size_t max,
    struct wl_str *out, struct wl_err *e)
{
	struct wl_reply *r;
	struct args x;

	begin(&x, a, conf, project);
	add_key(&x, "tape:", token);
	add_int(&x, (int64_t)off);
	add_int(&x, (int64_t)(off + max) - 1);
	if ((r = run(&x, &wl_cache_script_read, e)) == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n > 1 || (r->n == 1 &&
	    r->item[0]->type != WL_R_STR))
		return unexpected(r, e);
	if (r->n == 0)
		return 0;
	*out = (struct wl_str){ r->item[0]->str, r->item[0]->len };
	return 1;
}

/* ---- figures ----------------------------------------------------------- */

int
wl_cache_count(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const int64_t n[WL_CACHE_COUNT_MAX],
    struct wl_err *e)
{
	int64_t done;
	struct args x;
	int i;

	begin(&x, a, conf, project);
	add_key(&x, "meta", "");
	for (i = 0; i < WL_CACHE_COUNT_MAX; i++)
		if (n[i] != 0) {
			add_str(&x, counts[i]);
			add_int(&x, n[i]);
		}
	return x.n == x.nkeys ? 0 :
	    run_int(&x, &wl_cache_script_count, &done, e);
}

/*
 * A member of a hash as a number, 0 where there is none.
 */
static int64_t
number(const struct wl_reply *r)
{
	return r->type == WL_R_STR ? strtoll(r->str, NULL, 10) : 0;
}

int
wl_cache_stats(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, int64_t n[WL_CACHE_COUNT_MAX], int64_t *entries,
    int64_t *bytes, struct wl_err *e)
{
	const char *v[WL_CACHE_COUNT_MAX + 3] = { "HMGET" };
	const char *card[2] = { "ZCARD" };
	struct wl_redis_req req;
	struct wl_reply *r, *c;
	struct args x;
	int i;

	begin(&x, a, conf, project);
	add_key(&x, "meta", "");
	add_key(&x, "index", "");
	if (x.failed)
		return wl_err_memory(e);
	v[1] = x.v[0];
	card[1] = x.v[1];
	for (i = 0; i < WL_CACHE_COUNT_MAX; i++)
		v[i + 2] = counts[i];
	v[i + 2] = "bytes";
	if (wl_redis_send(&req, a, WL_CACHE_COUNT_MAX + 3, v, NULL, e) == -1)
		return -1;
	c = wl_redis_call(a, 2, card, NULL, e);
	if ((r = wl_redis_wait(&req, e)) == NULL || c == NULL)
		return -1;
	if (r->type != WL_R_ARRAY || r->n != WL_CACHE_COUNT_MAX + 1 ||
	    c->type != WL_R_INT)
		return unexpected(r, e);
	for (i = 0; i < WL_CACHE_COUNT_MAX; i++)
		n[i] = number(r->item[i]);
	*bytes = number(r->item[i]);
	*entries = c->integer;
	return 0;
}

/* ---- taking out -------------------------------------------------------- */

int
wl_cache_drop(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *id, int64_t block_ms, struct wl_err *e)
{
	struct args x;
	int64_t n;

	begin(&x, a, conf, project);
	add_key(&x, "meta", "");
	add_key(&x, "index", "");
	add_key(&x, "sizes", "");
	add_key(&x, "entry:", id);
	add_str(&x, x.pre);
	add_str(&x, id);
	add_int(&x, block_ms);
	return run_int(&x, &wl_cache_script_drop, &n, e) == -1 ? -1 : n != 0;
}

int
wl_cache_purge(struct wl_arena *a, const struct wl_conf *conf,
    const char *project, const char *ns, int64_t now_ms, struct wl_err *e)
{
	char epoch[37];
	struct args x;
	int64_t left = 1;
	int i;

	wl_uuid7(now_ms, epoch);
	for (i = 0; i < PURGE_ROUNDS && left > 0; i++) {
		begin(&x, a, conf, project);
		add_key(&x, "meta", "");
		add_key(&x, "index", "");
		add_key(&x, "sizes", "");
		add_str(&x, x.pre);
		add_str(&x, ns);
		add_str(&x, i == 0 ? epoch : "");
		if (run_int(&x, &wl_cache_script_purge, &left, e) == -1)
			return -1;
	}
	return 0;
}
