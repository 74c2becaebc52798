/*
 * Plain CGI (RFC 3875) as a carrier: one request, its variables in the
 * environment.
 */
#ifndef WL_FCGI_IO_CGI_H
#define WL_FCGI_IO_CGI_H

struct wl_io;

/*
 * The carrier of the only request, read from IN and answered on OUT
 * (0 and 1).  No second one at a time.  NULL with errno when memory or
 * descriptors are out.
 */
struct wl_io *wl_io_cgi_open(int in, int out);

/*
 * The client has gone, says the web server (by SIGTERM): io->fd shows it, and
 * writing fails from now on.
 */
void wl_io_cgi_gone(void);

void wl_io_cgi_close(void);

#endif
