/*
 * What the database holds: provider keys that open, prices, partitions that
 * the cron job makes, records that were refused.
 */
#include "config.h"
#include "fcgi/doctor.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/core/rollup.h"
#include "lib/store/db_doctor.h"

#define DAY_MS		((int64_t)24 * 60 * 60 * 1000)
#define PRICES_OLD	90	/* days */
/* Days without a run of watchllm-rollup: to be told of, to be alarmed at. */
#define ROLLUP_LATE	2
#define ROLLUP_MISSED	(WL_ROLLUP_AHEAD - 2)

/* ---- providers -------------------------------------------------------- */

static void
default_keys(struct wl_doctor *d)
{
	struct wl_err e = { 0 };
	const char *one;
	int64_t n;

	if (wl_db_doctor_keyless(d->a, &n, &one, &e) == -1)
		wl_doctor_add(d, "providers", "default", WL_GRADE_FAIL, NULL,
		    "%s", wl_doctor_why(&e));
	else if (n > 0)
		wl_doctor_add(d, "providers", "default", WL_GRADE_WARN,
		    "watchllm provider-key set, or another default provider",
		    "%" PRId64 " projects cannot use their default provider, "
		    "such as %s: it is off, or has no key", n, one);
	else
		wl_doctor_add(d, "providers", "default", WL_GRADE_OK, NULL,
		    "every project can use its default provider");
}

static bool
opens(struct wl_doctor *d, const struct wl_keyring *ring,
    const struct wl_db_sealed *s)
{
	const char *aad = wl_doctor_text(d, "%s|%s|%s", s->project,
	    s->provider, s->host);
	uint8_t *key = wl_arena_alloc(d->a, s->sealed_len + 1);
	int rc;

	if (key == NULL || s->sealed_len <= WL_SECRET_TAG)
		return false;
	rc = wl_secret_open(ring, s->key_id, s->nonce, s->sealed,
	    s->sealed_len, aad, strlen(aad), key);
	wl_secret_wipe(key, s->sealed_len + 1);
	return rc == 0;
}

static void
sealed_keys(struct wl_doctor *d)
{
	const char *file = d->conf->master_key_file;
	struct wl_keyring *ring = NULL;
	struct wl_db_sealed *s;
	struct wl_err e = { 0 };
	int64_t shut = 0, all = 0;
	int i, n, one = 0;

	if (wl_db_doctor_sealed(d->a, &s, &n, &e) == -1) {
		wl_doctor_add(d, "providers", "sealed keys", WL_GRADE_FAIL,
		    NULL, "%s", wl_doctor_why(&e));
		return;
	}
	if (file[0] != '\0')
		ring = wl_keyring_load(file, &e);
	for (i = 0; i < n; i++) {
		all += s[i].n;
		if (ring != NULL && opens(d, ring, &s[i]))
			continue;
		shut += s[i].n;
		one = i;
	}
	wl_keyring_free(ring);
	if (shut > 0)
		wl_doctor_add(d, "providers", "sealed keys", WL_GRADE_FAIL,
		    "put that master key into master_key_file again, or store "
		    "the provider keys anew", "%" PRId64 " of %" PRId64
		    " provider keys do not open: their master key %s is not "
		    "in master_key_file", shut, all, s[one].key_id);
	else
		wl_doctor_add(d, "providers", "sealed keys", WL_GRADE_OK,
		    NULL, "%" PRId64 " keys of %d master keys open", all, n);
}

/* ---- prices, jobs, records -------------------------------------------- */

static void
prices(struct wl_doctor *d)
{
	struct wl_err e = { 0 };
	int64_t n, at, days;

	if (wl_db_doctor_prices(d->a, &n, &at, &e) == -1) {
		wl_doctor_add(d, "prices", "known", WL_GRADE_FAIL, NULL, "%s",
		    wl_doctor_why(&e));
		return;
	}
	days = (wl_clock_ms() - at) / DAY_MS;
	if (n == 0)
		wl_doctor_add(d, "prices", "known", WL_GRADE_WARN,
		    "watchllm prices import", "none: calls cost nothing that "
		    "is known");
	else
		wl_doctor_add(d, "prices", "known", days > PRICES_OLD ?
		    WL_GRADE_WARN : WL_GRADE_OK, days > PRICES_OLD ?
		    "watchllm prices import" : NULL,
		    "%" PRId64 ", the last imported %" PRId64 " days ago", n,
		    days);
}

/*
 * Each run makes the partitions of the same number of days ahead, so what is
 * there tells when the last one was.
 */
static void
cron(struct wl_doctor *d)
{
	struct wl_err e = { 0 };
	int64_t ahead, late;

	if (wl_db_doctor_ahead(d->a, &ahead, &e) == -1) {
		wl_doctor_add(d, "jobs", "rollup", WL_GRADE_FAIL, NULL, "%s",
		    wl_doctor_why(&e));
		return;
	}
	late = WL_ROLLUP_AHEAD - ahead;
	if (late < ROLLUP_LATE)
		wl_doctor_add(d, "jobs", "rollup", WL_GRADE_OK, NULL,
		    "watchllm-rollup ran; partitions are there for %" PRId64
		    " days ahead", ahead);
	else
		wl_doctor_add(d, "jobs", "rollup", late > ROLLUP_MISSED ?
		    WL_GRADE_FAIL : WL_GRADE_WARN, "run watchllm-rollup, and "
		    "have cron or its systemd timer do it every hour",
		    late > WL_ROLLUP_AHEAD ? "watchllm-rollup has not run: "
		    "partitions are missing" : "watchllm-rollup has not run "
		    "for %" PRId64 " days", late);
}

static void
dead_letters(struct wl_doctor *d)
{
	struct wl_err e = { 0 };
	int64_t n;

	if (wl_db_doctor_dead_letters(d->a, &n, &e) == -1)
		wl_doctor_add(d, "jobs", "dead letters", WL_GRADE_FAIL, NULL,
		    "%s", wl_doctor_why(&e));
	else
		wl_doctor_add(d, "jobs", "dead letters", n > 0 ?
		    WL_GRADE_WARN : WL_GRADE_OK, n == 0 ? NULL :
		    "watchllm dead-letter list", "%" PRId64 " records were "
		    "refused by the database", n);
}

void
wl_doctor_data(struct wl_doctor *d)
{
	if (!d->db_schema)
		return;
	if (d->db_owner) {
		default_keys(d);
		sealed_keys(d);
	} else {
		wl_doctor_add(d, "providers", "keys", WL_GRADE_SKIP,
		    "set owner_database_url for this run",
		    "only the owner sees the keys of all projects");
	}
	prices(d);
	if (d->db_up[WL_ROLE_ROLLUP])
		cron(d);
	if (d->db_up[WL_ROLE_DRAIN])
		dead_letters(d);
}
