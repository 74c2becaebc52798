/*
 * FastCGI records, made and parsed without libfcgi.
 */
#include "config.h"
#include "tests/unit/fc.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/net.h"

enum { BEGIN = 1, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

void
fc_record(struct wl_buf *b, int type, unsigned id, const void *p, size_t len,
    size_t padding)
{
	static const char zeros[256];
	char head[8] = { 1, (char)type, (char)(id >> 8), (char)id,
	    (char)(len >> 8), (char)len, (char)padding, 0 };

	wl_buf_add(b, head, sizeof(head));
	wl_buf_add(b, p, len);
	wl_buf_add(b, zeros, padding);
}

void
fc_begin(struct wl_buf *b, unsigned id, bool keep)
{
	char body[8] = { 0, 1, keep ? 1 : 0 };

	fc_record(b, BEGIN, id, body, sizeof(body), 0);
}

static void
add_length(struct wl_buf *b, size_t n)
{
	if (n > 127) {
		wl_buf_addc(b, (char)(0x80 | n >> 24));
		wl_buf_addc(b, (char)(n >> 16));
		wl_buf_addc(b, (char)(n >> 8));
	}
	wl_buf_addc(b, (char)n);
}

void
fc_params(struct wl_buf *b, unsigned id, const char *const *params)
{
	struct wl_buf all = { 0 };
	size_t at, n;

	for (; *params != NULL; params += 2) {
		add_length(&all, strlen(params[0]));
		add_length(&all, strlen(params[1]));
		wl_buf_adds(&all, params[0]);
		wl_buf_adds(&all, params[1]);
	}
	for (at = 0; at < all.len; at += n) {
		n = all.len - at < 65535 ? all.len - at : 65535;
		fc_record(b, PARAMS, id, all.p + at, n, (8 - n % 8) % 8);
	}
	fc_record(b, PARAMS, id, NULL, 0, 0);
	wl_buf_free(&all);
}

void
fc_stdin(struct wl_buf *b, unsigned id, const void *p, size_t len)
{
	size_t n;

	do {
		n = len < 65535 ? len : 65535;
		fc_record(b, STDIN, id, p, n, (8 - n % 8) % 8);
		len -= n;
		if (len > 0)
			p = (const char *)p + n;
	} while (len > 0);
}

void
fc_request(struct wl_buf *b, bool keep, const char *method, const char *uri,
    const void *body, size_t len)
{
	char length[32];
	const char *params[] = { "REQUEST_METHOD", method, "REQUEST_URI", uri,
	    "REMOTE_ADDR", "127.0.0.1", "CONTENT_LENGTH", length, NULL };

	snprintf(length, sizeof(length), "%zu", len);
	fc_begin(b, 1, keep);
	fc_params(b, 1, params);
	if (len > 0)
		fc_stdin(b, 1, body, len);
	fc_stdin(b, 1, NULL, 0);
}

static void
take(struct fc_reply *r, const unsigned char *head, const unsigned char *p,
    size_t len)
{
	if (head[0] != 1)
		r->broken = true;
	else if (head[1] == STDOUT)
		wl_buf_add(&r->out, p, len);
	else if (head[1] == END && len == 8) {
		r->ended = true;
		r->app_status = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		    (uint32_t)p[2] << 8 | p[3];
		r->protocol_status = p[4];
	} else
		r->broken = true;
}

bool
fc_feed(struct fc_reply *r, const void *p, size_t len)
{
	const unsigned char *h;
	size_t n, at = 0;

	wl_buf_add(&r->raw, p, len);
	while (!r->ended && !r->broken && r->raw.len - at >= 8) {
		h = (const unsigned char *)r->raw.p + at;
		n = (size_t)h[4] << 8 | h[5];
		if (r->raw.len - at < 8 + n + h[6])
			break;
		take(r, h, h + 8, n);
		at += 8 + n + h[6];
	}
	wl_buf_drop(&r->raw, at);
	return r->ended;
}

void
fc_reset(struct fc_reply *r)
{
	wl_buf_reset(&r->out);
	r->ended = r->broken = false;
	/* a pipelined reply may follow */
	fc_feed(r, NULL, 0);
}

void
fc_free(struct fc_reply *r)
{
	wl_buf_free(&r->out);
	wl_buf_free(&r->raw);
}

int
fc_read(int fd, struct fc_reply *r, int64_t ms)
{
	char buf[16384];
	ssize_t n;

	while (!r->ended) {
		n = net_read(fd, buf, sizeof(buf), ms);
		if (n <= 0)
			return -1;
		fc_feed(r, buf, (size_t)n);
		if (r->broken)
			return -1;
	}
	return 0;
}

const char *
fc_body(const struct fc_reply *r)
{
	const char *p = r->out.p == NULL ? NULL :
	    strstr(r->out.p, "\r\n\r\n");

	return p == NULL ? "" : p + 4;
}
