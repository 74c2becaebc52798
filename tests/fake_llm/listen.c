/*
 * Listening sockets, on loopback unless told otherwise.
 */
#include "config.h"

#include "tests/fake_llm/listen.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096

union address {
	struct sockaddr		sa;
	struct sockaddr_in	in;
	struct sockaddr_in6	in6;
	struct sockaddr_un	un;
};

static int
parse_port(const char *s, in_port_t *out)
{
	unsigned v = 0;

	if (*s == '\0' || strlen(s) > 5)
		return -1;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		v = v * 10 + (unsigned)(*s - '0');
	}
	if (v > 65535)
		return -1;
	*out = htons((uint16_t)v);
	return 0;
}

static int
parse_unix(const char *path, union address *a, socklen_t *len)
{
	struct stat st;

	if (*path == '\0' || strlen(path) >= sizeof(a->un.sun_path))
		return -1;
	a->un.sun_family = AF_UNIX;
	memcpy(a->un.sun_path, path, strlen(path) + 1);
	*len = sizeof(a->un);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	return 0;
}

static int
parse(const char *spec, union address *a, socklen_t *len)
{
	const char *colon = strrchr(spec, ':');
	char host[64];
	size_t n;

	memset(a, 0, sizeof(*a));
	if (strncmp(spec, "unix:", 5) == 0)
		return parse_unix(spec + 5, a, len);
	n = colon == NULL ? 0 : (size_t)(colon - spec);
	if (n >= sizeof(host))
		return -1;
	memcpy(host, spec, n);
	host[n] = '\0';
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		a->in6.sin6_family = AF_INET6;
		*len = sizeof(a->in6);
		return inet_pton(AF_INET6, host + 1, &a->in6.sin6_addr) != 1 ?
		    -1 : parse_port(colon + 1, &a->in6.sin6_port);
	}
	a->in.sin_family = AF_INET;
	*len = sizeof(a->in);
	if (n == 0 || strcmp(host, "localhost") == 0)
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (inet_pton(AF_INET, host, &a->in.sin_addr) != 1)
		return -1;
	return parse_port(colon == NULL ? spec : colon + 1, &a->in.sin_port);
}

static void
describe(int fd, const char *spec, char *where, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";
	union address a;
	socklen_t len = sizeof(a);

	if (strncmp(spec, "unix:", 5) == 0 ||
	    getsockname(fd, &a.sa, &len) == -1) {
		(void)snprintf(where, size, "%s", spec);
		return;
	}
	if (a.sa.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host));
		(void)snprintf(where, size, "[%s]:%u", host,
		    (unsigned)ntohs(a.in6.sin6_port));
		return;
	}
	(void)inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host));
	(void)snprintf(where, size, "%s:%u", host,
	    (unsigned)ntohs(a.in.sin_port));
}

int
fake_listen_open(const char *spec, bool refuse, char *where, size_t size)
{
	union address a;
	socklen_t len = 0;
	int fd, one = 1, saved;

	if (parse(spec, &a, &len) == -1) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1)
		return -1;
	if (a.sa.sa_family != AF_UNIX) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
		    sizeof(one));
		/* accepted sockets inherit this one */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
	}
	if (bind(fd, &a.sa, len) == -1 ||
	    (!refuse && listen(fd, BACKLOG) == -1)) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	describe(fd, spec, where, size);
	return fd;
}
