/*
 * watchllm audit.
 */
#include "config.h"

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/store/db_admin.h"
#include "lib/store/pg.h"

const char wl_cmd_audit_help[] =
    "Usage: watchllm audit list [--project ID] [--limit N]\n"
    "       watchllm audit verify\n"
    "Show who changed what, the newest last; check that no entry was changed "
    "or\n"
    "removed since it was written.\n"
    "\n"
    "      --project ID  of this project only\n"
    "      --limit N     the last N (50)\n"
    "      --json        print JSON, with the rows before and after\n";

/* columns of WL_DB_AUDIT */
enum {
	ID, AT, ACTOR, ADDRESS, PROJECT, ACTION, TARGET, BEFORE, AFTER, CHANGE
};

static void
print_for_people(struct wl_out *o, const struct wl_rows *r)
{
	static const struct wl_out_col cols[] = {
		{ "id", WL_OUT_INT }, { "at", WL_OUT_STR },
		{ "actor", WL_OUT_STR }, { "project", WL_OUT_STR },
		{ "action", WL_OUT_STR }, { "target", WL_OUT_STR },
		{ "change", WL_OUT_STR }
	};
	static const int from[] = { ID, AT, ACTOR, PROJECT, ACTION, TARGET,
	    CHANGE };
	const char *cells[7];
	int i, k;

	wl_out_table(o, NULL, cols, 7);
	for (i = 0; i < wl_rows_count(r); i++) {
		for (k = 0; k < 7; k++)
			cells[k] = wl_rows_get(r, i, from[k]);
		wl_out_row(o, cells);
	}
	wl_out_table_end(o);
}

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "id", WL_OUT_INT }, { "at", WL_OUT_STR },
		{ "actor", WL_OUT_STR }, { "address", WL_OUT_STR },
		{ "project", WL_OUT_STR }, { "action", WL_OUT_STR },
		{ "target", WL_OUT_STR }, { "before", WL_OUT_JSON },
		{ "after", WL_OUT_JSON }
	};
	int64_t most = 50;
	char text[24];
	const char *args[] = { NULL, text };
	const struct wl_cli_opt opts[] = {
		{ "limit", WL_ARG_INT, &most, 1, 10000, NULL },
		{ "project", WL_ARG_TEXT, &args[0], 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if (wl_cli_args(cli, argc, argv, opts, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	snprintf(text, sizeof(text), "%lld", (long long)most);
	if (wl_cli_owner(cli, &e) == -1 || (r = wl_db_admin_list(cli->arena,
	    WL_DB_AUDIT, args, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	if (cli->out.json)
		wl_cli_table(cli, NULL, cols, 9, r);
	else
		print_for_people(&cli->out, r);
	return WL_EXIT_OK;
}

static int
verify(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_rows *r;
	const char *bad;

	if (wl_cli_args(cli, argc, argv, NULL, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_owner(cli, &e) == -1 || (r = wl_db_admin_list(cli->arena,
	    WL_DB_AUDIT_CHECK, NULL, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	bad = wl_rows_get(r, 0, 0);
	if (cli->out.json) {
		wl_out_obj(&cli->out, NULL);
		wl_out_bool(&cli->out, "ok", bad == NULL);
		wl_out_val(&cli->out, "entries", WL_OUT_INT,
		    wl_rows_get(r, 0, 1));
		wl_out_val(&cli->out, "first_bad", WL_OUT_INT, bad);
		wl_out_obj_end(&cli->out);
	} else if (bad == NULL) {
		wl_out_say(&cli->out, "All %s entries are as they were "
		    "written.", wl_rows_get(r, 0, 1));
	}
	if (wl_cli_flush(cli) == WL_EXIT_FAILED)
		return WL_EXIT_FAILED;
	if (bad != NULL)
		return wl_cli_failf(cli, "entry %s of the audit log, or the "
		    "one before it, was changed or removed", bad);
	return WL_EXIT_OK;
}

int
wl_cmd_audit(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "list", list }, { "verify", verify }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
