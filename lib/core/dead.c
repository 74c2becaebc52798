/*
 * Dead letters: sent again, or dropped.
 */
#include "config.h"
#include "lib/core/dead.h"

#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/conf.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/journal.h"
#include "lib/base/str.h"
#include "lib/store/pg.h"

/* columns of WL_DB_DEAD_LETTER */
enum { SEGMENT = 3, KIND = 5, REPLAYED = 10, RECORD = 11 };

static int
no_letter(const char *id, struct wl_err *e)
{
	return wl_err_set(e, WL_E_NOT_FOUND, "there is no dead letter %s", id);
}

/*
 * Whether the letter in R is a whole record of a journal.
 */
static int
check_letter(const struct wl_rows *r, const char *id, struct wl_err *e)
{
	const char *segment = wl_rows_get(r, 0, SEGMENT);
	const char *kind = wl_rows_get(r, 0, KIND);
	size_t n = strlen(segment);

	if (wl_rows_get(r, 0, REPLAYED) != NULL)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "dead letter %s was sent again already", id);
	if (n < 4 || strcmp(segment + n - 4, ".wlj") != 0 ||
	    kind[0] == '\0' || strchr("BEI", kind[0]) == NULL)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "dead letter %s is "
		    "no whole record of a journal: it can only be dropped",
		    id);
	return 0;
}

/*
 * What we leave in the spool must be readable for the host's consumer.
 */
static int
check_spool(const char *dir, struct wl_err *e)
{
	struct stat st;

	if (stat(dir, &st) == -1)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "%s: %s; run this "
		    "on a host with workers and a consumer", dir,
		    strerror(errno));
	if (st.st_uid != geteuid())
		return wl_err_set(e, WL_E_INVALID_REQUEST, "%s belongs to "
		    "user %ld: run this as that user", dir, (long)st.st_uid);
	return 0;
}

static int
append(const struct wl_conf *conf, enum wl_journal_kind kind, const void *p,
    size_t len, struct wl_err *e)
{
	struct wl_journal *j;
	int ret;

	if (check_spool(conf->spool_dir, e) == -1)
		return -1;
	j = wl_journal_open(conf->spool_dir, conf->spool_max,
	    conf->spool_segment, WL_SYNC_ALWAYS, conf->spool_sync_interval, e);
	if (j == NULL)
		return -1;
	ret = wl_journal_append(j, kind, p, len, e);
	wl_journal_close(j);
	return ret;
}

int
wl_dead_retry(struct wl_admin *ad, const char *id, struct wl_err *e)
{
	struct wl_rows *r = wl_db_admin_list(ad->a, WL_DB_DEAD_LETTER, &id, e);
	uint8_t *record;
	size_t n;

	if (r == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return no_letter(id, e);
	if (check_letter(r, id, e) == -1)
		return -1;
	n = wl_rows_len(r, 0, RECORD);
	if ((record = wl_arena_alloc(ad->a, n / 2 + 1)) == NULL ||
	    wl_unhex(wl_rows_get(r, 0, RECORD), n, record) == -1)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	if (append(ad->conf, (enum wl_journal_kind)wl_rows_get(r, 0, KIND)[0],
	    record, n / 2, e) == -1 ||
	    wl_db_admin_dead_replayed(ad->a, ad->actor, id, e) == -1)
		return -1;
	return 0;
}

int
wl_dead_drop(struct wl_admin *ad, const char *id, struct wl_err *e)
{
	int ret = wl_db_admin_dead_drop(ad->a, ad->actor, id, e);

	return ret == 0 ? no_letter(id, e) : ret == -1 ? -1 : 0;
}
