/*
 * Every statement of the program, for the test that prepares them all.
 */
#include "config.h"
#include "lib/store/stmts.h"

#include <stddef.h>

const struct wl_stmt *const wl_stmt_tables[] = {
	wl_counter_pg_stmts,
	wl_db_admin_list_stmts,
	wl_db_admin_page_stmts,
	wl_db_admin_provider_stmts,
	wl_db_admin_stmts,
	wl_db_auth_stmts,
	wl_db_billing_stmts,
	wl_db_doctor_stmts,
	wl_db_drain_stmts,
	wl_db_health_stmts,
	wl_db_migrate_stmts,
	wl_db_policy_stmts,
	wl_db_price_stmts,
	wl_db_provider_stmts,
	wl_db_redaction_stmts,
	wl_db_rollup_stmts,
	wl_db_route_stmts,
	wl_db_usage_stmts,
	wl_pg_stmts,
	NULL
};
