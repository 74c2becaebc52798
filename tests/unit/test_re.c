/*
 * Regular expressions: what matches, what is refused, that the C library
 * finds the same, and that no pattern makes a text expensive.
 */
#include "config.h"
#include "lib/base/re.h"

#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "tests/unit/tap.h"

/*
 * TEXT with its matches of PATTERN in brackets.
 */
static const char *
marked_n(const char *pattern, const char *text, size_t len)
{
	static char out[65536];
	const char *why = "";
	struct wl_re *re = wl_re_new(pattern, strlen(pattern), &why);
	const struct wl_re_span *s;
	struct wl_buf b = { 0 };
	size_t i, n, k = 0, at = 0;

	if (re == NULL) {
		snprintf(out, sizeof(out), "refused: %s", why);
		return out;
	}
	CU_ASSERT_EQUAL(wl_re_find(re, text, len, &b, NULL), 0);
	s = (const struct wl_re_span *)(const void *)b.p;
	n = b.len / sizeof(*s);
	for (i = 0; i <= len; i++) {
		if (k < n && i == s[k].to) {
			out[at++] = ']';
			k++;
		}
		if (k < n && i == s[k].from)
			out[at++] = '[';
		if (i < len)
			out[at++] = text[i];
	}
	out[at] = '\0';
	CU_ASSERT_EQUAL(k, n);
	wl_buf_free(&b);
	wl_re_free(re);
	return out;
}

static const char *
marked(const char *pattern, const char *text)
{
	return marked_n(pattern, text, strlen(text));
}

static void
test_matches(void)
{
	static const struct {
		const char	*pattern, *text, *want;
	} rows[] = {
		{ "a", "banana", "b[a]n[a]n[a]" },
		{ "an", "banana", "b[an][an]a" },
		{ "x", "banana", "banana" },
		{ "EMP-[0-9]{6}", "EMP-123456 EMP-12345 EMP-1234567",
		    "[EMP-123456] EMP-12345 [EMP-123456]7" },
		{ "a*", "baac", "b[aa]c" },
		{ "a+b?", "aab ab a b", "[aab] [ab] [a] b" },
		{ "ab|abc|abcd", "abcde", "[abcd]e" },
		{ "(a|ab)(c|bcd)", "abcd", "[abcd]" },
		{ "a|", "ab", "[a]b" },
		{ "(|a)b", "ab b", "[ab] [b]" },
		{ "a{2,3}", "aaaaaaa", "[aaa][aaa]a" },
		{ "a{2}", "aaaaa", "[aa][aa]a" },
		{ "a{2,}", "a aa aaaa", "a [aa] [aaaa]" },
		{ "a{,2}b", "aaab", "a[aab]" },
		{ "a{0}b", "ab", "a[b]" },
		{ "(ab){2}c", "ababc", "[ababc]" },
		{ "a{x}", "a{x}", "[a{x}]" },
		{ "a.*b|c", "a cc b c", "[a cc b] [c]" },
		{ "a.*b|c", "a cc c", "a [c][c] [c]" },
		{ "a.b", "a\nb axb", "a\nb [axb]" },
		{ "[^x]+", "ab\ncd", "[ab]\n[cd]" },
		{ "^a", "aa\nab", "[a]a\n[a]b" },
		{ "a$", "aa\nba", "a[a]\nb[a]" },
		{ "^a$", "a\naa\na", "[a]\naa\n[a]" },
		{ "[]a]", "]a", "[]][a]" },
		{ "[^]a]", "]ab", "]a[b]" },
		{ "[a-c-]", "abc-d", "[a][b][c][-]d" },
		{ "[[:digit:][:upper:]]+", "aB12c", "a[B12]c" },
		{ "[[:space:]]", "a\tb", "a[\t]b" },
		{ "\\d+-\\w+\\s\\S", "12-ab_ x", "[12-ab_ x]" },
		{ "\\D\\W", "1a-", "1[a-]" },
		{ "\\bcat\\b", "cat concat cats cat.", "[cat] concat cats [cat]." },
		{ "\\<a|b\\>", "ab ba", "[a][b] ba" },
		{ "\\Ba", "aa", "a[a]" },
		{ "\\.\\*\\\\", "x.*\\", "x[.*\\]" },
		{ "a\\nb", "a\nb", "[a\nb]" },
		{ "(?i)geheim[a-c]", "GEHEIMB Geheima geheimd",
		    "[GEHEIMB] [Geheima] geheimd" },
		{ "(?i)[^a]", "aAb", "aA[b]" },
		{ "\xc3\xa4+", "\xc3\xa4\xc3\xa4 \xc3\xa5",
		    "[\xc3\xa4\xc3\xa4] \xc3\xa5" },
		{ "[x\xc3\xa4\xe2\x82\xac]+", "a\xc3\xa4x\xe2\x82\xac\xc3\xa5",
		    "a[\xc3\xa4x\xe2\x82\xac]\xc3\xa5" },
		{ "[\xc3\xa4\xc3\xb6]z", "\xc3\xb6z \xc3\xa4z",
		    "[\xc3\xb6z] [\xc3\xa4z]" },
		{ "((a))", "a", "[a]" },
		{ "a)", "a)", "[a)]" },
		{ "(a*)*b", "aab", "[aab]" },
		{ "(a|b)*abb", "babaabb", "[babaabb]" },
		{ "()a", "a", "[a]" },
		{ "x*", "", "" },
		{ "($|a)b", "ab", "[ab]" },
		{ "(^a|b)c", "acbc ac", "[ac][bc] ac" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(marked(rows[i].pattern, rows[i].text),
		    rows[i].want) != 0) {
			printf("# %s on \"%s\": %s\n", rows[i].pattern,
			    rows[i].text, marked(rows[i].pattern,
			    rows[i].text));
			CU_FAIL("another match");
		}
	CU_ASSERT_EQUAL(memcmp(marked_n("b", "\0b\0", 3), "\0[b]\0", 5), 0);
}

static void
test_refused(void)
{
	static const struct {
		const char	*pattern, *why;
	} rows[] = {
		{ "", "empty" }, { "(?i)", "empty" }, { "*a", "repeat" },
		{ "a|+", "repeat" }, { "(a", "parenthesis" },
		{ "[a", "closed" }, { "[", "closed" }, { "a\\", "end" },
		{ "(a)\\1", "back-reference" }, { "\\q", "escape" },
		{ "[\\d]", "backslash" }, { "[[:nope:]]", "class" },
		{ "[[=a=]]", "class" }, { "[[.a.]]", "class" },
		{ "[z-a]", "range" }, { "[a-\xc3\xa4]", "range" },
		{ "[^\xc3\xa4]", "ASCII" }, { "a{3,2}", "repetition" },
		{ "a{256}", "repetition" }, { "(a{100}){100}", "large" },
		{ "((((a{99}){9}){9}){9}){9}", "large" },
		{ "\xff", "UTF-8" },
	};
	char deep[200];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = marked(rows[i].pattern, "x");

		if (strncmp(got, "refused", 7) != 0 ||
		    strstr(got, rows[i].why) == NULL) {
			printf("# %s: %s\n", rows[i].pattern, got);
			CU_FAIL("not refused so");
		}
	}
	memset(deep, '(', 100);
	deep[100] = '\0';
	CU_ASSERT_STRING_EQUAL(marked(deep, "x"),
	    "refused: parentheses too deep");
}

/* ---- the C library as a witness ---------------------------------------- */

static uint64_t seed;

static unsigned
pick(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static char *
put(char *to, const char *s)
{
	return mempcpy(to, s, strlen(s));
}

/*
 * A pattern over a and b in *OUT, nested at most DEPTH times.
 */
static void
any_pattern(char **out, int depth)
{
	static const char *const atoms[] = { "a", "b", ".", "[ab]", "[^a]",
	    "^", "$" };
	static const char *const repeats[] = { "", "", "", "*", "+", "?",
	    "{2}", "{1,2}", "{0,2}", "{2,}" };
	unsigned i, n = 1 + pick(3), k;

	for (i = 0; i < n; i++) {
		if (i > 0 && pick(4) == 0)
			*(*out)++ = '|';
		k = pick(10);
		if (depth > 0 && k < 3) {
			*(*out)++ = '(';
			any_pattern(out, depth - 1);
			*(*out)++ = ')';
		} else {
			/* the library errs with anchors in repeated groups */
			k = pick(depth == 2 ? 7 : 5);
			*out = put(*out, atoms[k]);
			if (k >= 5)
				continue;
		}
		*out = put(*out, repeats[pick(sizeof(repeats) /
		    sizeof(repeats[0]))]);
	}
}

/*
 * What regexec() finds, in the same form; matches of nothing left out.
 */
static const char *
witness(const char *pattern, const char *text)
{
	static char out[1024];
	size_t len = strlen(text), pos = 0;
	regmatch_t m;
	regex_t re;
	char *to = out;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE) != 0)
		return NULL;
	while (pos <= len) {
		m.rm_so = (regoff_t)pos;
		m.rm_eo = (regoff_t)len;
		if (regexec(&re, text, 1, &m, REG_STARTEND) != 0)
			break;
		to = mempcpy(to, text + pos, (size_t)m.rm_so - pos);
		if (m.rm_eo == m.rm_so) {
			/* nothing, but something may begin here */
			pos = (size_t)m.rm_so;
			if (pos == len)
				break;
			*to++ = text[pos++];
			continue;
		}
		*to++ = '[';
		to = mempcpy(to, text + m.rm_so, (size_t)(m.rm_eo - m.rm_so));
		*to++ = ']';
		pos = (size_t)m.rm_eo;
	}
	regfree(&re);
	if (pos < len && (size_t)(to - out) < sizeof(out) - len)
		to = put(to, text + pos);
	*to = '\0';
	return out;
}

static void
test_witness(void)
{
	char pattern[4096], text[16], *to;
	const char *want;
	unsigned i, k, n, asked = 0;

	for (seed = 1, i = 0; i < 20000; i++) {
		to = pattern;
		any_pattern(&to, 2);
		*to = '\0';
		n = pick(sizeof(text));
		for (k = 0; k < n; k++)
			text[k] = "aabbc\n"[pick(6)];
		text[n] = '\0';
		want = witness(pattern, text);
		if (want == NULL || strchr(want, ' ') != NULL)
			continue;
		asked++;
		if (strcmp(marked(pattern, text), want) != 0) {
			printf("# %s on \"%s\": %s, not %s\n", pattern, text,
			    marked(pattern, text), want);
			CU_FAIL("the C library finds something else");
			break;
		}
	}
	CU_ASSERT_TRUE(asked > 15000);
}

/* ---- cost -------------------------------------------------------------- */

static int	pauses;

static void
on_pause(void)
{
	pauses++;
}

/*
 * Seconds of CPU for LEN bytes of TEXT, repeated.
 */
static double
seconds(const char *pattern, const char *text, size_t len)
{
	const char *why;
	struct wl_re *re = wl_re_new(pattern, strlen(pattern), &why);
	struct wl_buf b = { 0 };
	size_t i, n = strlen(text);
	char *p = malloc(len);
	clock_t start;

	CU_ASSERT_FATAL(re != NULL && p != NULL);
	for (i = 0; i < len; i++)
		p[i] = text[i % n];
	start = clock();
	CU_ASSERT_EQUAL(wl_re_find(re, p, len, &b, on_pause), 0);
	free(p);
	wl_re_free(re);
	wl_buf_free(&b);
	return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/*
 * Ten times the text takes about ten times as long, whatever the pattern.
 * The bound is loose: a machine may be busy.
 */
static void
test_linear(void)
{
	static const struct {
		const char	*pattern, *text;
	} rows[] = {
		{ "a.*b", "a" },
		{ "(a*)*b", "a" },
		{ "(a|a)*b", "a" },
		{ "(a|b)*a(a|b){60}x", "abbabaab" },
		{ "(a?){60}a{60}", "ab" },
		{ "a.*b|c", "acccc" },
		{ "(x+x+)+y", "x" },
	};
	double small, large;
	size_t i;

	pauses = 0;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		small = seconds(rows[i].pattern, rows[i].text, 20000);
		large = seconds(rows[i].pattern, rows[i].text, 200000);
		if (large > 40 * small + 0.2) {
			printf("# %s: %.3f s, then %.3f s\n", rows[i].pattern,
			    small, large);
			CU_FAIL("not linear");
		}
	}
	CU_ASSERT_TRUE(pauses > 10);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "matches", test_matches },
		{ "what is refused", test_refused },
		{ "the C library finds the same", test_witness },
		{ "time is linear", test_linear },
		{ NULL, NULL }
	};

	return wl_tap_run("re", tests);
}
