/*
 * PostgreSQL on the loop: values, transactions, deadlines, failures, and the
 * pool.
 */
#include "config.h"
#include "lib/base/loop.h"
#include "lib/base/wait.h"
#include "lib/store/pg.h"
#include "lib/store/resolve.h"
#include "tests/db/stores.h"
#include "tests/unit/tmp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_MS	3000

static struct wl_err e;

static struct wl_pg *
take(enum wl_role role)
{
	struct wl_pg *c = wl_pg_take(role, &e);

	CU_ASSERT_PTR_NOT_NULL(c);
	if (c == NULL) {
		printf("# %s\n", e.detail);
		exit(99);
	}
	return c;
}

static struct wl_rows *
ask(struct wl_pg *c, const char *sql, int n, const struct wl_param *p)
{
	struct wl_rows *r = wl_pg_query(c, stores_arena(), sql, n, p, &e);

	CU_ASSERT_PTR_NOT_NULL(r);
	if (r == NULL) {
		printf("# %s\n", e.detail);
		exit(99);
	}
	return r;
}

static int64_t
pid_of(struct wl_pg *c)
{
	return wl_rows_int(ask(c, "SELECT pg_backend_pid()", 0, NULL), 0, 0, 0);
}

/* ---- sessions ---------------------------------------------------------- */

/*
 * Whatever the operator has set for all programs: decisions need READ
 * COMMITTED, and times are read in one form.
 */
static void
settings(void)
{
	struct wl_pg *c = take(WL_ROLE_APP);

	CU_ASSERT_STRING_EQUAL(wl_rows_get(ask(c, "SELECT concat_ws(' ',"
	    " current_setting('transaction_isolation'),"
	    " current_setting('DateStyle'), current_setting('TimeZone'),"
	    " current_setting('IntervalStyle'))", 0, NULL), 0, 0),
	    "read committed ISO, YMD UTC postgres");
	wl_pg_give(c);
}

static void
test_settings(void)
{
	setenv("PGOPTIONS", "-c default_transaction_isolation=serializable"
	    " -c DateStyle=SQL,DMY -c TimeZone=Asia/Kolkata"
	    " -c IntervalStyle=iso_8601", 1);
	stores_run(&stores_conf, settings);
	unsetenv("PGOPTIONS");
}

/* ---- values ------------------------------------------------------------ */

static void
values(void)
{
	struct wl_pg *c = take(WL_ROLE_APP);
	struct wl_param p[] = { WL_P(NULL), WL_P(""), WL_P("a'b\"\\ü"),
	    WL_P("12345678901234567890.123456789") };
	struct wl_rows *r = ask(c, "SELECT $1::text AS n, $2::text, $3::text,"
	    " $4::numeric, 9223372036854775807, NULL::bigint, true, false"
	    " UNION ALL SELECT 'x', 'y', 'z', 1, -5, 7, NULL, NULL", 4, p);

	CU_ASSERT_EQUAL(wl_rows_count(r), 2);
	CU_ASSERT_EQUAL(wl_rows_columns(r), 8);
	CU_ASSERT_STRING_EQUAL(wl_rows_name(r, 0), "n");
	CU_ASSERT_PTR_NULL(wl_rows_get(r, 0, 0));
	CU_ASSERT_STRING_EQUAL(wl_rows_get(r, 0, 1), "");
	CU_ASSERT_STRING_EQUAL(wl_rows_get(r, 0, 2), "a'b\"\\ü");
	CU_ASSERT_EQUAL(wl_rows_len(r, 0, 2), 7);
	CU_ASSERT_STRING_EQUAL(wl_rows_get(r, 0, 3),
	    "12345678901234567890.123456789");
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 3, -7), -7);	/* no integer */
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 4, 0), INT64_MAX);
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 5, -1), -1);
	CU_ASSERT_EQUAL(wl_rows_int(r, 1, 4, 0), -5);
	CU_ASSERT_TRUE(wl_rows_bool(r, 0, 6));
	CU_ASSERT_FALSE(wl_rows_bool(r, 0, 7));
	CU_ASSERT_FALSE(wl_rows_bool(r, 1, 6));
	wl_pg_give(c);
}

static void
test_values(void)
{
	stores_run(&stores_conf, values);
}

static void
bytes(void)
{
	size_t i, n = 3 * 1024 * 1024;
	struct wl_pg *c = take(WL_ROLE_APP);
	char *p = wl_arena_alloc(stores_arena(), n);
	struct wl_rows *r;

	for (i = 0; i < n; i++)
		p[i] = (char)(i * 7);
	r = ask(c, "SELECT length($1::bytea), encode(sha256($1::bytea), 'hex'),"
	    " get_byte($1::bytea, 0), length($2::bytea), $3::bytea IS NULL", 3,
	    (struct wl_param[]){ WL_PB(p, n), WL_PB(p, 0), WL_P(NULL) });
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 0, 0), (int64_t)n);
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 2, -1), 0);
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 3, -1), 0);
	CU_ASSERT_TRUE(wl_rows_bool(r, 0, 4));
	r = ask(c, "SELECT repeat('x', 5000000), n"
	    " FROM generate_series(1, 3) n", 0, NULL);
	CU_ASSERT_EQUAL(wl_rows_len(r, 2, 0), 5000000);
	CU_ASSERT_EQUAL(strlen(wl_rows_get(r, 2, 0)), 5000000);
	CU_ASSERT_EQUAL(wl_rows_int(r, 2, 1, 0), 3);
	r = ask(c, "SELECT n FROM generate_series(1, 100000) n", 0, NULL);
	CU_ASSERT_EQUAL(wl_rows_count(r), 100000);
	CU_ASSERT_EQUAL(wl_rows_int(r, 99999, 0, 0), 100000);
	wl_pg_give(c);
}

static void
test_bytes(void)
{
	stores_run(&stores_conf, bytes);
}

static void
too_much(void)
{
	struct wl_arena *small = wl_arena_new(65536);
	struct wl_pg *c = take(WL_ROLE_APP);
	int64_t pid = pid_of(c);

	CU_ASSERT_PTR_NULL(wl_pg_query(c, small,
	    "SELECT repeat('x', 100000)", 0, NULL, &e));
	CU_ASSERT_EQUAL(e.code, WL_E_INTERNAL);
	/* the connection is none the worse for it */
	CU_ASSERT_EQUAL(pid_of(c), pid);
	wl_pg_give(c);
	wl_arena_free(small);
}

static void
test_too_much(void)
{
	stores_run(&stores_conf, too_much);
}

/* ---- errors and transactions ------------------------------------------- */

static void
errors(void)
{
	struct wl_pg *c = take(WL_ROLE_APP);
	int64_t pid = pid_of(c), n = -1;

	CU_ASSERT_PTR_NULL(wl_pg_query(c, stores_arena(), "SELECT 1/0", 0, NULL,
	    &e));
	CU_ASSERT_EQUAL(e.code, WL_E_INTERNAL);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "22012");
	CU_ASSERT_PTR_NOT_NULL(strstr(e.detail, "division by zero"));
	CU_ASSERT_PTR_NULL(strstr(e.msg, "division"));
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELEKT", 0, NULL, NULL, &e), -1);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "42601");
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT generate_series(1, 3)", 0, NULL,
	    &n, &e), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "");
	CU_ASSERT_EQUAL(pid_of(c), pid);
	/* not of our making: the role may not */
	CU_ASSERT_EQUAL(wl_pg_exec(c, "DELETE FROM watchllm.plan", 0, NULL,
	    NULL, &e), -1);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "42501");
	wl_pg_give(c);
}

static void
test_errors(void)
{
	stores_run(&stores_conf, errors);
}

static void
transactions(void)
{
	struct wl_pg *c = take(WL_ROLE_OWNER), *d;
	int64_t pid, n;

	CU_ASSERT_EQUAL(wl_pg_exec(c, "CREATE TABLE IF NOT EXISTS public.t"
	    " (v integer)", 0, NULL, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_begin(c, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "INSERT INTO public.t VALUES (1), (2)", 0,
	    NULL, &n, &e), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(wl_pg_commit(c, &e), 0);

	/* a failed one does not commit, and says so */
	CU_ASSERT_EQUAL(wl_pg_begin(c, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "INSERT INTO public.t VALUES (3)", 0,
	    NULL, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT 1/0", 0, NULL, NULL, &e), -1);
	CU_ASSERT_EQUAL(wl_pg_commit(c, &e), -1);

	/* one that is given back open is rolled back, its locks released */
	pid = pid_of(c);
	CU_ASSERT_EQUAL(wl_pg_begin(c, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "LOCK TABLE public.t", 0, NULL, NULL, &e),
	    0);
	wl_pg_give(c);
	d = take(WL_ROLE_OWNER);
	CU_ASSERT_EQUAL(pid_of(d), pid);
	c = take(WL_ROLE_OWNER);
	CU_ASSERT_NOT_EQUAL(pid_of(c), pid);
	CU_ASSERT_EQUAL(wl_rows_int(ask(c, "SELECT count(*) FROM public.t", 0,
	    NULL), 0, 0, -1), 2);
	wl_pg_give(c);
	CU_ASSERT_EQUAL(wl_pg_script(d, "BEGIN; CREATE TABLE public.u (v text);"
	    " INSERT INTO public.u VALUES ('a;b'); COMMIT;", &e), 0);
	CU_ASSERT_EQUAL(wl_pg_script(d, "DROP TABLE public.u;"
	    " DROP TABLE public.t; SELECT 1/0", &e), -1);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(d), "22012");
	CU_ASSERT_EQUAL(wl_pg_script(d, "DROP TABLE public.u, public.t", &e),
	    0);
	wl_pg_give(d);
}

static void
test_transactions(void)
{
	stores_sql("GRANT CREATE ON SCHEMA public TO wl_owner");
	stores_run(&stores_conf, transactions);
}

static struct stores_project one, two;

static int64_t
keys_seen(struct wl_pg *c)
{
	return wl_rows_int(ask(c, "SELECT count(*) FROM watchllm.api_key", 0,
	    NULL), 0, 0, -1);
}

static void
row_security(void)
{
	struct wl_pg *c = take(WL_ROLE_APP);
	struct wl_rows *r;
	int64_t pid = pid_of(c);

	CU_ASSERT_EQUAL(keys_seen(c), 0);
	CU_ASSERT_EQUAL(wl_pg_begin(c, one.id, &e), 0);
	CU_ASSERT_EQUAL(keys_seen(c), 1);
	CU_ASSERT_EQUAL(wl_pg_commit(c, &e), 0);
	/* nothing of it stays for whoever comes next */
	CU_ASSERT_EQUAL(keys_seen(c), 0);
	CU_ASSERT_EQUAL(wl_pg_begin(c, NULL, &e), 0);
	CU_ASSERT_EQUAL(keys_seen(c), 0);
	wl_pg_rollback(c);

	r = wl_pg_query_project(c, stores_arena(), two.id,
	    "SELECT project_id, (SELECT count(*) FROM watchllm.api_key)"
	    " FROM watchllm.api_key", 0, NULL, &e);
	CU_ASSERT_PTR_NOT_NULL(r);
	CU_ASSERT_EQUAL(wl_rows_count(r), 1);
	CU_ASSERT_STRING_EQUAL(wl_rows_get(r, 0, 0), two.id);
	CU_ASSERT_EQUAL(keys_seen(c), 0);
	/* an error within is an error, and leaves nothing either */
	CU_ASSERT_PTR_NULL(wl_pg_query_project(c, stores_arena(), two.id,
	    "SELECT 1/0", 0, NULL, &e));
	CU_ASSERT_EQUAL(keys_seen(c), 0);
	CU_ASSERT_EQUAL(pid_of(c), pid);
	wl_pg_give(c);
}

static void
test_row_security(void)
{
	stores_project(&one, "free");
	stores_project(&two, "free");
	stores_run(&stores_conf, row_security);
}

static void
copying(void)
{
	struct wl_pg *c = take(WL_ROLE_DRAIN);
	char *line = wl_arena_alloc(stores_arena(), 3000);
	struct wl_rows *r;
	int i;

	CU_ASSERT_EQUAL(wl_pg_begin(c, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "CREATE TEMP TABLE s (n bigint, v text)"
	    " ON COMMIT DROP", 0, NULL, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_copy_begin(c,
	    "COPY pg_temp.s (n, v) FROM STDIN", &e), 0);
	for (i = 0; i < 5000; i++) {
		snprintf(line, 3000, "%d\t%02000d\n", i, i);
		if (wl_pg_copy_data(c, line, strlen(line), &e) == -1)
			break;
	}
	CU_ASSERT_EQUAL(i, 5000);
	CU_ASSERT_EQUAL(wl_pg_copy_end(c, &e), 0);
	r = ask(c, "SELECT count(*), sum(n), min(length(v)) FROM s", 0, NULL);
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 0, 0), 5000);
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 1, 0), 12497500);
	CU_ASSERT_EQUAL(wl_rows_int(r, 0, 2, 0), 2000);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SAVEPOINT a", 0, NULL, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_copy_begin(c,
	    "COPY pg_temp.s (n, v) FROM STDIN", &e), 0);
	CU_ASSERT_EQUAL(wl_pg_copy_data(c, "1\tx\nno\ty\n", 9, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_copy_end(c, &e), -1);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "22P02");
	CU_ASSERT_EQUAL(wl_pg_exec(c, "ROLLBACK TO a", 0, NULL, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_copy_begin(c, "COPY nowhere FROM STDIN", &e), -1);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "42P01");
	wl_pg_give(c);
}

static void
test_copying(void)
{
	stores_run(&stores_conf, copying);
}

/* ---- deadlines and failures -------------------------------------------- */

static int	ticks;

static void
tick(void *arg)
{
	bool *stop = arg;

	while (!*stop && wl_sleep(5) == 0)
		ticks++;
}

static void
deadline(void)
{
	bool stop = false;
	struct wl_pg *c = take(WL_ROLE_APP);
	int64_t pid = pid_of(c), t;

	stores_spawn(tick, &stop);
	ticks = 0;
	wl_pg_statement_timeout(c, 100);
	t = wl_mono_fresh();
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT pg_sleep(5)", 0, NULL, NULL, &e),
	    -1);
	t = wl_mono_fresh() - t;
	CU_ASSERT_TRUE(t >= 95 && t < 4000);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "57014");
	CU_ASSERT_TRUE(ticks > 5);	/* others ran meanwhile */
	/* the server ended it: nothing is lost */
	CU_ASSERT_EQUAL(pid_of(c), pid);
	CU_ASSERT_EQUAL(wl_pg_begin(c, NULL, &e), 0);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT pg_sleep(5)", 0, NULL, NULL, &e),
	    -1);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "57014");
	wl_pg_give(c);
	c = take(WL_ROLE_APP);
	CU_ASSERT_EQUAL(pid_of(c), pid);
	/* and the next user has the usual time */
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT pg_sleep(0.3)", 0, NULL, NULL,
	    &e), 0);
	wl_pg_give(c);
	stop = true;
	CU_ASSERT_TRUE(stores_join(1000));
}

static void
test_deadline(void)
{
	stores_run(&stores_conf, deadline);
}

/*
 * A server that does not answer at all is left.
 */
static void
hung(void)
{
	struct wl_pg *c = take(WL_ROLE_APP);
	int64_t pid = pid_of(c), t;

	CU_ASSERT_EQUAL(kill((pid_t)pid, SIGSTOP), 0);
	wl_pg_statement_timeout(c, 100);
	t = wl_mono_fresh();
	CU_ASSERT_PTR_NULL(wl_pg_query(c, stores_arena(), "SELECT 1", 0, NULL,
	    &e));
	t = wl_mono_fresh() - t;
	CU_ASSERT_TRUE(t >= 195 && t < 4000);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT 1", 0, NULL, NULL, &e), -1);
	wl_pg_give(c);
	CU_ASSERT_EQUAL(kill((pid_t)pid, SIGCONT), 0);
	c = take(WL_ROLE_APP);
	CU_ASSERT_NOT_EQUAL(pid_of(c), pid);
	wl_pg_give(c);
}

static void
test_hung(void)
{
	stores_run(&stores_conf, hung);
}

static void
terminate(void *arg)
{
	int64_t pid = *(int64_t *)arg;

	if (wl_sleep(100) == 0)
		stores_sql("SELECT pg_terminate_backend(%lld)",
		    (long long)pid);
}

static void
killed(void)
{
	struct wl_pg *c = take(WL_ROLE_APP);
	int64_t pid = pid_of(c), t = wl_mono_fresh();

	stores_spawn(terminate, &pid);
	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT pg_sleep(1.5)", 0, NULL, NULL,
	    &e), -1);
	CU_ASSERT_TRUE(wl_mono_fresh() - t < 1900);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_STRING_EQUAL(wl_pg_sqlstate(c), "57P01");
	wl_pg_give(c);
	CU_ASSERT_TRUE(stores_join(2000));

	/* while idle: whoever takes it next sees nothing of it */
	c = take(WL_ROLE_APP);
	pid = pid_of(c);
	wl_pg_give(c);
	terminate(&pid);
	wl_sleep(50);
	c = take(WL_ROLE_APP);
	CU_ASSERT_NOT_EQUAL(pid_of(c), pid);

	/* in a transaction */
	CU_ASSERT_EQUAL(wl_pg_begin(c, NULL, &e), 0);
	pid = pid_of(c);
	terminate(&pid);
	CU_ASSERT_EQUAL(wl_pg_commit(c, &e), -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	wl_pg_give(c);
	wl_pg_give(take(WL_ROLE_APP));
}

static void
test_killed(void)
{
	stores_run(&stores_conf, killed);
}

static void
sleeper(void *arg)
{
	struct wl_pg *c = take(WL_ROLE_APP);

	CU_ASSERT_EQUAL(wl_pg_exec(c, "SELECT pg_sleep(1)", 0, NULL, NULL, &e),
	    -1);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	wl_pg_give(c);
	*(bool *)arg = true;
}

static void
cancelled(void)
{
	struct wl_co *co;
	bool done = false;
	int64_t pid;
	struct wl_pg *c = take(WL_ROLE_APP);

	pid = pid_of(c);
	wl_pg_give(c);
	co = wl_co_spawn("sleeper", sleeper, &done);
	CU_ASSERT_PTR_NOT_NULL(co);
	wl_sleep(100);
	CU_ASSERT_FALSE(done);
	wl_co_cancel(co);
	wl_sleep(20);
	CU_ASSERT_TRUE(done);
	/* its late result is for nobody */
	c = take(WL_ROLE_APP);
	CU_ASSERT_NOT_EQUAL(pid_of(c), pid);
	wl_pg_give(c);
}

static void
test_cancelled(void)
{
	stores_run(&stores_conf, cancelled);
}

static long
connections(const char *user)
{
	return strtol(stores_sql("SELECT count(*) FROM pg_stat_activity"
	    " WHERE usename = '%s' AND application_name = 'watchllm'", user),
	    NULL, 10);
}

/* ---- the pool ---------------------------------------------------------- */

static int64_t	pids[64];
static int	npids, order[64], norder, failures;

static void
short_query(void *arg)
{
	struct wl_err mine;
	struct wl_pg *c = wl_pg_take(WL_ROLE_APP, &mine);
	int64_t pid;
	int i;

	if (c == NULL) {
		failures++;
		return;
	}
	order[norder++] = (int)(intptr_t)arg;
	pid = pid_of(c);
	for (i = 0; i < npids && pids[i] != pid; i++)
		;
	if (i == npids)
		pids[npids++] = pid;
	if (wl_pg_exec(c, "SELECT pg_sleep(0.01)", 0, NULL, NULL, &mine) == -1)
		failures++;
	wl_pg_give(c);
}

static void
crowd(void)
{
	intptr_t i;

	npids = norder = failures = 0;
	for (i = 0; i < 50; i++)
		stores_spawn(short_query, (void *)i);
	CU_ASSERT_TRUE(stores_join(5000));
	CU_ASSERT_EQUAL(failures, 0);
	CU_ASSERT_EQUAL(norder, 50);
	CU_ASSERT_TRUE(npids > 1 && npids <= 4);
	/* first come, first served */
	for (i = 4; i < 50; i++)
		CU_ASSERT_EQUAL(order[i], (int)i);
	/* last in, first out: one connection is enough for one at a time */
	npids = 0;
	for (i = 0; i < 5; i++)
		short_query(NULL);
	CU_ASSERT_EQUAL(npids, 1);
	/* those of the tests before are going */
	for (i = 0; i < 200 && connections("wl_app") > 4; i++)
		wl_sleep(10);
	CU_ASSERT_EQUAL(connections("wl_app"), 4);
}

static void
test_crowd(void)
{
	stores_run(&stores_conf, crowd);
}

static void
holder(void *arg)
{
	struct wl_pg *c = take(WL_ROLE_APP);

	(void)arg;
	wl_sleep(700);
	wl_pg_give(c);
}

static void
impatient(void)
{
	int64_t t;
	int i;

	for (i = 0; i < 4; i++)
		stores_spawn(holder, NULL);
	wl_sleep(100);
	t = wl_mono_fresh();
	CU_ASSERT_PTR_NULL(wl_pg_take(WL_ROLE_APP, &e));
	t = wl_mono_fresh() - t;
	CU_ASSERT_TRUE(t >= 295 && t < 4000);
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_TRUE(wl_pg_up());
	CU_ASSERT_TRUE(stores_join(2000));
	wl_pg_give(take(WL_ROLE_APP));
}

static void
test_impatient(void)
{
	struct wl_conf conf = stores_conf;

	conf.database_timeout = 300;
	stores_run(&conf, impatient);
}

static const char	*link_path;

static void
away(void)
{
	int down = stores_logged("db.down"), up = stores_logged("db.up");
	struct wl_pg *c;
	int64_t t;

	CU_ASSERT_PTR_NULL(wl_pg_take(WL_ROLE_APP, &e));
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	CU_ASSERT_FALSE(wl_pg_up());
	t = wl_mono_fresh();
	CU_ASSERT_PTR_NULL(wl_pg_take(WL_ROLE_APP, &e));
	CU_ASSERT_TRUE(wl_mono_fresh() - t < 200);
	CU_ASSERT_EQUAL(symlink(getenv("WL_STORES_DIR"), link_path), 0);
	CU_ASSERT_PTR_NULL(wl_pg_take(WL_ROLE_APP, &e));	/* breaker */
	wl_sleep(1050);
	c = take(WL_ROLE_APP);
	CU_ASSERT_TRUE(wl_pg_up());
	wl_pg_give(c);
	CU_ASSERT_EQUAL(stores_logged("db.down"), down + 1);
	CU_ASSERT_EQUAL(stores_logged("db.up"), up + 1);
}

static void
test_away(void)
{
	struct wl_conf conf = stores_conf;
	char url[300];

	link_path = wl_tmp_path("sockets");
	snprintf(url, sizeof(url), "host=%s user=wl_app dbname=watchllm",
	    link_path);
	conf.database_url = url;
	stores_run(&conf, away);
	unlink(link_path);
}

static void
not_configured(void)
{
	CU_ASSERT_PTR_NULL(wl_pg_take(WL_ROLE_DRAIN, &e));
	CU_ASSERT_EQUAL(e.code, WL_E_UNAVAILABLE);
	wl_pg_give(take(WL_ROLE_APP));
}

static void
test_not_configured(void)
{
	struct wl_conf conf = stores_conf;
	char empty[1] = "", bad[] = "postgresql://u:secret@h/x?nonsense=1";

	conf.drain_database_url = empty;
	stores_run(&conf, not_configured);
	conf.database_url = bad;
	CU_ASSERT_EQUAL(wl_pg_open(&conf, &e), -1);
	CU_ASSERT_PTR_NULL(strstr(e.msg, "secret"));
	CU_ASSERT_PTR_NULL(strstr(e.detail, "secret"));
}

/*
 * libpq goes on to the next host with another socket of the same number.
 */
static void
second_host(void)
{
	struct wl_pg *c = take(WL_ROLE_APP);

	CU_ASSERT_TRUE(pid_of(c) > 0);
	wl_pg_give(c);
}

static void
test_second_host(void)
{
	struct wl_conf conf = stores_conf;
	char url[300];

	snprintf(url, sizeof(url), "host=localhost,/nowhere,%s port=1,1,5432"
	    " user=wl_app dbname=watchllm", getenv("WL_STORES_DIR"));
	conf.database_url = url;
	stores_run(&conf, second_host);
}

static void
nap(void *arg)
{
	(void)arg;
	usleep(500 * 1000);
}

/*
 * Keep a helper thread busy.
 */
static void
napper(void *arg)
{
	(void)arg;
	CU_ASSERT_EQUAL(wl_offload(nap, NULL), 0);
}

static void
resolving(void)
{
	int64_t soon = wl_mono_fresh() + 10000;
	struct wl_addrs a;
	int i;

	CU_ASSERT_EQUAL(wl_resolve("127.0.0.1", soon, &a), 0);
	CU_ASSERT_EQUAL(a.n, 1);
	CU_ASSERT_STRING_EQUAL(a.text[0], "127.0.0.1");
	CU_ASSERT_EQUAL(wl_resolve("::1", soon, &a), 0);
	CU_ASSERT_STRING_EQUAL(a.text[0], "::1");
	CU_ASSERT_EQUAL(wl_resolve("localhost", soon, &a), 0);
	CU_ASSERT_TRUE(a.n >= 1);
	CU_ASSERT_TRUE(strcmp(a.text[0], "127.0.0.1") == 0 ||
	    strcmp(a.text[0], "::1") == 0);
	/* it gives up when told to, not when the look-up does, which has to
	 * wait here: every helper thread sleeps */
	for (i = 0; i < 8; i++)
		stores_spawn(napper, NULL);
	wl_co_yield();
	CU_ASSERT_EQUAL(wl_resolve("localhost", wl_mono_fresh() + 20, &a), -1);
	CU_ASSERT_EQUAL(errno, ETIMEDOUT);
}

static void
test_resolving(void)
{
	stores_run(&stores_conf, resolving);
}

/*
 * How long after SINCE the role has no more than N connections, ms.
 */
static int64_t
fewer_connections(int n, int64_t since)
{
	while (connections("wl_rollup") > n &&
	    wl_mono_fresh() - since < 30000)
		wl_sleep(20);
	CU_ASSERT_EQUAL(connections("wl_rollup"), n);
	return wl_mono_fresh() - since;
}

static void
idle(void)
{
	struct wl_pg *c = take(WL_ROLE_ROLLUP), *d = take(WL_ROLE_ROLLUP);

	int64_t begun = wl_mono_fresh(), given;

	wl_pg_give(c);
	wl_sleep(1000);
	given = wl_mono_fresh();
	wl_pg_give(d);
	CU_ASSERT_EQUAL(connections("wl_rollup"), 2);
	CU_ASSERT_TRUE(fewer_connections(1, begun) >= IDLE_MS);
	CU_ASSERT_TRUE(fewer_connections(0, given) >= IDLE_MS);
	wl_pg_give(take(WL_ROLE_ROLLUP));
}

static void
test_idle(void)
{
	struct wl_conf conf = stores_conf;

	conf.database_idle_timeout = IDLE_MS;
	stores_run(&conf, idle);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "settings of a session", test_settings },
		{ "values come as they are", test_values },
		{ "bytes and long values", test_bytes },
		{ "more than the arena holds", test_too_much },
		{ "errors have a state and leave the connection", test_errors },
		{ "transactions", test_transactions },
		{ "a project is set for one transaction", test_row_security },
		{ "COPY", test_copying },
		{ "a slow statement ends in time", test_deadline },
		{ "a server that hangs is left", test_hung },
		{ "a backend that is terminated", test_killed },
		{ "a cancelled query", test_cancelled },
		{ "50 coroutines on 4 connections", test_crowd },
		{ "nobody waits longer than he should", test_impatient },
		{ "a server that is away, and comes back", test_away },
		{ "roles without a database, bad URLs", test_not_configured },
		{ "the second host", test_second_host },
		{ "names are looked up in time", test_resolving },
		{ "idle connections are closed", test_idle },
		{ NULL, NULL }
	};

	return stores_main("pg", tests);
}
