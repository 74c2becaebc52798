/*
 * The figures that a reply reports.
 */
#ifndef WL_TESTS_FAKE_LLM_USAGE_H
#define WL_TESTS_FAKE_LLM_USAGE_H

#include "tests/fake_llm/call.h"

/*
 * Append `,"usage":{…}` as the script wants it reported, with SO_FAR tokens
 * of completion (-1: all).
 */
void fake_usage_put(struct fake_call *call, struct fake_buf *b,
    int64_t so_far);

/*
 * The usage that was written has left: put it into the record.
 */
void fake_usage_sent(struct fake_call *call);

/*
 * Tokens of the whole answer, all choices.
 */
int64_t fake_usage_tokens(const struct fake_call *call);

/*
 * The finish_reason to report.
 */
const char *fake_usage_finish(const struct fake_call *call);

/*
 * Append the usage object of a message, member and all, with OUTPUT tokens
 * made so far, -1 for all of them.
 */
void fake_usage_message(struct fake_call *call, struct fake_buf *b,
    int64_t output);

#endif
