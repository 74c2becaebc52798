/*
 * The filter of streams: what passes, what is held, what is read, however the
 * bytes are cut.
 */
#include "config.h"
#include "lib/core/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/core/model.h"
#include "tests/unit/tap.h"

#define HEAD	"{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\"," \
		"\"created\":1,\"model\":\"m-1\",\"choices\":["
#define ROLE	HEAD "{\"index\":0,\"delta\":{\"role\":\"assistant\"," \
		"\"content\":\"\"},\"finish_reason\":null}]}"
#define HELLO	HEAD "{\"index\":0,\"delta\":{\"content\":\"Hello, \"}," \
		"\"finish_reason\":null}]}"
#define WORLD	HEAD "{\"index\":0,\"delta\":{\"content\":\"w\xc3\xb6rld\"}," \
		"\"finish_reason\":null}]}"
#define STOP	HEAD "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define USAGE	HEAD "],\"usage\":{\"prompt_tokens\":9," \
		"\"completion_tokens\":3,\"total_tokens\":12," \
		"\"prompt_tokens_details\":{\"cached_tokens\":4}}}"
#define EMPTY	HEAD "],\"usage\":null,\"prompt_filter_results\":[]}"
#define FAIL	"{\"error\":{\"message\":\"overloaded\",\"code\":503}}"

static struct wl_arena	*arena;
static struct wl_ask	 ask;
static struct wl_result	 res;
static struct wl_buf	 out, last;
static size_t		 calls, fail_after;
static enum wl_api	 api = WL_API_CHAT;

static int
collect(void *arg, const char *p, size_t len)
{
	(void)arg;
	CU_ASSERT(len > 0);
	if (fail_after != 0 && ++calls >= fail_after)
		return -1;
	wl_buf_add(&out, p, len);
	return 0;
}

static const struct wl_target target = {
	.wire = &wl_provider_openai, .key = "sk-secret-of-the-project"
};

static void
begin(struct wl_stream *s, bool hide)
{
	arena = wl_arena_new(1 << 20);
	CU_ASSERT_FATAL(arena != NULL);
	CU_ASSERT_EQUAL_FATAL(wl_result_init(&res, arena, 4096), 0);
	memset(&ask, 0, sizeof(ask));
	ask.stream = true;
	ask.api = api;
	calls = fail_after = 0;
	wl_stream_init(s, &target, &ask, hide, &res, collect, NULL);
}

static void
end(struct wl_stream *s)
{
	wl_stream_free(s);
	wl_buf_free(&out);
	wl_buf_free(&last);
	wl_arena_free(arena);
}

/*
 * Feed bytes from AT to END in pieces of SIZE.
 */
static enum wl_stream_state
feed(struct wl_stream *s, const char *p, size_t len, size_t size)
{
	enum wl_stream_state state = WL_STREAM_MORE;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = len - i < size ? len - i : size;
		state = wl_stream_feed(s, p + i, n);
		if (state == WL_STREAM_DONE)
			wl_buf_add(&last, s->last.p, s->last.len);
	}
	return state;
}

/*
 * A stream, what passes, and what is left as its last event.
 */
struct fixture {
	const char	*name;
	bool		 hide;
	const char	*in, *out, *last;
};

#define E(x)	"data: " x "\n\n"
#define R(x)	"data: " x "\r\n\r\n"
#define C(x)	"data: " x "\r\r"
#define BODY	E(ROLE) E(HELLO) E(WORLD) E(STOP)

static const struct fixture fixtures[] = {
	{ "usage is hidden", true, BODY E(USAGE) E("[DONE]"), BODY,
	    E("[DONE]") },
	{ "usage is wanted", false, BODY E(USAGE) E("[DONE]"),
	    BODY E(USAGE), E("[DONE]") },
	{ "no usage", true, BODY E("[DONE]"), BODY, E("[DONE]") },
	{ "CRLF", true, R(ROLE) R(HELLO) R(USAGE) R(WORLD) R("[DONE]"),
	    R(ROLE) R(HELLO) R(WORLD), R("[DONE]") },
	{ "CR", true, C(ROLE) C(HELLO) C(USAGE) C(WORLD) C("[DONE]"),
	    C(ROLE) C(HELLO) C(WORLD), C("[DONE]") },
	{ "CRLF, usage wanted", false, R(HELLO) R(USAGE) R("[DONE]"),
	    R(HELLO) R(USAGE), R("[DONE]") },
	{ "a BOM", true, "\xef\xbb\xbf" BODY E(USAGE) E("[DONE]"),
	    "\xef\xbb\xbf" BODY, E("[DONE]") },
	{ "comments", true, ": one\n\n" E(HELLO) ": two\n" E(USAGE)
	    ": three\n" E("[DONE]"),
	    ": one\n\n" E(HELLO) ": two\n" ": three\n", E("[DONE]") },
	{ "comments, CRLF", true, ": one\r\n\r\n" R(HELLO) ": two\r\n" R(USAGE)
	    ": three\r\n" R("[DONE]"),
	    ": one\r\n\r\n" R(HELLO) ": two\r\n" ": three\r\n",
	    R("[DONE]") },
	{ "no space behind the colon", true, "data:" HELLO "\n\ndata:" USAGE
	    "\n\ndata:[DONE]\n\n", "data:" HELLO "\n\n", "data:[DONE]\n\n" },
	{ "other fields", true, "event: message\nid: 1\n" E(HELLO)
	    "event: message\nid: 2\n" E(USAGE) "retry: 10\n\nid: 3\n"
	    E("[DONE]"), "event: message\nid: 1\n" E(HELLO) "retry: 10\n\n",
	    "id: 3\n" E("[DONE]") },
	{ "a choice-less chunk passes", true, E(EMPTY) BODY E("[DONE]"),
	    E(EMPTY) BODY, E("[DONE]") },
	{ "usage with choices passes", true, E(HEAD "{\"index\":0,\"delta\":{}"
	    "}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}")
	    E("[DONE]"), E(HEAD "{\"index\":0,\"delta\":{}"
	    "}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}"),
	    E("[DONE]") },
	{ "spaces in the JSON", true,
	    E("{ \"choices\" : [ {\"index\": 0} ] }")
	    E("{ \"choices\" : [ ] , \"usage\" : {\"prompt_tokens\":9,"
	    "\"completion_tokens\":3} }") E("[DONE]"),
	    E("{ \"choices\" : [ {\"index\": 0} ] }"), E("[DONE]") },
	{ "usage before choices", true, E("{\"usage\":null,\"choices\":[{}]}")
	    E("{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3},"
	    "\"choices\":[]}") E("[DONE]"),
	    E("{\"usage\":null,\"choices\":[{}]}"), E("[DONE]") },
	{ "choices below the top are not choices", true,
	    E("{\"x\":{\"choices\":[1]},\"y\":\"\\\"choices\\\":[2\","
	    "\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
	    "\"completion_tokens\":3}}") E("[DONE]"), "", E("[DONE]") },
	{ "data in several lines", true, "data: {\"choices\":\ndata: [{}]}\n\n"
	    "data: {\"choices\":\ndata: [],\ndata: \"usage\":"
	    "{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\n" E("[DONE]"),
	    "data: {\"choices\":\ndata: [{}]}\n\n", E("[DONE]") },
	{ "two usages", true, BODY E(USAGE) E(USAGE) E("[DONE]"), BODY,
	    E("[DONE]") },
	{ "bytes behind the end", true, BODY E("[DONE]") E("more") ": x\n\n",
	    BODY, E("[DONE]") },
	{ "no JSON", true, E(HELLO) E("hello") E(WORLD), E(HELLO), "" },
	{ "broken JSON", true, E(HELLO) E("{\"choices\":[") E("[DONE]"),
	    E(HELLO), "" },
	{ "JSON in pieces, without a blank line", true, E(HELLO)
	    "data: {\"choices\":\ndata: [\n" E("[DONE]"), E(HELLO), "" },
	{ "empty data", false, "data\n\n" "data: \n\n" E("[DONE]"),
	    "data\n\n" "data: \n\n", E("[DONE]") },
	{ "an error within", true, E(HELLO) E(FAIL) E(WORLD), E(HELLO), "" },
	{ "an error within, usage wanted", false, E(HELLO) E(FAIL) E(WORLD),
	    E(HELLO), "" },
	{ "an error first", false, E(FAIL) E(WORLD), "", "" },
	{ "an error that is none", false, E("{\"error\":null}")
	    E("{\"error\":{}}") E("{\"error\":\"\"}") E("[DONE]"),
	    E("{\"error\":null}") E("{\"error\":{}}") E("{\"error\":\"\"}"),
	    E("[DONE]") },
	{ "names that only begin like data", true, "dat: x\ndatax: y\nd\n\n"
	    "data\n\n" E(HELLO) E("[DONE]"), "dat: x\ndatax: y\nd\n\n"
	    "data\n\n" E(HELLO), E("[DONE]") },
	{ "many blank lines", true, "\n\n\n" E(HELLO) "\n\r\n\r\n" E(USAGE)
	    "\n" E("[DONE]"), "\n\n\n" E(HELLO) "\n\r\n\r\n\n", E("[DONE]") },
	{ "mixed line ends", true, C(HELLO) E(WORLD) R(USAGE) E(STOP)
	    C("[DONE]"), C(HELLO) E(WORLD) E(STOP), C("[DONE]") },
	{ "half a BOM", true, "\xef\xbb" "data: x\n\n" E("[DONE]"),
	    "\xef\xbb" "data: x\n\n", E("[DONE]") },
	{ "trailing space behind the mark", true, E(HELLO) E("[DONE] "),
	    E(HELLO), E("[DONE] ") },
};

static bool
is_same(const struct wl_buf *b, const char *want)
{
	return b->len == strlen(want) &&
	    memcmp(b->len == 0 ? "" : b->p, want, b->len) == 0;
}

static void
compare(const struct fixture *f, size_t at)
{
	if (is_same(&out, f->out) && is_same(&last, f->last))
		return;
	printf("# %s, cut at %zu:\n# out  %.*s\n# last %.*s\n", f->name, at,
	    (int)out.len, out.len == 0 ? "" : out.p, (int)last.len,
	    last.len == 0 ? "" : last.p);
	CU_FAIL("wrong bytes");
}

static void
whole(void)
{
	struct wl_stream s;
	size_t i;

	for (i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		begin(&s, fixtures[i].hide);
		(void)feed(&s, fixtures[i].in, strlen(fixtures[i].in),
		    SIZE_MAX);
		compare(&fixtures[i], 0);
		end(&s);
	}
}

static void
every_split(void)
{
	const struct fixture *f;
	struct wl_stream s;
	size_t i, at, len;

	for (i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		f = &fixtures[i];
		len = strlen(f->in);
		for (at = 0; at <= len; at++) {
			begin(&s, f->hide);
			(void)feed(&s, f->in, at, SIZE_MAX);
			(void)feed(&s, f->in + at, len - at, SIZE_MAX);
			compare(f, at);
			end(&s);
		}
	}
}

static void
every_size(void)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 64, 1000 };
	const struct fixture *f;
	struct wl_stream s;
	size_t i, j;

	for (i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		f = &fixtures[i];
		for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			begin(&s, f->hide);
			(void)feed(&s, f->in, strlen(f->in), sizes[j]);
			compare(f, sizes[j]);
			end(&s);
		}
	}
}

/*
 * What is read is the same however the bytes are cut.
 */
static void
figures(void)
{
	static const char in[] = BODY E(USAGE) E("[DONE]");
	size_t size;
	struct wl_stream s;

	for (size = 1; size < 200; size++) {
		begin(&s, true);
		CU_ASSERT_EQUAL(feed(&s, in, sizeof(in) - 1, size),
		    WL_STREAM_DONE);
		CU_ASSERT_EQUAL(res.usage.input, 5);
		CU_ASSERT_EQUAL(res.usage.cache_read, 4);
		CU_ASSERT_EQUAL(res.usage.cache_write, -1);
		CU_ASSERT_EQUAL(res.usage.output, 3);
		CU_ASSERT_EQUAL(res.usage.reasoning, -1);
		CU_ASSERT_EQUAL(res.usage.source, WL_U_PROVIDER);
		CU_ASSERT_EQUAL(res.chunks, 4);
		CU_ASSERT_EQUAL(res.output_bytes, 13);
		CU_ASSERT(is_same(&res.text, "Hello, w\xc3\xb6rld"));
		CU_ASSERT_STRING_EQUAL(res.response_id, "c-1");
		CU_ASSERT_STRING_EQUAL(res.model_used, "m-1");
		CU_ASSERT_STRING_EQUAL(res.finish_reason, "stop");
		end(&s);
	}
}

/*
 * Byte by byte: an event leaves with its last byte, never in part, and what
 * is no event leaves with its line.
 */
static void
whole_events(void)
{
	static const char in[] = ": one\n\n" BODY ": two\n" E(WORLD) "\n";
	struct wl_stream s;
	const char *p;
	size_t n;

	begin(&s, true);
	for (p = in; *p != '\0'; p++) {
		n = (size_t)(p + 1 - in);
		CU_ASSERT_EQUAL(wl_stream_feed(&s, p, 1), WL_STREAM_MORE);
		CU_ASSERT(wl_stream_between(&s));
		if (out.len != n)
			CU_ASSERT(out.len == 0 || out.p[out.len - 1] == '\n');
		if (p > in && *p == '\n' && p[-1] == '\n')
			CU_ASSERT_EQUAL(out.len, n);
	}
	CU_ASSERT(is_same(&out, in));
	end(&s);
	/* a comment before half an event does not wait for the rest */
	begin(&s, true);
	(void)feed(&s, ": one\ndata: {", 13, SIZE_MAX);
	CU_ASSERT(is_same(&out, ": one\n"));
	end(&s);
	/* whole events of one piece are one write */
	begin(&s, true);
	fail_after = 2;
	(void)feed(&s, BODY, sizeof(BODY) - 1, SIZE_MAX);
	CU_ASSERT_EQUAL(calls, 1);
	end(&s);
}

/*
 * A line of more than a megabyte goes through; what follows is still read.
 */
static void
huge_line(void)
{
	static const char a[] = "data: " HEAD "{\"delta\":{\"content\":\"";
	static const char b[] = "\"}}]}\n\n", c[] = E(USAGE) E("[DONE]");
	size_t len = 1500000, i, most = 0, fed;
	struct wl_stream s;
	char block[1000];

	memset(block, 'x', sizeof(block));
	begin(&s, true);
	(void)feed(&s, a, sizeof(a) - 1, SIZE_MAX);
	for (i = 0; i < len; i += sizeof(block)) {
		CU_ASSERT_EQUAL(wl_stream_feed(&s, block, sizeof(block)),
		    WL_STREAM_MORE);
		fed = sizeof(a) - 1 + i + sizeof(block);
		if (fed - out.len > most)
			most = fed - out.len;
	}
	CU_ASSERT(most <= WL_STREAM_EVENT);
	CU_ASSERT_EQUAL(out.len, sizeof(a) - 1 + len);
	CU_ASSERT(!wl_stream_between(&s));
	CU_ASSERT(s.data_out);
	(void)feed(&s, b, sizeof(b) - 1, SIZE_MAX);
	CU_ASSERT_EQUAL(out.len, sizeof(a) - 1 + len + sizeof(b) - 1);
	CU_ASSERT(wl_stream_between(&s));
	CU_ASSERT_EQUAL(feed(&s, c, sizeof(c) - 1, SIZE_MAX),
	    WL_STREAM_DONE);
	CU_ASSERT_EQUAL(res.usage.output, 3);
	CU_ASSERT(is_same(&last, E("[DONE]")));
	CU_ASSERT(s.held.cap <= 2 * WL_STREAM_EVENT);
	end(&s);
}

/*
 * A stream of the Responses API, and LEN bytes for it, to be freed.
 */
static char *
begin_long(struct wl_stream *s, size_t len)
{
	char *text = malloc(len);

	CU_ASSERT_FATAL(text != NULL);
	memset(text, 'x', len);
	api = WL_API_RESPONSES;
	begin(s, false);
	api = WL_API_CHAT;
	return text;
}

/*
 * The last event of a response repeats all of it, however long it is; two are
 * as one, and their memory is not kept.
 */
static void
huge_response(void)
{
	static const char a[] = "event: response.in_progress\ndata: {\"type\":"
	    "\"response.in_progress\",\"response\":{\"instructions\":\"";
	static const char b[] = "\"}}\n\n" "event: response.completed\ndata: "
	    "{\"type\":\"response.completed\",\"response\":{\"id\":\"r1\","
	    "\"status\":\"completed\",\"usage\":{\"input_tokens\":9,"
	    "\"output_tokens\":3},\"output\":[{\"type\":\"message\","
	    "\"content\":[{\"type\":\"output_text\",\"text\":\"";
	static const char c[] = "\"}]}]}}\n\n";
	size_t len = 1500000;
	struct wl_stream s;
	char *text = begin_long(&s, len);

	(void)feed(&s, a, sizeof(a) - 1, SIZE_MAX);
	CU_ASSERT_EQUAL(feed(&s, text, len, 16384), WL_STREAM_MORE);
	CU_ASSERT_EQUAL(out.len, 0);
	CU_ASSERT(wl_stream_between(&s));
	CU_ASSERT_EQUAL(feed(&s, b, sizeof(b) - 1, SIZE_MAX),
	    WL_STREAM_MORE);
	CU_ASSERT_EQUAL(out.len, sizeof(a) - 1 + len + 5);
	CU_ASSERT(s.held.cap <= 2 * WL_STREAM_EVENT);
	CU_ASSERT_EQUAL(s.sse.data.cap, 0);
	CU_ASSERT_EQUAL(feed(&s, text, len, 16384), WL_STREAM_MORE);
	CU_ASSERT_EQUAL(feed(&s, c, sizeof(c) - 1, SIZE_MAX),
	    WL_STREAM_DONE);
	CU_ASSERT_EQUAL(out.len, sizeof(a) - 1 + len + 5);
	CU_ASSERT_EQUAL(last.len, sizeof(b) - 6 + len + sizeof(c) - 1);
	CU_ASSERT_STRING_EQUAL(res.response_id, "r1");
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "completed");
	CU_ASSERT_EQUAL(res.usage.input, 9);
	CU_ASSERT_EQUAL(res.usage.output, 3);
	end(&s);
	free(text);
}

/*
 * One that is too long even for that passes as it comes; that it is the end
 * is known.
 */
static void
endless_response(void)
{
	static const char a[] = "event: response.completed\ndata: {\"type\":"
	    "\"response.completed\",\"response\":{\"output\":\"";
	size_t len = 65536, i;
	struct wl_stream s;
	char *text = begin_long(&s, len);

	(void)feed(&s, a, sizeof(a) - 1, SIZE_MAX);
	for (i = 0; i <= WL_STREAM_RESPONSE; i += len)
		CU_ASSERT_EQUAL(wl_stream_feed(&s, text, len),
		    WL_STREAM_MORE);
	CU_ASSERT_EQUAL(feed(&s, "\"}}\n\n", 5, SIZE_MAX), WL_STREAM_MORE);
	CU_ASSERT_EQUAL(out.len, sizeof(a) - 1 + i + 5);
	CU_ASSERT_STRING_EQUAL(res.finish_reason, "completed");
	CU_ASSERT(wl_stream_between(&s));
	end(&s);
	free(text);
}

static void
ends_early(void)
{
	struct wl_stream s;

	/* between two events */
	begin(&s, true);
	(void)feed(&s, BODY, sizeof(BODY) - 1, SIZE_MAX);
	CU_ASSERT_EQUAL(wl_stream_end(&s), WL_STREAM_MORE);
	CU_ASSERT(is_same(&out, BODY));
	CU_ASSERT(wl_stream_between(&s));
	end(&s);
	/* within one: nobody can read it */
	begin(&s, true);
	(void)feed(&s, E(HELLO) "data: {\"id\":\"c", sizeof(E(HELLO)
	    "data: {\"id\":\"c") - 1, SIZE_MAX);
	CU_ASSERT(is_same(&out, E(HELLO)));
	CU_ASSERT_EQUAL(wl_stream_end(&s), WL_STREAM_INVALID);
	CU_ASSERT(is_same(&out, E(HELLO)));
	CU_ASSERT(wl_stream_between(&s));
	end(&s);
	/* behind one that lacks only its blank line */
	begin(&s, true);
	(void)feed(&s, E(HELLO) "data: " WORLD, sizeof(E(HELLO) "data: "
	    WORLD) - 1, SIZE_MAX);
	CU_ASSERT_EQUAL(wl_stream_end(&s), WL_STREAM_MORE);
	CU_ASSERT(is_same(&out, E(HELLO) E(WORLD)));
	end(&s);
	/* in the last event */
	begin(&s, true);
	(void)feed(&s, E(HELLO) "data: [DONE]", sizeof(E(HELLO)
	    "data: [DONE]") - 1, SIZE_MAX);
	CU_ASSERT_EQUAL(wl_stream_end(&s), WL_STREAM_DONE);
	CU_ASSERT_EQUAL(s.last.len, sizeof(E("[DONE]")) - 1);
	CU_ASSERT(is_same(&out, E(HELLO)));
	end(&s);
	/* in the usage */
	begin(&s, true);
	(void)feed(&s, E(HELLO) "data: " USAGE "\n", sizeof(E(HELLO) "data: "
	    USAGE "\n") - 1, SIZE_MAX);
	CU_ASSERT_EQUAL(wl_stream_end(&s), WL_STREAM_MORE);
	CU_ASSERT(is_same(&out, E(HELLO)));
	CU_ASSERT_EQUAL(res.usage.output, 3);
	end(&s);
	/* before anything */
	begin(&s, true);
	CU_ASSERT_EQUAL(wl_stream_end(&s), WL_STREAM_MORE);
	CU_ASSERT_EQUAL(out.len, 0);
	end(&s);
}

static void
client_gone(void)
{
	struct wl_stream s;

	begin(&s, true);
	fail_after = 2;
	CU_ASSERT_EQUAL(feed(&s, E(HELLO), sizeof(E(HELLO)) - 1, SIZE_MAX),
	    WL_STREAM_MORE);
	CU_ASSERT_EQUAL(feed(&s, E(WORLD) E("[DONE]"), sizeof(E(WORLD)
	    E("[DONE]")) - 1, SIZE_MAX), WL_STREAM_GONE);
	CU_ASSERT(is_same(&out, E(HELLO)));
	end(&s);
}

static void
first_error(void)
{
	struct wl_stream s;

	begin(&s, false);
	CU_ASSERT_EQUAL(feed(&s, E(FAIL), sizeof(E(FAIL)) - 1, 1),
	    WL_STREAM_ERROR);
	CU_ASSERT(!s.data_out);
	CU_ASSERT_EQUAL(res.err.code, WL_E_UPSTREAM);
	CU_ASSERT_STRING_EQUAL(res.err.msg, "overloaded");
	CU_ASSERT_STRING_EQUAL(res.upstream_code, "503");
	CU_ASSERT(wl_str_eq(res.refusal, "{\"error\":{\"message\":"
	    "\"overloaded\",\"type\":\"api_error\",\"param\":null,"
	    "\"code\":\"503\"}}"));
	end(&s);
	begin(&s, false);
	(void)feed(&s, ": x\n\n" E(HELLO) E(FAIL), sizeof(": x\n\n" E(HELLO)
	    E(FAIL)) - 1, 1);
	CU_ASSERT(s.data_out);
	end(&s);
}

/*
 * Neither the key that was used nor one that looks like one is told.
 */
static void
secrets(void)
{
	static const char event[] = E("{\"error\":{\"message\":\"bad key "
	    "sk-secret-of-the-project, not sk-proj-abcdefghijklmnopqrstuvwx"
	    "yz0123456789\",\"code\":\"sk-secret-of-the-project\","
	    "\"internal\":\"sk-secret-of-the-project\"}}");
	struct wl_stream s;

	begin(&s, false);
	CU_ASSERT_EQUAL(feed(&s, event, sizeof(event) - 1, SIZE_MAX),
	    WL_STREAM_ERROR);
	CU_ASSERT_EQUAL(out.len + last.len, 0);
	CU_ASSERT_PTR_NULL(strstr(res.err.msg, "sk-"));
	CU_ASSERT_PTR_NULL(strstr(res.upstream_code, "sk-"));
	CU_ASSERT(res.refusal.len > 0);
	CU_ASSERT_PTR_NULL(memmem(res.refusal.p, res.refusal.len, "sk-", 3));
	CU_ASSERT_PTR_NULL(memmem(res.refusal.p, res.refusal.len, "internal",
	    8));
	end(&s);
}

/*
 * A format of one word an event, in frames that begin with their length.
 */
static enum wl_chunk
toy_chunk(struct wl_arena *a, const struct wl_ask *asked,
    const struct wl_target *t, struct wl_str data, struct wl_result *r,
    struct wl_relay *relay)
{
	(void)a;
	(void)asked;
	(void)t;
	if (wl_str_eq(data, "end"))
		return WL_CHUNK_DONE;
	if (wl_str_eq(data, "bad"))
		return WL_CHUNK_INVALID;
	if (wl_str_eq(data, "fail")) {
		wl_err_set(&r->err, WL_E_UPSTREAM, "failed");
		wl_buf_adds(&relay->out, "data: never sent\n\n");
		return WL_CHUNK_ERROR;
	}
	if (!wl_str_eq(data, "ping"))
		wl_buf_printf(&relay->out, "data: %lld %.*s\n\n",
		    (long long)relay->tools++, (int)data.len, data.p);
	return WL_CHUNK_DATA;
}

static void
toy_ended(const struct wl_ask *asked, const struct wl_target *t,
    struct wl_result *r, struct wl_relay *relay)
{
	(void)asked;
	(void)t;
	(void)r;
	wl_buf_adds(&relay->out, "data: over\n\n");
}

static int
toy_unframe(struct wl_relay *relay, const char *p, size_t len,
    struct wl_buf *sse)
{
	struct wl_buf *f = &relay->frame;
	size_t n;

	wl_buf_add(f, p, len);
	while (f->len > 0) {
		if (f->p[0] < '0' || f->p[0] > '9')
			return -1;
		if (f->len < (n = (size_t)(f->p[0] - '0') + 1))
			break;
		wl_buf_printf(sse, "data: %.*s\n\n", (int)n - 1, f->p + 1);
		wl_buf_drop(f, n);
	}
	return 0;
}

static const struct wl_provider toy = {
	.wire = "toy", .apis = WL_APIS(WL_API_CHAT), .chunk = toy_chunk,
	.ended = toy_ended
};
static const struct wl_provider framed_toy = {
	.wire = "toy", .apis = WL_APIS(WL_API_CHAT), .chunk = toy_chunk,
	.unframe = toy_unframe
};

static void
begin_toy(struct wl_stream *s, const struct wl_provider *wire)
{
	static struct wl_target t = { .key = "" };

	begin(s, false);
	wl_stream_free(s);
	t.wire = wire;
	wl_stream_init(s, &t, &ask, true, &res, collect, NULL);
}

/*
 * Whatever the pieces, only what the format makes of an event passes.
 */
static void
translated(void)
{
	static const char in[] = "\xef\xbb\xbf: hi\r\n\r\nevent: x\r\ndata: one"
	    "\r\n\r\n\r\ndata: ping\r\n\r\nevent: y\r\n\r\ndata: two\n\n"
	    "data: end\r\n\r\ndata: more\n\n";
	static const char frames[] = "3one4ping3two3end4more";
	enum wl_stream_state state;
	struct wl_stream s;
	size_t size;
	int i;

	for (i = 0; i < 2; i++)
		for (size = 1; size < sizeof(in); size++) {
			begin_toy(&s, i == 0 ? &toy : &framed_toy);
			state = i == 0 ? feed(&s, in, sizeof(in) - 1, size) :
			    feed(&s, frames, sizeof(frames) - 1, size);
			CU_ASSERT_EQUAL(state, WL_STREAM_DONE);
			CU_ASSERT_STRING_EQUAL(out.p, E("0 one") E("1 two"));
			CU_ASSERT(strncmp(last.p, E("[DONE]"),
			    sizeof(E("[DONE]")) - 1) == 0);
			CU_ASSERT(wl_stream_between(&s));
			CU_ASSERT_EQUAL(res.chunks, 2);
			end(&s);
		}
}

/*
 * Ends of such streams that are no terminal events.
 */
static void
translated_ends(void)
{
	static char *huge;
	struct wl_stream s;

	begin_toy(&s, &toy);
	CU_ASSERT_EQUAL(feed(&s, "data: ping\n\ndata: one", 21, 3),
	    WL_STREAM_MORE);
	CU_ASSERT(!s.data_out);
	CU_ASSERT_EQUAL(wl_stream_end(&s), WL_STREAM_MORE);
	CU_ASSERT(s.data_out);
	CU_ASSERT_EQUAL(wl_stream_finish(&s), 0);
	CU_ASSERT_STRING_EQUAL(out.p, E("0 one") E("over"));
	end(&s);

	begin_toy(&s, &toy);
	CU_ASSERT_EQUAL(feed(&s, E("one") E("fail") E("two"), 39, SIZE_MAX),
	    WL_STREAM_ERROR);
	CU_ASSERT_STRING_EQUAL(out.p, E("0 one"));
	end(&s);

	begin_toy(&s, &toy);
	CU_ASSERT_EQUAL(feed(&s, E("bad"), 11, SIZE_MAX), WL_STREAM_INVALID);
	CU_ASSERT_EQUAL(out.len, 0);
	end(&s);

	begin_toy(&s, &framed_toy);
	CU_ASSERT_EQUAL(feed(&s, "3one*", 5, SIZE_MAX), WL_STREAM_INVALID);
	CU_ASSERT_STRING_EQUAL(out.p, E("0 one"));
	CU_ASSERT_EQUAL(feed(&s, "3two", 4, SIZE_MAX), WL_STREAM_INVALID);
	CU_ASSERT_STRING_EQUAL(out.p, E("0 one"));
	end(&s);

	/* nothing can be made of an event without an end */
	huge = malloc(2 * WL_STREAM_TRANSLATED);
	CU_ASSERT_FATAL(huge != NULL);
	memset(huge, 'x', 2 * WL_STREAM_TRANSLATED);
	memcpy(huge, "data: ", 6);
	begin_toy(&s, &toy);
	CU_ASSERT_EQUAL(feed(&s, huge, 2 * WL_STREAM_TRANSLATED, 16384),
	    WL_STREAM_INVALID);
	CU_ASSERT_EQUAL(out.len, 0);
	CU_ASSERT(!s.data_out);
	end(&s);
	free(huge);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "whole streams", whole },
		{ "cut at every byte", every_split },
		{ "pieces of every size", every_size },
		{ "usage, text, ids", figures },
		{ "events leave whole", whole_events },
		{ "a line of 1.5 MB", huge_line },
		{ "responses of 1.5 MB", huge_response },
		{ "responses of 16 MB", endless_response },
		{ "streams that end early", ends_early },
		{ "a client that has gone", client_gone },
		{ "an error before any data", first_error },
		{ "errors keep secrets", secrets },
		{ "another format", translated },
		{ "ends of another format", translated_ends },
		{ NULL, NULL }
	};

	return wl_tap_run("stream", tests);
}
