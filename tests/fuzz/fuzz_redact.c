/*
 * Redaction: what is not replaced stays as it was, UTF-8 stays UTF-8, and the
 * marks tell how many matches there were.
 */
#include "config.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "lib/core/redact.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const char *const marks[] = {
	"[REDACTED_CARD]", "[REDACTED_EMAIL]", "[REDACTED_IP]",
	"[REDACTED_JWT]", "[REDACTED_KEY]", "[REDACTED_PHONE]",
	"[REDACTED_SSN]", "[REDACTED_TOKEN]"
};

/*
 * The length of a mark at P, or 0.
 */
static size_t
mark_at(const char *p, size_t len)
{
	size_t i, n;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		n = strlen(marks[i]);
		if (n <= len && memcmp(p, marks[i], n) == 0)
			return n;
	}
	return 0;
}

static size_t
count_marks(const char *p, size_t len)
{
	size_t i, n, count = 0;

	for (i = 0; i < len; i += n == 0 ? 1 : n) {
		n = mark_at(p + i, len - i);
		count += n > 0;
	}
	return count;
}

/*
 * The text between two marks stands in the original, in the same order.
 */
static void
check_rest(const char *in, size_t len, const char *out, size_t outlen)
{
	size_t i, n, from = 0;
	const char *hit;

	for (i = 0; i <= outlen; i++) {
		n = i < outlen ? mark_at(out + i, outlen - i) : 1;
		if (n == 0)
			continue;
		if (i > from) {
			hit = memmem(in, len, out + from, i - from);
			PROMISE(hit != NULL);
			len -= (size_t)(hit - in) + (i - from);
			in = hit + (i - from);
		}
		from = i + n;
		i = from - 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data;
	struct wl_buf all = { 0 }, secrets = { 0 }, json = { 0 };
	size_t before, n;

	if (len > 65536)
		return 0;
	before = count_marks(p, len);
	n = wl_redact(&all, p, len);
	PROMISE(!all.failed);
	if (before == 0) {
		PROMISE(count_marks(all.p == NULL ? "" : all.p, all.len) == n);
		check_rest(p, len, all.p == NULL ? "" : all.p, all.len);
	}
	if (n == 0)
		PROMISE(all.len == len && (len == 0 ||
		    memcmp(all.p, p, len) == 0));
	if (wl_utf8_valid(p, len))
		PROMISE(wl_utf8_valid(all.p == NULL ? "" : all.p, all.len));
	PROMISE(wl_redact_secrets(&secrets, p, len) <= len);
	PROMISE(!secrets.failed);
	wl_json_quote(&json, all.p == NULL ? "" : all.p, all.len);
	PROMISE(wl_json_scan(json.p, json.len, 0) == WL_JSON_OK);
	wl_buf_free(&all);
	wl_buf_free(&secrets);
	wl_buf_free(&json);
	return 0;
}
