/*
 * Forms: the first line of the input is the Content-Type, the rest the body.
 * What is accepted is built again from its parts, and is the same.
 */
#include "config.h"
#include "lib/http/multipart.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/*
 * A body that has these parts is accepted, and has no other.
 */
static void
read_again(const char *type, const struct wl_buf *b, const struct wl_buf *want)
{
	struct wl_buf got = { 0 };
	struct wl_multipart m;
	struct wl_part part;
	int rc;

	PROMISE(wl_multipart_init(&m, type, (struct wl_str){ b->p, b->len }) ==
	    0);
	while ((rc = wl_multipart_next(&m, &part)) == 1) {
		wl_buf_printf(&got, "%zu %zu ", part.name.len, part.body.len);
		wl_buf_add(&got, part.name.p, part.name.len);
		wl_buf_add(&got, part.body.p, part.body.len);
	}
	PROMISE(rc == 0 && got.len == want->len);
	PROMISE(got.len == 0 || memcmp(got.p, want->p, got.len) == 0);
	wl_buf_free(&got);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data, *eol;
	struct wl_buf again = { 0 }, parts = { 0 };
	struct wl_str body, boundary;
	struct wl_multipart m;
	struct wl_part part;
	char type[256];
	int rc;

	if ((eol = memchr(p, '\n', len)) == NULL ||
	    (size_t)(eol - p) >= sizeof(type))
		return 0;
	memcpy(type, p, (size_t)(eol - p));
	type[eol - p] = '\0';
	body = (struct wl_str){ eol + 1, len - (size_t)(eol - p) - 1 };
	if (wl_multipart_init(&m, type, body) == -1)
		return 0;
	boundary = wl_multipart_boundary(&m);
	PROMISE(boundary.len > 0 && boundary.len <= WL_MULTIPART_BOUNDARY);
	while ((rc = wl_multipart_next(&m, &part)) == 1) {
		PROMISE(part.name.len > 0 && part.name.p > body.p);
		PROMISE(part.body.p > part.name.p);
		PROMISE(part.body.p + part.body.len <= body.p + body.len);
		wl_buf_printf(&again, "--%.*s\r\nContent-Disposition: "
		    "form-data; name=\"%.*s\"\r\n\r\n", (int)boundary.len,
		    boundary.p, (int)part.name.len, part.name.p);
		wl_buf_add(&again, part.body.p, part.body.len);
		wl_buf_adds(&again, "\r\n");
		wl_buf_printf(&parts, "%zu %zu ", part.name.len,
		    part.body.len);
		wl_buf_add(&parts, part.name.p, part.name.len);
		wl_buf_add(&parts, part.body.p, part.body.len);
	}
	PROMISE(m.parts <= WL_MULTIPART_PARTS + 1);
	wl_buf_printf(&again, "--%.*s--\r\n", (int)boundary.len, boundary.p);
	if (rc == 0)
		read_again(type, &again, &parts);
	wl_buf_free(&again);
	wl_buf_free(&parts);
	return 0;
}
