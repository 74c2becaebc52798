/*
 * The routes below /_fake/: scripts, ledger, figures.
 */
#ifndef WL_TESTS_FAKE_LLM_ADMIN_H
#define WL_TESTS_FAKE_LLM_ADMIN_H

#include "tests/fake_llm/http.h"

/*
 * Whether R is for this module.
 */
bool fake_admin_wants(const struct fake_req *r);

/*
 * Answer R on C.
 */
void fake_admin_serve(struct fake_conn *c, const struct fake_req *r);

/*
 * Keep a copy of R, the newest call, for /_fake/last.  A body beyond 1 MB is
 * cut.
 */
void fake_admin_note(const struct fake_req *r);

/*
 * Release the copy.
 */
void fake_admin_free(void);

#endif
