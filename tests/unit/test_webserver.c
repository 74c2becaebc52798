/*
 * Web servers by their names, their lines, and how long events were held.
 */
#include "config.h"
#include "lib/core/webserver.h"

#include <string.h>

#include "lib/base/buf.h"
#include "tests/unit/tap.h"

static void
names(void)
{
	CU_ASSERT_EQUAL(wl_webserver_word("nginx"), WL_WEB_NGINX);
	CU_ASSERT_EQUAL(wl_webserver_word("lighttpd"), WL_WEB_LIGHTTPD);
	CU_ASSERT_EQUAL(wl_webserver_word("apache-proxy"),
	    WL_WEB_APACHE_PROXY);
	CU_ASSERT_EQUAL(wl_webserver_word("apache-fcgid"),
	    WL_WEB_APACHE_FCGID);
	CU_ASSERT_EQUAL(wl_webserver_word("cgi"), WL_WEB_CGI);
	CU_ASSERT_EQUAL(wl_webserver_word("apache"), WL_WEB_UNKNOWN);
	CU_ASSERT_EQUAL(wl_webserver_word(""), WL_WEB_UNKNOWN);
	CU_ASSERT_STRING_EQUAL(wl_webserver_name(WL_WEB_NGINX), "nginx");
}

static void
headers(void)
{
	CU_ASSERT_EQUAL(wl_webserver_by_header("nginx/1.22.1"), WL_WEB_NGINX);
	CU_ASSERT_EQUAL(wl_webserver_by_header("openresty"), WL_WEB_NGINX);
	CU_ASSERT_EQUAL(wl_webserver_by_header("lighttpd/1.4.69"),
	    WL_WEB_LIGHTTPD);
	CU_ASSERT_EQUAL(wl_webserver_by_header("Apache"), WL_WEB_APACHE);
	CU_ASSERT_EQUAL(wl_webserver_by_header("Caddy"), WL_WEB_UNKNOWN);
	CU_ASSERT_EQUAL(wl_webserver_by_header(NULL), WL_WEB_UNKNOWN);
	CU_ASSERT_EQUAL(wl_webserver_by_worker("Apache/2.4", false, true),
	    WL_WEB_APACHE_PROXY);
	CU_ASSERT_EQUAL(wl_webserver_by_worker("Apache/2.4", false, false),
	    WL_WEB_APACHE_FCGID);
	CU_ASSERT_EQUAL(wl_webserver_by_worker("Apache/2.4", true, false),
	    WL_WEB_CGI);
	CU_ASSERT_EQUAL(wl_webserver_by_worker("nginx/1.22.1", true, false),
	    WL_WEB_NGINX);
}

static struct wl_buf	b;

static const char *
advice(enum wl_webserver w, enum wl_web_trouble t, int64_t max)
{
	wl_buf_reset(&b);
	wl_webserver_advise(&b, w, t, max);
	return b.p;
}

static void
lines(void)
{
	int w, t;

	wl_buf_init(&b, 0);
	for (w = 0; w < WL_WEB_MAX; w++)
		for (t = 0; t < WL_WT_MAX; t++)
			CU_ASSERT_TRUE(strlen(advice((enum wl_webserver)w,
			    (enum wl_web_trouble)t, 1 << 25)) > 8);
	CU_ASSERT_STRING_EQUAL(advice(WL_WEB_NGINX, WL_WT_BODY, 1 << 25),
	    "client_max_body_size 32m;");
	/* no less than the body, also where it is no whole number */
	CU_ASSERT_STRING_EQUAL(advice(WL_WEB_NGINX, WL_WT_BODY,
	    (1 << 25) + 1), "client_max_body_size 33m;");
	CU_ASSERT_STRING_EQUAL(advice(WL_WEB_LIGHTTPD, WL_WT_BODY, 1025),
	    "server.max-request-size = 2");
	CU_ASSERT_STRING_EQUAL(advice(WL_WEB_CGI, WL_WT_BODY, 1025),
	    "LimitRequestBody 1025");
	CU_ASSERT_STRING_EQUAL(advice(WL_WEB_APACHE_PROXY, WL_WT_AUTH, 0),
	    "CGIPassAuth On");
	/* who it is is not known: all of them */
	advice(WL_WEB_UNKNOWN, WL_WT_BUFFERED, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, "nginx: fastcgi_buffering off;"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, "server.stream-response-body"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, "flushpackets=on"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, "FcgidOutputBufferSize 0"));
	wl_buf_free(&b);
}

static void
held(void)
{
	const int64_t sent[] = { 5000, 5200, 5400, 5600 };
	const int64_t as_sent[] = { 10, 210, 411, 609 };
	const int64_t at_end[] = { 620, 620, 620, 621 };
	const int64_t lumps[] = { 210, 210, 610, 610 };

	CU_ASSERT_EQUAL(wl_webserver_held(sent, as_sent, 4), 2);
	CU_ASSERT_EQUAL(wl_webserver_held(sent, at_end, 4), 599);
	CU_ASSERT_EQUAL(wl_webserver_held(sent, lumps, 4), 200);
	CU_ASSERT_EQUAL(wl_webserver_held(sent, as_sent, 1), 0);
	CU_ASSERT_EQUAL(wl_webserver_held(sent, as_sent, 0), 0);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "names", names },
		{ "by their headers and by what workers see", headers },
		{ "lines", lines },
		{ "how long events were held back", held },
		{ NULL, NULL }
	};

	return wl_tap_run("webserver", tests);
}
