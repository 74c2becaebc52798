/*
 * Errors in a stream that has begun: the status is sent, so an event tells.
 */
#include "config.h"
#include "lib/core/error_event.h"

#include "lib/base/clock.h"
#include "lib/base/jw.h"
#include "lib/core/error_body.h"

/*
 * An event with the response as far as it is known: clients build theirs from
 * it.
 */
static void
put_response(struct wl_buf *b, const struct wl_result *res, bool failed,
    int64_t sequence, const char *request_id)
{
	const char *type = failed ? "response.failed" : "response.created";
	struct wl_jw jw, *w = &jw;

	wl_buf_printf(b, "event: %s\ndata: ", type);
	wl_jw_init(w, b);
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "type", type);
	wl_jw_int(w, "sequence_number", sequence);
	wl_jw_obj(w, "response");
	wl_jw_str(w, "id", res->response_id[0] != '\0' ? res->response_id :
	    request_id);
	wl_jw_str(w, "object", "response");
	wl_jw_int(w, "created_at", wl_clock_ms() / 1000);
	wl_jw_str(w, "status", failed ? "failed" : "in_progress");
	if (failed) {
		wl_jw_obj(w, "error");
		wl_jw_str(w, "code", res->refusal.len > 0 &&
		    res->upstream_code[0] != '\0' ? res->upstream_code :
		    wl_err_row(res->err.code)->word);
		wl_jw_str(w, "message", res->err.msg);
		wl_jw_end(w, '}');
	} else
		wl_jw_null(w, "error");
	wl_jw_null(w, "incomplete_details");
	wl_jw_str(w, "model", res->model_used[0] != '\0' ? res->model_used :
	    res->model);
	wl_jw_arr(w, "output");
	wl_jw_end(w, ']');
	wl_jw_null(w, "usage");
	wl_jw_end(w, '}');
	wl_jw_end(w, '}');
	wl_buf_adds(b, "\n\n");
}

/*
 * Clients refuse a stream that does not begin with a response.
 */
static void
put_failed(struct wl_buf *b, const struct wl_result *res,
    const char *request_id)
{
	int64_t sequence = res->sequence + 1;

	if (res->chunks == 0)
		put_response(b, res, false, sequence++, request_id);
	put_response(b, res, true, sequence, request_id);
}

void
wl_error_event(struct wl_buf *b, enum wl_api api, const struct wl_result *res,
    const char *request_id)
{
	const struct wl_err *e = &res->err;
	int status = e->http != 0 ? e->http : wl_err_row(e->code)->http;

	if (api == WL_API_RESPONSES) {
		put_failed(b, res, request_id);
		return;
	}
	if (api == WL_API_MESSAGES)
		wl_buf_adds(b, "event: error\n");
	wl_buf_adds(b, "data: ");
	wl_error_body(b, api, e, status, res->refusal, request_id);
	wl_buf_adds(b, "\n\n");
}
