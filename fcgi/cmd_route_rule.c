/*
 * watchllm route add, show, list PROJECT, remove --project: rules of routing.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "fcgi/cmd_route.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/jw.h"
#include "lib/base/num.h"
#include "lib/core/admin.h"
#include "lib/core/route.h"
#include "lib/core/route_admin.h"
#include "lib/store/pg.h"

#define POSITION_MAX	1000000
#define NUMBER_MAX	1000000

/*
 * The project of an operand: NULL for all.
 */
static const char *
project_of(const char *s)
{
	return strcmp(s, "-") == 0 ? NULL : s;
}

/* ---- a definition ------------------------------------------------------ */

static int
read_file(struct wl_cli *cli, const char *path, struct wl_buf *b)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char chunk[4096];
	size_t n;
	int bad;

	if (in == NULL) {
		wl_cli_failf(cli, "%s: %s", path, strerror(errno));
		return -1;
	}
	while (!b->failed && (n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		wl_buf_add(b, chunk, n);
	bad = ferror(in);
	if (in != stdin)
		fclose(in);
	if (bad != 0)
		wl_cli_failf(cli, "%s: cannot be read", path);
	else if (b->failed)
		wl_cli_failf(cli, "%s: longer than %zu bytes", path,
		    WL_ROUTE_BYTES);
	return bad != 0 || b->failed ? -1 : 0;
}

/*
 * What follows the model in "MODEL,weight=3,variant=b".
 */
static int
put_option(struct wl_cli *cli, struct wl_jw *w, struct wl_str option)
{
	struct wl_str value = option, key = wl_str_cut(&value, '=');
	int64_t n;

	if (wl_str_eq(key, "variant") && value.p != NULL) {
		wl_jw_strn(w, "variant", value.p, value.len);
		return 0;
	}
	if (!wl_str_eq(key, "weight") && !wl_str_eq(key, "priority")) {
		wl_cli_misuse(cli, "\"%.*s\": a target may have weight=N, "
		    "priority=N and variant=NAME", (int)option.len, option.p);
		return -1;
	}
	if (value.p == NULL || wl_num_parse(value.p, value.len, 0, NUMBER_MAX,
	    &n) == -1) {
		wl_cli_misuse(cli, "\"%.*s\": a number is wanted",
		    (int)option.len, option.p);
		return -1;
	}
	wl_jw_int(w, wl_str_eq(key, "weight") ? "weight" : "priority", n);
	return 0;
}

static int
put_targets(struct wl_cli *cli, struct wl_jw *w, char **targets, int n)
{
	struct wl_str rest, model;
	int i;

	wl_jw_arr(w, "targets");
	for (i = 0; i < n; i++) {
		rest = wl_str_of(targets[i]);
		model = wl_str_cut(&rest, ',');
		wl_jw_obj(w, NULL);
		wl_jw_strn(w, "model", model.p, model.len);
		while (rest.p != NULL)
			if (put_option(cli, w, wl_str_cut(&rest, ',')) == -1)
				return -1;
		wl_jw_end(w, '}');
	}
	wl_jw_end(w, ']');
	return 0;
}

struct options {
	const char	*file, *strategy, *percent, *sticky, *when, *flag;
	const char	*shadow, *shadow_percent;
	int64_t		 position;
	bool		 disable;
};

static void
put_number(struct wl_jw *w, const char *key, const char *s)
{
	if (s != NULL)
		wl_jw_raw(w, key, s, strlen(s));
}

static void
put_word(struct wl_jw *w, const char *key, const char *s)
{
	if (s != NULL)
		wl_jw_str(w, key, s);
}

/*
 * What is raw here is checked with the rest of the definition.
 */
static void
put_options(struct wl_jw *w, const struct options *o)
{
	put_word(w, "strategy", o->strategy);
	put_number(w, "percent", o->percent);
	put_word(w, "sticky", o->sticky);
	put_number(w, "when", o->when);
	put_word(w, "flag", o->flag);
	if (o->shadow != NULL) {
		wl_jw_obj(w, "shadow");
		wl_jw_str(w, "model", o->shadow);
		put_number(w, "percent", o->shadow_percent);
		wl_jw_end(w, '}');
	}
	if (o->position != WL_CLI_UNSET)
		wl_jw_int(w, "position", o->position);
	if (o->disable)
		wl_jw_bool(w, "enabled", false);
}

/*
 * The definition by operands and options, or from the file, in B.
 */
static int
define(struct wl_cli *cli, const struct options *o, char **operand, int n,
    struct wl_buf *b)
{
	struct wl_jw w;

	if (o->file != NULL)
		return read_file(cli, o->file, b) == -1 ? WL_EXIT_FAILED :
		    WL_EXIT_OK;
	wl_jw_init(&w, b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "alias", operand[0]);
	if (put_targets(cli, &w, operand + 1, n - 1) == -1)
		return WL_EXIT_MISUSE;
	put_options(&w, o);
	wl_jw_end(&w, '}');
	return b->failed ? wl_cli_failf(cli, "the rule is too long") :
	    WL_EXIT_OK;
}

static int
save(struct wl_cli *cli, const char *project, const char *name,
    struct wl_str definition)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_admin(cli, &ad, &e) == -1 || wl_route_admin_set(&ad,
	    project_of(project), name, definition, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, name, "Rule %s of %s is set.", name,
	    project_of(project) == NULL ? "all projects" : project);
	return WL_EXIT_OK;
}

int
wl_cmd_route_add(struct wl_cli *cli, int argc, char **argv)
{
	struct options o = { .position = WL_CLI_UNSET };
	const struct wl_cli_opt opts[] = {
		{ "disable", WL_ARG_FLAG, &o.disable, 0, 0, NULL },
		{ "file", WL_ARG_TEXT, &o.file, 0, 0, NULL },
		{ "flag", WL_ARG_TEXT, &o.flag, 0, 0, NULL },
		{ "percent", WL_ARG_TEXT, &o.percent, 0, 0, NULL },
		{ "position", WL_ARG_INT, &o.position, 0, POSITION_MAX, NULL },
		{ "shadow", WL_ARG_TEXT, &o.shadow, 0, 0, NULL },
		{ "shadow-percent", WL_ARG_TEXT, &o.shadow_percent, 0, 0,
		    NULL },
		{ "sticky", WL_ARG_TEXT, &o.sticky, 0, 0, NULL },
		{ "strategy", WL_ARG_WORD, &o.strategy, 0, 0,
		    "priority|weighted|least_latency|least_cost" },
		{ "when", WL_ARG_TEXT, &o.when, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_buf b;
	int n, ret;

	n = wl_cli_args(cli, argc, argv, opts, 2, 3 + WL_ROUTE_TARGETS);
	if (n == -1)
		return WL_EXIT_MISUSE;
	if (o.file != NULL && n > 2)
		return wl_cli_misuse(cli, "with --file the file has the alias "
		    "and the targets");
	if (o.file == NULL && n < 4)
		return wl_cli_misuse(cli, "add: something is missing: an alias "
		    "and a target");
	wl_buf_init(&b, WL_ROUTE_BYTES + 1);
	ret = define(cli, &o, argv + 3, n - 2, &b);
	if (ret == WL_EXIT_OK)
		ret = save(cli, argv[1], argv[2], (struct wl_str){
		    b.p == NULL ? "" : b.p, b.len });
	wl_buf_free(&b);
	return ret;
}

/* ---- what there is ----------------------------------------------------- */

/*
 * The rules of PROJECT, which must be there; NULL with *E.
 */
static struct wl_rows *
rules_of(struct wl_cli *cli, const char *project, struct wl_err *e)
{
	struct wl_admin ad;
	struct wl_rows *r;

	project = project_of(project);
	if (wl_cli_admin(cli, &ad, e) == -1 || (project != NULL &&
	    wl_admin_project_find(&ad, project, &r, e) == -1))
		return NULL;
	return wl_db_admin_list(cli->arena, WL_DB_RULES, &project, e);
}

int
wl_cmd_route_rules(struct wl_cli *cli, const char *project)
{
	static const struct wl_out_col cols[] = {
		{ "name", WL_OUT_STR }, { "alias", WL_OUT_STR },
		{ "position", WL_OUT_INT }, { "enabled", WL_OUT_BOOL },
		{ "definition", WL_OUT_JSON }, { "updated_at", WL_OUT_STR }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if ((r = rules_of(cli, project, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, 6, r);
	return WL_EXIT_OK;
}

int
wl_cmd_route_show(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_rows *r;
	int i;

	if (wl_cli_args(cli, argc, argv, NULL, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if ((r = rules_of(cli, argv[1], &e)) == NULL)
		return wl_cli_fail(cli, &e);
	for (i = 0; i < wl_rows_count(r); i++)
		if (strcmp(wl_rows_get(r, i, 0), argv[2]) == 0)
			break;
	if (i == wl_rows_count(r))
		return wl_cli_failf(cli, "there is no rule \"%s\"; \"watchllm "
		    "route list %s\" shows them", argv[2], argv[1]);
	wl_out_obj(&cli->out, NULL);
	wl_out_str(&cli->out, "name", wl_rows_get(r, i, 0));
	wl_out_str(&cli->out, "alias", wl_rows_get(r, i, 1));
	wl_out_bool(&cli->out, "enabled", wl_rows_bool(r, i, 3));
	wl_out_str(&cli->out, "updated_at", wl_rows_get(r, i, 5));
	wl_out_val(&cli->out, "definition", WL_OUT_JSON,
	    wl_rows_get(r, i, 4));
	wl_out_obj_end(&cli->out);
	return WL_EXIT_OK;
}

int
wl_cmd_route_rule_remove(struct wl_cli *cli, const char *project,
    const char *name)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_admin(cli, &ad, &e) == -1 || wl_route_admin_remove(&ad,
	    project_of(project), name, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, name, "Rule %s is removed.", name);
	return WL_EXIT_OK;
}
