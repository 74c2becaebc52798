/*
 * A wire format as a struct of functions.  Hosts are rows of a table; a new
 * format is a new provider_x.c and a pointer in wl_providers[].
 */
#ifndef WL_CORE_PROVIDER_H
#define WL_CORE_PROVIDER_H

#include "lib/core/call.h"

struct wl_target;

struct wl_provider {
	const char	*wire;		/* "openai" */
	/*
	 * The upstream request for ASK at T: URL, headers (NULL-ended) and
	 * body, in the arena.  The body's bytes are the client's unless
	 * something must change (model, stream_options).  Returns 0, or -1
	 * with *E when the format cannot express it (400).
	 */
	int		(*request)(struct wl_arena *a, const struct wl_ask *ask,
			    const struct wl_target *t, const char *request_id,
			    const char **url, const char ***headers,
			    struct wl_str *body, struct wl_err *e);
	/*
	 * Read usage, model, id, finish reason and text out of an unstreamed
	 * answer into *RES.  Returns 0, or -1: not such an answer.
	 */
	int		(*answer)(struct wl_arena *a, const struct wl_ask *ask,
			    struct wl_str body, struct wl_result *res);
	/*
	 * The same for the data of one stream event.  Returns what it was.
	 */
	enum wl_chunk	{
		WL_CHUNK_DATA,		/* pass on */
		WL_CHUNK_USAGE,		/* only usage */
		WL_CHUNK_DONE,		/* the terminal event */
		WL_CHUNK_ERROR		/* an error in the stream */
	}		(*chunk)(struct wl_arena *a, const struct wl_ask *ask,
			    struct wl_str data, struct wl_result *res);
	/*
	 * The provider's own words for an error answer, without secrets.
	 */
	void		(*error)(struct wl_arena *a, int status,
			    struct wl_str body, struct wl_err *e);
};

extern const struct wl_provider wl_provider_openai;
extern const struct wl_provider *const wl_providers[];	/* NULL-ended */
const struct wl_provider *wl_provider_find(const char *wire);

#endif
