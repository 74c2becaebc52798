/*
 * A child process for a test, without a core file and with a deadline.
 */
#include "config.h"
#include "tests/unit/child.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <unistd.h>

static void
child_main(int (*fn)(void), int out)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)alarm(60);
	if (dup2(out, STDERR_FILENO) == -1)
		_exit(127);
	close(out);
	_exit(fn());
}

int
wl_child(int (*fn)(void), char *err, size_t len)
{
	char drop[256];
	size_t have = 0;
	ssize_t n;
	pid_t pid;
	int p[2], status;

	err[0] = '\0';
	if (pipe(p) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(p[0]);
		child_main(fn, p[1]);
	}
	close(p[1]);
	while (pid != -1) {
		if (have < len - 1)
			n = read(p[0], err + have, len - 1 - have);
		else
			n = read(p[0], drop, sizeof(drop));
		if (n <= 0)
			break;
		if (have < len - 1)
			have += (size_t)n;
	}
	err[have] = '\0';
	close(p[0]);
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		return -1;
	return status;
}
