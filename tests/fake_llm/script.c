/*
 * Directives: one table says how each is written, where it goes, what it
 * means; the manual's table is printed from it.
 */
#include "config.h"

#include "tests/fake_llm/script.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum kind { K_ENUM, K_INT, K_LATENCY, K_MS, K_PERCENT, K_STR };

struct names {
	const char	*name;
	const char	*help;
};

static const struct names eols[] = {{"lf", ""}, {"crlf", ""}, {"cr", ""}};

static const struct names errors[] = {{"auto", ""}, {"context_length", ""}};

static const struct names finishes[] = {{"auto", ""}, {"content_filter", ""},
    {"length", ""}, {"stop", ""}, {"tool_calls", ""}};

static const struct names usages[] = {{"auto", ""}, {"always", ""},
    {"dup", ""}, {"early", ""}, {"every", ""}, {"none", ""},
    {"with_choices", ""}, {"zero", ""}};

static const struct names faults[] = {
    {"none", "no fault"},
    {"eof_cut", "the connection is closed with FIN in the middle, without the end of the framing"},
    {"eof_mid",
	"a clean end in the middle: the framing is ended, `[DONE]` and the rest are missing"},
    {"error_in_stream",
	"after `after` chunks an event with an error object, then the end without `[DONE]`; "
	"unstreamed as `status_200_error_body`"},
    {"gzip_bomb", "`Content-Encoding: gzip`, about 1:1000, `size` bytes unpacked (200 MB)"},
    {"dup_usage", "as `usage=dup`; unstreamed the member `usage` twice"},
    {"headers_1000", "1,000 more header lines"},
    {"html_error", "an HTML page with `status` (502)"},
    {"huge_body", "a body of `size` bytes (200 MB)"},
    {"huge_line", "one chunk (unstreamed: one answer) of `size` bytes (1 MB)"},
    {"malformed_json",
	"after `after` chunks an event whose JSON is broken; unstreamed a broken body"},
    {"malformed_sse",
	"after `after` chunks two events without the empty line between them, unknown fields "
	"and a NUL; unstreamed a stream instead of JSON"},
    {"no_content_type", "no Content-Type"},
    {"reset_before", "RST before the first byte"},
    {"reset_mid", "RST after `after` chunks; unstreamed after half the body"},
    {"silence", "no answer, ever"},
    {"slow_bytes", "one byte of the body per second (or per `gap`)"},
    {"stall_mid",
	"nothing more after `after` chunks (unstreamed: half the body); the connection stays "
	"open"},
    {"status_200_error_body", "status 200 with an error object as the body"},
    {"wrong_length_long", "Content-Length longer than the body, then FIN"},
    {"wrong_length_short", "Content-Length shorter than the body"},
};

static_assert(sizeof(eols) / sizeof(eols[0]) == FAKE_EOL_MAX, "eols");
static_assert(sizeof(errors) / sizeof(errors[0]) == FAKE_ERROR_MAX, "errors");
static_assert(sizeof(finishes) / sizeof(finishes[0]) == FAKE_FINISH_MAX,
    "finishes");
static_assert(sizeof(usages) / sizeof(usages[0]) == FAKE_USAGE_MAX, "usages");
static_assert(sizeof(faults) / sizeof(faults[0]) == FAKE_FAULT_MAX, "faults");

#define AT(member) offsetof(struct fake_script, member)
#define NAMES(table) table, (int)(sizeof(table) / sizeof((table)[0]))
#define YES_NO 0, 1, NULL, 0

static const struct directive {
	const char		*key;
	enum kind		 kind;
	size_t			 at;
	int64_t			 min, max;
	const struct names	*names;
	int			 n_names;
	const char		*unset;		/* default, as it is written */
	const char		*values;
	const char		*help;
} directives[] = {
    {"after", K_INT, AT(after), 0, FAKE_TOKENS_MAX, NULL, 0, "3", "chunks",
	"how many content chunks come before a fault in a stream"},
    {"bom", K_INT, AT(bom), YES_NO, "0", "0, 1", "the stream starts with a byte order mark"},
    {"cache_write_tokens", K_INT, AT(cache_write_tokens), -1, FAKE_TOKENS_MAX, NULL, 0, "-1",
	"number", "of messages, reported `cache_creation_input_tokens`; -1: 0"},
    {"cached_tokens", K_INT, AT(cached_tokens), -1, FAKE_TOKENS_MAX, NULL, 0, "-1", "number",
	"reported `cached_tokens`; -1: 0"},
    {"chance", K_PERCENT, AT(chance), 0, 10000, NULL, 0, "100", "per cent",
	"share of the calls that get `status` or `fault`"},
    {"chunk_tokens", K_INT, AT(chunk_tokens), 1, 1000000, NULL, 0, "1", "tokens",
	"tokens per chunk of a stream"},
    {"comments", K_INT, AT(comments), YES_NO, "0", "0, 1", "a comment line before every event"},
    {"completion_tokens", K_INT, AT(completion_tokens), -1, FAKE_TOKENS_MAX, NULL, 0, "-1",
	"number",
	"reported `completion_tokens`; -1: as counted"},
    {"eol", K_ENUM, AT(eol), 0, 0, NAMES(eols), "lf", "lf, crlf, cr", "line ends of the stream"},
    {"error", K_ENUM, AT(error), 0, 0, NAMES(errors), "auto", "auto, context_length",
	"what `status` says: its usual words, or that the prompt is too long"},
    {"fault", K_ENUM, AT(fault), 0, 0, NAMES(faults), "none", "see below", "what goes wrong"},
    {"finish", K_ENUM, AT(finish), 0, 0, NAMES(finishes), "auto",
	"auto, content_filter, length, stop, tool_calls",
	"reported `finish_reason`"},
    {"gap", K_MS, AT(gap), 0, 3600000, NULL, 0, "0", "ms",
	"pause between the writes that `split` makes"},
    {"id", K_STR, AT(id), 0, 63, NULL, 0, "", "letters", "kept in the ledger"},
    {"jitter", K_MS, AT(jitter), 0, 3600000, NULL, 0, "0", "ms",
	"`latency` varies by up to this, both ways"},
    {"latency", K_LATENCY, AT(latency), 0, 3600000, NULL, 0, "0", "ms, or p50:p90:p95:p99",
	"time until the reply's head"},
    {"per_token", K_MS, AT(per_token), 0, 3600000, NULL, 0, "0", "ms, fractions allowed",
	"time between chunks, each due at its own deadline; unstreamed added to the latency"},
    {"prompt_tokens", K_INT, AT(prompt_tokens), -1, FAKE_TOKENS_MAX, NULL, 0, "-1", "number",
	"reported `prompt_tokens`; -1: as counted"},
    {"reasoning_tokens", K_INT, AT(reasoning_tokens), -1, FAKE_TOKENS_MAX, NULL, 0, "-1", "number",
	"reported `reasoning_tokens`, added to `completion_tokens` where that is counted; -1: 0"},
    {"retry_after", K_INT, AT(retry_after), -1, 1000000, NULL, 0, "-1", "seconds",
	"`Retry-After` beside `status`; -1: none"},
    {"size", K_INT, AT(size), 0, FAKE_SIZE_MAX, NULL, 0, "0", "bytes",
	"size of the body (streamed: of the content); 0: by `tokens`"},
    {"split", K_INT, AT(split), 0, 1000000, NULL, 0, "0", "bytes",
	"bytes per write, wherever that cuts; 0: whole"},
    {"stamp", K_INT, AT(stamp), YES_NO, "0", "0, 1",
	"each chunk's content is `<chunk>:<microseconds of CLOCK_REALTIME> `"},
    {"status", K_INT, AT(status), 0, 599, NULL, 0, "0", "400 to 599",
	"answer with this status and an error object; 0: none"},
    {"times", K_INT, AT(times), 0, 1000000000, NULL, 0, "0", "calls",
	"`status` and `fault` only for the first calls with this `id`; 0: all"},
    {"tokens", K_INT, AT(tokens), 0, FAKE_TOKENS_MAX, NULL, 0, "24", "tokens",
	"length of the answer; the request's limit cuts it"},
    {"tool_calls", K_INT, AT(tool_calls), 0, 16, NULL, 0, "0", "number",
	"call so many of the request's tools, in their order"},
    {"ttft", K_MS, AT(ttft), 0, 3600000, NULL, 0, "0", "ms",
	"time from the reply's head to the first content"},
    {"usage", K_ENUM, AT(usage), 0, 0, NAMES(usages), "auto",
	"auto, always, dup, early, every, none, with_choices, zero",
	"how usage is reported: as asked; also unasked; twice; before the content; in every "
	"chunk; never; in the last chunk with choices; all zeros"},
    {"utf8", K_INT, AT(utf8), YES_NO, "0", "0, 1",
	"the answer has characters of two, three and four bytes"},
};
#define DIRECTIVES (sizeof(directives) / sizeof(directives[0]))

const char *
fake_script_fault_name(int64_t fault)
{
	return faults[fault].name;
}

static const struct directive *
find(const char *key, size_t n)
{
	size_t i;

	for (i = 0; i < DIRECTIVES; i++)
		if (strlen(directives[i].key) == n &&
		    memcmp(directives[i].key, key, n) == 0)
			return &directives[i];
	return NULL;
}

/*
 * A decimal number with up to DIGITS places after the point, times
 * 10^DIGITS; S is moved past it.
 */
static int
number(const char **s, const char *end, int digits, int64_t *out)
{
	bool minus = *s < end && **s == '-', point = false;
	const char *p = *s + minus, *first = p;
	int64_t v = 0;
	int left = digits;

	for (; p < end && p - first < 16; p++) {
		if (*p == '.' && !point && digits > 0) {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			break;
		if (point && left == 0)
			return -1;
		if (point)
			left--;
		v = v * 10 + (*p - '0');
	}
	if (p == first)
		return -1;
	while (left-- > 0)
		v *= 10;
	*out = minus ? -v : v;
	*s = p;
	return 0;
}

static int
set_latency(struct fake_script *s, const char *v, const char *end)
{
	int64_t got[4];
	int n = 0;

	while (n < 4 && number(&v, end, 3, &got[n]) == 0) {
		if (got[n] < 0 || got[n] > INT64_C(3600000000) ||
		    (n > 0 && got[n] < got[n - 1]))
			return -1;
		n++;
		if (v == end)
			break;
		if (*v++ != ':')
			return -1;
	}
	if (v != end || (n != 1 && n != 4))
		return -1;
	memcpy(s->latency, got, sizeof(got));
	s->latency_n = n;
	return 0;
}

static int
set_enum(const struct directive *d, int64_t *out, const char *v, size_t n)
{
	int i;

	for (i = 0; i < d->n_names; i++) {
		if (strlen(d->names[i].name) != n ||
		    memcmp(d->names[i].name, v, n) != 0)
			continue;
		*out = i;
		return 0;
	}
	return -1;
}

static int
set_string(const struct directive *d, char *out, const char *v, size_t n)
{
	size_t i;

	if (n > (size_t)d->max)
		return -1;
	for (i = 0; i < n; i++)
		if (v[i] <= ' ' || v[i] > '~' || v[i] == '"' || v[i] == '\\')
			return -1;
	memcpy(out, v, n);
	out[n] = '\0';
	return 0;
}

/*
 * Numbers are kept in the unit of their kind: ms with three places as
 * microseconds, per cent with two as hundredths.
 */
static int
set_number(const struct directive *d, int64_t *out, const char *v,
    const char *end)
{
	int digits = d->kind == K_MS ? 3 : d->kind == K_PERCENT ? 2 : 0;
	int64_t scale = d->kind == K_MS ? 1000 : 1, got;

	if (number(&v, end, digits, &got) == -1 || v != end ||
	    got < d->min * scale || got > d->max * scale)
		return -1;
	if (d->at == AT(status) && got != 0 && got < 400)
		return -1;
	*out = got;
	return 0;
}

static int
set(struct fake_script *s, const struct directive *d, const char *v, size_t n)
{
	char *at = (char *)s + d->at;

	switch (d->kind) {
	case K_ENUM:
		return set_enum(d, (int64_t *)(void *)at, v, n);
	case K_LATENCY:
		return set_latency(s, v, v + n);
	case K_STR:
		return set_string(d, at, v, n);
	case K_INT:
	case K_MS:
	case K_PERCENT:
		return set_number(d, (int64_t *)(void *)at, v, v + n);
	}
	return -1;
}

/*
 * *KNOWN, where given, tells whether the first word is a directive; nothing
 * is done when it is not.
 */
static int
apply(struct fake_script *s, const char *text, size_t len, bool *known,
    char err[FAKE_SCRIPT_ERR])
{
	const char *p = text, *end = text + len;

	for (;;) {
		const struct directive *d;
		const char *word, *eq;

		while (p < end && (*p == ' ' || *p == '\n' || *p == '\t'))
			p++;
		if (p == end)
			return 0;
		word = p;
		while (p < end && *p != ' ' && *p != '\n' && *p != '\t')
			p++;
		eq = memchr(word, '=', (size_t)(p - word));
		d = eq == NULL ? NULL : find(word, (size_t)(eq - word));
		if (known != NULL) {
			*known = d != NULL;
			if (d == NULL)
				return 0;
			known = NULL;
		}
		if (d != NULL && set(s, d, eq + 1, (size_t)(p - eq - 1)) == 0)
			continue;
		snprintf(err, FAKE_SCRIPT_ERR, "sandbox directive: %s: %.*s",
		    d == NULL ? "unknown key" : "bad value",
		    (int)(p - word < 80 ? p - word : 80), word);
		return -1;
	}
}

int
fake_script_apply(struct fake_script *s, const char *text,
    char err[FAKE_SCRIPT_ERR])
{
	return apply(s, text, strlen(text), NULL, err);
}

void
fake_script_init(struct fake_script *s)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < DIRECTIVES; i++)
		if (set(s, &directives[i], directives[i].unset,
		    strlen(directives[i].unset)) == -1)
			abort();
}

int
fake_script_member(struct fake_script *s, const char *key,
    const char *value, char err[FAKE_SCRIPT_ERR])
{
	const struct directive *d = find(key, strlen(key));

	if (d != NULL && value == NULL)
		value = d->unset;
	if (d != NULL && set(s, d, value, strlen(value)) == 0)
		return 0;
	snprintf(err, FAKE_SCRIPT_ERR, "%s: %.80s", d == NULL ?
	    "unknown key" : "bad value of", key);
	return -1;
}

int
fake_script_scan(struct fake_script *s, const char *text, size_t len,
    char err[FAKE_SCRIPT_ERR])
{
	const char *p = text, *end = text + len, *close;
	bool known;

	while ((p = memmem(p, (size_t)(end - p), "[[", 2)) != NULL) {
		p += 2;
		close = memmem(p, (size_t)(end - p), "]]", 2);
		if (close == NULL)
			return 0;
		if (apply(s, p, (size_t)(close - p), &known, err) == -1)
			return -1;
		if (known)
			p = close + 2;
	}
	return 0;
}

void
fake_script_help(FILE *out)
{
	size_t i;

	fputs("| Key | Values | Default | Meaning |\n|---|---|---|---|\n", out);
	for (i = 0; i < DIRECTIVES; i++)
		fprintf(out, "| `%s` | %s | %s | %s |\n", directives[i].key,
		    directives[i].values, directives[i].unset,
		    directives[i].help);
	fputs("\n| Fault | What happens |\n|---|---|\n", out);
	for (i = 0; i < FAKE_FAULT_MAX; i++)
		fprintf(out, "| `%s` | %s |\n", faults[i].name, faults[i].help);
}
