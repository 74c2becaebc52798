/*
 * Arguments, failures and stores of the command line's commands.
 */
#include "config.h"

#include "fcgi/cli.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/money.h"
#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/core/admin.h"
#include "lib/store/pg.h"
#include "lib/store/redis.h"

#define REDIS_PATIENCE_MS	1000

/* ---- failures ---------------------------------------------------------- */

static void __attribute__((format(printf, 3, 0)))
complain(struct wl_cli *cli, const char *word, const char *fmt, va_list ap)
{
	char text[2048], *p;

	vsnprintf(text, sizeof(text), fmt, ap);
	/* one line, and nothing that a terminal would obey */
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	while (p > text && p[-1] == ' ')
		*--p = '\0';
	/* what came before it is seen before it */
	fflush(stdout);
	fprintf(stderr, "%s: %s%s\n", cli->program->name, word, text);
}

int
wl_cli_misuse(struct wl_cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(cli, "", fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n%s", cli->command->help);
	return WL_EXIT_MISUSE;
}

int
wl_cli_failf(struct wl_cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(cli, "", fmt, ap);
	va_end(ap);
	return WL_EXIT_FAILED;
}

void
wl_cli_warn(struct wl_cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(cli, "warning: ", fmt, ap);
	va_end(ap);
}

/*
 * What to do, by how E's detail begins.
 */
static const char *
advice(const struct wl_err *e)
{
	static const struct {
		const char	*detail, *text;
	} table[] = {
		{ "connecting to the database",
		    "; look at owner_database_url and database_url" },
		{ "database: 42501", "; the login of owner_database_url must "
		    "own the database" },
		{ "database: 42P01", "; run \"watchllm migrate\"" },
		{ "redis:", "; look at redis in the configuration" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strncmp(e->detail, table[i].detail,
		    strlen(table[i].detail)) == 0)
			return table[i].text;
	return "";
}

int
wl_cli_fail(struct wl_cli *cli, const struct wl_err *e)
{
	/* a text that is meant for callers of the gate tells nothing here */
	bool general = strcmp(e->msg, wl_err_row(e->code)->text) == 0;

	if (e->detail[0] == '\0' || e->code == WL_E_NOT_FOUND)
		return wl_cli_failf(cli, "%s", e->msg);
	if (general)
		return wl_cli_failf(cli, "%s%s", e->detail, advice(e));
	return wl_cli_failf(cli, "%s (%s)%s", e->msg, e->detail, advice(e));
}

/* ---- arguments --------------------------------------------------------- */

int
wl_cli_sub(struct wl_cli *cli, const struct wl_cli_sub *subs, int argc,
    char **argv)
{
	const struct wl_cli_sub *s;

	if (argc < 2)
		return wl_cli_misuse(cli, "%s what?", cli->command->name);
	for (s = subs; s->name != NULL; s++)
		if (strcmp(s->name, argv[1]) == 0)
			return s->fn(cli, argc - 1, argv + 1);
	return wl_cli_misuse(cli, "%s %s: no such command",
	    cli->command->name, argv[1]);
}

static bool
one_of(const char *words, const char *s)
{
	struct wl_str rest = wl_str_of(words);

	while (rest.p != NULL)
		if (wl_str_eq(wl_str_cut(&rest, '|'), s))
			return true;
	return false;
}

static int
take_value(struct wl_cli *cli, const struct wl_cli_opt *o, const char *v)
{
	bool limit = o->type == WL_ARG_LIMIT;

	switch (o->type) {
	case WL_ARG_FLAG:
		*(bool *)o->to = true;
		return 0;
	case WL_ARG_INT:
	case WL_ARG_LIMIT:
		if (limit && strcmp(v, "none") == 0) {
			*(int64_t *)o->to = WL_CLI_NONE;
			return 0;
		}
		if (wl_num_parse(v, strlen(v), o->min, o->max,
		    (int64_t *)o->to) == 0)
			return 0;
		wl_cli_misuse(cli, "--%s %s: a number from %lld to %lld%s is "
		    "wanted", o->name, v, (long long)o->min,
		    (long long)o->max, limit ? ", or none," : "");
		return -1;
	case WL_ARG_USD:
		if (strcmp(v, "none") == 0) {
			*(int64_t *)o->to = WL_CLI_NONE;
			return 0;
		}
		if (wl_money_parse(v, strlen(v), 1000000000,
		    (int64_t *)o->to) == 0 && *(int64_t *)o->to >= o->min &&
		    *(int64_t *)o->to <= o->max)
			return 0;
		wl_cli_misuse(cli, "--%s %s: an amount in USD such as 2.50, at "
		    "most %lld, or none, is wanted", o->name, v,
		    (long long)(o->max / 1000000000));
		return -1;
	case WL_ARG_TEXT:
		*(const char **)o->to = v;
		if (v[0] != '\0')
			return 0;
		wl_cli_misuse(cli, "--%s: empty", o->name);
		return -1;
	case WL_ARG_WORD:
		*(const char **)o->to = v;
		if (one_of(o->words, v))
			return 0;
		wl_cli_misuse(cli, "--%s %s: one of %s is wanted", o->name, v,
		    o->words);
		return -1;
	}
	return -1;
}

int
wl_cli_number(struct wl_cli *cli, const char *name, const char *v,
    int64_t min, int64_t max, int64_t *out)
{
	if (wl_num_parse(v, strlen(v), min, max, out) == 0)
		return 0;
	wl_cli_misuse(cli, "%s %s: a number from %lld to %lld is wanted", name,
	    v, (long long)min, (long long)max);
	return -1;
}

static const struct wl_cli_opt *
find_option(const struct wl_cli_opt *opts, struct wl_str name)
{
	for (; opts != NULL && opts->name != NULL; opts++)
		if (wl_str_eq(name, opts->name))
			return opts;
	return NULL;
}

/*
 * The option at argv[0].  Returns how many arguments it took, or -1.
 */
static int
take_option(struct wl_cli *cli, char **argv, const struct wl_cli_opt *opts)
{
	struct wl_str value = wl_str_of(argv[0] + 2);
	struct wl_str name = wl_str_cut(&value, '=');
	const struct wl_cli_opt *o = find_option(opts, name);
	bool flag;

	if (o == NULL && wl_str_eq(name, "json") && value.p == NULL) {
		cli->out.json = true;
		return 1;
	}
	if (o == NULL) {
		wl_cli_misuse(cli, "unknown option --%.*s", (int)name.len,
		    name.p);
		return -1;
	}
	flag = o->type == WL_ARG_FLAG;
	if (flag ? value.p != NULL : value.p == NULL && argv[1] == NULL) {
		wl_cli_misuse(cli, "--%s takes %s value", o->name,
		    flag ? "no" : "a");
		return -1;
	}
	if (take_value(cli, o, flag ? NULL :
	    value.p != NULL ? value.p : argv[1]) == -1)
		return -1;
	return flag || value.p != NULL ? 1 : 2;
}

int
wl_cli_args(struct wl_cli *cli, int argc, char **argv,
    const struct wl_cli_opt *opts, int min, int max)
{
	int i = 1, n = 0, took;
	bool only = false;	/* operands from here on */

	while (i < argc) {
		if (only || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[++n] = argv[i++];
		} else if (strcmp(argv[i], "--") == 0) {
			only = true;
			i++;
		} else if (argv[i][1] != '-') {
			wl_cli_misuse(cli, "unknown option %s", argv[i]);
			return -1;
		} else {
			took = take_option(cli, &argv[i], opts);
			if (took == -1)
				return -1;
			i += took;
		}
	}
	if (n >= min && n <= max)
		return n;
	wl_cli_misuse(cli, n < min ? "%s: something is missing" :
	    "%s: too many arguments", argv[0]);
	return -1;
}

/* ---- configuration and stores ------------------------------------------ */

int
wl_cli_conf(struct wl_cli *cli, struct wl_err *e)
{
	if (cli->conf != NULL)
		return 0;
	if (wl_program_load(cli->program, &cli->loaded, e) == -1)
		return -1;
	cli->conf = &cli->loaded;
	return 0;
}

int
wl_cli_stores(struct wl_cli *cli, struct wl_err *e)
{
	if (cli->stores)
		return 0;
	/* nobody waits for an answer as a caller of the gate does */
	if (cli->conf->redis_timeout < REDIS_PATIENCE_MS)
		cli->conf->redis_timeout = REDIS_PATIENCE_MS;
	if (wl_pg_open(cli->conf, e) == -1)
		return -1;
	if (wl_redis_open(cli->conf, e) == -1) {
		wl_pg_close();
		return -1;
	}
	cli->stores = true;
	return 0;
}

/*
 * Behind sudo, who called it.
 */
static const char *
user_name(void)
{
	const char *name = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *p;

	if (name != NULL && name[0] != '\0')
		return name;
	p = getpwuid(getuid());
	return p != NULL ? p->pw_name : NULL;
}

int
wl_cli_owner(struct wl_cli *cli, struct wl_err *e)
{
	if (wl_cli_stores(cli, e) == -1)
		return -1;
	return wl_admin_owner(cli->arena, e);
}

int
wl_cli_admin(struct wl_cli *cli, struct wl_admin *ad, struct wl_err *e)
{
	const char *name = user_name();
	char *actor = name != NULL ?
	    wl_arena_printf(cli->arena, "cli:%s", name) :
	    wl_arena_printf(cli->arena, "cli:%ld", (long)getuid());

	memset(ad, 0, sizeof(*ad));
	if (actor == NULL)
		return wl_err_set(e, WL_E_INTERNAL, NULL);
	ad->a = cli->arena;
	ad->conf = cli->conf;
	ad->actor = actor;
	return wl_cli_owner(cli, e);
}

void
wl_cli_told(struct wl_cli *cli, const struct wl_admin *ad)
{
	if (ad->untold)
		wl_cli_warn(cli, "Redis cannot be reached: what changed is "
		    "stored, and workers learn of it within a minute");
}

void
wl_cli_done(struct wl_cli *cli, const char *id, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (cli->out.json) {
		wl_out_obj(&cli->out, NULL);
		wl_out_str(&cli->out, "id", id);
		wl_out_obj_end(&cli->out);
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wl_out_say(&cli->out, "%s", text);
}

const char *
wl_cli_or_none(const char *s)
{
	return s != NULL && strcmp(s, "none") == 0 ? "" : s;
}

void
wl_cli_table(struct wl_cli *cli, const char *key,
    const struct wl_out_col *cols, int n, const struct wl_rows *rows)
{
	const char *cells[WL_OUT_COLUMNS];
	int i, k;

	wl_out_table(&cli->out, key, cols, n);
	for (i = 0; i < wl_rows_count(rows); i++) {
		for (k = 0; k < n; k++)
			cells[k] = wl_rows_get(rows, i, k);
		wl_out_row(&cli->out, cells);
	}
	wl_out_table_end(&cli->out);
}

int
wl_cli_flush(struct wl_cli *cli)
{
	if (wl_out_flush(&cli->out, stdout) == 0)
		return WL_EXIT_OK;
	return wl_cli_failf(cli, "standard output: %s", strerror(errno));
}
