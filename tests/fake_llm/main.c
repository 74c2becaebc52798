/*
 * fake_llm: a scripted upstream that speaks OpenAI's wire format, for tests
 * and as the sandbox provider.
 */
#include "config.h"

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/co.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "tests/fake_llm/admin.h"
#include "tests/fake_llm/call.h"
#include "tests/fake_llm/listen.h"
#include "tests/fake_llm/openai.h"
#include "tests/fake_llm/request.h"
#include "tests/fake_llm/rules.h"
#include "tests/fake_llm/text.h"

#define CONNECTIONS_MAX 8192
#define YEAR_MS INT64_C(31536000000)

static struct {
	const char		*spec;
	const char		*ledger;
	size_t			 keep;
	bool			 refuse;
	int			 fd;
	int			 signals;
	struct wl_co		*co;
	struct fake_conn	*conns;
	int			 n_conns;
} server = {.spec = "127.0.0.1:0", .keep = 100000, .fd = -1, .signals = -1};

static void
usage(FILE *out)
{
	fputs(
	    "usage: fake_llm [options]\n"
	    "A scripted upstream in OpenAI's wire format. No model is used.\n"
	    "\n"
	    "  --listen WHERE        PORT, HOST:PORT, [IPv6]:PORT or "
	    "unix:PATH\n"
	    "                        [127.0.0.1:0: a free port]\n"
	    "  --seed N              makes answers, delays and ids repeatable\n"
	    "  --set 'KEY=VALUE ...' defaults for all calls\n"
	    "  --require-key KEY     401 for calls without it\n"
	    "  --models A,B,...      404 for other models\n"
	    "  --ledger FILE         append a JSON line per call\n"
	    "  --ledger-keep N       records kept in memory [100000]\n"
	    "  --refuse              take the port, refuse connections\n"
	    "  --help-directives     list what --set and [[...]] understand\n"
	    "  --help, --version\n",
	    out);
}

static void
link_conn(struct fake_conn *c)
{
	c->next = server.conns;
	if (c->next != NULL)
		c->next->prev = c;
	server.conns = c;
	server.n_conns++;
}

static void
free_conn(struct fake_conn *c)
{
	fake_conn_close(c);
	if (c->next != NULL)
		c->next->prev = c->prev;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		server.conns = c->next;
	server.n_conns--;
	fake_buf_trim(&c->in, 0);
	fake_buf_trim(&c->decoded, 0);
	fake_buf_trim(&c->head, 0);
	fake_buf_trim(&c->body, 0);
	fake_buf_trim(&c->scratch, 0);
	fake_buf_trim(&c->made, 0);
	free(c);
}

static void
refuse_request(struct fake_conn *c, int status)
{
	static const char body[] = "{\"error\":{\"message\":\"Bad request.\","
	    "\"type\":\"invalid_request_error\",\"param\":null,"
	    "\"code\":null}}";

	c->keep = false;
	if (fake_http_reply(c, status, "application/json", body,
	    sizeof(body) - 1) == 0)
		fake_conn_linger(c);
}

static void
serve(void *arg)
{
	struct fake_conn *c = arg;
	struct fake_req r;

	do {
		int rc = fake_http_read(c, &r);

		if (rc > 0)
			refuse_request(c, rc);
		if (rc != 0)
			break;
		if (fake_admin_wants(&r)) {
			fake_admin_serve(c, &r);
		} else {
			fake_admin_note(&r);
			fake_openai_serve(c, &r);
		}
		fake_http_done(c, &r);
	} while (c->keep && c->peer == FAKE_PEER_HERE);
	free_conn(c);
}

static void
start_conn(int fd)
{
	struct fake_conn *c = NULL;

	if (server.n_conns < CONNECTIONS_MAX)
		c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(fd);
		return;
	}
	c->fd = fd;
	link_conn(c);
	c->co = wl_co_spawn("connection", serve, c);
	if (c->co == NULL)
		free_conn(c);
}

/*
 * Accept until cancelled.  A lack of descriptors passes; anything else that
 * is not the client's fault ends the program.
 */
static int
accept_all(void)
{
	for (;;) {
		int fd = accept4(server.fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd != -1) {
			start_conn(fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			if (wl_sleep(100) == -1)
				return 0;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR &&
		    errno != ECONNABORTED)
			return -1;
		if (wl_wait(server.fd, EPOLLIN, wl_mono() + YEAR_MS) == -1)
			return errno == ECANCELED ? 0 : -1;
	}
}

static void
watch_signals(void *arg)
{
	struct signalfd_siginfo si;

	(void)arg;
	while (wl_wait(server.signals, EPOLLIN, wl_mono() + YEAR_MS) >= 0)
		if (read(server.signals, &si, sizeof(si)) == sizeof(si))
			break;
	wl_co_cancel(server.co);
}

/*
 * The first coroutine: accept until a signal, then end every connection.
 */
static int
run(void *arg)
{
	struct fake_conn *c;
	struct wl_co *watcher;
	int rc;

	(void)arg;
	server.co = wl_co_self();
	watcher = wl_co_spawn("signals", watch_signals, NULL);
	if (watcher == NULL)
		return -1;
	if (server.refuse)
		rc = wl_sleep(YEAR_MS) == -1 ? 0 : -1;
	else
		rc = accept_all();
	if (rc == -1) {
		perror("fake_llm: accept");
		wl_co_cancel(watcher);
	}
	for (c = server.conns; c != NULL; c = c->next)
		wl_co_cancel(c->co);
	return rc;
}

static void
die(const char *what)
{
	fprintf(stderr, "fake_llm: %s\n", what);
	exit(2);
}

static uint64_t
number(const char *s, uint64_t max)
{
	uint64_t v = 0;

	if (*s == '\0')
		die("a number is missing");
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || v > (max - 9) / 10)
			die("bad number");
		v = v * 10 + (uint64_t)(*s - '0');
	}
	return v;
}

/*
 * The names stay in the argument, cut apart in place.
 */
static void
take_models(char *list)
{
	char *name;

	while ((name = strsep(&list, ",")) != NULL) {
		if (*name == '\0')
			continue;
		if (fake_config.n_models == FAKE_MODELS_MAX)
			die("too many models");
		fake_config.models[fake_config.n_models++] = name;
	}
}

enum option_code {
	O_HELP = 1, O_HELP_DIRECTIVES, O_KEEP, O_LEDGER, O_LISTEN, O_MODELS,
	O_REFUSE, O_REQUIRE_KEY, O_SEED, O_SET, O_VERSION
};

static const struct option options[] = {
    {"help", no_argument, NULL, O_HELP},
    {"help-directives", no_argument, NULL, O_HELP_DIRECTIVES},
    {"ledger", required_argument, NULL, O_LEDGER},
    {"ledger-keep", required_argument, NULL, O_KEEP},
    {"listen", required_argument, NULL, O_LISTEN},
    {"models", required_argument, NULL, O_MODELS},
    {"refuse", no_argument, NULL, O_REFUSE},
    {"require-key", required_argument, NULL, O_REQUIRE_KEY},
    {"seed", required_argument, NULL, O_SEED},
    {"set", required_argument, NULL, O_SET},
    {"version", no_argument, NULL, O_VERSION},
    {NULL, 0, NULL, 0},
};

static void
take_option(int code, char *arg)
{
	char err[FAKE_SCRIPT_ERR];

	switch ((enum option_code)code) {
	case O_HELP:
		usage(stdout);
		exit(0);
	case O_HELP_DIRECTIVES:
		fake_script_help(stdout);
		exit(0);
	case O_KEEP:
		server.keep = (size_t)number(arg, 100000000);
		break;
	case O_LEDGER:
		server.ledger = arg;
		break;
	case O_LISTEN:
		server.spec = arg;
		break;
	case O_MODELS:
		take_models(arg);
		break;
	case O_REFUSE:
		server.refuse = true;
		break;
	case O_REQUIRE_KEY:
		fake_config.require_key = arg;
		break;
	case O_SEED:
		fake_config.seed = number(arg, UINT64_MAX);
		fake_config.salt = fake_config.seed;
		break;
	case O_SET:
		if (fake_rules_command_line(arg, err) == -1)
			die(err);
		break;
	case O_VERSION:
		puts("fake_llm (" PACKAGE_NAME ") " PACKAGE_VERSION);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

/*
 * Many streams need many descriptors, and signals come as a descriptor.
 */
static void
set_up_process(void)
{
	struct rlimit rl;
	sigset_t set;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (server.signals = signalfd(-1, &set,
	    SFD_NONBLOCK | SFD_CLOEXEC)) == -1)
		die("signals cannot be set up");
}

int
main(int argc, char **argv)
{
	char where[128];
	int code, rc;

	/* without a seed ids differ from run to run */
	fake_config.salt = fake_text_mix((uint64_t)time(NULL) << 20 ^
	    (uint64_t)getpid());
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(code, optarg);
	if (optind != argc)
		die("unexpected argument");
	fake_ledger_salt(fake_config.salt);
	if (fake_ledger_open(server.ledger, server.keep) == -1) {
		perror(server.ledger);
		return 1;
	}
	set_up_process();
	server.fd = fake_listen_open(server.spec, server.refuse, where,
	    sizeof(where));
	if (server.fd == -1) {
		perror(server.spec);
		return 1;
	}
	printf("%s on %s\n", server.refuse ? "refusing" : "listening", where);
	fflush(stdout);
	rc = wl_run(run, NULL);
	if (rc == -1)
		perror("fake_llm");
	close(server.fd);
	close(server.signals);
	if (strncmp(server.spec, "unix:", 5) == 0)
		(void)unlink(server.spec + 5);
	fake_ledger_close();
	fake_rules_reset();
	fake_request_free();
	fake_admin_free();
	return rc == -1 ? 1 : 0;
}
