/*
 * Parts of Amazon Bedrock's wire format: Converse and ConverseStream (the
 * service model of botocore, "bedrock-runtime" 2023-09-30).
 */
#ifndef WL_CORE_PROVIDER_BEDROCK_H
#define WL_CORE_PROVIDER_BEDROCK_H

#include "lib/core/provider.h"

struct wl_jw;

/*
 * The body of Converse for ASK.  0, or -1 with *E.
 */
int wl_bedrock_chat(struct wl_arena *a, const struct wl_ask *ask,
    struct wl_jw *w, struct wl_err *e);

/*
 * As in struct wl_provider.  Each message of the event stream
 * (application/vnd.amazon.eventstream: "Amazon event stream encoding") is an
 * event {"type": ..., "body": ...}; of an exception with its "name".
 */
int wl_bedrock_unframe(struct wl_relay *relay, const char *p, size_t len,
    struct wl_buf *sse);
int wl_bedrock_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res);
enum wl_chunk wl_bedrock_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay);
void wl_bedrock_ended(const struct wl_ask *ask, const struct wl_target *t,
    struct wl_result *res, struct wl_relay *relay);

#endif
