/*
 * watchllm: the operator's command line.  One row of a table is one command.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/http/names.h"
#include "lib/store/pg.h"
#include "lib/store/redis.h"

#define PROGRAM		"watchllm"
#define ARENA_MAX	((size_t)64 * 1024 * 1024)

static struct wl_program program = {
	.name = PROGRAM,
	.help = "Usage: " PROGRAM " [OPTION]... COMMAND [ARGUMENT]...\n"
	    "Look after a WatchLLM: its schema, projects, keys, plans and "
	    "usage.\n"
	    "\n"
	    "      --config=FILE     read this configuration\n"
	    "      --set=NAME=VALUE  change one setting (repeatable)\n"
	    "      --json            print JSON; also after the command\n"
	    "      --help            show this help\n"
	    "      --version         show the version\n"
	    "\n"
	    "\"" PROGRAM " help\" lists the commands, \"" PROGRAM
	    " help COMMAND\" explains one.\n",
};

/* in the order in which an operator meets them */
static const struct wl_command commands[] = {
	{ "migrate", "bring the database's schema up to date",
	    wl_cmd_migrate_help, false, wl_cmd_migrate },
	{ "project", "make, show and change projects",
	    wl_cmd_project_help, false, wl_cmd_project },
	{ "key", "make, revoke and rotate the keys of projects",
	    wl_cmd_key_help, false, wl_cmd_key },
	{ "plan", "show and set plans and their limits",
	    wl_cmd_plan_help, false, wl_cmd_plan },
	{ "limit", "show and set limits by user, model, tag and key",
	    wl_cmd_limit_help, false, wl_cmd_limit },
	{ "usage", "show and correct what projects have used",
	    wl_cmd_usage_help, false, wl_cmd_usage },
	{ "provider", "show and set the hosts that answer calls",
	    wl_cmd_provider_help, false, wl_cmd_provider },
	{ "route", "show and set where calls for a model go",
	    wl_cmd_route_help, false, wl_cmd_route },
	{ "flag", "show and set what a share of the projects sees",
	    wl_cmd_flag_help, false, wl_cmd_flag },
	{ "policy", "show and set rules on content",
	    wl_cmd_policy_help, false, wl_cmd_policy },
	{ "provider-key", "keep projects' own keys for providers",
	    wl_cmd_provider_key_help, false, wl_cmd_provider_key },
	{ "prices", "import and show what models cost",
	    wl_cmd_prices_help, false, wl_cmd_prices },
	{ "audit", "show and check who changed what",
	    wl_cmd_audit_help, false, wl_cmd_audit },
	{ "dead-letter", "look after records that the database refused",
	    wl_cmd_dead_letter_help, false, wl_cmd_dead_letter },
	{ "doctor", "look for what is wrong, and say what to do",
	    wl_cmd_doctor_help, true, wl_cmd_doctor },
	{ "verify", "check a running server's limits with a key",
	    wl_cmd_verify_help, true, wl_cmd_verify },
	{ NULL, NULL, NULL, false, NULL }
};

static bool	json;

static const struct wl_command *
find(const char *name)
{
	const struct wl_command *c;

	for (c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	fprintf(stderr, PROGRAM ": %s: no such command; \"" PROGRAM
	    " help\" lists them\n", name);
	return NULL;
}

static int
help(int argc, char **argv)
{
	const struct wl_command *c;

	if (argc > 1) {
		if ((c = find(argv[1])) == NULL)
			return WL_EXIT_MISUSE;
		fputs(c->help, stdout);
		return WL_EXIT_OK;
	}
	fputs(program.help, stdout);
	fputs("\nCommands:\n", stdout);
	for (c = commands; c->name != NULL; c++)
		printf("  %-14s %s\n", c->name, c->synopsis);
	return WL_EXIT_OK;
}

/*
 * The options before the command.  Returns where the command stands.
 */
static int
parse(int argc, char **argv)
{
	static const struct option options[] = {
		WL_PROGRAM_OPTIONS,
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (c == 'j')
			json = true;
		else
			wl_program_option(&program, c, optarg);
	if (optind == argc)
		wl_program_misuse(&program);
	return optind;
}

static bool
wants_help(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

struct run {
	struct wl_cli	 cli;
	int		 argc;
	char		**argv;
};

static int
run(void *arg)
{
	struct run *r = arg;
	struct wl_cli *cli = &r->cli;
	int status = cli->command->fn(cli, r->argc, r->argv);

	if (status == WL_EXIT_OK)
		status = wl_cli_flush(cli);
	if (cli->stores) {
		wl_redis_close();
		wl_pg_close();
	}
	wl_names_close();
	return status;
}

static int
start(struct run *r)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct wl_err e = { 0 };
	int status;

	sigaction(SIGPIPE, &ignore, NULL);
	wl_program_harden();
	/* each failure comes back to the command, which says it once */
	if (wl_log_open(NULL, WL_LEVEL_MAX, PROGRAM) == -1)
		return WL_EXIT_FAILED;
	if (!r->cli.command->no_conf && wl_cli_conf(&r->cli, &e) == -1)
		return wl_cli_fail(&r->cli, &e);
	if ((r->cli.arena = wl_arena_new(ARENA_MAX)) == NULL)
		return wl_cli_failf(&r->cli, "out of memory");
	wl_out_init(&r->cli.out, json);
	if ((status = wl_run(run, r)) == -1)
		status = wl_cli_failf(&r->cli, "cannot run");
	wl_out_free(&r->cli.out);
	wl_arena_free(r->cli.arena);
	return status;
}

int
main(int argc, char **argv)
{
	struct run r = { .cli.program = &program };
	int at = parse(argc, argv), status;

	argc -= at;
	argv += at;
	if (strcmp(argv[0], "help") == 0)
		return help(argc, argv);
	if ((r.cli.command = find(argv[0])) == NULL)
		return WL_EXIT_MISUSE;
	if (wants_help(argc, argv)) {
		fputs(r.cli.command->help, stdout);
		return WL_EXIT_OK;
	}
	r.argc = argc;
	r.argv = argv;
	status = start(&r);
	if (r.cli.conf != NULL)
		wl_conf_free(r.cli.conf);
	return status;
}
