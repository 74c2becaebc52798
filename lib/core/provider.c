/*
 * The wire formats.
 */
#include "config.h"
#include "lib/core/provider.h"

#include <string.h>

const struct wl_provider *const wl_providers[] = {
	&wl_provider_anthropic,
	&wl_provider_openai,
	NULL
};

const struct wl_provider *
wl_provider_find(const char *wire)
{
	size_t i;

	for (i = 0; wl_providers[i] != NULL; i++)
		if (strcmp(wl_providers[i]->wire, wire) == 0)
			return wl_providers[i];
	return NULL;
}

bool
wl_provider_translates(const struct wl_provider *p, enum wl_api api)
{
	return (p->native & WL_APIS(api)) == 0;
}
