/*
 * watchllm project.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/core/admin.h"
#include "lib/core/auth.h"
#include "lib/store/pg.h"

const char wl_cmd_project_help[] =
    "Usage: watchllm project create NAME [--plan PLAN] "
    "[--default-provider PROVIDER]\n"
    "                               [--id ID]\n"
    "       watchllm project list [--limit N]\n"
    "       watchllm project show ID\n"
    "       watchllm project set ID [--name NAME] [--plan PLAN]\n"
    "                               [--default-provider PROVIDER|none]\n"
    "                               [--cache MODE [--cache-ttl SECONDS]]\n"
    "                               [--disable | --enable]\n"
    "Make and change projects.  What changes holds for the next call; a "
    "project that\n"
    "is enabled again is admitted within a second.\n"
    "\n"
    "      --plan PLAN                  its limits hold (free)\n"
    "      --default-provider PROVIDER  answers for models that no route "
    "names\n"
    "      --cache MODE                 answers that are cached: off, ask, "
    "exact or\n"
    "                                   canonical; ask: those a call asks for\n"
    "      --cache-ttl SECONDS          for how long\n"
    "      --id ID                      up to 32 lower-case letters and "
    "digits\n"
    "      --disable, --enable          refuse all its keys, or no more\n"
    "      --limit N                    list at most N (1000)\n"
    "      --json                       print JSON\n";

/*
 * Whether calls could go there yet is for the operator to know now.
 */
static int
check_provider(struct wl_cli *cli, const char *id, struct wl_err *e)
{
	struct wl_rows *r;

	if (id == NULL || id[0] == '\0')
		return 0;
	r = wl_db_admin_list(cli->arena, WL_DB_PROVIDER, &id, e);
	if (r == NULL)
		return -1;
	if (wl_rows_count(r) == 0)
		wl_cli_warn(cli, "there is no provider \"%s\" yet: "
		    "make it with \"watchllm provider set\"", id);
	return 0;
}

static int
create(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_admin_project p = { .plan = "free" };
	const char *id = NULL;
	const struct wl_cli_opt opts[] = {
		{ "default-provider", WL_ARG_TEXT, &p.default_provider, 0, 0,
		    NULL },
		{ "id", WL_ARG_TEXT, &id, 0, 0, NULL },
		{ "plan", WL_ARG_TEXT, &p.plan, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;
	struct wl_rows *row;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	p.name = argv[1];
	if (p.default_provider != NULL &&
	    strcmp(p.default_provider, "none") == 0)
		p.default_provider = NULL;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    check_provider(cli, p.default_provider, &e) == -1 ||
	    wl_admin_project_create(&ad, id, &p, &row, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_out_obj(&cli->out, NULL);
	wl_out_str(&cli->out, "id", wl_rows_get(row, 0, 0));
	wl_out_val(&cli->out, "dsn_id", WL_OUT_INT, wl_rows_get(row, 0, 1));
	wl_out_str(&cli->out, "name", p.name);
	wl_out_str(&cli->out, "plan", p.plan);
	wl_out_str(&cli->out, "default_provider", p.default_provider);
	wl_out_obj_end(&cli->out);
	return WL_EXIT_OK;
}

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "id", WL_OUT_STR }, { "dsn_id", WL_OUT_INT },
		{ "name", WL_OUT_STR }, { "plan", WL_OUT_STR },
		{ "default_provider", WL_OUT_STR }, { "enabled", WL_OUT_BOOL },
		{ "keys", WL_OUT_INT }, { "created_at", WL_OUT_STR }
	};
	int64_t most = 1000;
	char text[24];
	const char *arg = text;
	const struct wl_cli_opt opts[] = {
		{ "limit", WL_ARG_INT, &most, 1, 100000, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if (wl_cli_args(cli, argc, argv, opts, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	snprintf(text, sizeof(text), "%lld", (long long)most);
	if (wl_cli_owner(cli, &e) == -1 ||
	    (r = wl_db_admin_list(cli->arena, WL_DB_PROJECTS, &arg, &e)) ==
	    NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, 8, r);
	return WL_EXIT_OK;
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_admin_project p = { 0 };
	bool enable = false, disable = false;
	const struct wl_cli_opt opts[] = {
		{ "cache", WL_ARG_WORD, &p.cache, 0, 0,
		    "off|ask|exact|canonical" },
		{ "cache-ttl", WL_ARG_INT, &p.cache_ttl_s, 1, 604800, NULL },
		{ "default-provider", WL_ARG_TEXT, &p.default_provider, 0, 0,
		    NULL },
		{ "disable", WL_ARG_FLAG, &disable, 0, 0, NULL },
		{ "enable", WL_ARG_FLAG, &enable, 0, 0, NULL },
		{ "name", WL_ARG_TEXT, &p.name, 0, 0, NULL },
		{ "plan", WL_ARG_TEXT, &p.plan, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if (enable && disable)
		return wl_cli_misuse(cli, "--enable and --disable exclude "
		    "each other");
	p.enabled = enable ? WL_ADMIN_YES : disable ? WL_ADMIN_NO :
	    WL_ADMIN_SAME;
	p.default_provider = wl_cli_or_none(p.default_provider);
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    check_provider(cli, p.default_provider, &e) == -1 ||
	    wl_admin_project_set(&ad, argv[1], &p, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, argv[1], "Project %s is changed.", argv[1]);
	return WL_EXIT_OK;
}

/* ---- show -------------------------------------------------------------- */

static void
print_project(struct wl_out *o, const struct wl_rows *r)
{
	static const struct wl_out_col fields[] = {
		{ "id", WL_OUT_STR }, { "dsn_id", WL_OUT_INT },
		{ "name", WL_OUT_STR }, { "plan", WL_OUT_STR },
		{ "default_provider", WL_OUT_STR }, { "enabled", WL_OUT_BOOL },
		{ "created_at", WL_OUT_STR }, { "version", WL_OUT_INT },
		{ "per_minute", WL_OUT_INT }, { "per_month", WL_OUT_INT },
		{ "concurrent", WL_OUT_INT }
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		wl_out_val(o, fields[i].name, fields[i].type,
		    wl_rows_get(r, 0, (int)i));
	wl_out_str(o, "window", wl_rows_bool(r, 0, 11) ? "sliding" : "fixed");
}

int
wl_cmd_list(struct wl_cli *cli, enum wl_db_list what, void (*print)(struct wl_cli *cli,
    const char *key, const struct wl_rows *rows), int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_rows *r;
	struct wl_admin ad;
	const char *id;

	if (wl_cli_args(cli, argc, argv, NULL, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	id = argv[1];
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_project_find(&ad, id, &r, &e) == -1 ||
	    (r = wl_db_admin_list(ad.a, what, &id, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	print(cli, NULL, r);
	return WL_EXIT_OK;
}

static int
show(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_rows *r, *keys, *provider_keys;
	struct wl_err e = { 0 };
	struct wl_auth auth;
	struct wl_admin ad;
	const char *id;

	if (wl_cli_args(cli, argc, argv, NULL, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	id = argv[1];
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_project_find(&ad, id, &r, &e) == -1 ||
	    wl_admin_auth(&ad, id, NULL, &auth, &e) == -1 ||
	    (keys = wl_db_admin_list(ad.a, WL_DB_KEYS, &id, &e)) == NULL ||
	    (provider_keys = wl_db_admin_list(ad.a, WL_DB_PROVIDER_KEYS, &id,
	    &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_out_obj(&cli->out, NULL);
	print_project(&cli->out, r);
	wl_cmd_key_print(cli, "keys", keys);
	wl_cmd_provider_key_print(cli, "provider_keys", provider_keys);
	if (wl_cmd_usage_print(cli, "usage", &auth, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_out_obj_end(&cli->out);
	return WL_EXIT_OK;
}

int
wl_cmd_project(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "create", create }, { "list", list }, { "set", set },
		{ "show", show }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
