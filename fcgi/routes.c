/*
 * The route table: one row a route, the policy in the row.
 */
#include "config.h"
#include "fcgi/ctx.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/h_admin.h"
#include "fcgi/h_billing.h"
#include "fcgi/h_cache.h"
#include "fcgi/h_chat.h"
#include "fcgi/h_estimate.h"
#include "fcgi/h_health.h"
#include "fcgi/h_models.h"
#include "fcgi/h_prometheus.h"
#include "fcgi/h_responses.h"
#include "fcgi/h_usage.h"
#include "lib/base/arena.h"

#define OPEN		WL_WHO_OPEN, 0, WL_LIMITER_NONE, WL_API_MAX
#define ADMIN		WL_WHO_ADMIN, 0, WL_LIMITER_NONE, WL_API_MAX
#define OPERATOR	WL_WHO_OPERATOR, 0, WL_LIMITER_NONE, WL_API_MAX
#define KEY(scope)	WL_WHO_KEY, scope, WL_LIMITER_NONE, WL_API_MAX
#define GATEWAY(api)	WL_WHO_KEY, WL_SCOPE_GATEWAY, WL_LIMITER_GATEWAY, api
#define SMALL		((int64_t)64 * 1024)
#define WEBHOOK		((int64_t)256 * 1024)
#define PRICES		((int64_t)8 * 1024 * 1024)
#define ALIVE		"Whether this process answers."

const struct wl_route wl_routes[] = {
	{ WL_GET, "/health", wl_h_health_get, OPEN, 0, ALIVE },
	{ WL_GET, "/observability/health", wl_h_health_get, OPEN, 0, ALIVE },
	{ WL_GET, "/observability/prometheus", wl_h_prometheus_get, OPERATOR, 0,
	    "Figures of all workers of this host, for Prometheus." },
	{ WL_GET, "/v1/admin/audit", wl_h_admin_audit_get, ADMIN, 0,
	    "Who changed what, the newest first." },
	{ WL_GET, "/v1/admin/audit/verify", wl_h_admin_audit_verify_get, ADMIN,
	    0, "Whether the audit log is as it was written." },
	{ WL_GET, "/v1/admin/keys", wl_h_admin_keys_get, ADMIN, 0,
	    "Keys of projects." },
	{ WL_POST, "/v1/admin/keys", wl_h_admin_keys_post, ADMIN, SMALL,
	    "Make a key." },
	{ WL_GET, "/v1/admin/keys/{id}", wl_h_admin_key_get, ADMIN, 0,
	    "One of them." },
	{ WL_DELETE, "/v1/admin/keys/{id}", wl_h_admin_key_delete, ADMIN, 0,
	    "Revoke a key." },
	{ WL_POST, "/v1/admin/keys/{id}/rotate", wl_h_admin_key_rotate_post,
	    ADMIN, SMALL, "Replace a key by a new one." },
	{ WL_GET, "/v1/admin/plans", wl_h_admin_plans_get, ADMIN, 0,
	    "Plans and their limits." },
	{ WL_POST, "/v1/admin/plans", wl_h_admin_plans_post, ADMIN, SMALL,
	    "Make a plan." },
	{ WL_GET, "/v1/admin/plans/{id}", wl_h_admin_plan_get, ADMIN, 0,
	    "One of them." },
	{ WL_PATCH, "/v1/admin/plans/{id}", wl_h_admin_plan_patch, ADMIN,
	    SMALL, "Change a plan." },
	{ WL_GET, "/v1/admin/prices", wl_h_admin_prices_get, ADMIN, 0,
	    "The prices that hold." },
	{ WL_POST, "/v1/admin/prices", wl_h_admin_prices_post, ADMIN, PRICES,
	    "Import a price list." },
	{ WL_GET, "/v1/admin/projects", wl_h_admin_projects_get, ADMIN, 0,
	    "Projects." },
	{ WL_POST, "/v1/admin/projects", wl_h_admin_projects_post, ADMIN,
	    SMALL, "Make a project." },
	{ WL_GET, "/v1/admin/projects/{id}", wl_h_admin_project_get, ADMIN, 0,
	    "One of them." },
	{ WL_PATCH, "/v1/admin/projects/{id}", wl_h_admin_project_patch, ADMIN,
	    SMALL, "Change a project." },
	{ WL_GET, "/v1/admin/provider-keys", wl_h_admin_provider_keys_get,
	    ADMIN, 0, "Projects' own keys for providers, without the keys." },
	{ WL_POST, "/v1/admin/provider-keys", wl_h_admin_provider_keys_post,
	    ADMIN, SMALL, "Store a provider key." },
	{ WL_GET, "/v1/admin/provider-keys/{id}", wl_h_admin_provider_key_get,
	    ADMIN, 0, "One of them." },
	{ WL_DELETE, "/v1/admin/provider-keys/{id}",
	    wl_h_admin_provider_key_delete, ADMIN, 0,
	    "Remove a provider key." },
	{ WL_GET, "/v1/admin/usage", wl_h_admin_usage_list_get, ADMIN, 0,
	    "What each project has used of its month." },
	{ WL_GET, "/v1/admin/usage/{id}", wl_h_admin_usage_get, ADMIN, 0,
	    "Limits of a project, and what is used of them." },
	{ WL_PATCH, "/v1/admin/usage/{id}", wl_h_admin_usage_patch, ADMIN,
	    SMALL, "Set what a project has used." },
	{ WL_POST, "/v1/admin/usage/{id}/add", wl_h_admin_usage_add_post,
	    ADMIN, SMALL, "Add calls to what a project has used." },
	{ WL_POST, "/v1/audio/speech", wl_h_chat_post,
	    GATEWAY(WL_API_SPEECH), WL_BODY,
	    "Speech from a text." },
	{ WL_POST, "/v1/audio/transcriptions", wl_h_chat_post,
	    GATEWAY(WL_API_TRANSCRIPTIONS), WL_BODY_UPLOAD,
	    "The text of a recording." },
	{ WL_POST, "/v1/audio/translations", wl_h_chat_post,
	    GATEWAY(WL_API_TRANSLATIONS), WL_BODY_UPLOAD,
	    "The text of a recording, in English." },
	{ WL_POST, "/v1/billing/stripe", wl_h_billing_stripe_post, OPEN,
	    WEBHOOK, "Events of Stripe, which move projects between plans." },
	{ WL_DELETE, "/v1/cache/entries/{id}", wl_h_cache_entry_delete,
	    KEY(WL_SCOPE_GATEWAY), 0, "Forget a cached answer." },
	{ WL_POST, "/v1/cache/feedback", wl_h_cache_feedback_post,
	    KEY(WL_SCOPE_GATEWAY), 4096, "Whether a cached answer was right." },
	{ WL_POST, "/v1/cache/purge", wl_h_cache_purge_post,
	    KEY(WL_SCOPE_ADMIN), 4096, "Forget all cached answers." },
	{ WL_GET, "/v1/cache/stats", wl_h_cache_stats_get,
	    KEY(WL_SCOPE_GATEWAY), 0, "Figures of the cache." },
	{ WL_POST, "/v1/chat/completions", wl_h_chat_post,
	    GATEWAY(WL_API_CHAT), -1, "A chat completion." },
	{ WL_POST, "/v1/completions", wl_h_chat_post,
	    GATEWAY(WL_API_COMPLETIONS), -1, "A text completion." },
	{ WL_POST, "/v1/embeddings", wl_h_chat_post,
	    GATEWAY(WL_API_EMBEDDINGS), -1, "Embeddings of texts." },
	{ WL_POST, "/v1/estimate", wl_h_estimate_post, KEY(WL_SCOPE_GATEWAY),
	    -1, "What a request would use and cost, and whether it would be"
	    " admitted." },
	{ WL_GET, "/v1/health", wl_h_health_get, OPEN, 0, ALIVE },
	{ WL_GET, "/v1/health/detailed", wl_h_health_detailed_get, OPERATOR, 0,
	    "The state of each dependency." },
	{ WL_POST, "/v1/images/edits", wl_h_chat_post,
	    GATEWAY(WL_API_IMAGE_EDITS), WL_BODY_UPLOAD,
	    "Pictures from pictures and a text." },
	{ WL_POST, "/v1/images/generations", wl_h_chat_post,
	    GATEWAY(WL_API_IMAGES), WL_BODY,
	    "Pictures from a text." },
	{ WL_POST, "/v1/images/variations", wl_h_chat_post,
	    GATEWAY(WL_API_IMAGE_VARIATIONS), WL_BODY_UPLOAD,
	    "Pictures like a picture." },
	{ WL_POST, "/v1/messages", wl_h_chat_post,
	    GATEWAY(WL_API_MESSAGES), -1, "A message, as Anthropic has it." },
	{ WL_POST, "/v1/messages/count_tokens", wl_h_chat_post,
	    GATEWAY(WL_API_COUNT_TOKENS), -1,
	    "How many tokens a message's prompt has." },
	{ WL_GET, "/v1/models", wl_h_models_get, KEY(WL_SCOPE_GATEWAY), 0,
	    "The models that the project can call." },
	{ WL_GET, "/v1/models/{model}", wl_h_model_get, KEY(WL_SCOPE_GATEWAY), 0,
	    "One of them." },
	{ WL_POST, "/v1/rerank", wl_h_chat_post,
	    GATEWAY(WL_API_RERANK), WL_BODY,
	    "Documents in the order of their relevance." },
	{ WL_POST, "/v1/responses", wl_h_chat_post,
	    GATEWAY(WL_API_RESPONSES), -1, "A response." },
	{ WL_GET, "/v1/responses/{id}", wl_h_responses_get,
	    KEY(WL_SCOPE_GATEWAY), 0, "A stored response." },
	{ WL_DELETE, "/v1/responses/{id}", wl_h_responses_delete,
	    KEY(WL_SCOPE_GATEWAY), 0, "Delete a stored response." },
	{ WL_POST, "/v1/responses/{id}/cancel", wl_h_responses_cancel,
	    KEY(WL_SCOPE_GATEWAY), 0, "Cancel a response that runs." },
	{ WL_GET, "/v1/responses/{id}/input_items", wl_h_responses_items,
	    KEY(WL_SCOPE_GATEWAY), 0, "What a stored response was asked." },
	{ WL_GET, "/v1/usage", wl_h_usage_get, KEY(0), 0,
	    "Limits of the project and the key, and what is used of them." },
	{ .path = NULL }
};
_Static_assert(sizeof(wl_routes) / sizeof(wl_routes[0]) - 1 <= WL_ROUTES_MAX,
    "WL_ROUTES_MAX is too small");

/*
 * Whether PATH is what PATTERN says; *ID gets the piece that stands for {id},
 * or the rest that stands for {model}: names of models have slashes.
 */
static bool
matches(const char *pattern, const char *path, struct wl_str *id)
{
	const char *mark = strchr(pattern, '{'), *tail;
	size_t head, len;

	*id = WL_STR("");
	if (mark == NULL)
		return strcmp(pattern, path) == 0;
	head = (size_t)(mark - pattern);
	if (strncmp(pattern, path, head) != 0)
		return false;
	path += head;
	tail = strchr(mark, '}') + 1;
	len = strncmp(mark, "{model}", 7) == 0 ? strlen(path) :
	    strcspn(path, "/");
	if (len == 0 || strcmp(path + len, tail) != 0)
		return false;
	*id = (struct wl_str){ path, len };
	return true;
}

static void
add(char allow[64], const char *method)
{
	size_t n = strlen(allow);

	snprintf(allow + n, 64 - n, "%s%s", n == 0 ? "" : ", ", method);
}

/*
 * Whether a row for OWN serves requests of METHOD.
 */
static bool
serves(enum wl_method own, enum wl_method method)
{
	return own == method || method == WL_OPTIONS ||
	    (own == WL_GET && method == WL_HEAD);
}

const struct wl_route *
wl_route_find(struct wl_arena *a, enum wl_method method, const char *path,
    char **id, char allow[64], struct wl_err *e)
{
	const struct wl_route *r, *found = NULL;
	struct wl_str piece;

	*id = NULL;
	allow[0] = '\0';
	for (r = wl_routes; r->path != NULL; r++) {
		if (!matches(r->path, path, &piece))
			continue;
		add(allow, wl_method_name(r->method));
		if (r->method == WL_GET)
			add(allow, wl_method_name(WL_HEAD));
		if (!serves(r->method, method) || found != NULL)
			continue;
		found = r;
		if (piece.len > 0)
			*id = wl_arena_dup(a, piece.p, piece.len);
	}
	if (allow[0] == '\0') {
		wl_err_set(e, WL_E_NOT_FOUND, NULL);
		return NULL;
	}
	add(allow, wl_method_name(WL_OPTIONS));
	if (found == NULL)
		wl_err_set(e, WL_E_METHOD, NULL);
	return found;
}
