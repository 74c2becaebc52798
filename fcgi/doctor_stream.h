/*
 * Listening to the slow stream of GET /v1/health/detailed.
 */
#ifndef WL_FCGI_DOCTOR_STREAM_H
#define WL_FCGI_DOCTOR_STREAM_H

#include "fcgi/doctor.h"
#include "lib/base/err.h"

#define WL_DOCTOR_EVENTS	64

/*
 * What came of one.  Times in ms: SENT by the worker's clock, the others
 * since it was asked for.
 */
struct wl_doctor_stream {
	struct wl_site_seen	 seen;		/* head only; status 0: none */
	int64_t			 sent[WL_DOCTOR_EVENTS];
	int64_t			 came[WL_DOCTOR_EVENTS];
	int			 n;
	int64_t			 last_ms;	/* the latest event */
	int64_t			 over_ms;	/* the end of the answer */
	bool			 ended;		/* by its own last event */
	const char		*software;	/* SERVER_SOFTWARE, or NULL */
	bool			 cgi, proxied;
	struct wl_err		 err;
};

/*
 * Ask for SECONDS of events every EVERY ms, with the operator's token if
 * there is one, and read them to the end; with ENCODING, which is then
 * Accept-Encoding, only the head.
 */
void wl_doctor_stream(struct wl_doctor *d, int64_t seconds, int64_t every,
    const char *encoding, struct wl_doctor_stream *st);

#endif
