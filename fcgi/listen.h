/*
 * The listening descriptor: inherited, or made here.
 */
#ifndef WL_FCGI_LISTEN_H
#define WL_FCGI_LISTEN_H

struct wl_err;

/*
 * A listening descriptor that whoever started us has left: 0 (lighttpd,
 * spawn-fcgi, mod_fcgid) or 3 (systemd's LISTEN_FDS); -1: none.
 */
int wl_listen_inherited(void);

/*
 * Listen on SPEC: "unix:/path" or "/path", made with the permissions MODE
 * (octal text), or "address:port" ("[address]:port" for IPv6).  A socket file
 * that nobody answers on is replaced.  Returns the descriptor, non-blocking,
 * or -1 with *E.
 */
int wl_listen_open(const char *spec, const char *mode, struct wl_err *e);

/*
 * Close FD and remove the socket file of SPEC.
 */
void wl_listen_close(int fd, const char *spec);

#endif
