/*
 * Where a command finds a key.
 */
#include "config.h"
#include "fcgi/key_arg.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/base/str.h"

#define KEY_MAX	512

static int
from_input(char out[KEY_MAX], struct wl_err *e)
{
	struct wl_str s;

	if (fgets(out, KEY_MAX, stdin) == NULL)
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "no key on standard input");
	s = wl_str_trim((struct wl_str){ out, strcspn(out, "\r\n") });
	memmove(out, s.p, s.len);
	out[s.len] = '\0';
	return 0;
}

int
wl_key_arg_read(struct wl_arena *a, struct wl_key_arg *k, struct wl_err *e)
{
	char key[KEY_MAX] = "";
	const char *p;

	k->value = NULL;
	if (k->word == NULL && k->file == NULL)
		return 0;
	if (k->file != NULL) {
		if (wl_secret_file(k->file, key, sizeof(key), e) == -1)
			return -1;
	} else if (strcmp(k->word, "-") == 0) {
		if (from_input(key, e) == -1)
			return -1;
	} else if (!wl_strlcpy(key, k->word, sizeof(key))) {
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "the key is too long");
	}
	for (p = key; *p > ' ' && *p < 0x7f; p++)
		;
	if (p == key || *p != '\0')
		return wl_err_set(e, WL_E_INVALID_REQUEST,
		    "the key is empty, or has characters that no key has");
	k->value = wl_arena_strdup(a, key);
	wl_secret_wipe(key, sizeof(key));
	return k->value != NULL ? 0 :
	    wl_err_set(e, WL_E_UNAVAILABLE, "out of memory");
}
