/*
 * From CGI variables to a request.
 */
#include "config.h"
#include "lib/http/req.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/base/rand.h"
#include "lib/http/guard.h"
#include "lib/http/io.h"
#include "lib/http/target.h"

#define HEADER_NAME_MAX	128
#define CLIENT_ID_MAX	128
/* A body is read in such pieces: each is a part of the coroutine's stack, whose
   pages stay with it. */
#define PIECE		((size_t)2 * 1024)
/* What is set aside for a body before it has come. */
#define AHEAD		((int64_t)16 * 1024)

static const char *const method_names[] = {
	[WL_GET] = "GET",
	[WL_HEAD] = "HEAD",
	[WL_POST] = "POST",
	[WL_PUT] = "PUT",
	[WL_PATCH] = "PATCH",
	[WL_DELETE] = "DELETE",
	[WL_OPTIONS] = "OPTIONS",
	[WL_METHOD_OTHER] = "OTHER",
};
static_assert(sizeof(method_names) / sizeof(method_names[0]) == WL_METHOD_MAX,
    "a name for every method");

const char *
wl_method_name(enum wl_method m)
{
	return method_names[m];
}

static enum wl_method
method_of(const char *name)
{
	int i;

	/* methods are case-sensitive (RFC 9110, 9.1) */
	for (i = 0; name != NULL && i < WL_METHOD_OTHER; i++)
		if (strcmp(method_names[i], name) == 0)
			return (enum wl_method)i;
	return WL_METHOD_OTHER;
}

static const char *
param(const struct wl_req *r, const char *name)
{
	return r->io->ops->param(r->io, name);
}

const char *
wl_req_header(const struct wl_req *r, const char *name)
{
	char var[HEADER_NAME_MAX + 5] = "HTTP_", c;
	const char *value;
	size_t i;

	if (strcmp(name, "content-type") == 0)
		return param(r, "CONTENT_TYPE");
	if (strcmp(name, "content-length") == 0)
		return param(r, "CONTENT_LENGTH");
	for (i = 0; (c = name[i]) != '\0'; i++) {
		if (i == HEADER_NAME_MAX - 1)
			return NULL;
		var[5 + i] = c == '-' ? '_' :
		    c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	}
	value = param(r, var);
	/* Apache hands it on this way after an internal redirect */
	if (value == NULL && strcmp(name, "authorization") == 0)
		value = param(r, "REDIRECT_HTTP_AUTHORIZATION");
	return value;
}

/*
 * ADDR without a port and brackets, in canonical form; IPv4 mapped into IPv6
 * is IPv4.  False when it is no address.
 */
static bool
canonical(const char *addr, size_t len, char out[INET6_ADDRSTRLEN])
{
	char buf[INET6_ADDRSTRLEN + 8];
	struct in6_addr in6;
	struct in_addr in;
	char *p;

	if (len == 0 || len >= sizeof(buf))
		return false;
	memcpy(buf, addr, len);
	buf[len] = '\0';
	if (buf[0] == '[') {
		if ((p = strchr(buf, ']')) == NULL)
			return false;
		*p = '\0';
		memmove(buf, buf + 1, strlen(buf));
	} else if ((p = strchr(buf, ':')) != NULL &&
	    strchr(p + 1, ':') == NULL) {
		*p = '\0';
	}
	if (inet_pton(AF_INET, buf, &in) == 1)
		return inet_ntop(AF_INET, &in, out, INET6_ADDRSTRLEN) != NULL;
	if (inet_pton(AF_INET6, buf, &in6) != 1)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&in6))
		return inet_ntop(AF_INET, &in6.s6_addr[12], out,
		    INET6_ADDRSTRLEN) != NULL;
	return inet_ntop(AF_INET6, &in6, out, INET6_ADDRSTRLEN) != NULL;
}

/*
 * The rightmost address of FORWARDED that is no trusted proxy goes to OUT; a
 * part that is no address ends the search, since all left of it may be forged.
 */
static void
walk_forwarded(const char *forwarded, const char *trusted,
    char out[INET6_ADDRSTRLEN])
{
	size_t end = strlen(forwarded), start;
	char addr[INET6_ADDRSTRLEN];
	struct wl_str part;

	while (wl_guard_addr_in(out, trusted)) {
		for (start = end; start > 0 && forwarded[start - 1] != ',';)
			start--;
		part = wl_str_trim((struct wl_str){ forwarded + start,
		    end - start });
		if (!canonical(part.p, part.len, addr))
			return;
		memcpy(out, addr, sizeof(addr));
		if (start == 0)
			return;
		end = start - 1;
	}
}

static char *
client_addr(const struct wl_req *r, const struct wl_conf *conf)
{
	const char *remote = param(r, "REMOTE_ADDR");
	const char *forwarded = param(r, "HTTP_X_FORWARDED_FOR");
	char addr[INET6_ADDRSTRLEN];

	if (remote == NULL || !canonical(remote, strlen(remote), addr))
		return NULL;
	if (forwarded != NULL)
		walk_forwarded(forwarded, conf->trusted_proxies, addr);
	return wl_arena_strdup(r->arena, addr);
}

/*
 * A trimmed copy of VALUE, or NULL when there is nothing.
 */
static char *
copy_value(struct wl_arena *a, const char *value)
{
	struct wl_str s = wl_str_trim(wl_str_of(value));

	return s.len == 0 ? NULL : wl_arena_dup(a, s.p, s.len);
}

static char *
bearer(struct wl_arena *a, const char *value)
{
	static const char scheme[] = "bearer";
	size_t n = sizeof(scheme) - 1;

	if (value == NULL || strncasecmp(value, scheme, n) != 0 ||
	    (value[n] != ' ' && value[n] != '\t'))
		return NULL;
	return copy_value(a, value + n);
}

static char *
find_key(const struct wl_req *r)
{
	char *key = bearer(r->arena, wl_req_header(r, "authorization"));

	if (key == NULL)
		key = copy_value(r->arena, wl_req_header(r, "x-api-key"));
	if (key == NULL)
		key = copy_value(r->arena, wl_req_header(r, "api-key"));
	return key;
}

static char *
media_type(struct wl_arena *a, const char *value)
{
	struct wl_str rest = wl_str_of(value), type;
	char *copy, *p;

	type = wl_str_trim(wl_str_cut(&rest, ';'));
	if (type.len == 0 || (copy = wl_arena_dup(a, type.p, type.len)) == NULL)
		return NULL;
	for (p = copy; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return copy;
}

static char *
client_id(struct wl_arena *a, const char *value)
{
	const char *p;

	if (value == NULL || strlen(value) > CLIENT_ID_MAX)
		return NULL;
	for (p = value; *p != '\0'; p++)
		if (*p < ' ' || *p >= 0x7f)
			return NULL;
	return copy_value(a, value);
}

static void
add_size(const char *name, const char *value, void *arg)
{
	size_t *sum = arg;

	*sum += strlen(name) + strlen(value) + 2;
}

static int
check_size(struct wl_io *io, struct wl_err *e)
{
	size_t sum = 0;

	io->ops->each(io, add_size, &sum);
	if (sum <= WL_REQ_PARAMS_MAX)
		return 0;
	wl_err_set(e, WL_E_INVALID_REQUEST, "The request headers are too large.");
	e->http = 431;
	return -1;
}

static int
declared_length(struct wl_req *r, struct wl_err *e)
{
	const char *value = param(r, "CONTENT_LENGTH");

	r->content_length = -1;
	if (value == NULL || value[0] == '\0')
		return 0;
	if (value[0] == '-' || wl_num_parse(value, strlen(value), 0, INT64_MAX,
	    &r->content_length) == -1)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "The Content-Length is not valid.");
	return 0;
}

/*
 * The static text stands for what could not be copied: whoever logs a refused
 * request finds no NULL.
 */
static void
start(struct wl_req *r, struct wl_io *io, struct wl_arena *arena)
{
	static char empty[1];

	memset(r, 0, sizeof(*r));
	r->io = io;
	r->arena = arena;
	r->start_us = wl_clock_us();
	r->start_ms = r->start_us / 1000;
	wl_uuid7(r->start_ms, r->id);
	r->path = r->query = r->base = r->addr = empty;
	r->body = WL_STR("");
	r->content_length = -1;
}

static int
take_target(struct wl_req *r, const struct wl_conf *conf, struct wl_err *e)
{
	const char *uri = param(r, "REQUEST_URI"), *base = conf->base_path;

	if (uri == NULL || uri[0] == '\0') {
		wl_err_set(e, WL_E_INVALID_REQUEST, NULL);
		return wl_err_detail(e, "the web server sent no REQUEST_URI");
	}
	if (base[0] == '\0' && (base = getenv("WATCHLLM_BASE_PATH")) == NULL)
		base = "";
	return wl_target_parse(r->arena, uri, base, &r->path, &r->base,
	    &r->query, e);
}

int
wl_req_init(struct wl_req *r, struct wl_io *io, struct wl_arena *arena,
    const struct wl_conf *conf, struct wl_err *e)
{
	const char *origin, *coding;
	char *addr;

	start(r, io, arena);
	r->method = method_of(param(r, "REQUEST_METHOD"));
	if ((addr = client_addr(r, conf)) != NULL)
		r->addr = addr;
	if (check_size(io, e) == -1)
		return -1;
	if ((origin = wl_req_header(r, "origin")) != NULL)
		r->origin = copy_value(arena, origin);
	r->client_request_id = client_id(arena,
	    wl_req_header(r, "x-request-id"));
	if (take_target(r, conf, e) == -1 || declared_length(r, e) == -1)
		return -1;
	r->key = find_key(r);
	r->provider_key = copy_value(arena, wl_req_header(r, "x-provider-key"));
	r->content_type = media_type(arena, wl_req_header(r, "content-type"));
	coding = wl_req_header(r, "content-encoding");
	r->encoded = coding != NULL && coding[0] != '\0' &&
	    strcasecmp(coding, "identity") != 0;
	return 0;
}

static int
hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * Decode a part of a query (application/x-www-form-urlencoded).
 */
static char *
decode_form(struct wl_arena *a, struct wl_str s)
{
	char *out = wl_arena_alloc(a, s.len + 1), *p = out;
	int high, low;
	size_t i;

	for (i = 0; out != NULL && i < s.len; i++) {
		*p = s.p[i] == '+' ? ' ' : s.p[i];
		if (s.p[i] == '%' && s.len - i > 2 &&
		    (high = hex_of(s.p[i + 1])) != -1 &&
		    (low = hex_of(s.p[i + 2])) != -1) {
			if ((high << 4 | low) == 0)
				return NULL;
			*p = (char)(high << 4 | low);
			i += 2;
		}
		p++;
	}
	return out;
}

const char *
wl_req_query(const struct wl_req *r, const char *name)
{
	struct wl_str rest = wl_str_of(r->query), pair, key;
	char *decoded;

	while (rest.len > 0) {
		pair = wl_str_cut(&rest, '&');
		key = wl_str_cut(&pair, '=');
		if (!wl_str_eq(key, name)) {
			/* names are hardly ever encoded */
			if (key.len == 0 || memchr(key.p, '%', key.len) == NULL)
				continue;
			decoded = decode_form(r->arena, key);
			if (decoded == NULL || strcmp(decoded, name) != 0)
				continue;
		}
		return decode_form(r->arena, pair);
	}
	return NULL;
}

static void
free_body(void *p)
{
	wl_buf_free(p);
}

/*
 * A buffer on the heap that the arena frees: an arena cannot grow a piece.
 */
static struct wl_buf *
body_buffer(struct wl_arena *a, int64_t max)
{
	struct wl_buf *b = wl_arena_alloc(a, sizeof(*b));

	if (b == NULL)
		return NULL;
	wl_buf_init(b, (size_t)max + PIECE);
	return wl_arena_defer(a, free_body, b) == -1 ? NULL : b;
}

static int
client_gone(struct wl_err *e, const char *why)
{
	wl_err_set(e, WL_E_CLIENT_CLOSED, NULL);
	return wl_err_detail(e, "request body: %s", why);
}

int
wl_req_read_body(struct wl_req *r, int64_t max, struct wl_err *e)
{
	char piece[PIECE];
	struct wl_buf *b;
	ssize_t n;

	if (r->content_length > max)
		return wl_err_set(e, WL_E_REQUEST_TOO_LARGE, NULL);
	if ((b = body_buffer(r->arena, max)) == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	if (r->content_length > 0 && r->content_length <= AHEAD)
		(void)wl_buf_reserve(b, (size_t)r->content_length);
	while ((n = r->io->ops->read(r->io, piece, sizeof(piece))) > 0) {
		wl_buf_add(b, piece, (size_t)n);
		if ((int64_t)b->len > max)
			return wl_err_set(e, WL_E_REQUEST_TOO_LARGE, NULL);
		if (b->failed)
			return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	}
	if (n == -1)
		return client_gone(e, strerror(errno));
	if (r->content_length != -1 && (int64_t)b->len < r->content_length)
		return client_gone(e, "shorter than declared");
	if (b->len > 0)
		r->body = (struct wl_str){ b->p, b->len };
	return 0;
}
