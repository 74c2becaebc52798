/*
 * Secrets that an operator types or pipes in.
 */
#ifndef WL_FCGI_ASK_H
#define WL_FCGI_ASK_H

#include <stddef.h>

struct wl_err;

/*
 * One line of standard input without its newline into OUT of SIZE bytes.  A
 * terminal is asked with PROMPT and does not show what is typed; nothing but
 * blank lines may follow the line in a pipe.  Returns 0, or -1 with *E.
 */
int wl_ask_secret(const char *prompt, char *out, size_t size,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
