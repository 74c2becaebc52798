/*
 * watchllm prices: import a price list, show what holds.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/money.h"
#include "lib/core/admin.h"
#include "lib/core/price_import.h"

#define FILE_MAX	((size_t)32 * 1024 * 1024)
#define NUMBER_MAX	32

const char wl_cmd_prices_help[] =
    "Usage: watchllm prices import FILE [--provider P] "
    "[--effective-from TIME]\n"
    "                              [--dry-run] [--json]\n"
    "       watchllm prices show MODEL [--provider P] [--at TIME] [--json]\n"
    "       watchllm prices list [--provider P] [--at TIME] [--json]\n"
    "\n"
    "import reads a CSV file as sql/seed/model_prices.csv, or LiteLLM's\n"
    "model_prices_and_context_window.json; \"-\" is standard input.  A price\n"
    "that has not changed adds nothing; one that has is added, and those "
    "there\n"
    "are stay, for events of their time.  All of it is one transaction.\n"
    "\n"
    "      --provider P           only prices of this provider\n"
    "      --effective-from TIME  from when the prices hold (2026-01-31T00:"
    "00:00Z);\n"
    "                             else from now on, and from the beginning "
    "of\n"
    "                             time when there are no prices yet\n"
    "      --dry-run              say what would change\n"
    "      --at TIME              the prices that held then; else now\n";

/* ---- arguments --------------------------------------------------------- */

/*
 * TEXT, unless it is NULL, as a time into *MS.  Returns 0, or -1 after saying
 * what is wrong.
 */
static int
read_time(struct wl_cli *cli, const char *option, const char *text,
    int64_t *ms)
{
	if (text == NULL || wl_clock_parse(text, strlen(text), ms) == 0)
		return 0;
	wl_cli_misuse(cli, "--%s: \"%s\" is not a time such as "
	    "2026-01-31T00:00:00Z", option, text);
	return -1;
}

static int
read_file(struct wl_cli *cli, const char *path, struct wl_buf *b)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char chunk[16384];
	size_t n;
	int bad;

	if (in == NULL) {
		wl_cli_failf(cli, "%s: %s", path, strerror(errno));
		return -1;
	}
	wl_buf_init(b, FILE_MAX);
	while (!b->failed && (n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		wl_buf_add(b, chunk, n);
	bad = ferror(in);
	if (in != stdin)
		fclose(in);
	if (bad != 0)
		wl_cli_failf(cli, "%s: cannot be read", path);
	else if (b->failed)
		wl_cli_failf(cli, "%s: larger than %zu bytes", path, FILE_MAX);
	return bad != 0 || b->failed ? -1 : 0;
}

/* ---- printing ---------------------------------------------------------- */

/*
 * A price as text, a value a column.
 */
enum {
	COL_PROVIDER, COL_MODEL, COL_MODE, COL_FROM, COL_UNTIL, COL_FIGURE,
	COL_MAX_INPUT = COL_FIGURE + WL_PRICE_FIGURE_MAX, COL_MAX_OUTPUT,
	COL_SOURCE, COL_MAX
};
struct shown {
	const char	*value[COL_MAX];
	char		 from[25], until[25];
	char		 number[COL_MAX][NUMBER_MAX];
};

static const struct wl_out_col cols[COL_MAX] = {
	{ "provider", WL_OUT_STR },
	{ "model", WL_OUT_STR },
	{ "mode", WL_OUT_STR },
	{ "effective_from", WL_OUT_STR },
	{ "effective_to", WL_OUT_STR },
	[COL_FIGURE + WL_PF_INPUT] = { "input_usd_per_mtok", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_OUTPUT] = { "output_usd_per_mtok", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_CACHE_READ] = { "cache_read_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_CACHE_WRITE] = { "cache_write_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_BATCH_INPUT] = { "batch_input_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_BATCH_OUTPUT] = { "batch_output_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_INPUT_ABOVE_200K] = {
	    "input_above_200k_usd_per_mtok", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_OUTPUT_ABOVE_200K] = {
	    "output_above_200k_usd_per_mtok", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_REASONING] = { "reasoning_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_CACHE_READ_ABOVE_200K] = {
	    "cache_read_above_200k_usd_per_mtok", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_CACHE_WRITE_ABOVE_200K] = {
	    "cache_write_above_200k_usd_per_mtok", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_CACHE_WRITE_1H] = { "cache_write_1h_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_IMAGE_INPUT] = { "image_input_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_IMAGE_OUTPUT] = { "image_output_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_AUDIO_INPUT] = { "audio_input_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_AUDIO_OUTPUT] = { "audio_output_usd_per_mtok",
	    WL_OUT_NUM },
	[COL_FIGURE + WL_PF_IMAGE] = { "image_usd", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_SECOND] = { "second_usd", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_QUERY] = { "query_usd", WL_OUT_NUM },
	[COL_FIGURE + WL_PF_CHARACTER] = { "character_usd", WL_OUT_NUM },
	{ "max_input_tokens", WL_OUT_INT },
	{ "max_output_tokens", WL_OUT_INT },
	{ "source", WL_OUT_STR },
};

/*
 * Dollars without zeros at the end: "0.15", "3".  BY_UNIT: NANO is for a
 * million, and one is shown.
 */
static const char *
dollars(int64_t nano, bool by_unit, char out[NUMBER_MAX])
{
	size_t n;

	if (nano < 0)
		return NULL;
	if (by_unit)
		wl_money_usd_each(nano, out);
	else
		wl_money_usd(nano, out);
	for (n = strlen(out); out[n - 1] == '0'; n--)
		;
	out[out[n - 1] == '.' ? n - 1 : n] = '\0';
	return out;
}

static const char *
tokens(int64_t v, char out[NUMBER_MAX])
{
	snprintf(out, NUMBER_MAX, "%lld", (long long)v);
	return v < 0 ? NULL : out;
}

static void
show(struct shown *s, const struct wl_db_price_row *row)
{
	int f, col;

	s->value[COL_PROVIDER] = row->provider;
	s->value[COL_MODEL] = row->model;
	s->value[COL_MODE] = row->mode;
	s->value[COL_SOURCE] = row->source;
	wl_clock_rfc3339(row->from_ms, s->from);
	s->value[COL_FROM] = s->from;
	s->value[COL_UNTIL] = NULL;
	if (row->until_ms != WL_PRICE_OPEN) {
		wl_clock_rfc3339(row->until_ms, s->until);
		s->value[COL_UNTIL] = s->until;
	}
	for (f = 0; f < WL_PRICE_FIGURE_MAX; f++) {
		col = COL_FIGURE + f;
		s->value[col] = dollars(row->nano[f], wl_db_price_by_unit(
		    (enum wl_price_figure)f), s->number[col]);
	}
	s->value[COL_MAX_INPUT] = tokens(row->max_input,
	    s->number[COL_MAX_INPUT]);
	s->value[COL_MAX_OUTPUT] = tokens(row->max_output,
	    s->number[COL_MAX_OUTPUT]);
}

/*
 * All that is known of each: an array of objects, or records.
 */
static void
print_whole(struct wl_out *out, const struct wl_db_price_row *rows, int n)
{
	struct shown s;
	int i, col;

	if (out->json)
		wl_out_table(out, NULL, cols, 0);
	for (i = 0; i < n; i++) {
		show(&s, &rows[i]);
		wl_out_obj(out, NULL);
		for (col = 0; col < COL_MAX; col++)
			wl_out_val(out, cols[col].name, cols[col].type,
			    s.value[col]);
		wl_out_obj_end(out);
	}
	if (out->json)
		wl_out_table_end(out);
}

/*
 * A line each, with the figures that most have.
 */
static void
print_table(struct wl_out *out, const char *key,
    const struct wl_db_price_row *rows, int n)
{
	static const struct wl_out_col heads[] = {
		{ "provider", WL_OUT_STR }, { "model", WL_OUT_STR },
		{ "mode", WL_OUT_STR }, { "input", WL_OUT_NUM },
		{ "output", WL_OUT_NUM }, { "cache_read", WL_OUT_NUM },
		{ "cache_write", WL_OUT_NUM }, { "effective_from", WL_OUT_STR }
	};
	struct shown s;
	int i;

	wl_out_table(out, key, heads, 8);
	for (i = 0; i < n; i++) {
		show(&s, &rows[i]);
		s.from[10] = '\0';	/* the day */
		wl_out_row(out, (const char *[]){ s.value[COL_PROVIDER],
		    s.value[COL_MODEL], s.value[COL_MODE],
		    s.value[COL_FIGURE + WL_PF_INPUT],
		    s.value[COL_FIGURE + WL_PF_OUTPUT],
		    s.value[COL_FIGURE + WL_PF_CACHE_READ],
		    s.value[COL_FIGURE + WL_PF_CACHE_WRITE], s.from });
	}
	wl_out_table_end(out);
}

/* ---- import ------------------------------------------------------------ */

static void
report(struct wl_cli *cli, struct wl_price_import *list,
    const enum wl_price_change *change, bool dry)
{
	int i, changed = 0, total = 0, n[WL_PRICE_CHANGE_MAX] = { 0 };
	struct wl_out *out = &cli->out;

	for (i = 0; i < list->n; i++) {
		n[change[i]]++;
		/* the changed ones, in front */
		if (change[i] == WL_PRICE_CHANGED)
			list->rows[changed++] = list->rows[i];
	}
	for (i = 0; i < WL_PRICE_SKIP_MAX; i++)
		total += list->skipped[i];
	wl_out_obj(out, NULL);
	wl_out_int(out, "added", n[WL_PRICE_ADDED]);
	wl_out_int(out, "changed", n[WL_PRICE_CHANGED]);
	wl_out_int(out, "unchanged", n[WL_PRICE_UNCHANGED]);
	wl_out_int(out, "skipped", total);
	if (total > 0 || out->json) {
		wl_out_obj(out, "skipped_because");
		for (i = 0; i < WL_PRICE_SKIP_MAX; i++)
			if (list->skipped[i] > 0 || out->json)
				wl_out_int(out, wl_price_import_skip(
				    (enum wl_price_skip)i), list->skipped[i]);
		wl_out_obj_end(out);
	}
	if (changed > 0 || out->json)
		print_table(out, "changes", list->rows, changed);
	wl_out_obj_end(out);
	if (dry)
		wl_out_say(out, "Nothing was written.");
}

static int
import(struct wl_cli *cli, int argc, char **argv)
{
	const char *provider = NULL, *from = NULL;
	bool dry = false;
	const struct wl_cli_opt opts[] = {
		{ "dry-run", WL_ARG_FLAG, &dry, 0, 0, NULL },
		{ "effective-from", WL_ARG_TEXT, &from, 0, 0, NULL },
		{ "provider", WL_ARG_TEXT, &provider, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	int64_t from_ms = WL_PRICE_UNSET, now = wl_clock_ms();
	struct wl_price_import list;
	enum wl_price_change *change;
	struct wl_err e = { 0 };
	struct wl_buf text = { 0 };
	struct wl_admin ad;
	int rc;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1 ||
	    read_time(cli, "effective-from", from, &from_ms) == -1)
		return WL_EXIT_MISUSE;
	if ((rc = read_file(cli, argv[1], &text)) == -1) {
		wl_buf_free(&text);
		return WL_EXIT_FAILED;
	}
	rc = wl_price_import_read(cli->arena, text.p == NULL ? "" : text.p,
	    text.len, provider, now, &list, &e);
	wl_buf_free(&text);
	if (rc == -1)
		return wl_cli_failf(cli, "%s: %s", argv[1], e.msg);
	change = wl_arena_alloc(cli->arena, (size_t)(list.n + 1) *
	    sizeof(*change));
	if (change == NULL)
		return wl_cli_failf(cli, "out of memory");
	if (wl_cli_admin(cli, &ad, &e) == -1 || wl_db_price_import(ad.a,
	    ad.actor, list.rows, list.n, from_ms, now, dry, change, &e) == -1)
		return wl_cli_fail(cli, &e);
	report(cli, &list, change, dry);
	return WL_EXIT_OK;
}

/* ---- show, list -------------------------------------------------------- */

/*
 * Ask for the prices of MODEL, or of all.  Returns 0, or a status.
 */
static int
ask(struct wl_cli *cli, int argc, char **argv, int operands,
    struct wl_db_price_row **rows, int *n)
{
	const char *provider = NULL, *at = NULL;
	const struct wl_cli_opt opts[] = {
		{ "at", WL_ARG_TEXT, &at, 0, 0, NULL },
		{ "provider", WL_ARG_TEXT, &provider, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	int64_t at_ms = wl_clock_ms();
	struct wl_err e = { 0 };

	if (wl_cli_args(cli, argc, argv, opts, operands, operands) == -1 ||
	    read_time(cli, "at", at, &at_ms) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_stores(cli, &e) == -1 || wl_db_price_list(cli->arena,
	    provider, operands == 1 ? argv[1] : NULL, at_ms, rows, n, &e) ==
	    -1)
		return wl_cli_fail(cli, &e);
	return WL_EXIT_OK;
}

static int
show_model(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_db_price_row *rows;
	int n, status = ask(cli, argc, argv, 1, &rows, &n);

	if (status != WL_EXIT_OK)
		return status;
	if (n == 0)
		return wl_cli_failf(cli, "no price of \"%s\" is known for "
		    "then; \"watchllm prices list\" names what is priced",
		    argv[1]);
	print_whole(&cli->out, rows, n);
	return WL_EXIT_OK;
}

static int
list_all(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_db_price_row *rows;
	int n, status = ask(cli, argc, argv, 0, &rows, &n);

	if (status != WL_EXIT_OK)
		return status;
	if (cli->out.json)
		print_whole(&cli->out, rows, n);
	else
		print_table(&cli->out, NULL, rows, n);
	wl_out_say(&cli->out, "%d prices, in dollars per million tokens.", n);
	return WL_EXIT_OK;
}

int
wl_cmd_prices(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "import", import },
		{ "list", list_all },
		{ "show", show_model },
		{ NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
