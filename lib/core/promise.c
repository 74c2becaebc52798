/*
 * Judging a running server by what its callers are promised.
 */
#include "config.h"
#include "lib/core/promise.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/num.h"
#include "lib/base/rand.h"

/* Seconds that a Date header, which has no fraction, may be off. */
#define SLACK		2
#define MINUTE		60
#define MESSAGE_MAX	256

static void __attribute__((format(printf, 2, 3)))
complain(struct wl_buf *wrong, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (wrong->len > 0)
		wl_buf_adds(wrong, "; ");
	wl_buf_adds(wrong, text);
}

/* ---- GET /v1/usage -------------------------------------------------- */

static bool
read_limit(struct json_object *o, const char *key, struct wl_promise_limit *l)
{
	struct json_object *row = wl_json_obj(o, key);
	struct wl_str window;

	*l = (struct wl_promise_limit){ .there = row != NULL };
	if (row == NULL)
		return true;
	l->sliding = wl_json_str(row, "window", &window) &&
	    wl_str_eq(window, "sliding");
	return wl_json_int(row, "limit", &l->limit) &&
	    wl_json_int(row, "used", &l->used) &&
	    wl_json_int(row, "remaining", &l->remaining) &&
	    wl_json_int(row, "resetAt", &l->reset);
}

int
wl_promise_read(struct wl_arena *a, struct wl_str body,
    struct wl_promise_usage *u)
{
	struct json_object *o = wl_json_parse(a, body.p, body.len, NULL);
	struct json_object *key = wl_json_obj(o, "keyLimits");
	struct wl_str plan;
	int64_t n;

	if (!wl_json_str(o, "plan", &plan) ||
	    !read_limit(o, "rateLimit", &u->minute) ||
	    !read_limit(o, "quota", &u->month) ||
	    !read_limit(key, "rateLimit", &u->key_minute) ||
	    !read_limit(key, "quota", &u->key_month))
		return -1;
	u->concurrent = -1;
	(void)wl_json_int(wl_json_obj(o, "concurrency"), "limit",
	    &u->concurrent);
	if (wl_json_int(wl_json_obj(key, "concurrency"), "limit", &n) &&
	    (u->concurrent < 0 || n < u->concurrent))
		u->concurrent = n;
	u->plan = wl_arena_dup(a, plan.p, plan.len);
	return u->plan == NULL ? -1 : 0;
}

static const struct wl_promise_limit *
first_of(const struct wl_promise_limit *plan,
    const struct wl_promise_limit *key)
{
	if (!plan->there || !key->there)
		return plan->there ? plan : key->there ? key : NULL;
	if (key->remaining != plan->remaining)
		return key->remaining < plan->remaining ? key : plan;
	return key->limit < plan->limit ? key : plan;
}

const struct wl_promise_limit *
wl_promise_minute(const struct wl_promise_usage *u)
{
	return first_of(&u->minute, &u->key_minute);
}

const struct wl_promise_limit *
wl_promise_month(const struct wl_promise_usage *u)
{
	return first_of(&u->month, &u->key_month);
}

/* ---- headers -------------------------------------------------------- */

int64_t
wl_promise_number(const struct wl_site_seen *s, enum wl_site_header h)
{
	const char *v = s->header[h];
	int64_t n;

	if (v == NULL || wl_num_parse(v, strlen(v), 0, INT64_MAX, &n) == -1)
		return -1;
	return n;
}

/*
 * The same, told of when it is no number.
 */
static int64_t
need(struct wl_buf *wrong, const struct wl_site_seen *s,
    enum wl_site_header h)
{
	int64_t n = wl_promise_number(s, h);

	if (s->header[h] == NULL)
		complain(wrong, "%s is missing", wl_site_header_name(h));
	else if (n == -1)
		complain(wrong, "%s is no number: %.40s",
		    wl_site_header_name(h), s->header[h]);
	return n;
}

/*
 * The parameter KEY of item "NAME" in a list such as
 * "minute";q=10;w=60, "month";q=50000;w=2678400.
 */
static bool
item(const char *list, const char *name, char key, int64_t *v)
{
	struct wl_str rest = wl_str_of(list), one, part;
	size_t n = strlen(name);

	while (rest.p != NULL) {
		one = wl_str_trim(wl_str_cut(&rest, ','));
		part = wl_str_cut(&one, ';');
		if (part.len != n + 2 || part.p[0] != '"' ||
		    part.p[n + 1] != '"' || memcmp(part.p + 1, name, n) != 0)
			continue;
		while (one.p != NULL) {
			part = wl_str_cut(&one, ';');
			if (part.len > 2 && part.p[0] == key &&
			    part.p[1] == '=')
				return wl_num_parse(part.p + 2, part.len - 2,
				    0, INT64_MAX, v) == 0;
		}
	}
	return false;
}

/*
 * What the two lists of the IETF draft say of one limit: LEFT and SECONDS are
 * for its X- headers.
 */
static void
check_item(struct wl_buf *wrong, const struct wl_site_seen *s,
    const char *name, const struct wl_promise_limit *l, bool month,
    int64_t *left, int64_t *seconds)
{
	int64_t q, w, r, t;

	if (!l->there)
		return;
	if (!item(s->header[WL_SH_RATELIMIT_POLICY], name, 'q', &q) ||
	    !item(s->header[WL_SH_RATELIMIT_POLICY], name, 'w', &w))
		complain(wrong, "RateLimit-Policy does not tell of %s", name);
	else if (q != l->limit)
		complain(wrong, "RateLimit-Policy: %s is %" PRId64 ", GET "
		    "/v1/usage says %" PRId64, name, q, l->limit);
	else if (month ? w < 28 * 86400 || w > 31 * 86400 : w != MINUTE)
		complain(wrong, "RateLimit-Policy: the window of %s is %"
		    PRId64 " s", name, w);
	if (!item(s->header[WL_SH_RATELIMIT], name, 'r', &r) ||
	    !item(s->header[WL_SH_RATELIMIT], name, 't', &t)) {
		complain(wrong, "RateLimit does not tell of %s", name);
	} else if (*left == -1 || r < *left) {
		*left = r;
		*seconds = t;
	}
}

/*
 * The three X- headers of a limit against the lists, which say that LEFT is
 * left for SECONDS, and against the time.
 */
static void
check_three(struct wl_buf *wrong, const struct wl_site_seen *s,
    enum wl_site_header limit, const struct wl_promise_limit *l, int64_t left,
    int64_t seconds)
{
	enum wl_site_header remaining = limit + 1, reset = limit + 2;
	int64_t n = need(wrong, s, limit), r = need(wrong, s, remaining);
	int64_t at = need(wrong, s, reset), now;

	if (n != -1 && n != l->limit)
		complain(wrong, "%s is %" PRId64 ", GET /v1/usage says %"
		    PRId64, wl_site_header_name(limit), n, l->limit);
	if (r != -1 && left != -1 && r != left)
		complain(wrong, "%s is %" PRId64 ", RateLimit says %" PRId64,
		    wl_site_header_name(remaining), r, left);
	now = wl_site_date(s->header[WL_SH_DATE]);
	if (at == -1 || now == -1 || left == -1)
		return;
	now /= 1000;
	if (at < now - SLACK)
		complain(wrong, "%s is %" PRId64 " s ago",
		    wl_site_header_name(reset), now - at);
	else if (at - now > seconds + SLACK || at - now < seconds - SLACK)
		complain(wrong, "%s is in %" PRId64 " s, RateLimit says %"
		    PRId64, wl_site_header_name(reset), at - now, seconds);
}

_Static_assert(WL_SH_X_QUOTA_REMAINING == WL_SH_X_QUOTA_LIMIT + 1 &&
    WL_SH_X_QUOTA_RESET == WL_SH_X_QUOTA_LIMIT + 2 &&
    WL_SH_X_RATELIMIT_REMAINING == WL_SH_X_RATELIMIT_LIMIT + 1 &&
    WL_SH_X_RATELIMIT_RESET == WL_SH_X_RATELIMIT_LIMIT + 2,
    "limit, remaining, reset follow each other");

static void
check_minute(struct wl_buf *wrong, const struct wl_site_seen *s,
    const struct wl_promise_usage *u)
{
	const struct wl_promise_limit *l = wl_promise_minute(u);
	int64_t left = -1, seconds = -1, at;

	if (l == NULL)
		return;
	check_item(wrong, s, "minute", &u->minute, false, &left, &seconds);
	check_item(wrong, s, "key-minute", &u->key_minute, false, &left,
	    &seconds);
	check_three(wrong, s, WL_SH_X_RATELIMIT_LIMIT, l, left, seconds);
	at = wl_promise_number(s, WL_SH_X_RATELIMIT_RESET);
	if (at != -1 && !l->sliding && at % MINUTE != 0)
		complain(wrong, "X-RateLimit-Reset %" PRId64 " is not the "
		    "start of a minute", at);
	if (seconds > MINUTE)
		complain(wrong, "RateLimit: the minute ends in %" PRId64 " s",
		    seconds);
}

static void
check_month(struct wl_buf *wrong, const struct wl_site_seen *s,
    const struct wl_promise_usage *u)
{
	const struct wl_promise_limit *l = wl_promise_month(u);
	int64_t left = -1, seconds = -1, at;

	if (l == NULL)
		return;
	check_item(wrong, s, "month", &u->month, true, &left, &seconds);
	check_item(wrong, s, "key-month", &u->key_month, true, &left,
	    &seconds);
	check_three(wrong, s, WL_SH_X_QUOTA_LIMIT, l, left, seconds);
	at = wl_promise_number(s, WL_SH_X_QUOTA_RESET);
	if (at != -1 && wl_clock_month_start(at * 1000) != at)
		complain(wrong, "X-Quota-Reset %" PRId64 " is not the start "
		    "of a month", at);
}

static void
check_timing(struct wl_buf *wrong, const struct wl_site_seen *s)
{
	static const char *const steps[] = { "auth", "gate", "total" };
	const char *v = s->header[WL_SH_SERVER_TIMING], *at;
	char step[32];
	size_t i;

	if (v == NULL) {
		complain(wrong, "Server-Timing is missing");
		return;
	}
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		snprintf(step, sizeof(step), "%s;dur=", steps[i]);
		at = strstr(v, step);
		if (at == NULL || !isdigit((unsigned char)at[strlen(step)]))
			complain(wrong, "Server-Timing does not tell of %s",
			    steps[i]);
	}
}

void
wl_promise_headers(struct wl_buf *wrong, const struct wl_site_seen *s,
    const struct wl_promise_usage *u)
{
	const char *id = s->header[WL_SH_X_REQUEST_ID];

	if (id == NULL || !wl_uuid_valid(id, strlen(id)))
		complain(wrong, id == NULL ? "X-Request-Id is missing" :
		    "X-Request-Id is no UUID");
	if (s->header[WL_SH_X_WATCHLLM_LIMITER] != NULL)
		complain(wrong, "the limiter is away "
		    "(X-WatchLLM-Limiter: %.40s)",
		    s->header[WL_SH_X_WATCHLLM_LIMITER]);
	check_minute(wrong, s, u);
	check_month(wrong, s, u);
	check_timing(wrong, s);
}

static void
same(struct wl_buf *wrong, const struct wl_site_seen *s,
    enum wl_site_header h, int64_t usage)
{
	int64_t n = wl_promise_number(s, h);

	if (n != -1 && n != usage)
		complain(wrong, "%s is %" PRId64 ", GET /v1/usage says %"
		    PRId64, wl_site_header_name(h), n, usage);
}

void
wl_promise_agrees(struct wl_buf *wrong, const struct wl_site_seen *s,
    const struct wl_promise_usage *u)
{
	const struct wl_promise_limit *l = wl_promise_minute(u);

	/* in another minute nothing can be compared */
	if (l != NULL && (l->sliding || l->reset ==
	    wl_promise_number(s, WL_SH_X_RATELIMIT_RESET)))
		same(wrong, s, WL_SH_X_RATELIMIT_REMAINING, l->remaining);
	if ((l = wl_promise_month(u)) != NULL) {
		/* what failed is given back when its headers have left */
		if (s->status == 200 || s->status == 429)
			same(wrong, s, WL_SH_X_QUOTA_REMAINING, l->remaining);
		same(wrong, s, WL_SH_X_QUOTA_RESET, l->reset);
	}
}

static bool
is_usd(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && s[n] == '.' && strlen(s + n + 1) == 9 &&
	    strspn(s + n + 1, "0123456789") == 9;
}

void
wl_promise_answer(struct wl_buf *wrong, const struct wl_site_seen *s)
{
	static const char *const words[] = { "MISS", "HIT", "HIT-CANONICAL",
	    "HIT-SEMANTIC", "HIT-COALESCED", "BYPASS" };
	const char *cache = s->header[WL_SH_X_WATCHLLM_CACHE];
	const char *provider = s->header[WL_SH_X_WATCHLLM_PROVIDER];
	const char *usd = s->header[WL_SH_X_WATCHLLM_COST_USD];
	size_t i, n = sizeof(words) / sizeof(words[0]);

	for (i = 0; cache != NULL && i < n && strcmp(cache, words[i]) != 0;
	    i++)
		;
	if (cache == NULL || i == n)
		complain(wrong, "X-WatchLLM-Cache is %.40s",
		    cache == NULL ? "missing" : cache);
	need(wrong, s, WL_SH_X_WATCHLLM_LATENCY_MS);
	if (provider == NULL || provider[0] == '\0')
		complain(wrong, "X-WatchLLM-Provider is missing");
	/* absent when the price is not known */
	if (usd != NULL && !is_usd(usd))
		complain(wrong, "X-WatchLLM-Cost-USD is %.40s", usd);
	if (s->header[WL_SH_RETRY_AFTER] != NULL)
		complain(wrong, "Retry-After on an answer");
}

/* ---- the refusal ----------------------------------------------------- */

/*
 * That O has exactly the members NAMES, ended by NULL.
 */
static void
members(struct wl_buf *wrong, struct json_object *o, const char *where,
    const char *const *names)
{
	int n = 0;

	for (; names[n] != NULL; n++)
		if (!wl_json_has(o, names[n]))
			complain(wrong, "%s%s%s is missing in the body",
			    where, where[0] != '\0' ? "." : "", names[n]);
	if (o != NULL && json_object_object_length(o) > n)
		complain(wrong, "the body has more than promised%s%s",
		    where[0] != '\0' ? " in " : "", where);
}

static void
text_is(struct wl_buf *wrong, struct json_object *o, const char *key,
    const char *want)
{
	struct wl_str s;

	if (wl_json_str(o, key, &s) && !wl_str_eq(s, want))
		complain(wrong, "%s is \"%.*s\"", key,
		    (int)(s.len > 100 ? 100 : s.len), s.p);
}

static void
number_is(struct wl_buf *wrong, struct json_object *o, const char *key,
    int64_t want, const char *source)
{
	int64_t n;

	if (!wl_json_has(o, key) || want == -1)
		return;
	if (!wl_json_int(o, key, &n))
		complain(wrong, "details.%s is no whole number", key);
	else if (n != want)
		complain(wrong, "details.%s is %" PRId64 ", %s says %" PRId64,
		    key, n, source, want);
}

static void
message(char out[MESSAGE_MAX], const struct wl_promise_limit *l,
    const struct wl_promise_usage *u)
{
	const char *s = l->limit == 1 ? "" : "s";

	if (l == &u->key_minute)
		snprintf(out, MESSAGE_MAX, "Rate limit exceeded. You can make "
		    "%" PRId64 " request%s per minute with this API key.",
		    l->limit, s);
	else
		snprintf(out, MESSAGE_MAX, "Rate limit exceeded. You can make "
		    "%" PRId64 " request%s per minute on the %s plan.",
		    l->limit, s, u->plan);
}

void
wl_promise_refusal(struct wl_arena *a, struct wl_buf *wrong,
    const struct wl_site_seen *s, const struct wl_promise_usage *u)
{
	static const char *const outer[] = { "error", NULL };
	static const char *const inner[] = { "message", "type", "code",
	    "details", NULL };
	static const char *const details[] = { "limit", "remaining",
	    "resetAt", "retryAfter", NULL };
	const struct wl_promise_limit *l = wl_promise_minute(u);
	const char *type = s->header[WL_SH_CONTENT_TYPE];
	struct json_object *o, *error, *d;
	char text[MESSAGE_MAX];

	if (s->status != 429)
		complain(wrong, "the status is %d", s->status);
	if (type == NULL || strcmp(type, "application/json") != 0)
		complain(wrong, "Content-Type is %.40s",
		    type == NULL ? "missing" : type);
	o = wl_json_parse(a, s->body.p, s->body.len, NULL);
	error = wl_json_obj(o, "error");
	d = wl_json_obj(error, "details");
	members(wrong, o, "", outer);
	members(wrong, error, "error", inner);
	members(wrong, d, "details", details);
	text_is(wrong, error, "type", "rate_limit_error");
	text_is(wrong, error, "code", "rate_limit_exceeded");
	if (l == NULL)
		return;
	message(text, l, u);
	text_is(wrong, error, "message", text);
	number_is(wrong, d, "limit", l->limit, "GET /v1/usage");
	number_is(wrong, d, "remaining", 0, "the refusal");
	number_is(wrong, d, "resetAt",
	    wl_promise_number(s, WL_SH_X_RATELIMIT_RESET),
	    "X-RateLimit-Reset");
	number_is(wrong, d, "retryAfter",
	    wl_promise_number(s, WL_SH_RETRY_AFTER), "Retry-After");
}

void
wl_promise_refusal_headers(struct wl_buf *wrong, const struct wl_site_seen *s)
{
	int64_t wait = need(wrong, s, WL_SH_RETRY_AFTER);
	int64_t at = wl_promise_number(s, WL_SH_X_RATELIMIT_RESET), now;

	if (wait == 0 || wait > MINUTE)
		complain(wrong, "Retry-After is %" PRId64, wait);
	now = wl_site_date(s->header[WL_SH_DATE]);
	if (wait != -1 && at != -1 && now != -1 &&
	    (now / 1000 + wait < at - SLACK || now / 1000 + wait > at + SLACK))
		complain(wrong, "Retry-After is %" PRId64 ", X-RateLimit-Reset"
		    " is in %" PRId64 " s", wait, at - now / 1000);
	if (wl_promise_number(s, WL_SH_X_RATELIMIT_REMAINING) > 0)
		complain(wrong, "X-RateLimit-Remaining is %s",
		    s->header[WL_SH_X_RATELIMIT_REMAINING]);
	if (s->header[WL_SH_X_SHOULD_RETRY] != NULL)
		complain(wrong, "X-Should-Retry, though the next minute "
		    "helps");
}
