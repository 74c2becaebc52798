/*
 * The form of keys.
 */
#include "config.h"
#include "lib/core/key.h"

#include <string.h>

#include "lib/base/hash.h"
#include "tests/unit/tap.h"

static void
made(void)
{
	char key[WL_KEY_LEN + 1], prefix[WL_KEY_PREFIX + 1], other[7];
	uint8_t hash[32], want[32];

	wl_key_make(false, key, prefix, hash);
	CU_ASSERT_EQUAL(strlen(key), WL_KEY_LEN);
	CU_ASSERT_EQUAL(strncmp(key, "lgw_proj_", 9), 0);
	CU_ASSERT_EQUAL(strncmp(key + 9, prefix, WL_KEY_PREFIX), 0);
	wl_sha256(key, strlen(key), want);
	CU_ASSERT_EQUAL(memcmp(hash, want, 32), 0);
	CU_ASSERT(wl_key_wellformed(key, other));
	CU_ASSERT_STRING_EQUAL(other, prefix);
	wl_key_make(true, key, prefix, hash);
	CU_ASSERT_EQUAL(strncmp(key, "lgw_test_", 9), 0);
	CU_ASSERT(wl_key_wellformed(key, other));
}

static void
known(void)
{
	/* zlib says that CRC-32 of the 32 characters is 1546885699 */
	static const char key[] =
	    "lgw_proj_0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL";
	char prefix[WL_KEY_PREFIX + 1];

	CU_ASSERT(wl_key_wellformed(key, prefix));
	CU_ASSERT_STRING_EQUAL(prefix, "012345");
}

static void
each_typo(void)
{
	char key[WL_KEY_LEN + 1], prefix[WL_KEY_PREFIX + 1], was;
	uint8_t hash[32];
	size_t i;

	wl_key_make(false, key, prefix, hash);
	for (i = 0; i < WL_KEY_LEN; i++) {
		was = key[i];
		key[i] = was == 'x' ? 'y' : 'x';
		CU_ASSERT(!wl_key_wellformed(key, prefix));
		key[i] = (char)(was ^ 0x80);
		CU_ASSERT(!wl_key_wellformed(key, prefix));
		key[i] = was;
	}
	CU_ASSERT(wl_key_wellformed(key, prefix));
}

static void
lengths(void)
{
	char key[WL_KEY_LEN + 2], prefix[WL_KEY_PREFIX + 1];
	uint8_t hash[32];

	wl_key_make(false, key, prefix, hash);
	key[WL_KEY_LEN] = 'x';
	key[WL_KEY_LEN + 1] = '\0';
	CU_ASSERT(!wl_key_wellformed(key, prefix));
	key[WL_KEY_LEN - 1] = '\0';
	CU_ASSERT(!wl_key_wellformed(key, prefix));
	CU_ASSERT(!wl_key_wellformed("", prefix));
	CU_ASSERT(!wl_key_wellformed("test-key", prefix));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a made key is well formed and hashed", made },
		{ "a key worked out by hand", known },
		{ "every single typo is seen", each_typo },
		{ "too long and too short", lengths },
		{ NULL, NULL }
	};

	return wl_tap_run("key", tests);
}
