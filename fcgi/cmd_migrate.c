/*
 * watchllm migrate.
 */
#include "config.h"

#include <string.h>

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/store/db_migrate.h"

const char wl_cmd_migrate_help[] =
    "Usage: watchllm migrate [--dry-run] [--dir DIR] [--json]\n"
    "Apply the migrations that the database does not have, each in one\n"
    "transaction, in role owner (owner_database_url).\n"
    "\n"
    "      --dry-run  say what would be applied\n"
    "      --dir DIR  the folder of the migrations, instead of the "
    "installed one\n";

static const char *const states[] = {
	[WL_M_PRESENT] = "present",
	[WL_M_APPLIED] = "applied",
	[WL_M_PENDING] = "pending"
};

struct told {
	struct wl_out	*out;
	int		 n;
};

static void
tell(int version, const char *name, enum wl_migrate_state state, void *arg)
{
	struct told *told = arg;
	char number[12];
	const char *row[] = { number, name, states[state] };

	snprintf(number, sizeof(number), "%04d", version);
	wl_out_row(told->out, row);
	told->n++;
}

int
wl_cmd_migrate(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "version", WL_OUT_STR }, { "name", WL_OUT_STR },
		{ "state", WL_OUT_STR }
	};
	bool dry = false;
	const char *dir = NULL;
	const struct wl_cli_opt opts[] = {
		{ "dir", WL_ARG_TEXT, &dir, 0, 0, NULL },
		{ "dry-run", WL_ARG_FLAG, &dry, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};
	struct told told = { &cli->out, 0 };
	struct wl_err e = { 0 };
	int n;

	if (wl_cli_args(cli, argc, argv, opts, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_stores(cli, &e) == -1)
		return wl_cli_fail(cli, &e);
	wl_out_table(&cli->out, NULL, cols, 3);
	n = wl_migrate_run(cli->arena, dir, dry, tell, &told, &e);
	wl_out_table_end(&cli->out);
	if (n == -1) {
		/* files that were applied stay applied */
		if (told.n > 0 && wl_cli_flush(cli) == WL_EXIT_FAILED)
			return WL_EXIT_FAILED;
		return wl_cli_fail(cli, &e);
	}
	wl_out_say(&cli->out, dry ? "%d to apply." : "%d applied.", n);
	return WL_EXIT_OK;
}
