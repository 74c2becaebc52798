/*
 * One connection: its buffers, what is known of its peer, and how bytes
 * leave.  A coroutine owns it; nothing here is shared.
 */
#ifndef WL_TESTS_FAKE_LLM_CONN_H
#define WL_TESTS_FAKE_LLM_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake_llm/buf.h"

/*
 * The time until an idle connection is closed, and the longest wait for a
 * client to send or to read; milliseconds.
 */
#define FAKE_IDLE_MS 300000
#define FAKE_READ_MS 120000
#define FAKE_WRITE_MS 600000

#define FAKE_IOV_MAX 8

struct iovec;
struct wl_co;

enum fake_peer {
	FAKE_PEER_HERE,
	FAKE_PEER_GONE,		/* closed, half closed or reset */
	FAKE_PEER_LATE,		/* nothing sent or read for too long */
	FAKE_PEER_STOPPED,	/* this program is ending */
	FAKE_PEER_MAX
};

struct fake_conn {
	struct fake_conn *next;
	struct fake_conn *prev;
	struct wl_co	*co;
	int		 fd;		/* -1 when closed */
	enum fake_peer	 peer;
	bool		 keep;		/* another request may follow */
	bool		 http10;	/* no chunked replies */
	int64_t		 split;		/* bytes per write, 0: as they come */
	int64_t		 gap_ms;	/* pause between such writes */
	uint64_t	 bytes;		/* sent since the owner's last reset */
	int64_t		 first_us;	/* when, 0: not yet; CLOCK_REALTIME */
	struct fake_buf	 in;
	size_t		 in_pos;	/* start of the request in it */
	struct fake_buf	 decoded;	/* a chunked body */
	struct fake_buf	 head;		/* the next three are for the reply */
	struct fake_buf	 body;
	struct fake_buf	 scratch;
	struct fake_buf	 made;		/* strings prepared for a call */
};

/*
 * Microseconds of CLOCK_REALTIME.
 */
int64_t fake_conn_now_us(void);

/*
 * Receive at least one byte, with room made for MORE, within WAIT_MS.
 * Returns 0, or -1 with c->peer set.
 */
int fake_conn_fill(struct fake_conn *c, size_t more, int64_t wait_ms)
    __attribute__((warn_unused_result));

/*
 * Send N pieces (at most FAKE_IOV_MAX), with c->split and c->gap_ms obeyed. IOV
 * is used up. Returns 0, or -1 with c->peer set.
 */
int fake_conn_send(struct fake_conn *c, struct iovec *iov, int n)
    __attribute__((warn_unused_result));

/*
 * Wait until DEADLINE (monotonic ms) while the client stays.  Returns 0 at
 * the deadline, or -1 with c->peer set.
 */
int fake_conn_wait(struct fake_conn *c, int64_t deadline)
    __attribute__((warn_unused_result));

/*
 * Close the connection: with FIN; with RST and everything unsent dropped;
 * or with FIN after what the client still sends has been read for a moment,
 * so that the reply is not lost.
 */
void fake_conn_close(struct fake_conn *c);
void fake_conn_reset(struct fake_conn *c);
void fake_conn_linger(struct fake_conn *c);

#endif
