/*
 * UTF-8: validation and the boundaries of sequences.
 */
#include "config.h"
#include "lib/base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t
wl_utf8_seq(const char *p, size_t len)
{
	const unsigned char *s = (const unsigned char *)p;
	unsigned char low = 0x80, high = 0xbf;
	size_t i, n;

	if (len == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	/* the second byte alone tells overlong, surrogate and too high */
	switch (s[0]) {
	case 0xe0:
		low = 0xa0;
		break;
	case 0xed:
		high = 0x9f;
		break;
	case 0xf0:
		low = 0x90;
		break;
	case 0xf4:
		high = 0x8f;
		break;
	}
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
wl_utf8_valid(const char *p, size_t len)
{
	uint64_t w;
	size_t i = 0, n;

	while (i < len) {
		if (len - i >= sizeof(w)) {
			memcpy(&w, p + i, sizeof(w));
			if ((w & 0x8080808080808080ull) == 0) {
				i += sizeof(w);
				continue;
			}
		}
		if ((n = wl_utf8_seq(p + i, len - i)) == 0)
			return false;
		i += n;
	}
	return true;
}

size_t
wl_utf8_put(unsigned cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t
wl_utf8_cut(const char *p, size_t len, size_t max)
{
	size_t n = max;

	if (len <= max)
		return len;
	/* back over at most three continuation bytes to a first byte */
	while (n > 0 && max - n < 3 && ((unsigned char)p[n] & 0xc0) == 0x80)
		n--;
	if (((unsigned char)p[n] & 0xc0) == 0x80)
		return max;	/* no sequence of UTF-8 is that long */
	return n;
}
