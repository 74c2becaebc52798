/*
 * Sockets to listen on.  libfcgi's own function removes whatever lies at the
 * path, leaves permissions to the umask, and exits on errors.
 */
#include "config.h"
#include "fcgi/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/base/str.h"

#define BACKLOG		4096
#define SYSTEMD_FD	3

static bool
is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
	    on != 0;
}

int
wl_listen_inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int64_t n;

	if (is_listening(0))
		return 0;
	if (pid == NULL || fds == NULL || wl_num_parse(pid, strlen(pid), 1,
	    INT32_MAX, &n) == -1 || n != getpid())
		return -1;
	if (wl_num_parse(fds, strlen(fds), 1, 64, &n) == -1 ||
	    !is_listening(SYSTEMD_FD))
		return -1;
	return SYSTEMD_FD;
}

static const char *
unix_path(const char *spec)
{
	if (strncmp(spec, "unix:", 5) == 0)
		return spec + 5;
	return spec[0] == '/' ? spec : NULL;
}

static int
fail(struct wl_err *e, const char *what, const char *spec)
{
	int error = errno;

	return wl_err_set(e, WL_E_INTERNAL, "cannot %s %s: %s", what, spec,
	    strerror(error));
}

/*
 * Whether the file at SUN is a socket that nobody listens on any more.
 */
static bool
is_stale(const struct sockaddr_un *sun)
{
	bool refused;
	struct stat st;
	int fd;

	if (lstat(sun->sun_path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return false;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0)) == -1)
		return false;
	refused = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) ==
	    -1 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int
bind_unix(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t old;
	int rc;

	if (!wl_strlcpy(sun.sun_path, path, sizeof(sun.sun_path))) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (is_stale(&sun))
		unlink(path);
	/* nobody may connect before the permissions are right */
	old = umask(0777 & ~mode);
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	return rc == -1 ? -1 : chmod(path, mode);
}

static int
parse_inet(const char *spec, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)ss;
	const char *colon = strrchr(spec, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t n;
	int64_t port;

	if (colon == NULL || wl_num_parse(colon + 1, strlen(colon + 1), 1,
	    65535, &port) == -1)
		return -1;
	n = (size_t)(colon - spec);
	if (n > 1 && spec[0] == '[' && spec[n - 1] == ']') {
		spec++;
		n -= 2;
	}
	if (n >= sizeof(host))
		return -1;
	memcpy(host, spec, n);
	host[n] = '\0';
	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		*len = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return -1;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	*len = sizeof(*in6);
	return 0;
}

static int
open_unix(const char *path, const char *mode, struct wl_err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);

	if (fd == -1)
		return fail(e, "make a socket for", path);
	if (bind_unix(fd, path, (mode_t)strtoul(mode, NULL, 8) & 0777) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		fail(e, "listen on", path);
		close(fd);
		return -1;
	}
	return fd;
}

int
wl_listen_open(const char *spec, const char *mode, struct wl_err *e)
{
	const char *path = unix_path(spec);
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, on = 1;

	if (path != NULL)
		return open_unix(path, mode, e);
	if (parse_inet(spec, &ss, &len) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "listen: \"%s\" is neither "
		    "unix:/path nor address:port", spec);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return fail(e, "make a socket for", spec);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		fail(e, "listen on", spec);
		close(fd);
		return -1;
	}
	return fd;
}

void
wl_listen_close(int fd, const char *spec)
{
	const char *path = unix_path(spec);

	close(fd);
	if (path != NULL)
		unlink(path);
}
