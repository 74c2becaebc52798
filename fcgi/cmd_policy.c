/*
 * watchllm policy: rules of projects on content.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/buf.h"
#include "lib/base/jw.h"
#include "lib/core/admin.h"
#include "lib/core/policy.h"
#include "lib/core/route.h"
#include "lib/store/db_policy.h"
#include "lib/store/pg.h"

const char wl_cmd_policy_help[] =
    "Usage: watchllm policy add PROJECT NAME DEFINITION\n"
    "       watchllm policy list PROJECT\n"
    "       watchllm policy remove PROJECT NAME\n"
    "       watchllm policy test PROJECT TEXT [--on request|response]\n"
    "Rules say what is masked, blocked or flagged in a project's requests and "
    "answers\n"
    "(docs/POLICY.md).  DEFINITION is a JSON object such as\n"
    "    {\"on\":\"both\",\"action\":\"mask\",\"pii\":[\"card\",\"email\"]}\n"
    "with \"on\" (request, response, both), \"action\" (mask, block, flag), and "
    "at least\n"
    "one of \"regex\", \"words\", \"pii\" and \"max_bytes\".  A rule of that "
    "name is\n"
    "replaced.  Workers follow it from the next call on.  \"test\" tells what "
    "becomes of\n"
    "a text.\n"
    "\n"
    "      --on SIDE     which rules test applies (request)\n"
    "      --json        print JSON\n";

static int
no_project(struct wl_cli *cli, const char *project)
{
	return wl_cli_failf(cli, "there is no project \"%s\"", project);
}

static int
add(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_db_policy row;
	struct wl_policy *p;
	struct wl_err e = { 0 };
	struct wl_admin ad;
	int64_t version;
	int ret;

	if (wl_cli_args(cli, argc, argv, NULL, 3, 3) == -1)
		return WL_EXIT_MISUSE;
	if (!wl_route_name_ok(wl_str_of(argv[2])))
		return wl_cli_misuse(cli, "the name of a rule is up to %d "
		    "lower-case letters, digits, and . _ - within",
		    WL_POLICY_NAME);
	row = (struct wl_db_policy){ argv[2], argv[3], strlen(argv[3]) };
	if ((p = wl_policy_new(&row, 1, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_policy_free(p);
	if (wl_cli_admin(cli, &ad, &e) == -1 || (ret = wl_db_policy_set(ad.a,
	    ad.actor, argv[1], argv[2], argv[3], &version, &e)) == -1)
		return wl_cli_fail(cli, &e);
	if (ret == 0)
		return no_project(cli, argv[1]);
	wl_admin_tell(&ad, argv[1], version);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, argv[2], "Rule %s of %s is set.", argv[2], argv[1]);
	return WL_EXIT_OK;
}

/*
 * The rules of PROJECT, which must be there; NULL with *E.
 */
static struct wl_rows *
rules_of(struct wl_cli *cli, const char *project, struct wl_err *e)
{
	struct wl_admin ad;
	struct wl_rows *r;

	if (wl_cli_admin(cli, &ad, e) == -1 ||
	    wl_admin_project_find(&ad, project, &r, e) == -1)
		return NULL;
	return wl_db_policy_list(cli->arena, project, e);
}

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "name", WL_OUT_STR }, { "enabled", WL_OUT_BOOL },
		{ "position", WL_OUT_INT }, { "definition", WL_OUT_JSON },
		{ "updated_at", WL_OUT_STR }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if (wl_cli_args(cli, argc, argv, NULL, 1, 1) == -1)
		return WL_EXIT_MISUSE;
	if ((r = rules_of(cli, argv[1], &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, 5, r);
	return WL_EXIT_OK;
}

static int
remove_rule(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;
	int64_t version;
	int ret;

	if (wl_cli_args(cli, argc, argv, NULL, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 || (ret = wl_db_policy_remove(
	    ad.a, ad.actor, argv[1], argv[2], &version, &e)) == -1)
		return wl_cli_fail(cli, &e);
	if (ret == 0)
		return wl_cli_failf(cli, "there is no rule \"%s\"; \"watchllm "
		    "policy list %s\" shows them", argv[2], argv[1]);
	wl_admin_tell(&ad, argv[1], version);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, argv[2], "Rule %s is removed.", argv[2]);
	return WL_EXIT_OK;
}

/*
 * What P makes of TEXT.
 */
static void
show(struct wl_cli *cli, const struct wl_policy *p,
    enum wl_policy_side side, const char *text)
{
	struct wl_policy_tally t = WL_POLICY_TALLY;
	struct wl_buf out = { 0 }, found = { 0 };
	struct wl_jw w;

	(void)wl_policy_apply(p, side, wl_str_of(text), &out, &t);
	wl_jw_init(&w, &found);
	wl_policy_json(&w, NULL, p, &t);
	wl_out_obj(&cli->out, NULL);
	wl_out_bool(&cli->out, "blocked", t.blocked != -1);
	wl_out_str(&cli->out, "text", t.blocked != -1 ? NULL : out.p == NULL ?
	    "" : out.p);
	wl_out_val(&cli->out, "found", WL_OUT_JSON, found.len == 0 ? "[]" :
	    found.p);
	wl_out_obj_end(&cli->out);
	wl_buf_free(&out);
	wl_buf_free(&found);
}

static int
test(struct wl_cli *cli, int argc, char **argv)
{
	const char *on = NULL;
	const struct wl_cli_opt opts[] = {
		{ "on", WL_ARG_WORD, &on, 0, 0, "request|response" },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_db_policy *rows;
	struct wl_policy *p;
	struct wl_err e = { 0 };
	int n;

	if (wl_cli_args(cli, argc, argv, opts, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (rules_of(cli, argv[1], &e) == NULL || wl_cli_stores(cli, &e) ==
	    -1 || wl_db_policy(cli->arena, argv[1], &rows, &n, &e) == -1 ||
	    (p = wl_policy_new(rows, n, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	show(cli, p, on != NULL && strcmp(on, "response") == 0 ?
	    WL_POLICY_RESPONSE : WL_POLICY_REQUEST, argv[2]);
	wl_policy_free(p);
	return WL_EXIT_OK;
}

int
wl_cmd_policy(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "add", add }, { "list", list }, { "remove", remove_rule },
		{ "test", test }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
