/*
 * Making keys, and telling keys from other strings.
 */
#include "config.h"
#include "lib/core/key.h"

#include <string.h>

#include "lib/base/enc.h"
#include "lib/base/hash.h"
#include "lib/base/rand.h"

#define HEAD		9	/* "lgw_proj_" */
#define RANDOM		32
#define CHECK		6

_Static_assert(HEAD + RANDOM + CHECK == WL_KEY_LEN, "the parts of a key");

static const char project_head[] = "lgw_proj_";
static const char test_head[] = "lgw_test_";

void
wl_key_make(bool test, char key[WL_KEY_LEN + 1],
    char prefix[WL_KEY_PREFIX + 1], uint8_t hash[32])
{
	memcpy(key, test ? test_head : project_head, HEAD);
	wl_rand_base62(key + HEAD, RANDOM);
	wl_base62(wl_crc32(key + HEAD, RANDOM), key + HEAD + RANDOM, CHECK);
	memcpy(prefix, key + HEAD, WL_KEY_PREFIX);
	prefix[WL_KEY_PREFIX] = '\0';
	wl_sha256(key, WL_KEY_LEN, hash);
}

static bool
is_base62(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') ||
		    (s[i] >= 'A' && s[i] <= 'Z') ||
		    (s[i] >= 'a' && s[i] <= 'z')))
			return false;
	return true;
}

bool
wl_key_wellformed(const char *key, char prefix[WL_KEY_PREFIX + 1])
{
	char check[CHECK + 1];

	if (strnlen(key, WL_KEY_LEN + 1) != WL_KEY_LEN ||
	    (memcmp(key, project_head, HEAD) != 0 &&
	    memcmp(key, test_head, HEAD) != 0) ||
	    !is_base62(key + HEAD, RANDOM + CHECK))
		return false;
	wl_base62(wl_crc32(key + HEAD, RANDOM), check, CHECK);
	if (memcmp(key + HEAD + RANDOM, check, CHECK) != 0)
		return false;
	memcpy(prefix, key + HEAD, WL_KEY_PREFIX);
	prefix[WL_KEY_PREFIX] = '\0';
	return true;
}
