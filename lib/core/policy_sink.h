/*
 * Policy on an answer on its way to the client, in one piece or as a stream.
 *
 * A match may lie across events, so of each text (of a choice, a block) the
 * last WL_POLICY_WINDOW bytes are held back until more comes or it ends.  A
 * longer match is found only as far as it lies in what is held.  The arguments
 * of a tool call are JSON, and held whole.
 */
#ifndef WL_CORE_POLICY_SINK_H
#define WL_CORE_POLICY_SINK_H

#include "lib/core/policy.h"
#include "lib/core/upstream.h"
#include "lib/http/sse.h"

#define WL_POLICY_WINDOW	((size_t)256)
#define WL_POLICY_CHANNELS	64	/* texts at the same time */
#define WL_POLICY_EVENT		((size_t)16 * 1024 * 1024)

struct wl_policy_channel;

struct wl_policy_sink {
	struct wl_sink		 sink;	/* what the answer goes to */
	struct wl_sink		*next;
	const struct wl_policy	*policy;
	struct wl_policy_tally	*tally;
	struct wl_arena		*a;
	const struct wl_ask	*ask;
	struct wl_result	*res;
	const char		*request_id;
	struct wl_arena		*scratch;	/* of one event */
	struct wl_sse		 sse;
	struct wl_buf		 out;		/* events to pass on */
	struct wl_policy_channel *ch;
	int			 nch;
	int64_t			 extra;		/* events of ours so far */
	bool			 idle;		/* no rule is for it */
	bool			 streaming;
	bool			 stopped;	/* nothing more may pass */
	struct wl_err		 err;		/* why */
	int			 status;	/* of an answer in one piece */
	const char		*type;
};

/*
 * Stand between NEXT and an answer to ASK whose result is RES, which has the
 * policy; what is found goes there, too.  In A, with which it is released.
 * NULL: no memory.
 */
struct wl_policy_sink *wl_policy_sink_new(struct wl_sink *next,
    struct wl_arena *a, const struct wl_ask *ask, struct wl_result *res,
    const char *request_id) __attribute__((warn_unused_result));

/*
 * What the answer goes to: F, or NEXT where no rule is for it.
 */
struct wl_sink *wl_policy_sink_of(struct wl_policy_sink *f);

/*
 * The call is over: what was masked leaves RES's text, too, and where it was
 * blocked RES says so.
 */
void wl_policy_sink_end(struct wl_policy_sink *f);

#endif
