/*
 * The head of a reply as CGI wants it (RFC 3875, 6.3), its body and streams.
 */
#include "config.h"
#include "lib/http/resp.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/http/io.h"

static const struct {
	int		 status;
	const char	*reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 207, "Multi-Status" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 424, "Failed Dependency" },
	{ 425, "Too Early" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 499, "Client Closed Request" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 529, "Overloaded" },
};

const char *
wl_http_reason(int status)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	/* nginx passes an empty reason on as it is: some clients choke */
	return status < 200 ? "Informational" : status < 300 ? "Success" :
	    status < 400 ? "Redirection" : status < 500 ? "Client Error" :
	    "Server Error";
}

void
wl_resp_init(struct wl_resp *r, struct wl_io *io, struct wl_arena *a)
{
	memset(r, 0, sizeof(*r));
	r->io = io;
	r->arena = a;
}

static bool
is_token(const char *s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	const char *p;

	for (p = s; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || strchr(others, *p) != NULL))
			return false;
	return p != s;
}

static bool
has_controls(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

static struct wl_resp_header *
find(struct wl_resp *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->nheaders; i++)
		if (strcasecmp(r->headers[i].name, name) == 0)
			return &r->headers[i];
	return NULL;
}

void
wl_resp_set(struct wl_resp *r, const char *name, const char *value)
{
	struct wl_resp_header *h = find(r, name);
	const char *copy;

	if (value == NULL) {
		if (h != NULL)
			*h = r->headers[--r->nheaders];
		return;
	}
	if (!is_token(name) || has_controls(value)) {
		wl_log(WL_WARN, "resp.header_refused",
		    "header \"%s\" has a bad name or value", name);
		return;
	}
	if ((h == NULL && r->nheaders == WL_RESP_HEADERS) ||
	    (copy = wl_arena_strdup(r->arena, value)) == NULL) {
		wl_log(WL_ERROR, "resp.header_lost", "no room for header %s",
		    name);
		return;
	}
	if (h == NULL) {
		h = &r->headers[r->nheaders++];
		h->name = name;
	}
	h->value = copy;
}

void
wl_resp_set_int(struct wl_resp *r, const char *name, int64_t value)
{
	char text[WL_NUM_LEN];

	(void)wl_num_put(value, text);
	wl_resp_set(r, name, text);
}

static size_t
head_size(const struct wl_resp *r)
{
	size_t i, n = sizeof("Status: -2147483648 \r\n\r\n") +
	    strlen(wl_http_reason(r->status));

	for (i = 0; i < r->nheaders; i++)
		n += strlen(r->headers[i].name) +
		    strlen(r->headers[i].value) + 4;
	return n;
}

static char *
add(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

/*
 * The head as one piece of the arena, with ROOM bytes left behind it.
 */
static char *
make_head(struct wl_resp *r, size_t room, size_t *len)
{
	size_t size = head_size(r) + room, i;
	char *head = wl_arena_alloc(r->arena, size), *p;

	if (head == NULL)
		return NULL;
	p = head + snprintf(head, size, "Status: %d %s\r\n", r->status,
	    wl_http_reason(r->status));
	for (i = 0; i < r->nheaders; i++) {
		p = add(p, r->headers[i].name);
		p = add(p, ": ");
		p = add(p, r->headers[i].value);
		p = add(p, "\r\n");
	}
	p = add(p, "\r\n");
	*len = (size_t)(p - head);
	return head;
}

static int
put(struct wl_resp *r, const void *p, size_t len)
{
	if (len > 0 && r->io->ops->write(r->io, p, len) == -1) {
		r->gone = true;
		return -1;
	}
	return 0;
}

static int
put_head(struct wl_resp *r, const void *body, size_t len)
{
	/* what fits one record leaves as one piece */
	size_t with = len <= 8192 ? len : 0, n;
	char *head = make_head(r, with, &n);

	if (head == NULL) {
		wl_log(WL_ERROR, "resp.memory", "no memory for a reply");
		r->gone = true;
		return -1;
	}
	r->head_sent = true;
	if (with > 0)
		memcpy(head + n, body, with);
	if (put(r, head, n + with) == -1)
		return -1;
	return with == len ? 0 : put(r, body, len);
}

static bool
bodiless(int status)
{
	return status < 200 || status == 204 || status == 304;
}

int
wl_resp_send(struct wl_resp *r, int status, const char *content_type,
    const void *body, size_t len)
{
	if (r->gone || r->head_sent)
		return -1;
	r->status = status;
	if (bodiless(status)) {
		r->no_body = true;
	} else {
		wl_resp_set(r, "Content-Type", content_type);
		wl_resp_set_int(r, "Content-Length", (int64_t)len);
	}
	if (r->no_body)
		len = 0;
	if (put_head(r, body, len) == -1)
		return -1;
	r->bytes = (int64_t)len;
	return 0;
}

static int
flush(struct wl_resp *r)
{
	if (r->io->ops->flush(r->io) == -1) {
		r->gone = true;
		return -1;
	}
	return 0;
}

int
wl_resp_stream(struct wl_resp *r, int status, const char *content_type,
    const char *first)
{
	size_t len = first == NULL || r->no_body ? 0 : strlen(first);

	if (r->gone || r->head_sent)
		return -1;
	r->status = status;
	r->streaming = true;
	wl_resp_set(r, "Content-Type", content_type);
	wl_resp_set(r, "Cache-Control", "no-store");
	wl_resp_set(r, "X-Accel-Buffering", "no");
	if (put_head(r, first, len) == -1)
		return -1;
	return flush(r);
}

int
wl_resp_write(struct wl_resp *r, const void *p, size_t len, bool do_flush)
{
	if (r->gone || !r->streaming)
		return -1;
	if (r->no_body)
		return 0;
	if (put(r, p, len) == -1)
		return -1;
	r->bytes += (int64_t)len;
	return do_flush ? flush(r) : 0;
}
