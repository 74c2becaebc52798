/*
 * watchllm limit.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/core/admin_limit.h"
#include "lib/store/counter.h"
#include "lib/store/pg.h"

const char wl_cmd_limit_help[] =
    "Usage: watchllm limit list PROJECT\n"
    "       watchllm limit set PROJECT SUBJECT [PATTERN] LIMIT [--shadow]\n"
    "       watchllm limit remove PROJECT ID\n"
    "Show, make and change a project's limits beside those of its plan and "
    "keys.\n"
    "SUBJECT is user (header X-WatchLLM-User-Id, or \"user\" of the body), "
    "model, tag\n"
    "(header X-WatchLLM-Tags), key (its id) or project.  PATTERN is \"*\", "
    "which counts\n"
    "each value apart and is meant when there is none, a text with \"*\" at "
    "its end,\n"
    "which counts all together that begin with it, or one value.  All rules "
    "that match\n"
    "a call hold, at most 16; a project has at most 64.\n"
    "\n"
    "LIMIT is one of:\n"
    "      --rpm N             calls per minute\n"
    "      --month N           calls per UTC month\n"
    "      --concurrent N      calls at once\n"
    "      --tokens N          tokens per minute\n"
    "      --budget-day USD    spent per UTC day\n"
    "      --budget-month USD  spent per UTC month\n"
    "\n"
    "      --shadow            count and tell, but refuse nothing\n"
    "      --json              print JSON\n";

#define NUMBER_MAX	1000000000000

static void
print(struct wl_cli *cli, const char *key, const struct wl_rows *rows)
{
	static const struct wl_out_col cols[] = {
		{ "id", WL_OUT_STR }, { "subject", WL_OUT_STR },
		{ "pattern", WL_OUT_STR }, { "unit", WL_OUT_STR },
		{ "amount", WL_OUT_NUM }, { "shadow", WL_OUT_BOOL },
		{ "created_at", WL_OUT_STR }
	};

	wl_cli_table(cli, key, cols, 7, rows);
}

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	return wl_cmd_list(cli, WL_DB_LIMITS, print, argc, argv);
}

static bool
is_subject(const char *s)
{
	static const char *const words[] = { "key", "model", "project", "tag",
	    "user" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

/*
 * The one limit of AMOUNTS, by unit, into *L.
 */
static int
take_limit(struct wl_cli *cli, const int64_t amounts[WL_LIMIT_UNIT_MAX],
    struct wl_db_limit *l)
{
	int i, n = 0;

	for (i = 0; i < WL_LIMIT_UNIT_MAX; i++)
		if (amounts[i] >= 0) {
			l->unit = wl_limit_unit_word(i);
			l->amount = amounts[i];
			n++;
		}
	if (n == 1)
		return 0;
	wl_cli_misuse(cli, "one limit is wanted, such as --rpm 10");
	return -1;
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	int64_t v[WL_LIMIT_UNIT_MAX] = { -1, -1, -1, -1, -1, -1 };
	struct wl_db_limit l = { .pattern = "*" };
	const struct wl_cli_opt opts[] = {
		{ "budget-day", WL_ARG_USD, &v[WL_LU_DAY_NANO], 0,
		    WL_COUNTER_NANO_MAX, NULL },
		{ "budget-month", WL_ARG_USD, &v[WL_LU_MONTH_NANO], 0,
		    WL_COUNTER_NANO_MAX, NULL },
		{ "concurrent", WL_ARG_INT, &v[WL_LU_LEASE], 0, NUMBER_MAX,
		    NULL },
		{ "month", WL_ARG_INT, &v[WL_LU_MONTH], 0, NUMBER_MAX, NULL },
		{ "rpm", WL_ARG_INT, &v[WL_LU_MINUTE], 0, NUMBER_MAX, NULL },
		{ "shadow", WL_ARG_FLAG, &l.shadow, 0, 0, NULL },
		{ "tokens", WL_ARG_INT, &v[WL_LU_TOKENS], 0, NUMBER_MAX, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;
	const char *id;
	int n;

	if ((n = wl_cli_args(cli, argc, argv, opts, 2, 3)) == -1)
		return WL_EXIT_MISUSE;
	l.project = argv[1];
	l.subject = argv[2];
	if (n == 3)
		l.pattern = argv[3];
	if (!is_subject(l.subject))
		return wl_cli_misuse(cli, "%s: key, model, project, tag or user "
		    "is wanted", l.subject);
	if (take_limit(cli, v, &l) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_limit_set(&ad, &l, &id, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, id, "Limit %s of project %s is set.", id, l.project);
	return WL_EXIT_OK;
}

static int
drop(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, NULL, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_limit_remove(&ad, argv[1], argv[2], &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, argv[2], "Limit %s of project %s is removed.",
	    argv[2], argv[1]);
	return WL_EXIT_OK;
}

int
wl_cmd_limit(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "list", list }, { "remove", drop }, { "set", set },
		{ NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
