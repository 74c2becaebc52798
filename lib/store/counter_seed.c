/*
 * What a generation of counters in Redis begins with, as arguments of the gate
 * script.
 */
#include "config.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/store/counter_keys.h"
#include "lib/store/db.h"

static const char *
key_id_of(const char *scope)
{
	return strncmp(scope, "key:", 4) == 0 ? scope + 4 : NULL;
}

static bool
is_rule(const char *scope)
{
	return scope[0] != '\0' && key_id_of(scope) == NULL;
}

static void
op(struct wl_counter_keys *c, const char *name, int64_t ttl, int values)
{
	wl_counter_keys_add(&c->args, name);
	wl_counter_keys_add_int(&c->args, ttl);
	wl_counter_keys_add_int(&c->args, values);
}

static void
seed_months(struct wl_counter_keys *c, const struct wl_db_seed *s)
{
	int i, keys = 0;

	for (i = 0; i < s->n; i++) {
		if (strcmp(s->rows[i].kind, "month") != 0 ||
		    is_rule(s->rows[i].scope))
			continue;
		if (key_id_of(s->rows[i].scope) != NULL) {
			keys++;
			continue;
		}
		wl_counter_keys_month(c);
		op(c, "set", c->month_ttl, 1);
		wl_counter_keys_add_int(&c->args, s->rows[i].used);
	}
	wl_counter_keys_key_months(c);
	op(c, "hash", c->month_ttl, 2 * keys);
	for (i = 0; i < s->n; i++) {
		if (strcmp(s->rows[i].kind, "month") != 0 ||
		    key_id_of(s->rows[i].scope) == NULL)
			continue;
		wl_counter_keys_add(&c->args, key_id_of(s->rows[i].scope));
		wl_counter_keys_add_int(&c->args, s->rows[i].used);
	}
}

/*
 * A counter with a key of its own: the greater figure of a minute holds, and
 * the ledger's of what lasts.
 */
static void
seed_counter(struct wl_counter_keys *c, const struct wl_db_seed_row *r)
{
	bool passing;
	int unit;

	for (unit = 0; unit < WL_LIMIT_UNIT_MAX; unit++)
		if (strcmp(r->kind, wl_limit_unit_word(unit)) == 0)
			break;
	if (unit == WL_LIMIT_UNIT_MAX || unit == WL_LU_LEASE ||
	    (unit == WL_LU_MONTH && !is_rule(r->scope)))
		return;
	passing = unit == WL_LU_MINUTE || unit == WL_LU_TOKENS;
	if (passing && r->used == 0)
		return;
	wl_counter_keys_unit(c, unit, r->scope[0] == '\0' ? NULL : r->scope,
	    c->now_ms);
	op(c, passing ? "max" : r->used == 0 ? "clear" : "set",
	    wl_counter_keys_unit_ttl(unit, c->now_ms, c->now_ms),
	    r->used == 0 ? 0 : 1);
	if (r->used == 0)
		return;
	wl_counter_keys_add_int(&c->args, r->used);
}

/*
 * The calls of the last 60 s come ordered by nothing: each is sent to the
 * window of its scope, and those of the minute before are counted, for a
 * worker whose clock is a little behind.
 */
static void
seed_calls(struct wl_counter_keys *c, const struct wl_db_seed *s, bool sliding)
{
	const struct wl_db_seed_row *r;
	int64_t before = 0;
	int i;

	for (i = 0; i < s->n; i++) {
		r = &s->rows[i];
		if (strcmp(r->kind, "sliding") != 0)
			continue;
		if (r->scope[0] == '\0' && r->window / 60000 == c->minute - 1)
			before++;
		if (sliding && r->event != NULL) {
			wl_counter_keys_sliding(c, key_id_of(r->scope));
			op(c, "times", WL_COUNTER_SLIDING_TTL, 2);
			wl_counter_keys_add_int(&c->args, r->window);
			wl_counter_keys_add(&c->args, r->event);
		}
	}
	if (before > 0) {
		wl_counter_keys_minute(c, NULL, c->minute - 1);
		op(c, "max", WL_COUNTER_MINUTE_TTL, 1);
		wl_counter_keys_add_int(&c->args, before);
	}
}

void
wl_counter_seed_add(struct wl_counter_keys *c, const struct wl_db_seed *s,
    bool sliding)
{
	int i;

	seed_months(c, s);
	for (i = 0; i < s->n; i++)
		seed_counter(c, &s->rows[i]);
	seed_calls(c, s, sliding);
}
