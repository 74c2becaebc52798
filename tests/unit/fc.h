/*
 * The web server's side of FastCGI, for tests.
 */
#ifndef WL_TESTS_UNIT_FC_H
#define WL_TESTS_UNIT_FC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

/*
 * Append records to B: the begin of request ID, its variables (pairs of name
 * and value, ended by NULL) with their end, a piece of the body (LEN 0: its
 * end).
 */
void fc_begin(struct wl_buf *b, unsigned id, bool keep);
void fc_params(struct wl_buf *b, unsigned id, const char *const *params);
void fc_stdin(struct wl_buf *b, unsigned id, const void *p, size_t len);
void fc_record(struct wl_buf *b, int type, unsigned id, const void *p,
    size_t len, size_t padding);

/*
 * A whole request: METHOD and URI, BODY.
 */
void fc_request(struct wl_buf *b, bool keep, const char *method,
    const char *uri, const void *body, size_t len);

/*
 * What comes back.  Zero it; free OUT.
 */
struct fc_reply {
	struct wl_buf	out;		/* of STDOUT */
	struct wl_buf	raw;		/* not parsed yet */
	bool		ended;		/* END_REQUEST was seen */
	bool		broken;		/* no FastCGI */
	uint32_t	app_status;
	int		protocol_status;
};

/*
 * Take LEN bytes.  Returns whether the reply has ended.
 */
bool fc_feed(struct fc_reply *r, const void *p, size_t len);
void fc_reset(struct fc_reply *r);
void fc_free(struct fc_reply *r);

/*
 * Read a whole reply from FD: 0, or -1 (closed, MS without a byte, broken).
 */
int fc_read(int fd, struct fc_reply *r, int64_t ms);

/*
 * The body in R, or "".
 */
const char *fc_body(const struct fc_reply *r);

#endif
