/*
 * What is expected to end a process is run in a child.
 */
#ifndef WL_TESTS_UNIT_CHILD_H
#define WL_TESTS_UNIT_CHILD_H

#include <stddef.h>

/*
 * Run FN in a child process and wait for it, at most 60 s.  What it wrote to
 * stderr goes to ERR, LEN bytes, as a string.  Returns its status as waitpid()
 * gives it; the exit code is what FN returned.  -1 when there is no child.
 */
int wl_child(int (*fn)(void), char *err, size_t len);

#endif
