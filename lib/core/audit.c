/*
 * Verifying the audit log.
 */
#include "config.h"
#include "lib/core/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/store/db_admin.h"
#include "lib/store/pg.h"

#define HASH_HEX	((size_t)64)

/*
 * What comes before the first entry.
 */
static const char zeros[] =
    "00000000000000000000000000000000"
    "00000000000000000000000000000000";

static int
bad_head(struct wl_err *e)
{
	wl_err_set(e, WL_E_INVALID_REQUEST, "a head is what an earlier check "
	    "told, ID:HASH");
	e->param = "head";
	return -1;
}

/*
 * Whether the entry that HEAD names is in the log as it was.
 */
static int
find_head(struct wl_arena *a, const char *head, bool *gone, struct wl_err *e)
{
	const char *hash = strchr(head, ':');
	size_t len = hash == NULL ? 0 : (size_t)(hash - head);
	char id[24];
	const char *args[] = { id };
	struct wl_rows *r;
	int64_t n;

	if (hash == NULL || strlen(hash + 1) != HASH_HEX ||
	    strspn(hash + 1, "0123456789abcdef") != HASH_HEX ||
	    wl_num_parse(head, len, 1, INT64_MAX, &n) == -1)
		return bad_head(e);
	snprintf(id, sizeof(id), "%" PRId64, n);
	if ((r = wl_db_admin_list(a, WL_DB_AUDIT_HASH, args, e)) == NULL)
		return -1;
	*gone = wl_rows_count(r) == 0 ||
	    strcmp(wl_rows_get(r, 0, 0), hash + 1) != 0;
	return 0;
}

int
wl_audit_verify(struct wl_arena *a, const char *head, struct wl_audit *r,
    struct wl_err *e)
{
	char after[24] = "0", hash[HASH_HEX + 1];
	const char *args[] = { after, hash };
	struct wl_rows *part;
	int64_t n;

	memset(r, 0, sizeof(*r));
	wl_strlcpy(hash, zeros, sizeof(hash));
	if (head != NULL && find_head(a, head, &r->head_gone, e) == -1)
		return -1;
	do {
		part = wl_db_admin_list(a, WL_DB_AUDIT_CHECK, args, e);
		if (part == NULL)
			return -1;
		n = wl_rows_int(part, 0, 3, 0);
		r->entries += n;
		r->first_bad = wl_rows_int(part, 0, 0, 0);
		if (n == 0)
			break;
		wl_strlcpy(after, wl_rows_get(part, 0, 1), sizeof(after));
		wl_strlcpy(hash, wl_rows_get(part, 0, 2), sizeof(hash));
		snprintf(r->head, sizeof(r->head), "%s:%s", after, hash);
	} while (r->first_bad == 0);
	return 0;
}
