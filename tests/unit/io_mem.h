/*
 * A request in memory: CGI variables and a body go in, the reply is collected.
 */
#ifndef WL_TESTS_UNIT_IO_MEM_H
#define WL_TESTS_UNIT_IO_MEM_H

#include "lib/base/str.h"
#include "lib/http/io.h"

#include <stdbool.h>

struct io_mem {
	struct wl_io		 io;		/* pass &m->io */
	const char *const	*params;	/* name, value, ..., NULL */
	const char		*body;
	size_t			 body_len, body_at;
	size_t			 piece;		/* most bytes a read gives; 0: all */
	bool			 cut;		/* the body ends in ECONNRESET */
	size_t			 gone_after;	/* writes fail once so much was sent */
	struct wl_buf		 out;		/* what has been flushed */
	struct wl_buf		 queued;
	int			 writes, flushes, finishes;
	int64_t			 timeout;
};

/*
 * Make *M a request with PARAMS (pairs of name and value, ended by NULL; they
 * and BODY must outlive it).  Nothing waits: it works outside a loop too.
 */
void io_mem_init(struct io_mem *m, const char *const *params,
    const void *body, size_t body_len);
void io_mem_free(struct io_mem *m);

/*
 * In what was sent so far: the status, the value of header NAME (in a static
 * buffer, overwritten by the next call) or NULL, and the body.
 */
int io_mem_status(const struct io_mem *m);
const char *io_mem_header(const struct io_mem *m, const char *name);
struct wl_str io_mem_body(const struct io_mem *m);

#endif
