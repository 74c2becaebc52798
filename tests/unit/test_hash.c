/*
 * Hashes against published vectors.
 */
#include "config.h"
#include "lib/base/enc.h"
#include "lib/base/hash.h"
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

static void
test_sha256(void)
{
	char hex[65];

	wl_sha256_hex("", 0, hex);
	CU_ASSERT_STRING_EQUAL(hex,
	    "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	wl_sha256_hex("abc", 3, hex);
	CU_ASSERT_STRING_EQUAL(hex,
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
}

static void
test_hmac(void)
{
	uint8_t mac[32], key[131];
	char hex[65];

	/* RFC 4231, cases 2 and 6 */
	wl_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
	wl_hex(mac, sizeof(mac), hex);
	CU_ASSERT_STRING_EQUAL(hex,
	    "5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	wl_hmac_sha256(key, sizeof(key),
	    "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac);
	wl_hex(mac, sizeof(mac), hex);
	CU_ASSERT_STRING_EQUAL(hex,
	    "60e431591ee0b67f0d8a26aacbf5b77f"
	    "8e0bc6213728c5140546040f0ee37f54");
}

static void
test_crc32(void)
{
	CU_ASSERT_EQUAL(wl_crc32("123456789", 9), 0xcbf43926);
	CU_ASSERT_EQUAL(wl_crc32("", 0), 0);
	CU_ASSERT_EQUAL(wl_crc32("The quick brown fox jumps over the lazy dog",
	    43), 0x414fa339);
}

static void
test_crc32c(void)
{
	uint8_t b[32];
	int i;

	CU_ASSERT_EQUAL(wl_crc32c(0, "123456789", 9), 0xe3069283);
	/* RFC 3720, B.4 */
	memset(b, 0, sizeof(b));
	CU_ASSERT_EQUAL(wl_crc32c(0, b, sizeof(b)), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	CU_ASSERT_EQUAL(wl_crc32c(0, b, sizeof(b)), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		b[i] = (uint8_t)i;
	CU_ASSERT_EQUAL(wl_crc32c(0, b, sizeof(b)), 0x46dd794e);
}

/*
 * Bit by bit, as the definition has it.
 */
static uint32_t
slow(uint32_t poly, const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;
	int bit;

	for (; len > 0; len--, p++) {
		crc ^= *p;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (poly & -(crc & 1));
	}
	return ~crc;
}

static void
test_crc_in_parts(void)
{
	uint8_t b[300];
	size_t i, len;

	for (i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 167 + 13);
	for (len = 0; len < sizeof(b); len++) {
		CU_ASSERT_EQUAL(wl_crc32(b, len), slow(0xedb88320, b, len));
		CU_ASSERT_EQUAL(wl_crc32c(0, b, len), slow(0x82f63b78, b, len));
	}
	for (i = 0; i <= sizeof(b); i++)
		CU_ASSERT_EQUAL(wl_crc32c(wl_crc32c(0, b, i), b + i,
		    sizeof(b) - i), wl_crc32c(0, b, sizeof(b)));
}

static void
test_equal(void)
{
	CU_ASSERT_TRUE(wl_equal_ct("abc", "abc", 3));
	CU_ASSERT_FALSE(wl_equal_ct("abc", "abd", 3));
	CU_ASSERT_TRUE(wl_equal_ct("a", "b", 0));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "SHA-256", test_sha256 },
		{ "HMAC-SHA-256", test_hmac },
		{ "CRC-32", test_crc32 },
		{ "CRC-32C", test_crc32c },
		{ "CRCs of every length, whole and in parts",
		    test_crc_in_parts },
		{ "comparison in constant time", test_equal },
		{ NULL, NULL }
	};

	return wl_tap_run("hash", tests);
}
