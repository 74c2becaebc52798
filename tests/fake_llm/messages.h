/*
 * Anthropic's messages: the message object, the events of its streams, errors.
 */
#ifndef WL_TESTS_FAKE_LLM_MESSAGES_H
#define WL_TESTS_FAKE_LLM_MESSAGES_H

#include "tests/fake_llm/event.h"

struct fake_fail;

/*
 * Write the message of CALL, or the count of its tokens, whole, to O.
 */
void fake_messages_body(struct fake_call *call, struct fake_out *o);
void fake_messages_count(struct fake_call *call, struct fake_out *o);

/*
 * Append an error object with the type that its status has.
 */
void fake_messages_error(struct fake_call *call, struct fake_buf *b,
    const struct fake_fail *f);

/*
 * The events of its streams.
 */
extern const struct fake_events fake_messages_events;

#endif
