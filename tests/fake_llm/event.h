/*
 * The events of a stream, appended to its payload one at a time.
 */
#ifndef WL_TESTS_FAKE_LLM_EVENT_H
#define WL_TESTS_FAKE_LLM_EVENT_H

#include "tests/fake_llm/call.h"
#include "tests/fake_llm/out.h"

struct fake_stream {
	struct fake_call	*call;
	struct fake_out		 out;
	struct fake_buf		*b;		/* payload under construction */
	const char		*eol;
	size_t			 opening;	/* of each event, in made */
	int64_t			 step;		/* content chunks so far */
	bool			 over;		/* nothing more may be sent */
	bool			 asked;		/* usage is to be reported */
	bool			 faulted;
};

/*
 * Make what all events of ST begin with.
 */
void fake_event_prepare(struct fake_stream *st);

/*
 * The first and the last event of a choice.
 */
void fake_event_role(struct fake_stream *st, int64_t choice);
void fake_event_finish(struct fake_stream *st, int64_t choice);

/*
 * LEN bytes from FROM of part PART of the answer.
 */
void fake_event_content(struct fake_stream *st, int part, int64_t choice,
    int64_t from, int64_t len);

/*
 * Usage without choices, with SO_FAR tokens of completion (-1: all).
 */
void fake_event_usage(struct fake_stream *st, int64_t so_far);

/*
 * An error object; the end of the stream.
 */
void fake_event_error(struct fake_stream *st);
void fake_event_done(struct fake_stream *st);

/*
 * Two events that run into each other with lines that are none; an event
 * whose JSON is cut off.
 */
void fake_event_malformed(struct fake_stream *st);
void fake_event_broken(struct fake_stream *st);

#endif
