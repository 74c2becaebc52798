/*
 * The body of an error answer, in the shape that clients of an API know.
 */
#ifndef WL_CORE_ERROR_BODY_H
#define WL_CORE_ERROR_BODY_H

#include "lib/core/call.h"

struct wl_buf;

/*
 * Append the object for E with STATUS: OpenAI's {"error": {…}}, of Anthropic's
 * messages {"type": "error", "error": {…}, "request_id"}, whose error has our
 * "code", "param" and "details" beside the type and the message.  REFUSAL,
 * where it is not empty, is what the provider said (struct wl_result) and
 * stands in place of E.
 */
void wl_error_body(struct wl_buf *b, enum wl_api api, const struct wl_err *e,
    int status, struct wl_str refusal, const char *request_id);

/*
 * The API whose errors a request for PATH gets, route or not.
 */
enum wl_api wl_error_api(const char *path);

#endif
