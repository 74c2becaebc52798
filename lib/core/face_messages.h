/*
 * Anthropic's messages in front of providers that chat: the request becomes a
 * chat request, the answer and the events of a stream become Anthropic's.
 */
#ifndef WL_CORE_FACE_MESSAGES_H
#define WL_CORE_FACE_MESSAGES_H

#include "lib/core/model.h"
#include "lib/core/upstream.h"
#include "lib/http/sse.h"

/*
 * Give each of the N targets T whose wire format has no messages of its own
 * the chat request that ASK, of messages, means (t->ask, in A).  A target that
 * cannot be asked so is left out when another is left.  Returns how many are
 * left, or -1 with *E: WL_E_INVALID_REQUEST whose PARAM names what a chat
 * cannot express, or memory.  Nothing that bears on the answer is dropped;
 * cache_control, the thinking of earlier turns and the citations of earlier
 * texts do not.
 */
int wl_face_messages_targets(struct wl_arena *a, const struct wl_ask *ask,
    struct wl_target *t, int n, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The filter: what chat targets answer goes on as Anthropic's messages; what
 * others answer (RES->api tells) goes on as it comes.
 */
struct wl_face_messages {
	struct wl_sink		 sink;		/* for wl_upstream_run() */
	struct wl_sink		*next;
	struct wl_arena		*a;
	const struct wl_ask	*ask;		/* the client's */
	const struct wl_result	*res;
	const char		*request_id;
	struct wl_err		 err;		/* WL_OK: it could be said */
	bool			 stream, over;
	/* of a stream */
	struct wl_arena		*scratch;	/* of one event */
	struct wl_sse		 sse;
	struct wl_buf		 out;
	bool			 begun;		/* message_start was sent */
	int			 kind;		/* of the open block, or 0 */
	int64_t			 block;		/* its index, or the next */
	int64_t			 tool;		/* of the provider, open */
	char			 tool_id[129];
	bool			 tools, refused;	/* there were some */
	char			 finish[33];
};

/*
 * Begin: NEXT is whom it tells, RES what wl_upstream_run() fills.  It lives in
 * A, and what it keeps goes with A.  NULL with *E: no memory.
 */
struct wl_face_messages *wl_face_messages_new(struct wl_sink *next,
    struct wl_arena *a, const struct wl_ask *ask, const struct wl_result *res,
    const char *request_id, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The call is over: 0, or -1 when it was answered with what could not be told,
 * and nothing but a stream's error was: that is now in RES->err.
 */
int wl_face_messages_end(struct wl_face_messages *f, struct wl_result *res);

#endif
