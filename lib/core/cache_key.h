/*
 * Which calls may be answered from the cache, and which of them ask the same.
 */
#ifndef WL_CORE_CACHE_KEY_H
#define WL_CORE_CACHE_KEY_H

#include "lib/core/call.h"
#include "lib/store/cache_redis.h"

/*
 * How a call is treated.
 */
struct wl_cache_key {
	bool		 read, write;	/* look for an answer; keep it */
	const char	*why;		/* neither: a word for the reason */
	int64_t		 ttl_ms;
	char		 ns[WL_CACHE_ID];	/* of its name space, or "" */
	char		 id[WL_CACHE_ID];	/* of the exact question */
	char		 alias[WL_CACHE_ID];	/* canonical, or "": none */
};

/*
 * Decide about R's call ASK of AUTH:
 *   - whether at all: settings of the project ({"cache":{"mode","ttl","scope"}},
 *     mode off, ask, exact, canonical; ttl in seconds; scope project or user),
 *     else of CONF; headers X-WatchLLM-Cache (off, exact, canonical; on needs
 *     that the project is not off), X-WatchLLM-Cache-TTL (seconds),
 *     X-WatchLLM-Cache-Refresh: 1 and Cache-Control: no-cache (do not read),
 *     no-store (neither read nor write), X-WatchLLM-Cache-Namespace;
 *   - never: more than one answer, log probabilities, tools, pictures and
 *     sounds, what the provider stores or continues, members given twice,
 *     a body over WL_CACHE_BODY;
 *   - identity: project, API, default provider, the request's own provider
 *     key, name space, user with scope user, and every member of the body
 *     without "user", "safety_identifier" and "prompt_cache_key", whatever
 *     their order and the white space between them.  Canonical is the last
 *     message of the user, see wl_cache_text().
 * Returns 0, or -1 with *E WL_E_INVALID_REQUEST for a bad header.
 */
#define WL_CACHE_BODY	((size_t)256 * 1024)
int wl_cache_key(struct wl_cache_key *k, const struct wl_conf *conf,
    const struct wl_req *r, const struct wl_auth *auth,
    const struct wl_ask *ask, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The hash of name space NAME, "" for NULL or "".
 */
void wl_cache_key_ns(const char *name, char out[WL_CACHE_ID]);

/*
 * Whether RES, with STREAMED bytes BODY, may be kept: complete, ended by
 * itself, no refusal.
 */
bool wl_cache_keeps(const struct wl_ask *ask, const struct wl_result *res,
    struct wl_str body);

#endif
