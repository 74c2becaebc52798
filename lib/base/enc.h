/*
 * Encodings: hex, base62, base64, percent.
 */
#ifndef WL_BASE_ENC_H
#define WL_BASE_ENC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void wl_hex(const void *p, size_t len, char *out);	/* 2*len+1 bytes */
int wl_unhex(const char *s, size_t len, void *out);	/* len/2 bytes; 0, -1 */

/* V as exactly N base62 digits (0-9A-Za-z), high first, and a NUL. */
void wl_base62(uint64_t v, char *out, size_t n);

/* Standard base64 with padding; OUT holds 4*((len+2)/3)+1. */
void wl_base64(const void *p, size_t len, char *out);
/* Bytes written to OUT (of SIZE), or -1: malformed or no room. */
ssize_t wl_unbase64(const char *s, size_t len, void *out, size_t size);

/*
 * Decode %XX once.  OUT holds LEN+1 bytes.  Returns the decoded length, or -1
 * on a malformed escape or one that gives NUL, '/' or '\\'.
 */
ssize_t wl_percent_decode(const char *s, size_t len, char *out);

#endif
