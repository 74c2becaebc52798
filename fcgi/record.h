/*
 * Looks at the FastCGI records of one connection as they pass by: where a
 * request ends, and whether libfcgi can be trusted with them.  libfcgi
 * allocates whatever length a parameter claims, writes the answer to a
 * GET_VALUES record of any length into 64 bytes, and loses what was read
 * behind the end of a request.  FastCGI Specification 1.0.
 */
#ifndef WL_FCGI_RECORD_H
#define WL_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Refused beyond these; a request is answered with 431 long before.
 */
#define WL_RECORD_PARAMS_BYTES	((size_t)256 * 1024)
#define WL_RECORD_PARAMS_COUNT	2000

/*
 * Zero it for a new connection.
 */
struct wl_record {
	uint8_t		head[8];
	size_t		have;		/* bytes of HEAD seen */
	size_t		content;	/* left of this record */
	size_t		padding;
	uint8_t		type;
	unsigned	request_id;	/* 0: no BEGIN_REQUEST yet */
	bool		params_done;
	bool		ended;		/* the empty STDIN record was seen */

	/* inside PARAMS, which any record may split anywhere */
	uint8_t		length[4];
	size_t		length_have;
	bool		have_name;	/* its length; the value's comes next */
	size_t		skip;		/* left of name and value */
	size_t		params_bytes;
	unsigned	params_count;
};

/*
 * Look at the LEN bytes at P.  Returns how many of them belong to the current
 * request, fewer than LEN only behind its end; or -1 with errno: EPROTO for
 * what we or libfcgi do not speak, E2BIG for too many parameters,
 * ECONNABORTED when the server aborts the request.
 */
ssize_t wl_record_scan(struct wl_record *r, const void *p, size_t len);

/*
 * The current request is over; the next bytes begin another one.
 */
void wl_record_next(struct wl_record *r);

#endif
