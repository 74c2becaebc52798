/*
 * Random bytes of the kernel.  Without them no key may be made and no call
 * answered, so there is no error to return.
 */
#include "config.h"
#include "lib/base/rand.h"
#include "lib/base/enc.h"

#include <sys/random.h>
#include <sys/types.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void
wl_rand(void *p, size_t len)
{
	char *b = p;
	ssize_t n;

	while (len > 0) {
		n = getrandom(b, len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		b += n;
		len -= (size_t)n;
	}
}

uint32_t
wl_rand_below(uint32_t n)
{
	uint32_t v, floor = -n % n;	/* 2^32 mod n values are too many */

	do
		wl_rand(&v, sizeof(v));
	while (v < floor);
	return v % n;
}

void
wl_rand_base62(char *out, size_t n)
{
	unsigned char pool[64];
	size_t i, have = 0;

	out[n] = '\0';
	for (i = 0; i < n;) {
		if (have == 0) {
			have = sizeof(pool);
			wl_rand(pool, have);
		}
		/* 248 is the largest multiple of 62 that a byte holds */
		if (pool[--have] < 248)
			wl_base62(pool[have] % 62, out + i++, 1);
	}
	explicit_bzero(pool, sizeof(pool));
}

/*
 * RFC 9562 section 6.2, method 1: the 12 bits after the time are a counter
 * that begins at random with its highest bit clear.  Time and counter are one
 * number, so a full counter carries into the time, and the clock may go back.
 */
void
wl_uuid7(int64_t ms, char out[37])
{
	static _Atomic uint64_t last;
	uint64_t seen, next;
	uint8_t b[16];
	char hex[33];
	int i;

	wl_rand(b, sizeof(b));
	seen = atomic_load(&last);
	do {
		next = ((uint64_t)ms & 0xffffffffffffu) << 12 |
		    ((uint64_t)(b[6] & 7) << 8 | b[7]);
		if (next <= seen)
			next = seen + 1;
	} while (!atomic_compare_exchange_weak(&last, &seen, next));
	for (i = 0; i < 6; i++)
		b[i] = (uint8_t)(next >> (52 - 8 * i));
	b[6] = (uint8_t)(0x70 | (next >> 8 & 15));
	b[7] = (uint8_t)next;
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	wl_hex(b, sizeof(b), hex);
	memcpy(out, hex, 8);
	memcpy(out + 9, hex + 8, 4);
	memcpy(out + 14, hex + 12, 4);
	memcpy(out + 19, hex + 16, 4);
	memcpy(out + 24, hex + 20, 13);
	out[8] = out[13] = out[18] = out[23] = '-';
}

int
wl_uuid_valid(const char *s, size_t len)
{
	uint8_t b;
	size_t i;

	if (len != 36)
		return 0;
	for (i = 0; i < len; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return 0;
		} else if (wl_unhex((char[]){ '0', s[i] }, 2, &b) == -1)
			return 0;
	}
	return 1;
}
