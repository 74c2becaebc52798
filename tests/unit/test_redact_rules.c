/*
 * Rules of redaction as rows.
 */
#include "config.h"
#include "lib/core/redact_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/co.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/store/db_redaction.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#define BUILTIN(name, mark)	{ name, NULL, mark, true, false }
#define OFF(name, mark)		{ name, NULL, mark, false, false }
#define REGEX(name, pattern, mark) { name, pattern, mark, true, true }

static const char	*logfile;
static size_t		 hits;

static const char *
apply(const struct wl_redact_rules *r, const char *text, size_t len)
{
	static char out[65536];
	struct wl_buf b = { 0 };

	wl_buf_adds(&b, "<");
	hits = wl_redact_rules_apply(r, &b, text, len);
	snprintf(out, sizeof(out), "%s", b.p + 1);
	wl_buf_free(&b);
	return out;
}

/*
 * TEXT by the N rules ROWS.
 */
static const char *
by(const struct wl_db_redaction *rows, int n, const char *text)
{
	struct wl_redact_rules *r = wl_redact_rules_new(rows, n, "p1");
	const char *out;

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	out = apply(r, text, strlen(text));
	wl_redact_rules_free(r);
	return out;
}

#define BY(rows, text) by(rows, (int)(sizeof(rows) / sizeof(rows[0])), text)

static int
logged(const char *part)
{
	size_t len;
	char *text = wl_tmp_read(logfile, &len), *p;
	int n = 0;

	for (p = text; (p = strstr(p, part)) != NULL; p++)
		n++;
	free(text);
	return n;
}

static void
test_builtin(void)
{
	static const char text[] = "a@b.co from 10.1.2.3";
	static const struct wl_db_redaction both[] = {
		BUILTIN("email", "[E]"), BUILTIN("ip", "[REDACTED_IP]")
	};
	static const struct wl_db_redaction one[] = {
		OFF("email", "[E]"), BUILTIN("ip", "")
	};

	CU_ASSERT_STRING_EQUAL(BY(both, text), "[E] from [REDACTED_IP]");
	CU_ASSERT_EQUAL(hits, 2);
	CU_ASSERT_STRING_EQUAL(BY(one, text), "a@b.co from ");
	CU_ASSERT_EQUAL(hits, 1);
	/* no rows: nothing is applied; no rules: the built-in ones are */
	CU_ASSERT_STRING_EQUAL(by(NULL, 0, text), text);
	CU_ASSERT_STRING_EQUAL(apply(NULL, text, strlen(text)),
	    "[REDACTED_EMAIL] from [REDACTED_IP]");
}

static void
test_regex(void)
{
	static const struct wl_db_redaction rows[] = {
		REGEX("employee", "EMP-[0-9]{6}", "[EMPLOYEE]")
	};

	CU_ASSERT_STRING_EQUAL(BY(rows, "ask EMP-123456, not EMP-12 a@b.co"),
	    "ask [EMPLOYEE], not EMP-12 a@b.co");
	CU_ASSERT_EQUAL(hits, 1);
	CU_ASSERT_STRING_EQUAL(BY(rows, "EMP-123456EMP-654321"),
	    "[EMPLOYEE][EMPLOYEE]");
	CU_ASSERT_EQUAL(hits, 2);
	CU_ASSERT_STRING_EQUAL(BY(rows, ""), "");
	CU_ASSERT_EQUAL(hits, 0);
}

/*
 * Each rule works on what those before it left.
 */
static void
test_order(void)
{
	static const struct wl_db_redaction before[] = {
		REGEX("corp", "[a-z]+@corp\\.example", "[STAFF]"),
		BUILTIN("email", "[E]"),
		REGEX("after", "\\[E\\]", "{E}"),
		BUILTIN("ip", "[I]"),
	};

	CU_ASSERT_STRING_EQUAL(BY(before, "a@corp.example b@c.co 10.1.2.3"),
	    "[STAFF] {E} [I]");
	CU_ASSERT_EQUAL(hits, 4);
}

static void
test_utf8(void)
{
	static const struct wl_db_redaction rows[] = {
		REGEX("any", "x.", "#")
	};

	/* a dot is a byte, but the character goes as a whole */
	CU_ASSERT_STRING_EQUAL(BY(rows, "ax\xc3\xa4z \xe2\x82\xacx\xe2\x82\xac"
	    "xy"), "a#z \xe2\x82\xac##");
	CU_ASSERT_STRING_EQUAL(BY(rows, "x\xf0\x9f\x99\x82"), "#");
}

static void
test_bad(void)
{
	static const struct wl_db_redaction rows[] = {
		REGEX("broken", "a(", "[A]"),
		BUILTIN("unheard", "[U]"),
		REGEX("backref", "(a)\\1", "[B]"),
		{ "wordy", "a", "0123456789012345678901234567890123456789"
		    "0123456789012345678901234567890123456789"
		    "0123456789012345678901234567890123456789"
		    "0123456789012345678901234567890123456789"
		    "0123456789012345678901234567890123456789"
		    "0123456789012345678901234567890123456789"
		    "01234567890123456789", true, true },
		{ "broken_too", "[", "[C]", false, true },
		REGEX("good", "b", "[B]"),
	};

	CU_ASSERT_STRING_EQUAL(BY(rows, "a( aa b"), "a( aa [B]");
	CU_ASSERT_EQUAL(logged("redact.rule"), 4);
	CU_ASSERT_EQUAL(logged("project p1: rule \\\"broken\\\" is not"), 1);
	CU_ASSERT_EQUAL(logged("broken_too"), 0);
	/* the same faults are not told again */
	CU_ASSERT_STRING_EQUAL(BY(rows, "b"), "[B]");
	CU_ASSERT_EQUAL(logged("redact.rule"), 4);
}

static void
test_many(void)
{
	struct wl_db_redaction rows[WL_REDACT_RULES_MAX + 2];
	char patterns[WL_REDACT_RULES_MAX + 2][16];
	int i, n = WL_REDACT_RULES_MAX + 2;

	for (i = 0; i < n; i++) {
		snprintf(patterns[i], sizeof(patterns[i]), "<%d>", i);
		rows[i] = (struct wl_db_redaction)REGEX("r", patterns[i], "#");
	}
	CU_ASSERT_STRING_EQUAL(by(rows, n, "<0> <63> <64>"), "# # <64>");
}

/* ---- within a loop ----------------------------------------------------- */

static int	turns;
static bool	over;

static void
others(void *arg)
{
	(void)arg;
	for (; !over; turns++)
		wl_co_yield();
}

/*
 * A text that takes long lets others go first.
 */
static int
long_text(void *arg)
{
	static const struct wl_db_redaction rows[] = {
		REGEX("slow", "(a|b)*a(a|b){60}x", "#")
	};
	struct wl_redact_rules *r = wl_redact_rules_new(rows, 1, "");
	struct wl_buf b = { 0 };
	char *text = malloc(60000);
	size_t i;

	(void)arg;
	CU_ASSERT_FATAL(r != NULL && text != NULL);
	for (i = 0; i < 60000; i++)
		text[i] = "ab"[i % 2];
	CU_ASSERT_PTR_NOT_NULL(wl_co_spawn("others", others, NULL));
	CU_ASSERT_EQUAL(wl_redact_rules_apply(r, &b, text, 60000), 0);
	CU_ASSERT_EQUAL(b.len, 60000);
	over = true;
	wl_buf_free(&b);
	free(text);
	wl_redact_rules_free(r);
	return 0;
}

static void
test_gives_way(void)
{
	CU_ASSERT_EQUAL(wl_run(long_text, NULL), 0);
	CU_ASSERT_TRUE(turns > 5);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "built-in rules, and without", test_builtin },
		{ "a regular expression", test_regex },
		{ "the order", test_order },
		{ "whole characters", test_utf8 },
		{ "rules that cannot be used", test_bad },
		{ "more rules than are applied", test_many },
		{ "a long text", test_gives_way },
		{ NULL, NULL }
	};

	logfile = wl_tmp_path("log");
	if (wl_log_open(logfile, WL_INFO, "test") == -1)
		return 99;
	return wl_tap_run("redact_rules", tests);
}
