/*
 * Requests: targets, addresses, keys, bodies.
 */
#include "config.h"
#include "lib/http/req.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/http/target.h"
#include "tests/unit/io_mem.h"
#include "tests/unit/tap.h"

static char		 empty[] = "";
static struct wl_conf	 conf = { .base_path = empty,
    .trusted_proxies = empty };
static struct io_mem	 m;
static struct wl_arena	*arena;
static struct wl_req	 r;
static struct wl_err	 e;

static int
init(const char *const *params, const void *body, size_t len)
{
	memset(&e, 0, sizeof(e));
	arena = wl_arena_new(4 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	io_mem_init(&m, params, body, len);
	return wl_req_init(&r, &m.io, arena, &conf, &e);
}

static void
done(void)
{
	io_mem_free(&m);
	wl_arena_free(arena);
}

static void
targets(void)
{
	static const struct {
		const char	*uri, *base_path, *path, *base, *query;
	} rows[] = {
		{ "/v1/models", "", "/v1/models", "", "" },
		{ "/llm/v1/models?a=b?c", "", "/v1/models", "/llm", "a=b?c" },
		{ "/a/b.cgi/v1/x/v1/y", "", "/v1/x/v1/y", "/a/b.cgi", "" },
		{ "/llm/observability/v1/traces", "",
		    "/observability/v1/traces", "/llm", "" },
		{ "/v1/observability/x", "", "/v1/observability/x", "", "" },
		{ "/%76%31/models", "", "/v1/models", "", "" },
		{ "/v1/mod%65ls?%41", "", "/v1/models", "", "%41" },
		{ "/v1/a%2525b", "", "/v1/a%25b", "", "" },
		{ "/v1/%c3%a9", "", "/v1/\xc3\xa9", "", "" },
		{ "/v1/a..b/...", "", "/v1/a..b/...", "", "" },
		{ "/v1/models/a%2fb/c%2F%64", "", "/v1/models/a/b/c/d", "",
		    "" },
		{ "/llm/v1/models/x%252f?y%2f", "", "/v1/models/x%2f", "/llm",
		    "y%2f" },
		{ "/health", "", "/health", "", "" },
		{ "/v1", "", "/v1", "", "" },
		{ "http://h.example/llm/v1/x?q", "", "/v1/x", "/llm", "q" },
		{ "HTTPS://h.example", "", "/", "", "" },
		{ "http://h.example?q", "/", NULL, NULL, NULL },
		{ "/llm/health", "/llm", "/health", "/llm", "" },
		{ "/llm/health", "llm/", "/health", "/llm", "" },
		{ "/llm", "/llm", "/", "/llm", "" },
		{ "/llm/", "/llm", "/", "/llm", "" },
		{ "/a/b/v1/x", "/a", "/b/v1/x", "/a", "" },
		{ "/v1/x", "/", "/v1/x", "", "" },
		{ "/llmx/v1/x", "/llm", NULL, NULL, NULL },
		{ "/v1/x", "/llm", NULL, NULL, NULL },
	};
	char *path, *base, *query;
	size_t i;
	int rc;

	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rc = wl_target_parse(arena, rows[i].uri, rows[i].base_path,
		    &path, &base, &query, &e);
		if (rows[i].path == NULL) {
			if (rc != -1)
				CU_FAIL(rows[i].uri);
			continue;
		}
		if (rc != 0 || strcmp(path, rows[i].path) != 0 ||
		    strcmp(base, rows[i].base) != 0 ||
		    strcmp(query, rows[i].query) != 0)
			CU_FAIL(rows[i].uri);
	}
	wl_arena_free(arena);
}

static void
bad_targets(void)
{
	static const char *const rows[] = {
		"v1/models", "*", "?x", "h.example:443", "ftp://h/v1/x",
		"/v1/a%", "/v1/a%4", "/v1/a%zz", "/v1/a%00b", "/v1%2fmodels",
		"/v1%2Fmodels", "/v1/a%5cb", "/v1/a\\b", "/v1/a%0ab",
		"/v1/a%0d", "/v1/a%7f", "/v1/a\x01", "/v1/a\tb",
		"/v1/../x", "/..", "/v1/..", "/../v1/x", "/v1/%2e%2e/x",
		"/v1/.%2e", "//v1/x", "/v1//x", "/v1/x//", "/v1/%ff",
		"/v1/%c3", "/v1/%ed%a0%80", "/v1/x#y", "/v1/x?y#z",
		"/v1/models%2fx", "/v1/models/%2fx", "/v1/models/x%2f%2Fy",
		"/v1/models/..%2fusage", "/v1/models/x%2f..", "/v1%2fmodels/x",
		"/x%2fy/v1/models/z", "/v1/model%73/x%2fy",
		"/v1/models/%5c", "/v1/models/%2",
	};
	const char *params[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", NULL,
	    NULL };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		params[3] = rows[i];
		if (init(params, NULL, 0) != -1 ||
		    e.code != WL_E_INVALID_REQUEST)
			CU_FAIL(rows[i]);
		CU_ASSERT_STRING_EQUAL(r.path, "");
		CU_ASSERT_EQUAL(strlen(r.id), 36);
		done();
	}
	params[2] = NULL;
	CU_ASSERT_EQUAL(init(params, NULL, 0), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_STRING_EQUAL(r.query, "");
	CU_ASSERT_STRING_EQUAL(r.addr, "");
	done();
}

static void
base_of_environment(void)
{
	static const char *const params[] = { "REQUEST_METHOD", "GET",
	    "REQUEST_URI", "/mount/health", "WATCHLLM_BASE_PATH", "/evil",
	    "HTTP_WATCHLLM_BASE_PATH", "/evil", NULL };
	char configured[] = "/other";

	setenv("WATCHLLM_BASE_PATH", "/mount", 1);
	CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
	CU_ASSERT_STRING_EQUAL(r.path, "/health");
	CU_ASSERT_STRING_EQUAL(r.base, "/mount");
	done();
	conf.base_path = configured;
	CU_ASSERT_EQUAL(init(params, NULL, 0), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_NOT_FOUND);
	done();
	conf.base_path = empty;
	unsetenv("WATCHLLM_BASE_PATH");
}

static void
all_fields(void)
{
	static const char *const params[] = {
		"REQUEST_METHOD", "POST",
		"REQUEST_URI", "/llm/v1/chat/completions?a=1",
		"REMOTE_ADDR", "198.51.100.7",
		"CONTENT_TYPE", "Application/JSON ; charset=utf-8",
		"CONTENT_LENGTH", "12",
		"HTTP_ORIGIN", "https://a.example",
		"HTTP_AUTHORIZATION", "Bearer lgw_proj_x",
		"HTTP_X_PROVIDER_KEY", " sk-1 ",
		"HTTP_X_REQUEST_ID", "client-1",
		"HTTP_X_API_KEY", "other", NULL
	};

	CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
	CU_ASSERT_EQUAL(r.method, WL_POST);
	CU_ASSERT_STRING_EQUAL(r.path, "/v1/chat/completions");
	CU_ASSERT_STRING_EQUAL(r.query, "a=1");
	CU_ASSERT_STRING_EQUAL(r.addr, "198.51.100.7");
	CU_ASSERT_STRING_EQUAL(r.content_type, "application/json");
	CU_ASSERT_EQUAL(r.content_length, 12);
	CU_ASSERT_STRING_EQUAL(r.origin, "https://a.example");
	CU_ASSERT_STRING_EQUAL(r.key, "lgw_proj_x");
	CU_ASSERT_STRING_EQUAL(r.provider_key, "sk-1");
	CU_ASSERT_STRING_EQUAL(r.client_request_id, "client-1");
	CU_ASSERT(r.start_ms == r.start_us / 1000);
	CU_ASSERT(r.start_ms <= wl_clock_ms());
	CU_ASSERT_STRING_EQUAL(wl_req_header(&r, "content-type"), params[7]);
	CU_ASSERT_STRING_EQUAL(wl_req_header(&r, "content-length"), "12");
	CU_ASSERT_STRING_EQUAL(wl_req_header(&r, "x-provider-key"), " sk-1 ");
	CU_ASSERT_PTR_NULL(wl_req_header(&r, "x-absent"));
	CU_ASSERT_PTR_NULL(wl_req_header(&r, "remote-addr"));
	done();
}

static void
methods(void)
{
	static const struct { const char *name; enum wl_method m; } rows[] = {
		{ "GET", WL_GET }, { "HEAD", WL_HEAD }, { "POST", WL_POST },
		{ "PUT", WL_PUT }, { "PATCH", WL_PATCH },
		{ "DELETE", WL_DELETE }, { "OPTIONS", WL_OPTIONS },
		{ "TRACE", WL_METHOD_OTHER }, { "get", WL_METHOD_OTHER },
		{ "", WL_METHOD_OTHER }, { "OTHER", WL_METHOD_OTHER },
	};
	const char *params[] = { "REQUEST_URI", "/v1/x", "REQUEST_METHOD",
	    NULL, NULL };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		params[3] = rows[i].name;
		CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
		CU_ASSERT_EQUAL(r.method, rows[i].m);
		if (r.method != WL_METHOD_OTHER)
			CU_ASSERT_STRING_EQUAL(wl_method_name(r.method),
			    rows[i].name);
		done();
	}
}

static void
keys(void)
{
	static const struct { const char *name, *value, *key; } rows[] = {
		{ "HTTP_AUTHORIZATION", "Bearer k", "k" },
		{ "HTTP_AUTHORIZATION", "bearer\t k ", "k" },
		{ "HTTP_AUTHORIZATION", "BEARER k", "k" },
		{ "HTTP_AUTHORIZATION", "Bearer ", NULL },
		{ "HTTP_AUTHORIZATION", "Bearer", NULL },
		{ "HTTP_AUTHORIZATION", "Bearerk", NULL },
		{ "HTTP_AUTHORIZATION", "Basic k", NULL },
		{ "HTTP_AUTHORIZATION", "", NULL },
		{ "REDIRECT_HTTP_AUTHORIZATION", "Bearer k", "k" },
		{ "HTTP_X_API_KEY", " k", "k" },
		{ "HTTP_API_KEY", "k", "k" },
		{ "HTTP_API_KEY", " ", NULL },
		{ "AUTHORIZATION", "Bearer k", NULL },
	};
	const char *params[] = { "REQUEST_URI", "/v1/x", NULL, NULL, NULL };
	const char *both[] = { "REQUEST_URI", "/v1/x", "HTTP_AUTHORIZATION",
	    "Basic abc", "HTTP_API_KEY", "second", "HTTP_X_API_KEY", "first",
	    NULL };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		params[2] = rows[i].name;
		params[3] = rows[i].value;
		CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
		if (rows[i].key == NULL)
			CU_ASSERT_PTR_NULL(r.key)
		else
			CU_ASSERT(r.key != NULL &&
			    strcmp(r.key, rows[i].key) == 0);
		done();
	}
	CU_ASSERT_EQUAL(init(both, NULL, 0), 0);
	CU_ASSERT_STRING_EQUAL(r.key, "first");
	CU_ASSERT_STRING_EQUAL(wl_req_header(&r, "authorization"),
	    "Basic abc");
	done();
}

static void
addresses(void)
{
	static const struct { const char *remote, *forwarded, *addr; } rows[] = {
		{ "8.8.8.8", NULL, "8.8.8.8" },
		{ "8.8.8.8", "1.1.1.1", "8.8.8.8" },
		{ "127.0.0.1", "1.1.1.1", "1.1.1.1" },
		{ "127.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1" },
		{ "127.0.0.1", "6.6.6.6, 1.1.1.1 ,10.0.0.2", "1.1.1.1" },
		{ "127.0.0.1", "10.0.0.1,10.0.0.2", "10.0.0.1" },
		{ "127.0.0.1", "6.6.6.6, unknown", "127.0.0.1" },
		{ "127.0.0.1", "6.6.6.6, unknown, 10.0.0.3", "10.0.0.3" },
		{ "127.0.0.1", "", "127.0.0.1" },
		{ "127.0.0.1", ",", "127.0.0.1" },
		{ "127.0.0.1", "1.1.1.1:4711", "1.1.1.1" },
		{ "127.0.0.1", "[2001:DB8::1]:80", "2001:db8::1" },
		{ "::ffff:127.0.0.1", "::ffff:1.1.1.1", "1.1.1.1" },
		{ "2001:DB8:0::1", NULL, "2001:db8::1" },
		{ "unix:", "1.1.1.1", "" },
		{ "", "1.1.1.1", "" },
		{ "127.0.0.1", "1.1.1.1\r\n", "127.0.0.1" },
	};
	const char *params[] = { "REQUEST_URI", "/v1/x", "REMOTE_ADDR", NULL,
	    "HTTP_X_FORWARDED_FOR", NULL, NULL };
	char proxies[] = "127.0.0.1,10.0.0.0/8";
	size_t i;

	conf.trusted_proxies = proxies;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		params[3] = rows[i].remote;
		params[4] = rows[i].forwarded == NULL ? NULL :
		    "HTTP_X_FORWARDED_FOR";
		params[5] = rows[i].forwarded;
		CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
		if (strcmp(r.addr, rows[i].addr) != 0)
			CU_FAIL(rows[i].remote);
		done();
	}
	conf.trusted_proxies = empty;
}

static void
odd_headers(void)
{
	const char *params[] = { "REQUEST_URI", "/v1/x", "CONTENT_LENGTH", "",
	    "CONTENT_TYPE", " ;x", "HTTP_X_REQUEST_ID", "a\x1b[0m", NULL };
	static const char *const bad[] = { "-1", "-0", "1x", " 1", "+1",
	    "99999999999999999999", "0x10" };
	char name[200];
	size_t i;

	CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
	CU_ASSERT_EQUAL(r.content_length, -1);
	CU_ASSERT_PTR_NULL(r.content_type);
	CU_ASSERT_PTR_NULL(r.client_request_id);
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_PTR_NULL(wl_req_header(&r, name));
	done();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		params[3] = bad[i];
		if (init(params, NULL, 0) != -1 ||
		    e.code != WL_E_INVALID_REQUEST)
			CU_FAIL(bad[i]);
		done();
	}
}

static void
too_many_headers(void)
{
	const char *params[] = { "REQUEST_URI", "/v1/x", "HTTP_X_BIG", NULL,
	    NULL };
	char *big = malloc(WL_REQ_PARAMS_MAX);

	CU_ASSERT_FATAL(big != NULL);
	memset(big, 'x', WL_REQ_PARAMS_MAX);
	params[3] = big;
	big[21 * 1024] = '\0';
	CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
	done();
	big[21 * 1024] = 'x';
	big[WL_REQ_PARAMS_MAX - 1] = '\0';
	CU_ASSERT_EQUAL(init(params, NULL, 0), -1);
	CU_ASSERT_EQUAL(e.http, 431);
	done();
	free(big);
}

static void
query(void)
{
	static const char *const params[] = { "REQUEST_URI", "/v1/x?a=1&b=&c"
	    "&d=x%2Fy%5c+z&a=2&e=%zz%4&f=%00&%67=g&h=1%3D2=3&=n&i=%c3%a9",
	    NULL };

	CU_ASSERT_EQUAL(init(params, NULL, 0), 0);
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "a"), "1");
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "b"), "");
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "c"), "");
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "d"), "x/y\\ z");
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "e"), "%zz%4");
	CU_ASSERT_PTR_NULL(wl_req_query(&r, "f"));
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "g"), "g");
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "h"), "1=2=3");
	CU_ASSERT_STRING_EQUAL(wl_req_query(&r, "i"), "\xc3\xa9");
	CU_ASSERT_PTR_NULL(wl_req_query(&r, "A"));
	CU_ASSERT_PTR_NULL(wl_req_query(&r, "absent"));
	done();
}

static int
read_body(const char *length, const void *body, size_t len, int64_t max)
{
	const char *params[] = { "REQUEST_URI", "/v1/x", "CONTENT_LENGTH",
	    length, NULL };

	if (length == NULL)
		params[2] = NULL;
	CU_ASSERT_EQUAL(init(params, body, len), 0);
	return wl_req_read_body(&r, max, &e);
}

static void
bodies(void)
{
	size_t len = 100000, i;
	char *big = malloc(len);

	CU_ASSERT_FATAL(big != NULL);
	for (i = 0; i < len; i++)
		big[i] = (char)i;
	CU_ASSERT_EQUAL(read_body("5", "hello", 5, 5), 0);
	CU_ASSERT(wl_str_eq(r.body, "hello"));
	CU_ASSERT_EQUAL(r.body.p[5], '\0');
	done();
	CU_ASSERT_EQUAL(read_body(NULL, "hello", 5, 5), 0);
	CU_ASSERT(wl_str_eq(r.body, "hello"));
	done();
	CU_ASSERT_EQUAL(read_body(NULL, NULL, 0, 0), 0);
	CU_ASSERT_EQUAL(r.body.len, 0);
	CU_ASSERT_PTR_NOT_NULL(r.body.p);
	done();
	CU_ASSERT_EQUAL(read_body("100000", big, len, 100000), 0);
	CU_ASSERT_EQUAL(r.body.len, len);
	CU_ASSERT_EQUAL(memcmp(r.body.p, big, len), 0);
	done();
	free(big);
}

static void
slow_bodies(void)
{
	static const char *const params[] = { "REQUEST_URI", "/v1/x", NULL };

	CU_ASSERT_EQUAL(init(params, "abcdefg", 7), 0);
	m.piece = 2;
	CU_ASSERT_EQUAL(wl_req_read_body(&r, 7, &e), 0);
	CU_ASSERT(wl_str_eq(r.body, "abcdefg"));
	done();
}

static void
bad_bodies(void)
{
	static const char *const params[] = { "REQUEST_URI", "/v1/x", NULL };

	CU_ASSERT_EQUAL(read_body("6", "hello!", 6, 5), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_REQUEST_TOO_LARGE);
	CU_ASSERT_EQUAL(m.body_at, 0);
	done();
	CU_ASSERT_EQUAL(read_body(NULL, "hello!", 6, 5), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_REQUEST_TOO_LARGE);
	done();
	CU_ASSERT_EQUAL(read_body("7", "hello!", 6, 10), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_CLIENT_CLOSED);
	done();
	CU_ASSERT_EQUAL(init(params, "hello!", 6), 0);
	m.cut = true;
	CU_ASSERT_EQUAL(wl_req_read_body(&r, 10, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_CLIENT_CLOSED);
	done();
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "targets and base paths", targets },
		{ "malformed targets", bad_targets },
		{ "base path of the environment", base_of_environment },
		{ "all fields", all_fields },
		{ "methods", methods },
		{ "keys", keys },
		{ "addresses and proxies", addresses },
		{ "odd headers", odd_headers },
		{ "too many headers", too_many_headers },
		{ "query", query },
		{ "bodies", bodies },
		{ "bodies in small pieces", slow_bodies },
		{ "bad bodies", bad_bodies },
		{ NULL, NULL }
	};

	unsetenv("WATCHLLM_BASE_PATH");
	return wl_tap_run("req", tests);
}
