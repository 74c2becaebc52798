/*
 * A gateway call: what the body asks, where it goes, what came of it.
 */
#ifndef WL_CORE_CALL_H
#define WL_CORE_CALL_H

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/core/limit.h"

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct wl_arena;
struct wl_auth;
struct wl_req;

enum wl_api {
	WL_API_CHAT, WL_API_COMPLETIONS, WL_API_EMBEDDINGS, WL_API_MAX
};

/*
 * What the body asks.  FAULT keeps what is wrong with it: it is answered only
 * after admission.
 */
struct wl_ask {
	enum wl_api		 api;
	struct wl_str		 body;		/* as it came */
	struct json_object	*json;		/* NULL when not JSON */
	struct wl_str		 model;		/* as asked */
	struct wl_str		 user;		/* "user" field, or empty */
	bool			 stream;
	bool			 include_usage;	/* the client asked for it */
	int64_t			 max_tokens;	/* 0: not given */
	int64_t			 input_estimate;	/* tokens */
	struct wl_err		 fault;		/* code WL_OK: none */
};

/*
 * Tokens by disjoint class, -1: not reported.
 */
enum wl_usage_source {
	WL_U_NONE, WL_U_PROVIDER, WL_U_ESTIMATED, WL_U_PARTIAL,
	WL_USAGE_SOURCE_MAX
};
struct wl_usage {
	int64_t			 input, cache_read, cache_write, output,
				 reasoning;
	enum wl_usage_source	 source;
};

/*
 * What came of it.  Times are microseconds since the request began, -1 when
 * not reached.
 */
struct wl_result {
	enum wl_outcome	 outcome;
	int		 http;			/* status sent to the client */
	int		 upstream_http;		/* 0: none */
	struct wl_err	 err;			/* code WL_OK: none */
	char		 provider[33];		/* that answered, or "" */
	char		 model[129];		/* sent upstream */
	char		 model_used[129];	/* as the answer says, or "" */
	char		 response_id[129];	/* the provider's id, or "" */
	char		 finish_reason[33];
	struct wl_usage	 usage;
	bool		 price_known;
	int64_t		 cost_nano;
	int64_t		 price_effective_ms;
	int64_t		 first_byte_us, first_data_us, upstream_us;
	int64_t		 chunks;
	struct wl_buf	 text;			/* of the answer, bounded */
	struct wl_str	 raw;			/* unstreamed answer, or empty */
	bool		 truncated;		/* TEXT is cut */
	bool		 retried;
};

/*
 * Scan R's body for API into *ASK; everything is in the request's arena.
 * Never fails except for memory: what is wrong is in ASK->fault.
 */
void wl_ask_read(struct wl_ask *ask, enum wl_api api, const struct wl_req *r);

/*
 * Validation that needs more than the scan: types and ranges of the fields
 * that the gate itself relies on; everything else is the provider's business.
 * Returns 0, or -1 with *E (WL_E_INVALID_REQUEST with PARAM, ...).
 */
int wl_ask_check(const struct wl_ask *ask, struct wl_err *e);

#endif
