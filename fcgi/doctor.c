/*
 * The list of what was found, and how it is shown.
 */
#include "config.h"
#include "fcgi/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "fcgi/cli.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"

#define TEXT_MAX	1024

static const char *const grades[] = {
	[WL_GRADE_OK] = "ok",
	[WL_GRADE_WARN] = "warn",
	[WL_GRADE_FAIL] = "fail",
	[WL_GRADE_SKIP] = "skipped",
};
_Static_assert(sizeof(grades) / sizeof(grades[0]) == WL_GRADE_MAX,
    "a word for every grade");

/*
 * libpq tells its reasons on several lines.
 */
static const char *
one_line(char *s)
{
	size_t i, n = 0;
	bool space = false;

	for (i = 0; s[i] != '\0'; i++) {
		if ((unsigned char)s[i] <= ' ') {
			space = n > 0;
			continue;
		}
		if (space)
			s[n++] = ' ';
		space = false;
		s[n++] = s[i];
	}
	s[n] = '\0';
	return s;
}

/*
 * In the arena; short memory gives an empty one.
 */
static char *__attribute__((format(printf, 2, 0)))
vtext(struct wl_doctor *d, const char *fmt, va_list ap)
{
	static char none[1];
	char text[TEXT_MAX], *copy;

	vsnprintf(text, sizeof(text), fmt, ap);
	copy = wl_arena_strdup(d->a, text);
	return copy != NULL ? copy : none;
}

const char *
wl_doctor_text(struct wl_doctor *d, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = vtext(d, fmt, ap);
	va_end(ap);
	return text;
}

const char *
wl_doctor_why(const struct wl_err *e)
{
	return e->detail[0] != '\0' ? e->detail : e->msg;
}

void
wl_doctor_add(struct wl_doctor *d, const char *area, const char *check,
    enum wl_grade grade, const char *advice, const char *fmt, ...)
{
	struct wl_finding *f;
	va_list ap;

	if (d->n == WL_FINDINGS_MAX)
		return;
	f = &d->findings[d->n++];
	*f = (struct wl_finding){ .area = area, .check = check,
	    .grade = grade, .advice = advice };
	va_start(ap, fmt);
	f->text = one_line(vtext(d, fmt, ap));
	va_end(ap);
}

static int
count(const struct wl_doctor *d, enum wl_grade grade)
{
	int i, n = 0;

	for (i = 0; i < d->n; i++)
		n += d->findings[i].grade == grade;
	return n;
}

static void
rows(struct wl_doctor *d)
{
	static const struct wl_out_col cols[] = {
		{ "area", WL_OUT_STR }, { "check", WL_OUT_STR },
		{ "state", WL_OUT_STR }, { "text", WL_OUT_STR },
		{ "advice", WL_OUT_STR }
	};
	struct wl_out *o = &d->cli->out;
	int i;

	/* advice is long: people find it below */
	wl_out_table(o, o->json ? "checks" : NULL, cols, o->json ? 5 : 4);
	for (i = 0; i < d->n; i++) {
		const struct wl_finding *f = &d->findings[i];
		const char *row[] = { f->area, f->check, grades[f->grade],
		    f->text, f->advice };

		wl_out_row(o, row);
	}
	wl_out_table_end(o);
}

static void
to_do(struct wl_doctor *d)
{
	const struct wl_finding *f;
	int i;

	for (i = 0; i < d->n; i++) {
		f = &d->findings[i];
		if (f->advice != NULL)
			wl_out_say(&d->cli->out, "%s, %s: %s", f->area,
			    f->check, f->advice);
	}
}

int
wl_doctor_print(struct wl_doctor *d)
{
	struct wl_out *o = &d->cli->out;
	int fails = count(d, WL_GRADE_FAIL), warns = count(d, WL_GRADE_WARN);

	if (o->json) {
		wl_out_obj(o, NULL);
		wl_out_bool(o, "ok", fails == 0);
		wl_out_int(o, "fail", fails);
		wl_out_int(o, "warn", warns);
	}
	rows(d);
	if (o->json)
		wl_out_obj_end(o);
	to_do(d);
	wl_out_say(o, "%d checks: %d fail, %d warn, %d skipped.", d->n, fails,
	    warns, count(d, WL_GRADE_SKIP));
	if (wl_cli_flush(d->cli) != WL_EXIT_OK)
		return WL_EXIT_FAILED;
	return fails == 0 ? WL_EXIT_OK : WL_EXIT_FAILED;
}
