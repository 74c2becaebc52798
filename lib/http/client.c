/*
 * libcurl's multi handles on the loop: sockets, timers, reuse of handles, and
 * the queue of transfers that go on after a pause.
 *
 * A reader that resumes has a backlog in libcurl and in the socket's buffer.
 * Many of them at once would make one turn of the loop very long, so all
 * together are given CATCH_UP bytes of backlog a turn; ordinary streams are
 * not counted.
 */
#include "config.h"
#include "lib/http/client_priv.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/wait.h"
#include "lib/http/guard.h"

#define CATCH_UP	((size_t)16 * 1024)
/* Less than this in a turn: the backlog is gone. */
#define CAUGHT_UP	((size_t)4 * 1024)
#define CONNECTIONS_MAX	8192
/* Our own cache decides; an entry must only outlive the connect. */
#define CURL_DNS_S	600L
/* So long libcurl need not be told again. */
#define TOLD_MS		((int64_t)300 * 1000)

static struct {
	bool		 open;
	struct wl_pool	 pool[WL_TRUST_MAX];
	char		 proxy[512];
	char		 proxy_host[256];
	int		 proxy_port;
	char		 ca_file[1024];
	struct wl_xfer	*first_queued, **last_queued;
	struct wl_xfer	*catching;
	size_t		 budget;	/* of catch-up in this turn */
	struct wl_defer	 pump;
} client;

struct wl_pool *
wl_client_pool(enum wl_trust trust)
{
	return client.open ? &client.pool[trust] : NULL;
}

bool
wl_client_via(enum wl_trust trust, const char **host, int *port)
{
	if (trust != WL_TRUST_PUBLIC || client.proxy[0] == '\0')
		return false;
	*host = client.proxy_host;
	*port = client.proxy_port;
	return true;
}

/*
 * Tell the owners of the transfers that are over.
 */
static void
collect(struct wl_pool *pool)
{
	CURLMsg *msg;
	char *x;
	int left;

	while ((msg = curl_multi_info_read(pool->multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE && curl_easy_getinfo(
		    msg->easy_handle, CURLINFO_PRIVATE, &x) == CURLE_OK)
			wl_xfer_finished((struct wl_xfer *)(void *)x,
			    WL_FAULT_CURL, msg->data.result);
}

static void
act(struct wl_pool *pool, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(pool->multi, fd, events, &running);
	collect(pool);
}

static void
on_ready(int fd, uint32_t events, void *arg)
{
	int ev = 0;

	if (events & EPOLLIN)
		ev |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		ev |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		ev |= CURL_CSELECT_ERR;
	act(arg, fd, ev);
}

/*
 * A connection without a transfer has broken.  libcurl looks before it uses
 * it again, but takes one that was reset for a living one as long as nobody
 * has read the error (7.88).
 */
static void
on_idle(int fd, uint32_t events, void *arg)
{
	socklen_t len = sizeof(int);
	int error;

	(void)events;
	(void)arg;
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	wl_forget(fd);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *data)
{
	uint32_t events = 0;

	(void)easy;
	(void)data;
	/* it will most likely be used again: taking it out of epoll and putting
	   it back would be two system calls a call */
	if (what == CURL_POLL_REMOVE)
		return wl_watch(fd, 0, on_idle, arg);
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	return wl_watch(fd, events, on_ready, arg);
}

/*
 * Connections outlive the handle that made them.
 */
static int
on_close(void *arg, curl_socket_t fd)
{
	(void)arg;
	wl_forget(fd);
	return close(fd);
}

static void
on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void
on_kick(void *arg)
{
	struct wl_pool *pool = arg;

	if (!pool->kicked)
		return;
	pool->kicked = false;
	act(pool, CURL_SOCKET_TIMEOUT, 0);
}

/*
 * "At once" is the end of this turn, not a timer that may fire again and
 * again in the same one.
 */
static int
on_timer_change(CURLM *multi, long ms, void *arg)
{
	struct wl_pool *pool = arg;

	(void)multi;
	pool->kicked = ms == 0;
	if (ms <= 0) {
		wl_timer_clear(&pool->timer);
		if (ms == 0)
			wl_defer(&pool->kick, on_kick, pool);
		return 0;
	}
	return wl_timer_set(&pool->timer, wl_mono() + ms, on_timer, pool);
}

/*
 * Transfers whose last turn brought little have caught up; the others stay
 * under the budget.
 */
static void
drop_caught_up(void)
{
	struct wl_xfer **link = &client.catching, *x;

	while ((x = *link) != NULL) {
		if (x->queued || x->turn_bytes >= CAUGHT_UP) {
			x->turn_bytes = 0;
			link = &x->next_catching;
			continue;
		}
		x->catching = false;
		*link = x->next_catching;
	}
}

static struct wl_xfer *
dequeue(void)
{
	struct wl_xfer *x = client.first_queued;

	if (x == NULL)
		return NULL;
	if ((client.first_queued = x->next_queued) == NULL)
		client.last_queued = &client.first_queued;
	x->queued = false;
	return x;
}

static void
resume(struct wl_xfer *x)
{
	CURLcode rc;

	x->paused = false;
	x->last_ms = wl_mono();
	if (!x->catching) {
		x->catching = true;
		x->next_catching = client.catching;
		client.catching = x;
	}
	/* not judged before it had a turn */
	x->turn_bytes = CAUGHT_UP;
	rc = curl_easy_pause(x->easy, CURLPAUSE_CONT);
	if (rc != CURLE_OK)
		wl_xfer_finished(x, WL_FAULT_CURL, rc);
}

/*
 * At the end of every turn while somebody catches up.
 */
static void
pump(void *arg)
{
	struct wl_xfer *x;

	(void)arg;
	client.budget = CATCH_UP;
	drop_caught_up();
	while (client.budget > 0 && (x = dequeue()) != NULL)
		resume(x);
	if (client.first_queued != NULL || client.catching != NULL)
		wl_defer(&client.pump, pump, NULL);
}

void
wl_client_unpause(struct wl_xfer *x)
{
	if (x->queued || !client.open)
		return;
	x->queued = true;
	x->next_queued = NULL;
	*client.last_queued = x;
	client.last_queued = &x->next_queued;
	wl_defer(&client.pump, pump, NULL);
}

void
wl_client_forget(struct wl_xfer *x)
{
	struct wl_xfer **link;

	if (x->queued) {
		for (link = &client.first_queued; *link != x;
		    link = &(*link)->next_queued)
			;
		if ((*link = x->next_queued) == NULL)
			client.last_queued = link;
		x->queued = false;
	}
	if (x->catching) {
		for (link = &client.catching; *link != x;
		    link = &(*link)->next_catching)
			;
		*link = x->next_catching;
		x->catching = false;
	}
}

bool
wl_client_may_take(struct wl_xfer *x, size_t len)
{
	if (!x->catching)
		return true;
	if (client.budget == 0)
		return false;
	client.budget -= len < client.budget ? len : client.budget;
	x->turn_bytes += len;
	return true;
}

/*
 * What all transfers of a pool have in common.  An option that libcurl
 * refuses would be a hole, so every one counts.
 */
static CURLcode
set_up(CURL *h, const struct wl_pool *pool)
{
	bool public = pool->trust == WL_TRUST_PUBLIC;
	CURLcode rc = CURLE_OK;

#define SET(option, value)						\
	do {								\
		if (rc == CURLE_OK)					\
			rc = curl_easy_setopt(h, (option), (value));	\
	} while (0)
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, public ? "https" : "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	/* an empty proxy also keeps libcurl from asking the environment */
	SET(CURLOPT_PROXY, public ? client.proxy : "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, 60L);
	SET(CURLOPT_TCP_KEEPINTVL, 30L);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, CURL_DNS_S);
	SET(CURLOPT_USERAGENT, "WatchLLM/" PACKAGE_VERSION);
	if (client.ca_file[0] != '\0')
		SET(CURLOPT_CAINFO, client.ca_file);
	SET(CURLOPT_HEADERFUNCTION, wl_xfer_on_header);
	SET(CURLOPT_WRITEFUNCTION, wl_xfer_on_body);
	SET(CURLOPT_PREREQFUNCTION, wl_xfer_on_connected);
	SET(CURLOPT_OPENSOCKETFUNCTION, wl_xfer_on_socket);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
#undef SET
	return rc;
}

bool
wl_client_tell(struct wl_pool *pool, const char *text, size_t name_len)
{
	struct wl_told *t = &pool->told[0];
	int i;

	/* its own place, else the oldest */
	for (i = 0; i < WL_CLIENT_TOLD; i++) {
		if (strncmp(pool->told[i].text, text, name_len) == 0) {
			t = &pool->told[i];
			break;
		}
		if (pool->told[i].at < t->at)
			t = &pool->told[i];
	}
	if (t->known && strcmp(t->text, text) == 0 &&
	    wl_mono() - t->at < TOLD_MS)
		return false;
	t->known = false;
	t->at = wl_mono();
	(void)wl_strlcpy(t->text, text, sizeof(t->text));
	return true;
}

/*
 * Another transfer may have told something else meanwhile.
 */
void
wl_client_known(struct wl_pool *pool, const char *text)
{
	int i;

	for (i = 0; i < WL_CLIENT_TOLD; i++)
		if (strcmp(pool->told[i].text, text) == 0)
			pool->told[i].known = true;
}

CURL *
wl_client_handle(struct wl_pool *pool)
{
	CURL *h;

	/* the last one back is the one whose memory is in the caches */
	if (pool->nidle > 0)
		return pool->idle[--pool->nidle];
	if ((h = curl_easy_init()) == NULL)
		return NULL;
	if (set_up(h, pool) == CURLE_OK)
		return h;
	curl_easy_cleanup(h);
	return NULL;
}

void
wl_client_handle_back(struct wl_pool *pool, CURL *easy)
{
	if (pool->nidle == WL_CLIENT_IDLE) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
	pool->idle[pool->nidle++] = easy;
}

/*
 * The deferred calls are left alone: one may be queued in this very turn.
 */
static int
open_pool(struct wl_pool *pool, enum wl_trust trust, long connections)
{
	pool->trust = trust;
	pool->kicked = false;
	pool->xfers = NULL;
	pool->nidle = 0;
	memset(pool->told, 0, sizeof(pool->told));
	if ((pool->multi = curl_multi_init()) == NULL)
		return -1;
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, connections);
	/* on a shared HTTP/2 connection one paused stream stops the others */
	curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING,
	    (long)CURLPIPE_NOTHING);
	return 0;
}

static int
set_proxy(const char *proxy, struct wl_err *e)
{
	bool https;

	client.proxy[0] = '\0';
	if (proxy[0] == '\0')
		return 0;
	if (!wl_strlcpy(client.proxy, proxy, sizeof(client.proxy)) ||
	    wl_guard_split(proxy, &https, client.proxy_host,
	    &client.proxy_port) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "upstream_proxy must be "
		    "http://host:port or https://host:port");
	return 0;
}

int
wl_client_open(const struct wl_conf *conf, struct wl_err *e)
{
	static bool initialised;
	long connections = conf->max_requests < CONNECTIONS_MAX ?
	    (long)conf->max_requests : CONNECTIONS_MAX;
	int i;

	if (!initialised && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return wl_err_set(e, WL_E_INTERNAL, "libcurl does not start");
	initialised = true;
	client.first_queued = client.catching = NULL;
	client.last_queued = &client.first_queued;
	if (set_proxy(conf->upstream_proxy, e) == -1)
		return -1;
	if (!wl_strlcpy(client.ca_file, conf->upstream_ca_file,
	    sizeof(client.ca_file)))
		return wl_err_set(e, WL_E_INTERNAL,
		    "upstream_ca_file is too long");
	client.open = true;
	for (i = 0; i < WL_TRUST_MAX; i++)
		if (open_pool(&client.pool[i], (enum wl_trust)i,
		    connections) == -1) {
			wl_client_close();
			return wl_err_set(e, WL_E_INTERNAL,
			    "libcurl has no memory");
		}
	return 0;
}

static void
close_pool(struct wl_pool *pool)
{
	struct wl_xfer *x;

	if (pool->multi == NULL)
		return;
	while ((x = pool->xfers) != NULL)
		wl_xfer_finished(x, WL_FAULT_CLOSED, CURLE_OK);
	while (pool->nidle > 0)
		curl_easy_cleanup(pool->idle[--pool->nidle]);
	curl_multi_cleanup(pool->multi);
	wl_timer_clear(&pool->timer);
	pool->kicked = false;
	pool->multi = NULL;
}

void
wl_client_close(void)
{
	int i;

	if (!client.open)
		return;
	for (i = 0; i < WL_TRUST_MAX; i++)
		close_pool(&client.pool[i]);
	client.open = false;
}
