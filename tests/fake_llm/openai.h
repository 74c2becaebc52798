/*
 * The API: from a request to a reply and a record.
 */
#ifndef WL_TESTS_FAKE_LLM_OPENAI_H
#define WL_TESTS_FAKE_LLM_OPENAI_H

#include "tests/fake_llm/http.h"

/*
 * Answer R on C.  Whether another request may follow is c->keep.
 */
void fake_openai_serve(struct fake_conn *c, struct fake_req *r);

#endif
