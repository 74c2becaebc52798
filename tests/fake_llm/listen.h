/*
 * Where fake_llm listens.
 */
#ifndef WL_TESTS_FAKE_LLM_LISTEN_H
#define WL_TESTS_FAKE_LLM_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Bind to SPEC: PORT, HOST:PORT with a numeric address or "localhost",
 * [IPv6]:PORT, or unix:PATH (a socket that is left there is removed).  Listen
 * too, unless REFUSE.  WHERE receives the place in the same notation, with
 * the port that was chosen for port 0.  Returns the descriptor, or -1 with
 * errno set (EINVAL: SPEC cannot be read).
 */
int fake_listen_open(const char *spec, bool refuse, char *where, size_t size)
    __attribute__((warn_unused_result));

#endif
