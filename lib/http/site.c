/*
 * Asking a running server what it answers, headers and all.
 */
#include "config.h"
#include "lib/http/site.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/http/client.h"
#include "lib/http/guard.h"

#define URL_BYTES	1000
#define ANSWER_MAX	((size_t)1024 * 1024)
#define CONNECT_MS	10000
#define TOTAL_MS	60000
#define HEADERS		8
#define CONNECTIONS	64

static const char *const names[] = {
	[WL_SH_CONTENT_ENCODING] = "Content-Encoding",
	[WL_SH_CONTENT_TYPE] = "Content-Type",
	[WL_SH_DATE] = "Date",
	[WL_SH_RATELIMIT] = "RateLimit",
	[WL_SH_RATELIMIT_POLICY] = "RateLimit-Policy",
	[WL_SH_RETRY_AFTER] = "Retry-After",
	[WL_SH_SERVER] = "Server",
	[WL_SH_SERVER_TIMING] = "Server-Timing",
	[WL_SH_X_QUOTA_LIMIT] = "X-Quota-Limit",
	[WL_SH_X_QUOTA_REMAINING] = "X-Quota-Remaining",
	[WL_SH_X_QUOTA_RESET] = "X-Quota-Reset",
	[WL_SH_X_RATELIMIT_LIMIT] = "X-RateLimit-Limit",
	[WL_SH_X_RATELIMIT_REMAINING] = "X-RateLimit-Remaining",
	[WL_SH_X_RATELIMIT_RESET] = "X-RateLimit-Reset",
	[WL_SH_X_REQUEST_ID] = "X-Request-Id",
	[WL_SH_X_SHOULD_RETRY] = "X-Should-Retry",
	[WL_SH_X_WATCHLLM_CACHE] = "X-WatchLLM-Cache",
	[WL_SH_X_WATCHLLM_COST_USD] = "X-WatchLLM-Cost-USD",
	[WL_SH_X_WATCHLLM_LATENCY_MS] = "X-WatchLLM-Latency-Ms",
	[WL_SH_X_WATCHLLM_LIMITER] = "X-WatchLLM-Limiter",
	[WL_SH_X_WATCHLLM_PROVIDER] = "X-WatchLLM-Provider",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == WL_SH_MAX,
    "a name for every header");

static size_t
without_slashes(const char *s, size_t len)
{
	while (len > 0 && s[len - 1] == '/')
		len--;
	return len;
}

int
wl_site_parse(struct wl_arena *a, const char *url, struct wl_site *site,
    struct wl_err *e)
{
	size_t len = without_slashes(url, strlen(url));
	char host[256];
	bool https;
	int port;

	if (len > 3 && memcmp(url + len - 3, "/v1", 3) == 0)
		len = without_slashes(url, len - 3);
	if (len > URL_BYTES || strpbrk(url, "?#") != NULL ||
	    wl_guard_split(url, &https, host, &port) == -1)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "%.200s: an address "
		    "such as https://example.org/llm is wanted", url);
	site->base = wl_arena_dup(a, url, len);
	if (site->base == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	return 0;
}

int
wl_site_open(const char *ca_file, struct wl_err *e)
{
	char file[1024] = "", proxy[1] = "";
	const struct wl_conf conf = { .upstream_ca_file = file,
	    .upstream_proxy = proxy, .max_requests = CONNECTIONS };

	if (ca_file != NULL && !wl_strlcpy(file, ca_file, sizeof(file)))
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "the name of the file of certificates is too long");
	return wl_client_open(&conf, e);
}

void
wl_site_close(void)
{
	wl_client_close();
}

/*
 * The client speaks of providers; its details are for logs, and for here.
 */
static int
reword(struct wl_err *e)
{
	char detail[sizeof(e->detail)];

	if (e->detail[0] == '\0')
		return -1;
	wl_strlcpy(detail, e->detail, sizeof(detail));
	e->detail[0] = '\0';
	return wl_err_set(e, e->code, "%s", detail);
}

/*
 * The headers of ASK, ended by NULL.
 */
static bool
make_headers(struct wl_arena *a, const struct wl_site_ask *ask,
    const char *h[HEADERS])
{
	int i, n = 0;

	h[n++] = wl_arena_printf(a, "Accept: %s", ask->accept != NULL ?
	    ask->accept : "application/json");
	if (ask->key != NULL)
		h[n++] = wl_arena_printf(a, ask->auth == WL_SITE_BEARER ?
		    "Authorization: Bearer %s" : "x-api-key: %s", ask->key);
	if (ask->encoding != NULL)
		h[n++] = wl_arena_printf(a, "Accept-Encoding: %s",
		    ask->encoding);
	if (ask->body != NULL)
		h[n++] = "Content-Type: application/json";
	h[n] = NULL;
	for (i = 0; i < n; i++)
		if (h[i] == NULL)
			return false;
	return true;
}

struct wl_xfer *
wl_site_start(struct wl_arena *a, const struct wl_site *site,
    const struct wl_site_ask *ask, struct wl_err *e)
{
	int64_t total = ask->timeout_ms > 0 ? ask->timeout_ms : TOTAL_MS;
	const char *headers[HEADERS];
	struct wl_xfer_opts o = {
		.method = ask->method != NULL ? ask->method :
		    ask->body != NULL ? "POST" : "GET",
		.url = wl_arena_printf(a, "%s%s", site->base, ask->path),
		.headers = headers, .body = ask->body,
		.body_len = ask->body_len, .trust = WL_TRUST_PRIVATE,
		.insecure = site->insecure, .connect_ms = CONNECT_MS,
		.first_byte_ms = total, .between_ms = total, .total_ms = total
	};
	struct wl_xfer *x;

	if (o.url == NULL || !make_headers(a, ask, headers)) {
		wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
		return NULL;
	}
	if ((x = wl_xfer_start(&o, e)) == NULL)
		(void)reword(e);
	return x;
}

const char *
wl_site_header_name(enum wl_site_header h)
{
	return names[h];
}

void
wl_site_head(struct wl_arena *a, const struct wl_xfer *x,
    struct wl_site_seen *seen)
{
	const char *value;
	int i;

	seen->status = wl_xfer_status(x);
	for (i = 0; i < WL_SH_MAX && seen->status != 0; i++) {
		value = wl_xfer_header(x, names[i]);
		seen->header[i] = value == NULL ? NULL :
		    wl_arena_strdup(a, value);
	}
}

int
wl_site_error(struct wl_xfer *x, struct wl_err *e)
{
	return wl_xfer_error(x, e) == -1 ? reword(e) : 0;
}

static int
read_body(struct wl_arena *a, struct wl_xfer *x, int64_t deadline,
    struct wl_site_seen *seen, struct wl_err *e)
{
	struct wl_buf b;
	struct wl_str s;
	int bits = 0;

	wl_buf_init(&b, ANSWER_MAX);
	while (!(bits & WL_X_DONE) || (bits & WL_X_DATA)) {
		bits = wl_xfer_wait(x, WL_X_DATA, -1, 0, deadline);
		if (bits == -1 || (bits & WL_X_DEADLINE) != 0 || b.failed)
			break;
		s = wl_xfer_peek(x);
		wl_buf_add(&b, s.p, s.len);
		wl_xfer_take(x, s.len);
	}
	seen->body.len = b.len;
	seen->body.p = wl_arena_dup(a, b.len > 0 ? b.p : "", b.len);
	if (bits == -1 || (bits & WL_X_DEADLINE) != 0 || b.failed ||
	    seen->body.p == NULL)
		bits = wl_err_set(e, WL_E_UPSTREAM_INVALID,
		    "the answer could not be read");
	wl_buf_free(&b);
	return bits == -1 ? -1 : wl_site_error(x, e);
}

static int64_t
patience(const struct wl_site_ask *ask)
{
	/* the transfer's own deadline comes first */
	return wl_mono() + 2 * (ask->timeout_ms > 0 ? ask->timeout_ms :
	    TOTAL_MS);
}

int
wl_site_look(struct wl_arena *a, const struct wl_site *site,
    const struct wl_site_ask *ask, struct wl_site_seen *seen,
    struct wl_err *e)
{
	int64_t start = wl_clock_us();
	struct wl_xfer *x;
	int bits, rc = 0;

	*seen = (struct wl_site_seen){ .body = WL_STR("") };
	if ((x = wl_site_start(a, site, ask, e)) == NULL)
		return -1;
	bits = wl_xfer_wait(x, WL_X_HEADERS, -1, 0, patience(ask));
	wl_site_head(a, x, seen);
	seen->us = wl_clock_us() - start;
	if (seen->status == 0 && (bits == -1 || (bits & WL_X_DONE) == 0 ||
	    (rc = wl_site_error(x, e)) == 0))
		rc = wl_err_set(e, WL_E_UPSTREAM_INVALID, "no answer");
	wl_xfer_free(x);
	return rc;
}

int
wl_site_fetch(struct wl_arena *a, const struct wl_site *site,
    const struct wl_site_ask *ask, struct wl_site_seen *seen,
    struct wl_err *e)
{
	int64_t start = wl_clock_us();
	struct wl_xfer *x;
	int rc;

	*seen = (struct wl_site_seen){ .body = WL_STR("") };
	if ((x = wl_site_start(a, site, ask, e)) == NULL)
		return -1;
	rc = read_body(a, x, patience(ask), seen, e);
	wl_site_head(a, x, seen);
	seen->us = wl_clock_us() - start;
	wl_xfer_free(x);
	return rc;
}

/*
 * "Sun, 06 Nov 1994 08:49:37 GMT", turned into what wl_clock_parse() reads.
 */
int64_t
wl_site_date(const char *s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[32];
	int64_t ms;
	int m;

	if (s == NULL || strlen(s) != 29 || memcmp(s + 3, ", ", 2) != 0 ||
	    strcmp(s + 25, " GMT") != 0)
		return -1;
	for (m = 0; m < 12 && memcmp(months + 3 * m, s + 8, 3) != 0; m++)
		;
	if (m == 12)
		return -1;
	snprintf(text, sizeof(text), "%.4s-%02d-%.2sT%.8sZ", s + 12, m + 1,
	    s + 5, s + 17);
	return wl_clock_parse(text, strlen(text), &ms) == 0 ? ms : -1;
}

const char *
wl_site_code(struct wl_arena *a, const struct wl_site_seen *seen)
{
	struct json_object *o, *error;
	struct wl_str code;

	if (seen->header[WL_SH_X_REQUEST_ID] == NULL)
		return NULL;
	o = wl_json_parse(a, seen->body.p, seen->body.len, NULL);
	error = wl_json_obj(o, "error");
	if (error == NULL || !wl_json_str(error, "code", &code))
		return NULL;
	return wl_arena_dup(a, code.p, code.len);
}
