/*
 * Which origins may read answers, and the answer to a preflight request
 * (WHATWG Fetch, "CORS protocol").
 */
#include "config.h"
#include "lib/http/cors.h"

#include <string.h>
#include <strings.h>

#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/http/req.h"
#include "lib/http/resp.h"

/* Every header of ours that a script may want to read. */
#define EXPOSED								\
	"Idempotency-Replayed, "					\
	"Retry-After, RateLimit, RateLimit-Policy, Server-Timing, "	\
	"X-Quota-Limit, X-Quota-Remaining, X-Quota-Reset, "		\
	"X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "	\
	"X-Request-Id, X-Should-Retry, X-WatchLLM-Applied, "		\
	"X-WatchLLM-Cache, "						\
	"X-WatchLLM-Cache-Age, X-WatchLLM-Cache-Entry, "		\
	"X-WatchLLM-Cache-Reason, X-WatchLLM-Cache-Similarity, "	\
	"X-WatchLLM-Cost-USD, X-WatchLLM-Latency-Ms, "			\
	"X-WatchLLM-Limiter, X-WatchLLM-Provider, X-WatchLLM-Rule, "	\
	"X-WatchLLM-Tokens-Saved, X-WatchLLM-Variant"

#define ASKED_MAX	1024
#define MAX_AGE		"600"

enum verdict { NO_ORIGIN, SAME, LISTED, ANY, REFUSED };

static enum verdict
match(const char *list, const char *origin)
{
	struct wl_str item = { list, 0 };
	bool any = false;

	for (;;) {
		item.p += item.len;
		item.p += strspn(item.p, ", \t\r\n");
		item.len = strcspn(item.p, ", \t\r\n");
		if (item.len == 0)
			break;
		if (wl_str_ieq(item, origin))
			return LISTED;
		if (wl_str_eq(item, "*"))
			any = true;
	}
	return any && strcmp(origin, "null") != 0 ? ANY : REFUSED;
}

static enum verdict
judge(const struct wl_req *r, const struct wl_conf *conf)
{
	const char *host = wl_req_header(r, "host"), *authority;
	enum verdict v;

	if (r->origin == NULL)
		return NO_ORIGIN;
	if ((v = match(conf->cors_origins, r->origin)) != REFUSED)
		return v;
	/* the scheme is lost where TLS ends in front of the web server */
	authority = strstr(r->origin, "://");
	if (authority != NULL && host != NULL &&
	    strcasecmp(authority + 3, host) == 0)
		return SAME;
	return REFUSED;
}

/*
 * Returns whether a script of the origin may read the answer.
 */
static bool
set_allowed(const struct wl_req *r, struct wl_resp *resp, enum verdict v)
{
	if (v != LISTED && v != ANY)
		return false;
	wl_resp_set(resp, "Access-Control-Allow-Origin",
	    v == ANY ? "*" : r->origin);
	return true;
}

int
wl_cors(const struct wl_req *r, struct wl_resp *resp,
    const struct wl_conf *conf, struct wl_err *e)
{
	enum verdict v = judge(r, conf);

	/* a cache must not hand one origin's answer to another one */
	if (conf->cors_origins[0] != '\0')
		wl_resp_set(resp, "Vary", "Origin");
	if (set_allowed(r, resp, v))
		wl_resp_set(resp, "Access-Control-Expose-Headers", EXPOSED);
	if (v == REFUSED && r->method != WL_OPTIONS)
		return wl_err_set(e, WL_E_ORIGIN, NULL);
	return 0;
}

/*
 * Whether S is a list of header names that can be sent back as it is.
 */
static bool
names_only(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ");

	return s[len] == '\0' && len > 0 && len <= ASKED_MAX;
}

int
wl_cors_preflight(const struct wl_req *r, struct wl_resp *resp,
    const struct wl_conf *conf, const char *allow)
{
	const char *asked;

	wl_resp_set(resp, "Allow", allow);
	if (set_allowed(r, resp, judge(r, conf))) {
		wl_resp_set(resp, "Vary",
		    "Origin, Access-Control-Request-Headers");
		wl_resp_set(resp, "Access-Control-Allow-Methods", allow);
		wl_resp_set(resp, "Access-Control-Max-Age", MAX_AGE);
		/* client libraries send headers of their own invention */
		asked = wl_req_header(r, "access-control-request-headers");
		if (asked != NULL && names_only(asked))
			wl_resp_set(resp, "Access-Control-Allow-Headers",
			    asked);
	}
	return wl_resp_send(resp, 204, NULL, NULL, 0);
}
