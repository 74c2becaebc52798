/*
 * SHA-256, HMAC (libsodium), CRC-32 (ISO-HDLC, for keys) and CRC-32C (for
 * journal records), and constant-time comparison.
 */
#ifndef WL_BASE_HASH_H
#define WL_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void wl_sha256(const void *p, size_t len, uint8_t out[32]);
void wl_sha256_hex(const void *p, size_t len, char out[65]);
void wl_hmac_sha256(const void *key, size_t keylen, const void *p, size_t len,
    uint8_t out[32]);
uint32_t wl_crc32(const void *p, size_t len);
uint32_t wl_crc32c(uint32_t crc, const void *p, size_t len);
/* Whether the LEN bytes are equal, in time that does not depend on them. */
bool wl_equal_ct(const void *a, const void *b, size_t len);

#endif
