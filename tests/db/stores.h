/*
 * What the tests of lib/store share: the servers that tests/lib/with_stores.sh
 * started, and ways around the code under test.
 */
#ifndef WL_TESTS_DB_STORES_H
#define WL_TESTS_DB_STORES_H

#include "lib/base/arena.h"
#include "lib/base/co.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The configuration of the servers, for tests to change in copies.
 */
extern struct wl_conf stores_conf;

/*
 * Read it and send the log to a file; then run TESTS.  Returns the exit
 * status.
 */
int stores_main(const char *suite, const struct wl_test *tests);

/*
 * Run FN as the first coroutine of a loop, with the stores of CONF open.
 */
void stores_run(const struct wl_conf *conf, void (*fn)(void));

/*
 * An arena that lives until stores_run() is over.
 */
struct wl_arena *stores_arena(void);

/*
 * Coroutines that stores_join() waits for, at most MS.  False: not in time.
 */
void stores_spawn(void (*fn)(void *), void *arg);
bool stores_join(int64_t ms);

/*
 * Blocking, outside of the code under test: one SQL statement as superuser,
 * and the first value of its first row (valid until the next call), or "".
 */
const char *stores_sql(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/*
 * Blocking: one Redis command with words separated by spaces, to the server
 * at PATH (NULL: that of stores_conf); its reply as text, arrays joined by
 * spaces, or "".
 */
const char *stores_redis(const char *path, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * How many lines of the log so far have EVENT.
 */
int stores_logged(const char *event);

/*
 * A redis-server of the test's own on Unix socket PATH with the folder DIR,
 * and further arguments ARGS, NULL-ended.  Returns its process id once it
 * answers, or ends the test program.
 */
pid_t stores_redis_start(const char *path, const char *dir,
    const char *const *args);

/*
 * End a process of ours with SIGKILL and wait for it.
 */
void stores_kill(pid_t pid);

/*
 * A new project on PLAN and a key of it; their ids are valid until the next
 * call.
 */
struct stores_project {
	char	id[40];
	char	key_id[40];
	int64_t	version;
};
void stores_project(struct stores_project *p, const char *plan);

#endif
