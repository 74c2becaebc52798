/*
 * UTF-8 as RFC 3629 has it: no surrogates, no overlong forms.
 */
#ifndef WL_BASE_UTF8_H
#define WL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the LEN bytes at P are well-formed UTF-8.
 */
bool wl_utf8_valid(const char *p, size_t len);

/*
 * The length in bytes (1..4) of the well-formed sequence at the start of P,
 * or 0 when there is none within LEN bytes.
 */
size_t wl_utf8_seq(const char *p, size_t len);

/*
 * Write code point CP (at most 0x10ffff) to OUT.  Returns the bytes, 1..4.
 */
size_t wl_utf8_put(unsigned cp, char out[4]);

/*
 * The longest prefix of P of at most MAX bytes that does not split a
 * UTF-8 sequence.
 */
size_t wl_utf8_cut(const char *p, size_t len, size_t max);

#endif
