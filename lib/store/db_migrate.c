/*
 * Applying migrations, and telling whether they are applied.
 */
#include "config.h"
#include "lib/store/db_migrate.h"

#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/num.h"
#include "lib/store/db.h"
#include "lib/store/stmts.h"

#define FILES_MAX	1000
#define FILE_MAX	((size_t)8 * 1024 * 1024)
#define TIMEOUT_MS	(30 * 60 * 1000)	/* an index may take its time */

struct file {
	int	 version;
	char	 name[200];		/* without number and ".sql" */
	char	 path[1200];
};

static const char sql_lock[] =
    "SELECT pg_catalog.pg_advisory_xact_lock("
    "pg_catalog.hashtext('watchllm.migrate'))";
static const char sql_prepare[] =
    "CREATE SCHEMA IF NOT EXISTS watchllm;"
    "CREATE TABLE IF NOT EXISTS watchllm.schema_migration ("
    "version integer PRIMARY KEY,"
    " name text NOT NULL,"
    " sha256 text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";
static const char sql_encoding[] =
    "SELECT pg_catalog.current_setting('server_encoding')";
static const char sql_exists[] =
    "SELECT pg_catalog.to_regclass('watchllm.schema_migration') IS NOT NULL";
static const char sql_known[] =
    "SELECT sha256 FROM watchllm.schema_migration WHERE version = $1";
static const char sql_newest[] =
    "SELECT coalesce(max(version), 0) FROM watchllm.schema_migration";
static const char sql_record[] =
    "INSERT INTO watchllm.schema_migration (version, name, sha256)"
    " VALUES ($1, $2, $3)";

const struct wl_stmt wl_db_migrate_stmts[] = {
	{ "encoding", WL_ROLE_OWNER, sql_encoding },
	{ "exists", WL_ROLE_APP, sql_exists },
	{ "known", WL_ROLE_OWNER, sql_known },
	{ "lock", WL_ROLE_OWNER, sql_lock },
	{ "newest", WL_ROLE_APP, sql_newest },
	{ "record", WL_ROLE_OWNER, sql_record },
	{ NULL, WL_ROLE_APP, NULL }
};

/* ---- files ------------------------------------------------------------- */

/*
 * "0007_counter.sql" into *F.  False: not the name of a migration.
 */
static bool
parse_name(const char *dir, const char *s, struct file *f)
{
	size_t len = strlen(s);
	int64_t n;

	if (len < 10 || s[4] != '_' || strcmp(s + len - 4, ".sql") != 0 ||
	    wl_num_parse(s, 4, 1, 9999, &n) == -1 ||
	    len - 9 >= sizeof(f->name))
		return false;
	f->version = (int)n;
	memcpy(f->name, s + 5, len - 9);
	f->name[len - 9] = '\0';
	return (size_t)snprintf(f->path, sizeof(f->path), "%s/%s", dir, s) <
	    sizeof(f->path);
}

static int
by_version(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	return x->version - y->version;
}

/*
 * The files of DIR in their order.  Returns how many, or -1.
 */
static int
list_files(struct wl_arena *a, const char *dir, struct file **files,
    struct wl_err *e)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int i, n = 0;

	if (d == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "%s: %s", dir,
		    strerror(errno));
	*files = wl_arena_alloc(a, FILES_MAX * sizeof(**files));
	while (*files != NULL && n < FILES_MAX && (de = readdir(d)) != NULL)
		if (parse_name(dir, de->d_name, &(*files)[n]))
			n++;
	closedir(d);
	if (*files == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "out of memory");
	if (n == 0)
		return wl_err_set(e, WL_E_INTERNAL,
		    "%s: no migrations there", dir);
	qsort(*files, (size_t)n, sizeof(**files), by_version);
	for (i = 0; i < n; i++)
		if ((*files)[i].version != i + 1)
			return wl_err_set(e, WL_E_INTERNAL,
			    "%s: migration %04d is missing or there twice",
			    dir, i + 1);
	return n;
}

static int
read_file(const struct file *f, struct wl_buf *b, char sha[65],
    struct wl_err *e)
{
	FILE *in = fopen(f->path, "re");
	char chunk[8192];
	size_t n;

	if (in == NULL)
		return wl_err_set(e, WL_E_INTERNAL, "%s: %s", f->path,
		    strerror(errno));
	wl_buf_init(b, FILE_MAX);
	while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		wl_buf_add(b, chunk, n);
	n = (size_t)ferror(in);
	fclose(in);
	if (n != 0 || b->failed || b->len == 0 ||
	    strlen(b->p) != b->len)
		return wl_err_set(e, WL_E_INTERNAL, "%s: cannot be read",
		    f->path);
	wl_sha256_hex(b->p, b->len, sha);
	return 0;
}

/* ---- the database ------------------------------------------------------ */

static int
lock(struct wl_pg *c, struct wl_err *e)
{
	if (wl_pg_begin(c, NULL, e) == -1)
		return -1;
	return wl_pg_exec(c, sql_lock, 0, NULL, NULL, e);
}

static int
prepare(struct wl_pg *c, struct wl_err *e)
{
	if (lock(c, e) == -1 || wl_pg_script(c, sql_prepare, e) == -1)
		return -1;
	return wl_pg_commit(c, e);
}

/*
 * Whether F is applied: 1, 0, or -1 (also when it was another file then).
 */
static int
is_applied(struct wl_pg *c, struct wl_arena *a, const struct file *f,
    const char *sha, struct wl_err *e)
{
	char version[12];
	struct wl_param p[] = { WL_P(version) };
	struct wl_rows *r;

	snprintf(version, sizeof(version), "%d", f->version);
	if ((r = wl_pg_query(c, a, sql_known, 1, p, e)) == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return 0;
	if (strcmp(wl_rows_get(r, 0, 0), sha) != 0)
		return wl_err_set(e, WL_E_INTERNAL,
		    "migration %04d_%s was applied with another content; "
		    "restore the file as it was, and put changes into a new one",
		    f->version, f->name);
	return 1;
}

static int
apply(struct wl_pg *c, const struct file *f, const char *sql, const char *sha,
    struct wl_err *e)
{
	char version[12];
	struct wl_param p[] = { WL_P(version), WL_P(f->name), WL_P(sha) };

	snprintf(version, sizeof(version), "%d", f->version);
	if (wl_pg_script(c, sql, e) == -1) {
		wl_err_detail(e, "in migration %04d_%s", f->version, f->name);
		return -1;
	}
	if (wl_pg_exec(c, sql_record, 3, p, NULL, e) == -1)
		return -1;
	return wl_pg_commit(c, e);
}

/*
 * Returns 1 when F was not applied before, 0, or -1.
 */
static int
one_file(struct wl_pg *c, struct wl_arena *a, const struct file *f, bool dry,
    struct wl_err *e)
{
	struct wl_buf sql;
	char sha[65];
	int there;

	if (read_file(f, &sql, sha, e) == -1) {
		wl_buf_free(&sql);
		return -1;
	}
	there = lock(c, e);
	if (there == 0)
		there = is_applied(c, a, f, sha, e);
	if (there == 0 && !dry && apply(c, f, sql.p, sha, e) == -1)
		there = -1;
	wl_pg_rollback(c);
	wl_buf_free(&sql);
	return there == -1 ? -1 : !there;
}

static int
newest(struct wl_pg *c, struct wl_arena *a, int64_t *version, struct wl_err *e)
{
	struct wl_rows *r = wl_pg_query(c, a, sql_exists, 0, NULL, e);

	*version = 0;
	if (r == NULL)
		return -1;
	if (!wl_rows_bool(r, 0, 0))
		return 0;
	if ((r = wl_pg_query(c, a, sql_newest, 0, NULL, e)) == NULL)
		return -1;
	*version = wl_rows_int(r, 0, 0, 0);
	return 0;
}

/*
 * Texts come in any script, and PostgreSQL has no letter for most of them in
 * another encoding.
 */
static int
check_encoding(struct wl_pg *c, struct wl_arena *a, struct wl_err *e)
{
	struct wl_rows *r = wl_pg_query(c, a, sql_encoding, 0, NULL, e);

	if (r == NULL)
		return -1;
	if (strcmp(wl_rows_get(r, 0, 0), "UTF8") == 0)
		return 0;
	return wl_err_set(e, WL_E_INTERNAL, "the database has encoding %s; "
	    "make one with ENCODING 'UTF8' TEMPLATE template0",
	    wl_rows_get(r, 0, 0));
}

static int
all_files(struct wl_pg *c, struct wl_arena *a, const struct file *f, int n,
    bool dry, void (*tell)(int, const char *, enum wl_migrate_state, void *),
    void *arg, struct wl_err *e)
{
	int64_t there;
	int i, new, count = 0;

	if (check_encoding(c, a, e) == -1 || newest(c, a, &there, e) == -1)
		return -1;
	if (there > n)
		return wl_err_set(e, WL_E_INTERNAL,
		    "the database has schema %lld, newer than the last known "
		    "here, %d; use the programs that belong to it",
		    (long long)there, n);
	if (!(dry && there == 0) && prepare(c, e) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		new = dry && there == 0 ? 1 : one_file(c, a, &f[i], dry, e);
		if (new == -1)
			return -1;
		count += new;
		if (tell != NULL)
			tell(f[i].version, f[i].name, !new ? WL_M_PRESENT :
			    dry ? WL_M_PENDING : WL_M_APPLIED, arg);
	}
	return count;
}

int
wl_migrate_run(struct wl_arena *a, const char *dir, int dry,
    void (*tell)(int version, const char *name, enum wl_migrate_state state,
    void *arg), void *arg, struct wl_err *e)
{
	struct file *files = NULL;
	struct wl_pg *c;
	int n, ret;

	n = list_files(a, dir != NULL ? dir : WL_PKGDATADIR "/sql/schema",
	    &files, e);
	if (n == -1 || (c = wl_pg_take(WL_ROLE_OWNER, e)) == NULL)
		return -1;
	wl_pg_statement_timeout(c, TIMEOUT_MS);
	ret = all_files(c, a, files, n, dry, tell, arg, e);
	wl_pg_give(c);
	return ret;
}

int
wl_migrate_check(struct wl_arena *a, enum wl_role role, struct wl_err *e)
{
	struct wl_pg *c = wl_pg_take(role, e);
	int64_t there;
	int ret;

	if (c == NULL)
		return -1;
	ret = newest(c, a, &there, e);
	if (ret == -1 && strcmp(wl_pg_sqlstate(c), "42501") == 0)
		ret = wl_err_set(e, WL_E_INTERNAL, "the database's schema may "
		    "not be read; is this login in the role of its program?");
	wl_pg_give(c);
	if (ret == -1)
		return -1;
	if (there < WL_SCHEMA_VERSION)
		return wl_err_set(e, WL_E_INTERNAL, "the database has schema "
		    "%lld, this program needs %d: run \"watchllm migrate\"",
		    (long long)there, WL_SCHEMA_VERSION);
	if (there > WL_SCHEMA_VERSION)
		return wl_err_set(e, WL_E_INTERNAL, "the database has schema "
		    "%lld, this program knows %d: install the newer programs",
		    (long long)there, WL_SCHEMA_VERSION);
	return 0;
}
