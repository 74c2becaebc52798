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
 * The built-in rules: bearer card email ip jwt key phone ssn.  wl_redact_find()
 * gives the place of the one called NAME, or -1.
 */
#define WL_REDACT_BUILTIN	8
int wl_redact_find(const char *name);

/*
 * Append P to B with every match of a built-in rule replaced by its mark, such
 * as [REDACTED_EMAIL].  Returns how many were replaced.  P need not be UTF-8;
 * what is replaced never splits a sequence.
 */
size_t wl_redact(struct wl_buf *b, const char *p, size_t len);

/*
 * The same with marks of one's own, by the place of the rule; NULL: the rule
 * is not applied.
 */
size_t wl_redact_marks(struct wl_buf *b, const char *p, size_t len,
    const char *const marks[WL_REDACT_BUILTIN]);

/*
 * The same by the rules for keys, bearer tokens and JWTs alone.
 */
size_t wl_redact_secrets(struct wl_buf *b, const char *p, size_t len);

#endif
