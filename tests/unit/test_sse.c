/*
 * The parser of server-sent events.
 */
#include "config.h"
#include "lib/http/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

/*
 * Feed TEXT in pieces of PIECE bytes and write what comes out as text:
 * name|data|id; for each event, "!" for a refusal.
 */
static void
run(const char *text, size_t len, size_t piece, size_t max, struct wl_buf *out)
{
	struct wl_sse_event ev;
	struct wl_sse s;
	const char *p;
	size_t at, n;
	int rc = 0;

	wl_buf_reset(out);
	wl_sse_init(&s, max);
	for (at = 0; at < len && rc != -1; at += piece) {
		n = len - at < piece ? len - at : piece;
		p = text + at;
		while ((rc = wl_sse_feed(&s, &p, &n, &ev)) == 1) {
			wl_buf_add(out, ev.name.p, ev.name.len);
			wl_buf_addc(out, '|');
			if (ev.has_data)
				wl_buf_add(out, ev.data.p, ev.data.len);
			else
				wl_buf_adds(out, "(none)");
			wl_buf_addc(out, '|');
			wl_buf_add(out, ev.id.p, ev.id.len);
			wl_buf_addc(out, ';');
		}
		if (rc == 0)
			CU_ASSERT_EQUAL(n, 0);
	}
	if (rc == -1)
		wl_buf_addc(out, '!');
	wl_sse_free(&s);
}

static void
expect(const char *text, const char *want)
{
	struct wl_buf out = { 0 };
	size_t piece, len = strlen(text);

	for (piece = 1; piece <= len; piece++) {
		run(text, len, piece, 4096, &out);
		if (out.p == NULL)
			wl_buf_adds(&out, "");
		if (strcmp(out.p, want) != 0)
			CU_FAIL(text);
	}
	wl_buf_free(&out);
}

static void
fields(void)
{
	expect("data: a\n\n", "|a|;");
	expect("data:a\n\n", "|a|;");
	expect("data:  a \n\n", "| a |;");
	expect("data\n\n", "||;");
	expect("data:\ndata: b\n\n", "|\nb|;");
	expect("event: x\ndata: 1\ndata: 2\nid: 7\n\n", "x|1\n2|7;");
	expect("event: ping\n\n", "ping|(none)|;");
	expect("id: 1\ndata: a\n\ndata: b\n\n", "|a|1;|b|1;");
	expect("retry: 100\nfoo: bar\ndata: a:b\n\n", "|a:b|;");
	expect("Data: no\ndata : no\n\ndata: yes\n\n", "|yes|;");
}

static void
line_ends(void)
{
	expect("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "|a|;|b|;|c|;");
	expect("data: a\r\n\ndata: b\n\r\n", "|a|;|b|;");
	expect("data: a\r\r\n\n\ndata: b\n\n", "|a|;|b|;");
	expect("\n\n\r\n\r\n: x\n\n", "");
}

static void
comments(void)
{
	expect(": ok\n\ndata: a\n: in between\ndata: b\n\n:\n\n", "|a\nb|;");
	expect(":data: a\n\n", "");
}

static void
byte_order_mark(void)
{
	expect("\xef\xbb\xbf" "data: a\n\n", "|a|;");
	expect("\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\ndata: b\n\n", "|b|;");
	expect("data: a\n\n\xef\xbb\xbf" "data: b\n\n", "|a|;");
}

static void
unfinished(void)
{
	expect("data: a\n", "");
	expect("data: a", "");
	expect("data: a\n\ndata: b\n", "|a|;");
}

static void
limits(void)
{
	static const char *const lines[] = {
		"data: 0123456789abcdef\n\n",
		"data: 012345\ndata: 6789ab\ndata: cdefg\n\n",
		"event: 0123456789\ndata: 0123456789\n\n",
		": 0123456789abcdef0123456789\n\n",
	};
	struct wl_buf out = { 0 };
	size_t i, piece, len;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		len = strlen(lines[i]);
		for (piece = 1; piece <= len; piece++) {
			run(lines[i], len, piece, 18, &out);
			CU_ASSERT_STRING_EQUAL(out.p, "!");
			run(lines[i], len, piece, 28, &out);
			CU_ASSERT(out.p[0] != '!');
		}
	}
	wl_buf_free(&out);
}

/*
 * Random streams made of what matters: every split gives the same events.
 */
static void
any_split(void)
{
	static const char *const parts[] = {
		"data", "event", "id", ":", " ", "\n", "\r", "\r\n", "\n\n",
		"x", "\xef\xbb\xbf", "{\"a\":1}", "\xc3\xa9", "data: y\n\n",
	};
	struct wl_buf text = { 0 }, whole = { 0 }, split = { 0 };
	unsigned seed = 1;
	int round, i, n;

	for (round = 0; round < 2000; round++) {
		wl_buf_reset(&text);
		n = 1 + rand_r(&seed) % 40;
		for (i = 0; i < n; i++)
			wl_buf_adds(&text, parts[(size_t)rand_r(&seed) %
			    (sizeof(parts) / sizeof(parts[0]))]);
		run(text.p, text.len, text.len, 64, &whole);
		run(text.p, text.len, 1, 64, &split);
		if (whole.len != split.len || (whole.len > 0 &&
		    memcmp(whole.p, split.p, whole.len) != 0))
			CU_FAIL("one byte at a time");
		run(text.p, text.len, 1 + (size_t)rand_r(&seed) % 9, 64,
		    &split);
		if (whole.len != split.len || (whole.len > 0 &&
		    memcmp(whole.p, split.p, whole.len) != 0))
			CU_FAIL("random pieces");
	}
	wl_buf_free(&text);
	wl_buf_free(&whole);
	wl_buf_free(&split);
}

static void
nul_in_id(void)
{
	static const char text[] = "id: a\0b\ndata: \0\n\n";
	struct wl_buf out = { 0 };

	run(text, sizeof(text) - 1, sizeof(text), 64, &out);
	CU_ASSERT_EQUAL(out.len, 4);
	CU_ASSERT_EQUAL(memcmp(out.p, "|\0|;", 4), 0);
	wl_buf_free(&out);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "fields", fields },
		{ "line ends", line_ends },
		{ "comments", comments },
		{ "byte order mark", byte_order_mark },
		{ "unfinished events are not given", unfinished },
		{ "limits hold at any split", limits },
		{ "any split gives the same events", any_split },
		{ "NUL in an id and in data", nul_in_id },
		{ NULL, NULL }
	};

	return wl_tap_run("sse", tests);
}
