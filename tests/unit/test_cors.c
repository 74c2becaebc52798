/*
 * Cross-origin requests.
 */
#include "config.h"
#include "lib/http/cors.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/http/req.h"
#include "lib/http/resp.h"
#include "tests/unit/io_mem.h"
#include "tests/unit/tap.h"

static char	empty[] = "";
static char	origins[] = "https://a.example, http://localhost:3000";

/*
 * What a request of METHOD from ORIGIN gets; the reply is in *M.
 */
static int
ask(struct io_mem *m, char *list, const char *method, const char *origin,
    const char *asked, struct wl_err *e)
{
	const char *params[] = {
		"REQUEST_METHOD", method, "REQUEST_URI", "/v1/models",
		"HTTP_HOST", "gate.example:8443",
		origin == NULL ? NULL : "HTTP_ORIGIN", origin,
		asked == NULL ? NULL : "HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
		asked, NULL
	};
	struct wl_conf conf = { .base_path = empty, .trusted_proxies = empty,
	    .cors_origins = list };
	struct wl_arena *a = wl_arena_new(1 << 16);
	struct wl_resp resp;
	struct wl_req req;
	int rc;

	CU_ASSERT_FATAL(a != NULL);
	memset(e, 0, sizeof(*e));
	io_mem_init(m, params, NULL, 0);
	CU_ASSERT_EQUAL(wl_req_init(&req, &m->io, a, &conf, e), 0);
	wl_resp_init(&resp, &m->io, a);
	rc = wl_cors(&req, &resp, &conf, e);
	if (req.method == WL_OPTIONS)
		CU_ASSERT_EQUAL(wl_cors_preflight(&req, &resp, &conf,
		    "GET, POST"), 0)
	else
		CU_ASSERT_EQUAL(wl_resp_send(&resp, 200, NULL, "", 0), 0);
	m->io.ops->finish(&m->io);
	m->params = NULL;
	wl_arena_free(a);
	return rc;
}

static bool
header_is(const struct io_mem *m, const char *name, const char *want)
{
	const char *v = io_mem_header(m, name);

	return want == NULL ? v == NULL : v != NULL && strcmp(v, want) == 0;
}

static void
allowed(void)
{
	static const char *const good[] = { "https://a.example",
	    "http://localhost:3000", "HTTPS://A.example" };
	struct io_mem m;
	struct wl_err e;
	size_t i;

	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(ask(&m, origins, "GET", good[i], NULL, &e), 0);
		CU_ASSERT(header_is(&m, "Access-Control-Allow-Origin",
		    good[i]));
		CU_ASSERT(header_is(&m, "Vary", "Origin"));
		CU_ASSERT(header_is(&m, "Access-Control-Allow-Credentials",
		    NULL));
		CU_ASSERT(io_mem_header(&m, "Access-Control-Expose-Headers") !=
		    NULL && strstr(io_mem_header(&m,
		    "Access-Control-Expose-Headers"),
		    "X-RateLimit-Remaining") != NULL);
		io_mem_free(&m);
	}
}

static void
refused(void)
{
	static const char *const bad[] = { "https://b.example",
	    "http://a.example", "https://a.example:444",
	    "https://a.example.evil.example", "https://xa.example", "null",
	    "https://gate.example", "https://evil.example/gate.example:8443" };
	struct io_mem m;
	struct wl_err e;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(ask(&m, origins, "POST", bad[i], NULL, &e),
		    -1);
		CU_ASSERT_EQUAL(e.code, WL_E_ORIGIN);
		CU_ASSERT(header_is(&m, "Access-Control-Allow-Origin", NULL));
		io_mem_free(&m);
		CU_ASSERT_EQUAL(ask(&m, empty, "POST", bad[i], NULL, &e), -1);
		io_mem_free(&m);
	}
}

static void
not_cross(void)
{
	struct io_mem m;
	struct wl_err e;

	CU_ASSERT_EQUAL(ask(&m, origins, "GET", NULL, NULL, &e), 0);
	CU_ASSERT(header_is(&m, "Access-Control-Allow-Origin", NULL));
	io_mem_free(&m);
	CU_ASSERT_EQUAL(ask(&m, empty, "GET", "https://GATE.example:8443",
	    NULL, &e), 0);
	CU_ASSERT(header_is(&m, "Access-Control-Allow-Origin", NULL));
	CU_ASSERT(header_is(&m, "Vary", NULL));
	io_mem_free(&m);
}

static void
star(void)
{
	char list[] = "*";
	struct io_mem m;
	struct wl_err e;

	CU_ASSERT_EQUAL(ask(&m, list, "GET", "https://any.example", NULL, &e),
	    0);
	CU_ASSERT(header_is(&m, "Access-Control-Allow-Origin", "*"));
	io_mem_free(&m);
	CU_ASSERT_EQUAL(ask(&m, list, "GET", "null", NULL, &e), -1);
	io_mem_free(&m);
}

static void
preflight(void)
{
	struct io_mem m;
	struct wl_err e;

	CU_ASSERT_EQUAL(ask(&m, origins, "OPTIONS", "https://a.example",
	    "authorization,x-stainless-os", &e), 0);
	CU_ASSERT_EQUAL(io_mem_status(&m), 204);
	CU_ASSERT(header_is(&m, "Allow", "GET, POST"));
	CU_ASSERT(header_is(&m, "Access-Control-Allow-Methods", "GET, POST"));
	CU_ASSERT(header_is(&m, "Access-Control-Allow-Headers",
	    "authorization,x-stainless-os"));
	CU_ASSERT(header_is(&m, "Access-Control-Max-Age", "600"));
	io_mem_free(&m);
	CU_ASSERT_EQUAL(ask(&m, origins, "OPTIONS", "https://b.example", "x",
	    &e), 0);
	CU_ASSERT_EQUAL(io_mem_status(&m), 204);
	CU_ASSERT(header_is(&m, "Allow", "GET, POST"));
	CU_ASSERT(header_is(&m, "Access-Control-Allow-Methods", NULL));
	io_mem_free(&m);
	CU_ASSERT_EQUAL(ask(&m, origins, "OPTIONS", "https://a.example",
	    "a;b", &e), 0);
	CU_ASSERT(header_is(&m, "Access-Control-Allow-Headers", NULL));
	io_mem_free(&m);
	CU_ASSERT_EQUAL(ask(&m, origins, "OPTIONS", NULL, NULL, &e), 0);
	CU_ASSERT_EQUAL(io_mem_status(&m), 204);
	io_mem_free(&m);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "configured origins", allowed },
		{ "other origins are refused", refused },
		{ "no origin and the same origin", not_cross },
		{ "every origin", star },
		{ "preflight", preflight },
		{ NULL, NULL }
	};

	return wl_tap_run("cors", tests);
}
