/*
 * Import of prices: what is added, what stays, and from when it holds.
 */
#include "config.h"
#include "lib/store/db.h"
#include "lib/store/db_price.h"
#include "tests/db/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY	((int64_t)86400 * 1000)
/* 2026-11-24T00:00:00Z */
#define NOW	((int64_t)1795478400000)

static struct wl_err		e;
static enum wl_price_change	change[8];

static struct wl_db_price_row
row(const char *provider, const char *model, int64_t input, int64_t output)
{
	struct wl_db_price_row r = {
		.provider = provider, .model = model, .mode = "chat",
		.source = "test", .from_ms = WL_PRICE_UNSET,
		.max_input = 1000, .max_output = -1
	};
	int f;

	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++)
		r.nano[f] = -1;
	r.nano[WL_PF_INPUT] = input;
	r.nano[WL_PF_OUTPUT] = output;
	return r;
}

/*
 * Import ROWS, of which there are N, as they stand.
 */
static int
import_at(const struct wl_db_price_row *rows, int n, int64_t from, int64_t now,
    bool dry)
{
	struct wl_db_price_row copy[8];

	memcpy(copy, rows, (size_t)n * sizeof(*rows));
	memset(&e, 0, sizeof(e));
	return wl_db_price_import(stores_arena(), "test", copy, n, from, now, dry,
	    change, &e);
}

static int64_t
input_at(const char *provider, const char *model, int64_t at)
{
	struct wl_db_price p;

	switch (wl_db_price(stores_arena(), provider, model, at, &p, &e)) {
	case 1:
		return p.input;
	case 0:
		return -2;
	}
	return -3;
}

static int64_t
number(const char *sql)
{
	return strtoll(stores_sql("%s", sql), NULL, 10);
}

#define COUNT	number("SELECT count(*) FROM watchllm.price")
#define CATALOG	number("SELECT version FROM watchllm.catalog")

static void
begin(void (*fn)(void))
{
	stores_sql("TRUNCATE watchllm.price");
	stores_run(&stores_conf, fn);
}

static void
first(void)
{
	struct wl_db_price_row rows[] = { row("openai", "a", 5, 7),
	    row("openai", "b", 0, -1) };
	int64_t version;

	/* nothing is written by a rehearsal */
	CU_ASSERT_EQUAL(import_at(rows, 2, WL_PRICE_UNSET, NOW, true), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_ADDED);
	CU_ASSERT_EQUAL(change[1], WL_PRICE_ADDED);
	CU_ASSERT_EQUAL(COUNT, 0);
	/* the first prices hold for all events that there are */
	version = CATALOG;
	CU_ASSERT_EQUAL(import_at(rows, 2, WL_PRICE_UNSET, NOW, false), 0);
	CU_ASSERT_EQUAL(change[1], WL_PRICE_ADDED);
	CU_ASSERT_EQUAL(COUNT, 2);
	CU_ASSERT_EQUAL(input_at("openai", "a", 0), 5);
	CU_ASSERT_EQUAL(input_at("openai", "b", NOW), 0);
	CU_ASSERT_TRUE(CATALOG > version);
	/* again: nothing, and no worker reads the table again */
	version = CATALOG;
	CU_ASSERT_EQUAL(import_at(rows, 2, WL_PRICE_UNSET, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_UNCHANGED);
	CU_ASSERT_EQUAL(change[1], WL_PRICE_UNCHANGED);
	CU_ASSERT_EQUAL(COUNT, 2);
	CU_ASSERT_EQUAL(CATALOG, version);
}

static void
test_first(void)
{
	begin(first);
}

static void
changed(void)
{
	struct wl_db_price_row rows[] = { row("openai", "a", 5, 7),
	    row("openai", "b", 1, 2) };

	CU_ASSERT_EQUAL(import_at(rows, 2, WL_PRICE_UNSET, NOW, false), 0);
	rows[0].nano[WL_PF_INPUT] = 6;
	CU_ASSERT_EQUAL(import_at(rows, 2, WL_PRICE_UNSET, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_CHANGED);
	CU_ASSERT_EQUAL(change[1], WL_PRICE_UNCHANGED);
	/* what was, stays: the new one holds from now on */
	CU_ASSERT_EQUAL(COUNT, 3);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW - 1), 5);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW), 6);
	CU_ASSERT_STRING_EQUAL(stores_sql("SELECT count(*) FROM"
	    " watchllm.price WHERE effective_to IS NOT NULL"), "0");
	/* and back, at a time that is given */
	rows[0].nano[WL_PF_INPUT] = 5;
	CU_ASSERT_EQUAL(import_at(rows, 2, NOW + DAY, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_CHANGED);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW + DAY - 1), 6);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW + DAY), 5);
	CU_ASSERT_EQUAL(import_at(rows, 2, NOW + DAY, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_UNCHANGED);
	CU_ASSERT_EQUAL(COUNT, 4);
	/* one that is new to a table with prices begins now */
	rows[0].model = "new";
	CU_ASSERT_EQUAL(import_at(rows, 1, WL_PRICE_UNSET, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_ADDED);
	CU_ASSERT_EQUAL(input_at("openai", "new", NOW - 1), -2);
	CU_ASSERT_EQUAL(input_at("openai", "new", NOW), 5);
}

static void
test_changed(void)
{
	begin(changed);
}

/*
 * Each part of a price counts, but where it was taken from.
 */
static void
parts(void)
{
	struct wl_db_price_row r = row("openai", "a", 5, 7);
	int64_t at = NOW;
	int f;

	CU_ASSERT_EQUAL(import_at(&r, 1, WL_PRICE_UNSET, NOW, false), 0);
	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++) {
		r.nano[f] = r.nano[f] == -1 ? 0 : -1;
		CU_ASSERT_EQUAL(import_at(&r, 1, at += DAY, NOW, false), 0);
		CU_ASSERT_EQUAL(change[0], WL_PRICE_CHANGED);
		CU_ASSERT_EQUAL(import_at(&r, 1, at, NOW, false), 0);
		CU_ASSERT_EQUAL(change[0], WL_PRICE_UNCHANGED);
	}
	r.max_output = 9;
	CU_ASSERT_EQUAL(import_at(&r, 1, at += DAY, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_CHANGED);
	r.mode = "responses";
	CU_ASSERT_EQUAL(import_at(&r, 1, at += DAY, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_CHANGED);
	r.source = "elsewhere";
	CU_ASSERT_EQUAL(import_at(&r, 1, at += DAY, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_UNCHANGED);
}

static void
test_parts(void)
{
	begin(parts);
}

static void
conflict(void)
{
	struct wl_db_price_row rows[] = { row("openai", "new", 1, 1),
	    row("openai", "a", 5, 7) };

	CU_ASSERT_EQUAL(import_at(&rows[1], 1, NOW, NOW, false), 0);
	rows[1].nano[WL_PF_INPUT] = 6;
	CU_ASSERT_EQUAL(import_at(rows, 2, NOW, NOW, false), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg,
	    "openai a from 2026-11-24T00:00:00.000Z"));
	/* all or nothing */
	CU_ASSERT_EQUAL(COUNT, 1);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW), 5);
}

static void
test_conflict(void)
{
	begin(conflict);
}

static void
ended(void)
{
	struct wl_db_price_row r = row("openai", "a", 5, 7);

	CU_ASSERT_EQUAL(import_at(&r, 1, 0, NOW, false), 0);
	stores_sql("UPDATE watchllm.price SET effective_to = '2026-01-01Z'");
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW), -2);
	/* the same figures again are news then */
	CU_ASSERT_EQUAL(import_at(&r, 1, WL_PRICE_UNSET, NOW, false), 0);
	CU_ASSERT_EQUAL(change[0], WL_PRICE_ADDED);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW), 5);
	/* a row that tells its own time keeps it */
	r.from_ms = NOW + 2 * DAY;
	r.nano[WL_PF_INPUT] = 8;
	CU_ASSERT_EQUAL(import_at(&r, 1, NOW + DAY, NOW, false), 0);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW + DAY), 5);
	CU_ASSERT_EQUAL(input_at("openai", "a", NOW + 2 * DAY), 8);
}

static void
test_ended(void)
{
	begin(ended);
}

static void
listed(void)
{
	struct wl_db_price_row rows[] = { row("openai", "m", 1, 2),
	    row("openai", "m-2026-01-02", 3, 4), row("azure", "m", 5, 6),
	    row("openai", "other", 7, 8) }, *got;
	int n;

	rows[0].nano[WL_PF_REASONING] = 9;
	CU_ASSERT_EQUAL(import_at(rows, 4, WL_PRICE_UNSET, NOW, false), 0);
	rows[0].nano[WL_PF_INPUT] = 10;
	CU_ASSERT_EQUAL(import_at(rows, 1, NOW, NOW, false), 0);
	CU_ASSERT_EQUAL(wl_db_price_list(stores_arena(), NULL, NULL, NOW,
	    &got, &n, &e), 0);
	CU_ASSERT_EQUAL(n, 4);
	CU_ASSERT_STRING_EQUAL(got[0].provider, "azure");
	CU_ASSERT_STRING_EQUAL(got[1].model, "m");
	CU_ASSERT_EQUAL(got[1].nano[WL_PF_INPUT], 10);
	CU_ASSERT_EQUAL(got[1].nano[WL_PF_OUTPUT], 2);
	CU_ASSERT_EQUAL(got[1].nano[WL_PF_REASONING], 9);
	CU_ASSERT_EQUAL(got[1].nano[WL_PF_CACHE_READ], -1);
	CU_ASSERT_EQUAL(got[1].max_input, 1000);
	CU_ASSERT_EQUAL(got[1].max_output, -1);
	CU_ASSERT_EQUAL(got[1].from_ms, NOW);
	CU_ASSERT_EQUAL(got[1].until_ms, WL_PRICE_OPEN);
	CU_ASSERT_STRING_EQUAL(got[1].source, "test");
	/* at another time */
	CU_ASSERT_EQUAL(wl_db_price_list(stores_arena(), "openai", NULL,
	    NOW - 1, &got, &n, &e), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(got[0].nano[WL_PF_INPUT], 1);
	/* one model: what its calls are billed by, at each provider */
	CU_ASSERT_EQUAL(wl_db_price_list(stores_arena(), NULL, "m-2026-01-02",
	    NOW, &got, &n, &e), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_STRING_EQUAL(got[0].provider, "azure");
	CU_ASSERT_STRING_EQUAL(got[0].model, "m");
	CU_ASSERT_STRING_EQUAL(got[1].model, "m-2026-01-02");
	CU_ASSERT_EQUAL(got[1].nano[WL_PF_INPUT], 3);
	/* a host whose prices are another's */
	stores_sql("INSERT INTO watchllm.provider (id, name, base_url,"
	    " price_provider) VALUES ('west', 'w', 'https://w.example',"
	    " 'azure')");
	CU_ASSERT_EQUAL(wl_db_price_list(stores_arena(), "west", "m", NOW,
	    &got, &n, &e), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_STRING_EQUAL(got[0].provider, "azure");
	stores_sql("DELETE FROM watchllm.provider WHERE id = 'west'");
	CU_ASSERT_EQUAL(wl_db_price_list(stores_arena(), NULL, "nothing", NOW,
	    &got, &n, &e), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static void
test_listed(void)
{
	begin(listed);
}

/* ---- several at once --------------------------------------------------- */

static int	added;

static void
one_of_many(void *arg)
{
	struct wl_db_price_row rows[] = { row("openai", "x", 1, 2),
	    row("openai", "y", 3, 4) };
	enum wl_price_change mine[2] = { WL_PRICE_UNCHANGED,
	    WL_PRICE_UNCHANGED };
	struct wl_err err;

	(void)arg;
	CU_ASSERT_EQUAL(wl_db_price_import(stores_arena(), "test", rows, 2,
	    WL_PRICE_UNSET, NOW, false, mine, &err), 0);
	added += (mine[0] == WL_PRICE_ADDED) + (mine[1] == WL_PRICE_ADDED);
}

static void
at_once(void)
{
	int i;

	added = 0;
	for (i = 0; i < 4; i++)
		stores_spawn(one_of_many, NULL);
	CU_ASSERT_TRUE(stores_join(20000));
	CU_ASSERT_EQUAL(added, 2);
	CU_ASSERT_EQUAL(COUNT, 2);
}

static void
test_at_once(void)
{
	begin(at_once);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the first import", test_first },
		{ "a price that changed", test_changed },
		{ "what makes a change", test_parts },
		{ "another price from the same moment", test_conflict },
		{ "a price that has ended", test_ended },
		{ "what is listed", test_listed },
		{ "imports at once", test_at_once },
		{ NULL, NULL }
	};

	return stores_main("db_price", tests);
}
