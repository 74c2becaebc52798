/*
 * Playing what was recorded, or is being recorded, to a client.
 */
#include "config.h"
#include "lib/core/cache_priv.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/core/model.h"

/* Data is gathered up to so much, to be sent at once. */
#define GATHER	((size_t)32 * 1024)

struct play {
	struct wl_cache		*c;
	struct wl_sink		*next;
	struct wl_result	*res;
	struct wl_buf		 out;
	int			 status;
	const char		*type;
	bool			 streaming;
	bool			 skipping;	/* an event that came before */
	int64_t			 n;		/* events so far */
};

static void
take_text(struct json_object *o, const char *key, char *dst, size_t size)
{
	struct wl_str s;

	if (wl_json_str(o, key, &s) && s.len < size) {
		memcpy(dst, s.p, s.len);
		dst[s.len] = '\0';
	}
}

/*
 * A count that was used then, and is not now: 0, or -1 where it is not known.
 */
static int64_t
take_count(struct json_object *o, const char *key, int64_t *saved)
{
	int64_t n;

	if (!wl_json_int(o, key, &n) || n < 0)
		return -1;
	*saved += n;
	return 0;
}

static void
take_result(struct play *y, struct wl_str json)
{
	struct wl_result *res = y->res;
	struct json_object *o = wl_json_parse(y->c->a, json.p, json.len, NULL);
	struct wl_str text;
	int64_t source = WL_U_NONE;

	take_text(o, "model_used", res->model_used, sizeof(res->model_used));
	take_text(o, "response_id", res->response_id,
	    sizeof(res->response_id));
	take_text(o, "finish_reason", res->finish_reason,
	    sizeof(res->finish_reason));
	res->saved_tokens = 0;
	res->usage.input = take_count(o, "input", &res->saved_tokens);
	res->usage.cache_read = take_count(o, "cache_read",
	    &res->saved_tokens);
	res->usage.cache_write = take_count(o, "cache_write",
	    &res->saved_tokens);
	res->usage.output = take_count(o, "output", &res->saved_tokens);
	res->usage.reasoning = take_count(o, "reasoning", &res->saved_tokens);
	if (wl_json_int(o, "source", &source) && source > WL_U_NONE &&
	    source < WL_USAGE_SOURCE_MAX)
		res->usage.source = (enum wl_usage_source)source;
	res->price_known = wl_json_int(o, "cost_nano", &res->saved_nano) &&
	    wl_json_int(o, "price_from", &res->price_effective_ms);
	res->cost_nano = 0;
	(void)wl_json_int(o, "chunks", &res->chunks);
	if (wl_json_str(o, "text", &text))
		wl_result_text(res, text.p, text.len);
}

/*
 * Send what was gathered.
 */
static int
flush(struct play *y)
{
	int rc;

	if (y->out.len == 0)
		return y->out.failed ? -1 : 0;
	y->next->data_sent = true;
	rc = y->out.failed ? -1 : y->next->data(y->next, y->out.p,
	    y->out.len);
	wl_buf_reset(&y->out);
	return rc;
}

/*
 * The answer in one piece leaves when all of it is there.
 */
static int
send_whole(struct play *y)
{
	char *p = wl_arena_dup(y->c->a, y->out.p, y->out.len);
	size_t len = y->out.len;

	if (p == NULL || y->out.failed || y->next->begun)
		return -1;
	wl_buf_reset(&y->out);
	y->next->begun = true;
	return y->next->begin(y->next, y->status, y->type, false) == -1 ? -1 :
	    y->next->data(y->next, p, len);
}

static int
play_begin(struct play *y, struct wl_str json)
{
	struct json_object *o = wl_json_parse(y->c->a, json.p, json.len, NULL);
	struct wl_str type;
	int64_t status;

	if (!wl_json_int(o, "status", &status) ||
	    !wl_json_str(o, "type", &type) ||
	    !wl_json_bool(o, "stream", &y->streaming) ||
	    (y->type = wl_arena_dup(y->c->a, type.p, type.len)) == NULL)
		return -1;
	y->status = y->res->http = (int)status;
	take_text(o, "provider", y->res->provider, sizeof(y->res->provider));
	take_text(o, "model", y->res->model, sizeof(y->res->model));
	if (!y->streaming || y->next->begun)
		return 0;
	y->next->begun = true;
	return y->next->begin(y->next, y->status, y->type, true);
}

static int
play_data(struct play *y, enum wl_tape_kind kind, struct wl_str p)
{
	if (kind == WL_TAPE_DATA)
		y->skipping = ++y->n <= y->c->after;
	if (y->skipping)
		return 0;
	if (y->streaming && kind == WL_TAPE_DATA && y->c->resumable)
		wl_cache_put_id(&y->out, y->c->resume[0] != '\0' ?
		    y->c->resume : y->c->token, y->n);
	wl_buf_add(&y->out, p.p, p.len);
	return y->streaming && y->out.len >= GATHER ? flush(y) : 0;
}

static int
play_end(struct play *y, struct wl_str p)
{
	char *last = wl_arena_dup(y->c->a, p.p, p.len);

	if (!y->streaming)
		return send_whole(y);
	if (last == NULL || flush(y) == -1 || (p.len > 0 &&
	    y->next->trailer(y->next, y->res) == -1))
		return -1;
	return y->next->end(y->next, last, p.len);
}

/*
 * One piece.  P may be gone once something is sent.  1: that was the last.
 */
static int
step(struct play *y, enum wl_tape_kind kind, struct wl_str p)
{
	switch (kind) {
	case WL_TAPE_OWNER:
		return 0;
	case WL_TAPE_BEGIN:
		return play_begin(y, p);
	case WL_TAPE_DATA:
	case WL_TAPE_MORE:
		return play_data(y, kind, p);
	case WL_TAPE_RESULT:
		take_result(y, p);
		return 0;
	case WL_TAPE_END:
		return play_end(y, p) == -1 ? -1 : 1;
	}
	return 0;
}

static void
start(struct play *y, struct wl_cache *c, struct wl_sink *next,
    struct wl_result *res)
{
	memset(y, 0, sizeof(*y));
	y->c = c;
	y->next = next;
	y->res = res;
	res->saved_nano = res->saved_tokens = 0;
	wl_buf_init(&y->out, WL_TAPE_MAX + 1);
}

/*
 * When the client must hear something.
 */
static int64_t
next_beat(const struct play *y, int64_t quiet_since)
{
	const struct wl_conf *conf = y->c->conf;

	if (!y->c->ask->stream)
		return INT64_MAX;
	return quiet_since + (y->next->begun ? conf->heartbeat :
	    conf->stream_commit_after);
}

/*
 * Wait for the next piece.  0, or -1 with *HOW.
 */
static int
await(struct play *y, struct wl_tape_reader *r, int64_t deadline,
    int64_t *quiet_since, enum wl_cache_end_of *how)
{
	int64_t beat = next_beat(y, *quiet_since);
	int rc;

	*how = WL_CACHE_GONE;
	rc = wl_tape_wait(r, y->next->fd, beat < deadline ? beat : deadline);
	if (rc == -1)
		return -1;
	if (rc == 1 || wl_mono_fresh() < beat) {
		*how = WL_CACHE_LATE;
		return wl_mono_fresh() < deadline ? 0 : -1;
	}
	*quiet_since = wl_mono_fresh();
	y->next->begun = true;
	return y->next->heartbeat(y->next);
}

static enum wl_cache_end_of
play(struct play *y, struct wl_tape_reader *r, int64_t deadline)
{
	int64_t quiet_since = wl_mono_fresh();
	enum wl_cache_end_of how;
	enum wl_tape_kind kind;
	struct wl_str p;
	int rc;

	for (;;) {
		rc = wl_tape_next(r, &kind, &p);
		if (rc == 1) {
			if ((rc = step(y, kind, p)) == 1)
				return WL_CACHE_DONE;
			if (rc == -1)
				return WL_CACHE_GONE;
			continue;
		}
		if (y->streaming && y->out.len > 0) {
			if (flush(y) == -1)
				return WL_CACHE_GONE;
			quiet_since = wl_mono_fresh();
			continue;
		}
		if (rc == -1)
			return y->next->data_sent ? WL_CACHE_HALF :
			    WL_CACHE_BROKEN;
		if (await(y, r, deadline, &quiet_since, &how) == -1)
			return how;
	}
}

enum wl_cache_end_of
wl_cache_play(struct wl_cache *c, struct wl_tape_reader *r,
    struct wl_sink *next, struct wl_result *res, int64_t deadline)
{
	enum wl_cache_end_of how;
	struct play y;

	start(&y, c, next, res);
	how = play(&y, r, deadline);
	wl_buf_free(&y.out);
	return how;
}

enum wl_cache_end_of
wl_cache_play_entry(struct wl_cache *c, struct wl_str body,
    struct wl_sink *next, struct wl_result *res)
{
	enum wl_tape_kind kind;
	struct wl_str p;
	struct play y;
	size_t at = 0;
	int rc = 0;

	start(&y, c, next, res);
	while (rc == 0 && wl_tape_piece(body, &at, &kind, &p) == 1)
		rc = step(&y, kind, p);
	wl_buf_free(&y.out);
	return rc == 1 ? WL_CACHE_DONE : rc == -1 ? WL_CACHE_GONE :
	    next->data_sent ? WL_CACHE_HALF : WL_CACHE_BROKEN;
}

bool
wl_cache_is_from(struct wl_arena *a, struct wl_str body,
    const struct wl_target *t, int n)
{
	struct wl_str p, provider, model;
	struct json_object *o;
	enum wl_tape_kind kind;
	size_t at = 0;
	int i;

	if (wl_tape_piece(body, &at, &kind, &p) == 0 || kind != WL_TAPE_BEGIN)
		return false;
	o = wl_json_parse(a, p.p, p.len, NULL);
	if (!wl_json_str(o, "provider", &provider) ||
	    !wl_json_str(o, "model", &model))
		return false;
	for (i = 0; i < n; i++)
		if (wl_str_eq(provider, t[i].provider) &&
		    wl_str_eq(model, t[i].model))
			return true;
	return false;
}
