/*
 * The price table for operators, as role owner: import, and what held when.
 * What a call costs is asked in db.h.
 */
#ifndef WL_STORE_DB_PRICE_H
#define WL_STORE_DB_PRICE_H

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;

/*
 * The figures of a price: those of sql/seed/model_prices.csv in its order, and
 * others.
 */
enum wl_price_figure {
	WL_PF_INPUT, WL_PF_OUTPUT, WL_PF_CACHE_READ, WL_PF_CACHE_WRITE,
	WL_PF_BATCH_INPUT, WL_PF_BATCH_OUTPUT, WL_PF_INPUT_ABOVE_200K,
	WL_PF_OUTPUT_ABOVE_200K, WL_PF_REASONING, WL_PF_CACHE_READ_ABOVE_200K,
	WL_PF_CACHE_WRITE_ABOVE_200K, WL_PF_CACHE_WRITE_1H,
	WL_PF_IMAGE_INPUT, WL_PF_IMAGE_OUTPUT,
	WL_PF_AUDIO_INPUT, WL_PF_AUDIO_OUTPUT,
	/* of one picture, second, search, character */
	WL_PF_IMAGE, WL_PF_SECOND, WL_PF_QUERY, WL_PF_CHARACTER,
	WL_PRICE_FIGURE_MAX
};

/*
 * "input", "cache_read", ...; the column is NAME_nano.  What people read and
 * write: "input_usd_per_mtok", and where it is not of tokens "image_usd".
 */
const char *wl_db_price_figure(enum wl_price_figure f);
const char *wl_db_price_column(enum wl_price_figure f);
bool wl_db_price_by_unit(enum wl_price_figure f);

/*
 * A price from FROM_MS until UNTIL_MS (WL_PRICE_OPEN: until a newer row
 * begins).  Figures are nano-dollars per million tokens or units, -1: not known or not
 * priced apart; the most tokens of input and output, -1: not known.
 */
#define WL_PRICE_OPEN	INT64_MAX
#define WL_PRICE_UNSET	INT64_MIN
struct wl_db_price_row {
	const char	*provider, *model, *mode, *source;
	int64_t		 from_ms, until_ms;
	int64_t		 nano[WL_PRICE_FIGURE_MAX];
	int64_t		 max_input, max_output;
};

/*
 * Bring N rows into the table, in one transaction of ACTOR (db_admin.h).  A row whose FROM_MS is
 * WL_PRICE_UNSET gets that of the import: FROM_MS, or when that is unset too,
 * the epoch if the table is empty, so that no event is older, else NOW_MS.
 * CHANGE[i] tells what became of row i: nothing where the price that holds at
 * its FROM_MS has the same figures; else a row is added, and those there are
 * stay as they are.  DRY changes nothing.  Returns 0, or -1 with *E
 * (WL_E_INVALID_REQUEST: there is a price from the same moment with other
 * figures), and nothing was changed.
 */
enum wl_price_change {
	WL_PRICE_UNCHANGED, WL_PRICE_ADDED, WL_PRICE_CHANGED,
	WL_PRICE_CHANGE_MAX
};
int wl_db_price_import(struct wl_arena *a, const char *actor,
    struct wl_db_price_row *rows, int n, int64_t from_ms, int64_t now_ms, bool dry,
    enum wl_price_change *change, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The prices that hold at AT_MS, by provider and model.  With MODEL only
 * those that a call of that model would be billed by; with PROVIDER only that
 * one's, or those that hold for it.  Both may be NULL.  Returns 0, or -1 with
 * *E.
 */
int wl_db_price_list(struct wl_arena *a, const char *provider,
    const char *model, int64_t at_ms, struct wl_db_price_row **rows, int *n,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
