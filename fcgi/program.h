/*
 * What the programs have in common: the options --config, --set, --help and
 * --version, the configuration they lead to, and hardening.
 */
#ifndef WL_FCGI_PROGRAM_H
#define WL_FCGI_PROGRAM_H

#include <getopt.h>

struct wl_conf;
struct wl_err;

#define WL_PROGRAM_SETTINGS	64

/*
 * A program and the part of its command line that is kept for a reload.
 */
struct wl_program {
	const char	*name;		/* "watchllm-consumer" */
	const char	*help;		/* what --help prints */
	const char	*config;	/* --config, or NULL */
	const char	*settings[WL_PROGRAM_SETTINGS];	/* --set */
	int		 n;
};

/*
 * Rows for the program's own struct option table.
 */
#define WL_PROGRAM_OPTIONS \
	{ "config", required_argument, NULL, 'c' }, \
	{ "help", no_argument, NULL, 'h' }, \
	{ "set", required_argument, NULL, 's' }, \
	{ "version", no_argument, NULL, 'V' }

/*
 * Act on what getopt_long() returned: keeps ARG of 'c' and 's', prints and
 * exits with 0 for 'h' and 'V'; anything else is a wrong use, which ends the
 * program with 2.
 */
void wl_program_option(struct wl_program *p, int c, const char *arg);

/*
 * Print the help to standard error and exit with 2.
 */
void wl_program_misuse(const struct wl_program *p)
    __attribute__((noreturn));

/*
 * Fill *C: wl_conf_load(), then the settings of the command line.  Returns 0,
 * or -1 with *E; then *C needs no freeing.
 */
int wl_program_load(const struct wl_program *p, struct wl_conf *c,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Open the log as *C says.  Returns 0, or -1 after saying why on standard
 * error.
 */
int wl_program_log(const struct wl_program *p, const struct wl_conf *c)
    __attribute__((warn_unused_result));

/*
 * No core with keys in it, no new privileges, as many descriptors as allowed.
 */
void wl_program_harden(void);

#endif
