/*
 * watchllm audit.
 */
#include "config.h"

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/core/audit.h"
#include "lib/store/db_admin.h"
#include "lib/store/pg.h"

const char wl_cmd_audit_help[] =
    "Usage: watchllm audit list [--project ID] [--limit N]\n"
    "       watchllm audit verify [--head HEAD]\n"
    "Show who changed what, the newest last; check that no entry was changed "
    "or\n"
    "removed since it was written.  What verify tells last, the head, is best "
    "kept\n"
    "elsewhere: given to the next check, it shows whether the end of the log "
    "was cut\n"
    "off, or all of it replaced.\n"
    "\n"
    "      --head HEAD   of an earlier check\n"
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

static void
print_check(struct wl_out *o, const struct wl_audit *r)
{
	bool ok = r->first_bad == 0 && !r->head_gone;

	if (o->json) {
		wl_out_obj(o, NULL);
		wl_out_bool(o, "ok", ok);
		wl_out_int(o, "entries", r->entries);
		if (r->first_bad == 0)
			wl_out_val(o, "first_bad", WL_OUT_INT, NULL);
		else
			wl_out_int(o, "first_bad", r->first_bad);
		wl_out_bool(o, "head_gone", r->head_gone);
		wl_out_str(o, "head", r->head);
		wl_out_obj_end(o);
	} else if (ok) {
		wl_out_say(o, "All %lld entries are as they were written.",
		    (long long)r->entries);
		if (r->head[0] != '\0')
			wl_out_say(o, "The head is %s", r->head);
	}
}

static int
verify(struct wl_cli *cli, int argc, char **argv)
{
	const char *head = NULL;
	const struct wl_cli_opt opts[] = {
		{ "head", WL_ARG_TEXT, &head, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_audit r;

	if (wl_cli_args(cli, argc, argv, opts, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_owner(cli, &e) == -1 ||
	    wl_audit_verify(cli->arena, head, &r, &e) == -1)
		return wl_cli_fail(cli, &e);
	print_check(&cli->out, &r);
	if (wl_cli_flush(cli) == WL_EXIT_FAILED)
		return WL_EXIT_FAILED;
	if (r.first_bad != 0)
		return wl_cli_failf(cli, "entry %lld of the audit log, or the "
		    "one before it, was changed or removed",
		    (long long)r.first_bad);
	if (r.head_gone)
		return wl_cli_failf(cli, "the audit log does not have the "
		    "entry %s any more: it was cut off, or replaced", head);
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
