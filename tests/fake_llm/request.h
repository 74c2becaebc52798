/*
 * The body of a call: read, checked, counted, and turned into what the
 * answer is made of.
 */
#ifndef WL_TESTS_FAKE_LLM_REQUEST_H
#define WL_TESTS_FAKE_LLM_REQUEST_H

#include "tests/fake_llm/call.h"

/*
 * What is wrong with a request, in the words of the API.
 */
struct fake_fail {
	int		 status;	/* 0: nothing */
	const char	*type;
	const char	*code;		/* NULL: null */
	const char	*param;		/* NULL: null */
	char		 message[240];
};

/*
 * Parse and check the body of CALL's request and apply the script in it.
 * Returns 0, or -1 with FAIL filled.
 */
int fake_request_parse(struct fake_call *call, struct fake_fail *fail)
    __attribute__((warn_unused_result));

/*
 * Fill F as a bad request; PARAM may be NULL.  Returns -1.
 */
int fake_request_bad(struct fake_fail *f, const char *param, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/*
 * The member KEY of O; NULL when O is none, or KEY is absent or null.
 */
struct json_object *fake_request_get(struct json_object *o, const char *key);

/*
 * Whether MODEL may be used.
 */
bool fake_request_known_model(const char *model);

/*
 * Release what parsing keeps between calls.
 */
void fake_request_free(void);

/*
 * FAIL for an unknown model.
 */
void fake_request_no_model(struct fake_fail *fail, const char *model);

#endif
