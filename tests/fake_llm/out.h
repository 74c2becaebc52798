/*
 * The body of a reply on its way out: framed as HTTP wants it, packed when
 * asked, or only measured.
 */
#ifndef WL_TESTS_FAKE_LLM_OUT_H
#define WL_TESTS_FAKE_LLM_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/fake_llm/conn.h"
#include "tests/fake_llm/ledger.h"

/*
 * Bodies larger than this are sent in pieces as they are made.
 */
#define FAKE_OUT_PIECE ((size_t)64 * 1024)

enum fake_frame {
	FAKE_FRAME_PLAIN,	/* Content-Length, or until the close */
	FAKE_FRAME_CHUNKED,
	FAKE_FRAME_COUNT	/* nothing is sent, only counted */
};

/*
 * Payload is appended to conn->body, the reply's head to conn->head; both
 * leave with the next flush.
 */
struct fake_out {
	struct fake_conn	*conn;
	struct fake_record	*rec;
	enum fake_frame		 frame;
	bool			 pieces;	/* flush when a piece is full */
	bool			 run;		/* text is one letter */
	bool			 failed;	/* the client has gone */
	int64_t			 counted;
	uint64_t		 chunks;	/* not yet in the record */
	int64_t			 tokens;	/* likewise */
	struct z_stream_s	*gz;
};

/*
 * Start a body for REC on C; both buffers are emptied.
 */
void fake_out_open(struct fake_out *o, struct fake_conn *c,
    struct fake_record *rec, enum fake_frame frame);

/*
 * Pack what follows with gzip.
 */
void fake_out_gzip(struct fake_out *o);

/*
 * Flush, and give others their turn, when a piece is full.
 */
void fake_out_piece(struct fake_out *o);

/*
 * Append LEN bytes from FROM of the text of hash H, see fake_text_put().
 */
void fake_out_text(struct fake_out *o, uint64_t h, bool utf8, int64_t from,
    int64_t len);

/*
 * Append LEN spaces.
 */
void fake_out_pad(struct fake_out *o, int64_t len);

/*
 * Send the head alone.  Returns 0, or -1 when the client has gone.
 */
int fake_out_head(struct fake_out *o);

/*
 * Send what is pending.  Returns 0, or -1 when the client has gone.
 */
int fake_out_flush(struct fake_out *o);

/*
 * Send what is pending and end the body.  Returns 0 or -1, as above.
 */
int fake_out_end(struct fake_out *o);

/*
 * Release what packing holds.
 */
void fake_out_close(struct fake_out *o);

#endif
