#include "config.h"
#include "tests/unit/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/stream.h"
#include "lib/http/req.h"
#include "tests/unit/tap.h"

struct wl_target	 wire_target;
struct wl_ask		 wire_ask;
struct wl_upcall	 wire_up;
struct wl_result	 wire_res;
struct wl_err		 wire_err;
struct wl_arena		*wire_arena;

static void
begin_result(void)
{
	/* the arena frees what the last one has gathered */
	wl_buf_free(&wire_res.text);
	wl_buf_free(&wire_res.tools);
	CU_ASSERT_EQUAL_FATAL(wl_result_init(&wire_res, wire_arena, 4096), 0);
	(void)wl_strlcpy(wire_res.model, wire_target.model,
	    sizeof(wire_res.model));
}

void
wire_reset(const struct wl_provider *wire, const char *model,
    const char *auth)
{
	wl_arena_free(wire_arena);
	wire_arena = wl_arena_new(256 << 20);
	CU_ASSERT_FATAL(wire_arena != NULL);
	wire_target = (struct wl_target){
		.wire = wire, .provider = wire->wire, .auth = auth,
		.base_url = "https://api.example/v1", .model = model,
		.key = "secret-key"
	};
	begin_result();
}

const char *
wire_request(enum wl_api api, const char *body)
{
	static char json[] = "application/json";
	struct wl_req req = { .arena = wire_arena, .content_type = json,
	    .body = wl_str_of(body) };

	memset(&wire_err, 0, sizeof(wire_err));
	wl_ask_read(&wire_ask, api, &req);
	CU_ASSERT_EQUAL_FATAL(wire_ask.fault.code, WL_OK);
	if (wl_capability_check(wire_target.wire, &wire_ask, &wire_err) == -1 ||
	    wire_target.wire->request(wire_arena, &wire_ask, &wire_target,
	    "id-1", &wire_up, &wire_err) == -1)
		return NULL;
	return wl_arena_dup(wire_arena, wire_up.body.p, wire_up.body.len);
}

bool
wire_refuses(const char *body, const char *param)
{
	if (wire_request(WL_API_CHAT, body) != NULL) {
		printf("# taken: %s\n", body);
		return false;
	}
	if (wire_err.code == WL_E_INVALID_REQUEST && wire_err.param != NULL &&
	    strcmp(wire_err.param, param) == 0)
		return true;
	printf("# %s: %s\n", wire_err.param, wire_err.msg);
	return false;
}

bool
wire_has_header(const char *line)
{
	const char **h;

	for (h = wire_up.headers; *h != NULL; h++)
		if (strcmp(*h, line) == 0)
			return true;
	return false;
}

/*
 * P without what is different each time.
 */
static const char *
steady(const char *p, size_t len)
{
	static const char time[] = "\"created\":", id[] = "\"chatcmpl-",
	    call[] = "\"call_";
	char *s = wl_arena_dup(wire_arena, p, len), *to = s, *from = s;

	CU_ASSERT_FATAL(s != NULL);
	while (*from != '\0') {
		if (strncmp(from, time, 10) == 0) {
			from += 10 + strspn(from + 10, "0123456789");
			memcpy(to, "\"created\":0", 11);
			to += 11;
		} else if (strncmp(from, id, 10) == 0 ||
		    (strncmp(from, call, 6) == 0 && strcspn(from + 6, "\"") ==
		    24)) {
			from += 1 + strcspn(from + 1, "\"");
			memcpy(to, "\"ID", 3);
			to += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return s;
}

const char *
wire_answer(const char *body)
{
	begin_result();
	if (wire_target.wire->answer(wire_arena, &wire_ask, &wire_target,
	    wl_str_of(body), &wire_res) == -1)
		return NULL;
	CU_ASSERT_FATAL(wire_res.raw.p != NULL);
	return steady(wire_res.raw.p, wire_res.raw.len);
}

static int
collect(void *arg, const char *p, size_t len)
{
	wl_buf_add(arg, p, len);
	return 0;
}

static const char *
one_size(const char *p, size_t len, size_t size, int *state)
{
	struct wl_buf out = { 0 };
	struct wl_stream s;
	const char *text;
	size_t i, n;

	begin_result();
	wl_stream_init(&s, &wire_target, &wire_ask, false, &wire_res, collect,
	    &out);
	*state = WL_STREAM_MORE;
	for (i = 0; i < len; i += n) {
		n = len - i < size ? len - i : size;
		*state = (int)wl_stream_feed(&s, p + i, n);
		if (*state == WL_STREAM_DONE)
			wl_buf_add(&out, s.last.p, s.last.len);
	}
	if (*state == WL_STREAM_MORE)
		*state = (int)wl_stream_end(&s);
	if (*state == WL_STREAM_MORE && wire_res.finish_reason[0] != '\0' &&
	    wl_stream_may_end(&s))
		CU_ASSERT_EQUAL(wl_stream_finish(&s), 0);
	text = steady(out.p == NULL ? "" : out.p, out.len);
	wl_stream_free(&s);
	wl_buf_free(&out);
	return text;
}

const char *
wire_stream(const char *p, size_t len, int *state)
{
	const char *whole = one_size(p, len, SIZE_MAX, state), *other;
	size_t sizes[] = { 1, 2, 3, 7, 64, 1000 }, i;
	int st;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		other = one_size(p, len, sizes[i], &st);
		CU_ASSERT_EQUAL(st, *state);
		CU_ASSERT_STRING_EQUAL(other, whole);
	}
	return whole;
}
