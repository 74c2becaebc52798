/*
 * Requests of HTTP/1.1 (RFC 9112) as the clients of fake_llm send them, and
 * the heads of replies.
 */
#include "config.h"

#include "tests/fake_llm/http.h"

#include <sys/uio.h>
#include <strings.h>

struct head {
	size_t	len;		/* of the head with its empty line */
	size_t	content_length;
	bool	chunked;
	bool	expect;
};

/*
 * Have at least N bytes of the request in the buffer.
 */
static int
need(struct fake_conn *c, size_t n)
{
	while (c->in.len - c->in_pos < n) {
		size_t lack = n - (c->in.len - c->in_pos);

		if (fake_conn_fill(
			c, lack < 4096 ? 4096 : lack, FAKE_READ_MS) == -1)
			return -1;
	}
	return 0;
}

static void
copy_value(char *out, size_t size, const char *s, size_t n)
{
	if (n >= size)
		n = size - 1;
	memcpy(out, s, n);
	out[n] = '\0';
}

static bool
is_name(const char *s, size_t n, const char *name)
{
	return n == strlen(name) && strncasecmp(s, name, n) == 0;
}

/*
 * Returns 0, or -1 when the line is no request line.
 */
static int
parse_request_line(struct fake_conn *c, struct fake_req *r, const char *s,
    size_t n)
{
	const char *sp = memchr(s, ' ', n), *sp2, *q;
	const char *version, *end = s + n;

	if (sp == NULL || sp == s || (size_t)(sp - s) >= sizeof(r->method))
		return -1;
	sp2 = memchr(sp + 1, ' ', (size_t)(end - sp - 1));
	if (sp2 == NULL || sp[1] != '/')
		return -1;
	version = sp2 + 1;
	if (end - version != 8 || memcmp(version, "HTTP/1.", 7) != 0)
		return -1;
	copy_value(r->method, sizeof(r->method), s, (size_t)(sp - s));
	c->http10 = version[7] == '0';
	c->keep = !c->http10;
	q = memchr(sp + 1, '?', (size_t)(sp2 - sp - 1));
	if (q != NULL)
		copy_value(r->query, sizeof(r->query), q + 1,
		    (size_t)(sp2 - q - 1));
	else
		q = sp2;
	if ((size_t)(q - sp - 1) >= sizeof(r->path))
		return -1;
	copy_value(r->path, sizeof(r->path), sp + 1, (size_t)(q - sp - 1));
	return 0;
}

static int
parse_length(const char *s, size_t n, size_t *out)
{
	size_t v = 0, i;

	if (n == 0 || n > 12)
		return -1;
	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (size_t)(s[i] - '0');
	}
	*out = v;
	return 0;
}

static int
parse_header(struct fake_conn *c, struct fake_req *r, struct head *h,
    const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n), *v;
	size_t nlen, vlen;

	if (colon == NULL || colon == s)
		return -1;
	nlen = (size_t)(colon - s);
	v = colon + 1;
	vlen = n - nlen - 1;
	while (vlen > 0 && (*v == ' ' || *v == '\t'))
		v++, vlen--;
	while (vlen > 0 && (v[vlen - 1] == ' ' || v[vlen - 1] == '\t'))
		vlen--;
	switch (s[0] | 0x20) {
	case 'a':
		if (is_name(s, nlen, "authorization") && vlen > 7 &&
		    strncasecmp(v, "Bearer ", 7) == 0)
			copy_value(r->key, sizeof(r->key), v + 7, vlen - 7);
		else if (is_name(s, nlen, "api-key"))
			copy_value(r->key, sizeof(r->key), v, vlen);
		else if (is_name(s, nlen, "anthropic-version"))
			copy_value(r->version, sizeof(r->version), v, vlen);
		else if (is_name(s, nlen, "anthropic-beta"))
			copy_value(r->beta, sizeof(r->beta), v, vlen);
		break;
	case 'c':
		if (is_name(s, nlen, "content-length"))
			return parse_length(v, vlen, &h->content_length);
		if (is_name(s, nlen, "connection"))
			c->keep = c->http10 ? is_name(v, vlen, "keep-alive") :
			    !is_name(v, vlen, "close");
		break;
	case 'e':
		if (is_name(s, nlen, "expect"))
			h->expect = is_name(v, vlen, "100-continue");
		break;
	case 't':
		if (is_name(s, nlen, "transfer-encoding")) {
			h->chunked = is_name(v, vlen, "chunked");
			return h->chunked ? 0 : -1;
		}
		break;
	case 'x':
		if (is_name(s, nlen, "x-request-id"))
			copy_value(r->request_id, sizeof(r->request_id), v,
			    vlen);
		else if (is_name(s, nlen, "x-api-key"))
			copy_value(r->key, sizeof(r->key), v, vlen);
		break;
	default:
		break;
	}
	return 0;
}

static int
parse_head(struct fake_conn *c, struct fake_req *r, struct head *h)
{
	const char *s = c->in.p + c->in_pos, *end = s + h->len - 2;
	bool first = true;

	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t n;

		if (nl == NULL)
			return 400;
		n = (size_t)(nl - s);
		if (n > 0 && s[n - 1] == '\r')
			n--;
		if (first ? parse_request_line(c, r, s, n) :
		    parse_header(c, r, h, s, n))
			return 400;
		first = false;
		s = nl + 1;
	}
	if (first || (h->chunked && h->content_length != 0))
		return 400;
	return h->content_length > FAKE_BODY_MAX ? 413 : 0;
}

/*
 * Read up to the empty line.  An idle connection ends here, in peace.
 */
static int
read_head(struct fake_conn *c, struct head *h)
{
	size_t seen = 0;

	for (;;) {
		size_t have = c->in.len - c->in_pos;
		const char *e = NULL;

		if (have > seen) {
			size_t from = seen > 3 ? seen - 3 : 0;

			e = memmem(c->in.p + c->in_pos + from, have - from,
			    "\r\n\r\n", 4);
			seen = have;
		}
		if (e != NULL) {
			h->len = (size_t)(e - c->in.p) - c->in_pos + 4;
			return h->len > FAKE_HEAD_MAX ? 431 : 0;
		}
		if (have > FAKE_HEAD_MAX)
			return 431;
		if (fake_conn_fill(
			c, 2048, have ? FAKE_READ_MS : FAKE_IDLE_MS) == -1)
			return -1;
	}
}

/*
 * The end of the line that starts at byte AT of the request, past its LF,
 * in *END.
 */
static int
read_line(struct fake_conn *c, size_t at, size_t *end)
{
	for (;;) {
		size_t have = c->in.len - c->in_pos;
		const char *s = c->in.p + c->in_pos, *nl = NULL;

		if (have > at)
			nl = memchr(s + at, '\n', have - at);
		if (nl != NULL) {
			*end = (size_t)(nl - s) + 1;
			return 0;
		}
		if (have > at + 1024)
			return 400;
		if (need(c, have + 1) == -1)
			return -1;
	}
}

static int
parse_chunk_size(const char *s, size_t n, size_t *out)
{
	size_t v = 0, i;

	for (i = 0; i < n; i++) {
		char ch = s[i];

		if (ch >= '0' && ch <= '9')
			v = v * 16 + (size_t)(ch - '0');
		else if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f')
			v = v * 16 + (size_t)((ch | 0x20) - 'a') + 10;
		else
			break;
		if (v > FAKE_BODY_MAX)
			return 413;
	}
	*out = v;
	return i == 0 ? 400 : 0;
}

/*
 * Decode a chunked body that starts AT bytes into the request; *AT is moved
 * past it.
 */
static int
read_chunked(struct fake_conn *c, size_t *at)
{
	size_t pos = *at, end = 0, size = 0;
	int rc;

	c->decoded.len = 0;
	for (;;) {
		rc = read_line(c, pos, &end);
		if (rc != 0)
			return rc;
		rc = parse_chunk_size(c->in.p + c->in_pos + pos, end - pos,
		    &size);
		if (rc != 0)
			return rc;
		if (c->decoded.len + size > FAKE_BODY_MAX)
			return 413;
		if (size == 0)
			break;
		if (need(c, end + size + 2) == -1)
			return -1;
		fake_buf_put(&c->decoded, c->in.p + c->in_pos + end, size);
		pos = end + size + 2;
	}
	do {
		pos = end;
		rc = read_line(c, pos, &end);
		if (rc != 0)
			return rc;
		if (end > FAKE_BODY_MAX * 2)
			return 413;
	} while (end - pos > 2);
	*at = end;
	return 0;
}

int
fake_http_read(struct fake_conn *c, struct fake_req *r)
{
	struct head h;
	size_t total;
	int rc;

	memset(r, 0, sizeof(*r));
	memset(&h, 0, sizeof(h));
	rc = read_head(c, &h);
	if (rc == 0)
		rc = parse_head(c, r, &h);
	if (rc != 0)
		return rc;
	if (h.expect && c->in.len - c->in_pos == h.len) {
		struct iovec iov = {
		    (char *)"HTTP/1.1 100 Continue\r\n\r\n", 25};

		if (fake_conn_send(c, &iov, 1) == -1)
			return -1;
	}
	total = h.len + h.content_length;
	if (h.chunked) {
		rc = read_chunked(c, &total);
		if (rc != 0)
			return rc;
	} else if (need(c, total) == -1) {
		return -1;
	}
	r->head = c->in.p + c->in_pos;
	r->head_len = h.len;
	r->body = h.chunked ? c->decoded.p : r->head + h.len;
	r->body_len = h.chunked ? c->decoded.len : h.content_length;
	c->in_pos += total;
	return 0;
}

void
fake_http_done(struct fake_conn *c, const struct fake_req *r)
{
	size_t left = c->in.len - c->in_pos;

	if (r->body == c->decoded.p)
		fake_buf_trim(&c->decoded, 64 * 1024);
	if (left == 0)
		fake_buf_trim(&c->in, 64 * 1024);
	else
		memmove(c->in.p, c->in.p + c->in_pos, left);
	c->in.len = left;
	c->in_pos = 0;
}

static const char *
reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 402:
		return "Payment Required";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Scripted";
	}
}

void
fake_http_head(struct fake_buf *b, const struct fake_conn *c, int status)
{
	fake_buf_puts(b, "HTTP/1.1 ");
	fake_buf_int(b, status);
	fake_buf_puts(b, " ");
	fake_buf_puts(b, reason(status));
	fake_buf_puts(b, "\r\nServer: watchllm-sandbox\r\n");
	if (!c->keep)
		fake_buf_puts(b, "Connection: close\r\n");
	else if (c->http10)
		fake_buf_puts(b, "Connection: keep-alive\r\n");
}

int
fake_http_reply(struct fake_conn *c, int status, const char *type,
    const void *body, size_t len)
{
	struct iovec iov[2];

	c->head.len = 0;
	fake_http_head(&c->head, c, status);
	fake_buf_fmt(&c->head,
	    "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, len);
	iov[0].iov_base = c->head.p;
	iov[0].iov_len = c->head.len;
	iov[1].iov_base = (void *)(uintptr_t)body;
	iov[1].iov_len = len;
	return fake_conn_send(c, iov, 2);
}
