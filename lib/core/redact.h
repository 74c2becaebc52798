/*
 * Redaction of text before it is written anywhere: e-mail addresses, phone
 * numbers, payment cards (Luhn), SSN, IP addresses, keys and bearer tokens,
 * JWTs.  Linear time, no regular expressions.
 */
#ifndef WL_CORE_REDACT_H
#define WL_CORE_REDACT_H

#include "lib/base/str.h"

#include <stddef.h>

/*
 * Append P to B with every match of an enabled rule replaced by its mark,
 * such as [REDACTED_EMAIL].  Returns how many were replaced.  P need not be
 * UTF-8; what is replaced never splits a sequence.
 */
size_t wl_redact(struct wl_buf *b, const char *p, size_t len);

/*
 * The same by the rules for keys, bearer tokens and JWTs alone, whether they
 * are enabled or not.
 */
size_t wl_redact_secrets(struct wl_buf *b, const char *p, size_t len);

/*
 * Enable only the rules in LIST (names, separated by spaces or commas), or
 * all built-in ones for NULL, as at the start: bearer card email ip jwt key
 * phone ssn.  Returns 0, or -1 for an unknown name, and nothing changed.
 */
int wl_redact_rules(const char *list);

#endif
