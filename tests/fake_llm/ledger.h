/*
 * What was served: one record per call, kept in memory and, when asked,
 * appended to a file, so that others can be held against it.
 */
#ifndef WL_TESTS_FAKE_LLM_LEDGER_H
#define WL_TESTS_FAKE_LLM_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake_llm/buf.h"

enum fake_end {
	FAKE_END_COMPLETE,
	FAKE_END_CLIENT_GONE,
	FAKE_END_FAULT,
	FAKE_END_SHUTDOWN,
	FAKE_END_TIMEOUT,	/* the client did not read */
	FAKE_END_MAX
};

/*
 * Times are microseconds of CLOCK_REALTIME.  Reported figures are -1 where
 * none was sent.
 */
struct fake_record {
	uint64_t	 seq;
	int64_t		 start_us;	/* the request was complete */
	int64_t		 first_us;	/* first byte sent, 0: none */
	int64_t		 end_us;
	int64_t		 prompt_tokens;	/* the next four: reported */
	int64_t		 completion_tokens;
	int64_t		 cached_tokens;
	int64_t		 reasoning_tokens;
	int64_t		 prompt_counted;
	int64_t		 completion_sent;	/* of the text that left */
	uint64_t	 chunks;
	uint64_t	 bytes;
	uint64_t	 request_bytes;
	uint64_t	 request_hash;		/* FNV-1a of the body */
	int		 status;		/* 0: none sent */
	int64_t		 fault;			/* enum fake_fault */
	enum fake_end	 end;
	bool		 stream;
	char		 prefix[12];	/* of the response's id */
	char		 path[48];
	char		 model[64];
	char		 request_id[64];
	char		 id[64];
	char		 key[5];
};

/*
 * Keep the newest KEEP records, and append each to PATH unless NULL.
 * Returns 0, or -1 with errno set when the file cannot be opened.
 */
int fake_ledger_open(const char *path, size_t keep)
    __attribute__((warn_unused_result));

/*
 * Close the file and release the memory.
 */
void fake_ledger_close(void);

/*
 * Number a call that begins; it counts as active until it is added.
 */
void fake_ledger_begin(struct fake_record *r);

/*
 * Keep R, whose call is over.
 */
void fake_ledger_add(const struct fake_record *r);

/*
 * Forget all kept records and figures.  Numbers go on.
 */
void fake_ledger_reset(void);

/*
 * The I-th record that was ever added since the reset (from 0), or NULL when
 * it is no longer kept; fake_ledger_count() is the number added.
 */
const struct fake_record *fake_ledger_at(uint64_t i);
uint64_t fake_ledger_count(void);

/*
 * Append R as one line of JSON.
 */
void fake_ledger_line(struct fake_buf *b, const struct fake_record *r);

/*
 * Append the figures as members of a JSON object, without braces.
 */
void fake_ledger_stats(struct fake_buf *b);

/*
 * Append the id of the answer to call SEQ: PREFIX, then 24 hexadecimal
 * digits.
 */
void fake_ledger_response_id(struct fake_buf *b, const char *prefix,
    uint64_t seq);

/*
 * Make response ids depend on SALT.
 */
void fake_ledger_salt(uint64_t salt);

#endif
