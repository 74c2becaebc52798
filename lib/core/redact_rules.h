/*
 * The rules of redaction as the database has them: built-in ones, some of
 * them perhaps off or with another mark, and regular expressions.
 */
#ifndef WL_CORE_REDACT_RULES_H
#define WL_CORE_REDACT_RULES_H

#include <stddef.h>

struct wl_buf;
struct wl_db_redaction;

#define WL_REDACT_RULES_MAX	64	/* regular expressions */

struct wl_redact_rules;

/*
 * The enabled ones of N ROWS, in their order; the built-in ones among them
 * are one pass, where the first of them stands.  What cannot be used (a name
 * that is not built in, a pattern that does not compile, see lib/base/re.h)
 * is left out and logged, each fault once a process; WHOSE is for the log.
 * NULL: no memory.
 */
struct wl_redact_rules *wl_redact_rules_new(const struct wl_db_redaction *rows,
    int n, const char *whose) __attribute__((warn_unused_result));
void wl_redact_rules_free(struct wl_redact_rules *rules);

/*
 * Append P to B with every match replaced.  Returns how many there were.
 * RULES NULL: as wl_redact().  A match never splits a sequence of UTF-8: it
 * takes in all of it.  Where memory is out the whole text is replaced.  Long
 * work lets other coroutines go first now and then.
 */
size_t wl_redact_rules_apply(const struct wl_redact_rules *rules,
    struct wl_buf *b, const char *p, size_t len);

#endif
