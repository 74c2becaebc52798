/*
 * watchllm flag: what a share of all projects sees.
 */
#include "config.h"

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/core/admin.h"
#include "lib/core/route_admin.h"
#include "lib/store/pg.h"

const char wl_cmd_flag_help[] =
    "Usage: watchllm flag list\n"
    "       watchllm flag set NAME [--percent N] [--on P,...] [--off P,...]\n"
    "       watchllm flag remove NAME\n"
    "A flag is on for a share of all projects; rules of routing may ask for "
    "one.\n"
    "A project that sees it keeps seeing it as the share grows.  A flag that "
    "is not\n"
    "there is off.  Workers learn of a change within a minute.\n"
    "\n"
    "      --percent N   share of the projects, 0 to 100 (0)\n"
    "      --on P,...    projects that see it in any case; \"none\"\n"
    "      --off P,...   projects that never see it; \"none\"\n"
    "      --json        print JSON\n";

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "name", WL_OUT_STR }, { "percent", WL_OUT_NUM },
		{ "on", WL_OUT_LIST }, { "off", WL_OUT_LIST },
		{ "created_at", WL_OUT_STR }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if (wl_cli_args(cli, argc, argv, NULL, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_owner(cli, &e) == -1 || (r = wl_db_admin_list(cli->arena,
	    WL_DB_FLAGS, NULL, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, 5, r);
	return WL_EXIT_OK;
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	const char *percent = NULL, *on = NULL, *off = NULL;
	const struct wl_cli_opt opts[] = {
		{ "off", WL_ARG_TEXT, &off, 0, 0, NULL },
		{ "on", WL_ARG_TEXT, &on, 0, 0, NULL },
		{ "percent", WL_ARG_TEXT, &percent, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 || wl_route_admin_flag(&ad,
	    argv[1], percent, wl_cli_or_none(on), wl_cli_or_none(off), &e) ==
	    -1)
		return wl_cli_fail(cli, &e);
	wl_cli_done(cli, argv[1], "Flag %s is set.", argv[1]);
	return WL_EXIT_OK;
}

static int
remove_flag(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, NULL, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_route_admin_flag_remove(&ad, argv[1], &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_done(cli, argv[1], "Flag %s is removed.", argv[1]);
	return WL_EXIT_OK;
}

int
wl_cmd_flag(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "list", list }, { "remove", remove_flag }, { "set", set },
		{ NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
