/*
 * The URL guard and libcurl read the same host and port out of a URL, or the
 * guard refuses it.
 */
#include "config.h"
#include "lib/http/guard.h"
#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

static char *
part(CURLU *u, CURLUPart what, unsigned flags)
{
	char *s = NULL;

	return curl_url_get(u, what, &s, flags) == CURLUE_OK ? s : NULL;
}

/*
 * libcurl's view of URL must be HTTPS, HOST and PORT.
 */
static void
compare(const char *url, bool https, const char *host, int port)
{
	CURLU *u = curl_url();
	char *scheme, *name, *number, *bare;
	size_t len;

	PROMISE(u != NULL);
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
		curl_url_cleanup(u);
		return;
	}
	scheme = part(u, CURLUPART_SCHEME, 0);
	name = part(u, CURLUPART_HOST, 0);
	number = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	PROMISE(scheme != NULL && name != NULL && number != NULL);
	PROMISE(part(u, CURLUPART_USER, 0) == NULL);
	PROMISE(strcmp(scheme, https ? "https" : "http") == 0);
	PROMISE(strtol(number, NULL, 10) == port);
	bare = name;
	len = strlen(bare);
	if (bare[0] == '[' && bare[len - 1] == ']') {
		bare[len - 1] = '\0';
		bare++;
	}
	/* libcurl writes odd spellings of IPv4 the usual way */
	PROMISE(strcasecmp(bare, host) == 0 ||
	    strspn(bare, "0123456789.") == strlen(bare) ||
	    strchr(host, ':') != NULL);
	curl_free(scheme);
	curl_free(name);
	curl_free(number);
	curl_url_cleanup(u);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *url = malloc(len + 1), host[256], *p;
	bool https;
	int port;

	PROMISE(url != NULL);
	if (len > 0)
		memcpy(url, data, len);
	url[len] = '\0';
	if (wl_guard_split(url, &https, host, &port) == 0) {
		PROMISE(port >= 1 && port <= 65535);
		PROMISE(host[0] != '\0' && strlen(host) < sizeof(host));
		for (p = host; *p != '\0'; p++)
			PROMISE((*p >= 'a' && *p <= 'z') || (*p >= '0' &&
			    *p <= '9') || strchr("-_.:", *p) != NULL);
		PROMISE(wl_guard_listed(host, host, port) ||
		    strchr(host, ':') != NULL);
		compare(url, https, host, port);
	}
	/* the same bytes as lists and addresses: nothing to go wrong with */
	wl_guard_listed(url, "host", 80);
	wl_guard_addr_in("10.0.0.1", url);
	wl_guard_addr_in(url, "10.0.0.0/8 ::/0");
	free(url);
	return 0;
}
