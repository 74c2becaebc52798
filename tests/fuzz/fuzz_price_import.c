/*
 * Price lists: what is accepted can go into the table.
 */
#include "config.h"
#include "lib/core/price_import.h"
#include "tests/fuzz/fuzz.h"

#include "lib/base/arena.h"
#include "lib/base/err.h"

#include <string.h>

static void
check_row(const struct wl_db_price_row *r)
{
	int f;

	PROMISE(strlen(r->provider) >= 1 && strlen(r->provider) <= 32);
	PROMISE(strlen(r->model) >= 1 && strlen(r->model) <= 128);
	PROMISE(strlen(r->mode) >= 1 && strlen(r->source) >= 1);
	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++)
		PROMISE(r->nano[f] >= -1 && r->nano[f] <= 1000000000000000);
	PROMISE(r->max_input >= -1 && r->max_output >= -1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wl_arena *a = wl_arena_new((size_t)64 << 20);
	struct wl_price_import list;
	struct wl_err e = { 0 };
	int i, k;

	if (wl_price_import_read(a, (const char *)data, len, NULL, 0, &list,
	    &e) == -1) {
		PROMISE(e.msg[0] != '\0');
		wl_arena_free(a);
		return 0;
	}
	for (i = 0; i < list.n; i++) {
		check_row(&list.rows[i]);
		for (k = 0; k < i && i < 50; k++)
			PROMISE(strcmp(list.rows[i].model,
			    list.rows[k].model) != 0 ||
			    strcmp(list.rows[i].provider,
			    list.rows[k].provider) != 0 ||
			    list.rows[i].from_ms != list.rows[k].from_ms);
	}
	for (i = 0; i < WL_PRICE_SKIP_MAX; i++)
		PROMISE(list.skipped[i] >= 0);
	wl_arena_free(a);
	return 0;
}
