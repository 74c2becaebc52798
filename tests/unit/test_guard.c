/*
 * The URL guard: special addresses, spellings of hosts, lists.
 */
#include "config.h"
#include "lib/http/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "tests/unit/tap.h"

static bool
is_public(const char *text)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return wl_guard_public((struct sockaddr *)&in);
	CU_ASSERT_FATAL(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1);
	return wl_guard_public((struct sockaddr *)&in6);
}

static void
special_addresses(void)
{
	/* both ends of every range */
	static const char *const refused[] = {
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255",
		"100.64.0.0", "100.127.255.255", "127.0.0.1",
		"127.255.255.255", "169.254.0.0", "169.254.169.254",
		"169.254.255.255", "172.16.0.0", "172.31.255.255",
		"192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255",
		"192.88.99.1", "192.168.0.0", "192.168.255.255",
		"198.18.0.0", "198.19.255.255", "198.51.100.0",
		"198.51.100.255", "203.0.113.0", "203.0.113.255",
		"224.0.0.0", "239.255.255.255", "240.0.0.0",
		"255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
		"::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1",
		"2001::1", "2001:1ff:ffff::1", "2001:db8::1",
		"2001:db8:ffff::1", "2002:7f00:1::1", "2002::1",
		"3fff::1", "3fff:fff::1", "4000::1", "5f00::1",
		"fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1",
		"ff02::1", "1fff::1",
	};
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (is_public(refused[i]))
			CU_FAIL(refused[i]);
}

static void
public_addresses(void)
{
	static const char *const good[] = {
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.0", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "191.255.255.255",
		"192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0",
		"198.17.255.255", "198.20.0.0", "203.0.112.255",
		"223.255.255.255",
		"2001:200::1", "2001:4860:4860::8888", "2001:db7::1",
		"2001:db9::1", "2003::1", "2606:4700::1111", "3ffe::1",
		"3fff:1000::1",
	};
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!is_public(good[i]))
			CU_FAIL(good[i]);
	CU_ASSERT(!wl_guard_public((struct sockaddr *)&un));
}

static void
splits(void)
{
	static const struct {
		const char	*url, *host;
		bool		 https;
		int		 port;
	} rows[] = {
		{ "https://api.openai.com/v1", "api.openai.com", true, 443 },
		{ "HTTPS://API.OpenAI.com", "api.openai.com", true, 443 },
		{ "http://localhost:11434/api", "localhost", false, 11434 },
		{ "http://127.0.0.1?x=1", "127.0.0.1", false, 80 },
		{ "http://[::1]:8080/", "::1", false, 8080 },
		{ "https://[2001:DB8::1]", "2001:db8::1", true, 443 },
		{ "http://a_b.example:1/", "a_b.example", false, 1 },
		{ "http://x:65535#f", "x", false, 65535 },
	};
	char host[256];
	bool https;
	int port;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (wl_guard_split(rows[i].url, &https, host, &port) == -1) {
			CU_FAIL(rows[i].url);
			continue;
		}
		CU_ASSERT_STRING_EQUAL(host, rows[i].host);
		CU_ASSERT_EQUAL(https, rows[i].https);
		CU_ASSERT_EQUAL(port, rows[i].port);
	}
}

static void
bad_urls(void)
{
	static const char *const rows[] = {
		"", "http", "http:", "http://", "http:///x", "https://:80/",
		"ftp://host/", "file:///etc/passwd", "gopher://host/",
		"//host/", "host", "http:/host", "http:host",
		"http://user@host/", "http://user:pass@host/",
		"http://host@127.0.0.1/", "http://host:/", "http://host:0/",
		"http://host:65536/", "http://host:+1/", "http://host:-1/",
		"http://host:8o/", "http://host:1:2/", "http://host\\@x/",
		"http://ho st/", "http://host/a b", "http://host/\r\nX: y",
		"http://host/\tx", "http://h\xc3\xb6st/", "http://host./",
		"http://.host/", "http://a..b/", "http://[::1/",
		"http://[::1]x/", "http://[::1%25lo]/", "http://[host]/",
		"http://[]/", "http://::1/", "http://h%6fst/",
		"http://host;x/",
	};
	char host[256], longest[400] = "http://";
	bool https;
	int port;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (wl_guard_split(rows[i], &https, host, &port) == 0)
			CU_FAIL(rows[i]);
	memset(longest + 7, 'a', 300);
	CU_ASSERT_EQUAL(wl_guard_split(longest, &https, host, &port), -1);
	for (i = 7; i < 307; i += 10)
		longest[i + 9] = '.';
	CU_ASSERT_EQUAL(wl_guard_split(longest, &https, host, &port), -1);
	longest[7 + 249] = '\0';
	CU_ASSERT_EQUAL(wl_guard_split(longest, &https, host, &port), 0);
}

static void
host_lists(void)
{
	static const char list[] = "ollama, LocalHost:11434\t[::1]:80 10.0.0.1"
	    ",fd00::1,b.example:443";

	CU_ASSERT(wl_guard_listed(list, "ollama", 1));
	CU_ASSERT(wl_guard_listed(list, "localhost", 11434));
	CU_ASSERT(!wl_guard_listed(list, "localhost", 11435));
	CU_ASSERT(wl_guard_listed(list, "::1", 80));
	CU_ASSERT(!wl_guard_listed(list, "::1", 81));
	CU_ASSERT(wl_guard_listed(list, "10.0.0.1", 9));
	CU_ASSERT(wl_guard_listed(list, "fd00::1", 443));
	CU_ASSERT(wl_guard_listed(list, "b.example", 443));
	CU_ASSERT(!wl_guard_listed(list, "b.example", 80));
	CU_ASSERT(!wl_guard_listed(list, "ollam", 1));
	CU_ASSERT(!wl_guard_listed(list, "a.ollama", 1));
	CU_ASSERT(!wl_guard_listed("", "x", 1));
	CU_ASSERT(!wl_guard_listed(" ,,", "", 1));
}

static void
address_lists(void)
{
	static const char list[] = "127.0.0.1 10.0.0.0/8,192.168.4.0/22 "
	    "fd00::/8, 2001:db8::7 bad/8 1.2.3.4/33 5.6.7.8/-1 9.9.9.9/";

	CU_ASSERT(wl_guard_addr_in("127.0.0.1", list));
	CU_ASSERT(!wl_guard_addr_in("127.0.0.2", list));
	CU_ASSERT(wl_guard_addr_in("10.255.1.2", list));
	CU_ASSERT(!wl_guard_addr_in("11.0.0.0", list));
	CU_ASSERT(wl_guard_addr_in("192.168.7.255", list));
	CU_ASSERT(!wl_guard_addr_in("192.168.8.0", list));
	CU_ASSERT(wl_guard_addr_in("::ffff:10.1.1.1", list));
	CU_ASSERT(wl_guard_addr_in("fdab::1", list));
	CU_ASSERT(!wl_guard_addr_in("fe80::1", list));
	CU_ASSERT(wl_guard_addr_in("2001:db8:0::7", list));
	CU_ASSERT(!wl_guard_addr_in("1.2.3.4", list));
	CU_ASSERT(!wl_guard_addr_in("5.6.7.8", list));
	CU_ASSERT(!wl_guard_addr_in("9.9.9.9", list));
	CU_ASSERT(!wl_guard_addr_in("bad", list));
	CU_ASSERT(!wl_guard_addr_in("", list));
	CU_ASSERT(wl_guard_addr_in("8.8.8.8", "0.0.0.0/0"));
	CU_ASSERT(!wl_guard_addr_in("::1", "0.0.0.0/0"));
	CU_ASSERT(wl_guard_addr_in("::1", "::/0"));
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "special addresses are refused", special_addresses },
		{ "public addresses are allowed", public_addresses },
		{ "URLs are split", splits },
		{ "odd URLs are refused", bad_urls },
		{ "lists of hosts", host_lists },
		{ "lists of addresses", address_lists },
		{ NULL, NULL }
	};

	return wl_tap_run("guard", tests);
}
