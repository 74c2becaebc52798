/*
 * Parts of OpenAI's wire format.
 */
#ifndef WL_CORE_PROVIDER_OPENAI_H
#define WL_CORE_PROVIDER_OPENAI_H

#include "lib/core/provider.h"

struct json_object;

/*
 * The header that carries the key of T into *OUT, wiped with A; NULL: none is
 * sent.  0, or -1: no memory.
 */
int wl_openai_key_header(struct wl_arena *a, const struct wl_target *t,
    char **out);

/*
 * The usage object U in disjoint classes, under the names of any of the APIs;
 * *OUT stays when there is nothing in it.  Some hosts (xAI) count reasoning
 * beside the completion, not in it: their total tells.
 */
void wl_openai_usage(struct json_object *u, struct wl_usage *out);

/*
 * String KEY of O, when it is there and not empty, cut to SIZE, into DST.
 */
void wl_openai_member(struct json_object *o, const char *key, char *dst,
    size_t size);

/*
 * String KEY of O is generated text: counted, and gathered when KEEP.
 */
void wl_openai_text(struct wl_result *res, struct json_object *o,
    const char *key, bool keep);

/*
 * The values of the N members NAMES of the object BODY, as text, into PARTS
 * (p NULL: absent): an answer may be millions of numbers that nobody here
 * wants parsed.  Whether BODY is JSON, of up to WL_JSON_DEPTH_MAX levels: an
 * answer repeats a request within it.  parse() and copy() read such a part;
 * of one that is absent or of another type, NULL and nothing.
 */
bool wl_openai_outline(struct wl_str body, const char *const *names,
    struct wl_str *parts, size_t n);
struct json_object *wl_openai_parse(struct wl_arena *a, struct wl_str part);
void wl_openai_copy(struct wl_arena *a, struct wl_str part, char *dst,
    size_t size);

/*
 * The request for ASK at T to URL (NULL: no memory).  0, or -1 with *E.
 */
int wl_openai_post(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, const char *url,
    struct wl_upcall *u, struct wl_err *e);

/*
 * As in struct wl_provider.
 */
int wl_openai_answer(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res);
enum wl_chunk wl_openai_chunk(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str data, struct wl_result *res,
    struct wl_relay *relay);
void wl_openai_skimmed(const struct wl_ask *ask, struct wl_str head,
    struct wl_result *res);
void wl_openai_error(struct wl_arena *a, const struct wl_target *t,
    int status, struct wl_str body, struct wl_result *res);
int wl_openai_list(struct wl_arena *a, const struct wl_target *t,
    struct wl_upcall *u, struct wl_err *e);
int wl_openai_listed(struct wl_arena *a, struct wl_str body,
    struct wl_model_item **v, int *n);

/*
 * The Content-Type of ASK's body and what it accepts, as two headers.  0, or
 * -1: no memory.
 */
int wl_openai_types(struct wl_arena *a, const struct wl_ask *ask,
    const char *headers[2]);

/*
 * As answer() and chunk() in struct wl_provider, of pictures, sounds and
 * rankings.
 */
int wl_openai_media(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, struct wl_str body, struct wl_result *res);
enum wl_chunk wl_openai_media_event(struct wl_arena *a,
    const struct wl_ask *ask, const struct wl_target *t, struct wl_str data,
    struct wl_result *res);

/*
 * The same of the Responses API.
 */
int wl_openai_response(struct wl_arena *a, const struct wl_target *t,
    struct wl_str body, struct wl_result *res);
void wl_openai_response_skimmed(struct wl_str head, struct wl_result *res);
enum wl_chunk wl_openai_response_event(struct wl_arena *a,
    const struct wl_target *t, struct wl_str data, struct wl_result *res);

#endif
