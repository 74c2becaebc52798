/*
 * The pipelined connection to Redis.  One coroutine owns it: it connects,
 * reads, and hands out replies in the order of the commands.  Callers append
 * to one buffer, which is sent once at the end of each turn of the loop.
 */
#include "config.h"
#include "lib/store/redis.h"

#include <sys/socket.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/num.h"
#include "lib/base/secret.h"
#include "lib/base/str.h"
#include "lib/base/wait.h"
#include "lib/store/resolve.h"

#define CONNECT_MS	1000
#define RETRY_MIN_MS	100
#define RETRY_MAX_MS	1000
#define STEADY_MS	5000	/* up for so long: retry quickly again */
#define OUT_MAX		((size_t)64 * 1024 * 1024)
#define READ_SIZE	((size_t)16 * 1024)	/* of one read by hiredis */
#define READS_MAX	64	/* then others have their turn */
#define BACKSTOP_MS	1000

/*
 * A command that was queued; its reply is the one at its place.
 */
struct wl_redis_slot {
	struct wl_redis_slot	*next;
	struct wl_redis_req	*req;		/* NULL: nobody waits any more */
	int64_t			 deadline;	/* INT64_MAX: not flushed */
};

enum state {
	CLOSED,		/* no address, or wl_redis_close() */
	STARTING,	/* nothing known against it: callers wait a little */
	UP,
	DOWN
};

static struct {
	enum state	 state;
	uint64_t	 epoch;
	char		 path[108];	/* of a Unix socket, or "" */
	char		 host[256];
	int		 port;
	char		 password[256];
	int64_t		 database;
	int64_t		 timeout;
	struct wl_co	*owner;
	struct wl_co	*closer;	/* waits for the owner's end */
	bool		 closing;
	redisContext	*ctx;
	struct wl_buf	 out;
	struct wl_redis_slot *first, **last, *unflushed;
	struct wl_defer	 flush;
	bool		 blocked;	/* the socket takes no more now */
	char		 why[160];	/* the connection is lost */
} rd;

static const char probe[] =
    "return redis.call('set', KEYS[1], '1', 'px', '1000')";

/* ---- callers ----------------------------------------------------------- */

static int
away(struct wl_err *e, const char *why)
{
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "redis: %s", why);
}

static void
lost(const char *why)
{
	if (rd.why[0] == '\0')
		wl_strlcpy(rd.why, why[0] != '\0' ? why : "connection lost",
		    sizeof(rd.why));
}

/*
 * Send what is queued.  All of it is under way from now on, also what was
 * queued in this turn: its replies may be read before the turn ends.  The
 * time allowed begins, whether or not the socket takes everything.
 */
static int
write_out(void)
{
	int64_t deadline = wl_mono_fresh() + rd.timeout;
	struct wl_redis_slot *s;
	ssize_t n;

	for (s = rd.unflushed; s != NULL; s = s->next)
		s->deadline = deadline;
	rd.unflushed = NULL;
	while (rd.out.len > 0) {
		n = send(rd.ctx->fd, rd.out.p, rd.out.len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n == -1) {
			lost(strerror(errno));
			return -1;
		}
		wl_buf_drop(&rd.out, (size_t)n);
	}
	rd.blocked = rd.out.len > 0;
	return 0;
}

/*
 * At the end of a turn: send what was queued in it.
 */
static void
flush(void *arg)
{
	bool idle = rd.first == rd.unflushed;

	(void)arg;
	if (rd.ctx == NULL || rd.unflushed == NULL)
		return;
	write_out();
	/* the owner sleeps without a deadline while nothing is under way */
	if (idle || rd.blocked || rd.why[0] != '\0')
		wl_wake(rd.owner);
}

static void
put_count(char kind, size_t n)
{
	wl_buf_addc(&rd.out, kind);
	wl_buf_int(&rd.out, (int64_t)n);
	wl_buf_adds(&rd.out, "\r\n");
}

static int
append(int argc, const char *const *argv, const size_t *lens)
{
	size_t len;
	int i;

	put_count('*', (size_t)argc);
	for (i = 0; i < argc; i++) {
		len = lens != NULL ? lens[i] : strlen(argv[i]);
		put_count('$', len);
		wl_buf_add(&rd.out, argv[i], len);
		wl_buf_adds(&rd.out, "\r\n");
	}
	return rd.out.failed ? -1 : 0;
}

/*
 * Before the first connection, and while one is renewed, there is something
 * to hope for.
 */
static void
await_start(void)
{
	int64_t deadline = wl_mono_fresh() + rd.timeout;

	while (rd.state == STARTING && wl_mono_fresh() < deadline)
		if (wl_sleep(1) == -1)
			return;
}

int
wl_redis_send(struct wl_redis_req *req, struct wl_arena *arena, int argc,
    const char *const *argv, const size_t *lens, struct wl_err *e)
{
	struct wl_redis_slot *s;

	memset(req, 0, sizeof(*req));
	if (rd.state == STARTING)
		await_start();
	if (rd.state != UP || rd.why[0] != '\0')
		return away(e, rd.state == CLOSED ? "not configured" :
		    rd.why[0] != '\0' ? rd.why : "down");
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return away(e, "out of memory");
	if (append(argc, argv, lens) == -1) {
		/* half a command may be in the buffer */
		lost("commands pile up");
		wl_wake(rd.owner);
		free(s);
		return away(e, rd.why);
	}
	s->req = req;
	s->deadline = INT64_MAX;
	*rd.last = s;
	rd.last = &s->next;
	if (rd.unflushed == NULL)
		rd.unflushed = s;
	req->slot = s;
	req->arena = arena;
	req->state = WL_RS_QUEUED;
	wl_defer(&rd.flush, flush, NULL);
	return 0;
}

struct wl_reply *
wl_redis_wait(struct wl_redis_req *req, struct wl_err *e)
{
	int64_t backstop = wl_mono_fresh() + rd.timeout + BACKSTOP_MS;
	int r = 1;

	req->co = wl_co_self();
	while (req->state == WL_RS_QUEUED && r > 0)
		r = wl_wait(-1, WL_WOKEN, backstop);
	req->co = NULL;
	if (req->state == WL_RS_QUEUED) {
		req->slot->req = NULL;
		away(e, r == 0 ? "no answer" : "cancelled");
		return NULL;
	}
	if (req->state == WL_RS_FAILED) {
		away(e, rd.why[0] != '\0' ? rd.why : "connection lost");
		return NULL;
	}
	return req->reply;
}

struct wl_reply *
wl_redis_call(struct wl_arena *arena, int argc, const char *const *argv,
    const size_t *lens, struct wl_err *e)
{
	struct wl_redis_req req;

	if (wl_redis_send(&req, arena, argc, argv, lens, e) == -1)
		return NULL;
	return wl_redis_wait(&req, e);
}

/* ---- replies ----------------------------------------------------------- */

static struct wl_reply *copy(struct wl_arena *a, const redisReply *r);

static int
copy_items(struct wl_arena *a, struct wl_reply *to, const redisReply *r)
{
	size_t i;

	to->n = r->elements;
	to->item = wl_arena_alloc(a, (to->n + 1) * sizeof(*to->item));
	if (to->item == NULL)
		return -1;
	for (i = 0; i < to->n; i++)
		if ((to->item[i] = copy(a, r->element[i])) == NULL)
			return -1;
	return 0;
}

static struct wl_reply *
copy(struct wl_arena *a, const redisReply *r)
{
	struct wl_reply *to = wl_arena_alloc(a, sizeof(*to));

	if (to == NULL)
		return NULL;
	switch (r->type) {
	case REDIS_REPLY_INTEGER:
		to->type = WL_R_INT;
		to->integer = r->integer;
		return to;
	case REDIS_REPLY_ARRAY:
		to->type = WL_R_ARRAY;
		return copy_items(a, to, r) == -1 ? NULL : to;
	case REDIS_REPLY_STRING:
		to->type = WL_R_STR;
		break;
	case REDIS_REPLY_STATUS:
		to->type = WL_R_STATUS;
		break;
	case REDIS_REPLY_ERROR:
		to->type = WL_R_ERROR;
		break;
	default:
		to->type = WL_R_NIL;
		return to;
	}
	to->len = r->len;
	to->str = wl_arena_dup(a, r->str, r->len);
	return to->str == NULL ? NULL : to;
}

/*
 * Whether an error means that this server cannot serve.  Redis 6 wraps what
 * a script's command said: "ERR Error running script (...): -OOM ...".
 */
static bool
cannot_serve(const char *s)
{
	static const char *const words[] = {
		"LOADING ", "MASTERDOWN ", "MISCONF ", "NOAUTH ", "NOPERM ",
		"NOREPLICAS ", "OOM ", "READONLY ", "WRONGPASS ",
	};
	const char *at;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((at = strstr(s, words[i])) == NULL)
			continue;
		if (at == s || (at[-1] == '-' &&
		    strncmp(s, "ERR Error running script", 24) == 0))
			return true;
	}
	return false;
}

static void
complete(struct wl_redis_slot *s, enum wl_redis_state state,
    struct wl_reply *reply)
{
	struct wl_redis_req *req = s->req;

	free(s);
	if (req == NULL)
		return;
	req->slot = NULL;
	req->reply = reply;
	req->state = state;
	if (req->co != NULL)
		wl_wake(req->co);
}

static struct wl_redis_slot *
shift(void)
{
	struct wl_redis_slot *s = rd.first;

	if (s == NULL || s == rd.unflushed)
		return NULL;
	rd.first = s->next;
	if (rd.first == NULL)
		rd.last = &rd.first;
	return s;
}

static void
deliver(const redisReply *r)
{
	struct wl_redis_slot *s = shift();
	struct wl_reply *reply = NULL;

	if (s == NULL) {
		lost("a reply to no command");
		return;
	}
	if (r->type == REDIS_REPLY_ERROR && cannot_serve(r->str)) {
		lost(r->str);
		complete(s, WL_RS_FAILED, NULL);
		return;
	}
	if (s->req != NULL)
		reply = copy(s->req->arena, r);
	complete(s, reply == NULL ? WL_RS_FAILED : WL_RS_DONE, reply);
}

/*
 * Read what the socket has.  False: it is at its end, or broken.
 */
static bool
read_socket(void)
{
	const redisReader *in = rd.ctx->reader;
	size_t before;
	int i;

	for (i = 0; i < READS_MAX; i++) {
		before = in->len;
		if (redisBufferRead(rd.ctx) == REDIS_ERR)
			return false;
		if (in->len - before < READ_SIZE)
			break;
	}
	return true;
}

/*
 * Hand out what has come, also what came right before the end.
 */
static void
read_replies(void)
{
	bool more = read_socket();
	void *r = NULL;

	while (rd.why[0] == '\0') {
		if (redisReaderGetReply(rd.ctx->reader, &r) == REDIS_ERR) {
			lost(rd.ctx->reader->errstr);
			return;
		}
		if (r == NULL)
			break;
		deliver(r);
		freeReplyObject(r);
	}
	if (!more)
		lost(rd.ctx->errstr);
}

/* ---- the connection ---------------------------------------------------- */

static void
disconnect(void)
{
	struct wl_redis_slot *s;

	if (rd.ctx != NULL) {
		wl_forget(rd.ctx->fd);
		redisFree(rd.ctx);
		rd.ctx = NULL;
	}
	wl_buf_free(&rd.out);
	wl_buf_init(&rd.out, OUT_MAX);
	rd.blocked = false;
	rd.unflushed = NULL;
	while ((s = shift()) != NULL)
		complete(s, WL_RS_FAILED, NULL);
}

static int
begin_connect(void)
{
	struct wl_addrs a;

	if (rd.path[0] != '\0')
		rd.ctx = redisConnectUnixNonBlock(rd.path);
	else if (wl_resolve(rd.host, wl_mono_fresh() + CONNECT_MS, &a) == 0)
		rd.ctx = redisConnectNonBlock(a.text[0], rd.port);
	else {
		lost(strerror(errno));
		return -1;
	}
	if (rd.ctx == NULL || rd.ctx->err != 0) {
		lost(rd.ctx == NULL ? "out of memory" : rd.ctx->errstr);
		return -1;
	}
	return 0;
}

static int
finish_connect(void)
{
	socklen_t len = sizeof(int);
	int err = 0, r;

	r = wl_wait(rd.ctx->fd, EPOLLOUT, wl_mono_fresh() + CONNECT_MS);
	if (r <= 0) {
		lost(r == 0 ? "no connection in time" : strerror(errno));
		return -1;
	}
	if (getsockopt(rd.ctx->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0) {
		lost(strerror(err));
		return -1;
	}
	return 0;
}

/*
 * The next reply of the handshake.
 */
static int
expect_ok(int64_t deadline)
{
	void *p = NULL;
	redisReply *r;
	int n, ok;

	for (;;) {
		if (redisGetReplyFromReader(rd.ctx, &p) == REDIS_ERR)
			break;
		if (p != NULL)
			break;
		n = wl_wait(rd.ctx->fd, EPOLLIN, deadline);
		if (n <= 0) {
			lost(n == 0 ? "no answer in time" : strerror(errno));
			return -1;
		}
		if (redisBufferRead(rd.ctx) == REDIS_ERR)
			break;
	}
	if ((r = p) == NULL) {
		lost(rd.ctx->errstr);
		return -1;
	}
	ok = r->type != REDIS_REPLY_ERROR;
	if (!ok)
		lost(r->str);
	freeReplyObject(r);
	return ok ? 0 : -1;
}

/*
 * AUTH, SELECT, and a script that writes: what every call needs.
 */
static int
handshake(void)
{
	int64_t deadline = wl_mono_fresh() + rd.timeout;
	const char *auth[] = { "AUTH", rd.password };
	char number[24];
	const char *choose[] = { "SELECT", number };
	const char *test[] = { "EVAL", probe, "1", "watchllm:probe" };
	int n = 1;

	if (rd.password[0] != '\0') {
		append(2, auth, NULL);
		n++;
	}
	if (rd.database != 0) {
		snprintf(number, sizeof(number), "%lld",
		    (long long)rd.database);
		append(2, choose, NULL);
		n++;
	}
	append(4, test, NULL);
	if (rd.out.failed || write_out() == -1)
		return -1;
	while (n-- > 0)
		if (expect_ok(deadline) == -1)
			return -1;
	return 0;
}

static int
connect_once(void)
{
	rd.why[0] = '\0';
	return begin_connect() == -1 || finish_connect() == -1 ||
	    handshake() == -1 ? -1 : 0;
}

static void
went_up(void)
{
	if (rd.state == DOWN)
		wl_log(WL_INFO, "redis.up", "Redis answers again");
	rd.state = UP;
	rd.epoch++;
}

static void
went_down(void)
{
	if (rd.state != DOWN)
		wl_log(WL_ERROR, "redis.down", "%s", rd.why);
	rd.state = DOWN;
}

/*
 * Until the connection is lost, and rd.why says how.
 */
static void
serve(void)
{
	int64_t deadline;
	int r;

	while (rd.why[0] == '\0') {
		if (rd.closing && rd.first == NULL)
			return;
		deadline = rd.first != NULL ? rd.first->deadline : INT64_MAX;
		r = wl_wait(rd.ctx->fd, rd.blocked ?
		    EPOLLIN | EPOLLOUT | WL_WOKEN : EPOLLIN | WL_WOKEN,
		    deadline);
		if (r == -1)
			lost(strerror(errno));
		if (r > 0 && (r & EPOLLOUT) != 0)
			write_out();
		/* once more before giving up: we may have been late ourselves */
		if (r == 0 || (r > 0 && (r & ~(EPOLLOUT | (int)WL_WOKEN)) != 0))
			read_replies();
		if (r == 0 && rd.first != NULL && wl_mono_fresh() >=
		    rd.first->deadline)
			lost("no answer in time");
	}
}

/*
 * A server that closes a connection on which nothing is under way may only
 * have grown tired of it, or have been restarted: that is not yet down.
 */
static void
run(void *arg)
{
	int64_t pause = RETRY_MIN_MS, since;
	bool renew;

	(void)arg;
	while (!rd.closing && !wl_co_cancelled()) {
		if (connect_once() == 0) {
			went_up();
			since = wl_mono_fresh();
			serve();
			renew = rd.first == NULL;
			if (wl_mono_fresh() - since > STEADY_MS)
				pause = RETRY_MIN_MS;
			if (rd.closing)
				break;
			if (renew && wl_mono_fresh() - since > RETRY_MIN_MS) {
				disconnect();
				rd.state = STARTING;
				continue;
			}
		}
		went_down();
		disconnect();
		if (wl_wait(-1, WL_WOKEN, wl_mono_fresh() + pause) == -1)
			break;
		pause = 2 * pause < RETRY_MAX_MS ? 2 * pause : RETRY_MAX_MS;
	}
	lost("closed");
	rd.state = CLOSED;
	disconnect();
	rd.owner = NULL;
	if (rd.closer != NULL)
		wl_wake(rd.closer);
}

/* ---- opening and closing ----------------------------------------------- */

static int
parse_address(const char *s, struct wl_err *e)
{
	struct wl_str host, port = WL_STR("6379");
	const char *colon;
	int64_t n = 6379;

	if (strncmp(s, "unix:", 5) == 0) {
		if (s[5] != '/' || !wl_strlcpy(rd.path, s + 5, sizeof(rd.path)))
			return wl_err_set(e, WL_E_INTERNAL,
			    "redis: expected unix:/path of at most %zu bytes",
			    sizeof(rd.path) - 1);
		return 0;
	}
	colon = strrchr(s, ':');
	if (colon != NULL && strchr(colon, ']') != NULL)
		colon = NULL;	/* within an IPv6 address */
	host = (struct wl_str){ s, colon == NULL ? strlen(s) :
	    (size_t)(colon - s) };
	if (colon != NULL)
		port = wl_str_of(colon + 1);
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		host = (struct wl_str){ host.p + 1, host.len - 2 };
	else if (memchr(host.p, ':', host.len) != NULL)
		host.len = 0;
	if (host.len == 0 || host.len >= sizeof(rd.host) ||
	    memchr(host.p, '[', host.len) != NULL ||
	    wl_num_parse(port.p, port.len, 1, 65535, &n) == -1)
		return wl_err_set(e, WL_E_INTERNAL,
		    "redis: expected unix:/path or host:port");
	memcpy(rd.host, host.p, host.len);
	rd.host[host.len] = '\0';
	rd.port = (int)n;
	return 0;
}

int
wl_redis_open(const struct wl_conf *conf, struct wl_err *e)
{
	uint64_t epoch = rd.epoch;

	memset(&rd, 0, sizeof(rd));
	rd.epoch = epoch;
	rd.last = &rd.first;
	rd.timeout = conf->redis_timeout;
	rd.database = conf->redis_database;
	wl_buf_init(&rd.out, OUT_MAX);
	if (conf->redis[0] == '\0')
		return 0;
	if (parse_address(conf->redis, e) == -1)
		return -1;
	if (conf->redis_password_file[0] != '\0' &&
	    wl_secret_file(conf->redis_password_file, rd.password,
	    sizeof(rd.password), e) == -1)
		return -1;
	rd.state = STARTING;
	rd.owner = wl_co_spawn("redis", run, NULL);
	if (rd.owner == NULL) {
		rd.state = CLOSED;
		return wl_err_set(e, WL_E_INTERNAL, "redis: out of memory");
	}
	return 0;
}

void
wl_redis_close(void)
{
	int64_t deadline = wl_mono_fresh() + 2 * CONNECT_MS + rd.timeout;

	rd.closing = true;
	rd.closer = wl_co_self();
	while (rd.owner != NULL) {
		wl_wake(rd.owner);
		if (wl_wait(-1, WL_WOKEN, deadline) <= 0)
			break;
	}
	if (rd.owner != NULL)
		wl_co_cancel(rd.owner);
	rd.closer = NULL;
	wl_secret_wipe(rd.password, sizeof(rd.password));
}

bool
wl_redis_up(void)
{
	return rd.state == UP || rd.state == STARTING;
}

uint64_t
wl_redis_epoch(void)
{
	return rd.epoch;
}
