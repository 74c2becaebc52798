/*
 * What callers are promised about limits, judged from outside: headers and
 * refusals of a running server against each other and against GET /v1/usage.
 * Each judge appends what is wrong to a buffer, sentences separated by "; ",
 * and appends nothing when all is well.
 */
#ifndef WL_CORE_PROMISE_H
#define WL_CORE_PROMISE_H

#include "lib/http/site.h"

#include <stdbool.h>
#include <stdint.h>

struct wl_arena;

/*
 * A limit as GET /v1/usage tells it; RESET in epoch seconds.
 */
struct wl_promise_limit {
	bool	there;
	int64_t	limit, used, remaining, reset;
	bool	sliding;
};

struct wl_promise_usage {
	const char		*plan;
	struct wl_promise_limit	 minute, month;		/* of the plan */
	struct wl_promise_limit	 key_minute, key_month;
	int64_t			 concurrent;		/* -1: no limit */
};

/*
 * Read the body of GET /v1/usage into *U; strings live in A.  0, or -1: it is
 * none.
 */
int wl_promise_read(struct wl_arena *a, struct wl_str body,
    struct wl_promise_usage *u) __attribute__((warn_unused_result));

/*
 * The limit that comes first: less left, else smaller, else the plan's; NULL
 * when there is none.
 */
const struct wl_promise_limit *wl_promise_minute(
    const struct wl_promise_usage *u);
const struct wl_promise_limit *wl_promise_month(
    const struct wl_promise_usage *u);

/*
 * Headers that every response has after authentication: all there, well
 * formed, and of one mind.  U tells which limits there are.
 */
void wl_promise_headers(struct wl_buf *wrong, const struct wl_site_seen *s,
    const struct wl_promise_usage *u);

/*
 * That S says of minute and month what U says, which was asked right after it
 * with nothing in between.
 */
void wl_promise_agrees(struct wl_buf *wrong, const struct wl_site_seen *s,
    const struct wl_promise_usage *u);

/*
 * What a gateway call's answer has besides.
 */
void wl_promise_answer(struct wl_buf *wrong, const struct wl_site_seen *s);

/*
 * A refusal by the limit of the minute: its status and the body to the
 * letter; the headers that go with it.
 */
void wl_promise_refusal(struct wl_arena *a, struct wl_buf *wrong,
    const struct wl_site_seen *s, const struct wl_promise_usage *u);
void wl_promise_refusal_headers(struct wl_buf *wrong,
    const struct wl_site_seen *s);

/*
 * The value of header H of S as a number that is not negative, or -1.
 */
int64_t wl_promise_number(const struct wl_site_seen *s,
    enum wl_site_header h);

#endif
