/*
 * The configuration's file and the files that it names: there, readable by
 * the workers, and by nobody else.
 */
#include "config.h"
#include "fcgi/doctor.h"

#include <sys/stat.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/cli.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"

#define AREA	"configuration"

/* ---- the file itself ---------------------------------------------------- */

/*
 * As wl_conf_load() chooses it; NULL: there is none.
 */
static const char *
conf_file(const struct wl_doctor *d)
{
	static const char usual[] = WL_SYSCONFDIR "/watchllm/watchllm.conf";
	const char *path = d->cli->program->config;

	if (path == NULL)
		path = getenv("WATCHLLM_CONFIG");
	if (path != NULL && path[0] != '\0')
		return path;
	return access(usual, F_OK) == 0 ? usual : NULL;
}

/*
 * Whether URL holds a password, in either of its two forms.
 */
static bool
has_password(const char *url)
{
	const char *at = strchr(url, '@'), *user = strstr(url, "://");

	if (strstr(url, "password=") != NULL)
		return true;
	if (user == NULL || at == NULL)
		return false;
	user = strchr(user + 3, ':');
	return user != NULL && user < at;
}

/*
 * Whether a password stands in the configuration instead of a file of its
 * own.
 */
static bool
holds_password(const struct wl_conf *c)
{
	const struct { const char *url, *file; } all[] = {
		{ c->database_url, c->database_url_file },
		{ c->owner_database_url, c->owner_database_url_file },
		{ c->drain_database_url, c->drain_database_url_file },
		{ c->rollup_database_url, c->rollup_database_url_file },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (has_password(all[i].url) && all[i].file[0] == '\0' &&
		    (strcmp(all[i].url, c->database_url) != 0 ||
		    c->database_url_file[0] == '\0'))
			return true;
	return false;
}

static void
file(struct wl_doctor *d)
{
	const char *path = conf_file(d);
	struct stat st;

	if (path == NULL) {
		wl_doctor_add(d, AREA, "file", WL_GRADE_WARN,
		    "give --config, or set WATCHLLM_CONFIG",
		    "there is none: all is from the environment and defaults");
		return;
	}
	if (stat(path, &st) == -1)
		wl_doctor_add(d, AREA, "file", WL_GRADE_FAIL, NULL, "%s: %s",
		    path, strerror(errno));
	else if (st.st_mode & S_IWOTH)
		wl_doctor_add(d, AREA, "file", WL_GRADE_FAIL,
		    wl_doctor_text(d, "chmod o-w %s", path),
		    "%s may be written by anybody", path);
	else if ((st.st_mode & S_IROTH) && holds_password(d->conf))
		wl_doctor_add(d, AREA, "file", WL_GRADE_WARN,
		    wl_doctor_text(d, "chmod o-r %s, or put the URL into a "
		    "file of its own (database_url_file)", path),
		    "%s holds a password and may be read by anybody", path);
	else
		wl_doctor_add(d, AREA, "file", WL_GRADE_OK, NULL, "%s", path);
}

/* ---- files of secrets --------------------------------------------------- */

/*
 * The user that the workers run as, as far as the spool tells; -1: unknown.
 */
static long
workers_uid(const struct wl_conf *c)
{
	struct stat st;

	return stat(c->spool_dir, &st) == 0 ? (long)st.st_uid : -1;
}

/*
 * A secret is readable by one user alone, and that must be the workers'.
 */
static void
owned(struct wl_doctor *d, const char *key, const char *path)
{
	long uid = workers_uid(d->conf);
	struct stat st;

	if (uid <= 0 || stat(path, &st) == -1 || (long)st.st_uid == uid)
		wl_doctor_add(d, AREA, key, WL_GRADE_OK, NULL, "%s", path);
	else
		wl_doctor_add(d, AREA, key, WL_GRADE_WARN,
		    wl_doctor_text(d, "chown %ld %s", uid, path),
		    "%s belongs to user %ld, the spool to user %ld: workers "
		    "that run as the latter cannot read it", path,
		    (long)st.st_uid, uid);
}

static void
secret(struct wl_doctor *d, const char *key, const char *path)
{
	struct wl_err e = { 0 };
	char text[4096];

	if (path[0] == '\0')
		return;
	if (wl_secret_file(path, text, sizeof(text), &e) == -1)
		wl_doctor_add(d, AREA, key, WL_GRADE_FAIL, wl_doctor_text(d,
		    "chmod 600 %s, and let it belong to the workers' user",
		    path), "%s", e.msg);
	else if (text[0] == '\0')
		wl_doctor_add(d, AREA, key, WL_GRADE_FAIL,
		    "put the secret into it", "%s is empty", path);
	else
		owned(d, key, path);
	wl_secret_wipe(text, sizeof(text));
}

static void
master_key(struct wl_doctor *d)
{
	const char *path = d->conf->master_key_file;
	struct wl_keyring *ring;
	struct wl_err e = { 0 };

	if (path[0] == '\0') {
		wl_doctor_add(d, AREA, "master_key_file", WL_GRADE_WARN,
		    "set master_key_file, then watchllm provider-key "
		    "make-master", "none: provider keys cannot be stored, "
		    "each call must bring its own");
		return;
	}
	if ((ring = wl_keyring_load(path, &e)) == NULL) {
		wl_doctor_add(d, AREA, "master_key_file", WL_GRADE_FAIL,
		    wl_doctor_text(d, "chmod 600 %s, and let it belong to the "
		    "workers' user", path), "%s", e.msg);
		return;
	}
	wl_keyring_free(ring);
	owned(d, "master_key_file", path);
}

static void
certificates(struct wl_doctor *d)
{
	const char *path = d->conf->upstream_ca_file;

	if (path[0] != '\0' && access(path, R_OK) == -1)
		wl_doctor_add(d, AREA, "upstream_ca_file", WL_GRADE_FAIL,
		    NULL, "%s: %s", path, strerror(errno));
}

void
wl_doctor_conf(struct wl_doctor *d)
{
	const struct wl_conf *c = d->conf;

	file(d);
	master_key(d);
	secret(d, "operator_token_file", c->operator_token_file);
	secret(d, "stripe_secret_file", c->stripe_secret_file);
	secret(d, "redis_password_file", c->redis_password_file);
	secret(d, "database_url_file", c->database_url_file);
	secret(d, "drain_database_url_file", c->drain_database_url_file);
	secret(d, "owner_database_url_file", c->owner_database_url_file);
	secret(d, "rollup_database_url_file", c->rollup_database_url_file);
	certificates(d);
}
