/*
 * The part of "watchllm route" that is about rules: as subcommands, and what
 * the others come to when they are given a project ("-": all projects).
 */
#ifndef WL_FCGI_CMD_ROUTE_H
#define WL_FCGI_CMD_ROUTE_H

struct wl_cli;

int wl_cmd_route_add(struct wl_cli *cli, int argc, char **argv);
int wl_cmd_route_show(struct wl_cli *cli, int argc, char **argv);
int wl_cmd_route_test(struct wl_cli *cli, int argc, char **argv);
int wl_cmd_route_rules(struct wl_cli *cli, const char *project);
int wl_cmd_route_rule_remove(struct wl_cli *cli, const char *project,
    const char *name);

#endif
