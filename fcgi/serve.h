/*
 * The life of a request, one straight line.
 */
#ifndef WL_FCGI_SERVE_H
#define WL_FCGI_SERVE_H

#include <stddef.h>

struct wl_arena;
struct wl_buf;
struct wl_conf;
struct wl_ctx;
struct wl_err;
struct wl_io;

/*
 * Open what requests need beside the journal, the keyring and the outgoing
 * client, which the worker opens before: the stores.  They are connected to
 * when needed, so a worker starts while they are away.  In a coroutine of the
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

/*
 * Set the headers that every response carries after authentication: limits,
 * quota, Server-Timing.  Whoever sends a head by itself calls this right
 * before, such as the sink of a stream before wl_resp_stream().
 */
void wl_serve_headers(struct wl_ctx *ctx);

/*
 * Admit a gateway call that was admitted without a debit, because somebody
 * else was making its answer, and now is to be made after all.  0, or -1 with
 * ctx->err; it still ends as one that took nothing.
 */
int wl_serve_readmit(struct wl_ctx *ctx);

/*
 * Answer: these headers, then wl_resp_send().  A client that is gone needs no
 * other answer, so nothing is returned.  The JSON form takes over what B
 * holds, and answers 500 when B has failed.
 */
void wl_serve_reply(struct wl_ctx *ctx, int status, const char *type,
    const void *body, size_t len);
void wl_serve_json(struct wl_ctx *ctx, int status, struct wl_buf *b);

#endif
