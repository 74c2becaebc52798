/*
 * Reading OpenAI's JSON: what the answers of all its APIs have in common.
 */
#include "config.h"
#include "lib/core/provider_openai.h"

#include <string.h>

#include "lib/base/co.h"
#include "lib/base/json.h"
#include "lib/base/wait.h"
#include "lib/core/call.h"

#define TOKENS_MAX	((int64_t)1000000000)
/* A longer answer is looked through on a helper thread. */
#define OFFLOAD_BYTES	((size_t)256 * 1024)

/* ---- usage ---- */

/*
 * Member KEY of O as a count of tokens, or -1.
 */
static int64_t
count(struct json_object *o, const char *key)
{
	int64_t n;

	if (o == NULL || !wl_json_int(o, key, &n) || n < 0)
		return -1;
	return n < TOKENS_MAX ? n : TOKENS_MAX;
}

static int64_t
first_of(int64_t a, int64_t b)
{
	return a >= 0 ? a : b;
}

static struct json_object *
details(struct json_object *u, const char *name, const char *other)
{
	struct json_object *o = wl_json_obj(u, name);

	return o != NULL ? o : wl_json_obj(u, other);
}

/*
 * What remains of WHOLE when PART (-1: none) is counted apart.  A part larger
 * than its whole is cut to it.
 */
static int64_t
without(int64_t whole, int64_t *part)
{
	if (whole < 0 || *part < 0)
		return whole;
	if (*part > whole)
		*part = whole;
	return whole - *part;
}

void
wl_openai_usage(struct json_object *u, struct wl_usage *out)
{
	struct json_object *in = details(u, "prompt_tokens_details",
	    "input_tokens_details");
	struct json_object *made = details(u, "completion_tokens_details",
	    "output_tokens_details");
	int64_t prompt = first_of(count(u, "prompt_tokens"),
	    count(u, "input_tokens"));
	int64_t completion = first_of(count(u, "completion_tokens"),
	    count(u, "output_tokens"));
	int64_t total = count(u, "total_tokens");
	struct wl_usage r = { .source = WL_U_PROVIDER };

	if (prompt < 0 && completion < 0)
		prompt = total;
	if (prompt < 0 && completion < 0)
		return;
	r.cache_read = first_of(count(in, "cached_tokens"),
	    first_of(count(u, "prompt_cache_hit_tokens"),
	    count(u, "cached_tokens")));
	r.cache_write = first_of(count(in, "cache_write_tokens"),
	    count(in, "cache_creation_tokens"));
	r.reasoning = count(made, "reasoning_tokens");
	r.input = without(prompt, &r.cache_read);
	r.input = without(r.input, &r.cache_write);
	if (r.reasoning > 0 && prompt >= 0 && completion >= 0 &&
	    total == prompt + completion + r.reasoning)
		r.output = completion;
	else
		r.output = without(completion, &r.reasoning);
	*out = r;
}

/* ---- members ---- */

static void
copy(char *dst, size_t size, struct wl_str s)
{
	size_t n = wl_utf8_cut(s.p, s.len, size - 1);

	memcpy(dst, s.p, n);
	dst[n] = '\0';
}

void
wl_openai_member(struct json_object *o, const char *key, char *dst,
    size_t size)
{
	struct wl_str s;

	if (wl_json_str(o, key, &s) && s.len > 0)
		copy(dst, size, s);
}

void
wl_openai_text(struct wl_result *res, struct json_object *o, const char *key,
    bool keep)
{
	struct wl_str s;

	if (!wl_json_str(o, key, &s))
		return;
	res->output_bytes += (int64_t)s.len;
	if (keep)
		wl_result_text(res, s.p, s.len);
}

/* ---- answers as text ---- */

struct outline {
	struct wl_str		 body;
	const char *const	*names;
	struct wl_str		*parts;
	size_t			 n;
	bool			 valid;
};

static void
draw(void *arg)
{
	struct outline *ol = arg;
	struct wl_str name, value;
	size_t i, pos = 0;

	ol->valid = wl_json_scan_depth(ol->body.p, ol->body.len, SIZE_MAX,
	    WL_JSON_DEPTH_MAX) == WL_JSON_OK;
	while (ol->valid && wl_json_next(ol->body.p, ol->body.len, &pos,
	    &name, &value))
		for (i = 0; i < ol->n; i++)
			if (wl_json_is(name, ol->names[i]))
				ol->parts[i] = value;
}

bool
wl_openai_outline(struct wl_str body, const char *const *names,
    struct wl_str *parts, size_t n)
{
	struct outline ol = { body, names, parts, n, false };

	memset(parts, 0, n * sizeof(*parts));
	if (body.len <= OFFLOAD_BYTES || wl_co_self() == NULL ||
	    wl_offload(draw, &ol) == -1)
		draw(&ol);
	return ol.valid;
}

struct json_object *
wl_openai_parse(struct wl_arena *a, struct wl_str part)
{
	return part.p == NULL ? NULL :
	    wl_json_parse(a, part.p, part.len, NULL);
}

void
wl_openai_copy(struct wl_arena *a, struct wl_str part, char *dst, size_t size)
{
	struct json_object *o;

	/* json-c's setting up costs more than such a part */
	if (part.len >= 2 && part.p[0] == '"' &&
	    wl_json_plain(part.p + 1, part.len - 2) == part.len - 2) {
		copy(dst, size, (struct wl_str){ part.p + 1, part.len - 2 });
		return;
	}
	o = wl_openai_parse(a, part);
	if (json_object_is_type(o, json_type_string))
		copy(dst, size, (struct wl_str){ json_object_get_string(o),
		    (size_t)json_object_get_string_len(o) });
}
