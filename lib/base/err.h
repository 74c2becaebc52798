/*
 * One error: what the client may know, what the log may know, and the HTTP
 * face of each code in one table (docs/ERRORS.md lists the same rows).
 */
#ifndef WL_BASE_ERR_H
#define WL_BASE_ERR_H

#include <stddef.h>

enum wl_code {
	WL_OK = 0,
	WL_E_BLOCKED,			/* content_blocked */
	WL_E_BUDGET,			/* budget_exceeded */
	WL_E_BYOK_REQUIRED,		/* byok_required */
	WL_E_CLIENT_CLOSED,		/* client_closed_request */
	WL_E_CONCURRENCY,		/* concurrency_exceeded */
	WL_E_CONFLICT,			/* conflict */
	WL_E_IDEMPOTENCY,		/* idempotency_conflict */
	WL_E_INGEST_RATE,		/* ingest_rate_exceeded */
	WL_E_INTERNAL,			/* internal_error */
	WL_E_INVALID_KEY,		/* invalid_api_key */
	WL_E_INVALID_JSON,		/* invalid_json */
	WL_E_INVALID_REQUEST,		/* invalid_request */
	WL_E_METHOD,			/* method_not_allowed */
	WL_E_MISSING_KEY,		/* missing_api_key */
	WL_E_MODEL_NOT_FOUND,		/* model_not_found */
	WL_E_NOT_FOUND,			/* not_found */
	WL_E_ORIGIN,			/* origin_not_allowed */
	WL_E_OVERRUN,			/* reservation_exceeded */
	WL_E_PRICE_UNKNOWN,		/* price_unknown */
	WL_E_QUOTA,			/* quota_exceeded */
	WL_E_RATE_LIMIT,		/* rate_limit_exceeded */
	WL_E_REQUEST_TOO_LARGE,		/* request_too_large */
	WL_E_SCOPE,			/* insufficient_scope */
	WL_E_TOKENS_PER_MINUTE,		/* tokens_per_minute_exceeded */
	WL_E_TOO_MANY_BAD,		/* too_many_failures, per address */
	WL_E_UNAVAILABLE,		/* unavailable */
	WL_E_UNSUPPORTED_MEDIA,		/* unsupported_media_type */
	WL_E_UPSTREAM,			/* upstream_error */
	WL_E_UPSTREAM_CREDENTIALS,	/* upstream_credentials_rejected */
	WL_E_UPSTREAM_INVALID,		/* upstream_invalid_response */
	WL_E_UPSTREAM_RATE,		/* upstream_rate_limited */
	WL_E_UPSTREAM_TIMEOUT,		/* upstream_timeout */
	WL_CODE_MAX
};

/*
 * Set once where the failure is first understood, passed up, answered and
 * logged once.  DETAIL is for the log only; MSG never carries a key, SQL, or
 * a path.  PARAM and DETAILS, a JSON object as text, must outlive it.
 */
struct wl_err {
	enum wl_code	 code;
	int		 http;		/* 0: the status of the table */
	int		 retry_after;	/* seconds; 0: none */
	char		 msg[256];
	char		 detail[384];
	const char	*param;
	const char	*details;
};

/*
 * Set *E.  MSG NULL takes the table's text for CODE.  Always returns -1, so
 * that a caller may write: return wl_err_set(e, WL_E_..., NULL);
 */
int wl_err_set(struct wl_err *e, enum wl_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Add to *E what only the log may see.  Returns -1.
 */
int wl_err_detail(struct wl_err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Memory is out: WL_E_UNAVAILABLE.  Returns -1.
 */
int wl_err_memory(struct wl_err *e);

/*
 * The row of CODE: HTTP status, the "code" word, the "type" word, the text.
 */
struct wl_err_row {
	int		 http;
	const char	*word;
	const char	*type;
	const char	*text;
};
const struct wl_err_row *wl_err_row(enum wl_code code);

#endif
