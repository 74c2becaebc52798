/*
 * Rules of routing: which targets a call goes to, and in what order.  Nothing
 * here waits or remembers; lib/core/model.c turns targets into places to call.
 * docs/ROUTING.md describes rules for those who write them.
 */
#ifndef WL_CORE_ROUTE_H
#define WL_CORE_ROUTE_H

#include "lib/base/str.h"
#include "lib/core/call.h"
#include "lib/core/model.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;
struct wl_err;

#define WL_ROUTE_TARGETS	8	/* of a rule */
#define WL_ROUTE_HEADERS	8	/* that a rule looks at */
#define WL_ROUTE_WORDS		64	/* of one condition */
#define WL_ROUTE_NAME		64	/* bytes of a rule, variant, flag */
#define WL_ROUTE_BYTES		((size_t)16384)	/* of a definition */
#define WL_ROUTE_ALL		10000	/* hundredths of a percent */
#define WL_ROUTE_RULES		512	/* that one call is held against */

enum wl_route_strategy {
	WL_ROUTE_PRIORITY,	/* the lowest number first, then as listed */
	WL_ROUTE_WEIGHTED,	/* of equal priority, by weight */
	WL_ROUTE_LEAST_LATENCY,	/* of equal priority, by first byte */
	WL_ROUTE_LEAST_COST,	/* of equal priority, by price */
	WL_ROUTE_STRATEGY_MAX
};
const char *wl_route_strategy_name(enum wl_route_strategy s);

/*
 * What chance holds on to.
 */
enum wl_route_sticky {
	WL_STICKY_NONE, WL_STICKY_USER, WL_STICKY_KEY, WL_STICKY_HEADER
};

struct wl_route_words {
	const char	**v;
	int		 n;
};

struct wl_route_header {
	const char		*name;	/* lower case */
	struct wl_route_words	 any;	/* none: it must only be there */
};

struct wl_route_target {
	const char	*model;		/* "provider/model", a model, an alias */
	const char	*variant;	/* "" when it has no name */
	int64_t		 weight;
	int		 priority;
};

struct wl_route_rule {
	const char		*name, *alias;
	enum wl_route_strategy	 strategy;
	struct wl_route_target	 t[WL_ROUTE_TARGETS];
	int			 n;
	enum wl_route_sticky	 sticky;
	const char		*sticky_header;
	int			 percent;	/* of calls, in hundredths */
	const char		*flag;		/* or "" */
	/* conditions: all of those that are given */
	struct wl_route_header	 headers[WL_ROUTE_HEADERS];
	int			 nheaders;
	struct wl_route_words	 tags, users;	/* one of them */
	unsigned		 apis;		/* bits of enum wl_api; 0: any */
	int			 stream;	/* -1: any */
	int64_t			 min_input, max_input;	/* tokens; -1: any */
	/* a second call, whose answer nobody gets */
	const char		*shadow;	/* its model, or "" */
	int			 shadow_percent;	/* in hundredths */
	/* a second target beside the first; after_ms 0: none */
	struct wl_hedge		 hedge;
	int64_t			 created_ms;
};

/*
 * Read DEFINITION of rule NAME into *R, with its strings in A.  0, or -1 with
 * *E WL_E_INVALID_REQUEST that says what to mend: an unknown member is a
 * mistake too.
 */
int wl_route_parse(struct wl_arena *a, const char *name,
    struct wl_str definition, struct wl_route_rule *r, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The API that rules call NAME; false when there is none.
 */
#define WL_ROUTE_APIS	"chat, completions, count_tokens, embeddings, " \
	"messages, responses, images, image_edits, image_variations, " \
	"transcriptions, translations, speech, rerank"
bool wl_route_api(const char *name, enum wl_api *api);

/*
 * Whether S can name a rule, a variant, a flag.
 */
bool wl_route_name_ok(struct wl_str s);

/*
 * What a rule may ask of a call.  HEADER gives the value of the header NAME
 * (lower case) or NULL.  BELOW is the source of chance: uniform in 0..N-1.
 * NULL strings are absent.
 */
struct wl_route_call {
	const char	*project, *key;
	struct wl_str	 id;			/* what chance is drawn by: the
						   same for one request; empty:
						   by BELOW */
	struct wl_str	 user;
	const char	*tags;			/* with commas between */
	enum wl_api	 api;
	bool		 stream;
	int64_t		 input, max_tokens;	/* estimate; 0: not given */
	const char	*(*header)(const void *arg, const char *name);
	const void	*arg;
	uint32_t	(*below)(uint32_t n);
};

/*
 * The word for the first condition of R that C does not meet ("api", "header
 * x-tier", "input", "percent", "stream", "tag", "user") in WORD, and false;
 * true when R holds.  The flag is not looked at.  The share of "percent" is
 * drawn by what R is sticky to, else by chance: the call that is in at one
 * percentage is in at any larger one.
 */
bool wl_route_holds(const struct wl_route_rule *r,
    const struct wl_route_call *c, char word[80]);

/*
 * In ORDER the indices of R's targets, the first to be tried first; SCORE[i],
 * for the strategies that go by one, is target i's (the lowest first, equal
 * ones by chance), else NULL.  A variant by weight is drawn by what R is
 * sticky to, where the call has that, so it stays as long as targets and
 * weights do.  Returns how many.
 */
int wl_route_order(const struct wl_route_rule *r,
    const struct wl_route_call *c, const int64_t *score,
    int order[WL_ROUTE_TARGETS]);

/*
 * Whether the call's share of shadow calls has it.
 */
bool wl_route_shadows(const struct wl_route_rule *r,
    const struct wl_route_call *c);

/*
 * Whether following aliases from R's would come back to it by way of another,
 * with the N RULES that there are beside it.  *VIA then has that one.  A target
 * that is the rule's own alias is no loop: it is the model of that name.
 */
bool wl_route_loops(const struct wl_route_rule *r,
    const struct wl_route_rule *rules, int n, const char **via);

/*
 * Whether a flag at PERCENT (hundredths) is on for PROJECT; ON and OFF are
 * lists of projects with commas between and at both ends.
 */
bool wl_route_flag_on(const char *name, int percent, const char *on,
    const char *off, const char *project);

#endif
