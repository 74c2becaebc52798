/*
 * The life of a request, one straight line.
 */
#ifndef WL_FCGI_SERVE_H
#define WL_FCGI_SERVE_H

struct wl_arena;
struct wl_conf;
struct wl_err;
struct wl_io;

/*
 * Open what requests need beside the journal, the keyring and the outgoing
 * client, which the worker opens before: the stores.  In a coroutine of the
 * loop.  CONF lives until wl_serve_close().  Returns 0, or -1 with *E: the
 * process ends.
 */
int wl_serve_open(struct wl_conf *conf, struct wl_err *e);

/*
 * After the last request; also when wl_serve_open() failed or was not reached.
 */
void wl_serve_close(void);

/*
 * Serve the request that IO carries, from route to access line; the arena is
 * reset afterwards.  Never fails: whatever goes wrong was answered.
 */
void wl_serve(struct wl_io *io, struct wl_arena *arena);

#endif
