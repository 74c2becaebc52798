/*
 * The customers' own keys for providers, at rest: sealed under a master key,
 * bound to their project, provider and host, and sealed again when the master
 * key changes.  lib/core/model.c opens them.
 */
#ifndef WL_CORE_VAULT_H
#define WL_CORE_VAULT_H

#include "lib/core/admin.h"

#define WL_VAULT_KEY_MAX	2048	/* bytes of a provider key */

/*
 * Store KEY for PROJECT at PROVIDER under PRIORITY (1-3), in place of what is
 * there, bound to the host that the provider has now.  0 with *ID, or -1 with
 * *E as lib/core/admin.h says.
 */
int wl_vault_set(struct wl_admin *ad, const char *project,
    const char *provider, int priority, const char *name, const char *key,
    const char **id, struct wl_err *e) __attribute__((warn_unused_result));

int wl_vault_remove(struct wl_admin *ad, const char *project,
    const char *provider, int priority, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Seal all keys under the first key of master_key_file, a hundred at a time;
 * whoever is interrupted may begin again, and several may run at once.  TELL
 * is called for each key that does not open and so stays as it is.  Workers
 * must know the first key before.  Returns 0 (FAILED may be above 0), or -1
 * with *E.
 */
struct wl_vault_reseal {
	const char	*master;	/* id of the first key */
	int64_t		 resealed, failed;
	void		(*tell)(const char *project, const char *provider,
			    int priority, const char *master, void *arg);
	void		*arg;
};
int wl_vault_reseal(struct wl_admin *ad, struct wl_vault_reseal *r,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Put a new master key into the file at PATH, readable by its owner alone.
 * Without APPEND there must be no such file.  With APPEND the file must be a
 * good one; its owner stays, and the new key comes first, so that it is used
 * from now on.  ID NULL: one is made.  The id, in A, or NULL with *E.
 */
const char *wl_vault_make_master(struct wl_arena *a, const char *path,
    const char *id, bool append, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
