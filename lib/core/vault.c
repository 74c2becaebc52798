/*
 * Provider keys at rest, and the master keys that they are sealed under.
 */
#include "config.h"
#include "lib/core/vault.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/rand.h"
#include "lib/base/secret.h"
#include "lib/base/wait.h"
#include "lib/store/pg.h"

#define BATCH		100
#define BATCH_MEMORY	((size_t)4 * 1024 * 1024)
#define HINT		4	/* last characters, of a key much longer */
#define HINT_FROM	12
#define FILE_MAX	8192	/* of lib/base/secret.c */
#define LINE_MAX_BYTES	128

static struct wl_keyring *
load_ring(const struct wl_conf *conf, struct wl_err *e)
{
	if (conf->master_key_file[0] != '\0')
		return wl_keyring_load(conf->master_key_file, e);
	wl_err_set(e, WL_E_INVALID_REQUEST, "the configuration names no "
	    "master_key_file: set it and make one");
	return NULL;
}

/*
 * What a key is bound to; lib/core/model.c opens it with the same.
 */
static char *
bound_to(struct wl_arena *a, const char *project, const char *provider,
    const char *host)
{
	return wl_arena_printf(a, "%s|%s|%s", project, provider, host);
}

/*
 * A key goes into a header line of a request.
 */
static int
check_key(const char *key, struct wl_err *e)
{
	size_t i, n = strlen(key);

	for (i = 0; i < n && key[i] > ' ' && key[i] < 0x7f; i++)
		;
	if (n == 0 || n > WL_VAULT_KEY_MAX || i < n)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "a provider key "
		    "is one line of up to %d visible ASCII characters",
		    WL_VAULT_KEY_MAX);
	return 0;
}

/* ---- setting and removing ---------------------------------------------- */

static int
find_place(struct wl_admin *ad, const char *provider, char place[272],
    struct wl_err *e)
{
	struct wl_rows *r = wl_db_admin_list(ad->a, WL_DB_PROVIDER, &provider,
	    e);

	if (r == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		return wl_err_set(e, WL_E_NOT_FOUND,
		    "there is no provider \"%s\"", provider);
	return wl_admin_place(wl_rows_get(r, 0, 0), place, e);
}

static int
seal(struct wl_arena *a, const struct wl_keyring *ring, const void *key,
    size_t len, struct wl_db_sealed *k, struct wl_err *e)
{
	char *aad = bound_to(a, k->project, k->provider, k->host);
	uint8_t *nonce = wl_arena_alloc(a, WL_SECRET_NONCE);
	uint8_t *out = wl_arena_alloc(a, len + WL_SECRET_TAG);

	if (aad == NULL || nonce == NULL || out == NULL)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	if (wl_secret_seal(ring, key, len, aad, strlen(aad), nonce, out) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "the key cannot be sealed");
	k->key_id = wl_arena_strdup(a, wl_keyring_current(ring));
	k->nonce = nonce;
	k->sealed = out;
	k->len = len + WL_SECRET_TAG;
	return k->key_id == NULL ? wl_err_set(e, WL_E_INTERNAL, NULL) : 0;
}

static int
store(struct wl_admin *ad, const struct wl_db_sealed *k, const char **id,
    struct wl_err *e)
{
	int64_t version;
	int ret = wl_db_admin_provider_key_set(ad->a, ad->actor, k, id,
	    &version, e);

	if (ret == -1 && e->code == WL_E_NOT_FOUND)
		return wl_err_set(e, WL_E_NOT_FOUND,
		    "there is no project \"%s\"", k->project);
	if (ret == -1)
		return -1;
	wl_admin_tell(ad, k->project, version);
	return 0;
}

int
wl_vault_set(struct wl_admin *ad, const char *project, const char *provider,
    int priority, const char *name, const char *key, const char **id,
    struct wl_err *e)
{
	char place[272], hint[HINT + 1] = "";
	struct wl_db_sealed k = { .project = project, .provider = provider,
	    .priority = priority, .name = name, .host = place, .hint = hint };
	size_t len = strlen(key);
	struct wl_keyring *ring;
	int ret;

	if (check_key(key, e) == -1 ||
	    find_place(ad, provider, place, e) == -1 ||
	    (ring = load_ring(ad->conf, e)) == NULL)
		return -1;
	if (len >= HINT_FROM)
		memcpy(hint, key + len - HINT, HINT);
	ret = seal(ad->a, ring, key, len, &k, e);
	wl_keyring_free(ring);
	return ret == -1 ? -1 : store(ad, &k, id, e);
}

int
wl_vault_remove(struct wl_admin *ad, const char *project,
    const char *provider, int priority, struct wl_err *e)
{
	int64_t version;
	int ret = wl_db_admin_provider_key_remove(ad->a, ad->actor, project,
	    provider, priority, &version, e);

	if (ret == 0)
		return wl_err_set(e, WL_E_NOT_FOUND, "project \"%s\" has no "
		    "key for \"%s\" with priority %d", project, provider,
		    priority);
	if (ret == -1)
		return -1;
	wl_admin_tell(ad, project, version);
	return 0;
}

/* ---- another master key ------------------------------------------------ */

/*
 * Where the search for keys to seal again goes on.
 */
struct cursor {
	char	project[33], provider[33], priority[12];
};

static uint8_t *
bytes(struct wl_arena *a, const struct wl_rows *r, int row, int col,
    size_t *len)
{
	size_t n = wl_rows_len(r, row, col);
	uint8_t *p = wl_arena_alloc(a, n / 2 + 1);

	*len = n / 2;
	if (p == NULL || wl_unhex(wl_rows_get(r, row, col), n, p) == -1)
		return NULL;
	return p;
}

/*
 * Row I sealed anew in *K.  Returns 1, 0 when it does not open, or -1.
 */
static int
reseal_row(struct wl_arena *a, const struct wl_keyring *ring,
    const struct wl_rows *r, int i, struct wl_db_sealed *k, struct wl_err *e)
{
	size_t nonce_len, len;
	uint8_t *plain, *sealed = bytes(a, r, i, 6, &len);
	char *aad;
	int ret;

	memset(k, 0, sizeof(*k));
	k->project = wl_rows_get(r, i, 0);
	k->provider = wl_rows_get(r, i, 1);
	k->priority = (int)wl_rows_int(r, i, 2, 0);
	k->host = wl_rows_get(r, i, 4);
	k->old_nonce = bytes(a, r, i, 5, &nonce_len);
	aad = bound_to(a, k->project, k->provider, k->host);
	plain = wl_arena_alloc(a, len);
	if (sealed == NULL || k->old_nonce == NULL || aad == NULL ||
	    plain == NULL)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	if (nonce_len != WL_SECRET_NONCE || len <= WL_SECRET_TAG ||
	    wl_secret_open(ring, wl_rows_get(r, i, 3), k->old_nonce, sealed,
	    len, aad, strlen(aad), plain) == -1)
		return 0;
	ret = seal(a, ring, plain, len - WL_SECRET_TAG, k, e);
	wl_secret_wipe(plain, len);
	return ret == -1 ? -1 : 1;
}

/*
 * Seal what ROWS has and tell the workers.
 */
static int
reseal_rows(struct wl_admin *ad, const struct wl_keyring *ring,
    const struct wl_rows *rows, struct wl_vault_reseal *r, struct wl_err *e)
{
	struct wl_db_sealed k[BATCH];
	int64_t versions[BATCH];
	int i, one, done, n = 0;

	for (i = 0; i < wl_rows_count(rows); i++) {
		one = reseal_row(ad->a, ring, rows, i, &k[n], e);
		if (one == -1)
			return -1;
		if (one == 0) {
			r->failed++;
			r->tell(k[n].project, k[n].provider, k[n].priority,
			    wl_rows_get(rows, i, 3), r->arg);
		}
		n += one;
	}
	if ((done = wl_db_admin_reseal(ad->a, ad->actor, k, n, versions,
	    e)) == -1)
		return -1;
	for (i = 0; done > 0 && i < n; i++)
		wl_admin_tell(ad, k[i].project, versions[i]);
	r->resealed += done;
	return 0;
}

/*
 * Up to BATCH keys after *AT.  Returns how many there were, or -1.
 */
static int
reseal_batch(struct wl_admin *ad, const struct wl_keyring *ring,
    struct cursor *at, struct wl_vault_reseal *r, struct wl_err *e)
{
	char most[12];
	const char *args[] = { r->master, at->project, at->provider,
	    at->priority, most };
	struct wl_rows *rows;
	int n;

	snprintf(most, sizeof(most), "%d", BATCH);
	rows = wl_db_admin_list(ad->a, WL_DB_TO_RESEAL, args, e);
	if (rows == NULL)
		return -1;
	if ((n = wl_rows_count(rows)) == 0)
		return 0;
	snprintf(at->project, sizeof(at->project), "%s",
	    wl_rows_get(rows, n - 1, 0));
	snprintf(at->provider, sizeof(at->provider), "%s",
	    wl_rows_get(rows, n - 1, 1));
	snprintf(at->priority, sizeof(at->priority), "%s",
	    wl_rows_get(rows, n - 1, 2));
	return reseal_rows(ad, ring, rows, r, e) == -1 ? -1 : n;
}

int
wl_vault_reseal(struct wl_admin *ad, struct wl_vault_reseal *r,
    struct wl_err *e)
{
	struct cursor at = { .priority = "0" };
	struct wl_admin batch = *ad;
	struct wl_keyring *ring = load_ring(ad->conf, e);
	int n = BATCH;

	if (ring == NULL)
		return -1;
	r->master = wl_arena_strdup(ad->a, wl_keyring_current(ring));
	batch.a = wl_arena_new(BATCH_MEMORY);
	if (r->master == NULL || batch.a == NULL)
		n = wl_err_set(e, WL_E_INTERNAL, NULL);
	while (n == BATCH) {
		n = reseal_batch(&batch, ring, &at, r, e);
		wl_arena_reset(batch.a);
	}
	ad->untold = batch.untold;
	if (batch.a != NULL)
		wl_arena_free(batch.a);
	wl_keyring_free(ring);
	return n == -1 ? -1 : 0;
}

/* ---- master keys ------------------------------------------------------- */

/*
 * The file that is to be: a part of it beside it, whole and tried before it
 * takes the place of the old one.
 */
struct draft {
	char		path[1024], part[1040];
	char		text[FILE_MAX];
	size_t		len;
	bool		append;
	struct stat	old;		/* whose it stays */
	int		error;
};

/*
 * On a helper thread, for the disk takes its time.
 */
static void
write_part(void *arg)
{
	struct draft *d = arg;
	int fd = open(d->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd == -1) {
		d->error = errno;
		return;
	}
	errno = EIO;
	if (write(fd, d->text, d->len) != (ssize_t)d->len ||
	    (d->append && fchown(fd, d->old.st_uid, d->old.st_gid) == -1) ||
	    fsync(fd) == -1)
		d->error = errno;
	close(fd);
	if (d->error != 0)
		unlink(d->part);
}

static int
failed(const struct draft *d, int error, struct wl_err *e)
{
	if (error == EEXIST)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "%s exists "
		    "already: add a key to it instead", d->path);
	return wl_err_set(e, WL_E_INTERNAL, "%s: %s", d->path,
	    strerror(error));
}

/*
 * What is in the file now follows the new line.
 */
static int
read_old(struct draft *d, struct wl_err *e)
{
	FILE *f = fopen(d->path, "re");
	int error = 0;

	if (f == NULL)
		return failed(d, errno, e);
	if (fstat(fileno(f), &d->old) == -1)
		error = errno;
	d->len += fread(d->text + d->len, 1, sizeof(d->text) - d->len, f);
	if (ferror(f))
		error = EIO;
	fclose(f);
	if (error == 0 && d->len == sizeof(d->text))
		error = EFBIG;
	return error != 0 ? failed(d, error, e) : 0;
}

static bool
good_id(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n <= 32 && id[n] == '\0';
}

static int
begin_draft(struct draft *d, const char *path, const char *id, bool append,
    struct wl_err *e)
{
	char line[LINE_MAX_BYTES];

	if (!good_id(id))
		return wl_err_set(e, WL_E_INVALID_REQUEST, "a master key's id "
		    "is up to 32 letters, digits, '.', '_' and '-'");
	d->append = append;
	snprintf(d->path, sizeof(d->path), "%s", path);
	snprintf(d->part, sizeof(d->part), "%s.part", d->path);
	if (strcmp(d->path, path) != 0)
		return failed(d, ENAMETOOLONG, e);
	if (!append && access(path, F_OK) == 0)
		return failed(d, EEXIST, e);
	wl_keyring_make(id, line);
	d->len = (size_t)snprintf(d->text, sizeof(d->text), "%s\n", line);
	wl_secret_wipe(line, sizeof(line));
	return append ? read_old(d, e) : 0;
}

/*
 * Programs must understand the new file, or the old one stays.
 */
static int
place_draft(struct draft *d, struct wl_err *e)
{
	struct wl_keyring *ring;
	int error = 0;

	if (wl_offload(write_part, d) == -1)
		return failed(d, errno, e);
	if (d->error == EEXIST)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "%s was left "
		    "behind: remove it", d->part);
	if (d->error != 0)
		return failed(d, d->error, e);
	if ((ring = wl_keyring_load(d->part, e)) == NULL) {
		unlink(d->part);
		return -1;
	}
	wl_keyring_free(ring);
	/* link() does not replace what somebody else has just made */
	if ((d->append ? rename(d->part, d->path) :
	    link(d->part, d->path)) == -1)
		error = errno;
	if (error != 0 || !d->append)
		unlink(d->part);
	return error != 0 ? failed(d, error, e) : 0;
}

static const char *
new_id(struct wl_arena *a, struct wl_err *e)
{
	char month[8], tail[5], *id;

	wl_clock_month_name(wl_clock_ms(), month);
	wl_rand_base62(tail, sizeof(tail) - 1);
	if ((id = wl_arena_printf(a, "k%s-%s", month, tail)) == NULL)
		wl_err_set(e, WL_E_INTERNAL, NULL);
	return id;
}

const char *
wl_vault_make_master(struct wl_arena *a, const char *path, const char *id,
    bool append, struct wl_err *e)
{
	struct draft *d = wl_arena_alloc(a, sizeof(*d));
	int ret;

	if (d == NULL) {
		wl_err_set(e, WL_E_INTERNAL, NULL);
		return NULL;
	}
	if (id == NULL && (id = new_id(a, e)) == NULL)
		return NULL;
	ret = begin_draft(d, path, id, append, e);
	if (ret == 0)
		ret = place_draft(d, e);
	wl_secret_wipe(d->text, sizeof(d->text));
	return ret == -1 ? NULL : id;
}
