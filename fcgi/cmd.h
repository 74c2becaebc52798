/*
 * The commands of the operator's command line, each in its cmd_NAME.c: what
 * it does, and its help.
 */
#ifndef WL_FCGI_CMD_H
#define WL_FCGI_CMD_H

#include "lib/store/db_admin.h"

struct wl_auth;
struct wl_cli;
struct wl_err;
struct wl_rows;

extern const char wl_cmd_audit_help[];
int wl_cmd_audit(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_dead_letter_help[];
int wl_cmd_dead_letter(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_flag_help[];
int wl_cmd_flag(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_key_help[];
int wl_cmd_key(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_limit_help[];
int wl_cmd_limit(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_migrate_help[];
int wl_cmd_migrate(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_plan_help[];
int wl_cmd_plan(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_policy_help[];
int wl_cmd_policy(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_prices_help[];
int wl_cmd_prices(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_project_help[];
int wl_cmd_project(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_provider_help[];
int wl_cmd_provider(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_provider_key_help[];
int wl_cmd_provider_key(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_route_help[];
int wl_cmd_route(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_usage_help[];
int wl_cmd_usage(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_doctor_help[];
int wl_cmd_doctor(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_verify_help[];
int wl_cmd_verify(struct wl_cli *cli, int argc, char **argv);

/*
 * What "project show" has in common with them, under KEY: rows of WL_DB_KEYS
 * and WL_DB_PROVIDER_KEYS, and what is used of AUTH's limits (0, or -1 with
 * *E).
 */
void wl_cmd_key_print(struct wl_cli *cli, const char *key,
    const struct wl_rows *rows);
void wl_cmd_provider_key_print(struct wl_cli *cli, const char *key,
    const struct wl_rows *rows);

/*
 * "NAME list PROJECT": its rows of WHAT, by one of the above.
 */
int wl_cmd_list(struct wl_cli *cli, enum wl_db_list what,
    void (*print)(struct wl_cli *cli, const char *key,
    const struct wl_rows *rows), int argc, char **argv);
int wl_cmd_usage_print(struct wl_cli *cli, const char *key,
    const struct wl_auth *auth, struct wl_err *e)
    __attribute__((warn_unused_result));

#endif
