/*
 * watchllm route: which provider answers for a model, and rules of projects.
 */
#include "config.h"

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "fcgi/cmd_route.h"
#include "lib/core/admin.h"
#include "lib/store/pg.h"

const char wl_cmd_route_help[] =
    "Usage: watchllm route list [--provider PROVIDER]\n"
    "       watchllm route set PATTERN PROVIDER [--exact] [--priority N]\n"
    "       watchllm route remove PATTERN [PROVIDER] [--exact]\n"
    "Routes say which provider answers for a model: the one whose pattern is "
    "the\n"
    "model's name, else the one with the longest pattern that the name begins "
    "with.\n"
    "Workers learn of a change within a minute.\n"
    "\n"
    "      --exact       PATTERN is the whole name, not its beginning\n"
    "      --priority N  among routes that match equally well, 1 first (1)\n"
    "      --json        print JSON\n"
    "\n"
    "       watchllm route add PROJECT NAME ALIAS TARGET... [OPTION]...\n"
    "       watchllm route add PROJECT NAME --file FILE\n"
    "       watchllm route list PROJECT\n"
    "       watchllm route show PROJECT NAME\n"
    "       watchllm route remove NAME --project PROJECT\n"
    "       watchllm route test PROJECT MODEL [OPTION]...\n"
    "Rules say where a project's calls for ALIAS go (docs/ROUTING.md).  "
    "PROJECT \"-\"\n"
    "means all projects.  A TARGET is provider/model, a model or another "
    "alias, and\n"
    "may have ,weight=N ,priority=N ,variant=NAME behind it.  A rule of that "
    "name is\n"
    "replaced.  Workers follow it from the next call on; one for all "
    "projects, within\n"
    "a minute.  \"add\" takes:\n"
    "\n"
    "      --strategy priority|weighted|least_latency|least_cost\n"
    "      --percent N        only this share of the calls\n"
    "      --sticky user|key|header:NAME\n"
    "                         chance is drawn once for each of them\n"
    "      --when JSON        conditions, as {\"tags\":[\"batch\"]}\n"
    "      --flag NAME        only projects that see this flag\n"
    "      --shadow MODEL, --shadow-percent N\n"
    "                         call this one too, and drop its answer\n"
    "      --position N       among rules of one alias, lowest first (100)\n"
    "      --disable          keep it, but do not follow it\n"
    "      --file FILE        the definition as JSON; \"-\": standard input\n"
    "\n"
    "\"test\" tells what a call would get, and why: --user U, --key ID, "
    "--tags A,B,\n"
    "--headers \"name: value; name: value\", --input TOKENS, --max-tokens N, "
    "--stream,\n"
    "--api API.\n";

#define PRIORITY_MAX	1000

/* ---- routes of models -------------------------------------------------- */

static int
model_list(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "pattern", WL_OUT_STR }, { "kind", WL_OUT_STR },
		{ "provider", WL_OUT_STR }, { "priority", WL_OUT_INT }
	};
	const char *provider = NULL;
	const struct wl_cli_opt opts[] = {
		{ "provider", WL_ARG_TEXT, &provider, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;
	int n;

	if ((n = wl_cli_args(cli, argc, argv, opts, 0, 1)) == -1)
		return WL_EXIT_MISUSE;
	if (n == 1)
		return wl_cmd_route_rules(cli, argv[1]);
	if (wl_cli_owner(cli, &e) == -1 || (r = wl_db_admin_list(cli->arena,
	    WL_DB_ROUTES, &provider, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, 4, r);
	return WL_EXIT_OK;
}

static int
model_set(struct wl_cli *cli, int argc, char **argv)
{
	int64_t priority = 1;
	bool exact = false;
	const struct wl_cli_opt opts[] = {
		{ "exact", WL_ARG_FLAG, &exact, 0, 0, NULL },
		{ "priority", WL_ARG_INT, &priority, 1, PRIORITY_MAX, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, opts, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1)
		return wl_cli_fail(cli, &e);
	if (wl_db_admin_route_set(ad.a, ad.actor, argv[1], exact ? "exact" :
	    "prefix", argv[2], (int)priority, &e) == -1)
		return e.code == WL_E_NOT_FOUND ?
		    wl_cli_failf(cli, "there is no provider \"%s\"", argv[2]) :
		    wl_cli_fail(cli, &e);
	wl_cli_done(cli, argv[1], exact ? "%s answers for %s." :
	    "%s answers for models that begin with %s.", argv[2], argv[1]);
	return WL_EXIT_OK;
}

static int
model_remove(struct wl_cli *cli, int argc, char **argv)
{
	const char *project = NULL;
	bool exact = false;
	const struct wl_cli_opt opts[] = {
		{ "exact", WL_ARG_FLAG, &exact, 0, 0, NULL },
		{ "project", WL_ARG_TEXT, &project, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;
	int n = wl_cli_args(cli, argc, argv, opts, 1, 2), ret;

	if (n == -1)
		return WL_EXIT_MISUSE;
	if (project != NULL)
		return n == 2 || exact ? wl_cli_misuse(cli, "a rule is removed "
		    "by its name alone") :
		    wl_cmd_route_rule_remove(cli, project, argv[1]);
	if (wl_cli_admin(cli, &ad, &e) == -1)
		return wl_cli_fail(cli, &e);
	ret = wl_db_admin_route_remove(ad.a, ad.actor, argv[1], exact ?
	    "exact" : "prefix", n == 2 ? argv[2] : NULL, &e);
	if (ret == -1)
		return wl_cli_fail(cli, &e);
	if (ret == 0)
		return wl_cli_failf(cli, "there is no such route; \"watchllm "
		    "route list\" shows them, and which are exact");
	wl_cli_done(cli, argv[1], "No route for %s any more.", argv[1]);
	return WL_EXIT_OK;
}

int
wl_cmd_route(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "add", wl_cmd_route_add }, { "list", model_list },
		{ "remove", model_remove }, { "set", model_set },
		{ "show", wl_cmd_route_show }, { "test", wl_cmd_route_test },
		{ NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
