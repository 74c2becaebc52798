/*
 * Requests to Bedrock: signed with a pair of keys, or with a key of its own
 * as bearer token.
 */
#include "config.h"
#include "lib/core/provider_bedrock.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/jw.h"
#include "lib/core/chat_in.h"
#include "lib/core/model.h"
#include "lib/core/provider_openai.h"
#include "lib/http/sigv4.h"

#define TYPE	"application/json"

/*
 * The region that a host like bedrock-runtime.eu-west-1.amazonaws.com names;
 * us-east-1 where it names none.
 */
static const char *
region_of(struct wl_arena *a, const char *url)
{
	static const char *const marks[] = { "bedrock-runtime.",
	    "bedrock-runtime-fips." };
	const char *p;
	size_t i, n;

	for (i = 0; i < 2; i++)
		if ((p = strstr(url, marks[i])) != NULL) {
			p += strlen(marks[i]);
			n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-");
			if (n > 0)
				return wl_arena_dup(a, p, n);
		}
	return "us-east-1";
}

/*
 * "ACCESS:SECRET" or "ACCESS:SECRET:SESSION".
 */
static bool
split_key(const char *key, struct wl_sigv4 *k)
{
	struct wl_str rest = wl_str_of(key);

	k->access = wl_str_cut(&rest, ':');
	k->secret = wl_str_cut(&rest, ':');
	k->session = rest.p == NULL ? WL_STR("") : rest;
	return k->access.len > 0 && k->secret.len > 0;
}

static int
sign(struct wl_arena *a, const struct wl_target *t, struct wl_upcall *u,
    struct wl_err *e)
{
	struct wl_sigv4 k = { .service = "bedrock",
	    .now_ms = wl_clock_ms() };
	struct wl_sigv4_headers h;
	const char **v;
	int n = 0;

	if (!split_key(t->key, &k)) {
		wl_err_set(e, WL_E_UPSTREAM_CREDENTIALS, NULL);
		return wl_err_detail(e, "%s: the key is not ACCESS:SECRET or "
		    "ACCESS:SECRET:SESSION", t->provider);
	}
	k.region = region_of(a, t->base_url);
	while (u->headers[n] != NULL)
		n++;
	v = wl_arena_alloc(a, (size_t)(n + 4) * sizeof(*v));
	if (k.region == NULL || v == NULL ||
	    wl_sigv4_sign(a, &k, u->url, TYPE, u->body, &h) == -1)
		return wl_err_memory(e);
	memcpy(v, u->headers, (size_t)n * sizeof(*v));
	v[n++] = h.authorization;
	v[n++] = h.date;
	v[n++] = h.token;
	v[n] = NULL;
	u->headers = v;
	return 0;
}

static int
request(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, struct wl_upcall *u,
    struct wl_err *e)
{
	const char *model = wl_provider_segment(a, t->model);
	struct wl_buf b;
	struct wl_jw w;
	int rc;

	memset(u, 0, sizeof(*u));
	if (model == NULL)
		return wl_chat_in_bad(e, "model", "is no name of a model");
	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	rc = wl_bedrock_chat(a, ask, &w, e);
	if (rc == 0) {
		u->url = wl_arena_printf(a, "%s/model/%s/%s", t->base_url,
		    model, ask->stream ? "converse-stream" : "converse");
		if (u->url == NULL || wl_provider_body(a, &b, u) == -1 ||
		    wl_provider_headers(a, ask, t, request_id, NULL, u) == -1)
			rc = wl_err_memory(e);
	}
	wl_buf_free(&b);
	if (rc == 0 && t->key[0] != '\0' && strcmp(t->auth, "sigv4") == 0)
		rc = sign(a, t, u, e);
	return rc;
}

static void
skimmed(const struct wl_ask *ask, struct wl_str head, struct wl_result *res)
{
	(void)ask;
	(void)head;
	(void)res;
}

/*
 * Its models are listed by another host.
 */
static int
list(struct wl_arena *a, const struct wl_target *t, struct wl_upcall *u,
    struct wl_err *e)
{
	(void)a;
	memset(u, 0, sizeof(*u));
	wl_err_set(e, WL_E_UPSTREAM, NULL);
	return wl_err_detail(e, "%s: the host has no list of models",
	    t->provider);
}

static int
listed(struct wl_arena *a, struct wl_str body, struct wl_model_item **v,
    int *n)
{
	(void)a;
	(void)body;
	(void)v;
	*n = 0;
	return -1;
}

const struct wl_provider wl_provider_bedrock = {
	.wire = "bedrock",
	.apis = WL_APIS(WL_API_CHAT),
	.can = WL_CAN_AUDIO | WL_CAN_FILES | WL_CAN_IMAGES |
	    WL_CAN_JSON_SCHEMA | WL_CAN_STOP | WL_CAN_TOOLS,
	.stream_type = "application/vnd.amazon.eventstream",
	.request = request,
	.answer = wl_bedrock_answer,
	.chunk = wl_bedrock_chunk,
	.ended = wl_bedrock_ended,
	.unframe = wl_bedrock_unframe,
	.skimmed = skimmed,
	.error = wl_openai_error,
	.list = list,
	.listed = listed,
};
