/*
 * Bodies of multipart/form-data (RFC 7578, RFC 2046), read in place.
 *
 * Two readers of one body must not see two things in it: the gate decides by
 * a field that the provider reads again.  So only what clients really write
 * is taken: lines end with CRLF, no preamble, nothing behind the last
 * delimiter, no folded header, no transfer encoding, no part whose name could
 * be read in two ways.
 */
#ifndef WL_HTTP_MULTIPART_H
#define WL_HTTP_MULTIPART_H

#include "lib/base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define WL_MULTIPART_BOUNDARY	70	/* bytes, RFC 2046, 5.1.1 */
#define WL_MULTIPART_PARTS	128
#define WL_MULTIPART_HEADERS	((size_t)4096)	/* bytes, of one part */

struct wl_part {
	struct wl_str	 name;
	struct wl_str	 body;
	bool		 file;		/* it has a file name */
};

/*
 * The reader; nothing is allocated, parts point into the body.
 */
struct wl_multipart {
	char		 delimiter[4 + WL_MULTIPART_BOUNDARY + 1];
	size_t		 len;		/* of DELIMITER, "\r\n--BOUNDARY" */
	struct wl_str	 rest;
	int		 parts;
	bool		 begun, over;
};

/*
 * Begin to read BODY, whose Content-Type header is TYPE.  Returns 0, or -1:
 * TYPE is not multipart/form-data with one boundary.
 */
int wl_multipart_init(struct wl_multipart *m, const char *type,
    struct wl_str body) __attribute__((warn_unused_result));

/*
 * The boundary, for a Content-Type of one's own.
 */
struct wl_str wl_multipart_boundary(const struct wl_multipart *m);

/*
 * The next part into *PART.  Returns 1, 0 when there are no more and the body
 * ends as it should, or -1: it is malformed, or has too many parts.
 */
int wl_multipart_next(struct wl_multipart *m, struct wl_part *part)
    __attribute__((warn_unused_result));

#endif
