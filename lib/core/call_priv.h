/*
 * What the readers of a body share: call.c reads JSON, call_media.c what only
 * pictures, sounds and rankings have, and forms.  Nobody else includes it.
 */
#ifndef WL_CORE_CALL_PRIV_H
#define WL_CORE_CALL_PRIV_H

#include "lib/core/call.h"

/*
 * Members of a JSON body that only such APIs have.
 */
void wl_ask_media(struct wl_ask *ask);

/*
 * R's body, a form, into *ASK, whose api and body are set.  What is wrong
 * with it is in ASK->fault.
 */
void wl_ask_form(struct wl_ask *ask, const struct wl_req *r);

#endif
