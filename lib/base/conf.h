/*
 * Configuration: one table (conf.c) drives the file, the environment, the
 * arguments, "watchllm doctor" and the check of the manual.
 */
#ifndef WL_BASE_CONF_H
#define WL_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct wl_err;

enum wl_counters { WL_COUNTERS_REDIS, WL_COUNTERS_POSTGRES };
enum wl_on_failure { WL_FAIL_OPEN, WL_FAIL_CLOSED };

/*
 * Times are milliseconds, sizes bytes, strings never NULL (empty: unset).
 * Lists are the text as written, separated by spaces or commas.
 */
struct wl_conf {
	/* where we are mounted and who may call */
	char	*base_path;
	char	*cors_origins;
	char	*trusted_proxies;
	char	*operator_token_file;
	char	*stripe_default_plan, *stripe_plans, *stripe_secret_file;
	int64_t	 stripe_tolerance;
	char	*operator_addresses;
	char	*upgrade_url;
	bool	 allow_debug_endpoints;
	/* stores */
	char	*database_url;		/* role app */
	char	*database_url_file;
	char	*owner_database_url;	/* migrations and the command line */
	char	*owner_database_url_file;
	char	*drain_database_url;
	char	*drain_database_url_file;
	char	*rollup_database_url;
	char	*rollup_database_url_file;
	int64_t	 database_timeout;
	int64_t	 database_connections;	/* per worker */
	int64_t	 database_idle_timeout;
	char	*redis;			/* unix:/path, host:port, or empty */
	char	*redis_password_file;
	int64_t	 redis_database;
	int64_t	 redis_timeout;
	bool	 redis_hash_tags;
	int	 counters;		/* enum wl_counters */
	int	 on_redis_failure;	/* enum wl_on_failure */
	char	*master_key_file;
	/* limits of a worker */
	int64_t	 max_body;
	int64_t	 max_requests;		/* at once, per process */
	int64_t	 request_memory;	/* per request */
	int64_t	 auth_stale_max;
	int64_t	 auth_failures_per_minute;	/* per address */
	int64_t	 bad_requests_per_minute;	/* per address */
	/* upstream */
	int64_t	 connect_timeout;
	int64_t	 first_byte_timeout;
	int64_t	 between_bytes_timeout;
	int64_t	 total_timeout;
	int64_t	 stream_commit_after;
	int64_t	 heartbeat;
	int64_t	 stream_buffer;		/* per stream, then paused */
	int64_t	 max_response;		/* an unstreamed answer */
	int64_t	 max_upload;		/* body of a route for files */
	bool	 drain_on_disconnect;	/* read on for the usage */
	int64_t	 upstream_attempts;	/* of one call */
	int64_t	 upstream_retries;	/* of one target */
	int64_t	 retry_budget;		/* per cent of the calls */
	int64_t	 retry_wait_max;	/* before an attempt */
	char	*fallback_on;		/* see lib/core/retry.h */
	int64_t	 breaker_failures;	/* 0: off */
	int64_t	 breaker_open;		/* the first time */
	char	*upstream_private_hosts;	/* may resolve to private addresses */
	char	*upstream_ca_file;
	char	*upstream_proxy;
	/* journal */
	char	*spool_dir;
	int	 spool_sync;		/* enum wl_spool_sync */
	int64_t	 spool_sync_interval;
	int64_t	 shadow_calls;
	int64_t	 spool_max;
	int64_t	 spool_segment;
	char	*host_name;		/* of this host's journals */
	/* events */
	int64_t	 max_field;		/* longest text kept of a field */
	bool	 store_payloads;
	int64_t	 drain_batch;
	int64_t	 drain_interval;
	int64_t	 statement_close_day;
	/* caches */
	int	 cache;			/* enum wl_cache_mode */
	int64_t	 cache_ttl;
	int64_t	 cache_entry_max;	/* bytes of one answer */
	int64_t	 cache_entries;		/* of a project */
	int64_t	 cache_bytes;		/* of a project */
	int64_t	 idempotency_ttl;
	int64_t	 resume_ttl;		/* of streams that can be resumed */
	/* process */
	char	*listen;
	char	*listen_mode;		/* octal permissions of a Unix socket */
	int64_t	 processes;
	int64_t	 drain_deadline;	/* of running requests on SIGTERM */
	char	*log_file;
	char	*log_level;
	char	*access_log;		/* "on", "off" */
};

/*
 * What is cached of the calls of a project that says nothing of it.
 */
enum wl_cache_mode {
	WL_CACHE_OFF, WL_CACHE_ASK, WL_CACHE_EXACT, WL_CACHE_CANONICAL
};

enum wl_conf_type {
	WL_C_BOOL,	/* bool: on, off */
	WL_C_INT,	/* int64_t */
	WL_C_MODE,	/* char *: octal permissions */
	WL_C_MS,	/* int64_t: see wl_num_duration() */
	WL_C_SIZE,	/* int64_t: see wl_num_size() */
	WL_C_STR,	/* char * */
	WL_C_TEXT_WORD,	/* char *: one of WORDS */
	WL_C_WORD	/* int: the place of one of WORDS */
};

struct wl_conf_row {
	const char		*name;
	enum wl_conf_type	 type;
	size_t			 offset;	/* in struct wl_conf */
	const char		*def;
	const char		*words;		/* "redis|postgres" */
	int64_t			 min, max;	/* numbers, as they are kept */
	const char		*help;		/* one line */
};

/*
 * The table, alphabetical, ended by a row whose name is NULL.
 */
extern const struct wl_conf_row wl_conf_table[];

/*
 * Fill *C: defaults, then the file at PATH (NULL: WATCHLLM_CONFIG of the
 * environment, else SYSCONFDIR/watchllm/watchllm.conf when it exists), then
 * WATCHLLM_<NAME> of the environment.  A file has lines "name = value"; '#'
 * at the start of a line or after a space begins a comment.  An unknown name,
 * a name given twice, a bad value or an unreadable file is an error with file
 * and line in MSG.  Keys that end in _file are read by whoever needs the
 * secret, except *database_url_file, which replaces its *database_url here.
 * An unset owner, drain or rollup URL falls back to database_url, an unset
 * host_name to the host's.  WATCHLLM_BASE_PATH counts only when the file does
 * not set base_path; ALLOW_DEBUG_ENDPOINTS=true works without the prefix.
 * Other variables that begin with WATCHLLM_ are errors unless they are
 * CONFIG, TEST_CLOCK, PAINT_STACKS or CRASH_AT.
 * Returns 0, or -1 with *E; then *C needs no freeing.
 */
int wl_conf_load(struct wl_conf *c, const char *path, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * One "name=value" from the command line; a URL that was derived from
 * another key follows.  Returns 0, or -1 with *E and *C as it was.
 */
int wl_conf_set(struct wl_conf *c, const char *assignment, struct wl_err *e)
    __attribute__((warn_unused_result));

void wl_conf_free(struct wl_conf *c);

/*
 * Print the table as a sample file, or the values that hold now (secrets in
 * URLs masked).
 */
void wl_conf_print_sample(FILE *f);
void wl_conf_print(const struct wl_conf *c, FILE *f);

#endif
