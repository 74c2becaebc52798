/*
 * The parser of server-sent events: bytes are gathered to lines, lines to
 * events.
 */
#include "config.h"
#include "lib/http/sse.h"

#include <string.h>

#define BOM	"\xef\xbb\xbf"

void
wl_sse_init(struct wl_sse *s, size_t max)
{
	memset(s, 0, sizeof(*s));
	s->max = max;
	wl_buf_init(&s->line, max);
	wl_buf_init(&s->data, max);
	wl_buf_init(&s->name, max);
	wl_buf_init(&s->id, max);
}

void
wl_sse_free(struct wl_sse *s)
{
	wl_buf_free(&s->line);
	wl_buf_free(&s->data);
	wl_buf_free(&s->name);
	wl_buf_free(&s->id);
}

/*
 * A field of the event being built.  "retry" and unknown ones are ignored.
 */
static void
take_field(struct wl_sse *s, struct wl_str name, struct wl_str value)
{
	if (wl_str_eq(name, "data")) {
		if (s->has_data)
			wl_buf_addc(&s->data, '\n');
		wl_buf_add(&s->data, value.p, value.len);
		s->has_data = true;
	} else if (wl_str_eq(name, "event")) {
		wl_buf_reset(&s->name);
		wl_buf_add(&s->name, value.p, value.len);
	} else if (wl_str_eq(name, "id")) {
		if (value.len > 0 && memchr(value.p, '\0', value.len) != NULL)
			return;
		wl_buf_reset(&s->id);
		wl_buf_add(&s->id, value.p, value.len);
	}
}

/*
 * A whole line without its end.  Returns whether it ended an event.
 */
static bool
take_line(struct wl_sse *s, struct wl_str line)
{
	struct wl_str name;

	if (!s->bom_done) {
		s->bom_done = true;
		if (wl_str_prefix(line, BOM)) {
			line.p += 3;
			line.len -= 3;
		}
	}
	if (line.len == 0)
		return s->has_data || s->name.len > 0;
	name = wl_str_cut(&line, ':');
	if (name.len == 0)
		return false;
	if (line.len > 0 && line.p[0] == ' ') {
		line.p++;
		line.len--;
	}
	take_field(s, name, line);
	return false;
}

static struct wl_str
str_of_buf(const struct wl_buf *b)
{
	return (struct wl_str){ b->len == 0 ? "" : b->p, b->len };
}

static void
start_event(struct wl_sse *s)
{
	s->complete = false;
	s->has_data = false;
	wl_buf_reset(&s->data);
	wl_buf_reset(&s->name);
}

/*
 * The end of the line that begins at P, or NULL.
 */
static const char *
line_end(const char *p, size_t len)
{
	const char *lf = memchr(p, '\n', len);
	const char *cr = memchr(p, '\r', lf == NULL ? len : (size_t)(lf - p));

	return cr != NULL ? cr : lf;
}

static bool
too_large(const struct wl_sse *s)
{
	return s->line.failed || s->data.failed || s->name.failed ||
	    s->id.failed || s->data.len + s->name.len > s->max;
}

/*
 * One line, or what there is of it, from *P.  Returns whether it ended an
 * event.
 */
static bool
feed_line(struct wl_sse *s, const char **p, size_t *len)
{
	const char *end = line_end(*p, *len);
	size_t n = end == NULL ? *len : (size_t)(end - *p);
	struct wl_str line = { *p, n };
	bool done = false;

	if (end == NULL || s->line.len > 0) {
		wl_buf_add(&s->line, *p, n);
		line = str_of_buf(&s->line);
	} else if (n > s->max) {
		s->line.failed = true;
	}
	*p += n;
	*len -= n;
	if (end == NULL || s->line.failed)
		return false;
	s->skip_lf = *end == '\r';
	(*p)++;
	(*len)--;
	done = take_line(s, line);
	wl_buf_reset(&s->line);
	return done;
}

int
wl_sse_feed(struct wl_sse *s, const char **p, size_t *len,
    struct wl_sse_event *ev)
{
	if (s->complete)
		start_event(s);
	while (*len > 0) {
		if (s->skip_lf) {
			s->skip_lf = false;
			if (**p == '\n') {
				(*p)++;
				(*len)--;
				continue;
			}
		}
		s->complete = feed_line(s, p, len);
		if (too_large(s))
			return -1;
		if (s->complete) {
			ev->name = str_of_buf(&s->name);
			ev->data = str_of_buf(&s->data);
			ev->id = str_of_buf(&s->id);
			ev->has_data = s->has_data;
			return 1;
		}
	}
	return 0;
}
