/*
 * Hex, base62, base64 and percent encoding.
 */
#include "config.h"
#include "lib/base/enc.h"

#include <limits.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base62_digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void
wl_hex(const void *p, size_t len, char *out)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i < len; i++) {
		*out++ = hex_digits[b[i] >> 4];
		*out++ = hex_digits[b[i] & 15];
	}
	*out = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
wl_unhex(const char *s, size_t len, void *out)
{
	uint8_t *b = out;
	int high, low;
	size_t i;

	if (len % 2 != 0)
		return -1;
	for (i = 0; i < len; i += 2) {
		if ((high = hex_value(s[i])) == -1 ||
		    (low = hex_value(s[i + 1])) == -1)
			return -1;
		*b++ = (uint8_t)(high << 4 | low);
	}
	return 0;
}

void
wl_base62(uint64_t v, char *out, size_t n)
{
	out[n] = '\0';
	while (n > 0) {
		out[--n] = base62_digits[v % 62];
		v /= 62;
	}
}

void
wl_base64(const void *p, size_t len, char *out)
{
	const uint8_t *b = p;
	uint32_t v;

	for (; len >= 3; len -= 3, b += 3) {
		v = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
		*out++ = base64_digits[v >> 18];
		*out++ = base64_digits[v >> 12 & 63];
		*out++ = base64_digits[v >> 6 & 63];
		*out++ = base64_digits[v & 63];
	}
	if (len > 0) {
		v = (uint32_t)b[0] << 16;
		if (len == 2)
			v |= (uint32_t)b[1] << 8;
		*out++ = base64_digits[v >> 18];
		*out++ = base64_digits[v >> 12 & 63];
		*out++ = len == 2 ? base64_digits[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = '\0';
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t
wl_unbase64(const char *s, size_t len, void *out, size_t size)
{
	uint8_t *b = out;
	size_t i, pad = 0, n;
	uint32_t acc = 0;
	int v, bits = 0;

	if (len % 4 != 0)
		return -1;
	while (pad < 2 && pad < len && s[len - 1 - pad] == '=')
		pad++;
	n = len / 4 * 3 - pad;
	if (n > size || n > SSIZE_MAX)
		return -1;
	for (i = 0; i < len - pad; i++) {
		if ((v = base64_value(s[i])) == -1)
			return -1;
		acc = acc << 6 | (uint32_t)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*b++ = (uint8_t)(acc >> bits);
		}
	}
	/* bits that no byte holds must be zero: one text for one value */
	if ((acc & ((1u << bits) - 1)) != 0)
		return -1;
	return (ssize_t)n;
}

ssize_t
wl_percent_decode(const char *s, size_t len, char *out)
{
	size_t i, n = 0;
	int high, low;
	char c;

	if (len > SSIZE_MAX)
		return -1;
	for (i = 0; i < len; i++) {
		c = s[i];
		if (c == '%') {
			if (len - i < 3 || (high = hex_value(s[i + 1])) == -1 ||
			    (low = hex_value(s[i + 2])) == -1)
				return -1;
			c = (char)(high << 4 | low);
			if (c == '\0' || c == '/' || c == '\\')
				return -1;
			i += 2;
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return (ssize_t)n;
}
