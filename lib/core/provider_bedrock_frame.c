/*
 * Amazon's event stream: length, length of the headers, CRC-32 of both;
 * headers; payload; CRC-32 of all before it.  Numbers have their most
 * significant byte first.
 */
#include "config.h"
#include "lib/core/provider_bedrock.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/core/stream.h"

#define PRELUDE	((size_t)12)
#define AROUND	((size_t)16)	/* a message without headers and payload */

/*
 * What is left of the headers.
 */
struct reader {
	const unsigned char	*p;
	size_t			 left;
};

/*
 * The headers that matter, empty where there are none.
 */
struct heads {
	struct wl_str	 kind, event, exception, code, message;
};

static size_t
number(const char *p, int bytes)
{
	size_t n = 0;
	int i;

	for (i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

static bool
take(struct reader *r, size_t n, struct wl_str *s)
{
	if (n > r->left)
		return false;
	*s = (struct wl_str){ (const char *)r->p, n };
	r->p += n;
	r->left -= n;
	return true;
}

/*
 * A value of TYPE; text or bytes into *S, which is empty for all others.
 */
static bool
take_value(struct reader *r, unsigned char type, struct wl_str *s)
{
	/* true, false, byte, short, integer, long, bytes, text, time, UUID */
	static const size_t sizes[] = { 0, 0, 1, 2, 4, 8, 0, 0, 8, 16 };
	struct wl_str skipped, len;

	*s = WL_STR("");
	if (type >= sizeof(sizes) / sizeof(sizes[0]))
		return false;
	if (type != 6 && type != 7)
		return take(r, sizes[type], &skipped);
	return take(r, 2, &len) && take(r, number(len.p, 2), s);
}

static bool
read_heads(struct reader *r, struct heads *h)
{
	struct wl_str len, name, type, value;
	struct { const char *name; struct wl_str *to; } known[] = {
		{ ":error-code", &h->code }, { ":error-message", &h->message },
		{ ":event-type", &h->event },
		{ ":exception-type", &h->exception },
		{ ":message-type", &h->kind }
	};
	size_t i;

	h->kind = h->event = h->exception = h->code = h->message = WL_STR("");
	while (r->left > 0) {
		if (!take(r, 1, &len) || !take(r, number(len.p, 1), &name) ||
		    !take(r, 1, &type) ||
		    !take_value(r, (unsigned char)type.p[0], &value))
			return false;
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (wl_str_eq(name, known[i].name))
				*known[i].to = value;
	}
	return true;
}

/*
 * BODY on one line: a line end in JSON is nothing but white space.
 */
static void
put_body(struct wl_buf *b, struct wl_str body)
{
	size_t i, from = b->len;

	wl_buf_add(b, body.p, body.len);
	for (i = from; i < b->len; i++)
		if (b->p[i] == '\n' || b->p[i] == '\r')
			b->p[i] = ' ';
}

static void
put_event(struct wl_buf *b, const struct heads *h, struct wl_str body)
{
	wl_buf_adds(b, "data: {\"type\":");
	if (wl_str_eq(h->kind, "event")) {
		wl_json_quote(b, h->event.p, h->event.len);
		wl_buf_adds(b, ",\"body\":");
		put_body(b, body.len > 0 ? body : WL_STR("{}"));
	} else if (wl_str_eq(h->kind, "exception")) {
		wl_buf_adds(b, "\"exception\",\"name\":");
		wl_json_quote(b, h->exception.p, h->exception.len);
		wl_buf_adds(b, ",\"body\":");
		put_body(b, body.len > 0 ? body : WL_STR("{}"));
	} else {
		wl_buf_adds(b, "\"exception\",\"name\":");
		wl_json_quote(b, h->code.p, h->code.len);
		wl_buf_adds(b, ",\"body\":{\"message\":");
		wl_json_quote(b, h->message.p, h->message.len);
		wl_buf_addc(b, '}');
	}
	wl_buf_adds(b, "}\n\n");
}

/*
 * The message at P, of which LEN bytes are there, into B.  Its size; 0: it is
 * not complete; -1: it is none.
 */
static ssize_t
read_message(const char *p, size_t len, struct wl_buf *b)
{
	size_t total, heads;
	struct heads h;
	struct reader r;

	if (len < PRELUDE)
		return 0;
	total = number(p, 4);
	heads = number(p + 4, 4);
	if (number(p + 8, 4) != wl_crc32(p, 8) || total < AROUND ||
	    total > WL_STREAM_TRANSLATED || heads > total - AROUND)
		return -1;
	if (len < total)
		return 0;
	r = (struct reader){ (const unsigned char *)p + PRELUDE, heads };
	if (number(p + total - 4, 4) != wl_crc32(p, total - 4) ||
	    !read_heads(&r, &h))
		return -1;
	put_event(b, &h, (struct wl_str){ p + PRELUDE + heads,
	    total - AROUND - heads });
	return (ssize_t)total;
}

int
wl_bedrock_unframe(struct wl_relay *relay, const char *p, size_t len,
    struct wl_buf *sse)
{
	struct wl_buf *f = &relay->frame;
	size_t at = 0;
	ssize_t n;

	wl_buf_add(f, p, len);
	if (f->failed)
		return -1;
	while ((n = read_message(f->p + at, f->len - at, sse)) > 0)
		at += (size_t)n;
	wl_buf_drop(f, at);
	return n == -1 ? -1 : 0;
}
