/*
 * Price lists as files: our own CSV (sql/seed/model_prices.csv) and LiteLLM's
 * model_prices_and_context_window.json.
 */
#ifndef WL_CORE_PRICE_IMPORT_H
#define WL_CORE_PRICE_IMPORT_H

#include "lib/store/db_price.h"

#include <stddef.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;

/*
 * Why an entry is left out.
 */
enum wl_price_skip {
	WL_SKIP_EXAMPLE,	/* "sample_spec", which explains the format */
	WL_SKIP_INVALID,	/* no object, a figure that is none, a bad name */
	WL_SKIP_NO_TOKENS,	/* not priced per token, picture, second, ... */
	WL_SKIP_PROVIDER,	/* of another provider than was asked for */
	WL_SKIP_TWICE,		/* an earlier entry has its provider and model */
	WL_PRICE_SKIP_MAX
};

/*
 * The word of S: "example", "invalid", "no_token_price", ...
 */
const char *wl_price_import_skip(enum wl_price_skip s);

struct wl_price_import {
	struct wl_db_price_row	*rows;
	int			 n;
	int			 skipped[WL_PRICE_SKIP_MAX];
};

/*
 * Read the list P, JSON when it begins with a brace, else CSV, into *LIST,
 * whose memory is A's.  With PROVIDER (else NULL) only what is of that one.
 * NOW_MS dates the source of rows that name none.
 *
 * CSV (RFC 4180, a field does not span lines): a first line of column names;
 * provider (may be missing where PROVIDER is given) and model; mode, source,
 * effective_from (RFC 3339), max_input_tokens, max_output_tokens; and figures
 * in dollars, one for each name of wl_db_price_column().  Anything else is an
 * error with its line.
 *
 * LiteLLM: members of one object, named by the model, with prices in dollars
 * per token.  Its provider names become ours ("together_ai" is "together",
 * "vertex_ai-..." is "vertex_ai", ...; what has no name of ours keeps its
 * own), and a provider's name in front of the model's ("groq/...") goes.
 * Entries that cannot be used are left out and counted; prices other than
 * those of tokens by class and kind, batches, long inputs, and of a picture
 * made, a second heard, a character spoken, a search, are not read.
 *
 * Decimals are read exactly and rounded once, half to even, to nano-dollars
 * per million tokens.  Returns 0, or -1 with *E WL_E_INVALID_REQUEST.
 */
int wl_price_import_read(struct wl_arena *a, const char *p, size_t len,
    const char *provider, int64_t now_ms, struct wl_price_import *list,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
