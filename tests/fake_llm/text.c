/*
 * Deterministic text: a sentence that says what this is, a hash of the
 * request, then words of four bytes each.
 */
#include "config.h"

#include "tests/fake_llm/text.h"

#include <assert.h>

#define SENTENCE "This is the WatchLLM sandbox. No model wrote this text. "
#define OPENING_LEN ((int64_t)76)

static const char words[32][5] = {
    "and ", "ant ", "arc ", "bay ", "box ", "cat ", "cup ", "day ", "dog ",
    "ear ", "fig ", "fox ", "gem ", "hat ", "ice ", "ink ", "jar ", "key ",
    "log ", "map ", "net ", "oak ", "pen ", "ray ", "sea ", "sky ", "sun ",
    "tea ", "the ", "urn ", "way ", "yes "};

static const char wide[8][5] = {"\xc3\xa9\xc3\xa0", "\xf0\x9f\x98\x80",
    "\xe6\x97\xa5 ", "\xc3\xbcz ", "\xd0\xb6\xd0\xb0", "\xe2\x82\xac ",
    "\xf0\x9f\xa6\x8a", "\xce\xb1\xce\xb2"};

uint64_t
fake_text_hash(uint64_t h, const void *p, size_t n)
{
	const unsigned char *s = p;
	size_t i;

	for (i = 0; i < n; i++) {
		h ^= s[i];
		h *= UINT64_C(0x100000001b3);
	}
	return h;
}

uint64_t
fake_text_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

int64_t
fake_text_tokens(int64_t n)
{
	return (n + FAKE_TOKEN_BYTES - 1) / FAKE_TOKEN_BYTES;
}

static void
opening(char out[static OPENING_LEN], uint64_t h)
{
	static_assert(sizeof(SENTENCE) - 1 + 20 == OPENING_LEN,
	    "sentence, \"Request \", ten digits, full stop, space");
	static_assert(OPENING_LEN % FAKE_TOKEN_BYTES == 0, "whole tokens");
	char *p = out;
	int i;

	memcpy(p, SENTENCE "Request ", sizeof(SENTENCE) - 1 + 8);
	p += sizeof(SENTENCE) - 1 + 8;
	h = fake_text_mix(h);
	for (i = 0; i < 10; i++)
		*p++ = "0123456789abcdef"[h >> (60 - 4 * i) & 15];
	memcpy(p, ". ", 2);
}

static const char *
word(uint64_t h, int64_t i, bool utf8)
{
	uint64_t r = fake_text_mix(h + (uint64_t)i);

	if (utf8 && (r & 1) != 0)
		return wide[r >> 8 & 7];
	return words[r >> 8 & 31];
}

void
fake_text_put(struct fake_buf *b, uint64_t h, bool utf8, int64_t from,
    int64_t len)
{
	int64_t end = from + len;

	if (b->cap - b->len < (size_t)len)
		fake_buf_grow(b, (size_t)len);
	if (from < OPENING_LEN && from < end) {
		char tmp[OPENING_LEN];
		int64_t n = (end < OPENING_LEN ? end : OPENING_LEN) - from;

		opening(tmp, h);
		fake_buf_put(b, tmp + from, (size_t)n);
		from += n;
	}
	while (from < end) {
		int64_t off = from % FAKE_TOKEN_BYTES;
		int64_t n = FAKE_TOKEN_BYTES - off;

		if (n > end - from)
			n = end - from;
		memcpy(b->p + b->len, word(h, from / FAKE_TOKEN_BYTES, utf8) +
		    off, (size_t)n);
		b->len += (size_t)n;
		from += n;
	}
}
