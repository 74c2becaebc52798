/*
 * A wire format as a struct of functions.  Hosts are rows of a table; a new
 * format is a new provider_x.c and a pointer in wl_providers[].
 */
#ifndef WL_CORE_PROVIDER_H
#define WL_CORE_PROVIDER_H

#include "lib/core/call.h"
#include "lib/core/capability.h"

struct wl_model_item;
struct wl_target;

/*
 * A request upstream, in the arena; what holds the key is wiped with it.
 */
struct wl_upcall {
	const char	*url;
	const char	**headers;	/* "Name: value", ended by NULL */
	struct wl_str	 body;
	bool		 hide_usage;	/* usage was asked for by us alone */
};

/*
 * What an event of a stream was.
 */
enum wl_chunk {
	WL_CHUNK_DATA,		/* pass on */
	WL_CHUNK_USAGE,		/* only usage */
	WL_CHUNK_DONE,		/* the terminal event */
	WL_CHUNK_ERROR,		/* an error in the stream */
	WL_CHUNK_INVALID,	/* nothing that a client could read */
	WL_CHUNK_MAX
};

/*
 * A stream that is translated, from one event to the next.  OUT is empty when
 * chunk() or ended() is called; the complete events in the client's format
 * that they append go to the client in place of the provider's.  The rest is
 * theirs to remember, and zero at first.
 */
struct wl_relay {
	struct wl_buf	 out;
	struct wl_buf	 frame;		/* beginning of one, see unframe(), or
					   of a block */
	int64_t		 created;	/* epoch seconds, told in each event */
	int64_t		 tools;		/* tool calls begun */
	int64_t		 block;		/* where the provider is, its number */
	bool		 begun;		/* something was said */
	bool		 tool;		/* the block is a tool call */
	bool		 args;		/* some of its arguments were said */
};

struct wl_provider {
	const char	*wire;		/* "openai" */
	/*
	 * Bits (1 << enum wl_api): what it can be asked at all, and of these
	 * whose answers and streams go to the client as they come; those of
	 * the others it translates.  CAN: enum wl_can, of what it translates.
	 */
	unsigned	 apis, native;
	uint32_t	 can;
	/*
	 * The type of its streams; NULL: text/event-stream.
	 */
	const char	*stream_type;
	/*
	 * The upstream request for ASK at T.  The body's bytes are the
	 * client's unless something must change (model, stream_options).
	 * Returns 0, or -1 with *E: the format cannot express it (400), or
	 * memory.
	 */
	int		(*request)(struct wl_arena *a, const struct wl_ask *ask,
			    const struct wl_target *t, const char *request_id,
			    struct wl_upcall *u, struct wl_err *e);
	/*
	 * Read usage, model, id, finish reason and text out of an unstreamed
	 * answer into *RES.  RES->raw, where it is set, is what the client
	 * gets in place of BODY, as JSON; it lives with A.  Returns 0, or -1:
	 * not such an answer, or, with RES->err and the rest as error() does,
	 * one that tells of an error.
	 */
	int		(*answer)(struct wl_arena *a, const struct wl_ask *ask,
			    const struct wl_target *t, struct wl_str body,
			    struct wl_result *res);
	/*
	 * The same for the data of one stream event.  A is scratch: it is
	 * reset afterwards.  Waits for nothing, unless DATA is longer than
	 * WL_STREAM_EVENT.  Of an error RES->err is set, and the rest as
	 * error() does, refusal in A.  Where the stream is translated what is
	 * to be said goes to RELAY; the terminal event does not, and usage
	 * only when the client has asked for it.
	 */
	enum wl_chunk	(*chunk)(struct wl_arena *a, const struct wl_ask *ask,
			    const struct wl_target *t, struct wl_str data,
			    struct wl_result *res, struct wl_relay *relay);
	/*
	 * The same when a stream that is translated has ended, complete and
	 * with a finish reason, but without a terminal event.  NULL: it must
	 * have one.
	 */
	void		(*ended)(const struct wl_ask *ask,
			    const struct wl_target *t, struct wl_result *res,
			    struct wl_relay *relay);
	/*
	 * Append to SSE what LEN bytes of a binary framing add to a stream, as
	 * server-sent events; what is not complete is kept in RELAY->frame.
	 * 0, or -1: the framing is broken behind what was appended.  NULL: no
	 * such framing.
	 */
	int		(*unframe)(struct wl_relay *relay, const char *p,
			    size_t len, struct wl_buf *sse);
	/*
	 * Of an event that is too long to be read only HEAD, its beginning, is
	 * seen.  When it ends the stream, RES->finish_reason is set.
	 */
	void		(*skimmed)(const struct wl_ask *ask,
			    struct wl_str head, struct wl_result *res);
	/*
	 * What the provider says in an error answer of T with STATUS, without
	 * secrets: RES->err.msg (when it says something), upstream_code, and
	 * in RES->refusal the error as the client may see it.
	 */
	void		(*error)(struct wl_arena *a, const struct wl_target *t,
			    int status, struct wl_str body,
			    struct wl_result *res);
	/*
	 * The request (GET) for the list of the models at T.  0, or -1 with
	 * *E.
	 */
	int		(*list)(struct wl_arena *a, const struct wl_target *t,
			    struct wl_upcall *u, struct wl_err *e);
	/*
	 * The models of its answer, in the arena.  0, or -1: no such list.
	 */
	int		(*listed)(struct wl_arena *a, struct wl_str body,
			    struct wl_model_item **v, int *n);
};

/*
 * Keep of the N targets T, in their order, those whose wire format can do
 * API.  Returns how many.
 */
int wl_provider_able(struct wl_target *t, int n, enum wl_api api);

/*
 * Whether the answer to an ask for API is translated by P.
 */
bool wl_provider_translates(const struct wl_provider *p, enum wl_api api);

/*
 * NAME as one segment of a URL's path, percent-encoded, in A; NULL: no
 * memory, or "." or "..", which are none.
 */
const char *wl_provider_segment(struct wl_arena *a, const char *name);

/*
 * The headers of a request for ASK (NULL: for a list) to T with REQUEST_ID
 * (NULL: none) into u->headers: types, the key as T's auth has it (a bearer
 * token, or the header of that name; with sigv4 none), and EXTRA, a header more, or NULL.  0,
 * or -1: no memory.
 */
int wl_provider_headers(struct wl_arena *a, const struct wl_ask *ask,
    const struct wl_target *t, const char *request_id, const char *extra,
    struct wl_upcall *u);

/*
 * Let the text in B, which is empty then, be U's body for as long as A lives.
 * 0, or -1: no memory.
 */
int wl_provider_body(struct wl_arena *a, struct wl_buf *b,
    struct wl_upcall *u);

/*
 * The models of {"models":[{"name":...}]}, without PREFIX where it is there,
 * owned by OWNER (static).  As listed().
 */
int wl_provider_models(struct wl_arena *a, struct wl_str body,
    const char *prefix, const char *owner, struct wl_model_item **v, int *n);

extern const struct wl_provider wl_provider_anthropic;
extern const struct wl_provider wl_provider_azure;
extern const struct wl_provider wl_provider_bedrock;
extern const struct wl_provider wl_provider_cohere;
extern const struct wl_provider wl_provider_gemini;
extern const struct wl_provider wl_provider_openai;
extern const struct wl_provider *const wl_providers[];	/* NULL-ended */
const struct wl_provider *wl_provider_find(const char *wire);

#endif
