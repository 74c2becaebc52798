/*
 * watchllm.fcgi: how it was started decides what it is, a FastCGI worker, the
 * parent of some, or a CGI program.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/listen.h"
#include "fcgi/program.h"
#include "fcgi/worker.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"

#define PROGRAM	"watchllm.fcgi"

enum action { RUN, CHECK, PRINT_CONFIG, PRINT_SAMPLE };

static struct wl_program program = {
	.name = PROGRAM,
	.help = "Usage: " PROGRAM " [OPTION]...\n"
	    "Serve WatchLLM's routes to a web server by FastCGI or CGI.\n"
	    "\n"
	    "Started by a web server, spawn-fcgi or systemd it takes the\n"
	    "socket it is given; as a CGI program it serves one request.\n"
	    "Else it needs --listen.\n"
	    "\n"
	    "      --config=FILE     read this configuration\n"
	    "      --set=NAME=VALUE  change one setting (repeatable)\n"
	    "      --listen=SOCKET   unix:/path or address:port\n"
	    "      --processes=N     workers with --listen, 0: one per\n"
	    "                        processor\n"
	    "      --check           check the configuration, then end\n"
	    "      --print-config    print the settings that hold\n"
	    "      --print-sample    print a sample configuration\n"
	    "      --help            show this help\n"
	    "      --version         show the version\n",
};

static struct {
	const char	*listen, *processes;
	enum action	 action;
} args;

static void
parse(int argc, char **argv)
{
	static const struct option options[] = {
		WL_PROGRAM_OPTIONS,
		{ "check", no_argument, NULL, 'k' },
		{ "listen", required_argument, NULL, 'l' },
		{ "print-config", no_argument, NULL, 'p' },
		{ "print-sample", no_argument, NULL, 'e' },
		{ "processes", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'e':
			args.action = PRINT_SAMPLE;
			break;
		case 'k':
			args.action = CHECK;
			break;
		case 'l':
			args.listen = optarg;
			break;
		case 'n':
			args.processes = optarg;
			break;
		case 'p':
			args.action = PRINT_CONFIG;
			break;
		default:
			wl_program_option(&program, c, optarg);
		}
	if (optind < argc)
		wl_program_misuse(&program);
}

static int
set(struct wl_conf *c, const char *name, const char *value, struct wl_err *e)
{
	char assignment[1024];
	int n = snprintf(assignment, sizeof(assignment), "%s=%s", name, value);

	if (n < 0 || (size_t)n >= sizeof(assignment))
		return wl_err_set(e, WL_E_INTERNAL, "%s is too long", name);
	return wl_conf_set(c, assignment, e);
}

static int
load(struct wl_conf *c, struct wl_err *e)
{
	int rc = 0;

	if (wl_program_load(&program, c, e) == -1)
		return -1;
	if (args.listen != NULL)
		rc = set(c, "listen", args.listen, e);
	if (rc == 0 && args.processes != NULL)
		rc = set(c, "processes", args.processes, e);
	if (rc == -1)
		wl_conf_free(c);
	return rc;
}

static bool
as_cgi(void)
{
	/* a configured socket is for others; on the command line it is meant */
	return getenv("GATEWAY_INTERFACE") != NULL && args.listen == NULL;
}

static int
serve(struct wl_conf *conf)
{
	int fd = wl_listen_inherited();

	wl_worker.load = load;
	if (fd != -1)
		return wl_worker_run(conf, fd);
	if (as_cgi())
		return wl_worker_run(conf, -1);
	if (conf->listen[0] != '\0')
		return wl_master_run(conf, conf->listen,
		    (int)conf->processes);
	wl_program_misuse(&program);
}

static int
bad_configuration(const struct wl_err *e)
{
	fprintf(stderr, PROGRAM ": %s\n", e->msg);
	if (args.action == RUN && as_cgi())
		fputs("Status: 500 Internal Server Error\r\n"
		    "Content-Type: application/json\r\n\r\n"
		    "{\"error\":{\"message\":\"Internal error.\","
		    "\"type\":\"api_error\",\"code\":\"internal_error\"}}",
		    stdout);
	return 1;
}

int
main(int argc, char **argv)
{
	struct wl_err e = { 0 };
	struct wl_conf conf;
	int status = 0;

	parse(argc, argv);
	if (args.action == PRINT_SAMPLE) {
		wl_conf_print_sample(stdout);
		return 0;
	}
	if (load(&conf, &e) == -1)
		return bad_configuration(&e);
	if (args.action == PRINT_CONFIG) {
		wl_conf_print(&conf, stdout);
	} else if (args.action == CHECK) {
		puts("The configuration is valid.");
	} else if (wl_program_log(&program, &conf) == -1) {
		status = 1;
	} else {
		wl_program_harden();
		status = serve(&conf);
	}
	wl_conf_free(&conf);
	return status;
}
