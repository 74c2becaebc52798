/*
 * HTTP/1.1 on the server's side (RFC 9112): requests in, heads and whole
 * replies out.
 */
#ifndef WL_TESTS_FAKE_LLM_HTTP_H
#define WL_TESTS_FAKE_LLM_HTTP_H

#include "tests/fake_llm/conn.h"

#define FAKE_HEAD_MAX ((size_t)64 * 1024)
#define FAKE_BODY_MAX ((size_t)64 * 1024 * 1024)

struct fake_req {
	char		 method[12];
	char		 path[200];	/* without the query */
	char		 query[200];
	char		 key[200];	/* from Authorization or *api-key */
	char		 request_id[64];
	char		 version[32];	/* anthropic-version */
	char		 beta[128];	/* anthropic-beta */
	const char	*head;		/* request line and headers */
	size_t		 head_len;
	const char	*body;		/* valid until the next read */
	size_t		 body_len;
};

/*
 * Read the next request into R.  Returns 0, -1 when the connection is over,
 * or the status (400 and above) with which the request is to be refused and
 * the connection to be closed.
 */
int fake_http_read(struct fake_conn *c, struct fake_req *r)
    __attribute__((warn_unused_result));

/*
 * Drop the request read last from the buffers.
 */
void fake_http_done(struct fake_conn *c, const struct fake_req *r);

/*
 * Begin a reply's head in B: status line, Server, and Connection where
 * the default of the protocol's version does not hold.  The caller appends
 * header lines and an empty line.
 */
void fake_http_head(struct fake_buf *b, const struct fake_conn *c, int status);

/*
 * Send a whole reply with Content-Length in one write.  Returns 0, or -1 with
 * c->peer set.
 */
int fake_http_reply(struct fake_conn *c, int status, const char *type,
    const void *body, size_t len);

#endif
