/*
 * Answers as server-sent events.
 */
#ifndef WL_TESTS_FAKE_LLM_STREAM_H
#define WL_TESTS_FAKE_LLM_STREAM_H

#include "tests/fake_llm/call.h"

/*
 * Answer CALL with a stream, paced and broken as its script wants.
 */
void fake_stream_run(struct fake_call *call);

#endif
