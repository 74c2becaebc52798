/*
 * The models that a key can call, as OpenAI's API lists them, or as Anthropic's
 * where the request is one of that.
 */
#include "config.h"
#include "fcgi/h_models.h"

#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/model.h"
#include "lib/core/models.h"

#define BODY_MAX	((size_t)8 * 1024 * 1024)

/*
 * A list in the making.
 */
struct listing {
	struct wl_jw	 w;
	bool		 anthropic;
	const char	*first, *last;	/* ids; NULL: there are none */
};

static void
begin(struct listing *l, const struct wl_ctx *ctx, struct wl_buf *b)
{
	*l = (struct listing){ .anthropic = wl_req_header(&ctx->req,
	    "anthropic-version") != NULL };
	wl_jw_init(&l->w, b);
}

static void
put(struct listing *l, const char *id, int64_t created, const char *owned_by)
{
	struct wl_jw *w = &l->w;
	char at[25];

	if (l->first == NULL)
		l->first = id;
	l->last = id;
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "id", id);
	if (l->anthropic) {
		wl_clock_rfc3339(created * 1000, at);
		wl_jw_str(w, "type", "model");
		wl_jw_str(w, "display_name", id);
		wl_jw_str(w, "created_at", at);
	} else {
		wl_jw_str(w, "object", "model");
		wl_jw_int(w, "created", created);
		wl_jw_str(w, "owned_by", owned_by);
	}
	wl_jw_end(w, '}');
}

static void
put_model(struct listing *out, const char *id, const struct wl_model_list *l,
    const struct wl_model_item *m)
{
	put(out, id, m->created, m->owned_by[0] != '\0' ? m->owned_by :
	    l->provider);
}

/*
 * A name of a rule of routing: what answers is not one model.
 */
static void
put_alias(struct listing *out, const struct wl_alias *alias)
{
	put(out, alias->name, alias->created_ms / 1000, "watchllm");
}

static int
aliases(struct wl_ctx *ctx, struct wl_alias **v, int *n)
{
	return wl_model_aliases(ctx->arena, ctx->auth, v, n, &ctx->err);
}

static bool
is_alias(const struct wl_alias *v, int n, const char *id)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].name, id) == 0)
			return true;
	return false;
}

/*
 * A model that is also an alias is listed once, as that: a call for it goes
 * by the rule.
 */
static int
put_list(struct wl_ctx *ctx, struct listing *out, const struct wl_model_list *l,
    const struct wl_alias *alias, int naliases)
{
	const char *id;
	int j;

	for (j = 0; j < l->n; j++) {
		id = l->plain ? l->v[j].name : wl_arena_printf(ctx->arena,
		    "%s/%s", l->provider, l->v[j].name);
		if (id == NULL)
			return wl_err_memory(&ctx->err);
		if (!is_alias(alias, naliases, id))
			put_model(out, id, l, &l->v[j]);
	}
	return 0;
}

static int
lists(struct wl_ctx *ctx, struct wl_model_list **l, int *n)
{
	return wl_models_list(ctx->arena, ctx->conf, ctx->auth, ctx->keyring,
	    ctx->req.provider_key, l, n, &ctx->err);
}

int
wl_h_models_get(struct wl_ctx *ctx)
{
	struct wl_model_list *l;
	struct wl_alias *alias;
	struct listing out;
	struct wl_buf b;
	int i, n, naliases;

	if (aliases(ctx, &alias, &naliases) == -1 ||
	    lists(ctx, &l, &n) == -1)
		return -1;
	wl_buf_init(&b, BODY_MAX);
	begin(&out, ctx, &b);
	wl_jw_obj(&out.w, NULL);
	if (!out.anthropic)
		wl_jw_str(&out.w, "object", "list");
	wl_jw_arr(&out.w, "data");
	for (i = 0; i < naliases; i++)
		put_alias(&out, &alias[i]);
	for (i = 0; i < n; i++)
		if (put_list(ctx, &out, &l[i], alias, naliases) == -1) {
			wl_buf_free(&b);
			return -1;
		}
	wl_jw_end(&out.w, ']');
	if (out.anthropic) {
		wl_jw_bool(&out.w, "has_more", false);
		wl_jw_str(&out.w, "first_id", out.first);
		wl_jw_str(&out.w, "last_id", out.last);
	}
	wl_jw_end(&out.w, '}');
	wl_serve_json(ctx, 200, &b);
	return 0;
}

/*
 * ctx->id among the aliases, put into B: 1, 0: it is none, or -1.
 */
static int
find_alias(struct wl_ctx *ctx, struct wl_buf *b)
{
	struct wl_alias *alias;
	struct listing out;
	int i, n;

	if (aliases(ctx, &alias, &n) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (strcmp(alias[i].name, ctx->id) == 0)
			break;
	if (i == n)
		return 0;
	begin(&out, ctx, b);
	put_alias(&out, &alias[i]);
	return 1;
}

static int
find_model(struct wl_ctx *ctx, struct wl_buf *b)
{
	const struct wl_model_item *m;
	const struct wl_model_list *one;
	struct wl_model_list *l;
	struct listing out;
	int n, found;

	if (lists(ctx, &l, &n) == -1)
		return -1;
	found = wl_models_find(ctx->arena, ctx->conf, ctx->auth, ctx->keyring,
	    ctx->req.provider_key, wl_str_of(ctx->id), l, n, &one, &m,
	    &ctx->err);
	if (found == 1) {
		begin(&out, ctx, b);
		put_model(&out, ctx->id, one, m);
	}
	return found;
}

int
wl_h_model_get(struct wl_ctx *ctx)
{
	struct wl_buf b;
	int found;

	wl_buf_init(&b, BODY_MAX);
	if ((found = find_alias(ctx, &b)) == 0)
		found = find_model(ctx, &b);
	if (found == 1) {
		wl_serve_json(ctx, 200, &b);
		return 0;
	}
	wl_buf_free(&b);
	if (found == 0) {
		wl_err_set(&ctx->err, WL_E_MODEL_NOT_FOUND, NULL);
		ctx->err.param = "model";
	}
	return -1;
}
