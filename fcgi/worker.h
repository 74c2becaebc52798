/*
 * A process that serves requests: where they come from, how many at once,
 * signals, the end.
 */
#ifndef WL_FCGI_WORKER_H
#define WL_FCGI_WORKER_H

#include <stdbool.h>
#include <stdint.h>

struct wl_conf;
struct wl_err;
struct wl_generation;
struct wl_io;

/*
 * What all requests of this process share.  Set up by wl_worker_run().
 */
struct wl_worker {
	/*
	 * A request takes these pointers once, when it begins: SIGHUP puts
	 * others here and the old ones live until their requests are over.
	 * What is read at the start only (stores, spool, client, listen)
	 * keeps its old value.
	 */
	struct wl_conf		*conf;
	struct wl_keyring	*keyring;	/* NULL when not configured */
	struct wl_journal	*journal;
	bool			 one_request;	/* plain CGI */
	bool			 stopping;
	uint64_t		 requests;	/* running now */
	uint64_t		 served;
	uint64_t		 connections;	/* open now, idle ones too */
	/* Fill a zeroed struct as at the start; NULL: SIGHUP keeps it. */
	int			(*load)(struct wl_conf *c, struct wl_err *e);
	/* What conf and keyring point to now stays until it is given back:
	   for what outlives its request.  NULL before the start. */
	struct wl_generation	*(*hold)(void);
	void			(*give_back)(struct wl_generation *g);
};

extern struct wl_worker wl_worker;

/*
 * Serve requests from the listening descriptor FD, which is made
 * non-blocking, until SIGTERM or SIGUSR1 (running requests finish within
 * drain_deadline, a second signal ends them at once); FD -1: one request as
 * plain CGI on descriptors 0 and 1.  Runs the loop.  CONF stays the caller's
 * and must live until the end.  Returns the exit status; the signals it
 * handles stay blocked.
 */
int wl_worker_run(struct wl_conf *conf, int fd);

/*
 * Bind what --listen says ("unix:/path", "/path", "127.0.0.1:9000"), start N
 * processes (0: one for each processor) that serve it and restart one that
 * dies, until SIGTERM; SIGHUP is passed on.  Returns the exit status.
 */
int wl_master_run(struct wl_conf *conf, const char *listen, int n);

#endif
