/*
 * Writing lists of embeddings.
 */
#include "config.h"
#include "lib/core/embed_out.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/co.h"
#include "lib/base/enc.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/base/wait.h"
#include "lib/core/chat_out.h"

/* Of one vector. */
#define NUMBERS_MAX	((size_t)65536)
/* Of one number, as text. */
#define NUMBER_BYTES	64
/* A longer list is converted on a helper thread. */
#define OFFLOAD_BYTES	((size_t)128 * 1024)

void
wl_embed_out_init(struct wl_embed_out *o, const struct wl_ask *ask,
    struct wl_result *res)
{
	struct wl_str format;

	memset(o, 0, sizeof(*o));
	o->ask = ask;
	o->res = res;
	o->base64 = wl_json_str(ask->json, "encoding_format", &format) &&
	    wl_str_eq(format, "base64");
	wl_buf_adds(&o->b, "{\"object\":\"list\",\"data\":[");
}

static bool
read_number(struct wl_str s, float *v)
{
	char text[NUMBER_BYTES], *end;

	if (s.len == 0 || s.len >= sizeof(text) ||
	    strchr("-0123456789", s.p[0]) == NULL)
		return false;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	*v = strtof(text, &end);
	return *end == '\0';
}

/*
 * The numbers of VALUES as bytes.
 */
static bool
pack(struct wl_str values, struct wl_buf *out)
{
	struct wl_str one;
	size_t pos = 0, n;
	unsigned char le[4];
	uint32_t bits;
	float v;

	for (n = 0; wl_json_item(values.p, values.len, &pos, &one); n++) {
		if (n == NUMBERS_MAX || !read_number(one, &v))
			return false;
		memcpy(&bits, &v, sizeof(bits));
		le[0] = (unsigned char)bits;
		le[1] = (unsigned char)(bits >> 8);
		le[2] = (unsigned char)(bits >> 16);
		le[3] = (unsigned char)(bits >> 24);
		wl_buf_add(out, le, sizeof(le));
	}
	return !out->failed;
}

static void
add_base64(struct wl_embed_out *o, struct wl_str values)
{
	struct wl_buf raw;
	size_t len;

	wl_buf_init(&raw, 0);
	if (!pack(values, &raw)) {
		o->bad = true;
	} else {
		len = 4 * ((raw.len + 2) / 3);
		wl_buf_addc(&o->b, '"');
		if (wl_buf_reserve(&o->b, len + 1)) {
			wl_base64(raw.p == NULL ? "" : raw.p, raw.len,
			    o->b.p + o->b.len);
			o->b.len += len;
		}
		wl_buf_addc(&o->b, '"');
	}
	wl_buf_free(&raw);
}

static void
add_vector(struct wl_embed_out *o, struct wl_str values)
{
	if (values.len == 0 || values.p[0] != '[') {
		o->bad = true;
		return;
	}
	wl_buf_adds(&o->b, o->n == 0 ? "{" : ",{");
	wl_buf_printf(&o->b, "\"object\":\"embedding\",\"index\":%lld,"
	    "\"embedding\":", (long long)o->n++);
	if (o->base64)
		add_base64(o, values);
	else
		wl_buf_add(&o->b, values.p, values.len);
	wl_buf_addc(&o->b, '}');
}

struct job {
	struct wl_embed_out	*o;
	struct wl_str		 list;
	const char		*member;
};

static void
add_all(void *arg)
{
	struct job *j = arg;
	struct wl_str one;
	size_t pos = 0, off, len;
	bool dup;

	while (!j->o->bad &&
	    wl_json_item(j->list.p, j->list.len, &pos, &one)) {
		if (j->member != NULL) {
			if (one.p[0] != '{' || !wl_json_find(one.p, one.len,
			    j->member, &off, &len, &dup)) {
				j->o->bad = true;
				return;
			}
			one = (struct wl_str){ one.p + off, len };
		}
		add_vector(j->o, one);
	}
}

void
wl_embed_out_add(struct wl_embed_out *o, struct wl_str list,
    const char *member)
{
	struct job j = { o, list, member };

	if (list.len == 0 || list.p[0] != '[')
		o->bad = true;
	else if (list.len <= OFFLOAD_BYTES || wl_co_self() == NULL ||
	    wl_offload(add_all, &j) == -1)
		add_all(&j);
}

int
wl_embed_out_end(struct wl_embed_out *o, struct wl_arena *a)
{
	const struct wl_result *res = o->res;
	const char *model = res->model_used[0] != '\0' ? res->model_used :
	    res->model;
	int64_t n = res->usage.source != WL_U_NONE && res->usage.input >= 0 ?
	    res->usage.input : o->ask->input_estimate;

	if (o->bad || o->n == 0) {
		wl_buf_free(&o->b);
		return -1;
	}
	wl_buf_adds(&o->b, "],\"model\":");
	wl_json_quote(&o->b, model, strlen(model));
	wl_buf_printf(&o->b, ",\"usage\":{\"prompt_tokens\":%lld,"
	    "\"total_tokens\":%lld}}", (long long)n, (long long)n);
	return wl_chat_out_raw(a, &o->b, o->res);
}
