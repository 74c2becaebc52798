/*
 * The in-memory carrier behind struct wl_io, for tests of what serves
 * requests without a web server.
 */
#include "config.h"
#include "tests/unit/io_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct io_mem *
mem(struct wl_io *io)
{
	return (struct io_mem *)(void *)((char *)io -
	    offsetof(struct io_mem, io));
}

static const char *
mem_param(struct wl_io *io, const char *name)
{
	const char *const *p;

	for (p = mem(io)->params; p != NULL && *p != NULL; p += 2)
		if (strcmp(p[0], name) == 0)
			return p[1];
	return NULL;
}

static void
mem_each(struct wl_io *io, void (*fn)(const char *, const char *, void *),
    void *arg)
{
	const char *const *p;

	for (p = mem(io)->params; p != NULL && *p != NULL; p += 2)
		fn(p[0], p[1], arg);
}

static ssize_t
mem_read(struct wl_io *io, void *p, size_t len)
{
	struct io_mem *m = mem(io);
	size_t n = m->body_len - m->body_at;

	if (n > len)
		n = len;
	if (m->piece != 0 && n > m->piece)
		n = m->piece;
	if (n == 0 && len != 0 && m->cut) {
		errno = ECONNRESET;
		return -1;
	}
	if (n != 0)
		memcpy(p, m->body + m->body_at, n);
	m->body_at += n;
	return (ssize_t)n;
}

static int
mem_flush(struct wl_io *io)
{
	struct io_mem *m = mem(io);

	m->flushes++;
	if (m->gone_after != 0 && m->out.len >= m->gone_after) {
		errno = EPIPE;
		return -1;
	}
	wl_buf_add(&m->out, m->queued.p, m->queued.len);
	wl_buf_reset(&m->queued);
	return 0;
}

static int
mem_write(struct wl_io *io, const void *p, size_t len)
{
	struct io_mem *m = mem(io);

	m->writes++;
	if (m->gone_after != 0 && m->out.len >= m->gone_after) {
		errno = EPIPE;
		return -1;
	}
	wl_buf_add(&m->queued, p, len);
	return 0;
}

static int
mem_finish(struct wl_io *io)
{
	struct io_mem *m = mem(io);

	if (m->queued.len != 0 && mem_flush(io) == -1)
		return -1;
	m->finishes++;
	return 0;
}

static void
mem_timeout(struct wl_io *io, int64_t ms)
{
	mem(io)->timeout = ms;
}

static const struct wl_io_ops mem_ops = {
	.param = mem_param,
	.each = mem_each,
	.read = mem_read,
	.write = mem_write,
	.flush = mem_flush,
	.finish = mem_finish,
	.timeout = mem_timeout,
};

void
io_mem_init(struct io_mem *m, const char *const *params, const void *body,
    size_t body_len)
{
	memset(m, 0, sizeof(*m));
	m->io.ops = &mem_ops;
	m->io.fd = -1;
	m->params = params;
	m->body = body;
	m->body_len = body_len;
}

void
io_mem_free(struct io_mem *m)
{
	wl_buf_free(&m->out);
	wl_buf_free(&m->queued);
}

const char *
io_mem_header(const struct io_mem *m, const char *name)
{
	static char value[8192];
	const char *p = m->out.p, *end;
	size_t n = strlen(name), len;

	while (p != NULL && (end = strstr(p, "\r\n")) != NULL && end != p) {
		if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
			p += n + 1;
			p += strspn(p, " ");
			len = (size_t)(end - p);
			if (len >= sizeof(value))
				return NULL;
			memcpy(value, p, len);
			value[len] = '\0';
			return value;
		}
		p = end + 2;
	}
	return NULL;
}

int
io_mem_status(const struct io_mem *m)
{
	const char *v = io_mem_header(m, "Status");

	return v == NULL ? 0 : (int)strtol(v, NULL, 10);
}

struct wl_str
io_mem_body(const struct io_mem *m)
{
	const char *p = m->out.p == NULL ? NULL : strstr(m->out.p, "\r\n\r\n");

	if (p == NULL)
		return (struct wl_str){ "", 0 };
	p += 4;
	return (struct wl_str){ p, m->out.len - (size_t)(p - m->out.p) };
}
