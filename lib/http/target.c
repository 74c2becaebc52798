/*
 * Paths are decoded once and judged afterwards, so that what was checked is
 * what is routed.
 */
#include "config.h"
#include "lib/http/target.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

static const char *const markers[] = { "/v1/", "/observability/" };
/* what follows is a name with slashes, which clients encode */
static const char names[] = "/v1/models/";

static int
refuse(struct wl_err *e, const char *why)
{
	wl_err_set(e, WL_E_INVALID_REQUEST, "The request target is malformed.");
	return wl_err_detail(e, "request target: %s", why);
}

/*
 * The path and query of an absolute URI, or URI itself.
 */
static const char *
skip_authority(const char *uri)
{
	const char *p;

	if (strncasecmp(uri, "http://", 7) == 0)
		p = uri + 7;
	else if (strncasecmp(uri, "https://", 8) == 0)
		p = uri + 8;
	else
		return uri;
	p += strcspn(p, "/?");
	return *p == '\0' ? "/" : p;
}

/*
 * Encoded slashes of a model's name in PATH as slashes; everywhere else they
 * are refused, for a web server may have judged the path by them.
 */
static void
open_slashes(char *path)
{
	char *from = strstr(path, names), *to;

	if (from == NULL)
		return;
	for (to = from; *from != '\0'; to++) {
		if (strncasecmp(from, "%2f", 3) == 0) {
			*to = '/';
			from += 3;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/*
 * Why a decoded path cannot be served, or NULL.
 */
static const char *
fault_of(const char *path, size_t len)
{
	const char *p;

	if (path[0] != '/')
		return "no path";
	for (p = path; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "control character";
		if (*p == '\\')
			return "backslash";
		if (*p != '/')
			continue;
		if (p[1] == '/')
			return "empty segment";
		if (p[1] == '.' && p[2] == '.' && (p[3] == '/' || p[3] == '\0'))
			return "parent segment";
	}
	return wl_utf8_valid(path, len) ? NULL : "not UTF-8";
}

/*
 * The length of the base: what is before the first marker.
 */
static size_t
find_base(const char *path)
{
	const char *first = NULL, *p;
	size_t i;

	for (i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		p = strstr(path, markers[i]);
		if (p != NULL && (first == NULL || p < first))
			first = p;
	}
	return first == NULL ? 0 : (size_t)(first - path);
}

/*
 * The length of BASE_PATH as a prefix of PATH, or -1.
 */
static ssize_t
match_base(const char *path, const char *base_path)
{
	size_t len;

	base_path += strspn(base_path, "/");
	len = strlen(base_path);
	while (len > 0 && base_path[len - 1] == '/')
		len--;
	if (len == 0)
		return 0;
	if (strncmp(path + 1, base_path, len) != 0 ||
	    (path[len + 1] != '/' && path[len + 1] != '\0'))
		return -1;
	return (ssize_t)len + 1;
}

int
wl_target_parse(struct wl_arena *a, const char *uri, const char *base_path,
    char **path, char **base, char **query, struct wl_err *e)
{
	const char *raw = skip_authority(uri), *mark, *why;
	size_t rawlen = strcspn(raw, "?");
	char *encoded, *decoded, *b, *p, *q;
	ssize_t len, cut;

	mark = raw[rawlen] == '?' ? raw + rawlen + 1 : "";
	if (strchr(raw, '#') != NULL)
		return refuse(e, "fragment");
	if ((encoded = wl_arena_dup(a, raw, rawlen)) == NULL ||
	    (decoded = wl_arena_alloc(a, rawlen + 1)) == NULL)
		goto memory;
	open_slashes(encoded);
	if ((len = wl_percent_decode(encoded, strlen(encoded), decoded)) == -1)
		return refuse(e, "bad escape");
	if ((why = fault_of(decoded, (size_t)len)) != NULL)
		return refuse(e, why);
	cut = base_path[0] == '\0' ? (ssize_t)find_base(decoded) :
	    match_base(decoded, base_path);
	if (cut == -1)
		return wl_err_set(e, WL_E_NOT_FOUND, NULL);
	b = wl_arena_dup(a, decoded, (size_t)cut);
	p = decoded[cut] == '\0' ? wl_arena_strdup(a, "/") : decoded + cut;
	q = wl_arena_strdup(a, mark);
	if (b == NULL || p == NULL || q == NULL)
		goto memory;
	*base = b;
	*path = p;
	*query = q;
	return 0;
memory:
	return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
}
