/*
 * Price lists as files.  Figures are taken from the text as it stands, never
 * through a floating-point number.
 */
#include "config.h"
#include "lib/core/price_import.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/core/call.h"

#define ROWS_MAX	100000
#define JSON_TOKENS	((size_t)8 * 1000 * 1000)
#define COLUMNS_MAX	32
#define PROVIDER_MAX	32
#define WORD_MAX	64
/* a dollar per token: nobody asks that much */
#define FIGURE_MAX	((int64_t)1000000000 * 1000000)
#define TOKENS_MAX	((int64_t)1000000000000)

/* dollars per million tokens, per token, to nano-dollars per million tokens */
#define SCALE_MTOK	((int64_t)1000000000)
#define SCALE_TOKEN	((int64_t)1000000000 * 1000000)

static const char *const skips[] = {
	[WL_SKIP_EXAMPLE] = "example",
	[WL_SKIP_INVALID] = "invalid",
	[WL_SKIP_NO_TOKENS] = "no_token_price",
	[WL_SKIP_PROVIDER] = "other_provider",
	[WL_SKIP_TWICE] = "twice",
};
static_assert(sizeof(skips) / sizeof(skips[0]) == WL_PRICE_SKIP_MAX,
    "a word for every reason");

/*
 * A list that is being read.
 */
struct reader {
	struct wl_arena		*a;
	const char		*provider;	/* asked for, or NULL */
	const char		*source;	/* of rows that name none */
	struct wl_price_import	*list;
	struct wl_err		*e;
};

const char *
wl_price_import_skip(enum wl_price_skip s)
{
	return skips[s];
}

static struct wl_db_price_row
empty_row(const struct reader *rd)
{
	struct wl_db_price_row row = {
		.provider = rd->provider, .mode = "chat", .source = rd->source,
		.from_ms = WL_PRICE_UNSET, .until_ms = WL_PRICE_OPEN,
		.max_input = -1, .max_output = -1
	};
	int f;

	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++)
		row.nano[f] = -1;
	return row;
}

static int
make_room(struct reader *rd, size_t rows)
{
	if (rows > ROWS_MAX)
		return wl_err_set(rd->e, WL_E_INVALID_REQUEST,
		    "more than %d prices", ROWS_MAX);
	rd->list->rows = wl_arena_alloc(rd->a, (rows + 1) *
	    sizeof(*rd->list->rows));
	return rd->list->rows == NULL ? wl_err_memory(rd->e) : 0;
}

/* ---- values ------------------------------------------------------------ */

/*
 * What the tables of providers take as a name.
 */
static bool
is_provider(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n <= PROVIDER_MAX && s[n] == '\0' &&
	    strchr("._-", s[0]) == NULL;
}

/*
 * Printable, and not empty.
 */
static bool
is_word(const char *s, size_t max)
{
	size_t i, n = strlen(s);

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return false;
	return n > 0 && n <= max && wl_utf8_valid(s, n);
}

static int
figure(struct wl_str v, int64_t scale, int64_t *nano)
{
	int64_t n;

	if (wl_money_parse(v.p, v.len, scale, &n) == -1 || n < 0 ||
	    n > FIGURE_MAX)
		return -1;
	*nano = n;
	return 0;
}

/* ---- CSV --------------------------------------------------------------- */

/*
 * Columns that are no figure; figures follow them.
 */
enum column {
	COL_EFFECTIVE_FROM, COL_MAX_INPUT, COL_MAX_OUTPUT, COL_MODE,
	COL_MODEL, COL_PROVIDER, COL_SOURCE, COL_FIGURE
};
static const char *const columns[] = {
	"effective_from", "max_input_tokens", "max_output_tokens", "mode",
	"model", "provider", "source"
};
static_assert(sizeof(columns) / sizeof(columns[0]) == COL_FIGURE,
    "a name for every column");

static int
bad_line(struct reader *rd, int line, const char *column, const char *what)
{
	return wl_err_set(rd->e, WL_E_INVALID_REQUEST, "line %d%s%s: %s",
	    line, column[0] != '\0' ? ", " : "", column, what);
}

/*
 * Cut the next field off *REST, whose P is NULL after the last one.
 * Returns 0, or -1 with why in *WHAT.
 */
static int
next_field(struct wl_arena *a, struct wl_str *rest, struct wl_str *field,
    const char **what)
{
	const char *p = rest->p, *end = p + rest->len;
	char *to;

	if (rest->len == 0 || *p != '"') {
		*field = wl_str_trim(wl_str_cut(rest, ','));
		*what = "a quote within a field";
		return memchr(field->p, '"', field->len) == NULL ? 0 : -1;
	}
	*what = "out of memory";
	if ((to = wl_arena_alloc(a, rest->len)) == NULL)
		return -1;
	field->p = to;
	for (p++; p < end; p++) {
		if (*p == '"' && (p + 1 == end || p[1] != '"'))
			break;
		p += *p == '"';		/* two stand for one */
		*to++ = *p;
	}
	field->len = (size_t)(to - field->p);
	*what = "a quote that is not closed, or followed by more";
	if (p == end || (p + 1 < end && p[1] != ','))
		return -1;
	rest->len = (size_t)(end - p - 1);
	rest->p = p + 1;
	(void)wl_str_cut(rest, ',');
	return 0;
}

static int
column_by_name(struct wl_str name)
{
	int i;

	for (i = 0; i < COL_FIGURE; i++)
		if (wl_str_eq(name, columns[i]))
			return i;
	for (i = 0; i < WL_PRICE_FIGURE_MAX; i++)
		if (wl_str_eq(name, wl_db_price_column(
		    (enum wl_price_figure)i)))
			return COL_FIGURE + i;
	return -1;
}

/*
 * Text of FIELD into *TO, unless it is empty.
 */
static const char *
set_text(struct reader *rd, struct wl_str field, size_t max, const char **to)
{
	char *s;

	if (field.len == 0)
		return NULL;
	if ((s = wl_arena_dup(rd->a, field.p, field.len)) == NULL)
		return "out of memory";
	if (strlen(s) != field.len || !is_word(s, max))
		return "too long, or not a word";
	*to = s;
	return NULL;
}

/*
 * FIELD into the part of *ROW that COL names.  Returns NULL, or what is
 * wrong.
 */
static const char *
set_field(struct reader *rd, struct wl_db_price_row *row, int col,
    struct wl_str field)
{
	if (field.len == 0)
		return NULL;
	if (col >= COL_FIGURE)
		return figure(field, wl_db_price_by_unit((enum
		    wl_price_figure)(col - COL_FIGURE)) ? SCALE_TOKEN :
		    SCALE_MTOK, &row->nano[col - COL_FIGURE]) == -1 ?
		    "not an amount of dollars" : NULL;
	switch ((enum column)col) {
	case COL_EFFECTIVE_FROM:
		return wl_clock_parse(field.p, field.len, &row->from_ms) ==
		    -1 ? "not a time such as 2026-01-31T00:00:00Z" : NULL;
	case COL_MAX_INPUT:
		return wl_num_parse(field.p, field.len, 0, TOKENS_MAX,
		    &row->max_input) == -1 ? "not a number of tokens" : NULL;
	case COL_MAX_OUTPUT:
		return wl_num_parse(field.p, field.len, 0, TOKENS_MAX,
		    &row->max_output) == -1 ? "not a number of tokens" : NULL;
	case COL_MODE:
		return set_text(rd, field, WORD_MAX, &row->mode);
	case COL_MODEL:
		return set_text(rd, field, WL_MODEL_MAX, &row->model);
	case COL_PROVIDER:
		return set_text(rd, field, PROVIDER_MAX, &row->provider);
	case COL_SOURCE:
		return set_text(rd, field, WORD_MAX, &row->source);
	case COL_FIGURE:
		break;
	}
	return NULL;
}

/*
 * Which column each field of the first line names.  Returns how many, or -1.
 */
static int
read_header(struct reader *rd, struct wl_str line, int cols[COLUMNS_MAX])
{
	unsigned seen = 0;
	struct wl_str name;
	const char *what;
	char shown[WORD_MAX];
	int n = 0, col;

	while (line.p != NULL) {
		if (n == COLUMNS_MAX)
			return bad_line(rd, 1, "", "too many columns");
		if (next_field(rd->a, &line, &name, &what) == -1)
			return bad_line(rd, 1, "", what);
		snprintf(shown, sizeof(shown), "%.*s", (int)(name.len < 40 ?
		    name.len : 40), name.p);
		if ((col = column_by_name(name)) == -1)
			return bad_line(rd, 1, is_word(shown, WORD_MAX) ?
			    shown : "", "no such column");
		if (seen & (1u << col))
			return bad_line(rd, 1, shown, "twice");
		seen |= 1u << col;
		cols[n++] = col;
	}
	if (!(seen & (1u << COL_MODEL)))
		return bad_line(rd, 1, "", "a column \"model\" is needed");
	if (!(seen & (1u << COL_PROVIDER)) && rd->provider == NULL)
		return bad_line(rd, 1, "", "a column \"provider\" is needed, "
		    "or one provider for all");
	return n;
}

static int
read_line(struct reader *rd, struct wl_str line, int number, const int *cols,
    int ncols)
{
	struct wl_db_price_row row = empty_row(rd);
	const char *what, *column;
	struct wl_str field;
	int i;

	for (i = 0; line.p != NULL; i++) {
		if (i == ncols)
			return bad_line(rd, number, "", "too many fields");
		column = cols[i] < COL_FIGURE ? columns[cols[i]] :
		    wl_db_price_figure((enum wl_price_figure)(cols[i] -
		    COL_FIGURE));
		if (next_field(rd->a, &line, &field, &what) == -1 ||
		    (what = set_field(rd, &row, cols[i], field)) != NULL)
			return bad_line(rd, number, column, what);
	}
	if (i < ncols)
		return bad_line(rd, number, "", "too few fields");
	if (row.model == NULL)
		return bad_line(rd, number, "model", "missing");
	if (row.provider == NULL || !is_provider(row.provider))
		return bad_line(rd, number, "provider", "not the name of one");
	if (rd->provider != NULL && strcmp(row.provider, rd->provider) != 0)
		rd->list->skipped[WL_SKIP_PROVIDER]++;
	else
		rd->list->rows[rd->list->n++] = row;
	return 0;
}

static int
read_csv(struct reader *rd, struct wl_str text)
{
	int cols[COLUMNS_MAX], ncols = 0, number = 0;
	struct wl_str line;
	size_t i, lines = 1;

	for (i = 0; i < text.len; i++)
		lines += text.p[i] == '\n';
	if (make_room(rd, lines) == -1)
		return -1;
	while (text.p != NULL) {
		line = wl_str_cut(&text, '\n');
		number++;
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0 && number > 1)
			continue;
		if (number == 1)
			ncols = read_header(rd, line, cols);
		if (ncols == -1 || (number > 1 && read_line(rd, line, number,
		    cols, ncols) == -1))
			return -1;
	}
	return 0;
}

/* ---- LiteLLM ----------------------------------------------------------- */

/*
 * Names of providers that differ from ours; "*" at the end: all that begin
 * so.  Kinds of one provider's models have names of their own there.
 */
static const struct {
	const char	*theirs, *ours;
} aliases[] = {
	{ "azure_text", "azure" },
	{ "bedrock_converse", "bedrock" },
	{ "cohere_chat", "cohere" },
	{ "fireworks_ai-*", "fireworks_ai" },
	{ "hosted_vllm", "vllm" },
	{ "ollama_chat", "ollama" },
	{ "text-completion-openai", "openai" },
	{ "together_ai", "together" },
	{ "vertex_ai-*", "vertex_ai" },
};

static const struct {
	const char		*name;
	enum wl_price_figure	 figure;
} prices[] = {
	{ "cache_creation_input_token_cost", WL_PF_CACHE_WRITE },
	{ "cache_creation_input_token_cost_above_1hr", WL_PF_CACHE_WRITE_1H },
	{ "cache_creation_input_token_cost_above_200k_tokens",
	    WL_PF_CACHE_WRITE_ABOVE_200K },
	{ "cache_read_input_token_cost", WL_PF_CACHE_READ },
	{ "cache_read_input_token_cost_above_200k_tokens",
	    WL_PF_CACHE_READ_ABOVE_200K },
	{ "input_cost_per_audio_token", WL_PF_AUDIO_INPUT },
	{ "input_cost_per_character", WL_PF_CHARACTER },
	{ "input_cost_per_image_token", WL_PF_IMAGE_INPUT },
	{ "input_cost_per_query", WL_PF_QUERY },
	{ "input_cost_per_second", WL_PF_SECOND },
	{ "input_cost_per_token", WL_PF_INPUT },
	{ "input_cost_per_token_above_200k_tokens", WL_PF_INPUT_ABOVE_200K },
	{ "input_cost_per_token_batches", WL_PF_BATCH_INPUT },
	{ "output_cost_per_audio_token", WL_PF_AUDIO_OUTPUT },
	{ "output_cost_per_image", WL_PF_IMAGE },
	{ "output_cost_per_image_token", WL_PF_IMAGE_OUTPUT },
	{ "output_cost_per_reasoning_token", WL_PF_REASONING },
	{ "output_cost_per_token", WL_PF_OUTPUT },
	{ "output_cost_per_token_above_200k_tokens", WL_PF_OUTPUT_ABOVE_200K },
	{ "output_cost_per_token_batches", WL_PF_BATCH_OUTPUT },
};

static const char *
our_name(const char *theirs)
{
	const char *name;
	size_t i, n;

	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		name = aliases[i].theirs;
		n = strlen(name);
		if (name[n - 1] == '*' ? strncmp(theirs, name, n - 1) == 0 :
		    strcmp(theirs, name) == 0)
			return aliases[i].ours;
	}
	return theirs;
}

/*
 * What the JSON string V, quotes included, says; NULL when it is no string
 * or cannot be a word.
 */
static const char *
string(struct wl_arena *a, struct wl_str v, size_t max)
{
	struct json_object *o;
	const char *s;
	size_t n;

	if (v.len < 2 || v.p[0] != '"' || v.len > 6 * max + 2)
		return NULL;
	if (memchr(v.p, '\\', v.len) == NULL) {
		s = wl_arena_dup(a, v.p + 1, v.len - 2);
	} else {
		o = wl_json_parse(a, v.p, v.len, NULL);
		if (!json_object_is_type(o, json_type_string))
			return NULL;
		s = json_object_get_string(o);
		n = (size_t)json_object_get_string_len(o);
		if (strlen(s) != n)
			return NULL;
	}
	return s != NULL && is_word(s, max) ? s : NULL;
}

/*
 * Without the provider's name in front: "groq/llama-3.3-70b-versatile".
 */
static const char *
bare_model(const char *model, const char *provider)
{
	const char *slash = strchr(model, '/');
	char front[PROVIDER_MAX + 1];

	if (slash == NULL || slash[1] == '\0' ||
	    (size_t)(slash - model) >= sizeof(front))
		return model;
	memcpy(front, model, (size_t)(slash - model));
	front[slash - model] = '\0';
	return strcmp(our_name(front), provider) == 0 ? slash + 1 : model;
}

/*
 * V into *TO, when it is a number ("2000000.0" too); a price is good without
 * it.
 */
static void
max_tokens(struct wl_str v, int64_t *to)
{
	int64_t n;

	if (wl_money_parse(v.p, v.len, 1, &n) == 0 && n >= 0 &&
	    n <= TOKENS_MAX)
		*to = n;
}

/*
 * One member of an entry.  Returns 0, or -1 when the entry is of no use.
 */
static int
read_member(struct reader *rd, struct wl_db_price_row *row,
    struct wl_str name, struct wl_str v)
{
	const char *s;
	size_t i;

	if (wl_str_eq(v, "null"))
		return 0;
	if (wl_str_eq(name, "litellm_provider")) {
		s = string(rd->a, v, WORD_MAX);
		row->provider = s == NULL ? "" : our_name(s);
	} else if (wl_str_eq(name, "mode")) {
		if ((s = string(rd->a, v, WORD_MAX)) != NULL)
			row->mode = s;
	} else if (wl_str_eq(name, "max_input_tokens")) {
		max_tokens(v, &row->max_input);
	} else if (wl_str_eq(name, "max_output_tokens")) {
		max_tokens(v, &row->max_output);
	} else {
		for (i = 0; i < sizeof(prices) / sizeof(prices[0]); i++)
			if (wl_str_eq(name, prices[i].name))
				return figure(v, SCALE_TOKEN,
				    &row->nano[prices[i].figure]);
	}
	return 0;
}

/*
 * Whether a call can be billed by it.
 */
static bool
is_priced(const struct wl_db_price_row *row)
{
	int f;

	for (f = WL_PF_IMAGE; f < WL_PRICE_FIGURE_MAX; f++)
		if (row->nano[f] != -1)
			return true;
	return row->nano[WL_PF_INPUT] != -1 || row->nano[WL_PF_OUTPUT] != -1;
}

/*
 * Read an entry.  Returns why it is skipped, or WL_PRICE_SKIP_MAX.
 */
static enum wl_price_skip
read_entry(struct reader *rd, struct wl_str name, struct wl_str entry,
    struct wl_db_price_row *row)
{
	/* the quotes belong to the name as it stands in the document */
	struct wl_str quoted = { name.p - 1, name.len + 2 }, v;
	size_t pos = 0;

	*row = empty_row(rd);
	row->provider = "";
	if (wl_str_eq(name, "sample_spec"))
		return WL_SKIP_EXAMPLE;
	while (wl_json_next(entry.p, entry.len, &pos, &name, &v))
		if (read_member(rd, row, name, v) == -1)
			return WL_SKIP_INVALID;
	row->model = string(rd->a, quoted, WL_MODEL_MAX);
	if (row->model == NULL || !is_provider(row->provider))
		return WL_SKIP_INVALID;
	if (rd->provider != NULL && strcmp(rd->provider, row->provider) != 0)
		return WL_SKIP_PROVIDER;
	if (!is_priced(row))
		return WL_SKIP_NO_TOKENS;
	row->model = bare_model(row->model, row->provider);
	return WL_PRICE_SKIP_MAX;
}

static int
read_litellm(struct reader *rd, struct wl_str text)
{
	struct wl_db_price_row row;
	struct wl_str name, entry;
	enum wl_price_skip why;
	size_t pos = 0, n = 0;

	if (wl_json_scan(text.p, text.len, JSON_TOKENS) != WL_JSON_OK)
		return wl_err_set(rd->e, WL_E_INVALID_REQUEST,
		    "not a JSON document, or too large a one");
	while (wl_json_next(text.p, text.len, &pos, &name, &entry))
		n++;
	if (make_room(rd, n) == -1)
		return -1;
	for (pos = 0; wl_json_next(text.p, text.len, &pos, &name, &entry);) {
		why = read_entry(rd, name, entry, &row);
		if (why == WL_PRICE_SKIP_MAX)
			rd->list->rows[rd->list->n++] = row;
		else
			rd->list->skipped[why]++;
	}
	return 0;
}

/* ---- both -------------------------------------------------------------- */

static int
by_name(const void *x, const void *y)
{
	const struct wl_db_price_row *const *p = x, *const *q = y;
	int d = strcmp((*p)->provider, (*q)->provider);

	if (d == 0)
		d = strcmp((*p)->model, (*q)->model);
	if (d == 0)
		d = (*p)->from_ms < (*q)->from_ms ? -1 :
		    (*p)->from_ms > (*q)->from_ms;
	/* of equal ones the first in the file comes first */
	return d != 0 ? d : *p < *q ? -1 : *p > *q;
}

static bool
same_price(const struct wl_db_price_row *x, const struct wl_db_price_row *y)
{
	return strcmp(x->provider, y->provider) == 0 &&
	    strcmp(x->model, y->model) == 0 && x->from_ms == y->from_ms;
}

/*
 * Leave out what is there twice.
 */
static int
drop_twins(struct reader *rd)
{
	struct wl_price_import *l = rd->list;
	struct wl_db_price_row **sorted;
	int i, n = 0;

	sorted = wl_arena_alloc(rd->a, (size_t)(l->n + 1) * sizeof(*sorted));
	if (sorted == NULL)
		return wl_err_memory(rd->e);
	for (i = 0; i < l->n; i++)
		sorted[i] = &l->rows[i];
	qsort(sorted, (size_t)l->n, sizeof(*sorted), by_name);
	for (i = 1; i < l->n; i++)
		if (same_price(sorted[i - 1], sorted[i])) {
			/* the next one is compared with the one that stays */
			sorted[i]->mode = NULL;
			l->skipped[WL_SKIP_TWICE]++;
		}
	for (i = 0; i < l->n; i++)
		if (l->rows[i].mode != NULL)
			l->rows[n++] = l->rows[i];
	l->n = n;
	return 0;
}

int
wl_price_import_read(struct wl_arena *a, const char *p, size_t len,
    const char *provider, int64_t now_ms, struct wl_price_import *list,
    struct wl_err *e)
{
	struct reader rd = { .a = a, .provider = provider, .list = list,
	    .e = e };
	struct wl_str text = { p, len };
	char now[25];
	bool json;
	int rc;

	memset(list, 0, sizeof(*list));
	if (provider != NULL && !is_provider(provider))
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "that is not the name of a provider");
	if (wl_str_prefix(text, "\xef\xbb\xbf"))
		text = (struct wl_str){ p + 3, len - 3 };
	while (text.len > 0 && strchr(" \t\r\n", text.p[0]) != NULL &&
	    text.p[0] != '\0') {
		text.p++;
		text.len--;
	}
	if (text.len == 0)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "it is empty");
	json = text.p[0] == '{';
	wl_clock_rfc3339(now_ms, now);
	rd.source = wl_arena_printf(a, "%s-%.10s", json ? "litellm" : "csv",
	    now);
	if (rd.source == NULL)
		return wl_err_memory(e);
	rc = json ? read_litellm(&rd, text) : read_csv(&rd, text);
	return rc == -1 ? -1 : drop_twins(&rd);
}
