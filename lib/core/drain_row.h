/*
 * A record of the journal as a row for COPY: docs/JOURNAL.md tells its
 * members, lib/store/db_drain.h the columns.
 */
#ifndef WL_CORE_DRAIN_ROW_H
#define WL_CORE_DRAIN_ROW_H

#include <stddef.h>
#include <stdint.h>

struct wl_buf;

/*
 * Append the record P of KIND, the Nth of its batch, written by PROCESS, to B
 * as one line of COPY's text form.  Members without a column are left out;
 * whether the values suit their columns is for the database to say.
 * Returns 0, or -1 with *WHY, a literal, for what can be no row: not an object
 * in JSON, more of it than WL_DRAIN_TOKENS, a NUL in a text, no
 * retention_class.  WHY is NULL when memory is out.  After -1 B may hold part
 * of a line.
 */
#define WL_DRAIN_TOKENS	200000
int wl_drain_row_add(struct wl_buf *b, int64_t n, char kind,
    const char *process, const char *p, size_t len, const char **why)
    __attribute__((warn_unused_result));

/*
 * What the record P, which may be anything, says of its project and source:
 * cut to 63 bytes, "" when it says nothing that can be kept.
 */
void wl_drain_row_whose(const char *p, size_t len, char project[64],
    char source[64]);

#endif
