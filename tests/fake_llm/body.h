/*
 * The bodies of whole answers, one function per route.
 */
#ifndef WL_TESTS_FAKE_LLM_BODY_H
#define WL_TESTS_FAKE_LLM_BODY_H

#include "tests/fake_llm/call.h"
#include "tests/fake_llm/out.h"

/*
 * Write the body of CALL's answer to O.
 */
void fake_body_put(struct fake_call *call, struct fake_out *o);

/*
 * Append the inside of the JSON string of part I of the answer, choice
 * CHOICE.
 */
void fake_body_part(struct fake_call *call, struct fake_out *o, int i,
    int64_t choice);

/*
 * Append the id of tool call number I of the answer, choice CHOICE.
 */
void fake_body_call_id(struct fake_call *call, struct fake_buf *b, int i,
    int64_t choice);

/*
 * Append the reference to tool call number I of the answer, choice CHOICE:
 * its id, type, and the name inside of "function", which stays open.
 */
void fake_body_tool(struct fake_call *call, struct fake_buf *b, int i,
    int64_t choice);

/*
 * Hash of the text of choice CHOICE.
 */
uint64_t fake_body_hash(const struct fake_call *call, int64_t choice);

#endif
