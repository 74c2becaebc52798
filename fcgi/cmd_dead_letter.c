/*
 * watchllm dead-letter.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/utf8.h"
#include "lib/core/dead.h"
#include "lib/store/pg.h"

const char wl_cmd_dead_letter_help[] =
    "Usage: watchllm dead-letter list [--all] [--limit N]\n"
    "       watchllm dead-letter show ID\n"
    "       watchllm dead-letter retry ID\n"
    "       watchllm dead-letter drop ID\n"
    "Records of the journal that the database refused.  A retry appends the "
    "record to\n"
    "a journal of this host again; run it as the workers' user, when the "
    "cause of the\n"
    "refusal is mended.\n"
    "\n"
    "      --all      also those that were sent again\n"
    "      --limit N  the newest N (50)\n"
    "      --json     print JSON\n";

#define COLUMNS		11
#define RECORD		11

static const struct wl_out_col cols[COLUMNS] = {
	{ "id", WL_OUT_INT }, { "at", WL_OUT_STR }, { "host", WL_OUT_STR },
	{ "segment", WL_OUT_STR }, { "offset", WL_OUT_INT },
	{ "kind", WL_OUT_STR }, { "project", WL_OUT_STR },
	{ "sqlstate", WL_OUT_STR }, { "reason", WL_OUT_STR },
	{ "bytes", WL_OUT_INT }, { "replayed_at", WL_OUT_STR }
};

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	bool all = false;
	int64_t most = 50;
	char text[24];
	const char *args[] = { "f", text };
	const struct wl_cli_opt opts[] = {
		{ "all", WL_ARG_FLAG, &all, 0, 0, NULL },
		{ "limit", WL_ARG_INT, &most, 1, 10000, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if (wl_cli_args(cli, argc, argv, opts, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	snprintf(text, sizeof(text), "%lld", (long long)most);
	if (all)
		args[0] = "t";
	if (wl_cli_owner(cli, &e) == -1 || (r = wl_db_admin_list(cli->arena,
	    WL_DB_DEAD_LETTERS, args, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, COLUMNS, r);
	return WL_EXIT_OK;
}

/*
 * The operand of a letter, or NULL after saying what is wrong.
 */
static const char *
letter(struct wl_cli *cli, int argc, char **argv)
{
	int64_t n;

	if (wl_cli_args(cli, argc, argv, NULL, 1, 1) == -1 ||
	    wl_cli_number(cli, "ID", argv[1], 1, INT64_MAX, &n) == -1)
		return NULL;
	return argv[1];
}

/*
 * A record is text unless it is broken; then it stays hexadecimal.
 */
static const char *
as_text(struct wl_arena *a, const struct wl_rows *r)
{
	const char *hex = wl_rows_get(r, 0, RECORD);
	size_t n = wl_rows_len(r, 0, RECORD);
	char *p = wl_arena_alloc(a, n / 2 + 1);

	if (p == NULL || wl_unhex(hex, n, p) == -1 || strlen(p) != n / 2 ||
	    !wl_utf8_valid(p, n / 2))
		return hex;
	return p;
}

static int
show(struct wl_cli *cli, int argc, char **argv)
{
	const char *id = letter(cli, argc, argv);
	struct wl_err e = { 0 };
	struct wl_rows *r;
	int k;

	if (id == NULL)
		return WL_EXIT_MISUSE;
	if (wl_cli_owner(cli, &e) == -1 || (r = wl_db_admin_list(cli->arena,
	    WL_DB_DEAD_LETTER, &id, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	if (wl_rows_count(r) == 0)
		return wl_cli_failf(cli, "there is no dead letter %s", id);
	wl_out_obj(&cli->out, NULL);
	for (k = 0; k < COLUMNS; k++)
		wl_out_val(&cli->out, cols[k].name, cols[k].type,
		    wl_rows_get(r, 0, k));
	wl_out_str(&cli->out, "record", as_text(cli->arena, r));
	wl_out_obj_end(&cli->out);
	return WL_EXIT_OK;
}

static int
retry(struct wl_cli *cli, int argc, char **argv)
{
	const char *id = letter(cli, argc, argv);
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (id == NULL)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_dead_retry(&ad, id, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_done(cli, id, "Dead letter %s is in the journal again; if it is "
	    "refused, there will be another.", id);
	return WL_EXIT_OK;
}

static int
drop(struct wl_cli *cli, int argc, char **argv)
{
	const char *id = letter(cli, argc, argv);
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (id == NULL)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_dead_drop(&ad, id, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_done(cli, id, "Dead letter %s is gone.", id);
	return WL_EXIT_OK;
}

int
wl_cmd_dead_letter(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "drop", drop }, { "list", list }, { "retry", retry },
		{ "show", show }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
