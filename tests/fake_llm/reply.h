/*
 * Replies that are not streams, the parts that streams share with them, and
 * the faults of both that come before the first byte.
 */
#ifndef WL_TESTS_FAKE_LLM_REPLY_H
#define WL_TESTS_FAKE_LLM_REPLY_H

#include "tests/fake_llm/call.h"
#include "tests/fake_llm/out.h"
#include "tests/fake_llm/request.h"

/*
 * Wait for the scripted latency.  Returns 0, or -1 when the call is over:
 * the client has left, or a fault has closed the connection.
 */
int fake_reply_wait(struct fake_call *call) __attribute__((warn_unused_result));

/*
 * Put the reply's head into conn->head: LENGTH of the body, -1 for chunks
 * (for HTTP/1.0: until the close), -2 for a body that the close ends.
 */
void fake_reply_head(struct fake_call *call, int status, const char *type,
    int64_t length);

/*
 * Append an error object: {"error":{…}}.
 */
void fake_reply_error_body(struct fake_buf *b, const struct fake_fail *f);

/*
 * Fill F with the scripted error of STATUS.
 */
void fake_reply_scripted(struct fake_fail *f, int status);

/*
 * Answer with F and nothing else.
 */
void fake_reply_error(struct fake_call *call, const struct fake_fail *f);

/*
 * Answer CALL, whole, with what the script wants.
 */
void fake_reply_run(struct fake_call *call);

/*
 * Stay silent until the client leaves.
 */
void fake_reply_stall(struct fake_call *call);

/*
 * Close with RST, a moment later, so that what was sent can arrive.
 */
void fake_reply_reset(struct fake_call *call);

#endif
