/*
 * Migrations: numbered files, forward only, each in one transaction that
 * records its checksum.
 */
#ifndef WL_STORE_DB_MIGRATE_H
#define WL_STORE_DB_MIGRATE_H

#include "lib/store/pg.h"

struct wl_arena;
struct wl_err;

/*
 * The schema that this program was written for: the number of the last file
 * in sql/schema/ (a test compares them).
 */
#define WL_SCHEMA_VERSION	25

/*
 * What became of a file.
 */
enum wl_migrate_state {
	WL_M_PRESENT,		/* applied before */
	WL_M_APPLIED,		/* applied now */
	WL_M_PENDING		/* would be applied */
};

/*
 * Apply the files NNNN_name.sql of folder DIR (NULL: as installed) that the
 * database does not have, in their order, as role owner.  Each is one
 * transaction under an advisory lock, so that several may run at once.  DRY
 * applies nothing.  TELL, which may be NULL, is called for each file.
 * Returns how many were applied (pending), or -1 with *E: a file that was
 * applied has another checksum now, the database has a version that DIR does
 * not know, numbers have a gap, or a statement failed.
 */
int wl_migrate_run(struct wl_arena *a, const char *dir, int dry,
    void (*tell)(int version, const char *name, enum wl_migrate_state state,
    void *arg), void *arg, struct wl_err *e)
    __attribute__((warn_unused_result));

/*
 * Whether the database, as ROLE, has the schema of this program.
 * Returns 0, or -1 with *E: WL_E_UNAVAILABLE when it cannot be reached, else
 * WL_E_INTERNAL with what to do in MSG.
 */
int wl_migrate_check(struct wl_arena *a, enum wl_role role, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
