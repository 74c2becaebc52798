/*
 * watchllm plan.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/money.h"
#include "lib/core/admin.h"
#include "lib/store/counter.h"
#include "lib/store/pg.h"

const char wl_cmd_plan_help[] =
    "Usage: watchllm plan list\n"
    "       watchllm plan set ID [OPTION]...\n"
    "Show, change and make plans.  What changes holds for the next call of "
    "every\n"
    "project on the plan.  A plan that is new needs --rpm and --month.\n"
    "\n"
    "      --name NAME               shown to people\n"
    "      --rpm N                   calls per minute\n"
    "      --month N                 calls per UTC month\n"
    "      --window fixed|sliding    minutes of the clock, or any 60 s\n"
    "      --concurrent N|none       calls at once\n"
    "      --tokens N|none           tokens per minute\n"
    "      --budget-day USD|none     spent per UTC day\n"
    "      --budget-month USD|none   spent per UTC month\n"
    "      --unknown-price allow|deny|flat  calls of unknown price, where "
    "there is\n"
    "                                a budget\n"
    "      --flat-price USD          per million tokens, for flat\n"
    "      --overrun allow|warn|stop streams that use more than was "
    "reserved\n"
    "      --cache-hits-free on|off  hits do not count against the month\n"
    "      --price-usd N             per month\n"
    "      --retention CLASS         how long events are kept: short, "
    "standard, long\n"
    "      --json                    print JSON\n";

#define NUMBER_MAX	1000000000000
#define CENTS_MAX	1000000000

_Static_assert(WL_CLI_UNSET == WL_ADMIN_KEEP && WL_CLI_NONE == WL_ADMIN_NONE,
    "a number that is not given");

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "id", WL_OUT_STR }, { "name", WL_OUT_STR },
		{ "per_minute", WL_OUT_INT }, { "per_month", WL_OUT_INT },
		{ "window", WL_OUT_STR }, { "concurrent", WL_OUT_INT },
		{ "tokens", WL_OUT_INT }, { "budget_day_usd", WL_OUT_NUM },
		{ "budget_month_usd", WL_OUT_NUM },
		{ "unknown_price", WL_OUT_STR }, { "overrun", WL_OUT_STR },
		{ "cache_hits_free", WL_OUT_BOOL }, { "price_usd", WL_OUT_NUM },
		{ "retention", WL_OUT_STR }, { "retention_days", WL_OUT_INT },
		{ "projects", WL_OUT_INT }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if (wl_cli_args(cli, argc, argv, NULL, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_owner(cli, &e) == -1 ||
	    (r = wl_db_admin_list(cli->arena, WL_DB_PLANS, NULL, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, 16, r);
	return WL_EXIT_OK;
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_admin_plan p = WL_ADMIN_PLAN_SAME;
	const char *free_hits = NULL, *price = NULL;
	const struct wl_cli_opt opts[] = {
		{ "budget-day", WL_ARG_USD, &p.day_nano, 0, WL_COUNTER_NANO_MAX,
		    NULL },
		{ "budget-month", WL_ARG_USD, &p.month_nano, 0,
		    WL_COUNTER_NANO_MAX, NULL },
		{ "cache-hits-free", WL_ARG_WORD, &free_hits, 0, 0, "on|off" },
		{ "concurrent", WL_ARG_LIMIT, &p.concurrent, 0, NUMBER_MAX,
		    NULL },
		{ "flat-price", WL_ARG_USD, &p.flat_nano, 0,
		    WL_COUNTER_NANO_MAX, NULL },
		{ "month", WL_ARG_INT, &p.month, 0, NUMBER_MAX, NULL },
		{ "name", WL_ARG_TEXT, &p.name, 0, 0, NULL },
		{ "overrun", WL_ARG_WORD, &p.overrun, 0, 0, "allow|warn|stop" },
		{ "price-usd", WL_ARG_TEXT, &price, 0, 0, NULL },
		{ "retention", WL_ARG_TEXT, &p.retention, 0, 0, NULL },
		{ "rpm", WL_ARG_INT, &p.rpm, 0, NUMBER_MAX, NULL },
		{ "tokens", WL_ARG_LIMIT, &p.tokens, 0, NUMBER_MAX, NULL },
		{ "unknown-price", WL_ARG_WORD, &p.unknown_price, 0, 0,
		    "allow|deny|flat" },
		{ "window", WL_ARG_WORD, &p.window, 0, 0, "fixed|sliding" },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (price != NULL && (wl_money_parse(price, strlen(price), 100,
	    &p.price_cents) == -1 || p.price_cents < 0 ||
	    p.price_cents > CENTS_MAX))
		return wl_cli_misuse(cli, "--price-usd %s: an amount such as "
		    "49 or 9.50 is wanted", price);
	if (free_hits != NULL)
		p.cache_hits_free = strcmp(free_hits, "on") == 0 ?
		    WL_ADMIN_YES : WL_ADMIN_NO;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_plan_set(&ad, argv[1], &p, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, argv[1], "Plan %s is set.", argv[1]);
	return WL_EXIT_OK;
}

int
wl_cmd_plan(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "list", list }, { "set", set }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
