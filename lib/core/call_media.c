/*
 * Reading requests for pictures, sounds and rankings.
 */
#include "config.h"
#include "lib/core/call_priv.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/base/num.h"
#include "lib/http/multipart.h"
#include "lib/http/req.h"

/* Most bytes of a field that is a word or a number. */
#define FIELD_MAX	((size_t)256)
#define USER_MAX	((size_t)256)
/* Nobody draws more at once. */
#define CHOICES_MAX	100

/*
 * Whether the API has streams that its member "stream" asks for.
 */
static bool
streams(enum wl_api api)
{
	return api == WL_API_IMAGES || api == WL_API_IMAGE_EDITS ||
	    api == WL_API_TRANSCRIPTIONS;
}

static int64_t
count_points(struct wl_str s)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
set_choices(struct wl_ask *ask, int64_t n)
{
	ask->choices = n < 1 ? 1 : n > CHOICES_MAX ? CHOICES_MAX : n;
}

void
wl_ask_media(struct wl_ask *ask)
{
	struct wl_str s;
	int64_t n;

	ask->stream = ask->stream && streams(ask->api);
	if (ask->api == WL_API_SPEECH &&
	    wl_json_str(ask->json, "stream_format", &s))
		ask->stream = wl_str_eq(s, "sse");
	if (ask->api == WL_API_SPEECH && wl_json_str(ask->json, "input", &s))
		ask->characters = count_points(s);
	if (wl_json_int(ask->json, "n", &n))
		set_choices(ask, n);
}

/* ---- forms ---- */

/*
 * The fields that the gate reads; none may come twice, or as a file.
 */
enum field { F_MODEL, F_N, F_PROMPT, F_STREAM, F_USER, F_MAX };
static const char *const names[] = { "model", "n", "prompt", "stream",
    "user" };
_Static_assert(sizeof(names) / sizeof(names[0]) == F_MAX,
    "a name for every field");

static void
refuse(struct wl_ask *ask, const char *name, const char *what)
{
	wl_err_set(&ask->fault, WL_E_INVALID_REQUEST, "\"%s\" %s.", name,
	    what);
	ask->fault.param = name;
}

static bool
is_true(struct wl_str s)
{
	return wl_str_ieq(s, "true") || wl_str_eq(s, "1") ||
	    wl_str_ieq(s, "on") || wl_str_ieq(s, "yes");
}

static void
take_field(struct wl_ask *ask, enum field f, struct wl_str v)
{
	int64_t n;

	if (f != F_PROMPT && v.len > FIELD_MAX && f != F_USER) {
		refuse(ask, names[f], "is too long");
		return;
	}
	if (!wl_utf8_valid(v.p, v.len)) {
		refuse(ask, names[f], "is not valid UTF-8");
		return;
	}
	switch (f) {
	case F_MODEL:
		ask->model = v;
		break;
	case F_N:
		if (wl_num_parse(v.p, v.len, 0, INT32_MAX, &n) == 0)
			set_choices(ask, n);
		break;
	case F_PROMPT:
		ask->prompt = v;
		ask->input_estimate = wl_tokens_estimate((int64_t)v.len);
		break;
	case F_STREAM:
		ask->stream = streams(ask->api) && is_true(v);
		break;
	case F_USER:
		ask->user = (struct wl_str){ v.p, wl_utf8_cut(v.p, v.len,
		    USER_MAX) };
		break;
	case F_MAX:
		break;
	}
}

static void
take_part(struct wl_ask *ask, const struct wl_part *part, unsigned *seen)
{
	int f;

	for (f = 0; f < F_MAX; f++)
		if (wl_str_ieq(part->name, names[f]))
			break;
	if (f == F_MAX || ask->fault.code != WL_OK)
		return;
	if (!wl_str_eq(part->name, names[f]) || part->file ||
	    (*seen & 1u << f) != 0) {
		refuse(ask, names[f], "must be one field, no file, and "
		    "written in lower case");
		return;
	}
	*seen |= 1u << f;
	take_field(ask, (enum field)f, part->body);
}

static bool
is_plain(struct wl_str boundary)
{
	size_t i;

	for (i = 0; i < boundary.len; i++)
		if (strchr("(),/:=? ", boundary.p[i]) != NULL)
			return false;
	return true;
}

void
wl_ask_form(struct wl_ask *ask, const struct wl_req *r)
{
	struct wl_str b;
	struct wl_multipart m;
	struct wl_part part;
	unsigned seen = 0;
	int rc;

	if (wl_multipart_init(&m, wl_req_header(r, "content-type"),
	    r->body.p == NULL ? WL_STR("") : r->body) == -1) {
		wl_err_set(&ask->fault, WL_E_UNSUPPORTED_MEDIA,
		    "The Content-Type has no valid boundary.");
		return;
	}
	while ((rc = wl_multipart_next(&m, &part)) == 1)
		take_part(ask, &part, &seen);
	if (rc == -1) {
		wl_err_set(&ask->fault, WL_E_INVALID_REQUEST,
		    "The request body is not valid multipart/form-data.");
		return;
	}
	b = wl_multipart_boundary(&m);
	ask->form_type = wl_arena_printf(r->arena, is_plain(b) ?
	    "multipart/form-data; boundary=%.*s" :
	    "multipart/form-data; boundary=\"%.*s\"", (int)b.len, b.p);
	if (ask->form_type == NULL)
		(void)wl_err_memory(&ask->fault);
}
