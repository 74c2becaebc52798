/*
 * What a web server in front can do to requests, how it shows from outside,
 * and the line of its configuration that mends it.
 */
#ifndef WL_CORE_WEBSERVER_H
#define WL_CORE_WEBSERVER_H

#include <stdbool.h>
#include <stdint.h>

struct wl_buf;

enum wl_webserver {
	WL_WEB_UNKNOWN,
	WL_WEB_NGINX,
	WL_WEB_LIGHTTPD,
	WL_WEB_APACHE,		/* which of its modules is not known */
	WL_WEB_APACHE_PROXY,	/* mod_proxy_fcgi */
	WL_WEB_APACHE_FCGID,	/* mod_fcgid */
	WL_WEB_CGI,		/* Apache's mod_cgi, mod_cgid */
	WL_WEB_MAX
};

/*
 * The kind named by WORD, as "watchllm doctor --server" has it, or UNKNOWN;
 * its name for people.
 */
#define WL_WEB_WORDS	"nginx|lighttpd|apache-proxy|apache-fcgid|cgi"
enum wl_webserver wl_webserver_word(const char *word);
const char *wl_webserver_name(enum wl_webserver w);

/*
 * The kind by its Server header, or its SERVER_SOFTWARE; NULL: none.
 */
enum wl_webserver wl_webserver_by_header(const char *server);

/*
 * The same where a worker told how it was called: as plain CGI, or with the
 * mark of mod_proxy_fcgi.
 */
enum wl_webserver wl_webserver_by_worker(const char *software, bool cgi,
    bool proxied);

enum wl_web_trouble {
	WL_WT_AUTH,		/* Authorization does not arrive */
	WL_WT_BODY,		/* a body of MAX_BODY does not pass */
	WL_WT_BUFFERED,		/* streams are held back */
	WL_WT_GZIP,		/* streams are compressed */
	WL_WT_IDLE,		/* silence is cut */
	WL_WT_MAX
};

/*
 * Append the line that mends T at W; for a kind not known, lines for all.
 */
void wl_webserver_advise(struct wl_buf *b, enum wl_webserver w,
    enum wl_web_trouble t, int64_t max_body);

/*
 * Events of a stream, in ms: when each was sent, by the sender's clock, and
 * when it came, by ours.  The longest that one was held back, as far as it
 * shows without knowing how far apart the clocks are.
 */
int64_t wl_webserver_held(const int64_t *sent, const int64_t *came, int n);

#endif
