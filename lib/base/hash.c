/*
 * Hashes by libsodium; both CRCs by table, CRC-32C by the processor where it
 * can.
 */
#include "config.h"
#include "lib/base/hash.h"
#include "lib/base/enc.h"

#include <sodium.h>
#include <string.h>

void
wl_sha256(const void *p, size_t len, uint8_t out[32])
{
	crypto_hash_sha256(out, p, len);
}

void
wl_sha256_hex(const void *p, size_t len, char out[65])
{
	uint8_t h[32];

	wl_sha256(p, len, h);
	wl_hex(h, sizeof(h), out);
}

void
wl_hmac_sha256(const void *key, size_t keylen, const void *p, size_t len,
    uint8_t out[32])
{
	crypto_auth_hmacsha256_state st;

	crypto_auth_hmacsha256_init(&st, key, keylen);
	crypto_auth_hmacsha256_update(&st, p, len);
	crypto_auth_hmacsha256_final(&st, out);
	sodium_memzero(&st, sizeof(st));
}

bool
wl_equal_ct(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

/*
 * The CRC of a byte is the sum of those of its halves: 32 entries do the
 * work of 256.
 */
struct crc_table {
	uint32_t	low[16], high[16];
};

static const struct crc_table crc32_table = {
	.low = {
		0x00000000, 0x77073096, 0xee0e612c, 0x990951ba,
		0x076dc419, 0x706af48f, 0xe963a535, 0x9e6495a3,
		0x0edb8832, 0x79dcb8a4, 0xe0d5e91e, 0x97d2d988,
		0x09b64c2b, 0x7eb17cbd, 0xe7b82d07, 0x90bf1d91,
	},
	.high = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	},
};

static const struct crc_table crc32c_table = {
	.low = {
		0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4,
		0xc79a971f, 0x35f1141c, 0x26a1e7e8, 0xd4ca64eb,
		0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b,
		0x4d43cfd0, 0xbf284cd3, 0xac78bf27, 0x5e133c24,
	},
	.high = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	},
};

static uint32_t
by_table(const struct crc_table *t, uint32_t crc, const uint8_t *p, size_t len)
{
	uint8_t b;

	for (; len > 0; len--, p++) {
		b = (uint8_t)(crc ^ *p);
		crc = crc >> 8 ^ t->low[b & 15] ^ t->high[b >> 4];
	}
	return crc;
}

uint32_t
wl_crc32(const void *p, size_t len)
{
	return ~by_table(&crc32_table, ~0u, p, len);
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
by_processor(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t c = crc, w;

	for (; len >= sizeof(w); len -= sizeof(w), p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		c = _mm_crc32_u64(c, w);
	}
	crc = (uint32_t)c;
	for (; len > 0; len--, p++)
		crc = _mm_crc32_u8(crc, *p);
	return crc;
}

static bool
processor_can(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t
by_processor(uint32_t crc, const uint8_t *p, size_t len)
{
	return by_table(&crc32c_table, crc, p, len);
}

static bool
processor_can(void)
{
	return false;
}
#endif

uint32_t
wl_crc32c(uint32_t crc, const void *p, size_t len)
{
	if (processor_can())
		return ~by_processor(~crc, p, len);
	return ~by_table(&crc32c_table, ~crc, p, len);
}
