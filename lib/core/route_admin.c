/*
 * Changes of rules of routing, checked against what is there.
 */
#include "config.h"
#include "lib/core/route_admin.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/core/admin.h"
#include "lib/core/route.h"
#include "lib/store/db_route.h"
#include "lib/store/pg.h"

static int
check_name(const char *what, const char *name, struct wl_err *e)
{
	return wl_route_name_ok(wl_str_of(name)) ? 0 : wl_err_set(e,
	    WL_E_INVALID_REQUEST, "the name of a %s is up to %d lower-case "
	    "letters, digits, and . _ - within", what, WL_ROUTE_NAME);
}

/*
 * Whether NAME begins with "provider/": 1, 0, or -1 with *E.
 */
static int
names_provider(struct wl_admin *ad, const char *name, struct wl_err *e)
{
	struct wl_str rest = wl_str_of(name), id = wl_str_cut(&rest, '/');
	const char *arg = wl_arena_dup(ad->a, id.p, id.len);
	struct wl_rows *r;

	if (arg == NULL)
		return wl_err_memory(e);
	if (rest.len == 0 || id.len == 0)
		return 0;
	if ((r = wl_db_admin_list(ad->a, WL_DB_PROVIDER, &arg, e)) == NULL)
		return -1;
	return wl_rows_count(r) > 0;
}

static int
check_providers(struct wl_admin *ad, const struct wl_route_rule *r,
    struct wl_err *e)
{
	int i, found;

	if ((found = names_provider(ad, r->alias, e)) == -1)
		return -1;
	if (found)
		return wl_err_set(e, WL_E_INVALID_REQUEST, "the alias \"%.64s\""
		    " names a provider: a call for it goes there, and no rule "
		    "is looked at", r->alias);
	for (i = 0; i < r->n; i++) {
		if (r->strategy != WL_ROUTE_LEAST_LATENCY &&
		    r->strategy != WL_ROUTE_LEAST_COST)
			break;
		if ((found = names_provider(ad, r->t[i].model, e)) == -1)
			return -1;
		if (!found)
			return wl_err_set(e, WL_E_INVALID_REQUEST, "\"%.64s\" "
			    "names no provider that there is; \"watchllm "
			    "provider list\" shows them", r->t[i].model);
	}
	return 0;
}

static int
check_flag(struct wl_admin *ad, const char *flag, struct wl_err *e)
{
	struct wl_rows *r;
	int i;

	if (flag[0] == '\0')
		return 0;
	if ((r = wl_db_admin_list(ad->a, WL_DB_FLAGS, NULL, e)) == NULL)
		return -1;
	for (i = 0; i < wl_rows_count(r); i++)
		if (strcmp(wl_rows_get(r, i, 0), flag) == 0)
			return 0;
	return wl_err_set(e, WL_E_INVALID_REQUEST, "there is no flag \"%s\"; "
	    "make it first: \"watchllm flag set %s --percent 0\"", flag, flag);
}

/*
 * Append to RULES, of which there are *N, those of PROJECT, or with NULL those
 * for all, but for SKIP.  What cannot be read is not followed either.
 */
static int
add_rules(struct wl_admin *ad, const char *project, const char *skip,
    struct wl_route_rule *rules, int *n, struct wl_err *e)
{
	struct wl_rows *r = wl_db_admin_list(ad->a, WL_DB_RULES, &project, e);
	struct wl_err bad;
	int i;

	if (r == NULL)
		return -1;
	for (i = 0; i < wl_rows_count(r) && *n < WL_ROUTE_RULES; i++)
		if ((skip == NULL || strcmp(wl_rows_get(r, i, 0), skip) != 0) &&
		    wl_rows_bool(r, i, 3) && wl_route_parse(ad->a,
		    wl_rows_get(r, i, 0), (struct wl_str){
		    wl_rows_get(r, i, 4), wl_rows_len(r, i, 4) },
		    &rules[*n], &bad) == 0)
			++*n;
	return 0;
}

static int
check_loops(struct wl_admin *ad, const char *project,
    const struct wl_route_rule *r, struct wl_err *e)
{
	struct wl_route_rule *rules;
	const char *via;
	int n = 0;

	rules = wl_arena_alloc(ad->a, WL_ROUTE_RULES * sizeof(*rules));
	if (rules == NULL)
		return wl_err_memory(e);
	if (add_rules(ad, NULL, project == NULL ? r->name : NULL, rules, &n,
	    e) == -1 || (project != NULL && add_rules(ad, project, r->name,
	    rules, &n, e) == -1))
		return -1;
	if (!wl_route_loops(r, rules, n, &via))
		return 0;
	return wl_err_set(e, WL_E_INVALID_REQUEST, "the target \"%.64s\" leads "
	    "back to the alias \"%.64s\": let one of these rules name a model",
	    via, r->alias);
}

static int
missing(const char *what, const char *name, struct wl_err *e)
{
	return wl_err_set(e, WL_E_NOT_FOUND, "there is no %s \"%s\"", what,
	    name);
}

int
wl_route_admin_set(struct wl_admin *ad, const char *project,
    const char *name, struct wl_str definition, struct wl_err *e)
{
	struct wl_route_rule r;
	const char *text;
	int64_t version;
	int ret;

	if (check_name("rule", name, e) == -1 ||
	    wl_route_parse(ad->a, name, definition, &r, e) == -1 ||
	    check_providers(ad, &r, e) == -1 ||
	    check_flag(ad, r.flag, e) == -1 ||
	    check_loops(ad, project, &r, e) == -1)
		return -1;
	text = wl_arena_dup(ad->a, definition.p, definition.len);
	if (text == NULL)
		return wl_err_memory(e);
	ret = wl_db_admin_rule_set(ad->a, ad->actor, project, name, text,
	    &version, e);
	if (ret > 0 && project != NULL)
		wl_admin_tell(ad, project, version);
	return ret == 0 ? missing("project", project, e) : ret == -1 ? -1 : 0;
}

int
wl_route_admin_remove(struct wl_admin *ad, const char *project,
    const char *name, struct wl_err *e)
{
	int64_t version;
	int ret;

	ret = wl_db_admin_rule_remove(ad->a, ad->actor, project, name,
	    &version, e);
	if (ret > 0 && project != NULL)
		wl_admin_tell(ad, project, version);
	return ret == 0 ? missing("rule", name, e) : ret == -1 ? -1 : 0;
}

int
wl_route_admin_flag(struct wl_admin *ad, const char *name,
    const char *percent, const char *on, const char *off, struct wl_err *e)
{
	if (check_name("flag", name, e) == -1)
		return -1;
	if (percent != NULL && (strlen(percent) > 6 || percent[0] == '\0' ||
	    strspn(percent, "0123456789.") != strlen(percent)))
		return wl_err_set(e, WL_E_INVALID_REQUEST, "a percentage is a "
		    "number from 0 to 100 with two decimals at most");
	return wl_db_admin_flag_set(ad->a, ad->actor, name, percent, on, off,
	    e) == -1 ? -1 : 0;
}

int
wl_route_admin_flag_remove(struct wl_admin *ad, const char *name,
    struct wl_err *e)
{
	int ret = wl_db_admin_flag_remove(ad->a, ad->actor, name, e);

	return ret == 0 ? missing("flag", name, e) : ret == -1 ? -1 : 0;
}
