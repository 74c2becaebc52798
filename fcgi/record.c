/*
 * The scanner of FastCGI records: headers byte by byte, contents in pieces.
 */
#include "config.h"
#include "fcgi/record.h"

#include <errno.h>
#include <string.h>

enum {
	BEGIN_REQUEST = 1,
	ABORT_REQUEST = 2,
	PARAMS = 4,
	STDIN = 5,
	GET_VALUES = 9
};

#define BEGIN_LENGTH	8
/* The three variables that libfcgi knows, each asked for once. */
#define VALUES_LENGTH	48

static int
fail(int error)
{
	errno = error;
	return -1;
}

/*
 * A complete header.
 */
static int
take_header(struct wl_record *r)
{
	unsigned id = (unsigned)r->head[2] << 8 | r->head[3];

	r->type = r->head[1];
	r->content = (size_t)r->head[4] << 8 | r->head[5];
	r->padding = r->head[6];
	if (r->head[0] != 1)
		return fail(EPROTO);
	if (r->type == GET_VALUES)
		return id == 0 && r->content <= VALUES_LENGTH ? 0 :
		    fail(EPROTO);
	if (r->type == BEGIN_REQUEST) {
		/* a second one would be multiplexing */
		if (r->request_id != 0 || id == 0 ||
		    r->content != BEGIN_LENGTH)
			return fail(EPROTO);
		r->request_id = id;
		return 0;
	}
	if (r->request_id == 0 || id != r->request_id)
		return fail(EPROTO);
	if (r->type == ABORT_REQUEST)
		return fail(ECONNABORTED);
	if (r->type == PARAMS && !r->params_done) {
		r->params_done = r->content == 0;
		/* the last pair must be whole */
		if (r->params_done && (r->skip > 0 || r->have_name ||
		    r->length_have > 0))
			return fail(EPROTO);
		return 0;
	}
	if (r->type == STDIN && r->params_done) {
		r->ended = r->content == 0;
		return 0;
	}
	return fail(EPROTO);
}

/*
 * One byte of a length: one byte, or four with the highest bit set.
 */
static int
take_length(struct wl_record *r, uint8_t byte)
{
	const uint8_t *l = r->length;
	size_t n;

	r->length[r->length_have++] = byte;
	if (l[0] & 0x80 && r->length_have < 4)
		return 0;
	n = l[0] & 0x80 ? (size_t)(l[0] & 0x7f) << 24 | (size_t)l[1] << 16 |
	    (size_t)l[2] << 8 | l[3] : l[0];
	r->length_have = 0;
	r->params_bytes += n;
	if (r->params_bytes > WL_RECORD_PARAMS_BYTES ||
	    r->params_count > WL_RECORD_PARAMS_COUNT)
		return fail(E2BIG);
	/* nothing is skipped before both lengths are known */
	r->skip += n;
	if (r->have_name)
		r->params_count++;
	r->have_name = !r->have_name;
	return 0;
}

static int
take_params(struct wl_record *r, const uint8_t *p, size_t len)
{
	size_t n;

	while (len > 0) {
		if (!r->have_name && r->length_have == 0 && r->skip > 0) {
			n = r->skip < len ? r->skip : len;
			r->skip -= n;
		} else {
			n = 1;
			if (take_length(r, *p) == -1)
				return -1;
		}
		p += n;
		len -= n;
	}
	return 0;
}

ssize_t
wl_record_scan(struct wl_record *r, const void *bytes, size_t len)
{
	const uint8_t *p = bytes, *end = p + len;
	size_t n;

	while (p < end && !r->ended) {
		n = (size_t)(end - p);
		if (r->content > 0) {
			if (n > r->content)
				n = r->content;
			if (r->type == PARAMS && take_params(r, p, n) == -1)
				return -1;
			r->content -= n;
		} else if (r->padding > 0) {
			if (n > r->padding)
				n = r->padding;
			r->padding -= n;
		} else {
			if (n > sizeof(r->head) - r->have)
				n = sizeof(r->head) - r->have;
			memcpy(r->head + r->have, p, n);
			r->have += n;
			if (r->have == sizeof(r->head)) {
				r->have = 0;
				if (take_header(r) == -1)
					return -1;
			}
		}
		p += n;
	}
	/* padding of the last record still belongs to it */
	if (r->ended && r->padding > 0 && p < end) {
		n = (size_t)(end - p) < r->padding ? (size_t)(end - p) :
		    r->padding;
		r->padding -= n;
		p += n;
	}
	return p - (const uint8_t *)bytes;
}

void
wl_record_next(struct wl_record *r)
{
	memset(r, 0, sizeof(*r));
}
