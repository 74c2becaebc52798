/*
 * The Responses API: its response object and the events of its streams.
 */
#ifndef WL_TESTS_FAKE_LLM_RESPONSES_H
#define WL_TESTS_FAKE_LLM_RESPONSES_H

#include "tests/fake_llm/event.h"

/*
 * Write the response object of CALL, whole, to O.
 */
void fake_responses_body(struct fake_call *call, struct fake_out *o);

/*
 * The events of its streams.
 */
extern const struct fake_events fake_responses_events;

#endif
