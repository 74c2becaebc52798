/*
 * watchllm key.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/base/secret.h"
#include "lib/core/admin.h"
#include "lib/store/counter.h"
#include "lib/store/pg.h"

const char wl_cmd_key_help[] =
    "Usage: watchllm key create PROJECT [--name NAME] [--scopes LIST]\n"
    "                           [--test] [--expires WHEN] [--rpm N] "
    "[--month N]\n"
    "                           [--concurrent N] [--tokens N]\n"
    "                           [--budget-day USD] [--budget-month USD]\n"
    "       watchllm key list PROJECT\n"
    "       watchllm key revoke KEY [--project ID]\n"
    "       watchllm key rotate KEY [--project ID] [--grace TIME]\n"
    "Make and end the keys of projects.  A new key is shown once and cannot "
    "be\n"
    "shown again.  KEY is its id, its prefix, or all of it.  A revoked key is\n"
    "refused from the next call on.\n"
    "\n"
    "      --scopes LIST   of gateway, ingest, read, admin "
    "(gateway,ingest,read)\n"
    "      --test          a key that begins with lgw_test_\n"
    "      --expires WHEN  30d from now, or 2026-12-31T00:00:00Z\n"
    "      --rpm N         calls per minute, if fewer than the plan's\n"
    "      --month N       calls per month, if fewer than the plan's\n"
    "      --concurrent N  calls at once, if fewer than the plan's\n"
    "      --tokens N      tokens per minute, if fewer than the plan's\n"
    "      --budget-day USD, --budget-month USD\n"
    "                      spent per UTC day and month, if less than the "
    "plan's\n"
    "      --project ID    look for KEY there only\n"
    "      --grace TIME    how long the old key works on: 24h (0)\n"
    "      --json          print JSON\n";

#define NUMBER_MAX	1000000000000
#define GRACE_MAX_MS	((int64_t)366 * 86400 * 1000)

void
wl_cmd_key_print(struct wl_cli *cli, const char *key,
    const struct wl_rows *rows)
{
	static const struct wl_out_col cols[] = {
		{ "id", WL_OUT_STR }, { "prefix", WL_OUT_STR },
		{ "kind", WL_OUT_STR }, { "name", WL_OUT_STR },
		{ "scopes", WL_OUT_LIST }, { "state", WL_OUT_STR },
		{ "per_minute", WL_OUT_INT }, { "per_month", WL_OUT_INT },
		{ "concurrent", WL_OUT_INT }, { "tokens", WL_OUT_INT },
		{ "budget_day_usd", WL_OUT_NUM },
		{ "budget_month_usd", WL_OUT_NUM },
		{ "expires_at", WL_OUT_STR }, { "created_at", WL_OUT_STR }
	};

	wl_cli_table(cli, key, cols, 14, rows);
}

/*
 * The one time that a key is shown.
 */
static void
print_new(struct wl_cli *cli, const char *key, const char *id,
    const char *project)
{
	char prefix[WL_KEY_PREFIX + 1];

	if (!wl_key_wellformed(key, prefix))
		return;
	wl_out_obj(&cli->out, NULL);
	wl_out_str(&cli->out, "key", key);
	wl_out_str(&cli->out, "id", id);
	wl_out_str(&cli->out, "prefix", prefix);
	wl_out_str(&cli->out, "project", project);
}

static int
create(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_db_new_key k = { .name = "", .scopes = "gateway,ingest,read",
	    .rpm = -1, .month = -1, .concurrent = -1, .tokens = -1,
	    .day_nano = -1, .month_nano = -1 };
	const char *expires = NULL, *id;
	bool test = false;
	const struct wl_cli_opt opts[] = {
		{ "budget-day", WL_ARG_USD, &k.day_nano, 0, WL_COUNTER_NANO_MAX,
		    NULL },
		{ "budget-month", WL_ARG_USD, &k.month_nano, 0,
		    WL_COUNTER_NANO_MAX, NULL },
		{ "concurrent", WL_ARG_INT, &k.concurrent, 0, NUMBER_MAX,
		    NULL },
		{ "expires", WL_ARG_TEXT, &expires, 0, 0, NULL },
		{ "month", WL_ARG_INT, &k.month, 0, NUMBER_MAX, NULL },
		{ "name", WL_ARG_TEXT, &k.name, 0, 0, NULL },
		{ "rpm", WL_ARG_INT, &k.rpm, 0, NUMBER_MAX, NULL },
		{ "scopes", WL_ARG_TEXT, &k.scopes, 0, 0, NULL },
		{ "test", WL_ARG_FLAG, &test, 0, 0, NULL },
		{ "tokens", WL_ARG_INT, &k.tokens, 0, NUMBER_MAX, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	char key[WL_KEY_LEN + 1];
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (expires != NULL && wl_admin_expiry(expires, wl_clock_ms(),
	    &k.expires_ms, &e) == -1)
		return wl_cli_misuse(cli, "--expires: %s", e.msg);
	if (k.day_nano == WL_CLI_NONE)
		k.day_nano = -1;
	if (k.month_nano == WL_CLI_NONE)
		k.month_nano = -1;
	k.project = argv[1];
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_key_create(&ad, &k, test, key, &id, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	print_new(cli, key, id, k.project);
	wl_out_val(&cli->out, "scopes", WL_OUT_LIST, k.scopes);
	wl_out_obj_end(&cli->out);
	wl_out_say(&cli->out, "Keep the key: it is not shown again.");
	wl_secret_wipe(key, sizeof(key));
	return WL_EXIT_OK;
}

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	return wl_cmd_list(cli, WL_DB_KEYS, wl_cmd_key_print, argc, argv);
}

static int
revoke(struct wl_cli *cli, int argc, char **argv)
{
	const char *project = NULL;
	const struct wl_cli_opt opts[] = {
		{ "project", WL_ARG_TEXT, &project, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_admin_key k;
	struct wl_err e = { 0 };
	struct wl_admin ad;
	bool done;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_key_find(&ad, project, argv[1], &k, &e) == -1 ||
	    wl_admin_key_revoke(&ad, &k, &done, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, k.id, done ? "Key %s (%s) of project %s is revoked." :
	    "Key %s (%s) of project %s was revoked before.", k.id, k.prefix,
	    k.project);
	return WL_EXIT_OK;
}

static int
rotate(struct wl_cli *cli, int argc, char **argv)
{
	const char *project = NULL, *grace = NULL, *id;
	const struct wl_cli_opt opts[] = {
		{ "grace", WL_ARG_TEXT, &grace, 0, 0, NULL },
		{ "project", WL_ARG_TEXT, &project, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	char key[WL_KEY_LEN + 1];
	struct wl_admin_key k;
	struct wl_err e = { 0 };
	struct wl_admin ad;
	int64_t ms = 0;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (grace != NULL && (wl_num_duration(grace, &ms) == -1 || ms < 0 ||
	    ms > GRACE_MAX_MS))
		return wl_cli_misuse(cli, "--grace %s: a time such as 24h, a "
		    "year at most", grace);
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_key_find(&ad, project, argv[1], &k, &e) == -1 ||
	    wl_admin_key_rotate(&ad, &k, ms, key, &id, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	print_new(cli, key, id, k.project);
	wl_out_str(&cli->out, "replaces", k.id);
	wl_out_obj_end(&cli->out);
	wl_out_say(&cli->out, "Keep the key: it is not shown again.");
	if (ms > 0)
		wl_out_say(&cli->out, "The old one, %s, works for another "
		    "%s.", k.prefix, grace);
	else
		wl_out_say(&cli->out, "The old one, %s, is revoked.",
		    k.prefix);
	wl_secret_wipe(key, sizeof(key));
	return WL_EXIT_OK;
}

int
wl_cmd_key(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "create", create }, { "list", list }, { "revoke", revoke },
		{ "rotate", rotate }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
