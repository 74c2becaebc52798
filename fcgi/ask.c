/*
 * Secrets that an operator types or pipes in.
 */
#include "config.h"

#include "fcgi/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/secret.h"

enum { INTERRUPT = 3, END = 4, BACKSPACE = 8, KILL = 21, DELETE = 127 };

static int
too_long(size_t size, struct wl_err *e)
{
	return wl_err_set(e, WL_E_INVALID_REQUEST,
	    "what was read is longer than %zu bytes", size - 1);
}

static int
from_pipe(char *out, size_t size, struct wl_err *e)
{
	size_t len = 0, line;
	ssize_t n;

	do {
		n = read(STDIN_FILENO, out + len, size - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len < size) || (n == -1 && errno == EINTR));
	if (n == -1)
		return wl_err_set(e, WL_E_INTERNAL, "standard input: %s",
		    strerror(errno));
	if (len == size)
		return too_long(size, e);
	out[len] = '\0';
	line = strcspn(out, "\r\n");
	if (line + strspn(out + line, "\r\n") != len)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "standard input has more than one line, or a NUL byte");
	out[line] = '\0';
	return 0;
}

/*
 * Read keys one by one: a signal would leave the terminal silent, so
 * the interrupt key is a key like others here.
 */
static int
from_keys(char *out, size_t size, struct wl_err *e)
{
	size_t len = 0;
	char c = 0;

	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\r' && c != '\n' &&
	    c != END) {
		if (c == INTERRUPT)
			return wl_err_set(e, WL_E_INVALID_REQUEST,
			    "interrupted");
		if (c == BACKSPACE || c == DELETE)
			len -= len > 0;
		else if (c == KILL)
			len = 0;
		else if (len < size - 1)
			out[len++] = c;
		else
			return too_long(size, e);
	}
	out[len] = '\0';
	return 0;
}

static int
from_terminal(const char *prompt, char *out, size_t size, struct wl_err *e)
{
	struct termios was, silent;
	int ret;

	if (tcgetattr(STDIN_FILENO, &was) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "terminal: %s",
		    strerror(errno));
	silent = was;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
	silent.c_cc[VMIN] = 1;
	silent.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "terminal: %s",
		    strerror(errno));
	/* from here on what is typed is ours */
	fprintf(stderr, "%s: ", prompt);
	ret = from_keys(out, size, e);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	fputc('\n', stderr);
	return ret;
}

int
wl_ask_secret(const char *prompt, char *out, size_t size, struct wl_err *e)
{
	int ret = isatty(STDIN_FILENO) ?
	    from_terminal(prompt, out, size, e) : from_pipe(out, size, e);

	if (ret == 0 && out[0] == '\0')
		ret = wl_err_set(e, WL_E_INVALID_REQUEST,
		    "nothing was read from standard input");
	if (ret == -1)
		wl_secret_wipe(out, size);
	return ret;
}
