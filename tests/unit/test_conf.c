/*
 * Configuration: the table itself, its three sources, and what is refused.
 */
#include "config.h"
#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct wl_err e;

static int
load(struct wl_conf *c, const char *text)
{
	return wl_conf_load(c, wl_tmp_file("conf", text, strlen(text), 0600),
	    &e);
}

/*
 * Whether TEXT is refused, with WHY in the message.
 */
static bool
refused(const char *text, const char *why)
{
	struct wl_conf c;

	if (load(&c, text) == 0) {
		wl_conf_free(&c);
		return false;
	}
	return strstr(e.msg, why) != NULL;
}

/*
 * What FN prints; to be freed.
 */
static char *
printed(const struct wl_conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *f;

	if ((f = open_memstream(&text, &len)) == NULL)
		exit(99);
	if (c == NULL)
		wl_conf_print_sample(f);
	else
		wl_conf_print(c, f);
	fclose(f);
	return text;
}

static void
test_table(void)
{
	const struct wl_conf_row *r;
	size_t offsets[128], n = 0, i;

	for (r = wl_conf_table; r->name != NULL; r++) {
		CU_ASSERT(r[1].name == NULL ||
		    strcmp(r->name, r[1].name) < 0);
		CU_ASSERT(strlen(r->help) > 10 && strlen(r->help) < 80);
		CU_ASSERT_EQUAL(r->help[strlen(r->help) - 1], '.');
		for (i = 0; i < n; i++)
			CU_ASSERT_NOT_EQUAL(offsets[i], r->offset);
		CU_ASSERT_FATAL(n < 128);
		offsets[n++] = r->offset;
	}
}

static void
test_defaults(void)
{
	struct wl_conf c;
	char host[256];

	CU_ASSERT_EQUAL_FATAL(load(&c, ""), 0);
	CU_ASSERT_EQUAL(c.max_body, 32 << 20);
	CU_ASSERT_EQUAL(c.redis_timeout, 50);
	CU_ASSERT_EQUAL(c.total_timeout, 3600000);
	CU_ASSERT_EQUAL(c.counters, WL_COUNTERS_REDIS);
	CU_ASSERT_EQUAL(c.on_redis_failure, WL_FAIL_OPEN);
	CU_ASSERT_TRUE(c.store_payloads);
	CU_ASSERT_FALSE(c.allow_debug_endpoints);
	CU_ASSERT_STRING_EQUAL(c.base_path, "");
	CU_ASSERT_STRING_EQUAL(c.listen_mode, "0660");
	gethostname(host, sizeof(host));
	CU_ASSERT_STRING_EQUAL(c.host_name, host);
	wl_conf_free(&c);
	CU_ASSERT_PTR_NULL(c.base_path);
}

static void
test_file(void)
{
	struct wl_conf c;

	CU_ASSERT_EQUAL_FATAL(load(&c,
	    "# comment = yes\n"
	    "\n"
	    "  max_body=1m\r\n"
	    "heartbeat\t=\t2s   # after a space\n"
	    "redis = unix:/run/a#b.sock\n"
	    "database_url = host=/run dbname=x user=y\n"
	    "counters = postgres\n"
	    "store_payloads = no\n"
	    "listen_mode = 600\n"
	    "upgrade_url =\n"
	    "host_name = web1"), 0);
	CU_ASSERT_EQUAL(c.max_body, 1 << 20);
	CU_ASSERT_EQUAL(c.heartbeat, 2000);
	CU_ASSERT_STRING_EQUAL(c.redis, "unix:/run/a#b.sock");
	CU_ASSERT_STRING_EQUAL(c.database_url, "host=/run dbname=x user=y");
	CU_ASSERT_EQUAL(c.counters, WL_COUNTERS_POSTGRES);
	CU_ASSERT_FALSE(c.store_payloads);
	CU_ASSERT_STRING_EQUAL(c.listen_mode, "600");
	CU_ASSERT_STRING_EQUAL(c.upgrade_url, "");
	CU_ASSERT_STRING_EQUAL(c.host_name, "web1");
	wl_conf_free(&c);
}

static void
test_file_refused(void)
{
	struct wl_conf c;

	CU_ASSERT_TRUE(refused("\nmax_bodi = 1m\n", ":2: unknown key \"max_bodi\""));
	CU_ASSERT_TRUE(refused("max_body\n", ":1: expected \"name = value\""));
	CU_ASSERT_TRUE(refused("= 3\n", "unknown key"));
	CU_ASSERT_TRUE(refused("max_body = 1m\nmax_body = 1m\n", ":2: max_body is set twice"));
	CU_ASSERT_TRUE(refused("max_body = lots\n", ":1: max_body: expected a size"));
	CU_ASSERT_TRUE(refused("max_body = 1\n", "within its range"));
	CU_ASSERT_TRUE(refused("heartbeat = 1\xc2\xb5s\n", "a duration"));
	CU_ASSERT_TRUE(refused("heartbeat = 9000000000000d\n", "a duration"));
	CU_ASSERT_TRUE(refused("processes = -1\n", "a number"));
	CU_ASSERT_TRUE(refused("counters = mysql\n", "redis|postgres"));
	CU_ASSERT_TRUE(refused("counters =\n", "redis|postgres"));
	CU_ASSERT_TRUE(refused("log_level = loud\n", "debug|info|warn|error"));
	CU_ASSERT_TRUE(refused("listen_mode = 0999\n", "octal"));
	CU_ASSERT_TRUE(refused("listen_mode = 4755\n", "octal"));
	CU_ASSERT_TRUE(refused("store_payloads = maybe\n", "on or off"));
	CU_ASSERT_EQUAL(wl_conf_load(&c, wl_tmp_file("nul", "a\0b", 3, 0600),
	    &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "NUL"));
	CU_ASSERT_EQUAL(wl_conf_load(&c, "/nonexistent", &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "No such file"));
	CU_ASSERT_EQUAL(wl_conf_load(&c, wl_tmp_dir(), &e), -1);
}

static void
test_large_file_refused(void)
{
	char *text = malloc((2 << 20) + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, '\n', 2 << 20);
	text[2 << 20] = '\0';
	CU_ASSERT_TRUE(refused(text, "too large"));
	free(text);
}

static void
test_environment(void)
{
	struct wl_conf c;

	setenv("WATCHLLM_MAX_BODY", "2m", 1);
	setenv("WATCHLLM_TEST_CLOCK", "/x", 1);
	setenv("WATCHLLM_PAINT_STACKS", "1", 1);
	setenv("WATCHLLM_CRASH_AT", "1", 1);
	CU_ASSERT_EQUAL_FATAL(load(&c, "max_body = 1m\n"), 0);
	CU_ASSERT_EQUAL(c.max_body, 2 << 20);
	wl_conf_free(&c);
	setenv("WATCHLLM_MAX_BODY", "x", 1);
	CU_ASSERT_TRUE(refused("", "WATCHLLM_MAX_BODY"));
	unsetenv("WATCHLLM_MAX_BODY");
	setenv("WATCHLLM_MAXBODY", "1m", 1);
	CU_ASSERT_TRUE(refused("", "WATCHLLM_MAXBODY: unknown key"));
	unsetenv("WATCHLLM_MAXBODY");
	unsetenv("WATCHLLM_TEST_CLOCK");
	unsetenv("WATCHLLM_PAINT_STACKS");
	unsetenv("WATCHLLM_CRASH_AT");
}

static void
test_base_path(void)
{
	struct wl_conf c;

	setenv("WATCHLLM_BASE_PATH", "/env", 1);
	CU_ASSERT_EQUAL_FATAL(load(&c, ""), 0);
	CU_ASSERT_STRING_EQUAL(c.base_path, "/env");
	wl_conf_free(&c);
	CU_ASSERT_EQUAL_FATAL(load(&c, "base_path = /file\n"), 0);
	CU_ASSERT_STRING_EQUAL(c.base_path, "/file");
	wl_conf_free(&c);
	unsetenv("WATCHLLM_BASE_PATH");
}

static void
test_debug_endpoints(void)
{
	struct wl_conf c;

	setenv("ALLOW_DEBUG_ENDPOINTS", "true", 1);
	CU_ASSERT_EQUAL_FATAL(load(&c, ""), 0);
	CU_ASSERT_TRUE(c.allow_debug_endpoints);
	wl_conf_free(&c);
	setenv("ALLOW_DEBUG_ENDPOINTS", "1", 1);
	CU_ASSERT_EQUAL_FATAL(load(&c, ""), 0);
	CU_ASSERT_FALSE(c.allow_debug_endpoints);
	wl_conf_free(&c);
	unsetenv("ALLOW_DEBUG_ENDPOINTS");
}

static void
test_config_variable(void)
{
	struct wl_conf c;

	setenv("WATCHLLM_CONFIG", wl_tmp_file("other", "redis = r:1\n", 12,
	    0600), 1);
	CU_ASSERT_EQUAL_FATAL(wl_conf_load(&c, NULL, &e), 0);
	CU_ASSERT_STRING_EQUAL(c.redis, "r:1");
	wl_conf_free(&c);
	setenv("WATCHLLM_CONFIG", "/nonexistent", 1);
	CU_ASSERT_EQUAL(wl_conf_load(&c, NULL, &e), -1);
	unsetenv("WATCHLLM_CONFIG");
}

static void
test_urls(void)
{
	struct wl_conf c;
	char text[512];

	CU_ASSERT_EQUAL_FATAL(load(&c, "database_url = postgresql:///a\n"
	    "drain_database_url = postgresql:///d\n"), 0);
	CU_ASSERT_STRING_EQUAL(c.owner_database_url, "postgresql:///a");
	CU_ASSERT_STRING_EQUAL(c.rollup_database_url, "postgresql:///a");
	CU_ASSERT_STRING_EQUAL(c.drain_database_url, "postgresql:///d");
	CU_ASSERT_EQUAL(wl_conf_set(&c, "database_url=postgresql:///b", &e), 0);
	CU_ASSERT_STRING_EQUAL(c.database_url, "postgresql:///b");
	CU_ASSERT_STRING_EQUAL(c.owner_database_url, "postgresql:///b");
	CU_ASSERT_STRING_EQUAL(c.drain_database_url, "postgresql:///d");
	wl_conf_free(&c);

	snprintf(text, sizeof(text), "database_url = postgresql:///a\n"
	    "database_url_file = %s\n",
	    wl_tmp_file("url", "postgresql:///f\n", 16, 0600));
	CU_ASSERT_EQUAL_FATAL(load(&c, text), 0);
	CU_ASSERT_STRING_EQUAL(c.database_url, "postgresql:///f");
	CU_ASSERT_STRING_EQUAL(c.rollup_database_url, "postgresql:///f");
	snprintf(text, sizeof(text), "database_url_file=%s",
	    wl_tmp_file("url2", "postgresql:///g\n", 16, 0600));
	CU_ASSERT_EQUAL(wl_conf_set(&c, text, &e), 0);
	CU_ASSERT_STRING_EQUAL(c.database_url, "postgresql:///g");
	CU_ASSERT_STRING_EQUAL(c.rollup_database_url, "postgresql:///g");
	wl_conf_free(&c);

	snprintf(text, sizeof(text), "database_url_file = %s\n",
	    wl_tmp_file("url3", "postgresql:///g\n", 16, 0644));
	CU_ASSERT_TRUE(refused(text, "readable by group or others"));
}

static void
test_set(void)
{
	struct wl_conf c;

	CU_ASSERT_EQUAL_FATAL(load(&c, ""), 0);
	CU_ASSERT_EQUAL(wl_conf_set(&c, "max_body=3m", &e), 0);
	CU_ASSERT_EQUAL(c.max_body, 3 << 20);
	CU_ASSERT_EQUAL(wl_conf_set(&c, "listen=unix:/a=b", &e), 0);
	CU_ASSERT_STRING_EQUAL(c.listen, "unix:/a=b");
	CU_ASSERT_EQUAL(wl_conf_set(&c, "max_body", &e), -1);
	CU_ASSERT_EQUAL(wl_conf_set(&c, "nothing=1", &e), -1);
	CU_ASSERT_EQUAL(wl_conf_set(&c, "max_body=x", &e), -1);
	CU_ASSERT_EQUAL(c.max_body, 3 << 20);
	wl_conf_free(&c);
}

/*
 * The sample sets nothing; without its '#' it sets every key to its default.
 */
static void
test_sample(void)
{
	struct wl_conf plain, sample;
	char *text = printed(NULL), *a, *b, *p;

	CU_ASSERT_EQUAL_FATAL(load(&plain, ""), 0);
	CU_ASSERT_EQUAL_FATAL(load(&sample, text), 0);
	a = printed(&plain);
	b = printed(&sample);
	CU_ASSERT_STRING_EQUAL(a, b);
	wl_conf_free(&sample);
	free(b);
	for (p = text; (p = strstr(p, "\n#")) != NULL; p++)
		if (p[2] != ' ')
			p[1] = ' ';
	CU_ASSERT_EQUAL_FATAL(load(&sample, text), 0);
	b = printed(&sample);
	CU_ASSERT_STRING_EQUAL(a, b);
	wl_conf_free(&sample);
	wl_conf_free(&plain);
	free(a);
	free(b);
	free(text);
}

/*
 * What is printed loads again to the same values.
 */
static void
test_print_round_trip(void)
{
	struct wl_conf c, d;
	char *a, *b;

	CU_ASSERT_EQUAL_FATAL(load(&c, "heartbeat = 1500ms\nmax_body = 1025\n"
	    "auth_stale_max = 0\nprocesses = 3\ncounters = postgres\n"
	    "redis = unix:/r\nstore_payloads = off\n"), 0);
	a = printed(&c);
	CU_ASSERT_PTR_NOT_NULL(strstr(a, "heartbeat = 1500ms\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(a, "total_timeout = 1h\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(a, "max_body = 1025\n"));
	CU_ASSERT_EQUAL_FATAL(load(&d, a), 0);
	b = printed(&d);
	CU_ASSERT_STRING_EQUAL(a, b);
	free(a);
	free(b);
	wl_conf_free(&c);
	wl_conf_free(&d);
}

static void
test_masked(void)
{
	static const char *const urls[] = {
		"postgresql://app:SECRET@host/db",
		"postgresql://app:SEC:RET@host/db",
		"postgresql://app@host/db?password=SECRET&x=1",
		"host=h password=SECRET dbname=d",
		"host=h password = SECRET dbname=d",
		"host=h password='SE CR\\'ET' dbname=d",
		"host=h sslpassword=SECRET",
		"postgresql://app:SEC/RET@host/db",
		"host=password user=u password=SECRET passwordx=1 password=SECRET",
	};
	struct wl_conf c;
	char text[256], *out;
	size_t i;

	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		snprintf(text, sizeof(text), "database_url = %s\n", urls[i]);
		CU_ASSERT_EQUAL_FATAL(load(&c, text), 0);
		out = printed(&c);
		CU_ASSERT_PTR_NULL(strstr(out, "SEC"));
		CU_ASSERT_PTR_NULL(strstr(out, "RET"));
		CU_ASSERT_PTR_NULL(strstr(out, "SE CR"));
		CU_ASSERT_PTR_NULL(strstr(out, "ET'"));
		CU_ASSERT_PTR_NOT_NULL(strstr(out, "***"));
		free(out);
		wl_conf_free(&c);
	}
	CU_ASSERT_EQUAL_FATAL(load(&c, "upstream_proxy = http://u:SECRET@p:1\n"
	    "database_url = postgresql://app@h:5432/d?sslmode=require\n"), 0);
	out = printed(&c);
	CU_ASSERT_PTR_NULL(strstr(out, "SECRET"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "http://u:***@p:1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out,
	    "\ndatabase_url = postgresql://app@h:5432/d?sslmode=require\n"));
	free(out);
	wl_conf_free(&c);
	CU_ASSERT_EQUAL_FATAL(load(&c,
	    "database_url = host=password passwordx=1 password=S user=u\n"), 0);
	out = printed(&c);
	CU_ASSERT_PTR_NOT_NULL(strstr(out,
	    "\ndatabase_url = host=password passwordx=1 password=*** user=u\n"));
	free(out);
	wl_conf_free(&c);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "the table is sound", test_table },
		{ "defaults", test_defaults },
		{ "a file", test_file },
		{ "files that are refused", test_file_refused },
		{ "a file that is too large", test_large_file_refused },
		{ "the environment", test_environment },
		{ "the base path of the environment", test_base_path },
		{ "ALLOW_DEBUG_ENDPOINTS", test_debug_endpoints },
		{ "WATCHLLM_CONFIG", test_config_variable },
		{ "URLs, their files and fallbacks", test_urls },
		{ "the command line", test_set },
		{ "the sample", test_sample },
		{ "printed values load again", test_print_round_trip },
		{ "passwords are masked", test_masked },
		{ NULL, NULL }
	};
	extern char **environ;
	char **var, *name;

	/* what the tester's own environment sets must not count */
	for (var = environ; *var != NULL;) {
		if (strncmp(*var, "WATCHLLM_", 9) != 0) {
			var++;
			continue;
		}
		name = strndup(*var, strcspn(*var, "="));
		unsetenv(name);
		free(name);
	}
	return wl_tap_run("conf", tests);
}
