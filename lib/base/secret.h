/*
 * Secrets at rest: XChaCha20-Poly1305 by libsodium under numbered master keys.
 */
#ifndef WL_BASE_SECRET_H
#define WL_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

struct wl_keyring;
struct wl_err;

/*
 * Read master keys from PATH: lines "ID BASE64-OF-32-BYTES", the first is
 * used for new secrets, all are tried by id.  The file must not be readable
 * by group or others.  NULL with *E set on failure.
 */
struct wl_keyring *wl_keyring_load(const char *path, struct wl_err *e);
void wl_keyring_free(struct wl_keyring *k);
/* The id of the key for new secrets. */
const char *wl_keyring_current(const struct wl_keyring *k);
/* A new line for such a file, with a fresh key and ID. OUT holds 128. */
void wl_keyring_make(const char *id, char out[128]);

#define WL_SECRET_NONCE	24
#define WL_SECRET_TAG	16

/*
 * Seal LEN bytes at P under the current key, bound to AAD.  OUT holds
 * LEN + WL_SECRET_TAG bytes.  Returns 0 or -1.
 */
int wl_secret_seal(const struct wl_keyring *k, const void *p, size_t len,
    const void *aad, size_t aadlen, uint8_t nonce[WL_SECRET_NONCE],
    uint8_t *out);

/*
 * Open what was sealed under key ID.  OUT holds LEN - WL_SECRET_TAG bytes.
 * Returns 0, or -1: unknown id, or not authentic (AAD included).
 */
int wl_secret_open(const struct wl_keyring *k, const char *id,
    const uint8_t nonce[WL_SECRET_NONCE], const void *p, size_t len,
    const void *aad, size_t aadlen, uint8_t *out);

/* Zero memory that held a secret. */
void wl_secret_wipe(void *p, size_t len);

/*
 * Read a secret from a file (one line, its newline cut, at most SIZE-1
 * bytes).  Refuses a file readable by group or others.  0, or -1 with *E.
 */
int wl_secret_file(const char *path, char *out, size_t size, struct wl_err *e);

#endif
