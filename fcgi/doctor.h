/*
 * watchllm doctor: findings, and those who look for them.
 */
#ifndef WL_FCGI_DOCTOR_H
#define WL_FCGI_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/core/webserver.h"
#include "lib/http/site.h"
#include "lib/store/pg.h"

struct wl_arena;
struct wl_cli;
struct wl_conf;
struct wl_err;

enum wl_grade {
	WL_GRADE_OK,
	WL_GRADE_WARN,		/* works now, and will not always */
	WL_GRADE_FAIL,
	WL_GRADE_SKIP,		/* could not be looked at; the text says why */
	WL_GRADE_MAX
};

struct wl_finding {
	const char	*area;		/* "postgresql" */
	const char	*check;		/* "schema" */
	enum wl_grade	 grade;
	const char	*text;		/* what was seen */
	const char	*advice;	/* what to do, or NULL */
};

#define WL_FINDINGS_MAX	128

struct wl_doctor {
	struct wl_cli		*cli;
	struct wl_arena		*a;
	const struct wl_conf	*conf;		/* NULL: cannot be read */
	int64_t			 redis_timeout;	/* as configured */
	bool			 db_up[WL_ROLE_MAX];
	bool			 db_schema;	/* is ours */
	bool			 db_owner;	/* role owner is the owner */
	/* through the web server */
	const char		*url;		/* NULL: not wanted */
	struct wl_site		 site;
	const char		*key;		/* of a project, or NULL */
	const char		*token;		/* of the operator, or NULL */
	enum wl_webserver	 web;
	bool			 web_fixed;	/* by --server */
	int64_t			 silence;	/* seconds to try, 0: none */
	struct wl_finding	 findings[WL_FINDINGS_MAX];
	int			 n;
};

/*
 * One more finding.  AREA, CHECK and ADVICE (or NULL) are literals or live in
 * the arena; the text is made.
 */
void wl_doctor_add(struct wl_doctor *d, const char *area, const char *check,
    enum wl_grade grade, const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/*
 * A text in the doctor's arena; "" when memory is out.
 */
const char *wl_doctor_text(struct wl_doctor *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What *E says, for an operator: its detail, else its message.
 */
const char *wl_doctor_why(const struct wl_err *e);

/*
 * Print what was found.  Returns WL_EXIT_OK, or WL_EXIT_FAILED when something
 * fails.
 */
int wl_doctor_print(struct wl_doctor *d);

/*
 * The areas.  Each looks at its own and adds what it finds.
 */
void wl_doctor_conf(struct wl_doctor *d);	/* the files */
void wl_doctor_db(struct wl_doctor *d);
void wl_doctor_redis(struct wl_doctor *d);
void wl_doctor_spool(struct wl_doctor *d);	/* after db; the consumer */
void wl_doctor_data(struct wl_doctor *d);	/* after db; providers, prices,
						   jobs */
void wl_doctor_web(struct wl_doctor *d);

#endif
