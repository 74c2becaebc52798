/*
 * Administration and billing that do nothing, for tests of the line of a request, which
 * have no stores.
 */
#include "config.h"
#include "fcgi/h_admin.h"
#include "fcgi/h_billing.h"

#define NOTHING(name) \
	int wl_h_admin_##name(struct wl_ctx *ctx) \
	{ \
		(void)ctx; \
		return 0; \
	}

NOTHING(audit_get)
NOTHING(audit_verify_get)
NOTHING(key_delete)
NOTHING(key_get)
NOTHING(key_rotate_post)
NOTHING(keys_get)
NOTHING(keys_post)
NOTHING(plan_get)
NOTHING(plan_patch)
NOTHING(plans_get)
NOTHING(plans_post)
NOTHING(prices_get)
NOTHING(prices_post)
NOTHING(project_get)
NOTHING(project_patch)
NOTHING(projects_get)
NOTHING(projects_post)
NOTHING(provider_key_delete)
NOTHING(provider_key_get)
NOTHING(provider_keys_get)
NOTHING(provider_keys_post)
NOTHING(usage_add_post)
NOTHING(usage_get)
NOTHING(usage_list_get)
NOTHING(usage_patch)

int
wl_h_billing_stripe_post(struct wl_ctx *ctx)
{
	(void)ctx;
	return 0;
}
