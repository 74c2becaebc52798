/*
 * What operators do to projects, plans, keys and usage.
 */
#include "config.h"
#include "lib/core/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/jw.h"
#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/base/utf8.h"
#include "lib/core/auth.h"
#include "lib/core/limit_rule.h"
#include "lib/core/provider.h"
#include "lib/core/usage.h"
#include "lib/http/guard.h"
#include "lib/store/counter.h"
#include "lib/store/db_migrate.h"
#include "lib/store/pg.h"

#define CHANGES_MAX	((size_t)16 * 1024)
/* Seconds. */
#define CACHE_TTL_MAX	604800
#define NAME_MAX_CHARS	200
#define EXPIRY_MAX_MS	((int64_t)3650 * 86400 * 1000)

void
wl_admin_tell(struct wl_admin *ad, const char *project, int64_t version)
{
	struct wl_err e = { 0 };

	if (!ad->untold && wl_counter_version(ad->a, ad->conf, project,
	    version, &e) == -1)
		ad->untold = true;
}

int
wl_admin_owner(struct wl_arena *a, struct wl_err *e)
{
	struct wl_rows *r = wl_db_admin_list(a, WL_DB_SCHEMA, NULL, e);
	int64_t there;

	if (r == NULL)
		return -1;
	if (!wl_rows_bool(r, 0, 1))
		return wl_err_set(e, WL_E_INTERNAL, "the login of "
		    "owner_database_url does not own the tables");
	if ((there = wl_rows_int(r, 0, 0, 0)) == WL_SCHEMA_VERSION)
		return 0;
	return wl_err_set(e, WL_E_INTERNAL, "the database has schema %lld, "
	    "this program %s %d: %s", (long long)there,
	    there < WL_SCHEMA_VERSION ? "needs" : "knows", WL_SCHEMA_VERSION,
	    there < WL_SCHEMA_VERSION ? "run \"watchllm migrate\"" :
	    "install the newer programs");
}

/*
 * Of a change that returned RET, where 0 means that there is no such WHAT.
 */
static int
outcome(int ret, const char *what, const char *id, struct wl_err *e)
{
	if (ret == 0)
		return wl_err_set(e, WL_E_NOT_FOUND, "there is no %s \"%s\"",
		    what, id);
	return ret == -1 ? -1 : 0;
}

/*
 * Of a change that failed: where it named something that does not exist, it
 * was the WHAT called ID.
 */
static int
named(const char *what, const char *id, struct wl_err *e)
{
	return e->code == WL_E_NOT_FOUND ? outcome(0, what, id, e) : -1;
}

/* ---- changes ----------------------------------------------------------- */

/*
 * A JSON object of the columns that change.
 */
struct changes {
	struct wl_buf	b;
	struct wl_jw	w;
};

static void
changes_begin(struct changes *c)
{
	wl_buf_init(&c->b, CHANGES_MAX);
	wl_jw_init(&c->w, &c->b);
	wl_jw_obj(&c->w, NULL);
}

static void
change_str(struct changes *c, const char *column, const char *v)
{
	if (v != NULL)
		wl_jw_str(&c->w, column, v[0] == '\0' ? NULL : v);
}

static void
change_int(struct changes *c, const char *column, int64_t v)
{
	if (v == WL_ADMIN_NONE)
		wl_jw_null(&c->w, column);
	else if (v != WL_ADMIN_KEEP)
		wl_jw_int(&c->w, column, v);
}

static void
change_bool(struct changes *c, const char *column, enum wl_admin_bool v)
{
	if (v != WL_ADMIN_SAME)
		wl_jw_bool(&c->w, column, v == WL_ADMIN_YES);
}

/*
 * The object in A, or NULL with *E.
 */
static const char *
changes_end(struct changes *c, struct wl_arena *a, struct wl_err *e)
{
	const char *s = NULL;

	wl_jw_end(&c->w, '}');
	if (!c->b.failed)
		s = wl_arena_dup(a, c->b.p, c->b.len);
	wl_buf_free(&c->b);
	if (s == NULL)
		wl_err_set(e, WL_E_INVALID_REQUEST, "too long");
	return s;
}

/* ---- names ------------------------------------------------------------- */

/*
 * 0 when NAME, which people read in lists, may be one; NULL: none is given.
 */
static int
check_name(const char *name, struct wl_err *e)
{
	size_t i, n, len = name == NULL ? 0 : strlen(name), chars = 0;
	unsigned char c;

	if (name == NULL)
		return 0;
	for (i = 0; i < len; i += n, chars++) {
		n = wl_utf8_seq(name + i, len - i);
		c = (unsigned char)name[i];
		/* controls of ASCII, and those of ISO 6429 behind it */
		if (n == 0 || c < ' ' || c == 0x7f || (n == 2 && c == 0xc2 &&
		    (unsigned char)name[i + 1] < 0xa0))
			break;
	}
	if (i == len && chars <= NAME_MAX_CHARS && strspn(name, " ") < len)
		return 0;
	return wl_err_set(e, WL_E_INVALID_REQUEST, "a name is 1 to %d"
	    " characters of UTF-8, not all of them blank, and no control"
	    " characters", NAME_MAX_CHARS);
}

/* ---- projects and plans ------------------------------------------------ */

static bool
good_id(const char *id)
{
	return strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz") ==
	    strlen(id) && id[0] != '\0' && strlen(id) <= 32;
}

int
wl_admin_project_create(struct wl_admin *ad, const char *id,
    const struct wl_admin_project *p, struct wl_rows **row, struct wl_err *e)
{
	if (id != NULL && !good_id(id))
		return wl_err_set(e, WL_E_INVALID_REQUEST, "a project's id is"
		    " up to 32 lower-case letters and digits");
	if (check_name(p->name, e) == -1)
		return -1;
	if (wl_db_admin_project_create(ad->a, ad->actor, id, p->name, p->plan,
	    p->default_provider, row, e) != -1)
		return 0;
	return named("plan", p->plan, e);
}

int
wl_admin_project_find(struct wl_admin *ad, const char *id,
    struct wl_rows **row, struct wl_err *e)
{
	*row = wl_db_admin_list(ad->a, WL_DB_PROJECT, &id, e);
	if (*row == NULL)
		return -1;
	return outcome(wl_rows_count(*row), "project", id, e);
}

static int
check_cache(const struct wl_admin_project *p, struct wl_err *e)
{
	static const char *const modes[] = { "off", "ask", "exact",
	    "canonical" };
	size_t i;

	if (p->cache == NULL && p->cache_ttl_s == 0)
		return 0;
	for (i = 0; p->cache != NULL && i < sizeof(modes) / sizeof(modes[0]);
	    i++)
		if (strcmp(p->cache, modes[i]) == 0)
			return p->cache_ttl_s >= 0 && p->cache_ttl_s <=
			    CACHE_TTL_MAX ? 0 : wl_err_set(e,
			    WL_E_INVALID_REQUEST, "answers are cached for 1"
			    " to %d seconds", CACHE_TTL_MAX);
	return wl_err_set(e, WL_E_INVALID_REQUEST, "what is cached is off,"
	    " ask, exact or canonical");
}

static void
change_cache(struct changes *c, const struct wl_admin_project *p)
{
	if (p->cache == NULL)
		return;
	wl_jw_obj(&c->w, "settings");
	wl_jw_obj(&c->w, "cache");
	wl_jw_str(&c->w, "mode", p->cache);
	if (p->cache_ttl_s > 0)
		wl_jw_int(&c->w, "ttl", p->cache_ttl_s);
	wl_jw_end(&c->w, '}');
	wl_jw_end(&c->w, '}');
}

int
wl_admin_project_set(struct wl_admin *ad, const char *id,
    const struct wl_admin_project *p, struct wl_err *e)
{
	struct changes c;
	const char *json;
	int64_t version;
	int ret;

	if (check_name(p->name, e) == -1 || check_cache(p, e) == -1)
		return -1;
	changes_begin(&c);
	change_str(&c, "name", p->name);
	change_str(&c, "plan_id", p->plan);
	change_str(&c, "default_provider", p->default_provider);
	change_cache(&c, p);
	if (p->enabled != WL_ADMIN_SAME)
		wl_jw_str(&c.w, "disabled_at",
		    p->enabled == WL_ADMIN_NO ? "now" : NULL);
	if ((json = changes_end(&c, ad->a, e)) == NULL)
		return -1;
	ret = wl_db_admin_project_set(ad->a, ad->actor, id, json, &version, e);
	if (ret == -1)
		return named("plan", p->plan, e);
	if (ret > 0)
		wl_admin_tell(ad, id, version);
	return outcome(ret, "project", id, e);
}

int
wl_admin_plan_set(struct wl_admin *ad, const char *id,
    const struct wl_admin_plan *p, struct wl_err *e)
{
	struct wl_rows *projects;
	struct changes c;
	const char *json;
	int i, ret;

	if (check_name(p->name, e) == -1)
		return -1;
	changes_begin(&c);
	change_str(&c, "name", p->name);
	change_int(&c, "requests_per_minute", p->rpm);
	change_int(&c, "requests_per_month", p->month);
	change_str(&c, "window_kind", p->window);
	change_int(&c, "concurrent_requests", p->concurrent);
	change_int(&c, "tokens_per_minute", p->tokens);
	change_int(&c, "budget_day_nano", p->day_nano);
	change_int(&c, "budget_month_nano", p->month_nano);
	change_str(&c, "on_unknown_price", p->unknown_price);
	change_int(&c, "flat_price_nano", p->flat_nano);
	change_str(&c, "on_overrun", p->overrun);
	change_bool(&c, "cache_hits_free", p->cache_hits_free);
	change_int(&c, "price_usd_cents", p->price_cents);
	change_str(&c, "retention_class", p->retention);
	if ((json = changes_end(&c, ad->a, e)) == NULL)
		return -1;
	ret = wl_db_admin_plan_set(ad->a, ad->actor, id, json, p->rpm,
	    p->month, &projects, e);
	if (ret == -1)
		return named("retention class", p->retention, e);
	if (ret == 0)
		return wl_err_set(e, WL_E_NOT_FOUND, "there is no plan \"%s\";"
		    " a new one needs its limits per minute and per month",
		    id);
	for (i = 0; i < wl_rows_count(projects); i++)
		wl_admin_tell(ad, wl_rows_get(projects, i, 0),
		    wl_rows_int(projects, i, 1, 0));
	return 0;
}

/* ---- providers --------------------------------------------------------- */

int
wl_admin_place(const char *base_url, char place[272], struct wl_err *e)
{
	char host[256];
	bool https;
	int port;

	if (wl_guard_split(base_url, &https, host, &port) == -1)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "\"%s\" is no URL "
		    "that calls can be sent to: http or https, a host, no "
		    "user", base_url);
	if (port == (https ? 443 : 80))
		snprintf(place, 272, "%s", host);
	else
		snprintf(place, 272, strchr(host, ':') != NULL ? "[%s]:%d" :
		    "%s:%d", host, port);
	return 0;
}

/*
 * The URL without a slash at its end, which the database refuses.
 */
static const char *
tidy_url(struct wl_admin *ad, const char *url, struct wl_err *e)
{
	char place[272], *s;
	size_t n = strlen(url);

	if (wl_admin_place(url, place, e) == -1)
		return NULL;
	while (n > 0 && url[n - 1] == '/')
		n--;
	if (strcspn(url, "?#") < n) {
		wl_err_set(e, WL_E_INVALID_REQUEST,
		    "a base URL has no query and no fragment");
		return NULL;
	}
	if ((s = wl_arena_dup(ad->a, url, n)) == NULL)
		wl_err_set(e, WL_E_INTERNAL, NULL);
	return s;
}

/*
 * After the change: plain HTTP is for hosts of the operator's own.  Returns
 * the keys that are bound elsewhere, or -1.
 */
static int64_t
count_unbound(struct wl_admin *ad, const char *id, const char *base_url,
    struct wl_err *e)
{
	char place[272];
	const char *args[] = { id, place };
	struct wl_rows *r;

	if (wl_admin_place(base_url, place, e) == -1)
		return -1;
	r = wl_db_admin_list(ad->a, WL_DB_UNBOUND, args, e);
	return r == NULL ? -1 : wl_rows_int(r, 0, 0, 0);
}

static bool
plain_http(const char *url)
{
	return strncmp(url, "http:", 5) == 0;
}

static bool
is_version(const char *s)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-";

	return strlen(s) <= 32 && strspn(s, chars) == strlen(s) &&
	    strchr("._-", s[0]) == NULL;
}

/*
 * Whether the provider that P makes of ID will be one that calls can be sent
 * to; *URL becomes its base URL.
 */
static int
check_provider(struct wl_admin *ad, const char *id,
    const struct wl_admin_provider *p, const char **url, struct wl_err *e)
{
	struct wl_rows *r = wl_db_admin_list(ad->a, WL_DB_PROVIDER, &id, e);
	bool there, is_private = p->is_private == WL_ADMIN_YES;

	if (r == NULL)
		return -1;
	there = wl_rows_count(r) > 0;
	if (!there && p->base_url == NULL)
		return wl_err_set(e, WL_E_NOT_FOUND, "there is no provider "
		    "\"%s\"; a new one needs its base URL", id);
	*url = p->base_url != NULL ? tidy_url(ad, p->base_url, e) :
	    wl_rows_get(r, 0, 0);
	if (*url == NULL)
		return -1;
	if (there && p->is_private == WL_ADMIN_SAME)
		is_private = wl_rows_bool(r, 0, 1);
	if (plain_http(*url) && !is_private)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "plain http is for "
		    "private hosts only: use https, or make it private");
	if (p->wire != NULL && wl_provider_find(p->wire) == NULL)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "no wire format \"%s\"", p->wire);
	if (p->api_version != NULL && p->api_version[0] != '\0' &&
	    !is_version(p->api_version))
		return wl_err_set(e, WL_E_INVALID_REQUEST, "a version of an "
		    "API is up to 32 of A-Z, a-z, 0-9, '.', '_' and '-', a "
		    "letter or digit first");
	return 0;
}

int
wl_admin_provider_set(struct wl_admin *ad, const char *id,
    const struct wl_admin_provider *p, int64_t *unbound, struct wl_err *e)
{
	const char *json, *url = NULL;
	struct changes c;

	if (check_name(p->name, e) == -1 ||
	    check_provider(ad, id, p, &url, e) == -1)
		return -1;
	changes_begin(&c);
	change_str(&c, "name", p->name);
	change_str(&c, "wire", p->wire);
	change_str(&c, "base_url", p->base_url != NULL ? url : NULL);
	change_str(&c, "auth", p->auth);
	change_str(&c, "price_provider", p->price_provider);
	change_str(&c, "api_version", p->api_version);
	change_bool(&c, "key_required", p->key_required);
	change_bool(&c, "allow_private", p->is_private);
	change_bool(&c, "stream_options", p->stream_options);
	change_bool(&c, "enabled", p->enabled);
	if ((json = changes_end(&c, ad->a, e)) == NULL)
		return -1;
	if (outcome(wl_db_admin_provider_set(ad->a, ad->actor, id, json,
	    p->base_url != NULL ? url : NULL, e), "provider", id, e) == -1) {
		if (e->code == WL_E_INVALID_REQUEST)
			wl_err_set(e, WL_E_INVALID_REQUEST, "a provider's id "
			    "is up to 32 of a-z, 0-9, '.', '_' and '-', a "
			    "letter or digit first");
		return -1;
	}
	*unbound = count_unbound(ad, id, url, e);
	return *unbound == -1 ? -1 : 0;
}

/* ---- keys of projects -------------------------------------------------- */

int
wl_admin_expiry(const char *s, int64_t now_ms, int64_t *ms, struct wl_err *e)
{
	int64_t span;

	if (wl_clock_parse(s, strlen(s), ms) == -1) {
		if (wl_num_duration(s, &span) == -1)
			return wl_err_set(e, WL_E_INVALID_REQUEST, "\"%s\" is "
			    "neither a time (2026-12-31T00:00:00Z) nor a "
			    "length of time (30d)", s);
		if (span > EXPIRY_MAX_MS)
			span = EXPIRY_MAX_MS + 1;
		*ms = now_ms + span;
	}
	if (*ms <= now_ms)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "\"%s\" is in the past", s);
	if (*ms - now_ms > EXPIRY_MAX_MS)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "\"%s\" is more than ten years away", s);
	return 0;
}

/*
 * Whether SCOPES are words of lib/core/auth.h, each once.
 */
static int
check_scopes(const char *scopes, struct wl_err *e)
{
	struct wl_str rest = wl_str_of(scopes), word;
	unsigned seen = 0, scope;

	while (rest.p != NULL) {
		word = wl_str_cut(&rest, ',');
		for (scope = 1; scope <= WL_SCOPE_ADMIN; scope <<= 1)
			if (wl_str_eq(word, wl_auth_scope_name(scope)))
				break;
		if (scope > WL_SCOPE_ADMIN)
			return wl_err_set(e, WL_E_INVALID_REQUEST, "no scope "
			    "\"%.*s\"; there are gateway, ingest, read, admin",
			    (int)word.len, word.p);
		if (seen & scope)
			return wl_err_set(e, WL_E_INVALID_REQUEST,
			    "scope %.*s is given twice", (int)word.len,
			    word.p);
		seen |= scope;
	}
	return 0;
}

int
wl_admin_key_create(struct wl_admin *ad, struct wl_db_new_key *k, bool test,
    char key[WL_KEY_LEN + 1], const char **id, struct wl_err *e)
{
	char prefix[WL_KEY_PREFIX + 1];
	int64_t version;
	int ret;

	if ((k->name[0] != '\0' && check_name(k->name, e) == -1) ||
	    check_scopes(k->scopes, e) == -1)
		return -1;
	wl_key_make(test, key, prefix, k->hash);
	if ((k->prefix = wl_arena_strdup(ad->a, prefix)) == NULL)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	k->kind = test ? "test" : "proj";
	ret = wl_db_admin_key_create(ad->a, ad->actor, k, id, &version, e);
	if (ret == -1)
		return named("project", k->project, e);
	wl_admin_tell(ad, k->project, version);
	return 0;
}

static void
read_key(const struct wl_rows *r, struct wl_admin_key *k)
{
	k->project = wl_rows_get(r, 0, 0);
	k->id = wl_rows_get(r, 0, 1);
	k->prefix = wl_rows_get(r, 0, 2);
	k->kind = wl_rows_get(r, 0, 3);
	k->name = wl_rows_get(r, 0, 4);
	k->state = wl_rows_get(r, 0, 5);
	k->rpm = wl_rows_int(r, 0, 6, -1);
	k->month = wl_rows_int(r, 0, 7, -1);
	k->concurrent = wl_rows_int(r, 0, 8, -1);
	k->tokens = wl_rows_int(r, 0, 9, -1);
	k->day_nano = wl_rows_int(r, 0, 10, -1);
	k->month_nano = wl_rows_int(r, 0, 11, -1);
}

int
wl_admin_key_find(struct wl_admin *ad, const char *project, const char *which,
    struct wl_admin_key *k, struct wl_err *e)
{
	char prefix[WL_KEY_PREFIX + 1], hash[65] = "";
	bool whole = wl_key_wellformed(which, prefix);
	const char *args[] = { project, whole ? "" : which, hash };
	struct wl_rows *r;

	if (whole)
		wl_sha256_hex(which, strlen(which), hash);
	else if (strncmp(which, "lgw_", 4) == 0)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "this is not a whole key: its checksum is wrong");
	if ((r = wl_db_admin_list(ad->a, WL_DB_KEY_FIND, args, e)) == NULL)
		return -1;
	/* a whole key is not repeated: it may be in use elsewhere */
	if (wl_rows_count(r) == 0)
		return whole ?
		    wl_err_set(e, WL_E_NOT_FOUND, "there is no such key") :
		    outcome(0, "key", which, e);
	if (wl_rows_count(r) > 1)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "several keys are "
		    "called \"%s\" (%s of project %s, %s of project %s): "
		    "give the id", which, wl_rows_get(r, 0, 1),
		    wl_rows_get(r, 0, 0), wl_rows_get(r, 1, 1),
		    wl_rows_get(r, 1, 0));
	read_key(r, k);
	return 0;
}

int
wl_admin_key_revoke(struct wl_admin *ad, const struct wl_admin_key *k,
    bool *done, struct wl_err *e)
{
	int64_t version;
	int ret = wl_db_admin_key_revoke(ad->a, ad->actor, k->project, k->id,
	    &version, e);

	*done = ret > 0;
	if (ret > 0)
		wl_admin_tell(ad, k->project, version);
	return ret == -1 ? -1 : 0;
}

int
wl_admin_key_rotate(struct wl_admin *ad, const struct wl_admin_key *k,
    int64_t grace_ms, char key[WL_KEY_LEN + 1], const char **id,
    struct wl_err *e)
{
	char prefix[WL_KEY_PREFIX + 1];
	struct wl_db_new_key new = { .project = k->project, .prefix = prefix };
	int64_t version;
	int ret;

	wl_key_make(strcmp(k->kind, "test") == 0, key, prefix, new.hash);
	ret = wl_db_admin_key_rotate(ad->a, ad->actor, k->id, grace_ms, &new,
	    id, &version, e);
	if (ret == 0)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "key %s does not "
		    "work any more: make a new one", k->id);
	if (ret > 0)
		wl_admin_tell(ad, k->project, version);
	return ret == -1 ? -1 : 0;
}

/* ---- usage ------------------------------------------------------------- */

int
wl_admin_auth(struct wl_admin *ad, const char *project,
    const struct wl_admin_key *k, struct wl_auth *auth, struct wl_err *e)
{
	static char no_settings[] = "{}";
	struct wl_rows *r;

	if (wl_admin_project_find(ad, project, &r, e) == -1)
		return -1;
	memset(auth, 0, sizeof(*auth));
	wl_strlcpy(auth->project, project, sizeof(auth->project));
	wl_strlcpy(auth->plan, wl_rows_get(r, 0, 3), sizeof(auth->plan));
	auth->settings = no_settings;
	auth->version = wl_rows_int(r, 0, 7, 0);
	auth->rpm = wl_rows_int(r, 0, 8, -1);
	auth->month = wl_rows_int(r, 0, 9, -1);
	auth->concurrent = wl_rows_int(r, 0, 10, -1);
	auth->sliding = wl_rows_bool(r, 0, 11);
	auth->tokens = wl_rows_int(r, 0, 12, -1);
	auth->day_nano = wl_rows_int(r, 0, 13, -1);
	auth->month_nano = wl_rows_int(r, 0, 14, -1);
	auth->key_rpm = auth->key_month = auth->key_concurrent = -1;
	auth->key_tokens = auth->key_day_nano = auth->key_month_nano = -1;
	if (wl_limit_rules_read(ad->a, wl_rows_get(r, 0, 15), &auth->rules,
	    &auth->nrules) == -1 || (auth->rules != NULL &&
	    wl_arena_defer(ad->a, free, auth->rules) == -1))
		return wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	if (k == NULL)
		return 0;
	wl_strlcpy(auth->key_id, k->id, sizeof(auth->key_id));
	auth->key_rpm = k->rpm;
	auth->key_month = k->month;
	auth->key_concurrent = k->concurrent;
	auth->key_tokens = k->tokens;
	auth->key_day_nano = k->day_nano;
	auth->key_month_nano = k->month_nano;
	return 0;
}

int
wl_admin_usage_set(struct wl_admin *ad, const char *project, int64_t minute,
    int64_t month, struct wl_err *e)
{
	return wl_usage_set(ad->a, ad->conf, ad->actor, project, minute, month,
	    e);
}

int
wl_admin_usage_set_spent(struct wl_admin *ad, const char *project,
    int64_t day, int64_t month, struct wl_err *e)
{
	return wl_usage_set_spent(ad->a, ad->conf, ad->actor, project, day,
	    month, e);
}

int
wl_admin_usage_add(struct wl_admin *ad, const char *project, int64_t n,
    struct wl_err *e)
{
	return wl_usage_increment(ad->a, ad->conf, ad->actor, project, n, e);
}
