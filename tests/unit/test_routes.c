/*
 * The route table: every row, and what is no row.
 */
#include "config.h"
#include "fcgi/ctx.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/worker.h"
#include "lib/base/arena.h"
#include "tests/unit/tap.h"

/* instead of the worker, which carries requests */
struct wl_worker wl_worker;

/*
 * Who may do what, once more and by hand: a row whose policy is changed must
 * be changed here too.
 */
static const struct {
	enum wl_method	 method;
	const char	*path;
	enum wl_who	 who;
	unsigned	 scope;
	enum wl_limiter	 limiter;
	bool		 body;
} want[] = {
	{ WL_GET, "/health", WL_WHO_OPEN, 0, WL_LIMITER_NONE, false },
	{ WL_GET, "/observability/health", WL_WHO_OPEN, 0, WL_LIMITER_NONE,
	    false },
	{ WL_GET, "/observability/prometheus", WL_WHO_OPERATOR, 0,
	    WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/admin/audit", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/admin/audit/verify", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/admin/keys", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/admin/keys", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/keys/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_DELETE, "/v1/admin/keys/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/admin/keys/{id}/rotate", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/plans", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/admin/plans", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/plans/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_PATCH, "/v1/admin/plans/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/prices", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/admin/prices", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/projects", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/admin/projects", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/projects/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_PATCH, "/v1/admin/projects/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/provider-keys", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/admin/provider-keys", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/admin/provider-keys/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_DELETE, "/v1/admin/provider-keys/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/admin/usage", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/admin/usage/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, false },
	{ WL_PATCH, "/v1/admin/usage/{id}", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_POST, "/v1/admin/usage/{id}/add", WL_WHO_ADMIN, 0,
	    WL_LIMITER_NONE, true },
	{ WL_POST, "/v1/audio/speech", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/audio/transcriptions", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/audio/translations", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/billing/stripe", WL_WHO_OPEN, 0, WL_LIMITER_NONE,
	    true },
	{ WL_DELETE, "/v1/cache/entries/{id}", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/cache/feedback", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, true },
	{ WL_POST, "/v1/cache/purge", WL_WHO_KEY, WL_SCOPE_ADMIN,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/cache/stats", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/chat/completions", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/completions", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/embeddings", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/estimate", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, true },
	{ WL_GET, "/v1/health", WL_WHO_OPEN, 0, WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/health/detailed", WL_WHO_OPERATOR, 0, WL_LIMITER_NONE,
	    false },
	{ WL_POST, "/v1/images/edits", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/images/generations", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/images/variations", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/messages", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/messages/count_tokens", WL_WHO_KEY,
	    WL_SCOPE_GATEWAY, WL_LIMITER_GATEWAY, true },
	{ WL_GET, "/v1/models", WL_WHO_KEY, WL_SCOPE_GATEWAY, WL_LIMITER_NONE,
	    false },
	{ WL_GET, "/v1/models/{model}", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/rerank", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_POST, "/v1/responses", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_GATEWAY, true },
	{ WL_GET, "/v1/responses/{id}", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, false },
	{ WL_DELETE, "/v1/responses/{id}", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, false },
	{ WL_POST, "/v1/responses/{id}/cancel", WL_WHO_KEY, WL_SCOPE_GATEWAY,
	    WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/responses/{id}/input_items", WL_WHO_KEY,
	    WL_SCOPE_GATEWAY, WL_LIMITER_NONE, false },
	{ WL_GET, "/v1/usage", WL_WHO_KEY, 0, WL_LIMITER_NONE, false },
};
#define WANT	(sizeof(want) / sizeof(want[0]))

static struct wl_arena	*arena;
static struct wl_err	 err;
static char		*id, allow[64];

static const struct wl_route *
find(enum wl_method method, const char *path)
{
	memset(&err, 0, sizeof(err));
	return wl_route_find(arena, method, path, &id, allow, &err);
}

static void
rows(void)
{
	const struct wl_route *r;
	size_t n = 0;

	for (r = wl_routes; r->path != NULL; r++, n++) {
		CU_ASSERT_FATAL(n < WANT);
		CU_ASSERT_STRING_EQUAL(r->path, want[n].path);
		CU_ASSERT_EQUAL(r->method, want[n].method);
		CU_ASSERT_EQUAL(r->who, want[n].who);
		CU_ASSERT_EQUAL(r->scope, want[n].scope);
		CU_ASSERT_EQUAL(r->limiter, want[n].limiter);
		CU_ASSERT_EQUAL(r->max_body != 0, want[n].body);
		CU_ASSERT_EQUAL(r->api != WL_API_MAX,
		    want[n].limiter == WL_LIMITER_GATEWAY);
		CU_ASSERT_PTR_NOT_NULL(r->handler);
		CU_ASSERT(r->help != NULL && r->help[0] != '\0');
		CU_ASSERT_PTR_EQUAL(find(r->method, r->path), r);
	}
	CU_ASSERT_EQUAL(n, WANT);
}

/*
 * A piece ends at a slash, but for the name of a model.
 */
static void
pieces(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(find(WL_GET, "/v1/models/gpt-4o"));
	CU_ASSERT_STRING_EQUAL(id, "gpt-4o");
	CU_ASSERT_PTR_NOT_NULL_FATAL(find(WL_HEAD, "/v1/models/a/b/c:free"));
	CU_ASSERT_STRING_EQUAL(id, "a/b/c:free");
	CU_ASSERT_PTR_NOT_NULL_FATAL(find(WL_POST, "/v1/responses/r/cancel"));
	CU_ASSERT_STRING_EQUAL(id, "r");
	CU_ASSERT_STRING_EQUAL(allow, "POST, OPTIONS");
	CU_ASSERT_PTR_NULL(find(WL_GET, "/v1/responses/r/other"));
	CU_ASSERT_EQUAL(err.code, WL_E_NOT_FOUND);
	CU_ASSERT_PTR_NOT_NULL_FATAL(find(WL_POST,
	    "/v1/admin/keys/k1/rotate"));
	CU_ASSERT_STRING_EQUAL(id, "k1");
	CU_ASSERT_PTR_NOT_NULL_FATAL(find(WL_DELETE, "/v1/admin/keys/k1"));
	CU_ASSERT_STRING_EQUAL(id, "k1");
	CU_ASSERT_PTR_NULL(find(WL_DELETE, "/v1/admin/keys/k1/"));
	CU_ASSERT_PTR_NULL(find(WL_DELETE, "/v1/admin/keys/k1/rotate"));
	CU_ASSERT_EQUAL(err.code, WL_E_METHOD);
	CU_ASSERT_STRING_EQUAL(allow, "POST, OPTIONS");
	CU_ASSERT_PTR_NOT_NULL_FATAL(find(WL_GET, "/v1/models"));
	CU_ASSERT_PTR_NULL(id);
}

static void
in_order(void)
{
	const struct wl_route *r;

	for (r = wl_routes + 1; r->path != NULL; r++)
		CU_ASSERT(strcmp(r[-1].path, r->path) < 0 ||
		    (strcmp(r[-1].path, r->path) == 0 &&
		    r[-1].method < r->method));
}

static void
unknown(void)
{
	static const char *const paths[] = {
		"", "/", "/v1", "/v1/", "/v1/usage/", "/v1/usage/x",
		"/V1/usage", "/v1/chat", "/v1/chat/completions/",
		"/observability/debug-sentry", "/v1/admin", "v1/usage",
		"/health/detailed", "/v1/models/", "/v1/modelsx"
	};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		CU_ASSERT_PTR_NULL(find(WL_GET, paths[i]));
		CU_ASSERT_EQUAL(err.code, WL_E_NOT_FOUND);
		CU_ASSERT_STRING_EQUAL(allow, "");
		/* nor does OPTIONS make one of them exist */
		CU_ASSERT_PTR_NULL(find(WL_OPTIONS, paths[i]));
	}
}

/*
 * The first row of PATH for M, or NULL.
 */
static const struct wl_route *
row_for(const char *path, enum wl_method m)
{
	const struct wl_route *r;

	for (r = wl_routes; r->path != NULL; r++)
		if (strcmp(r->path, path) == 0 && (m == r->method ||
		    m == WL_OPTIONS || (m == WL_HEAD && r->method == WL_GET)))
			return r;
	return NULL;
}

static void
wrong_method(void)
{
	const struct wl_route *r;
	char word[16];
	int m;

	for (r = wl_routes; r->path != NULL; r++)
		for (m = 0; m < WL_METHOD_MAX; m++) {
			const struct wl_route *want_row =
			    row_for(r->path, (enum wl_method)m);

			if (want_row != NULL) {
				CU_ASSERT_PTR_EQUAL(find((enum wl_method)m,
				    r->path), want_row);
				snprintf(word, sizeof(word), "%s",
				    wl_method_name((enum wl_method)m));
				CU_ASSERT_PTR_NOT_NULL(strstr(allow, word));
				continue;
			}
			CU_ASSERT_PTR_NULL(find((enum wl_method)m, r->path));
			CU_ASSERT_EQUAL(err.code, WL_E_METHOD);
		}
	find(WL_DELETE, "/v1/usage");
	CU_ASSERT_STRING_EQUAL(allow, "GET, HEAD, OPTIONS");
	find(WL_GET, "/v1/embeddings");
	CU_ASSERT_STRING_EQUAL(allow, "POST, OPTIONS");
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "every row has the policy meant for it", rows },
		{ "rows are in order", in_order },
		{ "the piece that is an id", pieces },
		{ "what is no route", unknown },
		{ "methods, HEAD and OPTIONS", wrong_method },
		{ NULL, NULL }
	};
	int status;

	if ((arena = wl_arena_new(1 << 20)) == NULL)
		return 1;
	status = wl_tap_run("routes", tests);
	wl_arena_free(arena);
	return status;
}
