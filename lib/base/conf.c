/*
 * The configuration from file, environment and arguments.
 */
#include "config.h"
#include "lib/base/conf_priv.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/base/secret.h"
#include "lib/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX	((size_t)1024 * 1024)
#define VALUE_MAX	((size_t)64 * 1024)

static const struct wl_conf_row *
find(struct wl_str name)
{
	const struct wl_conf_row *r;

	for (r = wl_conf_table; r->name != NULL; r++)
		if (wl_str_eq(name, r->name))
			return r;
	return NULL;
}

static bool
is_text(const struct wl_conf_row *r)
{
	return r->type == WL_C_STR || r->type == WL_C_MODE ||
	    r->type == WL_C_TEXT_WORD;
}

static int
replace(char **dst, const char *value)
{
	char *copy;

	if ((copy = strdup(value)) == NULL)
		return -1;
	free(*dst);
	*dst = copy;
	return 0;
}

/*
 * The place of VALUE among WORDS ("a|b|c"), or -1.
 */
static int
word_index(const char *words, const char *value)
{
	struct wl_str rest = wl_str_of(words);
	int i;

	for (i = 0; rest.p != NULL; i++)
		if (wl_str_eq(wl_str_cut(&rest, '|'), value))
			return i;
	return -1;
}

static int
boolean(const char *value)
{
	static const char *const words[] = {
		"off", "on", "false", "true", "no", "yes", "0", "1"
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(value, words[i]) == 0)
			return (int)(i & 1);
	return -1;
}

static bool
is_mode(const char *value)
{
	size_t n = strlen(value);

	return n >= 3 && n <= 4 && strspn(value, "01234567") == n &&
	    (n == 3 || value[0] == '0');
}

/*
 * Put VALUE into the field of R.  NULL, or what was expected instead.
 */
static const char *
assign(struct wl_conf *c, const struct wl_conf_row *r, const char *value)
{
	int64_t n = 0;
	int i;

	switch (r->type) {
	case WL_C_BOOL:
		if ((i = boolean(value)) == -1)
			return "on or off";
		*(bool *)wl_conf_field(c, r) = i != 0;
		return NULL;
	case WL_C_WORD:
		if ((i = word_index(r->words, value)) == -1)
			return r->words;
		*(int *)wl_conf_field(c, r) = i;
		return NULL;
	case WL_C_INT:
		if (wl_num_parse(value, strlen(value), r->min, r->max, &n) ==
		    -1)
			return "a number within its range";
		*(int64_t *)wl_conf_field(c, r) = n;
		return NULL;
	case WL_C_MS:
		if (wl_num_duration(value, &n) == -1 || n < r->min ||
		    n > r->max)
			return "a duration within its range, such as 250ms, 10s, 5m";
		*(int64_t *)wl_conf_field(c, r) = n;
		return NULL;
	case WL_C_SIZE:
		if (wl_num_size(value, &n) == -1 || n < r->min || n > r->max)
			return "a size within its range, such as 64k, 32m, 1g";
		*(int64_t *)wl_conf_field(c, r) = n;
		return NULL;
	case WL_C_MODE:
		if (!is_mode(value))
			return "octal permissions, such as 0660";
		break;
	case WL_C_TEXT_WORD:
		if (word_index(r->words, value) == -1)
			return r->words;
		break;
	case WL_C_STR:
		if (strlen(value) > VALUE_MAX)
			return "a shorter text";
		break;
	}
	return replace(wl_conf_field(c, r), value) == -1 ? "more memory" : NULL;
}

/*
 * The same, telling WHERE it is wrong.
 */
static int
set(struct wl_conf *c, const struct wl_conf_row *r, const char *value,
    const char *where, struct wl_err *e)
{
	const char *wanted;

	if ((wanted = assign(c, r, value)) != NULL)
		return wl_err_set(e, WL_E_INTERNAL, "%s: %s: expected %s",
		    where, r->name, wanted);
	return 0;
}

static int
defaults(struct wl_conf *c, struct wl_err *e)
{
	const struct wl_conf_row *r;

	for (r = wl_conf_table; r->name != NULL; r++)
		if (set(c, r, r->def, "default", e) == -1)
			return -1;
	return 0;
}

/*
 * Which keys a file has set, a bit for each row.
 */
struct seen {
	bool	row[WL_CONF_KEYS];
};

/*
 * LINE without its comment and the space around it.
 */
static struct wl_str
strip(struct wl_str line)
{
	size_t i;

	for (i = 0; i < line.len; i++)
		if (line.p[i] == '#' && (i == 0 || line.p[i - 1] == ' ' ||
		    line.p[i - 1] == '\t'))
			line.len = i;
	line = wl_str_trim(line);
	while (line.len > 0 && line.p[line.len - 1] == '\r') {
		line.len--;
		line = wl_str_trim(line);
	}
	return line;
}

static int
file_line(struct wl_conf *c, struct wl_str line, const char *where,
    struct seen *seen, struct wl_err *e)
{
	const struct wl_conf_row *r;
	struct wl_str name;
	char *value;
	int ret;

	if ((line = strip(line)).len == 0)
		return 0;
	name = wl_str_trim(wl_str_cut(&line, '='));
	if (line.p == NULL)
		return wl_err_set(e, WL_E_INTERNAL,
		    "%s: expected \"name = value\"", where);
	if ((r = find(name)) == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "%s: unknown key \"%.*s\"",
		    where, (int)(name.len > 64 ? 64 : name.len), name.p);
	if (seen->row[r - wl_conf_table])
		return wl_err_set(e, WL_E_INTERNAL, "%s: %s is set twice",
		    where, r->name);
	seen->row[r - wl_conf_table] = true;
	line = wl_str_trim(line);
	if (line.len > 0 && line.p[0] == '#')
		line.len = 0;	/* a comment right behind the '=' */
	if ((value = strndup(line.len == 0 ? "" : line.p, line.len)) == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "out of memory");
	ret = set(c, r, value, where, e);
	free(value);
	return ret;
}

/*
 * The whole file at PATH into B.
 */
static int
slurp(const char *path, struct wl_buf *b, struct wl_err *e)
{
	char chunk[4096];
	struct stat st;
	ssize_t n = -1;
	int fd;

	wl_buf_init(b, FILE_MAX);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1 ||
	    fstat(fd, &st) == -1)
		wl_err_set(e, WL_E_INTERNAL, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		wl_err_set(e, WL_E_INTERNAL, "%s: not a file", path);
	else {
		while ((n = read(fd, chunk, sizeof(chunk))) > 0 && !b->failed)
			wl_buf_add(b, chunk, (size_t)n);
		if (n == -1)
			wl_err_set(e, WL_E_INTERNAL, "%s: %s", path,
			    strerror(errno));
	}
	if (fd != -1)
		close(fd);
	if (b->failed)
		return wl_err_set(e, WL_E_INTERNAL, "%s: too large", path);
	if (n == 0 && b->len > 0 && memchr(b->p, '\0', b->len) != NULL)
		return wl_err_set(e, WL_E_INTERNAL, "%s: contains a NUL byte",
		    path);
	return n == 0 ? 0 : -1;
}

static int
from_file(struct wl_conf *c, const char *path, struct seen *seen,
    struct wl_err *e)
{
	struct wl_str text, line;
	char where[PATH_MAX + 16];
	struct wl_buf b;
	int n = 0, ret = -1;

	if (slurp(path, &b, e) == -1)
		goto out;
	text = (struct wl_str){ b.len == 0 ? "" : b.p, b.len };
	while (text.p != NULL) {
		line = wl_str_cut(&text, '\n');
		snprintf(where, sizeof(where), "%s:%d", path, ++n);
		if (file_line(c, line, where, seen, e) == -1)
			goto out;
	}
	ret = 0;
out:
	wl_buf_free(&b);
	return ret;
}

/*
 * One "WATCHLLM_NAME=value" of the environment.
 */
static int
from_variable(struct wl_conf *c, const char *var, const struct seen *seen,
    struct wl_err *e)
{
	static const char *const ours[] = {
		"CONFIG", "CRASH_AT", "PAINT_STACKS", "TEST_CLOCK"
	};
	const struct wl_conf_row *r;
	struct wl_str rest = wl_str_of(var), upper = wl_str_cut(&rest, '=');
	char name[64], where[96];
	size_t i;

	upper.p += strlen("WATCHLLM_");
	upper.len -= strlen("WATCHLLM_");
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (wl_str_eq(upper, ours[i]))
			return 0;
	for (i = 0; i < upper.len && i < sizeof(name) - 1; i++)
		name[i] = (char)(upper.p[i] >= 'A' && upper.p[i] <= 'Z' ?
		    upper.p[i] + 32 : upper.p[i]);
	snprintf(where, sizeof(where), "environment: WATCHLLM_%.*s",
	    (int)i, upper.p);
	if (i < upper.len || (r = find((struct wl_str){ name, i })) == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "%s: unknown key", where);
	if (r->offset == AT(base_path) && seen->row[r - wl_conf_table])
		return 0;
	return set(c, r, rest.p, where, e);
}

static int
from_environment(struct wl_conf *c, const struct seen *seen, struct wl_err *e)
{
	const char *debug;
	char **var;

	for (var = environ; var != NULL && *var != NULL; var++)
		if (strncmp(*var, "WATCHLLM_", 9) == 0 &&
		    strchr(*var, '=') != NULL &&
		    from_variable(c, *var, seen, e) == -1)
			return -1;
	if ((debug = getenv("ALLOW_DEBUG_ENDPOINTS")) != NULL &&
	    strcmp(debug, "true") == 0)
		c->allow_debug_endpoints = true;
	return 0;
}

/*
 * The URLs, each with the file that may replace it.
 */
static const struct {
	size_t	url, file;
} urls[] = {
	{ AT(database_url), AT(database_url_file) },
	{ AT(owner_database_url), AT(owner_database_url_file) },
	{ AT(drain_database_url), AT(drain_database_url_file) },
	{ AT(rollup_database_url), AT(rollup_database_url_file) },
};
#define URLS	(sizeof(urls) / sizeof(urls[0]))

static char **
text_at(struct wl_conf *c, size_t offset)
{
	return (char **)(void *)((char *)c + offset);
}

static int
url_from_file(struct wl_conf *c, size_t i, struct wl_err *e)
{
	const char *path = *text_at(c, urls[i].file);
	char url[4096];
	int ret;

	if (*path == '\0')
		return 0;
	if (wl_secret_file(path, url, sizeof(url), e) == -1)
		return -1;
	ret = replace(text_at(c, urls[i].url), url);
	wl_secret_wipe(url, sizeof(url));
	if (ret == -1)
		return wl_err_set(e, WL_E_INTERNAL, "out of memory");
	return 0;
}

/*
 * URLs that equal OLD, the former database_url, follow it.
 */
static int
url_fallback(struct wl_conf *c, const char *old, struct wl_err *e)
{
	size_t i;

	for (i = 1; i < URLS; i++)
		if (strcmp(*text_at(c, urls[i].url), old) == 0 &&
		    replace(text_at(c, urls[i].url), c->database_url) == -1)
			return wl_err_set(e, WL_E_INTERNAL, "out of memory");
	return 0;
}

static int
derive(struct wl_conf *c, struct wl_err *e)
{
	char host[256];
	size_t i;

	for (i = 0; i < URLS; i++)
		if (url_from_file(c, i, e) == -1)
			return -1;
	if (url_fallback(c, "", e) == -1)
		return -1;
	if (*c->host_name != '\0')
		return 0;
	if (gethostname(host, sizeof(host) - 1) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "gethostname: %s",
		    strerror(errno));
	host[sizeof(host) - 1] = '\0';
	if (replace(&c->host_name, host) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "out of memory");
	return 0;
}

/*
 * The file to read: as given, else as the environment says, else the usual
 * one, which may be missing.
 */
static const char *
which_file(const char *path)
{
	static const char usual[] = WL_SYSCONFDIR "/watchllm/watchllm.conf";

	if (path == NULL)
		path = getenv("WATCHLLM_CONFIG");
	if (path != NULL && *path != '\0')
		return path;
	return access(usual, F_OK) == 0 ? usual : NULL;
}

int
wl_conf_load(struct wl_conf *c, const char *path, struct wl_err *e)
{
	struct seen seen = { 0 };

	*c = (struct wl_conf){ 0 };
	path = which_file(path);
	if (defaults(c, e) == -1 ||
	    (path != NULL && from_file(c, path, &seen, e) == -1) ||
	    from_environment(c, &seen, e) == -1 || derive(c, e) == -1) {
		wl_conf_free(c);
		return -1;
	}
	return 0;
}

static int
url_changed(struct wl_conf *c, const struct wl_conf_row *r, const char *old,
    struct wl_err *e)
{
	size_t i;

	for (i = 0; i < URLS; i++) {
		if (r->offset == urls[i].file && url_from_file(c, i, e) == -1)
			return -1;
		if (i == 0 && (r->offset == urls[i].file ||
		    r->offset == urls[i].url) && url_fallback(c, old, e) == -1)
			return -1;
	}
	return 0;
}

int
wl_conf_set(struct wl_conf *c, const char *assignment, struct wl_err *e)
{
	struct wl_str rest = wl_str_of(assignment);
	struct wl_str name = wl_str_trim(wl_str_cut(&rest, '='));
	const struct wl_conf_row *r;
	char *old;
	int ret;

	if (rest.p == NULL)
		return wl_err_set(e, WL_E_INTERNAL,
		    "expected name=value, not \"%.64s\"", assignment);
	if ((r = find(name)) == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "unknown key \"%.*s\"",
		    (int)(name.len > 64 ? 64 : name.len), name.p);
	if ((old = strdup(c->database_url)) == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "out of memory");
	ret = set(c, r, rest.p, "arguments", e);
	if (ret == 0)
		ret = url_changed(c, r, old, e);
	wl_secret_wipe(old, strlen(old));
	free(old);
	return ret;
}

void
wl_conf_free(struct wl_conf *c)
{
	const struct wl_conf_row *r;
	char *text;

	for (r = wl_conf_table; r->name != NULL; r++) {
		if (!is_text(r) || (text = *(char **)wl_conf_field(c, r)) == NULL)
			continue;
		wl_secret_wipe(text, strlen(text));	/* URLs hold passwords */
		free(text);
	}
	*c = (struct wl_conf){ 0 };
}
