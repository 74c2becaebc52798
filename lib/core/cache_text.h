/*
 * The canonical form of a question: texts that mean the same to any reader
 * are one text.
 */
#ifndef WL_CORE_CACHE_TEXT_H
#define WL_CORE_CACHE_TEXT_H

#include "lib/base/str.h"

/*
 * Longest text that has a canonical form, bytes.
 */
#define WL_CACHE_TEXT_MAX	((size_t)2000)

/*
 * Append to OUT: ASCII letters in lower case, except words that mean something
 * else in capitals (IT, US, WHO, OR, AND, AM, PM, A); curly quotes, no-break
 * spaces and full-width characters as plain ones; contractions written out;
 * runs of white space as one space; number words as digits; without words of
 * politeness at both ends, articles, and the marks .?! at the end.  Everything
 * else stays: symbols, negation, order, digits, and byte by byte what stands
 * in double quotes or backticks.  Returns 0, or -1: TEXT is too long, holds
 * code (a fence, indented lines), or nothing is left of it.
 */
int wl_cache_text(struct wl_buf *out, struct wl_str text);

#endif
