/*
 * Pieces of text that somebody else owns.
 */
#include "config.h"
#include "lib/base/str.h"

#include <string.h>
#include <strings.h>

struct wl_str
wl_str_of(const char *s)
{
	return (struct wl_str){ s, s == NULL ? 0 : strlen(s) };
}

bool
wl_str_eq(struct wl_str a, const char *b)
{
	size_t n = strlen(b);

	return a.len == n && (n == 0 || memcmp(a.p, b, n) == 0);
}

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool
wl_str_ieq(struct wl_str a, const char *b)
{
	size_t i;

	/* not strncasecmp(): that follows the locale */
	for (i = 0; i < a.len && b[i] != '\0'; i++)
		if (lower(a.p[i]) != lower(b[i]))
			return false;
	return i == a.len && b[i] == '\0';
}

bool
wl_str_prefix(struct wl_str a, const char *prefix)
{
	size_t n = strlen(prefix);

	return a.len >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

struct wl_str
wl_str_trim(struct wl_str a)
{
	while (a.len > 0 && blank(a.p[0])) {
		a.p++;
		a.len--;
	}
	while (a.len > 0 && blank(a.p[a.len - 1]))
		a.len--;
	return a;
}

struct wl_str
wl_str_cut(struct wl_str *rest, char sep)
{
	struct wl_str head = *rest;
	const char *p = NULL;

	if (rest->len > 0)
		p = memchr(rest->p, sep, rest->len);
	if (p == NULL) {
		*rest = (struct wl_str){ NULL, 0 };
		return head;
	}
	head.len = (size_t)(p - rest->p);
	rest->p = p + 1;
	rest->len -= head.len + 1;
	return head;
}

bool
wl_strlcpy(char *dst, const char *s, size_t size)
{
	size_t len = strlen(s), n;

	if (size == 0)
		return len == 0;
	n = wl_utf8_cut(s, len, size - 1);
	memcpy(dst, s, n);
	dst[n] = '\0';
	return n == len;
}
