/*
 * watchllm doctor: what is wrong with this installation, and what to do.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "fcgi/doctor.h"
#include "fcgi/key_arg.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"

#define SILENCE_MAX	300
/* Redis that is slower than allowed is to be seen, not given up. */
#define REDIS_MS	1000

const char wl_cmd_doctor_help[] =
    "Usage: watchllm doctor [--url URL [KEY | --key-file FILE]] [--json]\n"
    "Look at the configuration, its files, PostgreSQL, Redis, providers and\n"
    "prices, and with --url through the web server; say what is wrong and\n"
    "what to do about it.  Run it as the user of the workers.  The status is\n"
    "0 when nothing fails.\n"
    "\n"
    "      --url URL        where clients reach it, with or without /v1\n"
    "      --key-file FILE  a key of a project is in there; KEY \"-\": on\n"
    "                       standard input.  No call of it is counted\n"
    "      --operator-token-file FILE\n"
    "                       instead of the configured one\n"
    "      --server KIND    " WL_WEB_WORDS ";\n"
    "                       else found out\n"
    "      --long SECONDS   also try how long a silent answer is kept open,\n"
    "                       at most 300\n"
    "      --ca-file FILE   trust these certificates\n"
    "      --insecure       trust any certificate\n";

struct args {
	const char		*url, *token_file, *server, *ca_file;
	bool			 insecure;
	int64_t			 silence;
	struct wl_key_arg	 key;
};

static int
read_args(struct wl_cli *cli, int argc, char **argv, struct args *g)
{
	const struct wl_cli_opt opts[] = {
		{ "ca-file", WL_ARG_TEXT, &g->ca_file, 0, 0, NULL },
		{ "insecure", WL_ARG_FLAG, &g->insecure, 0, 0, NULL },
		{ "key-file", WL_ARG_TEXT, &g->key.file, 0, 0, NULL },
		{ "long", WL_ARG_INT, &g->silence, 1, SILENCE_MAX, NULL },
		{ "operator-token-file", WL_ARG_TEXT, &g->token_file, 0, 0,
		    NULL },
		{ "server", WL_ARG_WORD, &g->server, 0, 0, WL_WEB_WORDS },
		{ "url", WL_ARG_TEXT, &g->url, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	int n = wl_cli_args(cli, argc, argv, opts, 0, 1);

	if (n == -1)
		return -1;
	g->key.word = n > 0 ? argv[1] : NULL;
	if (g->key.word != NULL && g->key.file != NULL) {
		wl_cli_misuse(cli, "KEY or --key-file, not both");
		return -1;
	}
	if (g->url != NULL || (g->key.word == NULL && g->key.file == NULL &&
	    g->silence == 0 && g->server == NULL && !g->insecure &&
	    g->ca_file == NULL))
		return 0;
	wl_cli_misuse(cli, "without --url there is no web server to look "
	    "through");
	return -1;
}

/*
 * The operator's token: from the file that was given, else the configured
 * one, which the files' check has something to say about when it is bad.
 */
static int
find_token(struct wl_doctor *d, const char *file, struct wl_err *e)
{
	struct wl_key_arg token = { .file = file };
	if (file == NULL && d->conf != NULL &&
	    d->conf->operator_token_file[0] != '\0')
		token.file = d->conf->operator_token_file;
	if (wl_key_arg_read(d->a, &token, e) == -1 && file != NULL)
		return -1;
	d->token = token.value;
	return 0;
}

static int
prepare_web(struct wl_doctor *d, struct args *g, struct wl_err *e)
{
	if (g->url == NULL)
		return 0;
	d->site.insecure = g->insecure;
	d->silence = g->silence;
	if (g->server != NULL) {
		d->web = wl_webserver_word(g->server);
		d->web_fixed = true;
	}
	if (wl_site_parse(d->a, g->url, &d->site, e) == -1 ||
	    wl_key_arg_read(d->a, &g->key, e) == -1 ||
	    find_token(d, g->token_file, e) == -1 ||
	    wl_site_open(g->ca_file, e) == -1)
		return -1;
	d->url = g->url;
	d->key = g->key.value;
	return 0;
}

static void
look(struct wl_doctor *d)
{
	if (d->conf != NULL) {
		wl_doctor_conf(d);
		wl_doctor_db(d);
		wl_doctor_redis(d);
		wl_doctor_spool(d);
		wl_doctor_data(d);
	}
	if (d->url != NULL) {
		wl_doctor_web(d);
		wl_site_close();
	}
}

/*
 * A configuration that cannot be read is the first finding.
 */
static void
load(struct wl_doctor *d)
{
	struct wl_cli *cli = d->cli;
	struct wl_err e = { 0 };

	if (wl_cli_conf(cli, &e) == -1) {
		wl_doctor_add(d, "configuration", "file", WL_GRADE_FAIL,
		    "see watchllm.conf(5)", "%s", e.msg);
		return;
	}
	d->redis_timeout = cli->conf->redis_timeout;
	if (cli->conf->redis_timeout < REDIS_MS)
		cli->conf->redis_timeout = REDIS_MS;
	if (wl_cli_stores(cli, &e) == -1) {
		wl_doctor_add(d, "configuration", "stores", WL_GRADE_FAIL,
		    NULL, "%s", e.msg);
		return;
	}
	d->conf = cli->conf;
}

int
wl_cmd_doctor(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_doctor *d = wl_arena_alloc(cli->arena, sizeof(*d));
	struct wl_err e = { 0 };
	struct args g = { 0 };

	if (d == NULL)
		return wl_cli_failf(cli, "out of memory");
	if (read_args(cli, argc, argv, &g) == -1)
		return WL_EXIT_MISUSE;
	d->cli = cli;
	d->a = cli->arena;
	load(d);
	if (prepare_web(d, &g, &e) == -1)
		return wl_cli_fail(cli, &e);
	look(d);
	return wl_doctor_print(d);
}
