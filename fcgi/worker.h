/*
 * A process that serves requests: where they come from, how many at once,
 * signals, the end.
 */
#ifndef WL_FCGI_WORKER_H
#define WL_FCGI_WORKER_H

#include <stdbool.h>
#include <stdint.h>

struct wl_conf;
struct wl_io;

/*
 * What all requests of this process share.  Set up by wl_worker_run().
 */
struct wl_worker {
	struct wl_conf		*conf;
	struct wl_journal	*journal;
	struct wl_keyring	*keyring;	/* NULL when not configured */
	bool			 one_request;	/* plain CGI */
	bool			 stopping;
	uint64_t		 requests;	/* running now */
	uint64_t		 served;
};

extern struct wl_worker wl_worker;

/*
 * Serve requests from the listening descriptor FD until SIGTERM (running
 * requests finish within drain_deadline); FD -1: one request as plain CGI.
 * Runs the loop.  Returns the exit status.
 */
int wl_worker_run(struct wl_conf *conf, int fd);

/*
 * Bind what --listen says ("unix:/path", "/path", "127.0.0.1:9000"), start N
 * processes that serve it and restart one that dies, until SIGTERM; SIGHUP is
 * passed on.  Returns the exit status.
 */
int wl_master_run(struct wl_conf *conf, const char *listen, int n);

#endif
