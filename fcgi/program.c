/*
 * What the programs have in common.
 */
#include "config.h"

#include "fcgi/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/core/retry.h"

void
wl_program_misuse(const struct wl_program *p)
{
	fputs(p->help, stderr);
	exit(2);
}

static void
add_setting(struct wl_program *p, const char *s)
{
	if (p->n == WL_PROGRAM_SETTINGS) {
		fprintf(stderr, "%s: more than %d settings\n", p->name,
		    WL_PROGRAM_SETTINGS);
		exit(2);
	}
	p->settings[p->n++] = s;
}

void
wl_program_option(struct wl_program *p, int c, const char *arg)
{
	switch (c) {
	case 'c':
		p->config = arg;
		return;
	case 's':
		add_setting(p, arg);
		return;
	case 'h':
		fputs(p->help, stdout);
		exit(0);
	case 'V':
		printf("%s %s\n", p->name, PACKAGE_VERSION);
		exit(0);
	default:
		wl_program_misuse(p);
	}
}

int
wl_program_load(const struct wl_program *p, struct wl_conf *c,
    struct wl_err *e)
{
	int i;

	if (wl_conf_load(c, p->config, e) == -1)
		return -1;
	for (i = 0; i < p->n; i++)
		if (wl_conf_set(c, p->settings[i], e) == -1) {
			wl_conf_free(c);
			return -1;
		}
	if (wl_retry_check(c->fallback_on, e) == -1) {
		wl_conf_free(c);
		return -1;
	}
	return 0;
}

int
wl_program_log(const struct wl_program *p, const struct wl_conf *c)
{
	if (wl_log_open(c->log_file,
	    (enum wl_level)wl_log_level(c->log_level), p->name) == 0)
		return 0;
	fprintf(stderr, "%s: cannot open %s: %s\n", p->name, c->log_file,
	    strerror(errno));
	return -1;
}

void
wl_program_harden(void)
{
	struct rlimit none = { 0, 0 }, files;

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}
