/*
 * The form of API keys: "lgw_proj_" or "lgw_test_", 32 random characters of
 * base62, and 6 of base62 that are the CRC-32 of those 32, so that a mistyped
 * key is refused without a look-up.
 */
#ifndef WL_CORE_KEY_H
#define WL_CORE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define WL_KEY_LEN	47	/* characters */
#define WL_KEY_PREFIX	6	/* of the random ones, to show and to log */

/*
 * A new KEY for the use of a project, or for TEST; PREFIX gets its first
 * random characters, HASH the SHA-256 that is stored.
 */
void wl_key_make(bool test, char key[WL_KEY_LEN + 1],
    char prefix[WL_KEY_PREFIX + 1], uint8_t hash[32]);

/*
 * Whether KEY has the right form and checksum; only then PREFIX is filled.
 */
bool wl_key_wellformed(const char *key, char prefix[WL_KEY_PREFIX + 1]);

#endif
