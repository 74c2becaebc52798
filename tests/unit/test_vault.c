/*
 * Files of master keys: made, added to, and never spoiled.
 */
#include "config.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/secret.h"
#include "lib/core/vault.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct wl_arena	*arena;
static struct wl_err	 e;
static char		 path[240], part[256];

struct step {
	void	(*fn)(void);
};

static int
run(void *arg)
{
	((struct step *)arg)->fn();
	return 0;
}

/*
 * FN in a loop, with no file at PATH.
 */
static void
in_loop(void (*fn)(void))
{
	struct step step = { fn };

	memset(&e, 0, sizeof(e));
	arena = wl_arena_new(1 << 20);
	snprintf(path, sizeof(path), "%s", wl_tmp_path("master"));
	snprintf(part, sizeof(part), "%s.part", path);
	unlink(path);
	CU_ASSERT_EQUAL(wl_run(run, &step), 0);
	CU_ASSERT_NOT_EQUAL(access(part, F_OK), 0);
	wl_arena_free(arena);
}

static mode_t
mode(void)
{
	struct stat st;

	return stat(path, &st) == -1 ? 0 : st.st_mode & 07777;
}

static const char *
make(const char *id, bool append)
{
	return wl_vault_make_master(arena, path, id, append, &e);
}

/*
 * The first key of the file is ID.
 */
static void
current_is(const char *id)
{
	struct wl_keyring *ring = wl_keyring_load(path, &e);

	CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
	CU_ASSERT_STRING_EQUAL(wl_keyring_current(ring), id);
	wl_keyring_free(ring);
}

static void
making(void)
{
	uint8_t nonce[WL_SECRET_NONCE], sealed[3 + WL_SECRET_TAG], plain[3];
	struct wl_keyring *ring;

	CU_ASSERT_STRING_EQUAL(make("m1", false), "m1");
	CU_ASSERT_EQUAL(mode(), 0600);
	current_is("m1");
	ring = wl_keyring_load(path, &e);
	CU_ASSERT_EQUAL(wl_secret_seal(ring, "abc", 3, "x", 1, nonce, sealed),
	    0);
	wl_keyring_free(ring);

	CU_ASSERT_PTR_NULL(make("m2", false));
	CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
	current_is("m1");

	CU_ASSERT_STRING_EQUAL(make("m2", true), "m2");
	CU_ASSERT_EQUAL(mode(), 0600);
	current_is("m2");
	ring = wl_keyring_load(path, &e);
	CU_ASSERT_EQUAL(wl_secret_open(ring, "m1", nonce, sealed,
	    sizeof(sealed), "x", 1, plain), 0);
	CU_ASSERT_EQUAL(memcmp(plain, "abc", 3), 0);
	wl_keyring_free(ring);
}

static void
test_making(void)
{
	in_loop(making);
}

static void
ids(void)
{
	static const char *const bad[] = {
		"", "a b", "a\nb", "x/y", "\xc3\xa4",
		"123456789012345678901234567890123"
	};
	const char *first, *second;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_PTR_NULL(make(bad[i], false));
		CU_ASSERT_EQUAL(e.code, WL_E_INVALID_REQUEST);
		CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	}
	first = make(NULL, false);
	second = make(NULL, true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(first);
	CU_ASSERT_PTR_NOT_NULL_FATAL(second);
	CU_ASSERT_STRING_NOT_EQUAL(first, second);
	current_is(second);
	CU_ASSERT_PTR_NULL(make(first, true));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "used twice"));
	current_is(second);
}

static void
test_ids(void)
{
	in_loop(ids);
}

/*
 * The file stays as it was, to the byte.
 */
static void
refuses(const char *text, mode_t perm, const char *why)
{
	size_t len;
	char *now;

	wl_tmp_file("master", text, strlen(text), perm);
	CU_ASSERT_PTR_NULL(make("new", true));
	if (strstr(e.msg, why) == NULL)
		printf("# %s\n", e.msg);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, why));
	now = wl_tmp_read(path, &len);
	CU_ASSERT_STRING_EQUAL(now, text);
	free(now);
	unlink(path);
}

static void
bad_files(void)
{
	char line[128], full[9000] = "";
	size_t n = 0;
	int i;

	CU_ASSERT_PTR_NULL(make("new", true));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "No such file"));
	refuses("m1 nonsense\n", 0600, "base64");
	wl_keyring_make("m1", line);
	/* what somebody wrote by hand may have no newline at its end */
	wl_tmp_file("master", line, strlen(line), 0600);
	CU_ASSERT_STRING_EQUAL(make("m2", true), "m2");
	current_is("m2");
	unlink(path);
	for (i = 0; i < 64; i++)
		n += (size_t)snprintf(full + n, sizeof(full) - n, "m%d%s\n", i,
		    line + 2);
	refuses(full, 0600, "too many keys");
	while (n < 8190)
		full[n++] = '#';
	full[n] = '\0';
	refuses(full, 0600, "too large");
}

static void
test_bad_files(void)
{
	in_loop(bad_files);
}

/*
 * Another run that died, or runs, has the part: nothing is touched.
 */
static void
left_behind(void)
{
	size_t len;
	char *text;

	CU_ASSERT_PTR_NOT_NULL(make("m1", false));
	wl_tmp_file("master.part", "mine", 4, 0600);
	CU_ASSERT_PTR_NULL(make("m2", true));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "left behind"));
	text = wl_tmp_read(part, &len);
	CU_ASSERT_STRING_EQUAL(text, "mine");
	free(text);
	unlink(part);
	current_is("m1");
}

static void
test_left_behind(void)
{
	in_loop(left_behind);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "made and added to", test_making },
		{ "ids", test_ids },
		{ "files that are no good", test_bad_files },
		{ "a part left behind", test_left_behind },
		{ NULL, NULL }
	};

	return wl_tap_run("vault", tests);
}
