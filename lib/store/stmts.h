/*
 * The tables of statements, one for each file that has some; see stmts.c.
 */
#ifndef WL_STORE_STMTS_H
#define WL_STORE_STMTS_H

#include "lib/store/pg.h"

extern const struct wl_stmt wl_counter_pg_stmts[];
extern const struct wl_stmt wl_db_admin_list_stmts[];
extern const struct wl_stmt wl_db_admin_page_stmts[];
extern const struct wl_stmt wl_db_admin_provider_stmts[];
extern const struct wl_stmt wl_db_admin_stmts[];
extern const struct wl_stmt wl_db_auth_stmts[];
extern const struct wl_stmt wl_db_billing_stmts[];
extern const struct wl_stmt wl_db_doctor_stmts[];
extern const struct wl_stmt wl_db_drain_stmts[];
extern const struct wl_stmt wl_db_health_stmts[];
extern const struct wl_stmt wl_db_migrate_stmts[];
extern const struct wl_stmt wl_db_policy_stmts[];
extern const struct wl_stmt wl_db_price_stmts[];
extern const struct wl_stmt wl_db_provider_stmts[];
extern const struct wl_stmt wl_db_redaction_stmts[];
extern const struct wl_stmt wl_db_rollup_stmts[];
extern const struct wl_stmt wl_db_route_stmts[];
extern const struct wl_stmt wl_db_usage_stmts[];
extern const struct wl_stmt wl_pg_stmts[];

#endif
