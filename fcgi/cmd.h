/*
 * The commands of the operator's command line, each in its cmd_NAME.c: what
 * it does, and its help.
 */
#ifndef WL_FCGI_CMD_H
#define WL_FCGI_CMD_H

struct wl_cli;

extern const char wl_cmd_migrate_help[];
int wl_cmd_migrate(struct wl_cli *cli, int argc, char **argv);

extern const char wl_cmd_verify_help[];
int wl_cmd_verify(struct wl_cli *cli, int argc, char **argv);

#endif
