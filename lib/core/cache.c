/*
 * One call's way past the provider: is its answer kept, or does somebody make
 * it, or is it ours to make for all who ask the same.
 */
#include "config.h"
#include "lib/core/cache_priv.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/enc.h"
#include "lib/base/hash.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/base/rand.h"
#include "lib/core/auth.h"
#include "lib/core/error_event.h"
#include "lib/http/req.h"
#include "lib/store/redis.h"

/* Most bytes of an Idempotency-Key. */
#define KEY_MAX		((size_t)255)
/* A tape is read to its end by those who joined, and by those who are about
   to. */
#define FOLLOWED_MS	60000
#define IDLE_MS		2000
/* So long Redis may take after the reply. */
#define SETTLE_MS	1000
#define UUID_LEN	36

/* ---- what the headers say ---- */

static int
bad(struct wl_cache *c, const char *name, const char *what)
{
	wl_err_set(&c->fault, WL_E_INVALID_REQUEST, "The header %s %s.", name,
	    what);
	c->fault.param = name;
	return -1;
}

/*
 * The hash of the request: what an Idempotency-Key, or a stream, was for.
 */
static int
hash_request(struct wl_cache *c, const struct wl_req *r)
{
	size_t n = strlen(r->path) + 1;
	char *p = wl_arena_alloc(c->a, n + r->body.len);

	if (p == NULL)
		return wl_err_memory(&c->fault);
	memcpy(p, r->path, n);
	if (r->body.len > 0)
		memcpy(p + n, r->body.p, r->body.len);
	wl_sha256_hex(p, n + r->body.len, c->hash);
	return 0;
}

static int
read_once(struct wl_cache *c, const struct wl_req *r)
{
	const char *key = wl_req_header(r, "idempotency-key");
	uint8_t sum[32];

	if (key == NULL)
		return 0;
	if (key[0] == '\0' || strlen(key) > KEY_MAX)
		return bad(c, "Idempotency-Key", "must have 1 to 255 bytes");
	wl_sha256(key, strlen(key), sum);
	memcpy(c->owner, "once:", 5);
	wl_hex(sum, 16, c->owner + 5);
	c->once = true;
	return 0;
}

/*
 * "TOKEN-N", as our ids are.  Those of others are not ours to judge.
 */
static int
read_resume(struct wl_cache *c, const struct wl_req *r)
{
	const char *wanted = wl_req_header(r, "x-watchllm-resumable");
	const char *last = wl_req_header(r, "last-event-id");

	c->resumable = wanted != NULL && strcmp(wanted, "1") == 0 &&
	    c->ask->stream;
	if (last == NULL || !c->ask->stream)
		return 0;
	if (strlen(last) > UUID_LEN + 1 && last[UUID_LEN] == '-' &&
	    wl_uuid_valid(last, UUID_LEN) && wl_num_parse(last + UUID_LEN + 1,
	    strlen(last + UUID_LEN + 1), 0, INT32_MAX, &c->after) == 0) {
		memcpy(c->resume, last, UUID_LEN);
		c->resumable = true;
		return 0;
	}
	return c->resumable ? bad(c, "Last-Event-ID", "is none of ours") : 0;
}

/*
 * Who stands for the answer while it is made.
 */
static void
choose_owner(struct wl_cache *c)
{
	if (c->once)
		return;
	if (c->key.write && c->key.read && !c->resumable) {
		memcpy(c->owner, "flight:", 7);
		memcpy(c->owner + 7, c->key.id, sizeof(c->key.id));
	} else if (c->key.write || c->resumable) {
		memcpy(c->owner, "live:", 5);
		memcpy(c->owner + 5, c->token, sizeof(c->token));
	}
}

bool
wl_cache_is_first(const struct wl_cache *c)
{
	return c->once || c->resume[0] != '\0';
}

/* ---- asking ---- */

static void
conflict(struct wl_cache *c)
{
	wl_err_set(&c->fault, WL_E_IDEMPOTENCY, NULL);
}

/*
 * One of this process that is open for our owner: it needs no Redis.
 */
static bool
find_here(struct wl_cache *c)
{
	if (c->owner[0] == '\0')
		return false;
	if ((c->other = wl_tape_find(c->project, c->owner)) == NULL)
		return false;
	if (c->once && strcmp(c->other->hash, c->hash) != 0) {
		wl_tape_unref(c->other);
		c->other = NULL;
		conflict(c);
	}
	return true;
}

/*
 * The first piece of our tape, in the arena.
 */
static struct wl_str
first_piece(struct wl_cache *c)
{
	struct wl_str s = { NULL, 0 };
	struct wl_buf b;

	wl_buf_init(&b, 1024);
	wl_tape_owner(&b, c->key_id, c->hash);
	if (!b.failed)
		s = (struct wl_str){ wl_arena_dup(c->a, b.p, b.len), b.len };
	wl_buf_free(&b);
	return s.p == NULL ? WL_STR("") : s;
}

static void
ask_redis(struct wl_cache *c)
{
	struct wl_cache_look *l = &c->look;
	struct wl_err e;

	memset(l, 0, sizeof(*l));
	l->project = c->project;
	l->token = c->token;
	l->entry = c->key.read ? c->key.id : "";
	l->alias = c->key.read ? c->key.alias : "";
	l->ns = c->key.ns;
	l->owner = c->owner;
	l->hash = c->once ? c->hash : "";
	l->first = first_piece(c);
	l->holder = "";
	c->known = false;
	c->looking = wl_redis_up() && wl_cache_look_send(c->a, c->conf, l,
	    &e) == 0;
}

/*
 * Answers of other APIs are no text, or cost nothing.
 */
static bool
is_kept(enum wl_api api)
{
	return api == WL_API_CHAT || api == WL_API_COMPLETIONS ||
	    api == WL_API_EMBEDDINGS || api == WL_API_MESSAGES ||
	    api == WL_API_RESPONSES;
}

void
wl_cache_begin(struct wl_cache *c, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_ask *ask)
{
	c->a = r->arena;
	c->conf = conf;
	c->ask = ask;
	c->age_ms = -1;
	c->project = wl_arena_strdup(c->a, auth->project);
	c->key_id = wl_arena_strdup(c->a, auth->key_id);
	if (!is_kept(ask->api))
		return;
	if (c->project == NULL || c->key_id == NULL) {
		wl_err_memory(&c->fault);
		return;
	}
	memcpy(c->token, r->id, sizeof(c->token));
	if (ask->fault.code != WL_OK ||
	    wl_cache_key(&c->key, conf, r, auth, ask, &c->fault) == -1 ||
	    read_once(c, r) == -1 || read_resume(c, r) == -1)
		return;
	/* what must be made once is made, not taken from elsewhere */
	c->key.read &= !c->once;
	if ((c->once || c->resumable) && hash_request(c, r) == -1)
		return;
	choose_owner(c);
	if (c->resume[0] != '\0' || find_here(c))
		return;
	if (c->owner[0] != '\0')
		ask_redis(c);
}

/*
 * The call is ours to make: others may follow.
 */
static void
lead(struct wl_cache *c, bool live)
{
	c->tape = wl_tape_new(c->conf, c->project, c->owner, c->hash,
	    c->token, c->look.first, live);
}

void
wl_cache_known(struct wl_cache *c)
{
	struct wl_err e;

	if (c->tape != NULL)
		return;
	c->replay = wl_cache_is_first(c) && (c->resume[0] != '\0' ||
	    c->other != NULL);
	if (c->looking) {
		c->looking = false;
		c->known = wl_cache_look_wait(&c->look, &e) == 0;
	}
	if (c->other != NULL || c->resume[0] != '\0' ||
	    c->owner[0] == '\0' || c->fault.code != WL_OK)
		return;
	if (!c->known) {
		/* without Redis we are alone, but not the only coroutine */
		if (!find_here(c))
			lead(c, false);
	} else if (c->look.hold == WL_HOLD_OURS) {
		lead(c, true);
	} else if (c->look.hold == WL_HOLD_CONFLICT) {
		conflict(c);
	} else if (c->look.hold == WL_HOLD_OTHER) {
		(void)find_here(c);
	}
	c->replay = c->once && c->fault.code == WL_OK && (c->other != NULL ||
	    c->look.hold == WL_HOLD_OTHER);
}

/*
 * Ask again, from the beginning: whoever was followed has failed.  With READ
 * the answer may be kept by now.
 */
static void
again(struct wl_cache *c, bool read)
{
	wl_tape_unref(c->other);
	c->other = NULL;
	c->key.read &= read;
	if (!find_here(c))
		ask_redis(c);
	wl_cache_known(c);
}

/* ---- answering ---- */

static enum wl_outcome
outcome(const struct wl_cache *c)
{
	return c->replay ? WL_O_REPLAY : WL_O_CACHE_HIT;
}

/*
 * What is kept leaves with its figures.
 */
static void
count_hit(struct wl_cache *c, struct wl_result *res, enum wl_cache_count what)
{
	c->counts[c->replay ? WL_CC_REPLAYS : what]++;
	res->outcome = outcome(c);
	if (c->replay) {
		res->cache = WL_CACHE_BYPASS;
		res->saved_nano = res->saved_tokens = 0;
		return;
	}
	c->counts[WL_CC_SAVED_TOKENS] += res->saved_tokens;
	c->counts[WL_CC_SAVED_NANO] += res->saved_nano;
	c->counts[WL_CC_SAVED_BYTES] += (int64_t)c->look.body.len;
}

static int
client_gone(struct wl_result *res)
{
	res->outcome = WL_O_CLIENT_GONE;
	res->http = 499;
	wl_err_set(&res->err, WL_E_CLIENT_CLOSED, NULL);
	return 1;
}

/*
 * A stream that was begun ends with an error.
 */
static int
end_stream(struct wl_cache *c, struct wl_sink *next, struct wl_result *res)
{
	struct wl_buf b;

	wl_buf_init(&b, 0);
	wl_error_event(&b, c->ask->api, res, c->token);
	if (!b.failed && next->trailer(next, res) == 0)
		(void)next->end(next, b.p, b.len);
	wl_buf_free(&b);
	res->http = 200;
	return 1;
}

static int
failed(struct wl_cache *c, struct wl_sink *next, struct wl_result *res,
    enum wl_code code, struct wl_err *e)
{
	wl_err_set(&res->err, code, code == WL_E_UPSTREAM_TIMEOUT ? NULL :
	    "The answer that this call shared broke off.");
	res->outcome = next->data_sent ? outcome(c) : c->replay ?
	    WL_O_REPLAY : WL_O_UPSTREAM_FAILED;
	if (next->begun)
		return end_stream(c, next, res);
	*e = res->err;
	return -1;
}

/*
 * From the entry that was found.  1: answered; 0: it is of no use; -1 with *E.
 */
static int
from_entry(struct wl_cache *c, const struct wl_target *t, int n,
    struct wl_sink *next, struct wl_result *res, struct wl_err *e)
{
	struct wl_cache_look *l = &c->look;
	enum wl_cache_end_of how;

	if (!wl_cache_is_from(c->a, l->body, t, n))
		return 0;
	c->age_ms = wl_clock_ms() - l->at_ms;
	c->entry = l->id;
	res->cache = l->tier == 1 ? WL_CACHE_HIT : WL_CACHE_HIT_CANONICAL;
	how = wl_cache_play_entry(c, l->body, next, res);
	if (how == WL_CACHE_GONE)
		return client_gone(res);
	if (how != WL_CACHE_DONE)
		return failed(c, next, res, WL_E_UPSTREAM, e);
	count_hit(c, res, l->tier == 1 ? WL_CC_HITS : WL_CC_CANONICAL);
	return 1;
}

/*
 * With the one who makes it.  As above; 0: he failed.
 */
static int
from_other(struct wl_cache *c, int64_t deadline, struct wl_sink *next,
    struct wl_result *res, struct wl_err *e)
{
	struct wl_tape_reader r;
	enum wl_cache_end_of how;

	res->cache = c->replay ? WL_CACHE_BYPASS : WL_CACHE_HIT_COALESCED;
	wl_tape_open(&r, c->conf, c->project, c->look.holder, c->other);
	c->other = NULL;
	how = wl_cache_play(c, &r, next, res, deadline);
	wl_tape_done(&r);
	switch (how) {
	case WL_CACHE_DONE:
		count_hit(c, res, WL_CC_COALESCED);
		return 1;
	case WL_CACHE_GONE:
		return client_gone(res);
	case WL_CACHE_LATE:
		return failed(c, next, res, WL_E_UPSTREAM_TIMEOUT, e);
	case WL_CACHE_HALF:
		return failed(c, next, res, WL_E_UPSTREAM, e);
	case WL_CACHE_BROKEN:
		break;
	}
	return 0;
}

/*
 * Whether the tape of R may be read for this request.
 */
static bool
may_resume(struct wl_cache *c, struct wl_tape_reader *r)
{
	struct wl_buf own;
	enum wl_tape_kind kind;
	struct wl_str p;
	bool same;

	if (wl_tape_next(r, &kind, &p) != 1 || kind != WL_TAPE_OWNER)
		return false;
	wl_buf_init(&own, 1024);
	wl_tape_owner(&own, c->key_id, c->hash);
	same = !own.failed && own.len == p.len + 5 &&
	    memcmp(own.p + 5, p.p, p.len) == 0;
	wl_buf_free(&own);
	return same;
}

static int
resume(struct wl_cache *c, int64_t deadline, struct wl_sink *next,
    struct wl_result *res, struct wl_err *e)
{
	enum wl_cache_end_of how = WL_CACHE_BROKEN;
	struct wl_tape_reader r;

	res->cache = WL_CACHE_BYPASS;
	wl_tape_open(&r, c->conf, c->project, c->resume,
	    wl_tape_find_token(c->project, c->resume));
	if (may_resume(c, &r))
		how = wl_cache_play(c, &r, next, res, deadline);
	wl_tape_done(&r);
	switch (how) {
	case WL_CACHE_DONE:
		count_hit(c, res, WL_CC_REPLAYS);
		return 1;
	case WL_CACHE_GONE:
		return client_gone(res);
	case WL_CACHE_LATE:
		return failed(c, next, res, WL_E_UPSTREAM_TIMEOUT, e);
	case WL_CACHE_HALF:
		return failed(c, next, res, WL_E_UPSTREAM, e);
	case WL_CACHE_BROKEN:
		break;
	}
	if (next->begun)
		return failed(c, next, res, WL_E_UPSTREAM, e);
	res->outcome = WL_O_REPLAY;
	return wl_err_set(e, WL_E_NOT_FOUND, "This stream is not kept (any"
	    " more). Send the request without Last-Event-ID.");
}

int
wl_cache_answer(struct wl_cache *c, const struct wl_target *t, int n,
    int64_t start_us, struct wl_sink *next, struct wl_result *res,
    struct wl_err *e)
{
	int64_t age = (wl_clock_us() - start_us) / 1000, deadline;
	int rc;

	deadline = wl_mono_fresh() + c->conf->total_timeout -
	    (age > 0 ? age : 0);
	if (c->fault.code == WL_OK && c->resume[0] != '\0')
		return resume(c, deadline, next, res, e);
	while (c->fault.code == WL_OK) {
		rc = 0;
		if (c->other != NULL || (c->known && c->look.hold ==
		    WL_HOLD_OTHER)) {
			rc = from_other(c, deadline, next, res, e);
		} else if (c->known && c->look.tier > 0 && c->tape == NULL) {
			rc = from_entry(c, t, n, next, res, e);
			c->key.read &= rc != 0;
		} else
			break;
		if (rc != 0)
			return rc;
		again(c, c->key.read);
	}
	if (c->fault.code != WL_OK) {
		*e = c->fault;
		return -1;
	}
	res->cache = c->key.write ? WL_CACHE_MISS : WL_CACHE_BYPASS;
	c->counts[WL_CC_MISSES] = c->key.write;
	return 0;
}

/* ---- after it was made ---- */

/*
 * A tenth more or less, so that what began together does not end together.
 */
static int64_t
jitter(int64_t ttl_ms)
{
	uint32_t tenth = (uint32_t)(ttl_ms / 10 < INT32_MAX ? ttl_ms / 10 :
	    INT32_MAX);

	return tenth < 2 ? ttl_ms : ttl_ms - tenth / 2 +
	    (int64_t)wl_rand_below(tenth);
}

static void
keep(struct wl_cache *c, const struct wl_result *res)
{
	struct wl_tape *t = c->tape;
	struct wl_str body = { t->b.p + t->first, t->b.len - t->first };

	t->keep_owner_ms = c->once ? c->conf->idempotency_ttl : 0;
	t->keep_tape_ms = c->once ? c->conf->idempotency_ttl : c->resumable ?
	    c->conf->resume_ttl : FOLLOWED_MS;
	t->keep_idle_ms = c->once || c->resumable ? t->keep_tape_ms : IDLE_MS;
	t->store = c->key.write && c->known &&
	    body.len <= (size_t)c->conf->cache_entry_max &&
	    wl_cache_keeps(c->ask, res, body);
	memcpy(t->id, c->key.id, sizeof(t->id));
	memcpy(t->alias, c->key.alias, sizeof(t->alias));
	memcpy(t->ns, c->key.ns, sizeof(t->ns));
	if (!c->known || !wl_strlcpy(t->epoch, c->look.epoch,
	    sizeof(t->epoch)))
		t->store = false;
	t->ttl_ms = jitter(c->key.ttl_ms);
}

void
wl_cache_made(struct wl_cache *c, const struct wl_result *res)
{
	bool ok = res->err.code == WL_OK && res->outcome == WL_O_ANSWERED;
	struct wl_tape *t = c->tape;

	if (t == NULL || t->over)
		return;
	if (ok && !c->tee.ended && c->tee.begun && !c->tee.streaming) {
		wl_cache_put_result(t, res);
		wl_tape_add(t, WL_TAPE_END, "", 0);
		c->tee.ended = true;
	}
	keep(c, res);
	wl_tape_close(t, ok && c->tee.ended);
}

void
wl_cache_finish(struct wl_cache *c)
{
	int64_t until = wl_mono_fresh() + SETTLE_MS;
	struct wl_err e;

	if (c->a == NULL)
		return;
	if (c->looking)
		wl_cache_known(c);
	if (c->tape != NULL) {
		if (!c->tape->over)
			wl_tape_close(c->tape, false);
		wl_tape_settle(c->tape, until);
	}
	wl_tape_unref(c->tape);
	wl_tape_unref(c->other);
	c->tape = c->other = NULL;
	if (wl_redis_up() && c->project != NULL)
		(void)wl_cache_count(c->a, c->conf, c->project, c->counts,
		    &e);
}
