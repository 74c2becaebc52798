/*
 * Reading a chat request in OpenAI's shape, for formats that translate it.
 * What wl_capability_check() and wl_ask_check() have passed is taken as such.
 */
#ifndef WL_CORE_CHAT_IN_H
#define WL_CORE_CHAT_IN_H

#include "lib/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct wl_arena;
struct wl_ask;
struct wl_err;
struct wl_jw;

/*
 * Set *E to WL_E_INVALID_REQUEST about PARAM; FMT goes on after its name.
 * Returns -1.
 */
int wl_chat_in_bad(struct wl_err *e, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

enum wl_chat_role {
	WL_CHAT_ASSISTANT, WL_CHAT_SYSTEM, WL_CHAT_TOOL, WL_CHAT_USER
};

/*
 * The messages of ASK one by one, and their role; a developer is the system.
 */
size_t wl_chat_in_count(const struct wl_ask *ask);
struct json_object *wl_chat_in_message(const struct wl_ask *ask, size_t i,
    enum wl_chat_role *role);

/*
 * Write the messages but those of the system as the list LIST of turns:
 * messages of one side that follow each other are one, with what PUT writes
 * of each in its list PARTS.  0, or
 * -1 as PUT does.
 */
struct wl_chat_turns {
	const char	*list, *parts;
	const char	*user, *assistant;	/* what roles are called */
	int		(*put)(void *arg, enum wl_chat_role role,
			    struct json_object *message);
};
int wl_chat_in_turns(struct wl_jw *w, const struct wl_ask *ask,
    const struct wl_chat_turns *t, void *arg)
    __attribute__((warn_unused_result));

/*
 * One part of a message's content; a content that is a text is one part.
 */
enum wl_chat_kind {
	WL_CHAT_TEXT,		/* TEXT */
	WL_CHAT_DATA,		/* an image, sound or file: TYPE, base64 DATA */
	WL_CHAT_URL		/* an image at the URL in TEXT */
};
struct wl_chat_part {
	enum wl_chat_kind	 kind;
	struct wl_str		 text, type, data;
	struct wl_str		 name;		/* of a file, or empty */
};
size_t wl_chat_in_parts(struct json_object *message);
/* Part I.  0, or -1 with *E: it is malformed. */
int wl_chat_in_part(struct json_object *message, size_t i,
    struct wl_chat_part *part, struct wl_err *e)
    __attribute__((warn_unused_result));
/* All texts of a message as one, in A; NULL: no memory. */
const char *wl_chat_in_text(struct wl_arena *a, struct json_object *message,
    struct wl_err *e);

/*
 * The tool calls of an assistant's message.  ARGUMENTS is an object, as JSON,
 * "{}" where there are none.
 */
struct wl_chat_call {
	struct wl_str		 id, name, arguments;
	struct json_object	*json;
};
size_t wl_chat_in_calls(struct json_object *message);
int wl_chat_in_call(struct wl_arena *a, struct json_object *message, size_t i,
    struct wl_chat_call *call, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The tools.  PARAMETERS may be NULL.
 */
struct wl_chat_tool {
	struct wl_str		 name, description;
	struct json_object	*parameters;
	bool			 strict;
};
size_t wl_chat_in_tools(const struct wl_ask *ask);
int wl_chat_in_tool(const struct wl_ask *ask, size_t i,
    struct wl_chat_tool *tool, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * tool_choice; NAME of the one tool.
 */
enum wl_chat_choice {
	WL_CHOICE_AUTO, WL_CHOICE_NONE, WL_CHOICE_REQUIRED, WL_CHOICE_ONE
};
int wl_chat_in_choice(const struct wl_ask *ask, enum wl_chat_choice *choice,
    struct wl_str *name, struct wl_err *e) __attribute__((warn_unused_result));

/*
 * response_format: whether it asks for JSON; the schema, or NULL, and its
 * name and strictness.
 */
struct wl_chat_format {
	bool			 json, strict;
	struct json_object	*schema;
	struct wl_str		 name;
};
int wl_chat_in_format(const struct wl_ask *ask, struct wl_chat_format *f,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Write JSON value O, or member NAME of the request when it is there, as
 * member KEY.
 */
void wl_chat_in_put(struct wl_jw *w, const char *key, struct json_object *o);
void wl_chat_in_copy(struct wl_jw *w, const struct wl_ask *ask,
    const char *name, const char *key);

/*
 * "stop", a text or a list, as the list KEY.
 */
void wl_chat_in_stop(struct wl_jw *w, const struct wl_ask *ask,
    const char *key);

/*
 * The texts of an embedding's input.  0, or -1 with *E: it holds tokens.
 */
size_t wl_chat_in_inputs(const struct wl_ask *ask);
int wl_chat_in_input(const struct wl_ask *ask, size_t i, struct wl_str *text,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
