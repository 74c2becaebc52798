/*
 * Web servers and their lines.  Each line was tried: tests/e2e/test_doctor.py
 * breaks the configurations of conf/ and reads what is advised.
 */
#include "config.h"
#include "lib/core/webserver.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/buf.h"

static const struct {
	const char	*word, *name;
} kinds[] = {
	[WL_WEB_UNKNOWN] = { "", "an unknown web server" },
	[WL_WEB_NGINX] = { "nginx", "nginx" },
	[WL_WEB_LIGHTTPD] = { "lighttpd", "lighttpd" },
	[WL_WEB_APACHE] = { "", "Apache" },
	[WL_WEB_APACHE_PROXY] = { "apache-proxy", "Apache, mod_proxy_fcgi" },
	[WL_WEB_APACHE_FCGID] = { "apache-fcgid", "Apache, mod_fcgid" },
	[WL_WEB_CGI] = { "cgi", "Apache, CGI" },
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == WL_WEB_MAX,
    "a row for every kind");

/*
 * The number in a line, made of the largest body.
 */
enum unit { NONE, BYTES, KILO, MEGA };

struct line {
	const char	*before;	/* the number; all, without one */
	enum unit	 unit;
	const char	*after;
};

#define PLAIN(s)	{ s, NONE, "" }

static const struct line lines[WL_WEB_MAX][WL_WT_MAX] = {
	[WL_WEB_NGINX] = {
		[WL_WT_AUTH] = PLAIN(
		    "fastcgi_param HTTP_AUTHORIZATION $http_authorization;"),
		[WL_WT_BODY] = { "client_max_body_size ", MEGA, "m;" },
		[WL_WT_BUFFERED] = PLAIN("fastcgi_buffering off;"),
		[WL_WT_GZIP] = PLAIN("gzip off;"),
		[WL_WT_IDLE] = PLAIN("fastcgi_read_timeout 1h;"),
	},
	[WL_WEB_LIGHTTPD] = {
		[WL_WT_AUTH] = PLAIN("no Authorization in "
		    "setenv.set-request-header"),
		[WL_WT_BODY] = { "server.max-request-size = ", KILO, "" },
		[WL_WT_BUFFERED] = PLAIN("server.stream-response-body = 2"),
		[WL_WT_GZIP] = PLAIN("no text/event-stream in "
		    "deflate.mimetypes"),
		/* server.max-read-idle, of requests, does not cut answers */
		[WL_WT_IDLE] = PLAIN("server.max-write-idle = 3600, and no "
		    "\"read-timeout\" in fastcgi.server"),
	},
	[WL_WEB_APACHE] = {
		[WL_WT_AUTH] = PLAIN("CGIPassAuth On (mod_proxy_fcgi, CGI), "
		    "FcgidPassHeader Authorization (mod_fcgid)"),
		[WL_WT_BODY] = { "LimitRequestBody ", BYTES, ", and with "
		    "mod_fcgid FcgidMaxRequestLen as much" },
		[WL_WT_BUFFERED] = PLAIN("ProxySet flushpackets=on "
		    "(mod_proxy_fcgi), FcgidOutputBufferSize 0 (mod_fcgid)"),
		[WL_WT_GZIP] = PLAIN("SetEnv no-gzip 1"),
		[WL_WT_IDLE] = PLAIN("ProxySet timeout=3600 (mod_proxy_fcgi), "
		    "FcgidIOTimeout 3600 (mod_fcgid), Timeout 3600 (CGI)"),
	},
	[WL_WEB_APACHE_PROXY] = {
		[WL_WT_AUTH] = PLAIN("CGIPassAuth On"),
		/* 2.4.71 lets any body pass: it is another module's limit */
		[WL_WT_BODY] = { "LimitRequestBody ", BYTES, ", and with "
		    "mod_security SecRequestBodyLimit as much" },
		[WL_WT_BUFFERED] = PLAIN("ProxySet flushpackets=on"),
		[WL_WT_GZIP] = PLAIN("SetEnv no-gzip 1"),
		[WL_WT_IDLE] = PLAIN("ProxySet timeout=3600 (or ProxyTimeout "
		    "3600)"),
	},
	[WL_WEB_APACHE_FCGID] = {
		[WL_WT_AUTH] = PLAIN("FcgidPassHeader Authorization (in "
		    ".htaccess: CGIPassAuth On)"),
		[WL_WT_BODY] = { "FcgidMaxRequestLen ", BYTES, ", and no "
		    "smaller LimitRequestBody" },
		[WL_WT_BUFFERED] = PLAIN("FcgidOutputBufferSize 0"),
		[WL_WT_GZIP] = PLAIN("SetEnv no-gzip 1"),
		[WL_WT_IDLE] = PLAIN("FcgidIOTimeout 3600 and "
		    "FcgidBusyTimeout 3600"),
	},
	[WL_WEB_CGI] = {
		[WL_WT_AUTH] = PLAIN("CGIPassAuth On"),
		[WL_WT_BODY] = { "LimitRequestBody ", BYTES, "" },
		[WL_WT_BUFFERED] = PLAIN("no SetOutputFilter in this place"),
		[WL_WT_GZIP] = PLAIN("SetEnv no-gzip 1"),
		[WL_WT_IDLE] = PLAIN("Timeout 3600 (with mod_cgid: or "
		    "CGIDScriptTimeout 3600)"),
	},
};

enum wl_webserver
wl_webserver_word(const char *word)
{
	int i;

	for (i = WL_WEB_UNKNOWN + 1; i < WL_WEB_MAX; i++)
		if (kinds[i].word[0] != '\0' &&
		    strcmp(word, kinds[i].word) == 0)
			return (enum wl_webserver)i;
	return WL_WEB_UNKNOWN;
}

const char *
wl_webserver_name(enum wl_webserver w)
{
	return kinds[w].name;
}

enum wl_webserver
wl_webserver_by_header(const char *server)
{
	if (server == NULL)
		return WL_WEB_UNKNOWN;
	if (strncmp(server, "nginx", 5) == 0 ||
	    strncmp(server, "openresty", 9) == 0)
		return WL_WEB_NGINX;
	if (strncmp(server, "lighttpd", 8) == 0)
		return WL_WEB_LIGHTTPD;
	if (strncmp(server, "Apache", 6) == 0)
		return WL_WEB_APACHE;
	return WL_WEB_UNKNOWN;
}

enum wl_webserver
wl_webserver_by_worker(const char *software, bool cgi, bool proxied)
{
	enum wl_webserver w = wl_webserver_by_header(software);

	if (w != WL_WEB_APACHE)
		return w;
	return cgi ? WL_WEB_CGI : proxied ? WL_WEB_APACHE_PROXY :
	    WL_WEB_APACHE_FCGID;
}

/*
 * N of UNIT, rounded up: a smaller limit would be none that helps.
 */
static int64_t
in_unit(int64_t n, enum unit unit)
{
	switch (unit) {
	case KILO:
		return (n + 1023) / 1024;
	case MEGA:
		return (n + 1024 * 1024 - 1) / (1024 * 1024);
	case NONE:
	case BYTES:
		break;
	}
	return n;
}

static void
put(struct wl_buf *b, const struct line *l, int64_t max_body)
{
	wl_buf_adds(b, l->before);
	if (l->unit != NONE)
		wl_buf_printf(b, "%" PRId64, in_unit(max_body, l->unit));
	wl_buf_adds(b, l->after);
}

void
wl_webserver_advise(struct wl_buf *b, enum wl_webserver w,
    enum wl_web_trouble t, int64_t max_body)
{
	static const enum wl_webserver all[] = { WL_WEB_NGINX,
	    WL_WEB_LIGHTTPD, WL_WEB_APACHE };
	size_t i;

	if (w != WL_WEB_UNKNOWN) {
		put(b, &lines[w][t], max_body);
		return;
	}
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		wl_buf_printf(b, "%s%s: ", i > 0 ? ". " : "",
		    kinds[all[i]].name);
		put(b, &lines[all[i]][t], max_body);
	}
}

int64_t
wl_webserver_held(const int64_t *sent, const int64_t *came, int n)
{
	int64_t way, least = 0, most = 0;
	int i;

	for (i = 0; i < n; i++) {
		way = came[i] - sent[i];
		if (i == 0 || way < least)
			least = way;
		if (i == 0 || way > most)
			most = way;
	}
	return most - least;
}
