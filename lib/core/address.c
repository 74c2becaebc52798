/*
 * Failures by address.  The table of this process is looked at first, so that
 * a flood from one address costs nobody else a round trip.
 */
#include "config.h"
#include "lib/core/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/rand.h"
#include "lib/base/str.h"
#include "lib/store/counter.h"

#define SETS	1024
#define WAYS	4
#define MINUTE	((int64_t)60000)

/*
 * One address in one minute.  More than WAYS in one set push out the one with
 * the fewest failures; the counters of all workers still know it.
 */
struct entry {
	uint64_t	id;	/* keyed hash of kind and address */
	int64_t		minute;
	int64_t		count;
};

static struct entry	table[SETS][WAYS];
static int64_t		latest = -1;	/* minute of the newest entry */

static const char *const words[] = {
	[WL_ADDRESS_AUTH] = "auth",
	[WL_ADDRESS_BAD] = "bad",
};
_Static_assert(sizeof(words) / sizeof(words[0]) == WL_ADDRESS_KIND_MAX,
    "a word for every kind");

static int64_t
limit(const struct wl_conf *conf, enum wl_address_kind kind)
{
	return kind == WL_ADDRESS_AUTH ? conf->auth_failures_per_minute :
	    conf->bad_requests_per_minute;
}

/*
 * What counts as one address: who has an IPv6 network has 2^64 of them.
 */
static void
network(const char *addr, char out[INET6_ADDRSTRLEN])
{
	struct in6_addr in6;

	if (inet_pton(AF_INET6, addr, &in6) == 1) {
		memset(&in6.s6_addr[8], 0, 8);
		if (inet_ntop(AF_INET6, &in6, out, INET6_ADDRSTRLEN) != NULL)
			return;
	}
	(void)wl_strlcpy(out, addr, INET6_ADDRSTRLEN);
}

static uint64_t
identify(enum wl_address_kind kind, const char *net)
{
	static uint8_t secret[32];
	static bool ready;
	uint8_t text[1 + INET6_ADDRSTRLEN], hash[32];
	size_t len = strlen(net);
	uint64_t id;

	if (!ready) {
		wl_rand(secret, sizeof(secret));
		ready = true;
	}
	text[0] = (uint8_t)kind;
	memcpy(text + 1, net, len);
	wl_hmac_sha256(secret, sizeof(secret), text, len + 1, hash);
	memcpy(&id, hash, sizeof(id));
	return id;
}

static struct entry *
find(uint64_t id, int64_t minute)
{
	struct entry *set = table[id % SETS];
	int i;

	for (i = 0; i < WAYS; i++)
		if (set[i].id == id && set[i].minute == minute)
			return &set[i];
	return NULL;
}

static struct entry *
make(uint64_t id, int64_t minute)
{
	struct entry *set = table[id % SETS], *e = &set[0];
	int i;

	for (i = 0; i < WAYS; i++) {
		if (set[i].minute != minute) {
			e = &set[i];
			break;
		}
		if (set[i].count < e->count)
			e = &set[i];
	}
	*e = (struct entry){ .id = id, .minute = minute };
	latest = minute;
	return e;
}

static int
refuse(struct wl_err *e, int64_t now)
{
	wl_err_set(e, WL_E_TOO_MANY_BAD, NULL);
	e->retry_after = (int)((MINUTE - now % MINUTE + 999) / 1000);
	return -1;
}

int
wl_address_check(const struct wl_conf *conf, enum wl_address_kind kind,
    const char *addr, struct wl_err *e)
{
	int64_t now = wl_clock_ms();
	char net[INET6_ADDRSTRLEN];
	struct entry *found;

	/* mostly nobody has failed, and the hash need not be made */
	if (latest != now / MINUTE)
		return 0;
	network(addr, net);
	found = find(identify(kind, net), now / MINUTE);
	if (found == NULL || found->count < limit(conf, kind))
		return 0;
	return refuse(e, now);
}

int
wl_address_failed(struct wl_arena *a, const struct wl_conf *conf,
    enum wl_address_kind kind, const char *addr, struct wl_err *e)
{
	int64_t now = wl_clock_ms(), everywhere;
	char net[INET6_ADDRSTRLEN];
	struct entry *found;
	uint64_t id;

	if (wl_address_check(conf, kind, addr, e) == -1)
		return -1;
	network(addr, net);
	id = identify(kind, net);
	everywhere = wl_counter_address(a, words[kind], net, now, 1);
	/* others may have used the table while we waited */
	found = find(id, now / MINUTE);
	if (found == NULL)
		found = make(id, now / MINUTE);
	found->count++;
	if (everywhere > found->count)
		found->count = everywhere;
	return found->count > limit(conf, kind) ? refuse(e, now) : 0;
}

void
wl_address_flush(void)
{
	memset(table, 0, sizeof(table));
	latest = -1;
}
