/*
 * watchllm route test: what a call would get, and why.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "fcgi/cmd_route.h"
#include "lib/base/arena.h"
#include "lib/base/rand.h"
#include "lib/base/secret.h"
#include "lib/core/admin.h"
#include "lib/core/auth.h"
#include "lib/core/model.h"
#include "lib/core/route.h"
#include "lib/store/pg.h"

#define TOKENS_MAX	1000000000

/*
 * A header of "name: value; name: value", in the command's arena.
 */
struct headers {
	struct wl_arena	*a;
	const char	*text;		/* or NULL */
};

static const char *
header(const void *arg, const char *name)
{
	const struct headers *h = arg;
	struct wl_str rest = wl_str_of(h->text), value, key;

	while (rest.p != NULL) {
		value = wl_str_cut(&rest, ';');
		key = wl_str_cut(&value, ':');
		value = wl_str_trim(value);
		if (wl_str_ieq(wl_str_trim(key), name) && value.p != NULL)
			return wl_arena_dup(h->a, value.p, value.len);
	}
	return NULL;
}

/*
 * Chance that can be had twice: the same draws tell why, and then choose.
 */
static uint64_t	dice;

static uint32_t
below(uint32_t n)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return (uint32_t)(dice * 2685821657736338717ULL >> 33) % n;
}

/*
 * As a key of PROJECT would be known to a worker.
 */
static int
become(struct wl_cli *cli, const char *project, const char *key,
    struct wl_auth *auth, struct wl_err *e)
{
	struct wl_admin ad;
	struct wl_admin_key k;
	struct wl_rows *r;
	const char *s;

	if (wl_cli_admin(cli, &ad, e) == -1 || (key != NULL &&
	    wl_admin_key_find(&ad, project, key, &k, e) == -1) ||
	    wl_admin_auth(&ad, project, key == NULL ? NULL : &k, auth, e) ==
	    -1 || wl_admin_project_find(&ad, project, &r, e) == -1)
		return -1;
	if ((s = wl_rows_get(r, 0, 4)) != NULL)
		(void)wl_strlcpy(auth->default_provider, s,
		    sizeof(auth->default_provider));
	return 0;
}

static void
put_rules(struct wl_cli *cli, const struct wl_verdict *v, int n)
{
	static const struct wl_out_col cols[] = {
		{ "rule", WL_OUT_STR }, { "of", WL_OUT_STR },
		{ "holds", WL_OUT_BOOL }, { "why_not", WL_OUT_STR }
	};
	int i;

	wl_out_table(&cli->out, "rules", cols, 4);
	for (i = 0; i < n; i++)
		wl_out_row(&cli->out, (const char *[]){ v[i].rule,
		    v[i].common ? "all projects" : "the project",
		    v[i].why[0] == '\0' ? "true" : "false",
		    v[i].why[0] == '\0' ? NULL : v[i].why });
	wl_out_table_end(&cli->out);
}

static void
put_targets(struct wl_cli *cli, const struct wl_target *t, int n)
{
	static const struct wl_out_col cols[] = {
		{ "provider", WL_OUT_STR }, { "model", WL_OUT_STR },
		{ "variant", WL_OUT_STR }, { "key", WL_OUT_BOOL }
	};
	int i;

	wl_out_table(&cli->out, "targets", cols, 4);
	for (i = 0; i < n; i++)
		wl_out_row(&cli->out, (const char *[]){ t[i].provider,
		    t[i].model, t[i].variant[0] == '\0' ? NULL : t[i].variant,
		    t[i].key[0] != '\0' ? "true" : "false" });
	wl_out_table_end(&cli->out);
}

static int
tell(struct wl_cli *cli, const struct wl_auth *auth,
    const struct wl_keyring *ring, const char *model,
    const struct wl_route_call *call)
{
	struct wl_target t[WL_TARGETS];
	struct wl_err e = { 0 }, none = { 0 };
	struct wl_routed routed;
	struct wl_verdict *v;
	uint64_t seed;
	int n, nv;

	wl_rand(&seed, sizeof(seed));
	dice = seed |= 1;
	if (wl_model_explain(cli->arena, auth, wl_str_of(model), call, &v,
	    &nv, &e) == -1)
		return wl_cli_fail(cli, &e);
	dice = seed;
	n = wl_model_route(cli->arena, cli->conf, auth, ring,
	    wl_str_of(model), NULL, call, t, &routed, &none);
	if (n == -1 && none.code != WL_E_BYOK_REQUIRED &&
	    none.code != WL_E_MODEL_NOT_FOUND)
		return wl_cli_fail(cli, &none);
	wl_out_obj(&cli->out, NULL);
	wl_out_str(&cli->out, "model", model);
	wl_out_val(&cli->out, "rule", WL_OUT_STR,
	    routed.rule[0] == '\0' ? NULL : routed.rule);
	wl_out_val(&cli->out, "shadow", WL_OUT_STR,
	    routed.shadow[0] == '\0' ? NULL : routed.shadow);
	wl_out_val(&cli->out, "error", WL_OUT_STR, n == -1 ? none.msg : NULL);
	put_rules(cli, v, nv);
	put_targets(cli, t, n == -1 ? 0 : n);
	wl_out_obj_end(&cli->out);
	return WL_EXIT_OK;
}

/*
 * The master keys, or NULL after a warning: then stored keys do not count.
 */
static struct wl_keyring *
load_ring(struct wl_cli *cli)
{
	const char *path = cli->conf->master_key_file;
	struct wl_keyring *ring;
	struct wl_err e;

	if (path[0] == '\0')
		return NULL;
	if ((ring = wl_keyring_load(path, &e)) == NULL)
		wl_cli_warn(cli, "the master keys cannot be read, so no "
		    "provider key counts: run this as the workers' user");
	return ring;
}

int
wl_cmd_route_test(struct wl_cli *cli, int argc, char **argv)
{
	const char *user = NULL, *key = NULL, *api = "chat";
	struct headers headers = { .a = cli->arena };
	struct wl_route_call call = { .header = header, .arg = &headers,
	    .below = below };
	const struct wl_cli_opt opts[] = {
		{ "api", WL_ARG_TEXT, &api, 0, 0, NULL },
		{ "headers", WL_ARG_TEXT, &headers.text, 0, 0, NULL },
		{ "input", WL_ARG_INT, &call.input, 0, TOKENS_MAX, NULL },
		{ "key", WL_ARG_TEXT, &key, 0, 0, NULL },
		{ "max-tokens", WL_ARG_INT, &call.max_tokens, 0, TOKENS_MAX,
		    NULL },
		{ "stream", WL_ARG_FLAG, &call.stream, 0, 0, NULL },
		{ "tags", WL_ARG_TEXT, &call.tags, 0, 0, NULL },
		{ "user", WL_ARG_TEXT, &user, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_keyring *ring;
	struct wl_auth auth;
	int ret;

	if (wl_cli_args(cli, argc, argv, opts, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (!wl_route_api(api, &call.api))
		return wl_cli_misuse(cli, "--api %s: one of " WL_ROUTE_APIS
		    " is wanted", api);
	call.user = wl_str_of(user);
	if (become(cli, argv[1], key, &auth, &e) == -1)
		return wl_cli_fail(cli, &e);
	ring = load_ring(cli);
	ret = tell(cli, &auth, ring, argv[2], &call);
	wl_model_flush();
	wl_keyring_free(ring);
	return ret;
}
