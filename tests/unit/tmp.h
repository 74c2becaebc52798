/*
 * A temporary folder for a test, removed when it exits.
 */
#ifndef WL_TESTS_UNIT_TMP_H
#define WL_TESTS_UNIT_TMP_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The folder of this process, made on the first call.
 */
const char *wl_tmp_dir(void);

/*
 * The path of NAME in it, in memory that lives until the end.
 */
const char *wl_tmp_path(const char *name);

/*
 * Write LEN bytes to NAME in it with permissions MODE.  Returns the path.
 */
const char *wl_tmp_file(const char *name, const void *p, size_t len,
    mode_t mode);

/*
 * The whole of the file at PATH, ended by a NUL that *LEN does not count;
 * to be freed.
 */
char *wl_tmp_read(const char *path, size_t *len);

#endif
