/*
 * Limit rules.
 */
#include "config.h"
#include "lib/core/admin_limit.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/utf8.h"

#define PATTERN_MAX	256

int
wl_admin_limit_set(struct wl_admin *ad, const struct wl_db_limit *l,
    const char **id, struct wl_err *e)
{
	size_t len = strlen(l->pattern);
	struct wl_rows *project;
	int64_t version = 0;

	if (len == 0 || len > PATTERN_MAX || !wl_utf8_valid(l->pattern, len))
		return wl_err_set(e, WL_E_INVALID_REQUEST, "a pattern has 1 to "
		    "%d bytes of UTF-8", PATTERN_MAX);
	if (wl_admin_project_find(ad, l->project, &project, e) == -1)
		return -1;
	if (wl_db_admin_limit_set(ad->a, ad->actor, l, id, &version, e) <= 0)
		return -1;
	wl_admin_tell(ad, l->project, version);
	return 0;
}

int
wl_admin_limit_remove(struct wl_admin *ad, const char *project,
    const char *id, struct wl_err *e)
{
	int64_t version = 0;
	int ret = wl_db_admin_limit_remove(ad->a, ad->actor, project, id,
	    &version, e);

	if (ret > 0)
		wl_admin_tell(ad, project, version);
	if (ret == 0)
		return wl_err_set(e, WL_E_NOT_FOUND, "project \"%s\" has no "
		    "limit rule \"%s\"", project, id);
	return ret == -1 ? -1 : 0;
}
