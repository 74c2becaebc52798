/*
 * The reader of multipart/form-data.
 */
#include "config.h"
#include "lib/http/multipart.h"

#include <string.h>

/*
 * What a parameter's value may hold without quotes (RFC 9110, 5.6.2).
 */
static bool
is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static struct wl_str
skip_blanks(struct wl_str s)
{
	while (s.len > 0 && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.len--;
	}
	return s;
}

static struct wl_str
take_token(struct wl_str *s)
{
	struct wl_str t = { s->p, 0 };

	while (t.len < s->len && is_token_char(s->p[t.len]))
		t.len++;
	s->p += t.len;
	s->len -= t.len;
	return t;
}

/*
 * A value in quotes.  One with an escape could be read in two ways.
 */
static int
take_quoted(struct wl_str *s, struct wl_str *value)
{
	size_t i;

	for (i = 1; i < s->len && s->p[i] != '"'; i++)
		if (s->p[i] == '\\' || (unsigned char)s->p[i] < ' ' ||
		    s->p[i] == 0x7f)
			return -1;
	if (i >= s->len)
		return -1;
	*value = (struct wl_str){ s->p + 1, i - 1 };
	s->p += i + 1;
	s->len -= i + 1;
	return 0;
}

/*
 * The next "; NAME=VALUE" of *S.  1, 0 at its end, -1 when it is none.
 */
static int
take_param(struct wl_str *s, struct wl_str *name, struct wl_str *value)
{
	*s = skip_blanks(*s);
	if (s->len == 0)
		return 0;
	if (*s->p != ';')
		return -1;
	s->p++;
	s->len--;
	*s = skip_blanks(*s);
	*name = take_token(s);
	if (name->len == 0 || s->len < 2 || *s->p != '=')
		return -1;
	s->p++;
	s->len--;
	if (*s->p == '"')
		return take_quoted(s, value) == -1 ? -1 : 1;
	*value = take_token(s);
	return value->len > 0 ? 1 : -1;
}

/*
 * RFC 2046, 5.1.1.
 */
static bool
is_boundary(struct wl_str b)
{
	size_t i;

	if (b.len == 0 || b.len > WL_MULTIPART_BOUNDARY ||
	    b.p[b.len - 1] == ' ')
		return false;
	for (i = 0; i < b.len; i++)
		if (!(b.p[i] >= '0' && b.p[i] <= '9') &&
		    !(b.p[i] >= 'A' && b.p[i] <= 'Z') &&
		    !(b.p[i] >= 'a' && b.p[i] <= 'z') &&
		    (b.p[i] == '\0' || strchr("'()+_,-./:=? ", b.p[i]) ==
		    NULL))
			return false;
	return true;
}

int
wl_multipart_init(struct wl_multipart *m, const char *type,
    struct wl_str body)
{
	struct wl_str rest = skip_blanks(wl_str_of(type)), name, value;
	struct wl_str found = { NULL, 0 };
	size_t n = strlen("multipart/form-data");
	int rc;

	memset(m, 0, sizeof(*m));
	m->rest = body;
	if (rest.len < n || !wl_str_ieq((struct wl_str){ rest.p, n },
	    "multipart/form-data"))
		return -1;
	rest.p += n;
	rest.len -= n;
	while ((rc = take_param(&rest, &name, &value)) == 1) {
		if (!wl_str_ieq(name, "boundary"))
			continue;
		if (found.p != NULL)
			return -1;
		found = value;
	}
	if (rc == -1 || found.p == NULL || !is_boundary(found))
		return -1;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, found.p, found.len);
	m->len = 4 + found.len;
	return 0;
}

struct wl_str
wl_multipart_boundary(const struct wl_multipart *m)
{
	return (struct wl_str){ m->delimiter + 4, m->len - 4 };
}

/*
 * The headers of a part, as far as they matter.
 */
struct head {
	struct wl_str	 name;		/* p NULL: none yet */
	bool		 file, type;
};

static int
read_disposition(struct head *h, struct wl_str v)
{
	struct wl_str kind, name, value;
	int rc;

	v = skip_blanks(v);
	kind = take_token(&v);
	if (h->name.p != NULL || !wl_str_ieq(kind, "form-data"))
		return -1;
	while ((rc = take_param(&v, &name, &value)) == 1) {
		if (wl_str_ieq(name, "name*"))
			return -1;
		if (wl_str_ieq(name, "filename") ||
		    wl_str_ieq(name, "filename*"))
			h->file = true;
		if (!wl_str_ieq(name, "name"))
			continue;
		if (h->name.p != NULL || value.len == 0 ||
		    memchr(value.p, '%', value.len) != NULL)
			return -1;
		h->name = value;
	}
	return rc == -1 || h->name.p == NULL ? -1 : 0;
}

static int
read_header(struct head *h, struct wl_str line)
{
	struct wl_str v = line, name = take_token(&v), token;
	size_t i;

	if (name.len == 0 || v.len == 0 || *v.p != ':')
		return -1;
	v.p++;
	v.len--;
	for (i = 0; i < v.len; i++)
		if (v.p[i] == '\0' || v.p[i] == '\r' || v.p[i] == '\n')
			return -1;
	if (wl_str_ieq(name, "content-disposition"))
		return read_disposition(h, v);
	if (wl_str_ieq(name, "content-type")) {
		if (h->type)
			return -1;
		h->type = true;
	}
	if (wl_str_ieq(name, "content-transfer-encoding")) {
		v = skip_blanks(v);
		token = take_token(&v);
		if (!wl_str_ieq(token, "binary") &&
		    !wl_str_ieq(token, "8bit") && !wl_str_ieq(token, "7bit"))
			return -1;
	}
	return 0;
}

static int
read_head(struct wl_str *s, struct head *h)
{
	size_t used = 0;
	const char *cr;
	struct wl_str line;

	memset(h, 0, sizeof(*h));
	for (;;) {
		cr = memmem(s->p, s->len < WL_MULTIPART_HEADERS - used ?
		    s->len : WL_MULTIPART_HEADERS - used, "\r\n", 2);
		if (cr == NULL)
			return -1;
		line = (struct wl_str){ s->p, (size_t)(cr - s->p) };
		used += line.len + 2;
		s->p += line.len + 2;
		s->len -= line.len + 2;
		if (line.len == 0)
			return h->name.p != NULL ? 0 : -1;
		if (read_header(h, line) == -1)
			return -1;
	}
}

/*
 * Behind a delimiter: 1 a part follows, 0 the end, -1 neither.
 */
static int
after_delimiter(struct wl_multipart *m)
{
	struct wl_str *s = &m->rest;

	if (s->len >= 2 && memcmp(s->p, "\r\n", 2) == 0) {
		s->p += 2;
		s->len -= 2;
		return 1;
	}
	if (s->len < 2 || memcmp(s->p, "--", 2) != 0)
		return -1;
	m->over = true;
	return s->len == 2 || (s->len == 4 &&
	    memcmp(s->p + 2, "\r\n", 2) == 0) ? 0 : -1;
}

/*
 * The first delimiter has no line end before it.
 */
static int
first_delimiter(struct wl_multipart *m)
{
	size_t n = m->len - 2;

	m->begun = true;
	if (m->rest.len < n || memcmp(m->rest.p, m->delimiter + 2, n) != 0)
		return -1;
	m->rest.p += n;
	m->rest.len -= n;
	return 0;
}

int
wl_multipart_next(struct wl_multipart *m, struct wl_part *part)
{
	struct head head;
	const char *end;
	int rc;

	if (m->over)
		return 0;
	if (!m->begun && first_delimiter(m) == -1)
		return -1;
	if ((rc = after_delimiter(m)) != 1)
		return rc;
	if (++m->parts > WL_MULTIPART_PARTS || read_head(&m->rest, &head) ==
	    -1)
		return -1;
	/* some take this for the end of an empty part, others for its text */
	if (m->rest.len >= m->len - 2 && memcmp(m->rest.p, m->delimiter + 2,
	    m->len - 2) == 0)
		return -1;
	end = memmem(m->rest.p, m->rest.len, m->delimiter, m->len);
	if (end == NULL)
		return -1;
	part->name = head.name;
	part->file = head.file;
	part->body = (struct wl_str){ m->rest.p, (size_t)(end - m->rest.p) };
	m->rest.p += part->body.len + m->len;
	m->rest.len -= part->body.len + m->len;
	return 1;
}
