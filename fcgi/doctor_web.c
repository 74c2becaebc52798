/*
 * What the web server in front does to requests, bodies and streams.
 */
#include "config.h"
#include "fcgi/doctor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/doctor_stream.h"
#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/json.h"

#define AREA		"web server"
#define MIB		((int64_t)1024 * 1024)
#define BODY_DEFAULT	(32 * MIB)	/* max_body where it is not known */
#define BODY_MOST	(64 * MIB)
#define BODY_LEAST	((int64_t)64 * 1024)
#define UPLOAD_MS	120000

/* a stream that shows buffering; nginx and others hold a few KB back */
#define PACE_SECONDS	2
#define PACE_EVERY	200
#define HELD_MS		700
#define TRIES		2

/* Looks like no key that was ever made: its checksum is wrong. */
#define MADE_UP_KEY	"lgw_test_doctor"

static const char *
advice(struct wl_doctor *d, enum wl_web_trouble t, const char *more)
{
	int64_t max_body = d->conf != NULL ? d->conf->max_body : BODY_DEFAULT;
	const char *text;
	struct wl_buf b;

	wl_buf_init(&b, 4096);
	wl_webserver_advise(&b, d->web, t, max_body);
	wl_buf_adds(&b, more);
	text = b.failed ? "" : wl_doctor_text(d, "%s", b.p);
	wl_buf_free(&b);
	return text;
}

static bool
code_is(struct wl_doctor *d, const struct wl_site_seen *s, const char *code)
{
	const char *c = wl_site_code(d->a, s);

	return c != NULL && strcmp(c, code) == 0;
}

static const char *
told(struct wl_doctor *d, const struct wl_site_seen *s)
{
	const char *code = wl_site_code(d->a, s);

	if (code == NULL && s->header[WL_SH_X_REQUEST_ID] != NULL)
		return wl_doctor_text(d, "%d", s->status);
	return wl_doctor_text(d, "%d, %s", s->status,
	    code != NULL ? code : "not by WatchLLM");
}

/* ---- is it there ------------------------------------------------------ */

static void
not_ours(struct wl_doctor *d, const struct wl_site_seen *s)
{
	const char *what = "see the error log of the web server";

	if (s->status == 404)
		what = "the web server does not send /v1, /observability and "
		    "/health to watchllm.fcgi: see conf/ for its kind";
	else if (s->status == 502 || s->status == 503 || s->status == 504)
		what = "is watchllm.fcgi running, is its socket the one that "
		    "the web server has, and may it be opened (listen_mode)?";
	else if (s->status >= 300 && s->status < 400)
		what = "give the address that it redirects to";
	wl_doctor_add(d, AREA, "reachable", WL_GRADE_FAIL, what,
	    "GET %s/v1/health: %s", d->site.base, told(d, s));
}

static bool
reachable(struct wl_doctor *d)
{
	const struct wl_site_ask ask = { .path = "/v1/health",
	    .timeout_ms = 20000 };
	struct wl_err e = { 0 };
	struct wl_site_seen s;
	const char *server;

	if (wl_site_fetch(d->a, &d->site, &ask, &s, &e) == -1) {
		wl_doctor_add(d, AREA, "reachable", WL_GRADE_FAIL, "is it "
		    "running, and is this its address?", "%s", e.msg);
		return false;
	}
	server = s.header[WL_SH_SERVER];
	if (!d->web_fixed)
		d->web = wl_webserver_by_header(server);
	if (s.header[WL_SH_X_REQUEST_ID] == NULL ||
	    (s.status != 200 && wl_site_code(d->a, &s) == NULL)) {
		not_ours(d, &s);
		return false;
	}
	if (s.status != 200) {
		wl_doctor_add(d, AREA, "reachable", WL_GRADE_FAIL, s.status ==
		    404 ? "base_path is not what the web server mounts it "
		    "under; leave it empty, or see watchllm.conf(5)" : NULL,
		    "GET %s/v1/health: %s", d->site.base, told(d, &s));
		return false;
	}
	wl_doctor_add(d, AREA, "reachable", WL_GRADE_OK, NULL,
	    "%s answers in %" PRId64 " ms", server != NULL ? server :
	    "a server without a name", s.us / 1000);
	return true;
}

/* ---- Authorization ---------------------------------------------------- */

static int
usage(struct wl_doctor *d, const char *key, enum wl_site_auth how,
    struct wl_site_seen *s)
{
	const struct wl_site_ask ask = { .path = "/v1/usage", .key = key,
	    .auth = how };
	struct wl_err e = { 0 };

	if (wl_site_fetch(d->a, &d->site, &ask, s, &e) == 0)
		return 0;
	wl_doctor_add(d, AREA, "authorization", WL_GRADE_FAIL, NULL, "%s",
	    e.msg);
	return -1;
}

/*
 * With a real key: both ways of presenting it must work.
 */
static void
both_ways(struct wl_doctor *d)
{
	struct wl_site_seen bearer, header;

	if (usage(d, d->key, WL_SITE_BEARER, &bearer) == -1 ||
	    usage(d, d->key, WL_SITE_X_API_KEY, &header) == -1)
		return;
	if (code_is(d, &bearer, "missing_api_key"))
		wl_doctor_add(d, AREA, "authorization", WL_GRADE_FAIL,
		    advice(d, WL_WT_AUTH, ""), "Authorization does not arrive"
		    " (with x-api-key: %s)", told(d, &header));
	else if (bearer.status != 200)
		wl_doctor_add(d, AREA, "authorization", WL_GRADE_FAIL,
		    bearer.status == 401 ? "give a key that is in use" : NULL,
		    "GET /v1/usage with the key: %s", told(d, &bearer));
	else if (header.status != 200)
		wl_doctor_add(d, AREA, "authorization", WL_GRADE_WARN,
		    "let x-api-key pass: clients of Anthropic's API send it",
		    "Authorization arrives, x-api-key does not");
	else
		wl_doctor_add(d, AREA, "authorization", WL_GRADE_OK, NULL,
		    "Authorization and x-api-key arrive");
}

/*
 * Without one: what is said of a key that nobody has tells enough.
 */
static void
made_up(struct wl_doctor *d)
{
	struct wl_site_seen s;

	if (usage(d, MADE_UP_KEY, WL_SITE_BEARER, &s) == -1)
		return;
	if (code_is(d, &s, "missing_api_key"))
		wl_doctor_add(d, AREA, "authorization", WL_GRADE_FAIL,
		    advice(d, WL_WT_AUTH, ""),
		    "Authorization does not arrive");
	else if (code_is(d, &s, "invalid_api_key"))
		wl_doctor_add(d, AREA, "authorization", WL_GRADE_OK, NULL,
		    "Authorization arrives (tried with a key that is none)");
	else
		wl_doctor_add(d, AREA, "authorization", WL_GRADE_FAIL, NULL,
		    "GET /v1/usage with a key that is none: %s", told(d, &s));
}

/* ---- body ------------------------------------------------------------- */

/*
 * Send N bytes that are no JSON: with a key to a route that reads them and
 * then refuses them without a debit, else to one that takes no body.  True
 * when WatchLLM answered.  Its answer is not read to the end: Apache does not
 * give it while a client, told no, sends no more.
 */
static bool
upload(struct wl_doctor *d, const char *spaces, int64_t n,
    struct wl_site_seen *s, struct wl_err *e)
{
	const struct wl_site_ask ask = {
		.path = d->key != NULL ? "/v1/chat/completions" :
		    "/v1/health",
		.key = d->key, .auth = WL_SITE_X_API_KEY, .body = spaces,
		.body_len = (size_t)n, .timeout_ms = UPLOAD_MS };

	return wl_site_look(d->a, &d->site, &ask, s, e) == 0 &&
	    s->header[WL_SH_X_REQUEST_ID] != NULL;
}

/*
 * What came of it, in words.
 */
static const char *
refusal(struct wl_doctor *d, const struct wl_site_seen *s,
    const struct wl_err *e)
{
	return s->status == 0 ? e->msg : wl_doctor_text(d,
	    "%d, not by WatchLLM", s->status);
}

static void
body_refused(struct wl_doctor *d, const char *spaces, int64_t n,
    const struct wl_site_seen *first, const struct wl_err *e)
{
	struct wl_err small = { 0 };
	int64_t passes = 0, size;
	struct wl_site_seen s;

	for (size = BODY_LEAST; size < n; size *= 2) {
		if (!upload(d, spaces, size, &s, &small))
			break;
		passes = size;
	}
	if (passes == 0 && !upload(d, spaces, 512, &s, &small)) {
		wl_doctor_add(d, AREA, "body", WL_GRADE_FAIL,
		    "see the error log of the web server",
		    "POST with a body of 512 bytes: %s", refusal(d, &s,
		    &small));
		return;
	}
	wl_doctor_add(d, AREA, "body", WL_GRADE_FAIL,
	    advice(d, WL_WT_BODY, ""), "a body of %" PRId64 " KB does not "
	    "pass (%s)%s", n / 1024, refusal(d, first, e), passes == 0 ? "" :
	    wl_doctor_text(d, "; %" PRId64 " KB does", passes / 1024));
}

/*
 * Without a key the answer may be there before the web server has looked at
 * the body, where it passes bodies on as they come.
 */
static bool
proves_nothing(const struct wl_doctor *d)
{
	return d->key == NULL && (d->web == WL_WEB_UNKNOWN ||
	    d->web == WL_WEB_APACHE || d->web == WL_WEB_APACHE_PROXY);
}

static void
body(struct wl_doctor *d)
{
	int64_t max = d->conf != NULL ? d->conf->max_body : BODY_DEFAULT;
	int64_t n = (max < BODY_MOST ? max : BODY_MOST) - 1024;
	struct wl_err e = { 0 };
	struct wl_site_seen s;
	char *spaces;

	if (n <= 0 || (spaces = malloc((size_t)n)) == NULL)
		return;
	memset(spaces, ' ', (size_t)n);
	if (!upload(d, spaces, n, &s, &e))
		body_refused(d, spaces, n, &s, &e);
	else if (s.status == 413)
		wl_doctor_add(d, AREA, "body", WL_GRADE_FAIL, "the workers "
		    "have another max_body than this configuration: is it "
		    "theirs, and were they told of its change (SIGHUP)?",
		    "WatchLLM refuses a body of %" PRId64 " KB", n / 1024);
	else if (proves_nothing(d))
		wl_doctor_add(d, AREA, "body", WL_GRADE_SKIP,
		    "give a project's key", "whether a body of %" PRId64
		    " KB passes cannot be seen without a key", n / 1024);
	else
		wl_doctor_add(d, AREA, "body", WL_GRADE_OK, NULL,
		    "a body of %" PRId64 " KB passes%s", n / 1024,
		    n < max - 1024 ? "; more was not tried" : "");
	free(spaces);
}

/* ---- streams ----------------------------------------------------------- */

/*
 * Why there is no stream to look at.  True: there is one.
 */
static bool
has_stream(struct wl_doctor *d, const struct wl_doctor_stream *st)
{
	if (st->seen.status == 200 && st->n > 0)
		return true;
	if (st->seen.status == 401 || st->seen.status == 403)
		wl_doctor_add(d, AREA, "streams", WL_GRADE_SKIP, "set "
		    "operator_token_file, or give --operator-token-file",
		    d->token == NULL ? "streams are only shown to an "
		    "operator's token" : "the operator's token is refused");
	else
		wl_doctor_add(d, AREA, "streams", WL_GRADE_FAIL, NULL,
		    "GET /v1/health/detailed as a stream: %s",
		    st->seen.status == 0 ? st->err.msg : st->seen.status ==
		    200 ? "nothing came" : told(d, &st->seen));
	return false;
}

static void
buffering(struct wl_doctor *d, const struct wl_doctor_stream *st,
    int64_t held)
{
	if (!st->ended)
		wl_doctor_add(d, AREA, "streams", WL_GRADE_FAIL,
		    advice(d, WL_WT_IDLE, ""), "a stream of %d s was cut "
		    "after %" PRId64 " ms", PACE_SECONDS, st->over_ms);
	else if (held > HELD_MS)
		wl_doctor_add(d, AREA, "streams", WL_GRADE_FAIL,
		    advice(d, WL_WT_BUFFERED, ""), "events were held back for "
		    "%" PRId64 " ms: users see nothing until the end", held);
	else
		wl_doctor_add(d, AREA, "streams", WL_GRADE_OK, NULL,
		    "events arrive as they are sent, at most %" PRId64
		    " ms late", held);
}

/*
 * A machine under load may be late by itself: what is held back is late
 * again.
 */
static bool
streams(struct wl_doctor *d)
{
	struct wl_doctor_stream st;
	int64_t held = 0, least = -1;
	int i;

	for (i = 0; i < TRIES; i++) {
		wl_doctor_stream(d, PACE_SECONDS, PACE_EVERY, NULL, &st);
		if (i == 0 && !has_stream(d, &st))
			return false;
		held = wl_webserver_held(st.sent, st.came, st.n);
		if (least == -1 || held < least)
			least = held;
		if (least <= HELD_MS && st.ended)
			break;
	}
	if (!d->web_fixed && st.software != NULL)
		d->web = wl_webserver_by_worker(st.software, st.cgi,
		    st.proxied);
	buffering(d, &st, least);
	return true;
}

static void
compression(struct wl_doctor *d)
{
	struct wl_doctor_stream st;
	const char *encoding;

	wl_doctor_stream(d, 1, 500, "gzip, deflate, br", &st);
	if (st.seen.status != 200)
		return;
	encoding = st.seen.header[WL_SH_CONTENT_ENCODING];
	if (encoding == NULL || strcmp(encoding, "identity") == 0)
		wl_doctor_add(d, AREA, "compression", WL_GRADE_OK, NULL,
		    "streams are not compressed");
	else
		wl_doctor_add(d, AREA, "compression", WL_GRADE_WARN,
		    advice(d, WL_WT_GZIP, ""), "streams are compressed (%s): "
		    "events may come late and in lumps", encoding);
}

static void
silence(struct wl_doctor *d)
{
	int64_t want = d->conf != NULL ? d->conf->first_byte_timeout / 1000 :
	    600, quiet;
	struct wl_doctor_stream st;

	if (d->silence == 0) {
		wl_doctor_add(d, AREA, "silence", WL_GRADE_SKIP,
		    "--long SECONDS tries it", "how long a silent answer is "
		    "kept open was not tried");
		return;
	}
	wl_doctor_stream(d, d->silence, 300000, NULL, &st);
	if (st.seen.status != 200 || st.n == 0) {
		wl_doctor_add(d, AREA, "silence", WL_GRADE_FAIL, NULL,
		    "no stream to try it with: %s", st.err.msg);
		return;
	}
	quiet = st.over_ms - st.last_ms;
	if (!st.ended)
		wl_doctor_add(d, AREA, "silence", WL_GRADE_FAIL,
		    advice(d, WL_WT_IDLE, ""), "an answer was cut within %"
		    PRId64 " s of silence; first_byte_timeout lets providers "
		    "be silent for %" PRId64 " s", (quiet + 500) / 1000, want);
	else
		wl_doctor_add(d, AREA, "silence", WL_GRADE_OK, NULL,
		    "an answer survives %" PRId64 " s of silence%s",
		    d->silence, d->silence < want ? "; longer was not tried" :
		    "");
}

void
wl_doctor_web(struct wl_doctor *d)
{
	bool streaming;

	if (!reachable(d))
		return;
	/* it also tells which module of a web server calls the worker */
	streaming = streams(d);
	if (d->key != NULL)
		both_ways(d);
	else
		made_up(d);
	body(d);
	if (!streaming)
		return;
	compression(d);
	silence(d);
}
