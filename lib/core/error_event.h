/*
 * The event that ends a stream with an error.
 */
#ifndef WL_CORE_ERROR_EVENT_H
#define WL_CORE_ERROR_EVENT_H

#include "lib/core/call.h"

struct wl_buf;

/*
 * Append it as clients of API expect it: "data: {...}" with the object of
 * every error answer, what the provider said (RES->refusal) where it said
 * something; of Anthropic's messages "event: error"; of the Responses API "response.failed", behind "response.created"
 * when no event was passed on, where REQUEST_ID stands for the id of a
 * response that has none yet.
 */
void wl_error_event(struct wl_buf *b, enum wl_api api,
    const struct wl_result *res, const char *request_id);

#endif
