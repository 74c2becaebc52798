/*
 * Chat completions written from what a provider of another format says, in
 * one piece or as a stream (openai-openapi, "CreateChatCompletionResponse"
 * and "CreateChatCompletionStreamResponse").
 */
#ifndef WL_CORE_CHAT_OUT_H
#define WL_CORE_CHAT_OUT_H

#include "lib/core/provider.h"

/*
 * RELAY as chunk() was given it: each piece goes there as an event.  NULL: of
 * an answer in one piece, whatever was asked for; the pieces are gathered, and
 * wl_chat_out_end() frees all.  What is generated is
 * counted and kept in RES, whose response_id (made up where it is empty) and
 * model are what the client is told.
 */
struct wl_chat_out {
	struct wl_relay		*relay, own;
	bool			 stream;
	const struct wl_ask	*ask;
	struct wl_result	*res;
	struct wl_buf		 text, reasoning, blocks, tools; /* one piece */
};
void wl_chat_out_init(struct wl_chat_out *o, struct wl_relay *relay,
    const struct wl_ask *ask, struct wl_result *res);

/*
 * A piece of the answer, of the reasoning (reasoning_content); a block of
 * thought as JSON that its provider wants back as it is (thinking_blocks); the
 * beginning
 * of a tool call, with EXTRA, an object as JSON that goes with it as
 * "extra_content", or NULL; a piece of that call's arguments; its end, which
 * gives a call without arguments "{}".  A call ends the one before it.
 */
void wl_chat_out_text(struct wl_chat_out *o, struct wl_str s);
void wl_chat_out_reasoning(struct wl_chat_out *o, struct wl_str s);
void wl_chat_out_block(struct wl_chat_out *o, struct wl_str json);
void wl_chat_out_tool(struct wl_chat_out *o, struct wl_str id,
    struct wl_str name, const char *extra);
void wl_chat_out_arguments(struct wl_chat_out *o, struct wl_str s);
void wl_chat_out_tool_end(struct wl_chat_out *o);

/*
 * The end.  RES has a finish reason of OpenAI's, and the usage.  As a stream:
 * the last chunk, and usage when the client has asked for it.  In one piece:
 * RES->raw, which lives with A.  0, or -1: no memory.
 */
void wl_chat_out_last(struct wl_chat_out *o);
int wl_chat_out_end(struct wl_chat_out *o, struct wl_arena *a)
    __attribute__((warn_unused_result));

/*
 * Let the text in B be RES->raw for as long as A lives; B is empty then.  0,
 * or -1: no memory.
 */
int wl_chat_out_raw(struct wl_arena *a, struct wl_buf *b,
    struct wl_result *res) __attribute__((warn_unused_result));

#endif
