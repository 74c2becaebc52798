/*
 * Lua scripts by their SHA-1, which is how Redis names them.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/store/redis.h"

static uint32_t
rotate(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

/*
 * One block of FIPS 180-4, section 6.1.2.
 */
static void
block(uint32_t h[5], const uint8_t *p)
{
	static const uint32_t k[] = {
		0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6
	};
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f, t;
	int i;

	for (i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		    (uint32_t)p[2] << 8 | p[3];
	for (; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (i = 0; i < 80; i++) {
		f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ?
		    b ^ c ^ d : (b & c) | (b & d) | (c & d);
		t = rotate(a, 5) + f + e + k[i / 20] + w[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

static void
sha1_hex(const char *s, char out[41])
{
	uint32_t h[5] = {
		0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0
	};
	uint8_t tail[128] = { 0 }, sum[20];
	size_t len = strlen(s), left = len % 64, n = left < 56 ? 64 : 128, i;

	for (i = 0; i + 64 <= len; i += 64)
		block(h, (const uint8_t *)s + i);
	memcpy(tail, s + i, left);
	tail[left] = 0x80;
	for (i = 0; i < 8; i++)
		tail[n - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
	for (i = 0; i < n; i += 64)
		block(h, tail + i);
	for (i = 0; i < 20; i++)
		sum[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
	wl_hex(sum, sizeof(sum), out);
}

int
wl_redis_script_send(struct wl_redis_req *req, struct wl_arena *arena,
    struct wl_script *s, int nkeys, int argc, const char *const *argv,
    const size_t *lens, struct wl_err *e)
{
	size_t n = (size_t)argc + 3;
	const char **v = wl_arena_alloc(arena, n * sizeof(*v));
	size_t *l = wl_arena_alloc(arena, n * sizeof(*l));
	int i, ret;

	memset(req, 0, sizeof(*req));
	if (s->sha[0] == '\0')
		sha1_hex(s->text, s->sha);
	if (v == NULL || l == NULL ||
	    (v[2] = wl_arena_printf(arena, "%d", nkeys)) == NULL) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		return wl_err_detail(e, "redis: request memory is out");
	}
	v[0] = "EVALSHA";
	v[1] = s->sha;
	for (i = 0; i < argc; i++) {
		v[i + 3] = argv[i];
		l[i + 3] = lens != NULL ? lens[i] : strlen(argv[i]);
	}
	for (i = 0; i < 3; i++)
		l[i] = strlen(v[i]);
	ret = wl_redis_send(req, arena, (int)n, v, l, e);
	req->argc = (int)n;
	req->argv = v;
	req->lens = l;
	return ret;
}

struct wl_reply *
wl_redis_script_wait(struct wl_redis_req *req, struct wl_script *s,
    struct wl_err *e)
{
	struct wl_reply *r = wl_redis_wait(req, e);
	const char **v = req->argv;
	size_t *l = req->lens;

	if (r == NULL || r->type != WL_R_ERROR ||
	    strncmp(r->str, "NOSCRIPT", 8) != 0)
		return r;
	v[0] = "EVAL";
	l[0] = 4;
	v[1] = s->text;
	l[1] = strlen(s->text);
	return wl_redis_call(req->arena, req->argc, v, l, e);
}

struct wl_reply *
wl_redis_script(struct wl_arena *arena, struct wl_script *s, int nkeys,
    int argc, const char *const *argv, struct wl_err *e)
{
	struct wl_redis_req req;

	if (wl_redis_script_send(&req, arena, s, nkeys, argc, argv, NULL, e) ==
	    -1)
		return NULL;
	return wl_redis_script_wait(&req, s, e);
}
