/*
 * The log: one JSON object a line, escaped here and nowhere else.
 */
#ifndef WL_BASE_LOG_H
#define WL_BASE_LOG_H

enum wl_level { WL_DEBUG, WL_INFO, WL_WARN, WL_ERROR, WL_LEVEL_MAX };

/*
 * Write to PATH from now on (NULL or "": standard error), lines of at least
 * LEVEL, each with "program":PROGRAM.  Returns 0, or -1 with errno set and
 * the old place kept.  wl_log_reopen() opens the same path again.
 */
int wl_log_open(const char *path, enum wl_level level, const char *program);
int wl_log_reopen(void);
/* LEVEL by its name (debug, info, warn, error), or -1. */
int wl_log_level(const char *name);

/*
 * One line: EVENT is a fixed word such as "redis.down"; FMT gives "msg".
 * It never waits for anybody and never fails; lost lines are counted and
 * the count is logged when writing works again.  Lines are at most 8 KB, 4 KB
 * to a pipe or socket; a program that logs to a pipe must ignore SIGPIPE.
 */
void wl_log(enum wl_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same with a request id and ready-made JSON members (or NULL), such as
 * "\"status\":200,\"ms\":12".
 */
void wl_log_req(enum wl_level level, const char *event, const char *request_id,
    const char *members, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
