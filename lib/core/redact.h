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
 * such as [REDACTED_EMAIL].  Returns how many were replaced.
 */
size_t wl_redact(struct wl_buf *b, const char *p, size_t len);

/*
 * Enable only the rules in LIST (names, separated by spaces or commas), or
 * all built-in ones for NULL.  Returns 0, or -1 for an unknown name.
 */
int wl_redact_rules(const char *list);

#endif
