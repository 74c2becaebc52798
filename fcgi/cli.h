/*
 * What the commands of the operator's command line share: how they are
 * listed, how they read their arguments, how they fail.
 *
 * A command is cmd_NAME.c, a pair of declarations in fcgi/cmd.h and a row in
 * fcgi/watchllm.c.  It reads its arguments, asks lib/, prints through OUT.
 */
#ifndef WL_FCGI_CLI_H
#define WL_FCGI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/out.h"
#include "fcgi/program.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"

struct wl_admin;
struct wl_arena;
struct wl_command;
struct wl_rows;

/*
 * What the program exits with, and what a command returns.
 */
enum wl_exit { WL_EXIT_OK, WL_EXIT_FAILED, WL_EXIT_MISUSE };

/*
 * One run of the program.
 */
struct wl_cli {
	const struct wl_program	*program;	/* --config, --set */
	const struct wl_command	*command;
	struct wl_conf		*conf;	/* NULL until loaded */
	struct wl_arena		*arena;
	struct wl_out		 out;	/* standard output */
	struct wl_conf		 loaded;
	bool			 stores;	/* are open */
};

/*
 * FN runs as a coroutine inside wl_run(), with an arena; argv[0] is the name.
 * What it printed is written when it returned WL_EXIT_OK, or by itself with
 * wl_cli_flush().
 */
struct wl_command {
	const char	*name;
	const char	*synopsis;	/* for the list of commands */
	const char	*help;		/* all of "watchllm help NAME" */
	bool		 no_conf;	/* the configuration is not loaded first */
	int		(*fn)(struct wl_cli *cli, int argc, char **argv);
};

/*
 * "project create": subcommands of a command, ended by a NULL name.
 */
struct wl_cli_sub {
	const char	*name;
	int		(*fn)(struct wl_cli *cli, int argc, char **argv);
};
int wl_cli_sub(struct wl_cli *cli, const struct wl_cli_sub *subs, int argc,
    char **argv) __attribute__((warn_unused_result));

/*
 * An option "--NAME", "--NAME VALUE" or "--NAME=VALUE".  TO is what its type
 * says and keeps its value when the option is not given.
 */
enum wl_cli_type {
	WL_ARG_FLAG,	/* bool: becomes true */
	WL_ARG_INT,	/* int64_t within MIN..MAX */
	WL_ARG_LIMIT,	/* the same, or "none": WL_CLI_NONE */
	WL_ARG_TEXT,	/* const char *: not empty */
	WL_ARG_USD,	/* int64_t: nano-dollars of "2.50", or "none" */
	WL_ARG_WORD	/* const char *: one of WORDS, "a|b" */
};
#define WL_CLI_UNSET	INT64_MIN	/* to begin a number with */
#define WL_CLI_NONE	(INT64_MIN + 1)
struct wl_cli_opt {
	const char		*name;
	enum wl_cli_type	 type;
	void			*to;
	int64_t			 min, max;	/* of numbers */
	const char		*words;
};

/*
 * Read the options of ARGV, which may stand among the operands ("--" ends
 * them); OPTS ends with a NULL name, NULL: none.  "--json" is always one.
 * Operands are moved to argv[1] and on.  Returns how many there are, MIN to
 * MAX; or -1 after wl_cli_misuse(): return WL_EXIT_MISUSE.
 */
int wl_cli_args(struct wl_cli *cli, int argc, char **argv,
    const struct wl_cli_opt *opts, int min, int max)
    __attribute__((warn_unused_result));

/*
 * An operand that is a number within MIN..MAX; NAME is for the message.
 * Returns 0, or -1 after wl_cli_misuse().
 */
int wl_cli_number(struct wl_cli *cli, const char *name, const char *v,
    int64_t min, int64_t max, int64_t *out) __attribute__((warn_unused_result));

/*
 * Say what is wrong with the arguments, and the help of the command, on
 * standard error.  Returns WL_EXIT_MISUSE.
 */
int wl_cli_misuse(struct wl_cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Say on standard error what failed: *E with its detail; a sentence.  Return
 * WL_EXIT_FAILED.  A warning only says it.
 */
int wl_cli_fail(struct wl_cli *cli, const struct wl_err *e);
int wl_cli_failf(struct wl_cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void wl_cli_warn(struct wl_cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Load the configuration into cli->conf: for rows with NO_CONF.  Returns 0,
 * or -1 with *E.
 */
int wl_cli_conf(struct wl_cli *cli, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Open wl_pg and wl_redis, once; nothing is connected yet.  They are closed
 * when the command has returned.  Returns 0, or -1 with *E.
 */
int wl_cli_stores(struct wl_cli *cli, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The same, and make sure that role owner is one and that its schema is the
 * one that this program knows.
 */
int wl_cli_owner(struct wl_cli *cli, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * The same, and *AD for the changes of lib/core/admin.h: they are made by
 * "cli:" and the name of who runs the program.  wl_cli_told() warns when
 * workers could not be told of one.
 */
int wl_cli_admin(struct wl_cli *cli, struct wl_admin *ad, struct wl_err *e)
    __attribute__((warn_unused_result));
void wl_cli_told(struct wl_cli *cli, const struct wl_admin *ad);

/*
 * What a change without a result of its own prints: {"id": ID} in JSON, a
 * sentence for people.
 */
void wl_cli_done(struct wl_cli *cli, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * S, but "" for "none".
 */
const char *wl_cli_or_none(const char *s);

/*
 * Print ROWS, whose first N columns are COLS, as a table under KEY.
 */
void wl_cli_table(struct wl_cli *cli, const char *key,
    const struct wl_out_col *cols, int n, const struct wl_rows *rows);

/*
 * Write what was printed until now.  Returns WL_EXIT_OK, or WL_EXIT_FAILED
 * after saying why.
 */
int wl_cli_flush(struct wl_cli *cli) __attribute__((warn_unused_result));

#endif
