/*
 * Secrets: files that others may read, keyrings, seals that are bound.
 */
#include "config.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp.h"

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ONE	"k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define TWO	"k2 /wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

static const char *
file(const char *name, const char *text)
{
	return wl_tmp_file(name, text, strlen(text), 0600);
}

static struct wl_keyring *
ring(const char *text)
{
	struct wl_err e = { 0 };

	return wl_keyring_load(file("ring", text), &e);
}

static void
test_file(void)
{
	char out[8] = "before";
	struct wl_err e;

	CU_ASSERT_EQUAL(wl_secret_file(file("s", "abc\n"), out, 8, &e), 0);
	CU_ASSERT_STRING_EQUAL(out, "abc");
	CU_ASSERT_EQUAL(wl_secret_file(file("s", "abc\r\n"), out, 8, &e), 0);
	CU_ASSERT_STRING_EQUAL(out, "abc");
	CU_ASSERT_EQUAL(wl_secret_file(file("s", "1234567"), out, 8, &e), 0);
	CU_ASSERT_STRING_EQUAL(out, "1234567");
	CU_ASSERT_EQUAL(wl_secret_file(file("s", "12345678"), out, 8, &e), -1);
	CU_ASSERT_EQUAL(wl_secret_file(file("s", "a\nb\n"), out, 8, &e), -1);
	CU_ASSERT_EQUAL(wl_secret_file(file("s", "\n"), out, 8, &e), -1);
	CU_ASSERT_EQUAL(wl_secret_file(file("s", ""), out, 8, &e), -1);
	CU_ASSERT_EQUAL(wl_secret_file(wl_tmp_file("s", "a\0b", 3, 0600), out,
	    8, &e), -1);
	CU_ASSERT_STRING_EQUAL(out, "1234567");
}

static void
test_file_that_is_not_private(void)
{
	static const mode_t open_modes[] = { 0640, 0604, 0644, 0444 };
	static const mode_t good_modes[] = { 0600, 0400, 0700 };
	struct wl_err e;
	char out[8];
	size_t i;

	for (i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		CU_ASSERT_EQUAL(wl_secret_file(wl_tmp_file("s", "x", 1,
		    open_modes[i]), out, 8, &e), -1);
		CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "chmod 600"));
	}
	for (i = 0; i < sizeof(good_modes) / sizeof(good_modes[0]); i++)
		CU_ASSERT_EQUAL(wl_secret_file(wl_tmp_file("s", "x", 1,
		    good_modes[i]), out, 8, &e), 0);
}

static void
test_file_that_is_none(void)
{
	const char *fifo = wl_tmp_path("fifo");
	struct wl_err e;
	char out[8];

	CU_ASSERT_EQUAL(mkfifo(fifo, 0600), 0);
	CU_ASSERT_EQUAL(wl_secret_file(fifo, out, 8, &e), -1);
	CU_ASSERT_EQUAL(wl_secret_file(wl_tmp_dir(), out, 8, &e), -1);
	CU_ASSERT_EQUAL(wl_secret_file("/nonexistent", out, 8, &e), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, "No such file"));
}

static void
test_keyring(void)
{
	struct wl_keyring *k;

	k = ring("# master keys\n\n" TWO "  " ONE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	CU_ASSERT_STRING_EQUAL(wl_keyring_current(k), "k2");
	wl_keyring_free(k);
	wl_keyring_free(NULL);
	CU_ASSERT_PTR_NULL(ring(""));
	CU_ASSERT_PTR_NULL(ring("# nothing\n"));
	CU_ASSERT_PTR_NULL(ring("k1\n"));
	CU_ASSERT_PTR_NULL(ring("k1 AAEC\n"));
	CU_ASSERT_PTR_NULL(ring("k/1" ONE));
	CU_ASSERT_PTR_NULL(ring(ONE ONE));
	CU_ASSERT_PTR_NULL(ring("123456789012345678901234567890123" ONE));
}

static void
test_keyring_error_has_no_key(void)
{
	struct wl_err e;

	CU_ASSERT_PTR_NULL(wl_keyring_load(file("ring", TWO
	    "k1 c2VjcmV0c2VjcmV0\n"), &e));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.msg, ":2:"));
	CU_ASSERT_PTR_NULL(strstr(e.msg, "c2Vj"));
	CU_ASSERT_PTR_NULL(strstr(e.detail, "c2Vj"));
}

static void
test_make(void)
{
	char line[128], again[128];
	struct wl_keyring *k;

	wl_keyring_make("2026-01", line);
	wl_keyring_make("2026-01", again);
	CU_ASSERT_STRING_NOT_EQUAL(line, again);
	CU_ASSERT_PTR_NOT_NULL_FATAL(k = ring(line));
	CU_ASSERT_STRING_EQUAL(wl_keyring_current(k), "2026-01");
	wl_keyring_free(k);
}

static void
test_seal(void)
{
	static const char text[] = "sk-provider-key";
	uint8_t nonce[WL_SECRET_NONCE], other[WL_SECRET_NONCE];
	uint8_t box[sizeof(text) + WL_SECRET_TAG], again[sizeof(box)];
	uint8_t out[sizeof(text)];
	struct wl_keyring *k = ring(ONE TWO);
	size_t i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	CU_ASSERT_EQUAL(wl_secret_seal(k, text, sizeof(text), "p|host", 6,
	    nonce, box), 0);
	CU_ASSERT_EQUAL(wl_secret_seal(k, text, sizeof(text), "p|host", 6,
	    other, again), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(box, again, sizeof(box)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(nonce, other, sizeof(nonce)), 0);
	CU_ASSERT_EQUAL(wl_secret_open(k, "k1", nonce, box, sizeof(box),
	    "p|host", 6, out), 0);
	CU_ASSERT_EQUAL(memcmp(out, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(wl_secret_open(k, "k1", nonce, box, sizeof(box),
	    "p|hosT", 6, out), -1);
	CU_ASSERT_EQUAL(wl_secret_open(k, "k2", nonce, box, sizeof(box),
	    "p|host", 6, out), -1);
	CU_ASSERT_EQUAL(wl_secret_open(k, "k9", nonce, box, sizeof(box),
	    "p|host", 6, out), -1);
	CU_ASSERT_EQUAL(wl_secret_open(k, "k1", other, box, sizeof(box),
	    "p|host", 6, out), -1);
	CU_ASSERT_EQUAL(wl_secret_open(k, "k1", nonce, box, 15, "p|host", 6,
	    out), -1);
	for (i = 0; i < sizeof(box); i++) {
		box[i] ^= 1;
		CU_ASSERT_EQUAL(wl_secret_open(k, "k1", nonce, box,
		    sizeof(box), "p|host", 6, out), -1);
		box[i] ^= 1;
	}
	wl_keyring_free(k);
}

static void
test_old_key_after_rotation(void)
{
	uint8_t nonce[WL_SECRET_NONCE], box[3 + WL_SECRET_TAG], out[3];
	struct wl_keyring *k = ring(ONE);

	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	CU_ASSERT_EQUAL(wl_secret_seal(k, "abc", 3, NULL, 0, nonce, box), 0);
	wl_keyring_free(k);
	CU_ASSERT_PTR_NOT_NULL_FATAL(k = ring(TWO ONE));
	CU_ASSERT_EQUAL(wl_secret_open(k, "k1", nonce, box, sizeof(box), NULL,
	    0, out), 0);
	CU_ASSERT_EQUAL(memcmp(out, "abc", 3), 0);
	wl_keyring_free(k);
}

static void
test_wipe(void)
{
	char s[] = "secret";

	wl_secret_wipe(s, sizeof(s));
	CU_ASSERT_EQUAL(memcmp(s, "\0\0\0\0\0\0\0", sizeof(s)), 0);
}

int
main(void)
{
	static const struct wl_test tests[] = {
		{ "a secret in a file", test_file },
		{ "files that others may read", test_file_that_is_not_private },
		{ "what is no file", test_file_that_is_none },
		{ "keyrings", test_keyring },
		{ "a bad keyring is not quoted", test_keyring_error_has_no_key },
		{ "a new key", test_make },
		{ "sealed and opened", test_seal },
		{ "the old key after a rotation", test_old_key_after_rotation },
		{ "wiping", test_wipe },
		{ NULL, NULL }
	};

	return wl_tap_run("secret", tests);
}
