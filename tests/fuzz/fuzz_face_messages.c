/*
 * Anthropic's messages in front of a chat: what a request becomes is JSON and
 * names its fault; a stream says the same however it is cut, and its blocks
 * open and close in turn.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/json.h"
#include "lib/core/face_messages.h"
#include "lib/core/provider.h"
#include "lib/http/req.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_request(struct wl_str body)
{
	static char json[] = "application/json";
	struct wl_arena *a = wl_arena_new(16 << 20);
	struct wl_req req = { .arena = a, .content_type = json, .body = body };
	struct wl_target t = { .wire = &wl_provider_openai,
	    .provider = "openai", .model = "gpt-m", .key = "" };
	struct wl_ask ask;
	struct wl_err e;

	PROMISE(a != NULL);
	memset(&e, 0, sizeof(e));
	wl_ask_read(&ask, WL_API_MESSAGES, &req);
	if (wl_ask_check(&ask, &e) == 0) {
		memset(&e, 0, sizeof(e));
		if (wl_face_messages_targets(a, &ask, &t, 1, &e) == 1) {
			PROMISE(t.ask != NULL && t.ask->json != NULL);
			PROMISE(t.ask->model.len == ask.model.len);
			PROMISE(t.ask->stream == ask.stream);
		} else
			PROMISE(e.code != WL_OK && e.msg[0] != '\0');
	}
	wl_arena_free(a);
}

/* ---- streams ---- */

struct client {
	struct wl_sink	sink;
	struct wl_buf	out;
};

static struct wl_buf *
out_of(struct wl_sink *s)
{
	return &((struct client *)(void *)s)->out;
}

static int
begin(struct wl_sink *s, int status, const char *type, bool stream)
{
	(void)s;
	(void)status;
	(void)type;
	(void)stream;
	return 0;
}

static int
data(struct wl_sink *s, const char *p, size_t len)
{
	wl_buf_add(out_of(s), p, len);
	return 0;
}

static int
heartbeat(struct wl_sink *s)
{
	(void)s;
	return 0;
}

static int
trailer(struct wl_sink *s, const struct wl_result *res)
{
	(void)s;
	(void)res;
	return 0;
}

/*
 * The events in OUT, one line of data each, are JSON, and at most one block is
 * open.
 */
static void
check_events(struct wl_arena *a, const struct wl_buf *out)
{
	struct wl_str rest = { out->p, out->len }, line, type;
	struct json_object *o;
	int open = 0;

	while (rest.len > 0) {
		line = wl_str_cut(&rest, '\n');
		if (!wl_str_prefix(line, "data: "))
			continue;
		o = wl_json_parse(a, line.p + 6, line.len - 6, NULL);
		PROMISE(wl_json_str(o, "type", &type));
		if (wl_str_eq(type, "content_block_start"))
			PROMISE(open++ == 0);
		else if (wl_str_eq(type, "content_block_stop"))
			PROMISE(open-- == 1);
		else if (wl_str_eq(type, "message_delta"))
			PROMISE(open == 0);
	}
}

static const char thinks[] = "{\"thinking\":{\"type\":\"adaptive\"}}";

static void
run(struct client *c, struct wl_arena *a, struct wl_str text, size_t step)
{
	struct wl_ask ask = { .api = WL_API_MESSAGES, .stream = true };
	struct wl_result *res = wl_arena_alloc(a, sizeof(*res));
	struct wl_face_messages *f;
	struct wl_err e;
	size_t i, n;

	*c = (struct client){ .sink = { .begin = begin, .data = data,
	    .heartbeat = heartbeat, .trailer = trailer, .end = data,
	    .fd = -1 } };
	ask.json = wl_json_parse(a, thinks, strlen(thinks), NULL);
	PROMISE(ask.json != NULL && res != NULL);
	PROMISE(wl_result_init(res, a, 16) == 0);
	res->api = WL_API_CHAT;
	f = wl_face_messages_new(&c->sink, a, &ask, res, "id", &e);
	PROMISE(f != NULL && f->sink.begin(&f->sink, 200, "x", true) == 0);
	for (i = 0; i < text.len; i += n) {
		n = text.len - i < step ? text.len - i : step;
		PROMISE(f->sink.data(&f->sink, text.p + i, n) == 0);
	}
	PROMISE(f->sink.trailer(&f->sink, res) == 0);
	PROMISE(f->sink.end(&f->sink, "", 0) == 0);
	(void)wl_face_messages_end(f, res);
	check_events(a, &c->out);
}

static void
check_stream(struct wl_str text)
{
	struct wl_arena *a = wl_arena_new(32 << 20);
	struct client whole, bytes;

	PROMISE(a != NULL);
	run(&whole, a, text, SIZE_MAX);
	run(&bytes, a, text, 1);
	PROMISE(whole.out.len == bytes.out.len && memcmp(whole.out.p,
	    bytes.out.p, whole.out.len) == 0);
	wl_buf_free(&whole.out);
	wl_buf_free(&bytes.out);
	wl_arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	if (len < 1 || len > 65536)
		return 0;
	if (in[0] == '{')
		check_request((struct wl_str){ (const char *)in, len });
	else
		check_stream((struct wl_str){ (const char *)in, len });
	return 0;
}
