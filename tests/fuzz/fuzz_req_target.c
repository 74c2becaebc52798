/*
 * Request targets: what comes out has none of what is refused, and nothing is
 * decoded twice.
 */
#include "config.h"
#include "lib/http/target.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/utf8.h"

static void
check_path(const char *path, bool rest)
{
	const char *p;

	PROMISE(path[0] == '/' || (!rest && path[0] == '\0'));
	PROMISE(wl_utf8_valid(path, strlen(path)));
	PROMISE(strstr(path, "//") == NULL);
	PROMISE(strstr(path, "/../") == NULL);
	PROMISE(strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
	for (p = path; *p != '\0'; p++)
		PROMISE((unsigned char)*p >= ' ' && *p != 0x7f && *p != '\\');
}

static void
run(const char *uri, const char *base_path)
{
	struct wl_arena *a = wl_arena_new((size_t)1 << 22);
	char *path = NULL, *base = NULL, *query = NULL;
	struct wl_err e = { 0 };
	const char *mark = strchr(uri, '?');

	PROMISE(a != NULL);
	if (wl_target_parse(a, uri, base_path, &path, &base, &query,
	    &e) == 0) {
		check_path(path, true);
		check_path(base, false);
		PROMISE(strcmp(query, mark == NULL ? "" : mark + 1) == 0);
		PROMISE(strlen(path) + strlen(base) <= strlen(uri) + 1);
		/* routing sees the first marker at its beginning */
		if (base_path[0] == '\0' && base[0] != '\0')
			PROMISE(strncmp(path, "/v1/", 4) == 0 ||
			    strncmp(path, "/observability/", 15) == 0);
		if (base_path[0] == '\0')
			PROMISE(strstr(base, "/v1/") == NULL);
		if (base_path[0] != '\0')
			PROMISE(strcmp(base, base_path) == 0);
	} else {
		PROMISE(e.code == WL_E_INVALID_REQUEST ||
		    (base_path[0] != '\0' && e.code == WL_E_NOT_FOUND));
		PROMISE(path == NULL && base == NULL && query == NULL);
	}
	wl_arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *uri = malloc(len + 1);

	PROMISE(uri != NULL);
	if (len > 0)
		memcpy(uri, data, len);
	uri[len] = '\0';
	run(uri, "");
	run(uri, "/llm");
	free(uri);
	return 0;
}
