/*
 * The life of a request, one straight line.
 */
#ifndef WL_FCGI_SERVE_H
#define WL_FCGI_SERVE_H

struct wl_arena;
struct wl_io;

/*
 * Serve the request that IO carries, from route to access line; the arena is
 * reset afterwards.  Never fails: whatever goes wrong was answered.
 */
void wl_serve(struct wl_io *io, struct wl_arena *arena);

#endif
