/*
 * watchllm usage.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/clock.h"
#include "lib/base/money.h"
#include "lib/core/admin.h"
#include "lib/core/auth.h"
#include "lib/core/usage.h"
#include "lib/store/db.h"

const char wl_cmd_usage_help[] =
    "Usage: watchllm usage show PROJECT [--key KEY]\n"
    "       watchllm usage reset PROJECT\n"
    "       watchllm usage set PROJECT [--minute N] [--month N]\n"
    "                          [--spent-day USD] [--spent-month USD]\n"
    "       watchllm usage add PROJECT N\n"
    "Show and correct what a project has used of its limits in this minute "
    "and this\n"
    "UTC month, and spent of its budgets.  Corrections last: they stay when "
    "counters\n"
    "are rebuilt from the ledger.\n"
    "\n"
    "      --key KEY   with the limits of this key (its id or prefix)\n"
    "      --minute N  calls of this minute\n"
    "      --month N   calls of this month\n"
    "      --spent-day USD, --spent-month USD\n"
    "                  what budgets take for spent in this UTC day and month\n"
    "      --json      print JSON\n";

#define NUMBER_MAX	1000000000000

/* ---- show -------------------------------------------------------------- */

/*
 * What ROW counts, and whose it is.
 */
static void
name_of(const struct wl_limit_row *row, char out[96])
{
	static const char *const units[] = {
		[WL_LU_MINUTE] = "per minute",
		[WL_LU_MONTH] = "per month",
		[WL_LU_LEASE] = "at once",
		[WL_LU_TOKENS] = "tokens per minute",
		[WL_LU_DAY_NANO] = "USD per day",
		[WL_LU_MONTH_NANO] = "USD per month"
	};

	_Static_assert(sizeof(units) / sizeof(units[0]) == WL_LIMIT_UNIT_MAX,
	    "a name for every unit");
	if (row->name == WL_LN_RULE)
		snprintf(out, 96, "rule %s, %s%s", row->scope + 2,
		    units[row->rule_unit], row->shadow ? " (shadow)" : "");
	else
		snprintf(out, 96, "%s%s", wl_limit_row_of_key(row) ? "key, " :
		    "", units[wl_limit_row_unit(row)]);
}

static void
amount(const struct wl_limit_row *row, int64_t n, char out[32])
{
	if (wl_limit_row_is_money(row))
		wl_money_usd(n, out);
	else
		snprintf(out, 32, "%lld", (long long)n);
}

static void
print_row(struct wl_out *o, const struct wl_limit_row *row)
{
	char name[96], limit[32], used[32], left[32], resets[25];
	const char *cells[] = { name, limit, used, left, resets };

	name_of(row, name);
	amount(row, row->limit, limit);
	amount(row, row->used, used);
	amount(row, wl_limit_left(row), left);
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
		{ "limit", WL_OUT_STR }, { "allowed", WL_OUT_NUM },
		{ "used", WL_OUT_NUM }, { "remaining", WL_OUT_NUM },
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

/*
 * What is not to be changed is -1.
 */
struct change {
	int64_t	minute, month, day_nano, month_nano;
};

/*
 * Money first: the counters then begin anew.
 */
static int
change(struct wl_cli *cli, const char *project, const struct change *u)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_admin(cli, &ad, &e) == -1)
		return wl_cli_fail(cli, &e);
	if (((u->day_nano >= 0 || u->month_nano >= 0) &&
	    wl_admin_usage_set_spent(&ad, project, u->day_nano, u->month_nano,
	    &e) == -1) || wl_admin_usage_set(&ad, project, u->minute,
	    u->month, &e) == -1) {
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
	return change(cli, argv[1], &(struct change){ 0, 0, 0, 0 });
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	struct change u = { -1, -1, -1, -1 };
	const struct wl_cli_opt opts[] = {
		{ "minute", WL_ARG_INT, &u.minute, 0, WL_COUNTER_MINUTE_MAX,
		    NULL },
		{ "month", WL_ARG_INT, &u.month, 0, NUMBER_MAX, NULL },
		{ "spent-day", WL_ARG_USD, &u.day_nano, 0, WL_COUNTER_NANO_MAX,
		    NULL },
		{ "spent-month", WL_ARG_USD, &u.month_nano, 0,
		    WL_COUNTER_NANO_MAX, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (u.minute == -1 && u.month == -1 && u.day_nano < 0 &&
	    u.month_nano < 0)
		return wl_cli_misuse(cli, "--minute, --month, --spent-day or "
		    "--spent-month is wanted");
	return change(cli, argv[1], &u);
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
