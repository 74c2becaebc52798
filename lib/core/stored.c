/*
 * A response lies with the provider that made it, and its id does not say
 * which that was: the project's providers are asked, one after the other.
 */
#include "config.h"
#include "lib/core/stored.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/loop.h"
#include "lib/core/auth.h"
#include "lib/core/model.h"
#include "lib/core/provider.h"
#include "lib/core/provider_error.h"
#include "lib/core/provider_openai.h"
#include "lib/http/client.h"

#define ID_MAX		((size_t)128)
#define QUERY_MAX	((size_t)2048)

bool
wl_stored_id(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && n <= ID_MAX && id[n] == '\0';
}

bool
wl_stored_query(const char *query)
{
	size_t i;

	for (i = 0; query[i] != '\0'; i++)
		if (i == QUERY_MAX || query[i] < '!' || query[i] > '~' ||
		    strchr("\"#<>\\^`{|}", query[i]) != NULL)
			return false;
	return true;
}

/*
 * The answer of T: its status, *BODY and *TYPE, or -1 with *E.
 */
static int
ask(struct wl_arena *a, const struct wl_target *t, const struct wl_stored *s,
    struct wl_xfer_opts *o, size_t max, struct wl_result *res,
    const char **type, const char **retry, struct wl_err *e)
{
	const char *headers[] = { "Accept: application/json", NULL, NULL };
	const char *h;
	struct wl_xfer *x;
	struct wl_buf b;
	char *key;
	int status = -1;

	o->url = wl_arena_printf(a, "%s/responses/%s%s%s%s", t->base_url,
	    s->id, s->tail, s->query[0] != '\0' ? "?" : "", s->query);
	if (o->url == NULL || wl_openai_key_header(a, t, &key) == -1)
		return wl_err_memory(e);
	headers[1] = key;
	o->headers = headers;
	o->trust = t->trust;
	if ((x = wl_xfer_start(o, e)) == NULL)
		return -1;
	wl_buf_init(&b, max + 1);
	if (wl_xfer_read(x, max, &b, e) == 0) {
		h = wl_xfer_header(x, "content-type");
		*type = wl_arena_strdup(a, h == NULL ? "application/json" : h);
		h = wl_xfer_header(x, "retry-after");
		*retry = h == NULL ? NULL : wl_arena_strdup(a, h);
		res->raw.p = wl_arena_dup(a, b.p == NULL ? "" : b.p, b.len);
		res->raw.len = b.len;
		status = res->raw.p == NULL || *type == NULL ?
		    wl_err_memory(e) : wl_xfer_status(x);
	}
	wl_buf_free(&b);
	wl_xfer_free(x);
	return status;
}

/*
 * One provider.  1: it has answered, 0: it does not know the id, -1: RES->err
 * says what is wrong.
 */
static int
try_target(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_target *t, const struct wl_stored *s, int64_t deadline,
    struct wl_result *res, const char **type)
{
	struct wl_xfer_opts o = { .method = s->method };
	const char *retry = NULL;
	int status;

	(void)wl_strlcpy(res->provider, t->provider, sizeof(res->provider));
	o.connect_ms = conf->connect_timeout;
	o.first_byte_ms = conf->first_byte_timeout;
	o.between_ms = conf->between_bytes_timeout;
	o.total_ms = deadline - wl_mono_fresh();
	if (o.total_ms <= 0)
		return wl_err_set(&res->err, WL_E_UPSTREAM_TIMEOUT, NULL);
	status = ask(a, t, s, &o, (size_t)conf->max_response, res, type,
	    &retry, &res->err);
	if (status == -1)
		return -1;
	if (status >= 200 && status <= 299) {
		res->http = status;
		return 1;
	}
	if (status == 404 || status == 405)
		return 0;
	t->wire->error(a, t, status, res->raw, res);
	(void)wl_provider_error_map(res, t, status, retry);
	return -1;
}

/*
 * The project's default comes first, for most have but one.
 */
static int
order(struct wl_target *t, int n, const char *first)
{
	struct wl_target swap;
	int i, k = 0;

	for (i = 0; i < n; i++)
		if ((t[i].wire->native & WL_APIS(WL_API_RESPONSES)) != 0)
			t[k++] = t[i];
	for (i = 1; i < k; i++)
		if (strcmp(t[i].provider, first) == 0) {
			swap = t[0];
			t[0] = t[i];
			t[i] = swap;
		}
	return k;
}

int
wl_stored_run(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_auth *auth, const struct wl_keyring *keys,
    const struct wl_stored *s, struct wl_result *res, const char **type,
    struct wl_err *e)
{
	int64_t deadline = wl_mono_fresh() + conf->total_timeout;
	struct wl_err kept = { .code = WL_OK };
	struct wl_str words = { NULL, 0 };
	struct wl_target t[WL_PROVIDERS];
	int i, n, rc;

	n = wl_model_providers(a, conf, auth, keys, s->provider_key, t, e);
	if (n == -1)
		return -1;
	if ((n = order(t, n, auth->default_provider)) == 0)
		return wl_err_set(e, WL_E_BYOK_REQUIRED, NULL);
	for (i = 0; i < n; i++) {
		memset(&res->err, 0, sizeof(res->err));
		res->refusal = (struct wl_str){ NULL, 0 };
		rc = try_target(a, conf, &t[i], s, deadline, res, type);
		if (rc == 1)
			return 0;
		/* a server that needs no key may not even be there */
		if (rc == 0 || (t[i].key[0] == '\0' && strcmp(t[i].provider,
		    auth->default_provider) != 0 &&
		    res->err.code != WL_E_CLIENT_CLOSED))
			continue;
		if (kept.code == WL_OK) {
			kept = res->err;
			words = res->refusal;
		}
		if (res->err.code == WL_E_CLIENT_CLOSED)
			break;
	}
	res->refusal = words;
	*e = kept;
	if (kept.code != WL_OK)
		return -1;
	return wl_err_set(e, WL_E_NOT_FOUND, "No provider of the project has a "
	    "response with this id.");
}
