/*
 * A gateway call: what the body asks, where it goes, what came of it.
 */
#ifndef WL_CORE_CALL_H
#define WL_CORE_CALL_H

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/core/limit.h"
#include "lib/core/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct wl_arena;
struct wl_auth;
struct wl_conf;
struct wl_req;

enum wl_api {
	WL_API_CHAT, WL_API_COMPLETIONS, WL_API_COUNT_TOKENS,
	WL_API_EMBEDDINGS, WL_API_MESSAGES, WL_API_RESPONSES,
	/* passed through, see wl_api_is_media() */
	WL_API_IMAGES, WL_API_IMAGE_EDITS, WL_API_IMAGE_VARIATIONS,
	WL_API_TRANSCRIPTIONS, WL_API_TRANSLATIONS, WL_API_SPEECH,
	WL_API_RERANK,
	WL_API_MAX
};

/*
 * The member of a body for API that holds the prompt: "messages", "input".
 */
const char *wl_api_content(enum wl_api api);

/*
 * The member that holds instructions beside it, or NULL.
 */
const char *wl_api_system(enum wl_api api);

/*
 * The path of API: "/v1/messages".
 */
const char *wl_api_path(enum wl_api api);

/*
 * Pictures, sounds and rankings: metered by other units than tokens, too, and
 * passed through otherwise.  And whether its body may be a form
 * (multipart/form-data).
 */
bool wl_api_is_media(enum wl_api api);
bool wl_api_takes_form(enum wl_api api);

/*
 * Whether a text is none but a picture, a sound or the like, which nobody
 * bills by its letters: all of it is "data:TYPE/SUB;base64," and base64, or it
 * is long and all of it is base64.
 */
bool wl_is_data(const char *p, size_t len);

/*
 * Most bytes of a model's name.
 */
#define WL_MODEL_MAX	128

/*
 * What the body asks.  FAULT keeps what is wrong with it.  What the scan
 * refuses (see wl_ask_refused()) is answered without admission, everything
 * else only after it.
 */
struct wl_ask {
	enum wl_api		 api;
	struct wl_str		 body;		/* as it came */
	struct json_object	*json;		/* NULL when not JSON */
	struct wl_str		 model;		/* as asked; may be empty */
	struct wl_str		 user;		/* "user" field, or empty */
	bool			 stream;
	bool			 include_usage;	/* the client asked for it */
	const char		*form_type;	/* Content-Type of a form;
						   NULL: the body is JSON */
	struct wl_str		 prompt;	/* field of a form */
	int64_t			 max_tokens;	/* 0: not given */
	int64_t			 choices;	/* pictures; 1: not given */
	int64_t			 characters;	/* to be spoken, or -1 */
	int64_t			 input_estimate;	/* tokens; 0 where
							   none are used */
	/* headers of Anthropic's API, for such a provider; NULL: none */
	const char		*anthropic_version, *anthropic_beta;
	struct wl_err		 fault;		/* code WL_OK: none */
};

/*
 * Tokens by disjoint class, -1: not reported.  SOURCE: the provider's own
 * figures; estimated because it gave none; partial, since the answer broke
 * off (what was reported until then, else estimated from what was passed);
 * none when nothing was answered.
 */
enum wl_usage_source {
	WL_U_NONE, WL_U_PROVIDER, WL_U_ESTIMATED, WL_U_PARTIAL,
	WL_USAGE_SOURCE_MAX
};
struct wl_usage {
	int64_t			 input, cache_read, cache_write, output,
				 reasoning;
	enum wl_usage_source	 source;
	int64_t			 cache_write_1h;	/* of cache_write, what
							   is kept an hour; 0:
							   none */
};

/*
 * What else was used, -1: not known.  The TEXT, IMAGE and AUDIO tokens are
 * parts of those of the usage, where the provider tells them apart.
 */
struct wl_units {
	int64_t			 images;	/* made */
	int64_t			 audio_ms;	/* heard */
	int64_t			 characters;	/* spoken */
	int64_t			 searches;	/* of documents */
	int64_t			 image_input, audio_input;	/* tokens */
	int64_t			 text_output;	/* of pictures, tokens */
};
#define WL_UNITS_NONE	((struct wl_units){ -1, -1, -1, -1, -1, -1, -1 })

/*
 * The name of S in events: "none", "provider", "estimated", "partial".
 */
const char *wl_usage_source_name(enum wl_usage_source s);

/*
 * Tokens of LEN bytes of text where nobody counted them: a quarter, rounded
 * up.
 */
int64_t wl_tokens_estimate(int64_t len);

/*
 * One target of a call that was asked, or was not because it is set aside.
 * Times are microseconds since the request began, and of how long it took.
 */
struct wl_tried {
	char		 provider[33];
	char		 hint[8];	/* end of the key, or "" */
	const char	*model;		/* in the arena */
	const char	*word;		/* what came of it, literal */
	int		 status;	/* of the answer, 0: none */
	bool		 asked;
	bool		 hedge;		/* beside another one */
	int64_t		 at_us, took_us;
	int64_t		 cost_nano;	/* of one that was cancelled for
					   another, estimated; or -1 */
};
#define WL_TRIED	16

/*
 * Where the answer came from, as X-WatchLLM-Cache tells.
 */
enum wl_cache_status {
	WL_CACHE_BYPASS, WL_CACHE_MISS, WL_CACHE_HIT, WL_CACHE_HIT_CANONICAL,
	WL_CACHE_HIT_COALESCED, WL_CACHE_STATUS_MAX
};
const char *wl_cache_status_name(enum wl_cache_status s);

/*
 * What came of it.  Times are microseconds since the request began, -1 when
 * not reached.  OUTCOME tells what the call costs the counters: a stream that
 * broke after its first data event is WL_O_ANSWERED with ERR set.
 */
struct wl_result {
	enum wl_outcome	 outcome;
	enum wl_api	 api;			/* of what is passed on */
	int		 http;			/* status sent to the client */
	int		 upstream_http;		/* 0: none */
	struct wl_err	 err;			/* code WL_OK: none */
	char		 upstream_code[65];	/* provider's word for it */
	char		 provider[33];		/* answered, or asked last */
	char		 model[WL_MODEL_MAX + 1];	/* sent */
	char		 model_used[WL_MODEL_MAX + 1];	/* as answered */
	char		 rule[65];		/* of routing, or "" */
	char		 variant[65];		/* its, or "" */
	char		 response_id[129];	/* the provider's id, or "" */
	char		 finish_reason[33];
	struct wl_usage	 usage;
	struct wl_units	 units;
	const struct wl_policy	*policy;	/* of the project, or NULL */
	struct wl_policy_tally	 found;		/* by it */
	bool		 price_known;
	int64_t		 cost_nano;
	int64_t		 hedge_nano;		/* of it for the call that was
						   cancelled, estimated */
	int64_t		 price_effective_ms;
	enum wl_cache_status cache;
	int64_t		 saved_nano, saved_tokens;	/* by a hit */
	int64_t		 first_byte_us, first_data_us, upstream_us;
	int64_t		 chunks;		/* data events of a stream */
	int64_t		 output_bytes;		/* of generated text */
	int		 attempts;		/* calls made upstream */
	struct wl_tried	 tried[WL_TRIED];	/* the first of them */
	int		 ntried;
	struct wl_buf	 text;			/* of the first choice */
	struct wl_buf	 tools;			/* its tool calls, JSON objects
						   with commas between */
	size_t		 keep;			/* of each, bytes; 0: none */
	struct wl_str	 raw;			/* unstreamed, or empty */
	struct wl_str	 refusal;		/* JSON instead of ERR's,
						   or empty */
	bool		 truncated;		/* TEXT or TOOLS is cut */
	int64_t		 most_output;		/* tokens that a stream may
						   have; 0: no such limit */
	bool		 stop;			/* one that has more is ended */
	bool		 overrun;		/* it had more */
	int64_t		 tool;			/* being gathered, or -1 */
	int64_t		 sequence;		/* of the last event of a
						   stream that had one, or -1 */
};

/*
 * Start *RES: nothing reached, nothing known.  KEEP as above.  What it
 * gathers on the heap goes with arena A.  Returns 0, or -1: no memory.
 */
int wl_result_init(struct wl_result *res, struct wl_arena *a, size_t keep)
    __attribute__((warn_unused_result));

/*
 * Gather what was generated, within KEEP: a piece of the text; the beginning
 * of tool call INDEX (of the first choice); a piece of that one's arguments;
 * the end of all.  OUTPUT_BYTES is not touched.
 */
void wl_result_text(struct wl_result *res, const char *p, size_t len);
void wl_result_tool(struct wl_result *res, int64_t index, struct wl_str id,
    struct wl_str name);
void wl_result_arguments(struct wl_result *res, const char *p, size_t len);
void wl_result_end(struct wl_result *res);

/*
 * Scan R's body for API into *ASK; everything is in the request's arena.
 * Never fails except for memory: what is wrong is in ASK->fault.
 */
void wl_ask_read(struct wl_ask *ask, enum wl_api api, const struct wl_req *r);

/*
 * Tokens of ASK's prompt where nobody has counted them.
 */
int64_t wl_ask_estimate(const struct wl_ask *ask);

/*
 * The end user on whose behalf R's call ASK is made: header
 * X-WatchLLM-User-Id, else the body's "user"; or empty.
 */
struct wl_str wl_ask_user(const struct wl_ask *ask, const struct wl_req *r);

/*
 * Whether the scan refused the body: not JSON, too deep, too many tokens,
 * another media type.  Such a call is not admitted; it counts against the
 * address's limit for bad requests.
 */
bool wl_ask_refused(const struct wl_ask *ask);

/*
 * Validation that needs more than the scan: types and ranges of the fields
 * that the gate itself relies on; everything else is the provider's business.
 * Returns 0, or -1 with *E: ASK's fault, or WL_E_INVALID_REQUEST with PARAM.
 */
int wl_ask_check(const struct wl_ask *ask, struct wl_err *e);

#endif
