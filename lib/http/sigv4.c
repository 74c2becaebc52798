/*
 * Signing: a canonical form of the request, and a key for the day, the region
 * and the service.
 */
#include "config.h"
#include "lib/http/sigv4.h"

#include <string.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/hash.h"
#include "lib/base/secret.h"

/*
 * Host and path of URL; a port that is the scheme's own is not sent.
 */
static void
split(const char *url, struct wl_str *host, struct wl_str *path)
{
	const char *own = strncmp(url, "https:", 6) == 0 ? ":443" : ":80";
	const char *p = strstr(url, "//");
	size_t n = strlen(own);

	p = p == NULL ? url : p + 2;
	*host = (struct wl_str){ p, strcspn(p, "/") };
	*path = wl_str_of(p + host->len);
	if (path->len == 0)
		*path = WL_STR("/");
	if (host->len > n && memcmp(host->p + host->len - n, own, n) == 0)
		host->len -= n;
}

/*
 * The path as it is sent, encoded once more.
 */
static void
put_path(struct wl_buf *b, struct wl_str path)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~/";
	size_t i;

	for (i = 0; i < path.len; i++)
		if (memchr(safe, path.p[i], sizeof(safe) - 1) != NULL)
			wl_buf_addc(b, path.p[i]);
		else
			wl_buf_printf(b, "%%%02X", (unsigned char)path.p[i]);
}

/*
 * SHA-256 of the canonical request, in hex.
 */
static bool
hash_request(const struct wl_sigv4 *k, const char *url, const char *type,
    struct wl_str body, const char *when, const char *names, char out[65])
{
	struct wl_str host, path;
	struct wl_buf b;
	char hash[65];
	bool ok;

	split(url, &host, &path);
	wl_sha256_hex(body.p, body.len, hash);
	wl_buf_init(&b, 0);
	wl_buf_adds(&b, "POST\n");
	put_path(&b, path);
	wl_buf_printf(&b, "\n\ncontent-type:%s\nhost:%.*s\nx-amz-date:%s\n",
	    type, (int)host.len, host.p, when);
	if (k->session.len > 0) {
		wl_buf_adds(&b, "x-amz-security-token:");
		wl_buf_add(&b, k->session.p, k->session.len);
		wl_buf_addc(&b, '\n');
	}
	wl_buf_printf(&b, "\n%s\n%s", names, hash);
	ok = !b.failed;
	if (ok)
		wl_sha256_hex(b.p, b.len, out);
	wl_buf_free(&b);
	return ok;
}

/*
 * The signature of TEXT with the key of DAY, in hex.
 */
static bool
sign(const struct wl_sigv4 *k, const char *day, const char *text,
    char out[65])
{
	const char *steps[] = { day, k->region, k->service, "aws4_request",
	    text };
	uint8_t key[32], next[32];
	struct wl_buf b;
	size_t i;
	bool ok;

	wl_buf_init(&b, 0);
	/* a buffer that grew would leave the secret behind */
	ok = wl_buf_reserve(&b, 4 + k->secret.len);
	wl_buf_adds(&b, "AWS4");
	wl_buf_add(&b, k->secret.p, k->secret.len);
	if (ok) {
		wl_hmac_sha256(b.p, b.len, day, strlen(day), key);
		wl_secret_wipe(b.p, b.len);
		for (i = 1; i < 5; i++) {
			wl_hmac_sha256(key, sizeof(key), steps[i],
			    strlen(steps[i]), next);
			memcpy(key, next, sizeof(key));
		}
		wl_hex(key, sizeof(key), out);
		wl_secret_wipe(key, sizeof(key));
		wl_secret_wipe(next, sizeof(next));
	}
	wl_buf_free(&b);
	return ok;
}

int
wl_sigv4_sign(struct wl_arena *a, const struct wl_sigv4 *k, const char *url,
    const char *type, struct wl_str body, struct wl_sigv4_headers *h)
{
	const char *names = k->session.len > 0 ?
	    "content-type;host;x-amz-date;x-amz-security-token" :
	    "content-type;host;x-amz-date";
	time_t now = (time_t)(k->now_ms / 1000);
	char when[20], day[12], hash[65], mac[65];
	const char *scope, *text;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	strftime(day, sizeof(day), "%Y%m%d", &tm);
	scope = wl_arena_printf(a, "%s/%s/%s/aws4_request", day, k->region,
	    k->service);
	if (scope == NULL ||
	    !hash_request(k, url, type, body, when, names, hash))
		return -1;
	text = wl_arena_printf(a, "AWS4-HMAC-SHA256\n%s\n%s\n%s", when, scope,
	    hash);
	if (text == NULL || !sign(k, day, text, mac))
		return -1;
	h->authorization = wl_arena_printf(a, "Authorization: "
	    "AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%s, "
	    "Signature=%s", (int)k->access.len, k->access.p, scope, names,
	    mac);
	h->date = wl_arena_printf(a, "X-Amz-Date: %s", when);
	h->token = k->session.len == 0 ? NULL : wl_arena_printf(a,
	    "X-Amz-Security-Token: %.*s", (int)k->session.len, k->session.p);
	return h->authorization == NULL || h->date == NULL ||
	    (k->session.len > 0 && h->token == NULL) ? -1 : 0;
}
