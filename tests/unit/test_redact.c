/*
 * Redaction: a table of texts and what is left of them.
 */
#include "config.h"
#include "lib/core/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/json.h"
#include "tests/unit/tap.h"

#define K20	"abcdefghij0123456789"
#define K40	K20 K20
#define HEADER	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
#define CLAIMS	"eyJzdWIiOiIxMjM0NTY3ODkwIn0"
#define JWT	HEADER "." CLAIMS ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

/*
 * WANT NULL: nothing is replaced.
 */
struct row {
	const char	*text;
	const char	*want;
};

static const struct row emails[] = {
	{ "bob@example.com", "[REDACTED_EMAIL]" },
	{ "Write to bob@example.com.", "Write to [REDACTED_EMAIL]." },
	{ "<bob@example.com>", "<[REDACTED_EMAIL]>" },
	{ "mailto:bob@example.com?subject=x", "mailto:[REDACTED_EMAIL]?subject=x" },
	{ "email=bob@example.com&x=1", "email=[REDACTED_EMAIL]&x=1" },
	{ "bob.smith+tag@mail.example.co.uk", "[REDACTED_EMAIL]" },
	{ "BOB@EXAMPLE.ORG", "[REDACTED_EMAIL]" },
	{ "b_o-b%x@ex-ample.io", "[REDACTED_EMAIL]" },
	{ "a@b.co,c@d.org", "[REDACTED_EMAIL],[REDACTED_EMAIL]" },
	{ "a@b.co c@d.org", "[REDACTED_EMAIL] [REDACTED_EMAIL]" },
	{ "josé@example.com", "[REDACTED_EMAIL]" },
	{ "联系bob@example.com吧", "联系[REDACTED_EMAIL]吧" },
	{ "'bob@example.com'", "'[REDACTED_EMAIL]'" },
	{ "\"bob@example.com\"", "\"[REDACTED_EMAIL]\"" },
	{ "x@y.z.example.museum", "[REDACTED_EMAIL]" },
	{ "user@xn--bcher-kva.xn--p1ai", "[REDACTED_EMAIL]" },
	{ "https://user:pass@host.com/", "https://user:[REDACTED_EMAIL]/" },
	{ "bob@example.com\nalice@example.com",
	    "[REDACTED_EMAIL]\n[REDACTED_EMAIL]" },
	{ "12345@example.com", "[REDACTED_EMAIL]" },
	{ "bob@example", NULL },
	{ "bob@localhost", NULL },
	{ "@mention hello", NULL },
	{ "say @ the door", NULL },
	{ "@app.route('/x')", NULL },
	{ "lodash@4.17.21", NULL },
	{ "a@b.c", NULL },
	{ "x @ example.com", NULL },
	{ "@@@@@@", NULL },
	{ "user@", NULL },
	{ "@example.com", NULL },
	{ "a@-.com", NULL },
	{ "a@b..com", NULL },
	{ "f(x)@g.h", NULL },
};

static const struct row phones[] = {
	{ "+14155552671", "[REDACTED_PHONE]" },
	{ "+1 415 555 2671", "[REDACTED_PHONE]" },
	{ "+1 (415) 555-2671", "[REDACTED_PHONE]" },
	{ "+1-415-555-2671", "[REDACTED_PHONE]" },
	{ "+1.415.555.2671", "[REDACTED_PHONE]" },
	{ "+49 30 1234567", "[REDACTED_PHONE]" },
	{ "+44 20 7946 0958", "[REDACTED_PHONE]" },
	{ "+33 6 12 34 56 78", "[REDACTED_PHONE]" },
	{ "+919876543210", "[REDACTED_PHONE]" },
	{ "call +49 30 1234567 now", "call [REDACTED_PHONE] now" },
	{ "tel:+14155552671", "tel:[REDACTED_PHONE]" },
	{ "(415) 555-2671", "[REDACTED_PHONE]" },
	{ "(415)555-2671", "[REDACTED_PHONE]" },
	{ "(415) 555 2671", "[REDACTED_PHONE]" },
	{ "415-555-2671", "[REDACTED_PHONE]" },
	{ "415.555.2671", "[REDACTED_PHONE]" },
	{ "415 555-2671", "[REDACTED_PHONE]" },
	{ "1-800-555-0199", "[REDACTED_PHONE]" },
	{ "1 (415) 555-2671", "[REDACTED_PHONE]" },
	{ "555-123-4567", "[REDACTED_PHONE]" },
	{ "Phone: 415-555-2671.", "Phone: [REDACTED_PHONE]." },
	{ "415-555-2671, 212-555-0100",
	    "[REDACTED_PHONE], [REDACTED_PHONE]" },
	{ "4155552671", NULL },
	{ "415 555 2671", NULL },
	{ "100-200-3000", NULL },
	{ "555-1234", NULL },
	{ "+1", NULL },
	{ "+100", NULL },
	{ "+12345678", NULL },
	{ "+0 123 456 7890", NULL },
	{ "a+14155552671", NULL },
	{ "1736001720", NULL },
	{ "1736001720000", NULL },
	{ "1736001720123456789", NULL },
	{ "2026-01-04", NULL },
	{ "2026-01-04T12:00:00.000Z", NULL },
	{ "2026-01-04T12:00:00.000+01:00", NULL },
	{ "2026-01-04 12:00:00", NULL },
	{ "04-01-2026", NULL },
	{ "20260104120000", NULL },
	{ "550e8400-e29b-41d4-a716-446655440000", NULL },
	{ "01890a5d-ac96-774b-bcce-b302099a8057", NULL },
	{ "12345678-1234-1234-1234-123456789012", NULL },
	{ "11111111-2222-4333-8444-555555555555", NULL },
	{ "order 1234567890", NULL },
	{ "1,234,567,890", NULL },
	{ "3.14159265358979", NULL },
	{ "$1234.56", NULL },
	{ "978-3-16-148410-0", NULL },
	{ "12345-6789", NULL },
	{ "ISO-8601-2019", NULL },
	{ "200 300 4000", NULL },
	{ "v2-415-555-2671", NULL },
	{ "415-555-26710", NULL },
	{ "415-555-2671-99", NULL },
	{ "x415-555-2671", NULL },
	{ "1 + 2 = 3", NULL },
	{ "f(415)", NULL },
	{ "req_4155552671", NULL },
	{ "chatcmpl-415555267112", NULL },
	{ "0.415.555.2671", NULL },
};

static const struct row cards[] = {
	{ "4111111111111111", "[REDACTED_CARD]" },
	{ "4111 1111 1111 1111", "[REDACTED_CARD]" },
	{ "4111-1111-1111-1111", "[REDACTED_CARD]" },
	{ "card 4111111111111111.", "card [REDACTED_CARD]." },
	{ "4222222222222", "[REDACTED_CARD]" },
	{ "378282246310005", "[REDACTED_CARD]" },
	{ "3782 822463 10005", "[REDACTED_CARD]" },
	{ "371449635398431", "[REDACTED_CARD]" },
	{ "30569309025904", "[REDACTED_CARD]" },
	{ "6011111111111117", "[REDACTED_CARD]" },
	{ "3530111333300000", "[REDACTED_CARD]" },
	{ "5555555555554444", "[REDACTED_CARD]" },
	{ "5105 1051 0510 5100", "[REDACTED_CARD]" },
	{ "2223003122003222", "[REDACTED_CARD]" },
	{ "6212345678901232", "[REDACTED_CARD]" },
	{ "12 4111 1111 1111 1111", "12 [REDACTED_CARD]" },
	{ "4111 1111 1111 1111 12/27", "[REDACTED_CARD] 12/27" },
	{ "(4111111111111111)", "([REDACTED_CARD])" },
	{ "card-4111111111111111", "card-[REDACTED_CARD]" },
	{ "4111111111111111,5555555555554444",
	    "[REDACTED_CARD],[REDACTED_CARD]" },
	{ "4111111111111112", NULL },
	{ "4111 1111 1111 1112", NULL },
	{ "0000000000000000", NULL },
	{ "1736001720008", NULL },
	{ "9999999999999995", NULL },
	{ "41111111111111110000", NULL },
	{ "4111-1111 1111-1111", NULL },
	{ "a4111111111111111", NULL },
	{ "4111111111111111b", NULL },
	{ "4111111111111111_x", NULL },
	{ "0.4111111111111111", NULL },
	{ "id_4111111111111111", NULL },
	{ "4111-1111-1111-1111-99", NULL },
	{ "7992739871300000", NULL },
};

static const struct row ssns[] = {
	{ "123-45-6789", "[REDACTED_SSN]" },
	{ "SSN: 123-45-6789.", "SSN: [REDACTED_SSN]." },
	{ "(123-45-6789)", "([REDACTED_SSN])" },
	{ "899-01-0001", "[REDACTED_SSN]" },
	{ "000-45-6789", NULL },
	{ "666-45-6789", NULL },
	{ "900-45-6789", NULL },
	{ "123-00-6789", NULL },
	{ "123-45-0000", NULL },
	{ "123 45 6789", NULL },
	{ "123456789", NULL },
	{ "123-45-67890", NULL },
	{ "1123-45-6789", NULL },
	{ "123-45-6789-1", NULL },
	{ "part-9-123-45-6789", NULL },
};

static const struct row addresses[] = {
	{ "192.168.1.1", "[REDACTED_IP]" },
	{ "from 203.0.113.7:8080", "from [REDACTED_IP]:8080" },
	{ "10.1.2.3/8", "[REDACTED_IP]/8" },
	{ "http://198.51.100.4/x", "http://[REDACTED_IP]/x" },
	{ "8.8.8.8.", "[REDACTED_IP]." },
	{ "255.255.255.255", "[REDACTED_IP]" },
	{ "2001:db8::1", "[REDACTED_IP]" },
	{ "fe80::1ff:fe23:4567:890a", "[REDACTED_IP]" },
	{ "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[REDACTED_IP]" },
	{ "http://[2001:db8::1]:443/", "http://[[REDACTED_IP]]:443/" },
	{ "fd00::", "[REDACTED_IP]" },
	{ "1:2:3:4:5:6:7:8", "[REDACTED_IP]" },
	{ "::ffff:192.0.2.1", "::ffff:[REDACTED_IP]" },
	{ "256.1.1.1", NULL },
	{ "1.2.3", NULL },
	{ "1.2.3.4.5", NULL },
	{ "v1.2.3.4", NULL },
	{ "10.0.19041.1", NULL },
	{ "Chrome/120.0.0.0 Safari", NULL },
	{ "12:00:00", NULL },
	{ "12:34:56:78", NULL },
	{ "00:1A:2B:3C:4D:5E", NULL },
	{ "std::vector", NULL },
	{ "a::b", NULL },
	{ "fe::dead", NULL },
	{ "face::off", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
	{ "x[::1]", NULL },
	{ "deadbeef::", NULL },
	{ "::", NULL },
	{ "1::2::3", NULL },
	{ "2001:db8", NULL },
	{ "3.5.0.1234", NULL },
};

static const struct row keys[] = {
	{ "sk-" K20, "[REDACTED_KEY]" },
	{ "sk-proj-" K40, "[REDACTED_KEY]" },
	{ "sk-ant-api03-" K20 "-" K20 "_x", "[REDACTED_KEY]" },
	{ "sk-or-v1-" K40, "[REDACTED_KEY]" },
	{ "gsk_" K20, "[REDACTED_KEY]" },
	{ "lgw_proj_" K20 K20, "[REDACTED_KEY]" },
	{ "lgw_test_" K20 K20, "[REDACTED_KEY]" },
	{ "xai-" K40, "[REDACTED_KEY]" },
	{ "AIzaSyA" K20 "abcdefgh", "[REDACTED_KEY]" },
	{ "ghp_" K20 "abcdefghij123456", "[REDACTED_KEY]" },
	{ "github_pat_" K20 "_" K20, "[REDACTED_KEY]" },
	{ "glpat-" K20, "[REDACTED_KEY]" },
	{ "AKIAIOSFODNN7EXAMPLE", "[REDACTED_KEY]" },
	{ "ASIAIOSFODNN7EXAMPLE", "[REDACTED_KEY]" },
	{ "xoxb-1234567890-abcdefghij", "[REDACTED_KEY]" },
	{ "hf_" K40, "[REDACTED_KEY]" },
	{ "sk_live_" K20, "[REDACTED_KEY]" },
	{ "whsec_" K20, "[REDACTED_KEY]" },
	{ "key=sk-" K20 "&x", "key=[REDACTED_KEY]&x" },
	{ "'sk-" K20 "'", "'[REDACTED_KEY]'" },
	{ "OPENAI_API_KEY=sk-" K20 "\n", "OPENAI_API_KEY=[REDACTED_KEY]\n" },
	{ "my-sk-" K20, "my-[REDACTED_KEY]" },
	{ "sk-" K20 " and sk-" K20, "[REDACTED_KEY] and [REDACTED_KEY]" },
	{ "x -----BEGIN RSA PRIVATE KEY-----\nMII\n"
	    "-----END RSA PRIVATE KEY-----\ny", "x [REDACTED_KEY]\ny" },
	{ "-----BEGIN PRIVATE KEY-----\nMIIcut", "[REDACTED_KEY]" },
	{ "sk-learn", NULL },
	{ "sk-" "short1", NULL },
	{ "sk-this-is-only-a-long-name-of-something", NULL },
	{ "task-" K20, NULL },
	{ "ask-me-anything", NULL },
	{ "xsk-" K20, NULL },
	{ "gsk_short", NULL },
	{ "AKIA is a prefix", NULL },
	{ "AKIAIOSFODNN7EXAMPLEX", NULL },
	{ "AKIAiosfodnn7example", NULL },
	{ "AIzaShort1", NULL },
	{ "ghp_short", NULL },
	{ "hf_model_name", NULL },
	{ "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----", NULL },
	{ "-- a dash --", NULL },
};

static const struct row tokens[] = {
	{ "Bearer abcdefghij0123456789", "Bearer [REDACTED_TOKEN]" },
	{ "Authorization: Bearer abcdefghij0123456789",
	    "Authorization: Bearer [REDACTED_TOKEN]" },
	{ "authorization: bearer abc.def~ghi+jkl/0123456789==",
	    "authorization: bearer [REDACTED_TOKEN]" },
	{ "BEARER  abcdefghij0123456789", "BEARER  [REDACTED_TOKEN]" },
	{ "Bearer: abcdefghij0123456789", "Bearer: [REDACTED_TOKEN]" },
	{ "Bearer " JWT, "Bearer [REDACTED_JWT]" },
	{ JWT, "[REDACTED_JWT]" },
	{ "token=" JWT "; path=/", "token=[REDACTED_JWT]; path=/" },
	{ HEADER "." CLAIMS ".", "[REDACTED_JWT]" },
	{ "bearer of good news", NULL },
	{ "Bearer responsibilities", NULL },
	{ "Bearer token", NULL },
	{ "forbearer abcdefghij0123456789", NULL },
	{ "Bearer abc123", NULL },
	{ HEADER, NULL },
	{ HEADER "." CLAIMS, NULL },
	{ "eyJ.eyJ.x", NULL },
	{ "x" JWT, NULL },
};

static const struct row plain[] = {
	{ "", NULL },
	{ "Hello, world!", NULL },
	{ "Grüße aus Köln, 日本語, 🙂", NULL },
	{ "{\"a\": [1, 2, 3], \"b\": 1e10}", NULL },
	{ "SELECT * FROM t WHERE id = 42;", NULL },
	{ "https://example.com/a/b?c=d#e", NULL },
	{ "sha256:9f86d081884c7d659a2feaa0c55ad015"
	    "a3bf4f1b2b0b822cd15d6c15b0f00a08", NULL },
	{ "[REDACTED_EMAIL] [REDACTED_CARD] [REDACTED_IP]", NULL },
	{ "\xff\xfe\x80", NULL },
	{ "(1) first (2) second", NULL },
	{ "x = (a + b) * 3 - 4.5", NULL },
	{ "temperature 0.7, top_p 0.95", NULL },
};

static void
check(const struct row *row)
{
	const char *want = row->want == NULL ? row->text : row->want;
	struct wl_buf b = { 0 };
	size_t n = wl_redact(&b, row->text, strlen(row->text));

	if (b.failed || strcmp(b.p, want) != 0 ||
	    (n > 0) != (row->want != NULL)) {
		printf("# \"%s\"\n# gave \"%s\"\n# not  \"%s\"\n", row->text,
		    b.p, want);
		CU_FAIL("wrong redaction");
	}
	wl_buf_free(&b);
}

#define TABLE(name, rows)						\
static void								\
name(void)								\
{									\
	size_t i;							\
									\
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)		\
		check(&rows[i]);					\
}
TABLE(find_emails, emails)
TABLE(find_phones, phones)
TABLE(find_cards, cards)
TABLE(find_ssns, ssns)
TABLE(find_addresses, addresses)
TABLE(find_keys, keys)
TABLE(find_tokens, tokens)
TABLE(leave_the_rest, plain)

/*
 * TEXT with whatever is in it, as a value of JSON, must still be JSON.
 */
static void
stays_json(void)
{
	static const char text[] = "bob@example.com \"q\" \\ 4111111111111111 "
	    "\n\t+49 30 1234567 sk-" K20;
	struct wl_buf red = { 0 }, json = { 0 };

	CU_ASSERT_EQUAL(wl_redact(&red, text, sizeof(text) - 1), 4);
	wl_json_quote(&json, red.p, red.len);
	CU_ASSERT_EQUAL(wl_json_scan(json.p, json.len, 10), WL_JSON_OK);
	wl_buf_free(&red);
	wl_buf_free(&json);
}

static void
by_rule(void)
{
	static const char text[] = "a@b.co 4111111111111111 10.1.2.3";
	const char *marks[WL_REDACT_BUILTIN] = { NULL };
	struct wl_buf b = { 0 };

	CU_ASSERT_EQUAL(wl_redact_marks(&b, text, sizeof(text) - 1, marks),
	    0);
	CU_ASSERT_STRING_EQUAL(b.p, text);
	wl_buf_reset(&b);
	marks[wl_redact_find("email")] = "[mail]";
	marks[wl_redact_find("ip")] = "";
	CU_ASSERT_EQUAL(wl_redact_marks(&b, text, sizeof(text) - 1, marks),
	    2);
	CU_ASSERT_STRING_EQUAL(b.p, "[mail] 4111111111111111 ");
	CU_ASSERT_EQUAL(wl_redact_find("nonsense"), -1);
	CU_ASSERT_EQUAL(wl_redact_find(""), -1);
	wl_buf_reset(&b);
	CU_ASSERT_EQUAL(wl_redact_secrets(&b, "x sk-" K20 " a@b.co", 32), 1);
	CU_ASSERT_STRING_EQUAL(b.p, "x [REDACTED_KEY] a@b.co");
	wl_buf_reset(&b);
	CU_ASSERT_EQUAL(wl_redact(&b, text, sizeof(text) - 1), 3);
	wl_buf_free(&b);
}

/*
 * Seconds of CPU that LEN bytes of PATTERN, repeated, take.
 */
static double
seconds(const char *pattern, size_t len)
{
	size_t n = strlen(pattern), i;
	char *p = malloc(len);
	struct wl_buf b = { 0 };
	clock_t start;
	double t;

	CU_ASSERT_FATAL(p != NULL);
	for (i = 0; i < len; i++)
		p[i] = pattern[i % n];
	start = clock();
	(void)wl_redact(&b, p, len);
	t = (double)(clock() - start) / CLOCKS_PER_SEC;
	CU_ASSERT(!b.failed);
	free(p);
	wl_buf_free(&b);
	return t;
}

/*
 * Ten times the text must not take much more than ten times as long, whatever
 * it is made of.  The bound is loose: a machine may be busy.
 */
static void
linear(void)
{
	static const char *const patterns[] = {
		"a", "1", "1 ", "1-", "1.", "@", "a@", "a.", "a@b.", "sk-",
		"sk-a", "eyJ", "eyJ-", "eyJhbGciOiJ9.", "Bearer ", "bearer=",
		"-----BEGIN PRIVATE ", "-", "(", "(1", "+1", "+", ":", "1:",
		"a:", "a::", "4111 ", "\xc3\xa9@", "eyJaaaaaaaaaa-"
	};
	double small, large;
	size_t i;

	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		small = seconds(patterns[i], 40000);
		large = seconds(patterns[i], 400000);
		if (large > 0.05 && large > small * 40) {
			printf("# \"%s\": %.4f s, then %.4f s\n", patterns[i],
			    small, large);
			CU_FAIL("not linear");
		}
	}
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "e-mail addresses", find_emails },
		{ "phone numbers", find_phones },
		{ "payment cards", find_cards },
		{ "social security numbers", find_ssns },
		{ "IP addresses", find_addresses },
		{ "keys", find_keys },
		{ "bearer tokens and JWTs", find_tokens },
		{ "everything else stays", leave_the_rest },
		{ "JSON stays JSON", stays_json },
		{ "rules can be chosen", by_rule },
		{ "linear time", linear },
		{ NULL, NULL }
	};

	return wl_tap_run("redact", tests);
}
