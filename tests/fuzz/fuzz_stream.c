/*
 * The filter of streams: however the bytes are cut, the same ones pass, the
 * same figures are read, and nothing is added.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/stream.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

struct run {
	struct wl_stream	 s;
	struct wl_result	*res;
	struct wl_buf		 out, last;
	enum wl_stream_state	 state;
};

static struct wl_ask	ask = { .stream = true };
static struct wl_target target = { .key = "" };

static int
collect(void *arg, const char *p, size_t len)
{
	PROMISE(len > 0);
	wl_buf_add(arg, p, len);
	return 0;
}

static void
start(struct run *r, struct wl_arena *a, bool hide)
{
	memset(r, 0, sizeof(*r));
	PROMISE((r->res = wl_arena_alloc(a, sizeof(*r->res))) != NULL);
	PROMISE(wl_result_init(r->res, a, 256) == 0);
	wl_stream_init(&r->s, &target, &ask, hide, r->res,
	    collect, &r->out);
}

static void
feed(struct run *r, const char *p, size_t len)
{
	r->state = wl_stream_feed(&r->s, p, len);
	if (r->state != WL_STREAM_MORE)
		wl_buf_add(&r->last, r->s.last.p, r->s.last.len);
}

static void
finish(struct run *r)
{
	if (r->state == WL_STREAM_MORE) {
		r->state = wl_stream_end(&r->s);
		wl_buf_add(&r->last, r->s.last.p, r->s.last.len);
	}
	PROMISE(!r->out.failed && !r->last.failed);
}

static void
stop(struct run *r)
{
	wl_stream_free(&r->s);
	wl_buf_free(&r->out);
	wl_buf_free(&r->last);
}

static bool
same(const struct wl_buf *a, const struct wl_buf *b)
{
	return a->len == b->len && (a->len == 0 ||
	    memcmp(a->p, b->p, a->len) == 0);
}

/*
 * Whether SUB is what is left of P when some bytes are taken out.
 */
static bool
is_part(const char *p, size_t len, const struct wl_buf *sub)
{
	size_t i, j = 0;

	for (i = 0; i < len && j < sub->len; i++)
		j += p[i] == sub->p[j];
	return j == sub->len;
}

/*
 * What is translated has times and ids that are made up, of the same length.
 */
static bool
alike(const struct wl_buf *a, const struct wl_buf *b)
{
	return wl_provider_translates(target.wire, ask.api) ?
	    a->len == b->len : same(a, b);
}

static void
compare(const struct run *a, const struct run *b)
{
	PROMISE(a->state == b->state);
	PROMISE(alike(&a->out, &b->out));
	PROMISE(same(&a->last, &b->last));
	PROMISE(memcmp(&a->res->usage, &b->res->usage,
	    sizeof(a->res->usage)) == 0);
	PROMISE(a->res->chunks == b->res->chunks);
	PROMISE(a->res->output_bytes == b->res->output_bytes);
	PROMISE(same(&a->res->text, &b->res->text));
	PROMISE(alike(&a->res->tools, &b->res->tools));
	PROMISE(a->res->sequence == b->res->sequence);
}

/*
 * Whole events, each a chunk of a chat.
 */
static void
check_events(struct wl_arena *a, const struct wl_buf *out)
{
	struct wl_str rest = { out->p, out->len }, line;

	while (rest.len > 0) {
		line = wl_str_cut(&rest, '\n');
		PROMISE(wl_str_prefix(line, "data: {\"id\":"));
		PROMISE(wl_json_parse(a, line.p + 6, line.len - 6, NULL) !=
		    NULL);
		line = wl_str_cut(&rest, '\n');
		PROMISE(line.len == 0 && line.p != NULL);
	}
}

/*
 * The first byte: whether usage is hidden, and where to cut.
 */
static void
check(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data + 1;
	struct run whole, bytes, cut;
	struct wl_arena *a;
	size_t i, at;
	bool hide;

	hide = (data[0] & 1) != 0;
	len--;
	at = len == 0 ? 0 : (data[0] >> 1) * len / 128;
	PROMISE((a = wl_arena_new(64 << 20)) != NULL);
	start(&whole, a, hide);
	start(&bytes, a, hide);
	start(&cut, a, hide);
	feed(&whole, p, len);
	feed(&cut, p, at);
	feed(&cut, p + at, len - at);
	for (i = 0; i < len; i++)
		feed(&bytes, p + i, 1);
	if (wl_provider_translates(target.wire, ask.api)) {
		check_events(a, &whole.out);
	} else {
		PROMISE(is_part(p, len, &whole.out));
		PROMISE(whole.out.len + whole.last.len <= len);
	}
	finish(&whole);
	finish(&bytes);
	finish(&cut);
	compare(&whole, &bytes);
	compare(&whole, &cut);
	stop(&whole);
	stop(&bytes);
	stop(&cut);
	wl_arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int i;

	if (len < 1 || len > 65536)
		return 0;
	target.wire = &wl_provider_openai;
	ask.api = WL_API_CHAT;
	check(data, len);
	ask.api = WL_API_RESPONSES;
	check(data, len);
	target.wire = &wl_provider_anthropic;
	ask.api = WL_API_MESSAGES;
	check(data, len);
	ask.api = WL_API_CHAT;
	ask.include_usage = true;
	for (i = 0; (target.wire = wl_providers[i]) != NULL; i++)
		if (wl_provider_translates(target.wire, ask.api))
			check(data, len);
	ask.include_usage = false;
	return 0;
}
