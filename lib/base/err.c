/*
 * The table of errors, and how one is set.
 */
#include "config.h"
#include "lib/base/err.h"
#include "lib/base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define AUTH	"authentication_error"
#define PERM	"permission_error"
#define REQ	"invalid_request_error"
#define RATE	"rate_limit_error"
#define QUOTA	"quota_exceeded_error"
#define API	"api_error"

/* one text for every 401, so that nothing can be probed */
#define NO_KEY	"Missing or invalid API key. Send it as \"Authorization: Bearer <key>\"."

static const struct wl_err_row rows[] = {
	[WL_OK] = { 200, "ok", "ok", "" },
	[WL_E_BLOCKED] = { 400, "content_blocked", REQ,
	    "The project's policy does not allow this content." },
	[WL_E_BUDGET] = { 429, "budget_exceeded", QUOTA,
	    "Budget exceeded." },
	[WL_E_BYOK_REQUIRED] = { 400, "byok_required", REQ,
	    "No provider key is configured for this model. Add one to the project or send it in X-Provider-Key." },
	[WL_E_CLIENT_CLOSED] = { 499, "client_closed_request", REQ,
	    "The client closed the connection." },
	[WL_E_CONCURRENCY] = { 429, "concurrency_exceeded", RATE,
	    "Too many requests are running at once." },
	[WL_E_CONFLICT] = { 409, "conflict", REQ,
	    "It exists already." },
	[WL_E_IDEMPOTENCY] = { 409, "idempotency_conflict", REQ,
	    "This Idempotency-Key was used with another request body." },
	[WL_E_INGEST_RATE] = { 429, "ingest_rate_exceeded", RATE,
	    "Too many events. Send fewer, or in larger batches." },
	[WL_E_INTERNAL] = { 500, "internal_error", API,
	    "Internal error." },
	[WL_E_INVALID_KEY] = { 401, "invalid_api_key", AUTH, NO_KEY },
	[WL_E_INVALID_JSON] = { 400, "invalid_json", REQ,
	    "The request body is not valid JSON." },
	[WL_E_INVALID_REQUEST] = { 400, "invalid_request", REQ,
	    "The request is not valid." },
	[WL_E_METHOD] = { 405, "method_not_allowed", REQ,
	    "This method is not allowed here." },
	[WL_E_MISSING_KEY] = { 401, "missing_api_key", AUTH, NO_KEY },
	[WL_E_MODEL_NOT_FOUND] = { 404, "model_not_found", REQ,
	    "The model does not exist or no provider serves it." },
	[WL_E_NOT_FOUND] = { 404, "not_found", REQ,
	    "Not found." },
	[WL_E_ORIGIN] = { 403, "origin_not_allowed", PERM,
	    "This origin is not allowed." },
	[WL_E_OVERRUN] = { 429, "reservation_exceeded", RATE,
	    "The answer is longer than what its limits had reserved for it." },
	[WL_E_PRICE_UNKNOWN] = { 400, "price_unknown", REQ,
	    "This model has no known price, and the plan admits no calls without one." },
	[WL_E_QUOTA] = { 429, "quota_exceeded", QUOTA,
	    "Monthly quota exceeded. Upgrade your plan or wait until quota resets." },
	[WL_E_RATE_LIMIT] = { 429, "rate_limit_exceeded", RATE,
	    "Rate limit exceeded." },
	[WL_E_REQUEST_TOO_LARGE] = { 413, "request_too_large", REQ,
	    "The request is too large." },
	[WL_E_SCOPE] = { 403, "insufficient_scope", PERM,
	    "This API key may not do that." },
	[WL_E_TOKENS_PER_MINUTE] = { 429, "tokens_per_minute_exceeded", RATE,
	    "Too many tokens in this minute." },
	[WL_E_TOO_MANY_BAD] = { 429, "too_many_failures", RATE,
	    "Too many failed requests from this address." },
	[WL_E_UNAVAILABLE] = { 503, "unavailable", API,
	    "The service is temporarily unavailable. Try again." },
	[WL_E_UNSUPPORTED_MEDIA] = { 415, "unsupported_media_type", REQ,
	    "This Content-Type is not supported." },
	[WL_E_UPSTREAM] = { 502, "upstream_error", API,
	    "The provider failed." },
	[WL_E_UPSTREAM_CREDENTIALS] = { 502, "upstream_credentials_rejected", API,
	    "The provider rejected the project's provider key." },
	[WL_E_UPSTREAM_INVALID] = { 502, "upstream_invalid_response", API,
	    "The provider's answer could not be understood." },
	[WL_E_UPSTREAM_RATE] = { 429, "upstream_rate_limited", RATE,
	    "The provider limits its rate." },
	[WL_E_UPSTREAM_TIMEOUT] = { 504, "upstream_timeout", API,
	    "The provider did not answer in time." },
};
static_assert(sizeof(rows) / sizeof(rows[0]) == WL_CODE_MAX,
    "a row for every code");

int
wl_err_memory(struct wl_err *e)
{
	wl_err_set(e, WL_E_UNAVAILABLE, NULL);
	return wl_err_detail(e, "out of memory");
}

const struct wl_err_row *
wl_err_row(enum wl_code code)
{
	if ((unsigned)code >= WL_CODE_MAX)
		code = WL_E_INTERNAL;
	return &rows[code];
}

/*
 * vsnprintf(), cut on a UTF-8 boundary.
 */
static void __attribute__((format(printf, 3, 0)))
format(char *out, size_t size, const char *fmt, va_list ap)
{
	int n;

	n = vsnprintf(out, size, fmt, ap);
	if (n < 0)
		out[0] = '\0';
	else if ((size_t)n >= size)
		out[wl_utf8_cut(out, size - 1, size - 2)] = '\0';
}

int
wl_err_set(struct wl_err *e, enum wl_code code, const char *fmt, ...)
{
	va_list ap;

	*e = (struct wl_err){ .code = code };
	snprintf(e->msg, sizeof(e->msg), "%s", wl_err_row(code)->text);
	if (fmt == NULL)
		return -1;
	va_start(ap, fmt);
	if (wl_err_row(code)->http == 401)
		format(e->detail, sizeof(e->detail), fmt, ap);
	else
		format(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return -1;
}

int
wl_err_detail(struct wl_err *e, const char *fmt, ...)
{
	size_t len = strlen(e->detail);
	va_list ap;

	if (len > 0 && len + 3 < sizeof(e->detail)) {
		memcpy(e->detail + len, "; ", 3);
		len += 2;
	}
	va_start(ap, fmt);
	format(e->detail + len, sizeof(e->detail) - len, fmt, ap);
	va_end(ap);
	return -1;
}
