/*
 * watchllm usage.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/clock.h"
#include "lib/core/admin.h"
#include "lib/core/auth.h"
#include "lib/core/usage.h"
#include "lib/store/db.h"

const char wl_cmd_usage_help[] =
    "Usage: watchllm usage show PROJECT [--key KEY]\n"
    "       watchllm usage reset PROJECT\n"
    "       watchllm usage set PROJECT [--minute N] [--month N]\n"
    "       watchllm usage add PROJECT N\n"
    "Show and correct what a project has used of its limits in this minute "
    "and this\n"
    "UTC month.  Corrections last: they stay when counters are rebuilt from "
    "the\n"
    "ledger.\n"
    "\n"
    "      --key KEY   with the limits of this key (its id or prefix)\n"
    "      --minute N  calls of this minute\n"
    "      --month N   calls of this month\n"
    "      --json      print JSON\n";

#define NUMBER_MAX	1000000000000

/* ---- show -------------------------------------------------------------- */

static void
print_row(struct wl_out *o, const struct wl_limit_row *row)
{
	static const char *const names[] = {
		[WL_LN_MINUTE] = "per minute",
		[WL_LN_MONTH] = "per month",
		[WL_LN_KEY_MINUTE] = "key, per minute",
		[WL_LN_KEY_MONTH] = "key, per month",
		[WL_LN_LEASE] = "at once"
	};
	char limit[24], used[24], left[24], resets[25];
	const char *cells[] = { names[row->name], limit, used, left, resets };

	_Static_assert(sizeof(names) / sizeof(names[0]) == WL_LIMIT_NAME_MAX,
	    "a name for every limit");
	snprintf(limit, sizeof(limit), "%lld", (long long)row->limit);
	snprintf(used, sizeof(used), "%lld", (long long)row->used);
	snprintf(left, sizeof(left), "%lld", (long long)wl_limit_left(row));
	wl_clock_rfc3339(row->reset_ms, resets);
	if (row->kind == WL_L_LEASE)
		cells[4] = NULL;
	wl_out_row(o, cells);
}

static void
print_rows(struct wl_out *o, const char *key, const struct wl_limit_row *rows,
    int n)
{
	static const struct wl_out_col cols[] = {
		{ "limit", WL_OUT_STR }, { "allowed", WL_OUT_INT },
		{ "used", WL_OUT_INT }, { "remaining", WL_OUT_INT },
		{ "resets_at", WL_OUT_STR }
	};
	int i;

	wl_out_table(o, key, cols, 5);
	for (i = 0; i < n; i++)
		print_row(o, &rows[i]);
	wl_out_table_end(o);
}

static void
print_counters(struct wl_cli *cli, const char *key,
    const struct wl_auth *auth, const struct wl_admission *ad)
{
	struct wl_out *o = &cli->out;

	if (!o->json) {
		print_rows(o, key, ad->gate.rows, ad->gate.nrows);
		return;
	}
	wl_out_obj(o, key);
	wl_out_str(o, "project", auth->project);
	wl_out_str(o, "source", "counters");
	wl_usage_json(&o->w, auth, ad);
	wl_out_obj_end(o);
}

/*
 * Without the counters there is the month, as far as calls are drained.
 */
static int
print_ledger(struct wl_cli *cli, const char *key, const struct wl_auth *auth,
    struct wl_err *e)
{
	int64_t now = wl_clock_ms();
	struct wl_admission ad = { .gate.nrows = 1, .known = true,
	    .at_ms = now };
	struct wl_limit_row *row = &ad.gate.rows[0];
	struct wl_out *o = &cli->out;

	row->name = WL_LN_MONTH;
	row->kind = WL_L_FIXED;
	row->limit = auth->month;
	row->reset_ms = wl_clock_month_next(now) * 1000;
	wl_clock_month_name(now, ad.month);
	if (wl_db_month_used(cli->arena, WL_ROLE_OWNER, auth->project, NULL,
	    now, &row->used, e) == -1)
		return -1;
	if (!o->json) {
		print_rows(o, key, row, 1);
		return 0;
	}
	wl_out_obj(o, key);
	wl_out_str(o, "project", auth->project);
	wl_out_str(o, "source", "ledger");
	wl_usage_json(&o->w, auth, &ad);
	wl_out_obj_end(o);
	return 0;
}

int
wl_cmd_usage_print(struct wl_cli *cli, const char *key,
    const struct wl_auth *auth, struct wl_err *e)
{
	struct wl_admission ad;

	if (wl_usage_stats(cli->arena, cli->conf, auth, &ad, e) == 0) {
		print_counters(cli, key, auth, &ad);
		return 0;
	}
	wl_cli_warn(cli, "the counters cannot be read (%s): this is the "
	    "ledger's month", e->detail[0] != '\0' ? e->detail : e->msg);
	return print_ledger(cli, key, auth, e);
}

static int
show(struct wl_cli *cli, int argc, char **argv)
{
	const char *which = NULL;
	const struct wl_cli_opt opts[] = {
		{ "key", WL_ARG_TEXT, &which, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_admin_key k;
	struct wl_err e = { 0 };
	struct wl_auth auth;
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 || (which != NULL &&
	    wl_admin_key_find(&ad, argv[1], which, &k, &e) == -1) ||
	    wl_admin_auth(&ad, argv[1], which != NULL ? &k : NULL, &auth,
	    &e) == -1 || wl_cmd_usage_print(cli, NULL, &auth, &e) == -1)
		return wl_cli_fail(cli, &e);
	return WL_EXIT_OK;
}

/* ---- corrections ------------------------------------------------------- */

static int
change(struct wl_cli *cli, const char *project, int64_t minute, int64_t month)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_admin(cli, &ad, &e) == -1)
		return wl_cli_fail(cli, &e);
	if (wl_admin_usage_set(&ad, project, minute, month, &e) == -1) {
		if (e.code == WL_E_UNAVAILABLE && wl_pg_up())
			wl_cli_warn(cli, "the counters were not reached: "
			    "do it again when they answer");
		return wl_cli_fail(cli, &e);
	}
	wl_cli_done(cli, project, "Usage of project %s is set.", project);
	return WL_EXIT_OK;
}

static int
reset(struct wl_cli *cli, int argc, char **argv)
{
	if (wl_cli_args(cli, argc, argv, NULL, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	return change(cli, argv[1], 0, 0);
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	int64_t minute = -1, month = -1;
	const struct wl_cli_opt opts[] = {
		{ "minute", WL_ARG_INT, &minute, 0, WL_COUNTER_MINUTE_MAX, NULL },
		{ "month", WL_ARG_INT, &month, 0, NUMBER_MAX, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (minute == -1 && month == -1)
		return wl_cli_misuse(cli, "--minute or --month is wanted");
	return change(cli, argv[1], minute, month);
}

static int
add(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;
	int64_t n;

	if (wl_cli_args(cli, argc, argv, NULL, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_number(cli, "N", argv[2], 1, NUMBER_MAX, &n) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_usage_add(&ad, argv[1], n, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_done(cli, argv[1], "%s is added to the usage of project %s.",
	    argv[2], argv[1]);
	return WL_EXIT_OK;
}

int
wl_cmd_usage(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "add", add }, { "reset", reset }, { "set", set },
		{ "show", show }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
