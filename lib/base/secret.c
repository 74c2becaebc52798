/*
 * Secrets at rest: master keys in guarded memory, sealed boxes bound to what
 * they belong to, and files that only their owner may read.
 */
#include "config.h"
#include "lib/base/secret.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/rand.h"
#include "lib/base/str.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_BYTES	crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define ID_MAX		((size_t)32)
#define KEYS_MAX	64
#define FILE_BYTES	8192

_Static_assert(WL_SECRET_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    "nonce");
_Static_assert(WL_SECRET_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES,
    "tag");
_Static_assert(ID_MAX + 1 + 4 * ((KEY_BYTES + 2) / 3) + 1 <= 128, "line");

struct master {
	char	id[ID_MAX + 1];
	uint8_t	key[KEY_BYTES];
};

/* in memory of sodium_malloc(): locked, between guard pages */
struct wl_keyring {
	size_t		n;
	struct master	keys[KEYS_MAX];
};

void
wl_secret_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

/*
 * Open PATH, which nobody but its owner may read.
 */
static int
open_private(const char *path, struct wl_err *e)
{
	struct stat st;
	int fd;

	/* a FIFO would make open() wait */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return wl_err_set(e, WL_E_INTERNAL, "%s: %s", path,
		    strerror(errno));
	if (fstat(fd, &st) == -1)
		wl_err_set(e, WL_E_INTERNAL, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		wl_err_set(e, WL_E_INTERNAL, "%s: not a regular file", path);
	else if ((st.st_mode & (S_IRGRP | S_IROTH)) != 0)
		wl_err_set(e, WL_E_INTERNAL,
		    "%s: readable by group or others (mode %03o): chmod 600 it",
		    path, (unsigned)(st.st_mode & 0777));
	else
		return fd;
	close(fd);
	return -1;
}

/*
 * The whole file at PATH into OUT, ended by a NUL.  Its length, or -1.
 */
static ssize_t
read_private(const char *path, char *out, size_t size, struct wl_err *e)
{
	size_t len = 0;
	ssize_t n;
	int fd;

	if ((fd = open_private(path, e)) == -1)
		return -1;
	do {
		n = read(fd, out + len, size - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len < size) || (n == -1 && errno == EINTR));
	if (n == -1)
		wl_err_set(e, WL_E_INTERNAL, "%s: %s", path, strerror(errno));
	close(fd);
	if (n == -1)
		return -1;
	if (len == size)
		return wl_err_set(e, WL_E_INTERNAL, "%s: longer than %zu bytes",
		    path, size - 1);
	out[len] = '\0';
	if (strlen(out) != len)
		return wl_err_set(e, WL_E_INTERNAL, "%s: contains a NUL byte",
		    path);
	return (ssize_t)len;
}

int
wl_secret_file(const char *path, char *out, size_t size, struct wl_err *e)
{
	char buf[FILE_BYTES];
	size_t len;
	int ret = -1;

	if (read_private(path, buf, sizeof(buf), e) == -1)
		goto out;
	len = strcspn(buf, "\r\n");
	if (buf[len + strspn(buf + len, "\r\n")] != '\0')
		wl_err_set(e, WL_E_INTERNAL, "%s: more than one line", path);
	else if (len == 0)
		wl_err_set(e, WL_E_INTERNAL, "%s: empty", path);
	else if (len >= size)
		wl_err_set(e, WL_E_INTERNAL, "%s: longer than %zu bytes", path,
		    size - 1);
	else {
		memcpy(out, buf, len);
		out[len] = '\0';
		ret = 0;
	}
out:
	wl_secret_wipe(buf, sizeof(buf));
	return ret;
}

static bool
good_id(struct wl_str id)
{
	size_t i;
	char c;

	for (i = 0; i < id.len; i++) {
		c = id.p[i];
		if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') &&
		    (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.')
			return false;
	}
	return id.len > 0 && id.len <= ID_MAX;
}

static const struct master *
find(const struct wl_keyring *k, const char *id)
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (strcmp(k->keys[i].id, id) == 0)
			return &k->keys[i];
	return NULL;
}

/*
 * One line "ID BASE64".  NULL, or what is wrong with it.
 */
static const char *
add_line(struct wl_keyring *k, struct wl_str line)
{
	struct wl_str id = wl_str_cut(&line, ' ');
	struct master *m;

	line = wl_str_trim(line);
	if (!good_id(id))
		return "bad key id";
	if (k->n == KEYS_MAX)
		return "too many keys";
	m = &k->keys[k->n];
	memcpy(m->id, id.p, id.len);
	m->id[id.len] = '\0';
	if (find(k, m->id) != NULL)
		return "key id is used twice";
	if (wl_unbase64(line.p, line.len, m->key, KEY_BYTES) !=
	    (ssize_t)KEY_BYTES)
		return "not 32 bytes in base64";
	k->n++;
	return NULL;
}

static int
add_lines(struct wl_keyring *k, const char *path, struct wl_str text,
    struct wl_err *e)
{
	const char *wrong;
	struct wl_str line;
	int n = 0;

	while (text.p != NULL) {
		line = wl_str_cut(&text, '\n');
		n++;
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		line = wl_str_trim(line);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		if ((wrong = add_line(k, line)) != NULL)
			return wl_err_set(e, WL_E_INTERNAL, "%s:%d: %s", path,
			    n, wrong);
	}
	if (k->n == 0)
		return wl_err_set(e, WL_E_INTERNAL, "%s: no key in it", path);
	return 0;
}

struct wl_keyring *
wl_keyring_load(const char *path, struct wl_err *e)
{
	struct wl_keyring *k;
	char buf[FILE_BYTES];
	ssize_t len;

	if (sodium_init() == -1 || (k = sodium_malloc(sizeof(*k))) == NULL) {
		wl_err_set(e, WL_E_INTERNAL, "out of memory for the keyring");
		return NULL;
	}
	k->n = 0;
	len = read_private(path, buf, sizeof(buf), e);
	if (len == -1 || add_lines(k, path, (struct wl_str){ buf, (size_t)len },
	    e) == -1) {
		wl_keyring_free(k);
		k = NULL;
	} else
		sodium_mprotect_readonly(k);
	wl_secret_wipe(buf, sizeof(buf));
	return k;
}

void
wl_keyring_free(struct wl_keyring *k)
{
	sodium_free(k);	/* wipes */
}

const char *
wl_keyring_current(const struct wl_keyring *k)
{
	return k->keys[0].id;
}

void
wl_keyring_make(const char *id, char out[128])
{
	uint8_t key[KEY_BYTES];
	int n;

	wl_rand(key, sizeof(key));
	n = snprintf(out, ID_MAX + 2, "%.*s ", (int)ID_MAX, id);
	wl_base64(key, sizeof(key), out + n);
	wl_secret_wipe(key, sizeof(key));
}

int
wl_secret_seal(const struct wl_keyring *k, const void *p, size_t len,
    const void *aad, size_t aadlen, uint8_t nonce[WL_SECRET_NONCE],
    uint8_t *out)
{
	wl_rand(nonce, WL_SECRET_NONCE);
	return crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, p, len,
	    aad, aadlen, NULL, nonce, k->keys[0].key);
}

int
wl_secret_open(const struct wl_keyring *k, const char *id,
    const uint8_t nonce[WL_SECRET_NONCE], const void *p, size_t len,
    const void *aad, size_t aadlen, uint8_t *out)
{
	const struct master *m;

	if ((m = find(k, id)) == NULL || len < WL_SECRET_TAG)
		return -1;
	return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, p,
	    len, aad, aadlen, nonce, m->key);
}
