/*
 * The events of a stream, appended to its payload one at a time.
 */
#ifndef WL_TESTS_FAKE_LLM_EVENT_H
#define WL_TESTS_FAKE_LLM_EVENT_H

#include "tests/fake_llm/call.h"
#include "tests/fake_llm/out.h"

struct fake_stream {
	struct fake_call	*call;
	const struct fake_events *events;
	struct fake_out		 out;
	struct fake_buf		*b;		/* payload under construction */
	const char		*eol;
	size_t			 opening;	/* of each event, in made */
	int64_t			 step;		/* content chunks so far */
	int64_t			 sequence;	/* events so far */
	bool			 over;		/* nothing more may be sent */
	bool			 asked;		/* usage is to be reported */
	bool			 faulted;
};

/*
 * How an API says it.
 */
struct fake_events {
	/* What comes before any content is due. */
	void	(*begin)(struct fake_stream *st);

	/* What comes around the content of part PART of the answer. */
	void	(*part_begin)(struct fake_stream *st, int part);
	void	(*part_end)(struct fake_stream *st, int part);

	/* LEN bytes from FROM of part PART. */
	void	(*content)(struct fake_stream *st, int part, int64_t choice,
	    int64_t from, int64_t len);

	/* The proper end. */
	void	(*end)(struct fake_stream *st);

	/* An error object. */
	void	(*error)(struct fake_stream *st);

	/* Two events that run into each other with lines that are none. */
	void	(*malformed)(struct fake_stream *st);

	/* An event whose JSON is cut off. */
	void	(*broken)(struct fake_stream *st);
};

/*
 * The events of chat and legacy completions.
 */
extern const struct fake_events fake_event_completions;

/*
 * Append the line that comes before an event, if the script wants one; the
 * end of a line; the end of an event with data, which is counted.
 */
void fake_event_comment(struct fake_stream *st);
void fake_event_eol(struct fake_stream *st);
void fake_event_close(struct fake_stream *st);

/*
 * Append a line that is none, and one with a NUL, as part of malformed
 * events.
 */
void fake_event_junk(struct fake_stream *st);

/*
 * Append LEN bytes from FROM of part PART, or a stamp, as the inside of a
 * JSON string, and count their tokens.
 */
void fake_event_piece(struct fake_stream *st, int part, int64_t choice,
    int64_t from, int64_t len);

#endif
