/*
 * Embeddings: vectors of unit length in which texts with common words lie
 * near each other.
 */
#ifndef WL_TESTS_FAKE_LLM_EMBED_H
#define WL_TESTS_FAKE_LLM_EMBED_H

#include "tests/fake_llm/out.h"

struct fake_call;

/*
 * Write the body of the answer to an embeddings call to O.
 */
void fake_embed_body(struct fake_call *call, struct fake_out *o);

#endif
