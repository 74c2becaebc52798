/*
 * watchllm provider-key.
 */
#include "config.h"

#include "fcgi/ask.h"
#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/base/secret.h"
#include "lib/core/admin.h"
#include "lib/core/vault.h"
#include "lib/store/pg.h"

const char wl_cmd_provider_key_help[] =
    "Usage: watchllm provider-key set PROJECT PROVIDER [--priority N] "
    "[--name NAME]\n"
    "                                 [--file FILE]\n"
    "       watchllm provider-key list PROJECT\n"
    "       watchllm provider-key remove PROJECT PROVIDER [--priority N]\n"
    "       watchllm provider-key make-master [--append] [--id ID]\n"
    "       watchllm provider-key rotate-master\n"
    "Keep a project's own keys for providers, sealed under a master key and "
    "bound to\n"
    "the provider's host.  A key is read from standard input, without echo on "
    "a\n"
    "terminal, or from a file; it is never shown again.\n"
    "\n"
    "      --priority N  1 is tried first, then 2 and 3 (1)\n"
    "      --name NAME   to recognise it\n"
    "      --file FILE   holds the key; only its owner may read it\n"
    "      --json        print JSON\n"
    "\n"
    "To change the master key: make-master --append puts a new one first in\n"
    "master_key_file and keeps the old ones; give the file to all hosts and "
    "reload\n"
    "the workers (SIGHUP); rotate-master seals all keys anew, which may be\n"
    "interrupted and repeated; then remove the old lines.\n"
    "\n"
    "      --append      add to the file, instead of making it\n"
    "      --id ID       of the master key\n";

#define PRIORITIES	3

void
wl_cmd_provider_key_print(struct wl_cli *cli, const char *key,
    const struct wl_rows *rows)
{
	static const struct wl_out_col cols[] = {
		{ "provider", WL_OUT_STR }, { "priority", WL_OUT_INT },
		{ "id", WL_OUT_STR }, { "name", WL_OUT_STR },
		{ "hint", WL_OUT_STR }, { "host", WL_OUT_STR },
		{ "master", WL_OUT_STR }, { "enabled", WL_OUT_BOOL },
		{ "created_at", WL_OUT_STR }
	};

	wl_cli_table(cli, key, cols, 9, rows);
}

static int
read_key(const char *file, char *key, size_t size, struct wl_err *e)
{
	return file != NULL ? wl_secret_file(file, key, size, e) :
	    wl_ask_secret("Provider key", key, size, e);
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	const char *file = NULL, *name = "", *id;
	int64_t priority = 1;
	const struct wl_cli_opt opts[] = {
		{ "file", WL_ARG_TEXT, &file, 0, 0, NULL },
		{ "name", WL_ARG_TEXT, &name, 0, 0, NULL },
		{ "priority", WL_ARG_INT, &priority, 1, PRIORITIES, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	char key[WL_VAULT_KEY_MAX + 2];
	struct wl_err e = { 0 };
	struct wl_admin ad;
	int ret;

	if (wl_cli_args(cli, argc, argv, opts, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    read_key(file, key, sizeof(key), &e) == -1)
		return wl_cli_fail(cli, &e);
	ret = wl_vault_set(&ad, argv[1], argv[2], (int)priority, name, key,
	    &id, &e);
	wl_secret_wipe(key, sizeof(key));
	if (ret == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, id, "Project %s has key %s for %s.", argv[1], id,
	    argv[2]);
	return WL_EXIT_OK;
}

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	return wl_cmd_list(cli, WL_DB_PROVIDER_KEYS,
	    wl_cmd_provider_key_print, argc, argv);
}

static int
remove_key(struct wl_cli *cli, int argc, char **argv)
{
	int64_t priority = 1;
	const struct wl_cli_opt opts[] = {
		{ "priority", WL_ARG_INT, &priority, 1, PRIORITIES, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, opts, 2, 2) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 || wl_vault_remove(&ad, argv[1],
	    argv[2], (int)priority, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_cli_done(cli, argv[2], "The key of project %s for %s is removed.",
	    argv[1], argv[2]);
	return WL_EXIT_OK;
}

/* ---- master keys ------------------------------------------------------- */

static int
make_master(struct wl_cli *cli, int argc, char **argv)
{
	const char *path = cli->conf->master_key_file, *id = NULL;
	bool append = false;
	const struct wl_cli_opt opts[] = {
		{ "append", WL_ARG_FLAG, &append, 0, 0, NULL },
		{ "id", WL_ARG_TEXT, &id, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct wl_err e = { 0 };

	if (wl_cli_args(cli, argc, argv, opts, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (path[0] == '\0')
		return wl_cli_failf(cli, "the configuration names no "
		    "master_key_file");
	id = wl_vault_make_master(cli->arena, path, id, append, &e);
	if (id == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_done(cli, id, append ? "Master key %s is the first in %s now." :
	    "Master key %s is in %s; the workers' user must be its owner.",
	    id, path);
	return WL_EXIT_OK;
}

static void
not_opened(const char *project, const char *provider, int priority,
    const char *master, void *arg)
{
	wl_cli_warn(arg, "the key of project %s for %s with priority %d does "
	    "not open with master key %s: set it again, or restore that "
	    "master key", project, provider, priority, master);
}

static int
rotate_master(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_vault_reseal r = { .tell = not_opened, .arg = cli };
	struct wl_err e = { 0 };
	struct wl_admin ad;

	if (wl_cli_args(cli, argc, argv, NULL, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_vault_reseal(&ad, &r, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_cli_told(cli, &ad);
	wl_out_obj(&cli->out, NULL);
	wl_out_str(&cli->out, "master", r.master);
	wl_out_int(&cli->out, "resealed", r.resealed);
	wl_out_int(&cli->out, "failed", r.failed);
	wl_out_obj_end(&cli->out);
	if (wl_cli_flush(cli) == WL_EXIT_FAILED)
		return WL_EXIT_FAILED;
	return r.failed > 0 ? WL_EXIT_FAILED : WL_EXIT_OK;
}

int
wl_cmd_provider_key(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "list", list }, { "make-master", make_master },
		{ "remove", remove_key }, { "rotate-master", rotate_master },
		{ "set", set }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
