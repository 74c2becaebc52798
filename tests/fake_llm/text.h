/*
 * The text of answers, made from a hash alone, so that any range of it can
 * be written without holding the rest; and the rule that counts tokens.
 */
#ifndef WL_TESTS_FAKE_LLM_TEXT_H
#define WL_TESTS_FAKE_LLM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake_llm/buf.h"

/*
 * A token is four bytes of text; the last one of a text may be shorter.
 */
#define FAKE_TOKEN_BYTES 4

/*
 * Start value of fake_text_hash().
 */
#define FAKE_HASH_INIT UINT64_C(0xcbf29ce484222325)

/*
 * FNV-1a, 64 bits, of the N bytes at P, continued from H.
 */
uint64_t fake_text_hash(uint64_t h, const void *p, size_t n);

/*
 * A well mixed 64-bit number for X (the finaliser of splitmix64).
 */
uint64_t fake_text_mix(uint64_t x);

/*
 * Tokens of a text of N bytes.
 */
int64_t fake_text_tokens(int64_t n);

/*
 * Append the bytes FROM to FROM + LEN of the text of hash H.  It opens with
 * a sentence that says that this is a sandbox, needs no JSON escapes, and
 * has a character boundary at every multiple of four.  With UTF8 the words
 * after the sentence hold characters of two, three and four bytes.
 */
void fake_text_put(struct fake_buf *b, uint64_t h, bool utf8, int64_t from,
    int64_t len);

#endif
