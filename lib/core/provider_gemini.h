/*
 * Parts of Gemini's wire format, as Google publishes it ("Gemini API",
 * v1beta: models.generateContent, streamGenerateContent, batchEmbedContents;
 * the types of google-genai).
 */
#ifndef WL_CORE_PROVIDER_GEMINI_H
#define WL_CORE_PROVIDER_GEMINI_H

#include "lib/core/provider.h"

struct wl_jw;

/*
 * The body of generateContent for chat ASK at T; that of batchEmbedContents
 * for an embedding, of MODEL.  0, or -1 with *E.
 */
int wl_gemini_chat(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_jw *w, struct wl_err *e);
int wl_gemini_embed(const struct wl_ask *ask, const char *model,
    struct wl_jw *w, struct wl_err *e);

/*
 * As in struct wl_provider.
 */
int wl_gemini_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res);
enum wl_chunk wl_gemini_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay);
void wl_gemini_ended(const struct wl_ask *ask, const struct wl_target *t,
    struct wl_result *res, struct wl_relay *relay);
void wl_gemini_error(struct wl_arena *a, const struct wl_target *t,
    int status, struct wl_str body, struct wl_result *res);

#endif
