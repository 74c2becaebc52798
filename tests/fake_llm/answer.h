/*
 * The parts of an answer, prepared in call->parts before anything is sent.
 */
#ifndef WL_TESTS_FAKE_LLM_ANSWER_H
#define WL_TESTS_FAKE_LLM_ANSWER_H

#include "tests/fake_llm/request.h"

/*
 * Tool calls, when the request has tools and the script or tool_choice asks
 * for them.  Returns 0, or -1 with F filled.
 */
int fake_answer_tools(struct fake_call *call, struct fake_fail *f)
    __attribute__((warn_unused_result));

/*
 * JSON as the text, when response_format (text.format) asks for it.  Returns 0 or -1, as
 * above.
 */
int fake_answer_json(struct fake_call *call, struct fake_fail *f)
    __attribute__((warn_unused_result));

/*
 * Text of the scripted length where the answer has no part yet; the
 * request's limit cuts it.  Sets call->finish.
 */
void fake_answer_text(struct fake_call *call);

#endif
