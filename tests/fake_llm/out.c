/*
 * The body of a reply.  A small one leaves with its head in one write; a
 * large one is made, and sent, piece by piece.
 */
#include "config.h"

#include "tests/fake_llm/out.h"

#include <sys/uio.h>
#include <stdio.h>
#include <stdlib.h>

#include <zlib.h>

#include "lib/base/co.h"
#include "tests/fake_llm/text.h"

void
fake_out_open(struct fake_out *o, struct fake_conn *c,
    struct fake_record *rec, enum fake_frame frame)
{
	memset(o, 0, sizeof(*o));
	o->conn = c;
	o->rec = rec;
	o->frame = frame;
	c->head.len = 0;
	c->body.len = 0;
}

void
fake_out_gzip(struct fake_out *o)
{
	o->gz = calloc(1, sizeof(*o->gz));
	if (o->gz == NULL || deflateInit2(o->gz, 6, Z_DEFLATED, 15 + 16, 9,
	    Z_DEFAULT_STRATEGY) != Z_OK) {
		fputs("fake_llm: out of memory\n", stderr);
		exit(1);
	}
	o->run = true;
	o->pieces = true;
}

void
fake_out_close(struct fake_out *o)
{
	if (o->gz == NULL)
		return;
	(void)deflateEnd(o->gz);
	free(o->gz);
	o->gz = NULL;
}

/*
 * Pack the pending payload into conn->scratch.
 */
static void
pack(struct fake_out *o, bool last)
{
	struct fake_buf *in = &o->conn->body, *z = &o->conn->scratch;
	int rc;

	z->len = 0;
	o->gz->next_in = (unsigned char *)in->p;
	o->gz->avail_in = (unsigned int)in->len;
	do {
		fake_buf_grow(z, 32 * 1024);
		o->gz->next_out = (unsigned char *)z->p + z->len;
		o->gz->avail_out = (unsigned int)(z->cap - z->len);
		rc = deflate(o->gz, last ? Z_FINISH : Z_NO_FLUSH);
		z->len = z->cap - o->gz->avail_out;
	} while (last ? rc == Z_OK : o->gz->avail_in > 0);
}

int
fake_out_head(struct fake_out *o)
{
	struct fake_conn *c = o->conn;
	struct iovec iov = {c->head.p, c->head.len};

	c->head.len = 0;
	if (!o->failed && fake_conn_send(c, &iov, 1) == -1)
		o->failed = true;
	return o->failed ? -1 : 0;
}

/*
 * Head, frame and payload in one write.
 */
static int
send_out(struct fake_out *o, bool last)
{
	struct fake_conn *c = o->conn;
	struct fake_buf *payload = o->gz != NULL ? &c->scratch : &c->body;
	bool framed = o->frame == FAKE_FRAME_CHUNKED && payload->len > 0;
	char size[24];
	struct iovec iov[5];
	int n = 0;

	iov[n++] = (struct iovec){c->head.p, c->head.len};
	if (framed)
		iov[n++] = (struct iovec){size, (size_t)snprintf(size,
		    sizeof(size), "%zx\r\n", payload->len)};
	iov[n++] = (struct iovec){payload->p, payload->len};
	if (framed)
		iov[n++] = (struct iovec){(char *)"\r\n", 2};
	if (last && o->frame == FAKE_FRAME_CHUNKED)
		iov[n++] = (struct iovec){(char *)"0\r\n\r\n", 5};
	if (fake_conn_send(c, iov, n) == -1) {
		o->failed = true;
		return -1;
	}
	o->rec->chunks += o->chunks;
	o->rec->completion_sent += o->tokens;
	o->chunks = 0;
	o->tokens = 0;
	return 0;
}

static int
flush(struct fake_out *o, bool last)
{
	struct fake_conn *c = o->conn;
	int rc = 0;

	if (o->failed)
		return -1;
	if (o->frame == FAKE_FRAME_COUNT) {
		o->counted += (int64_t)c->body.len;
	} else {
		if (o->gz != NULL)
			pack(o, last);
		rc = send_out(o, last);
	}
	c->head.len = 0;
	c->body.len = 0;
	return rc;
}

int
fake_out_flush(struct fake_out *o)
{
	return flush(o, false);
}

int
fake_out_end(struct fake_out *o)
{
	return flush(o, true);
}

void
fake_out_piece(struct fake_out *o)
{
	if (!o->pieces || o->failed || o->conn->body.len < FAKE_OUT_PIECE)
		return;
	if (fake_out_flush(o) == 0)
		wl_co_yield();
}

static void
put_run(struct fake_buf *b, char c, int64_t len)
{
	if (b->cap - b->len < (size_t)len)
		fake_buf_grow(b, (size_t)len);
	memset(b->p + b->len, c, (size_t)len);
	b->len += (size_t)len;
}

void
fake_out_text(struct fake_out *o, uint64_t h, bool utf8, int64_t from,
    int64_t len)
{
	int64_t end = from + len;

	if (o->frame == FAKE_FRAME_COUNT) {
		o->counted += len;
		return;
	}
	while (from < end && !o->failed) {
		int64_t n = end - from;

		if (o->pieces && n > (int64_t)FAKE_OUT_PIECE)
			n = FAKE_OUT_PIECE;
		if (o->run)
			put_run(&o->conn->body, 'x', n);
		else
			fake_text_put(&o->conn->body, h, utf8, from, n);
		from += n;
		fake_out_piece(o);
	}
}

void
fake_out_pad(struct fake_out *o, int64_t len)
{
	while (len > 0 && !o->failed) {
		int64_t n = len < (int64_t)FAKE_OUT_PIECE ? len :
		    (int64_t)FAKE_OUT_PIECE;

		put_run(&o->conn->body, ' ', n);
		len -= n;
		fake_out_piece(o);
	}
}
