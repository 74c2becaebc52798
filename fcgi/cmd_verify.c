/*
 * watchllm verify: four checks of a running server with a real key.  What is
 * right is decided by lib/core/promise.h; here is the order of the calls.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "fcgi/key_arg.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/co.h"
#include "lib/base/json.h"
#include "lib/base/loop.h"
#include "lib/base/rand.h"
#include "lib/base/wait.h"
#include "lib/core/promise.h"
#include "lib/http/client.h"

/* Plans with more calls a minute than this are filled with --burst only. */
#define BOUND		10
#define BURST_MAX	20000
/* Calls that are made one after another, to see REMAINING go down. */
#define STEPS		4
#define PARALLEL	16
/* Seconds of a minute that must be left to begin in it. */
#define ROOM		25
#define WAIT_MS		(150 * 1000)
#define LOOK_MS		2000
#define TRIES		3
#define TEXT_MAX	2048

const char wl_cmd_verify_help[] =
    "Usage: watchllm verify URL KEY [--model MODEL] [--burst]\n"
    "           [--ca-file FILE | --insecure] [--json]\n"
    "       watchllm verify URL --key-file FILE ...\n"
    "Check a running server from outside, with a key of a project: that a\n"
    "request is answered, that each call leaves one less, that the call after\n"
    "the last of a minute is refused as promised, and that the headers are\n"
    "right.  The status is 0 only when all four are.  It makes as many calls\n"
    "as a minute of the plan has, and one; they count.\n"
    "\n"
    "      --model MODEL    what to ask (gpt-4o-mini)\n"
    "      --key-file FILE  the key is in there; KEY \"-\": on standard input\n"
    "      --burst          fill the minute of a plan with more than 10 calls\n"
    "                       too; those after the first four carry a body that\n"
    "                       is refused, so they reach no provider\n"
    "      --ca-file FILE   trust these certificates\n"
    "      --insecure       trust any certificate\n";

enum check { REQUEST, REMAINING, LIMIT, HEADERS, CHECK_MAX };
static const char *const names[] = {
	[REQUEST] = "request",
	[REMAINING] = "remaining",
	[LIMIT] = "limit",
	[HEADERS] = "headers",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == CHECK_MAX,
    "a name for every check");

enum state { PASSED, FAILED, SKIPPED };
static const char *const states[] = {
	[PASSED] = "ok",
	[FAILED] = "fail",
	[SKIPPED] = "skipped",
};

struct verify {
	struct wl_cli		*cli;
	struct wl_arena		*a;
	struct wl_site		 site;
	const char		*key, *model;
	bool			 burst;
	struct wl_promise_usage	 before;	/* the first call */
	int64_t			 limit;		/* calls of the minute */
	int64_t			 reset;		/* of the minute begun in */
	int64_t			 began;		/* monotonic ms */
	struct wl_site_seen	 step[STEPS];
	struct wl_promise_usage	 after_step[STEPS];
	int			 steps;
	struct wl_site_seen	 refused;
	struct wl_promise_usage	 after_refused;
	bool			 filled;	/* REFUSED was asked for */
	enum state		 state[CHECK_MAX];
	char			 text[CHECK_MAX][TEXT_MAX];
};

static void __attribute__((format(printf, 4, 5)))
result(struct verify *v, enum check c, enum state s, const char *fmt, ...)
{
	va_list ap;

	v->state[c] = s;
	va_start(ap, fmt);
	vsnprintf(v->text[c], TEXT_MAX, fmt, ap);
	va_end(ap);
}

/* ---- asking ---------------------------------------------------------- */

/*
 * What came instead of an answer, in words.
 */
static const char *
told(struct verify *v, const struct wl_site_seen *s)
{
	const char *code = wl_site_code(v->a, s), *text;

	text = code != NULL ? wl_arena_printf(v->a, "%d %s", s->status, code) :
	    wl_arena_printf(v->a, "%d, not by WatchLLM", s->status);
	return text != NULL ? text : "";
}

static int
usage(struct verify *v, struct wl_promise_usage *u, struct wl_site_seen *s,
    struct wl_err *e)
{
	const struct wl_site_ask ask = { .path = "/v1/usage", .key = v->key };
	const char *code;

	if (wl_site_fetch(v->a, &v->site, &ask, s, e) == -1)
		return -1;
	if (s->status == 200 && wl_promise_read(v->a, s->body, u) == 0)
		return 0;
	code = wl_site_code(v->a, s);
	return wl_err_set(e, WL_E_INTERNAL, "GET /v1/usage: %s%s", told(v, s),
	    code != NULL && strcmp(code, "missing_api_key") == 0 ?
	    "; the web server keeps Authorization back, \"watchllm doctor "
	    "--url URL\" tells what to do" : "");
}

/*
 * A question that no cache knows yet.
 */
static const char *
question(struct verify *v)
{
	char nonce[13];
	struct wl_buf b;
	const char *text;
	struct wl_jw w;

	wl_rand_base62(nonce, sizeof(nonce) - 1);
	wl_buf_init(&b, 4096);
	wl_jw_init(&w, &b);
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "model", v->model);
	wl_jw_arr(&w, "messages");
	wl_jw_obj(&w, NULL);
	wl_jw_str(&w, "role", "user");
	wl_jw_str(&w, "content", wl_arena_printf(v->a,
	    "Answer with the one word ok. (%s)", nonce));
	wl_jw_end(&w, '}');
	wl_jw_end(&w, ']');
	wl_jw_end(&w, '}');
	text = b.failed ? NULL : wl_arena_dup(v->a, b.p, b.len);
	wl_buf_free(&b);
	return text;
}

static int
call(struct verify *v, const char *body, struct wl_site_seen *s,
    struct wl_err *e)
{
	const struct wl_site_ask ask = { .path = "/v1/chat/completions",
	    .key = v->key, .body = body, .body_len = body == NULL ? 0 :
	    strlen(body) };

	if (body == NULL)
		return wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
	return wl_site_fetch(v->a, &v->site, &ask, s, e);
}

/* ---- a fresh minute --------------------------------------------------- */

/*
 * Seconds until the minute ends, by the server's own clock.
 */
static int64_t
seconds_left(const struct wl_promise_limit *l, const struct wl_site_seen *s)
{
	int64_t now = wl_site_date(s->header[WL_SH_DATE]);

	return l->reset - (now == -1 ? wl_clock_ms() : now) / 1000;
}

static void
say(struct verify *v, const struct wl_promise_limit *l, int64_t left)
{
	fprintf(stderr, "%s: waiting %s%" PRId64 " s for a minute in which "
	    "nothing is used\n", v->cli->program->name,
	    l->sliding ? "up to " : "", l->sliding ? 60 : left);
}

/*
 * Wait until nothing is used of the minute, and enough of it is left.
 */
static int
begin(struct verify *v, bool again, struct wl_err *e)
{
	int64_t deadline = wl_mono() + WAIT_MS, left;
	const struct wl_promise_limit *l;
	struct wl_site_seen s;
	bool said = false;

	for (;;) {
		if (usage(v, &v->before, &s, e) == -1)
			return -1;
		if ((l = wl_promise_minute(&v->before)) == NULL)
			return 0;
		v->limit = l->limit;
		v->reset = l->reset;
		left = seconds_left(l, &s);
		if (l->used == 0 && (l->sliding || left >= ROOM) && !again)
			return 0;
		again = false;
		if (wl_mono() >= deadline)
			return wl_err_set(e, WL_E_INTERNAL, "somebody else "
			    "calls with this project all the time");
		if (left < 1 || left > 60)
			left = 1;
		if (!said)
			say(v, l, left);
		said = true;
		if (wl_sleep(l->sliding ? LOOK_MS : left * 1000) == -1)
			return wl_err_set(e, WL_E_CLIENT_CLOSED, NULL);
	}
}

/*
 * Whether the minute that was begun in is over, so that what was seen since
 * proves nothing.
 */
static bool
minute_over(const struct verify *v, const struct wl_site_seen *s)
{
	const struct wl_promise_limit *l = wl_promise_minute(&v->before);

	if (l->sliding)
		return wl_mono() - v->began >= 60000;
	return wl_promise_number(s, WL_SH_X_RATELIMIT_RESET) > v->reset;
}

/* ---- the calls -------------------------------------------------------- */

struct fill {
	struct verify	*v;
	struct wl_co	*waiter;
	int64_t		 todo;
	int		 running;
	int64_t		 refused;	/* too early */
	struct wl_err	 err;
};

static void
filler(void *arg)
{
	struct fill *f = arg;
	struct wl_site_seen s;

	while (f->todo-- > 0 && f->err.code == WL_OK) {
		if (call(f->v, f->v->limit > BOUND ? "{}" : question(f->v),
		    &s, &f->err) == -1)
			break;
		if (s.status == 429)
			f->refused++;
	}
	f->running--;
	wl_wake(f->waiter);
}

/*
 * Use up what is left of the minute but the calls of the steps.
 */
static int
fill(struct verify *v, int64_t *refused, struct wl_err *e)
{
	struct fill f = { .v = v, .waiter = wl_co_self(),
	    .todo = v->limit - v->steps };
	int64_t n = PARALLEL;

	if (v->before.concurrent > 0 && v->before.concurrent < n)
		n = v->before.concurrent;
	while (n-- > 0 && f.running < f.todo)
		if (wl_co_spawn("verify", filler, &f) != NULL)
			f.running++;
	while (f.running > 0)
		if (wl_wait(-1, WL_WOKEN, INT64_MAX) == -1)
			wl_co_yield();
	*refused = f.refused;
	*e = f.err;
	return f.err.code == WL_OK ? 0 : -1;
}

/*
 * One minute: a few calls to look at, the rest of the plan's, and one too
 * many.  1: the minute ended before that.
 */
static int
one_minute(struct verify *v, bool whole, int64_t *early, struct wl_err *e)
{
	struct wl_site_seen s;
	int i;

	v->began = wl_mono();
	for (i = 0; i < STEPS && i < v->limit; i++) {
		if (call(v, question(v), &v->step[i], e) == -1 ||
		    usage(v, &v->after_step[i], &s, e) == -1)
			return -1;
		v->steps = i + 1;
		if (minute_over(v, &v->step[i]))
			return 1;
	}
	if (!whole)
		return 0;
	if (fill(v, early, e) == -1 ||
	    call(v, question(v), &v->refused, e) == -1 ||
	    usage(v, &v->after_refused, &s, e) == -1)
		return -1;
	v->filled = true;
	return minute_over(v, &v->refused);
}

/* ---- judging ----------------------------------------------------------- */

static void
judge_request(struct verify *v)
{
	const struct wl_site_seen *s = &v->step[0];
	const char *provider = s->header[WL_SH_X_WATCHLLM_PROVIDER];
	struct json_object *o, *choices;

	if (v->steps == 0) {
		result(v, REQUEST, FAILED, "the plan allows no call");
		return;
	}
	if (s->status != 200) {
		result(v, REQUEST, FAILED, "POST /v1/chat/completions: %s",
		    told(v, s));
		return;
	}
	o = wl_json_parse(v->a, s->body.p, s->body.len, NULL);
	choices = wl_json_arr(o, "choices");
	if (choices == NULL || json_object_array_length(choices) == 0) {
		result(v, REQUEST, FAILED, "200, but no answer in it");
		return;
	}
	result(v, REQUEST, PASSED, "%s answers in %" PRId64 " ms, from %s",
	    v->model, s->us / 1000, provider != NULL ? provider : "?");
}

static void
judge_remaining(struct verify *v)
{
	int64_t last = wl_promise_minute(&v->before)->remaining, n;
	struct wl_buf seen;
	bool down = v->steps > 0;
	int i;

	wl_buf_init(&seen, 0);
	wl_buf_printf(&seen, "%" PRId64, last);
	for (i = 0; i < v->steps; i++) {
		n = wl_promise_number(&v->step[i],
		    WL_SH_X_RATELIMIT_REMAINING);
		wl_buf_printf(&seen, ", %" PRId64, n);
		down = down && n >= 0 && n < last;
		last = n;
	}
	result(v, REMAINING, down ? PASSED : FAILED, "%s of %" PRId64
	    " a minute%s", seen.failed ? "" : seen.p, v->limit, down ? "" :
	    ": it must go down with each call");
	wl_buf_free(&seen);
}

static void
judge_limit(struct verify *v, int64_t early)
{
	struct wl_buf wrong;

	if (!v->filled) {
		result(v, LIMIT, SKIPPED, "the plan %s allows %" PRId64
		    " calls a minute: run again with --burst to make %" PRId64,
		    v->before.plan, v->limit, v->limit + 1);
		return;
	}
	wl_buf_init(&wrong, TEXT_MAX);
	if (early > 0)
		wl_buf_printf(&wrong, "%" PRId64 " of the first %" PRId64
		    " calls refused", early, v->limit);
	if (v->refused.status == 200)
		wl_buf_printf(&wrong, "%scall %" PRId64 " of the minute is "
		    "answered", wrong.len > 0 ? "; " : "", v->limit + 1);
	else
		wl_promise_refusal(v->a, &wrong, &v->refused, &v->before);
	if (wrong.len > 0)
		result(v, LIMIT, FAILED, "%s", wrong.p);
	else
		result(v, LIMIT, PASSED, "call %" PRId64 " of a%s minute is "
		    "refused, to come back in %s s", v->limit + 1,
		    wl_promise_minute(&v->before)->sliding ? " sliding" : "",
		    v->refused.header[WL_SH_RETRY_AFTER] != NULL ?
		    v->refused.header[WL_SH_RETRY_AFTER] : "?");
	wl_buf_free(&wrong);
}

static void
part(struct wl_buf *all, const char *where, const struct wl_buf *wrong)
{
	if (wrong->len > 0)
		wl_buf_printf(all, "%son the %s: %s", all->len > 0 ? ". " : "",
		    where, wrong->p);
}

static void
judge_headers(struct verify *v)
{
	int last = v->steps > 0 ? v->steps - 1 : 0;
	const struct wl_site_seen *s = &v->step[last];
	const struct wl_promise_usage *u = &v->after_step[last];
	struct wl_buf all, wrong;

	wl_buf_init(&all, 0);
	wl_buf_init(&wrong, 0);
	if (v->steps > 0) {
		wl_promise_headers(&wrong, s, u);
		wl_promise_agrees(&wrong, s, u);
		if (s->status == 200)
			wl_promise_answer(&wrong, s);
		part(&all, s->status == 200 ? "answer" : "error", &wrong);
	}
	wl_buf_reset(&wrong);
	if (v->filled) {
		wl_promise_headers(&wrong, &v->refused, &v->after_refused);
		wl_promise_agrees(&wrong, &v->refused, &v->after_refused);
		wl_promise_refusal_headers(&wrong, &v->refused);
		part(&all, "refusal", &wrong);
	}
	if (all.len > 0)
		result(v, HEADERS, FAILED, "%s", all.p);
	else if (v->steps == 0 || s->status != 200)
		result(v, HEADERS, FAILED, "right, but no 200 was seen");
	else if (!v->filled)
		result(v, HEADERS, SKIPPED, "right on the answer; no refusal "
		    "was seen");
	else
		result(v, HEADERS, PASSED, "all there on answer and refusal, "
		    "and as GET /v1/usage says");
	wl_buf_free(&all);
	wl_buf_free(&wrong);
}

/* ---- the command -------------------------------------------------------- */

static int
print(struct verify *v)
{
	static const struct wl_out_col cols[] = {
		{ "check", WL_OUT_STR }, { "state", WL_OUT_STR },
		{ "text", WL_OUT_STR }
	};
	struct wl_out *o = &v->cli->out;
	bool ok = true;
	int i;

	for (i = 0; i < CHECK_MAX; i++)
		ok = ok && v->state[i] == PASSED;
	if (o->json) {
		wl_out_obj(o, NULL);
		wl_out_str(o, "url", v->site.base);
		wl_out_str(o, "plan", v->before.plan);
		wl_out_int(o, "limit", v->limit);
		wl_out_bool(o, "ok", ok);
	}
	wl_out_table(o, o->json ? "checks" : NULL, cols, 3);
	for (i = 0; i < CHECK_MAX; i++) {
		const char *row[] = { names[i], states[v->state[i]],
		    v->text[i] };

		wl_out_row(o, row);
	}
	wl_out_table_end(o);
	if (o->json)
		wl_out_obj_end(o);
	if (wl_cli_flush(v->cli) != WL_EXIT_OK)
		return WL_EXIT_FAILED;
	return ok ? WL_EXIT_OK : WL_EXIT_FAILED;
}

static int
verify(struct verify *v, struct wl_err *e)
{
	int64_t early = 0;
	int tries = 0, over = 1;
	bool whole;

	while (over == 1) {
		if (tries++ == TRIES)
			return wl_err_set(e, WL_E_INTERNAL, "the calls of one "
			    "minute take longer than a minute");
		v->steps = 0;
		v->filled = false;
		if (begin(v, tries > 1, e) == -1)
			return -1;
		if (wl_promise_minute(&v->before) == NULL)
			return wl_err_set(e, WL_E_INTERNAL, "the plan %s has "
			    "no limit by the minute: there is nothing to "
			    "check", v->before.plan);
		whole = v->limit <= BOUND ||
		    (v->burst && v->limit <= BURST_MAX);
		over = one_minute(v, whole, &early, e);
		if (over == -1)
			return -1;
	}
	judge_request(v);
	judge_remaining(v);
	judge_limit(v, early);
	judge_headers(v);
	return 0;
}

int
wl_cmd_verify(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_key_arg key = { 0 };
	struct verify *v;
	const char *model = "gpt-4o-mini";
	bool burst = false, insecure = false;
	const char *ca_file = NULL;
	const struct wl_cli_opt opts[] = {
		{ "burst", WL_ARG_FLAG, &burst, 0, 0, NULL },
		{ "ca-file", WL_ARG_TEXT, &ca_file, 0, 0, NULL },
		{ "insecure", WL_ARG_FLAG, &insecure, 0, 0, NULL },
		{ "key-file", WL_ARG_TEXT, &key.file, 0, 0, NULL },
		{ "model", WL_ARG_TEXT, &model, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	int n, status;

	if ((n = wl_cli_args(cli, argc, argv, opts, 1, 2)) == -1)
		return WL_EXIT_MISUSE;
	key.word = n > 1 ? argv[2] : NULL;
	if ((key.word == NULL) == (key.file == NULL))
		return wl_cli_misuse(cli, "one of KEY and --key-file is "
		    "wanted");
	if ((v = wl_arena_alloc(cli->arena, sizeof(*v))) == NULL)
		return wl_cli_failf(cli, "out of memory");
	*v = (struct verify){ .cli = cli, .a = cli->arena, .model = model,
	    .burst = burst, .site.insecure = insecure };
	if (wl_site_parse(v->a, argv[1], &v->site, &e) == -1 ||
	    wl_key_arg_read(cli->arena, &key, &e) == -1 ||
	    wl_site_open(ca_file, &e) == -1)
		return wl_cli_fail(cli, &e);
	v->key = key.value;
	status = verify(v, &e) == -1 ? wl_cli_fail(cli, &e) : print(v);
	wl_site_close();
	return status;
}
