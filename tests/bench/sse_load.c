/*
 * Opens many streams at once and measures each chunk against the time that
 * fake_llm stamped into it (stamp=1): its delay, its place in the order, and
 * whether it came at all.  Prints "open" when every stream has its first
 * chunk, and one JSON object at the end.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES	((size_t)4096)
#define EVENTS_MAX	256
#define CONTENT		"\"content\":\""

enum part { HEAD, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, PLAIN, CLOSED };

struct stream {
	int		 fd;
	enum part	 part;
	bool		 chunked, ok;		/* what the head said */
	bool		 done;			/* [DONE] came */
	long		 next;			/* chunk that is due */
	size_t		 left;			/* of this piece */
	size_t		 len;			/* of line */
	char		 line[LINE_MAX_BYTES];
};

static struct {
	int		 port;
	const char	*path, *key, *body;
	long		 streams, chunks, ramp_ms, seconds;
} opt = {
	.path = "/v1/chat/completions", .key = "", .body = "",
	.streams = 1, .chunks = 1, .ramp_ms = 0, .seconds = 30
};

static struct {
	int		 epfd;
	struct stream	*all;
	long		 opened, live, begun;
	uint32_t	*delay;			/* µs, of each chunk */
	size_t		 ndelay, room;
	long		 disorder, refused, cut, early;
	char		*request;
	size_t		 request_len;
} load;

static void __attribute__((noreturn))
die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * A chunk's content is "<number>:<microseconds> ".
 */
static void
take_chunk(struct stream *s, const char *content)
{
	int64_t now = clock_us(CLOCK_REALTIME), delay;
	char *end;
	long n = strtol(content, &end, 10);

	if (end == content || *end != ':')
		return;
	delay = now - strtoll(end + 1, NULL, 10);
	if (n != s->next)
		load.disorder++;
	s->next = n + 1;
	if (delay < 0) {
		load.early++;
		delay = 0;
	}
	if (load.ndelay < load.room)
		load.delay[load.ndelay++] = delay > UINT32_MAX ? UINT32_MAX :
		    (uint32_t)delay;
	if (n == 0 && ++load.begun == opt.streams) {
		puts("open");
		fflush(stdout);
	}
}

static void
take_line(struct stream *s)
{
	const char *p;

	s->line[s->len] = '\0';
	if (strncmp(s->line, "data: ", 6) != 0)
		return;
	if (strncmp(s->line + 6, "[DONE]", 6) == 0)
		s->done = true;
	else if ((p = strstr(s->line, CONTENT)) != NULL)
		take_chunk(s, p + sizeof(CONTENT) - 1);
}

static void
take_head_line(struct stream *s)
{
	s->line[s->len] = '\0';
	if (strncmp(s->line, "HTTP/1.", 7) == 0)
		s->ok = strncmp(s->line + 8, " 200", 4) == 0;
	else if (strncasecmp(s->line, "transfer-encoding: chunked", 26) == 0)
		s->chunked = true;
	else if (s->len == 0)
		s->part = s->chunked ? CHUNK_SIZE : PLAIN;
}

/*
 * Gather a line; whether it is complete.
 */
static bool
add_to_line(struct stream *s, char c)
{
	if (c == '\n') {
		if (s->len > 0 && s->line[s->len - 1] == '\r')
			s->len--;
		return true;
	}
	if (s->len < LINE_MAX_BYTES - 1)
		s->line[s->len++] = c;
	return false;
}

/*
 * The size lines of the chunked framing may cut a line of the stream in two,
 * so they are read without its buffer.
 */
static void
take_size(struct stream *s, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;

	if (c == '\n')
		s->part = s->left > 0 ? CHUNK_DATA : CLOSED;
	else if (c != '\r' && (d = strchr(digits, c | 0x20)) != NULL)
		s->left = s->left * 16 + (size_t)(d - digits);
}

static void
take_byte(struct stream *s, char c)
{
	switch (s->part) {
	case HEAD:
		if (add_to_line(s, c)) {
			take_head_line(s);
			s->len = 0;
		}
		return;
	case CHUNK_SIZE:
		take_size(s, c);
		return;
	case CHUNK_END:
		if (c == '\n')
			s->part = CHUNK_SIZE;
		return;
	case CHUNK_DATA:
	case PLAIN:
		if (add_to_line(s, c)) {
			take_line(s);
			s->len = 0;
		}
		if (s->part == CHUNK_DATA && --s->left == 0)
			s->part = CHUNK_END;
		return;
	case CLOSED:
		return;
	}
}

static void
finish(struct stream *s)
{
	close(s->fd);
	s->fd = -1;
	load.live--;
	if (!s->ok)
		load.refused++;
	else if (!s->done)
		load.cut++;
}

static void
on_ready(struct stream *s)
{
	static char buf[65536];
	ssize_t i, n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	for (i = 0; i < n; i++)
		take_byte(s, buf[i]);
	if (n <= 0 || s->part == CLOSED)
		finish(s);
}

static void
open_stream(struct stream *s)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd == -1 ||
	    connect(s->fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		die("connect");
	if (send(s->fd, load.request, load.request_len, MSG_NOSIGNAL) !=
	    (ssize_t)load.request_len)
		die("send");
	if (epoll_ctl(load.epfd, EPOLL_CTL_ADD, s->fd, &ev) == -1)
		die("epoll_ctl");
	load.opened++;
	load.live++;
}

/*
 * Open what is due; how long until the next is (ms).
 */
static int
open_due(int64_t start)
{
	int64_t ms = (clock_us(CLOCK_MONOTONIC) - start) / 1000;
	int64_t due = opt.streams;

	if (ms < opt.ramp_ms)
		due = opt.streams * ms / opt.ramp_ms + 1;
	while (load.opened < due && load.opened < opt.streams)
		open_stream(&load.all[load.opened]);
	return load.opened < opt.streams ? 1 : 100;
}

static void
run(void)
{
	struct epoll_event ev[EVENTS_MAX];
	int64_t start = clock_us(CLOCK_MONOTONIC);
	int64_t end = start + opt.seconds * 1000000;
	int i, n, wait;

	for (;;) {
		wait = open_due(start);
		if ((load.live == 0 && load.opened == opt.streams) ||
		    clock_us(CLOCK_MONOTONIC) > end)
			return;
		n = epoll_wait(load.epfd, ev, EVENTS_MAX, wait);
		for (i = 0; i < n; i++)
			on_ready(ev[i].data.ptr);
	}
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t
percentile(unsigned per_thousand)
{
	if (load.ndelay == 0)
		return 0;
	return load.delay[(load.ndelay - 1) * per_thousand / 1000];
}

static void
report(void)
{
	long lost = opt.streams * opt.chunks - (long)load.ndelay;

	qsort(load.delay, load.ndelay, sizeof(*load.delay), by_size);
	printf("{\"streams\":%ld,\"chunks\":%zu,\"lost\":%ld,\"disorder\":%ld,"
	    "\"early\":%ld,\"refused\":%ld,\"cut\":%ld,\"unfinished\":%ld,"
	    "\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u}\n",
	    opt.streams, load.ndelay, lost, load.disorder, load.early,
	    load.refused, load.cut, load.live, percentile(500),
	    percentile(990), percentile(999), percentile(1000));
}

static void
make_request(void)
{
	int n = asprintf(&load.request, "POST %s HTTP/1.1\r\n"
	    "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
	    "Authorization: Bearer %s\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n%s", opt.path, opt.key,
	    strlen(opt.body), opt.body);

	if (n == -1)
		die("asprintf");
	load.request_len = (size_t)n;
}

static long
number(const char *s, long max)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (end == s || *end != '\0' || n < 0 || n > max) {
		fprintf(stderr, "sse_load: not a number: %s\n", s);
		exit(2);
	}
	return n;
}

static void
parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "body", required_argument, NULL, 'b' },
		{ "chunks", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "path", required_argument, NULL, 'u' },
		{ "port", required_argument, NULL, 'p' },
		{ "ramp", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "streams", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'b':
			opt.body = optarg;
			break;
		case 'c':
			opt.chunks = number(optarg, 100000);
			break;
		case 'k':
			opt.key = optarg;
			break;
		case 'n':
			opt.streams = number(optarg, 20000);
			break;
		case 'p':
			opt.port = (int)number(optarg, 65535);
			break;
		case 'r':
			opt.ramp_ms = number(optarg, 600000);
			break;
		case 's':
			opt.seconds = number(optarg, 3600);
			break;
		case 'u':
			opt.path = optarg;
			break;
		default:
			fputs("usage: sse_load --port=N --streams=N"
			    " --chunks=N --body=JSON [--key=KEY] [--path=PATH]"
			    " [--ramp=MS] [--seconds=N]\n", stderr);
			exit(2);
		}
}

int
main(int argc, char **argv)
{
	struct rlimit files;

	parse(argc, argv);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	load.room = (size_t)(opt.streams * opt.chunks);
	load.all = calloc((size_t)opt.streams, sizeof(*load.all));
	load.delay = calloc(load.room + 1, sizeof(*load.delay));
	load.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (load.all == NULL || load.delay == NULL || load.epfd == -1)
		die("sse_load");
	make_request();
	run();
	report();
	return 0;
}
