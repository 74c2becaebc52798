/*
 * Random bytes from the kernel, and the identifiers made of them.
 */
#ifndef WL_BASE_RAND_H
#define WL_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void wl_rand(void *p, size_t len);
/* Uniform in 0..n-1; n > 0. */
uint32_t wl_rand_below(uint32_t n);
/* N characters of 0-9A-Za-z and a NUL. */
void wl_rand_base62(char *out, size_t n);

/*
 * A UUID version 7 (RFC 9562) of the time MS, in text; within a process ids
 * are strictly increasing.
 */
void wl_uuid7(int64_t ms, char out[37]);

/*
 * Whether S is a UUID in the usual 36-character text form.
 */
int wl_uuid_valid(const char *s, size_t len);

#endif
