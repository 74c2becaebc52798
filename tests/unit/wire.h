/*
 * What tests of wire formats that translate have in common: a request as it
 * is sent, an answer and a stream as the client gets them.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "lib/core/provider.h"
#include "lib/core/model.h"

extern struct wl_target	 wire_target;
extern struct wl_ask	 wire_ask;
extern struct wl_upcall	 wire_up;
extern struct wl_result	 wire_res;
extern struct wl_err	 wire_err;
extern struct wl_arena	*wire_arena;

/*
 * Begin anew with WIRE, at https://api.example/v1 with the key "secret-key".
 */
void wire_reset(const struct wl_provider *wire, const char *model,
    const char *auth);

/*
 * The body that is sent for BODY, whose text lives until the next reset;
 * NULL: it was refused, and wire_err tells.
 */
const char *wire_request(enum wl_api api, const char *body);

/*
 * Whether BODY is refused as a chat for PARAM.
 */
bool wire_refuses(const char *body, const char *param);
bool wire_has_header(const char *line);

/*
 * What the client gets for the provider's answer to the last request, with
 * 0 for times and "ID" for what was made up; NULL: it is none.
 */
const char *wire_answer(const char *body);

/*
 * The same for LEN bytes of a stream in pieces of each size, which must give
 * the same; *STATE is how it ends.
 */
const char *wire_stream(const char *p, size_t len, int *state);

#endif
