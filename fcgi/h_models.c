/*
 * The models that a key can call, as OpenAI's API lists them.
 */
#include "config.h"
#include "fcgi/h_models.h"

#include <string.h>

#include "fcgi/ctx.h"
#include "fcgi/serve.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/json.h"
#include "lib/core/models.h"

#define BODY_MAX	((size_t)8 * 1024 * 1024)

static void
put_model(struct wl_jw *w, const char *id, const struct wl_model_list *l,
    const struct wl_model_item *m)
{
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "id", id);
	wl_jw_str(w, "object", "model");
	wl_jw_int(w, "created", m->created);
	wl_jw_str(w, "owned_by", m->owned_by[0] != '\0' ? m->owned_by :
	    l->provider);
	wl_jw_end(w, '}');
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
	const char *id;
	struct wl_buf b;
	struct wl_jw w;
	int i, j, n;

	if (lists(ctx, &l, &n) == -1)
		return -1;
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "object", "list");
	wl_jw_arr(&w, "data");
	for (i = 0; i < n; i++)
		for (j = 0; j < l[i].n; j++) {
			id = l[i].plain ? l[i].v[j].name : wl_arena_printf(
			    ctx->arena, "%s/%s", l[i].provider, l[i].v[j].name);
			if (id == NULL) {
				wl_buf_free(&b);
				return wl_err_memory(&ctx->err);
			}
			put_model(&w, id, &l[i], &l[i].v[j]);
		}
	wl_jw_end(&w, ']');
	wl_jw_end(&w, '}');
	wl_serve_json(ctx, 200, &b);
	return 0;
}

int
wl_h_model_get(struct wl_ctx *ctx)
{
	const struct wl_model_item *m;
	const struct wl_model_list *one;
	struct wl_model_list *l;
	struct wl_buf b;
	struct wl_jw w;
	int n, found;

	if (lists(ctx, &l, &n) == -1)
		return -1;
	found = wl_models_find(ctx->arena, ctx->conf, ctx->auth, ctx->keyring,
	    ctx->req.provider_key, wl_str_of(ctx->id), l, n, &one, &m,
	    &ctx->err);
	if (found == 0) {
		wl_err_set(&ctx->err, WL_E_MODEL_NOT_FOUND, NULL);
		ctx->err.param = "model";
	}
	if (found != 1)
		return -1;
	wl_buf_init(&b, BODY_MAX);
	wl_jw_init(&w, &b);
	put_model(&w, ctx->id, one, m);
	wl_serve_json(ctx, 200, &b);
	return 0;
}
