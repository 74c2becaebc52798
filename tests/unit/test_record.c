/*
 * The scanner of FastCGI records.
 */
#include "config.h"
#include "fcgi/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fc.h"
#include "tests/unit/tap.h"

/*
 * Scan B in pieces of PIECE; returns the bytes of the first request, or -1.
 */
static ssize_t
scan(const struct wl_buf *b, size_t piece, struct wl_record *r)
{
	size_t at = 0, n;
	ssize_t got;
	char *copy;

	memset(r, 0, sizeof(*r));
	while (at < b->len && !r->ended) {
		n = b->len - at < piece ? b->len - at : piece;
		/* exactly as large as it is, for the sanitizer */
		copy = malloc(n);
		CU_ASSERT_FATAL(copy != NULL);
		memcpy(copy, b->p + at, n);
		got = wl_record_scan(r, copy, n);
		free(copy);
		if (got == -1)
			return -1;
		at += (size_t)got;
		if ((size_t)got < n)
			CU_ASSERT(r->ended);
	}
	return (ssize_t)at;
}

static void
whole(void)
{
	char value[300], body[100000];
	const char *params[] = { "A", "1", "LONG", value, "", "", "B", "",
	    NULL };
	struct wl_buf b = { 0 };
	struct wl_record r;
	size_t len, piece;

	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	memset(body, 'b', sizeof(body));
	fc_begin(&b, 7, true);
	fc_params(&b, 7, params);
	fc_stdin(&b, 7, body, sizeof(body));
	fc_stdin(&b, 7, NULL, 0);
	len = b.len;
	/* the next request is not touched */
	fc_begin(&b, 7, true);
	for (piece = 1; piece < 40; piece++)
		CU_ASSERT_EQUAL(scan(&b, piece, &r), (ssize_t)len);
	CU_ASSERT_EQUAL(scan(&b, b.len, &r), (ssize_t)len);
	CU_ASSERT(r.ended);
	CU_ASSERT_EQUAL(r.params_count, 4);
	wl_record_next(&r);
	CU_ASSERT_EQUAL(wl_record_scan(&r, b.p + len, b.len - len), 16);
	CU_ASSERT_EQUAL(r.request_id, 7);
	wl_buf_free(&b);
}

static void
last_padding(void)
{
	static const char *const none[] = { NULL };
	struct wl_buf b = { 0 };
	struct wl_record r;
	size_t head;

	fc_begin(&b, 1, true);
	fc_params(&b, 1, none);
	head = b.len + 8;
	fc_record(&b, 5, 1, NULL, 0, 5);
	memset(&r, 0, sizeof(r));
	CU_ASSERT_EQUAL(wl_record_scan(&r, b.p, b.len), (ssize_t)b.len);
	CU_ASSERT(r.ended && r.padding == 0);
	/* the header alone: padding is still to come */
	memset(&r, 0, sizeof(r));
	CU_ASSERT_EQUAL(wl_record_scan(&r, b.p, head), (ssize_t)head);
	CU_ASSERT(r.ended && r.padding == 5);
	wl_buf_free(&b);
}

static void
expect_error(const struct wl_buf *b, int error)
{
	struct wl_record r;
	size_t piece;

	for (piece = 1; piece < 20; piece++) {
		errno = 0;
		CU_ASSERT_EQUAL(scan(b, piece, &r), -1);
		CU_ASSERT_EQUAL(errno, error);
	}
}

static void
refused(void)
{
	static const char *const params[] = { "A", "1", NULL };
	static const char bad_last[] = { 5, 5, 'a' };
	struct wl_buf b = { 0 };

	fc_params(&b, 1, params);		/* before the begin */
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	fc_begin(&b, 0, true);
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	fc_begin(&b, 1, true);
	fc_begin(&b, 2, true);			/* multiplexing */
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	fc_begin(&b, 1, true);
	fc_stdin(&b, 1, "x", 1);		/* before the variables end */
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	fc_begin(&b, 1, true);
	fc_params(&b, 2, params);		/* of another request */
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	fc_begin(&b, 1, true);
	fc_record(&b, 2, 1, NULL, 0, 0);
	expect_error(&b, ECONNABORTED);
	wl_buf_reset(&b);
	fc_begin(&b, 1, true);
	fc_record(&b, 4, 1, bad_last, 3, 0);	/* cut off in a pair */
	fc_record(&b, 4, 1, NULL, 0, 0);
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	fc_record(&b, 1, 1, "12345678", 7, 0);	/* a short begin */
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	wl_buf_add(&b, "GET / HTTP/1.1\r\n", 16);
	expect_error(&b, EPROTO);
	wl_buf_free(&b);
}

/*
 * What libfcgi 2.4.2 would overflow or exhaust itself with.
 */
static void
hostile(void)
{
	static const char huge[] = "\x01\xff\xff\xff\xff" "a";
	static const char ask[] = "\x0e\0FCGI_MAX_CONNS";
	static const char two[] = "\0\0";
	struct wl_buf b = { 0 }, values = { 0 };
	struct wl_record r;
	int i;

	fc_begin(&b, 1, true);
	fc_record(&b, 4, 1, huge, sizeof(huge) - 1, 0);
	expect_error(&b, E2BIG);
	wl_buf_reset(&b);
	for (i = 0; i < 3; i++)
		wl_buf_add(&values, ask, sizeof(ask) - 1);
	fc_record(&b, 9, 0, values.p, values.len, 0);
	CU_ASSERT_EQUAL(scan(&b, 5, &r), (ssize_t)b.len);
	wl_buf_reset(&b);
	wl_buf_add(&values, ask, sizeof(ask) - 1);
	fc_record(&b, 9, 0, values.p, values.len, 0);
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	fc_record(&b, 77, 0, "x", 1, 0);	/* unknown management record */
	expect_error(&b, EPROTO);
	wl_buf_reset(&b);
	wl_buf_reset(&values);
	for (i = 0; i < 3000; i++)
		wl_buf_add(&values, two, 2);
	fc_begin(&b, 1, true);
	fc_record(&b, 4, 1, values.p, values.len, 0);
	expect_error(&b, E2BIG);
	wl_buf_free(&b);
	wl_buf_free(&values);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a request in any pieces", whole },
		{ "padding behind the end", last_padding },
		{ "what is refused", refused },
		{ "what would hurt libfcgi", hostile },
		{ NULL, NULL }
	};

	return wl_tap_run("record", tests);
}
