/*
 * Server-sent events: one byte at a time gives the same events, and the same
 * refusal, as the whole at once.
 */
#include "config.h"
#include "lib/http/sse.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define EVENT_MAX	256

/*
 * Feed the LEN bytes in pieces of PIECE; events are written to OUT in an
 * unmistakable way.  Returns whether the parser refused.
 */
static bool
parse(const char *p, size_t len, size_t piece, struct wl_buf *out)
{
	struct wl_sse_event ev;
	struct wl_sse s;
	const char *at;
	size_t left;
	int rc = 0;

	wl_sse_init(&s, EVENT_MAX);
	while (len > 0 && rc != -1) {
		at = p;
		left = piece < len ? piece : len;
		p += left;
		len -= left;
		while ((rc = wl_sse_feed(&s, &at, &left, &ev)) == 1) {
			PROMISE(ev.name.len + ev.data.len <= EVENT_MAX);
			PROMISE(ev.has_data || ev.data.len == 0);
			wl_buf_printf(out, "%zu %zu %zu %d ", ev.name.len,
			    ev.data.len, ev.id.len, ev.has_data);
			wl_buf_add(out, ev.name.p, ev.name.len);
			wl_buf_add(out, ev.data.p, ev.data.len);
			wl_buf_add(out, ev.id.p, ev.id.len);
		}
		PROMISE(rc == -1 || left == 0);
	}
	wl_sse_free(&s);
	return rc == -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wl_buf whole = { 0 }, split = { 0 };
	const char *p = (const char *)data;
	bool refused = parse(p, len, len, &whole);
	size_t piece;

	for (piece = 1; piece <= 3; piece += 2) {
		PROMISE(parse(p, len, piece, &split) == refused);
		PROMISE(split.len == whole.len);
		PROMISE(whole.len == 0 ||
		    memcmp(split.p, whole.p, whole.len) == 0);
		wl_buf_reset(&split);
	}
	wl_buf_free(&whole);
	wl_buf_free(&split);
	return 0;
}
