/*
 * Sockets on the loop.
 */
#include "config.h"
#include "tests/unit/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/loop.h"
#include "lib/base/wait.h"

int
net_listen(int *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) == -1) {
		printf("Bail out! cannot listen: %s\n", strerror(errno));
		exit(1);
	}
	*port = ntohs(in.sin_port);
	return fd;
}

int
net_accept(int fd, int64_t ms)
{
	int64_t deadline = wl_mono() + ms;
	int c;

	for (;;) {
		c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (c != -1 || (errno != EAGAIN && errno != ECONNABORTED))
			return c;
		if (wl_wait(fd, EPOLLIN, deadline) <= 0)
			return -1;
	}
}

ssize_t
net_read(int fd, void *p, size_t len, int64_t ms)
{
	int64_t deadline = wl_mono() + ms;
	ssize_t n;
	int got;

	for (;;) {
		n = recv(fd, p, len, 0);
		if (n != -1 || errno != EAGAIN)
			return n;
		got = wl_wait(fd, EPOLLIN, deadline);
		if (got == 0)
			errno = ETIMEDOUT;
		if (got <= 0)
			return -1;
	}
}

int
net_write(int fd, const void *p, size_t len, int64_t ms)
{
	int64_t deadline = wl_mono() + ms;
	ssize_t n;
	int got;

	while (len > 0) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n >= 0) {
			p = (const char *)p + n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN)
			return -1;
		got = wl_wait(fd, EPOLLOUT, deadline);
		if (got == 0)
			errno = ETIMEDOUT;
		if (got <= 0)
			return -1;
	}
	return 0;
}

int
net_puts(int fd, const char *s)
{
	return net_write(fd, s, strlen(s), 5000);
}

void
net_close(int fd)
{
	wl_forget(fd);
	close(fd);
}
