/*
 * What a call is to be like, and how that is written: directives, words
 * key=value.
 */
#ifndef WL_TESTS_FAKE_LLM_SCRIPT_H
#define WL_TESTS_FAKE_LLM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FAKE_TOKENS_MAX INT64_C(100000000)
#define FAKE_SIZE_MAX (INT64_C(1) << 30)

enum fake_fault {
	FAKE_FAULT_NONE,
	FAKE_FAULT_EOF_CUT,
	FAKE_FAULT_EOF_MID,
	FAKE_FAULT_ERROR_IN_STREAM,
	FAKE_FAULT_GZIP_BOMB,
	FAKE_FAULT_DUP_USAGE,
	FAKE_FAULT_HEADERS_1000,
	FAKE_FAULT_HTML_ERROR,
	FAKE_FAULT_HUGE_BODY,
	FAKE_FAULT_HUGE_LINE,
	FAKE_FAULT_MALFORMED_JSON,
	FAKE_FAULT_MALFORMED_SSE,
	FAKE_FAULT_NO_CONTENT_TYPE,
	FAKE_FAULT_RESET_BEFORE,
	FAKE_FAULT_RESET_MID,
	FAKE_FAULT_SILENCE,
	FAKE_FAULT_SLOW_BYTES,
	FAKE_FAULT_STALL_MID,
	FAKE_FAULT_STATUS_200_ERROR_BODY,
	FAKE_FAULT_WRONG_LENGTH_LONG,
	FAKE_FAULT_WRONG_LENGTH_SHORT,
	FAKE_FAULT_MAX
};

enum fake_usage {
	FAKE_USAGE_AUTO,	/* as the request asks */
	FAKE_USAGE_ALWAYS,
	FAKE_USAGE_DUP,
	FAKE_USAGE_EARLY,
	FAKE_USAGE_EVERY,
	FAKE_USAGE_NONE,
	FAKE_USAGE_WITH_CHOICES,
	FAKE_USAGE_ZERO,
	FAKE_USAGE_MAX
};

enum fake_eol { FAKE_EOL_LF, FAKE_EOL_CRLF, FAKE_EOL_CR, FAKE_EOL_MAX };

enum fake_error {
	FAKE_ERROR_AUTO,	/* as the status is */
	FAKE_ERROR_CONTEXT_LENGTH,
	FAKE_ERROR_MAX
};

enum fake_finish {
	FAKE_FINISH_AUTO,
	FAKE_FINISH_CONTENT_FILTER,
	FAKE_FINISH_LENGTH,
	FAKE_FINISH_STOP,
	FAKE_FINISH_TOOL_CALLS,
	FAKE_FINISH_MAX
};

/*
 * One call's script.  Times are microseconds; -1 means "not given" where a
 * directive has no default.
 */
struct fake_script {
	int64_t	latency[4];	/* p50 p90 p95 p99, or the first alone */
	int64_t	latency_n;
	int64_t	jitter;
	int64_t	ttft;
	int64_t	per_token;
	int64_t	gap;
	int64_t	tokens;
	int64_t	chunk_tokens;
	int64_t	size;
	int64_t	prompt_tokens;
	int64_t	completion_tokens;
	int64_t	cached_tokens;
	int64_t	cache_write_tokens;
	int64_t	reasoning_tokens;
	int64_t	split;
	int64_t	after;
	int64_t	status;
	int64_t	retry_after;
	int64_t	chance;		/* hundredths of a per cent */
	int64_t	times;
	int64_t	tool_calls;
	int64_t	bom;
	int64_t	comments;
	int64_t	stamp;
	int64_t	utf8;
	int64_t	usage;		/* enum fake_usage */
	int64_t	eol;		/* enum fake_eol */
	int64_t	finish;		/* enum fake_finish */
	int64_t	error;		/* enum fake_error */
	int64_t	fault;		/* enum fake_fault */
	char	id[64];
};

/*
 * Bytes that a message of an error of this module may take.
 */
#define FAKE_SCRIPT_ERR 160

/*
 * Make S what it is without any directive.
 */
void fake_script_init(struct fake_script *s);

/*
 * Apply TEXT, words key=value, to S.  Returns 0, or -1 with ERR written.
 */
int fake_script_apply(struct fake_script *s, const char *text,
    char err[FAKE_SCRIPT_ERR]) __attribute__((warn_unused_result));

/*
 * Set KEY of S to VALUE, or to what it is without a directive when VALUE is
 * NULL.  Returns 0, or -1 with ERR written.
 */
int fake_script_member(struct fake_script *s, const char *key,
    const char *value, char err[FAKE_SCRIPT_ERR])
    __attribute__((warn_unused_result));

/*
 * Apply every [[key=value ...]] in the LEN bytes at TEXT.  Brackets whose
 * first word is no directive are ordinary text.  Returns 0, or -1 with ERR
 * written.
 */
int fake_script_scan(struct fake_script *s, const char *text, size_t len,
    char err[FAKE_SCRIPT_ERR]) __attribute__((warn_unused_result));

/*
 * The word for FAULT, a literal.
 */
const char *fake_script_fault_name(int64_t fault);

/*
 * Print the tables of directives and faults in Markdown.
 */
void fake_script_help(FILE *out);

#endif
