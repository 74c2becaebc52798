/*
 * Address ranges, URL splitting, lists of hosts and addresses.  The parser is
 * stricter than libcurl's, so that the two can never see different hosts.
 */
#include "config.h"
#include "lib/http/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/base/num.h"
#include "lib/base/str.h"

struct block4 {
	uint32_t	net;
	int		bits;
};

struct block6 {
	uint8_t	net[16];
	int	bits;
};

/* IANA IPv4 special-purpose registry, multicast and reserved space. */
static const struct block4 special4[] = {
	{ 0x00000000, 8 },	/* 0.0.0.0: this network */
	{ 0x0a000000, 8 },	/* 10.0.0.0: private */
	{ 0x64400000, 10 },	/* 100.64.0.0: carrier-grade NAT */
	{ 0x7f000000, 8 },	/* 127.0.0.0: loopback */
	{ 0xa9fe0000, 16 },	/* 169.254.0.0: link-local, cloud metadata */
	{ 0xac100000, 12 },	/* 172.16.0.0: private */
	{ 0xc0000000, 24 },	/* 192.0.0.0: protocol assignments */
	{ 0xc0000200, 24 },	/* 192.0.2.0: documentation */
	{ 0xc0586300, 24 },	/* 192.88.99.0: 6to4 relays */
	{ 0xc0a80000, 16 },	/* 192.168.0.0: private */
	{ 0xc6120000, 15 },	/* 198.18.0.0: benchmarking */
	{ 0xc6336400, 24 },	/* 198.51.100.0: documentation */
	{ 0xcb007100, 24 },	/* 203.0.113.0: documentation */
	{ 0xe0000000, 4 },	/* 224.0.0.0: multicast */
	{ 0xf0000000, 4 },	/* 240.0.0.0: reserved, broadcast */
};

/* Inside 2000::/3; all that is outside is special. */
static const struct block6 special6[] = {
	{ { 0x20, 0x01 }, 23 },				/* protocols, Teredo */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },		/* documentation */
	{ { 0x20, 0x02 }, 16 },				/* 6to4 */
	{ { 0x3f, 0xff }, 20 },				/* documentation */
};

static const struct block6 global6 = { { 0x20 }, 3 };

static bool
in_block(const uint8_t *addr, const uint8_t *net, int bits)
{
	int bytes = bits / 8, rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));

	if (memcmp(addr, net, (size_t)bytes) != 0)
		return false;
	return rest == 0 || (addr[bytes] & mask) == (net[bytes] & mask);
}

static bool
public4(uint32_t addr)
{
	size_t i;

	for (i = 0; i < sizeof(special4) / sizeof(special4[0]); i++)
		if ((addr ^ special4[i].net) >> (32 - special4[i].bits) == 0)
			return false;
	return true;
}

static bool
public6(const uint8_t *addr)
{
	size_t i;

	if (!in_block(addr, global6.net, global6.bits))
		return false;
	for (i = 0; i < sizeof(special6) / sizeof(special6[0]); i++)
		if (in_block(addr, special6[i].net, special6[i].bits))
			return false;
	return true;
}

bool
wl_guard_public(const struct sockaddr *sa)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		return public4(ntohl(in.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		return public6(in6.sin6_addr.s6_addr);
	}
	return false;
}

static bool
is_name(const char *s, size_t len)
{
	size_t i, label = 0;
	char c;

	if (len == 0 || len > 253 || s[0] == '.' || s[len - 1] == '.')
		return false;
	for (i = 0; i < len; i++) {
		c = s[i];
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_') ||
		    ++label > 63)
			return false;
	}
	return true;
}

static void
lower(char *dst, const char *src, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		dst[i] = src[i] >= 'A' && src[i] <= 'Z' ?
		    (char)(src[i] + 32) : src[i];
	dst[len] = '\0';
}

/*
 * The host and port of an authority; PORT is left alone when there is none.
 */
static int
split_authority(const char *p, size_t len, char host[256], int *port)
{
	const char *end = p + len, *after;
	struct in6_addr in6;
	int64_t n;

	if (len > 0 && p[0] == '[') {
		after = memchr(p, ']', len);
		if (after == NULL || after - p - 1 >= INET6_ADDRSTRLEN)
			return -1;
		lower(host, p + 1, (size_t)(after - p - 1));
		if (inet_pton(AF_INET6, host, &in6) != 1)
			return -1;
		after++;
	} else {
		after = memchr(p, ':', len);
		if (after == NULL)
			after = end;
		if (!is_name(p, (size_t)(after - p)))
			return -1;
		lower(host, p, (size_t)(after - p));
	}
	if (after == end)
		return 0;
	if (*after++ != ':' || *after < '0' || *after > '9' ||
	    wl_num_parse(after, (size_t)(end - after), 1, 65535, &n) == -1)
		return -1;
	*port = (int)n;
	return 0;
}

int
wl_guard_split(const char *url, bool *https, char host[256], int *port)
{
	const char *p;

	for (p = url; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '\\')
			return -1;
	if (strncasecmp(url, "https://", 8) == 0) {
		*https = true;
		*port = 443;
		p = url + 8;
	} else if (strncasecmp(url, "http://", 7) == 0) {
		*https = false;
		*port = 80;
		p = url + 7;
	} else {
		return -1;
	}
	return split_authority(p, strcspn(p, "/?#"), host, port);
}

/*
 * Cut the next item of LIST off; its length is 0 at the end.
 */
static struct wl_str
next_item(const char **list)
{
	struct wl_str item;

	*list += strspn(*list, ", \t\r\n");
	item.p = *list;
	item.len = strcspn(*list, ", \t\r\n");
	*list += item.len;
	return item;
}

bool
wl_guard_listed(const char *list, const char *host, int port)
{
	struct wl_str item;
	char name[256];
	int want;

	while ((item = next_item(&list)).len > 0) {
		if (wl_str_ieq(item, host))
			return true;
		want = -1;
		if (split_authority(item.p, item.len, name, &want) == 0 &&
		    (want == -1 || want == port) && strcasecmp(name, host) == 0)
			return true;
	}
	return false;
}

/*
 * The 4 or 16 bytes of an address; their number, or 0.
 */
static int
parse_addr(const char *s, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, s, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, s, out) != 1)
		return 0;
	if (memcmp(out, mapped, sizeof(mapped)) != 0)
		return 16;
	memmove(out, out + 12, 4);
	return 4;
}

static bool
addr_matches(const uint8_t *addr, int size, struct wl_str item)
{
	struct wl_str text = wl_str_cut(&item, '/');
	char buf[INET6_ADDRSTRLEN];
	int64_t bits = size * 8;
	uint8_t net[16];

	if (text.len >= sizeof(buf))
		return false;
	memcpy(buf, text.p, text.len);
	buf[text.len] = '\0';
	if (parse_addr(buf, net) != size)
		return false;
	if (item.p != NULL &&
	    wl_num_parse(item.p, item.len, 0, size * 8, &bits) == -1)
		return false;
	return in_block(addr, net, (int)bits);
}

bool
wl_guard_addr_in(const char *addr, const char *list)
{
	struct wl_str item;
	uint8_t bytes[16];
	int size;

	if ((size = parse_addr(addr, bytes)) == 0)
		return false;
	while ((item = next_item(&list)).len > 0)
		if (addr_matches(bytes, size, item))
			return true;
	return false;
}
