/*
 * watchllm provider.
 */
#include "config.h"

#include "fcgi/cli.h"
#include "fcgi/cmd.h"
#include "lib/core/admin.h"
#include "lib/http/guard.h"
#include "lib/store/pg.h"

const char wl_cmd_provider_help[] =
    "Usage: watchllm provider list\n"
    "       watchllm provider set ID [OPTION]...\n"
    "Show, change and make providers, the hosts that answer calls.  One that "
    "is new\n"
    "needs --base-url.  Workers learn of a change within a minute.\n"
    "\n"
    "      --base-url URL          what /chat/completions is appended to\n"
    "      --name NAME             shown to people\n"
    "      --wire FORMAT           openai, anthropic, azure, bedrock,\n"
    "                              cohere or gemini\n"
    "      --auth HOW              how its key is sent: bearer, none, sigv4 "
    "(AWS), or\n"
    "                              the header api-key, x-api-key or "
    "x-goog-api-key\n"
    "      --api-version V|none    version of its API that is asked for "
    "(azure)\n"
    "      --no-key, --key-required\n"
    "                              whether calls may go there without a key\n"
    "      --private, --public     whether it may be plain http and have a "
    "private\n"
    "                              address (also list it in "
    "upstream_private_hosts)\n"
    "      --no-stream-options, --stream-options\n"
    "                              whether it takes "
    "stream_options.include_usage\n"
    "      --price-provider P|none\n"
    "                              whose prices hold\n"
    "      --disable, --enable     send no calls there, or again\n"
    "      --json                  print JSON\n";

static int
list(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_out_col cols[] = {
		{ "id", WL_OUT_STR }, { "name", WL_OUT_STR },
		{ "wire", WL_OUT_STR }, { "base_url", WL_OUT_STR },
		{ "auth", WL_OUT_STR }, { "key_required", WL_OUT_BOOL },
		{ "private", WL_OUT_BOOL }, { "stream_options", WL_OUT_BOOL },
		{ "price_provider", WL_OUT_STR }, { "enabled", WL_OUT_BOOL },
		{ "api_version", WL_OUT_STR }
	};
	struct wl_err e = { 0 };
	struct wl_rows *r;

	if (wl_cli_args(cli, argc, argv, NULL, 0, 0) == -1)
		return WL_EXIT_MISUSE;
	if (wl_cli_owner(cli, &e) == -1 || (r = wl_db_admin_list(cli->arena,
	    WL_DB_PROVIDERS, NULL, &e)) == NULL)
		return wl_cli_fail(cli, &e);
	wl_cli_table(cli, NULL, cols, 11, r);
	return WL_EXIT_OK;
}

/*
 * A pair of flags that exclude each other.
 */
struct pair {
	bool		 yes, no;
	const char	*names;
};

static int
take_pair(struct wl_cli *cli, const struct pair *p, enum wl_admin_bool *out)
{
	if (p->yes && p->no) {
		wl_cli_misuse(cli, "%s exclude each other", p->names);
		return -1;
	}
	*out = p->yes ? WL_ADMIN_YES : p->no ? WL_ADMIN_NO : WL_ADMIN_SAME;
	return 0;
}

/*
 * A private host that the configuration does not list gets no calls.
 */
static void
check_listed(struct wl_cli *cli, const struct wl_admin_provider *p)
{
	char host[256];
	bool https;
	int port;

	if (p->base_url == NULL || p->is_private != WL_ADMIN_YES ||
	    wl_guard_split(p->base_url, &https, host, &port) == -1 ||
	    wl_guard_listed(cli->conf->upstream_private_hosts, host, port))
		return;
	wl_cli_warn(cli, "upstream_private_hosts of the configuration does not "
	    "list %s: calls to it are refused until it does", host);
}

static int
save(struct wl_cli *cli, const char *id, const struct wl_admin_provider *p)
{
	struct wl_err e = { 0 };
	struct wl_admin ad;
	int64_t unbound;

	if (wl_cli_admin(cli, &ad, &e) == -1 ||
	    wl_admin_provider_set(&ad, id, p, &unbound, &e) == -1)
		return wl_cli_fail(cli, &e);
	check_listed(cli, p);
	if (unbound > 0)
		wl_cli_warn(cli, "%lld keys for %s are bound to another host "
		    "and are not used: set them again", (long long)unbound,
		    id);
	wl_cli_done(cli, id, "Provider %s is set.", id);
	return WL_EXIT_OK;
}

static int
set(struct wl_cli *cli, int argc, char **argv)
{
	struct wl_admin_provider p = { 0 };
	struct pair key = { .names = "--key-required and --no-key" };
	struct pair priv = { .names = "--private and --public" };
	struct pair stream = { .names = "--stream-options and "
	    "--no-stream-options" };
	struct pair enabled = { .names = "--enable and --disable" };
	const struct wl_cli_opt opts[] = {
		{ "api-version", WL_ARG_TEXT, &p.api_version, 0, 0, NULL },
		{ "auth", WL_ARG_WORD, &p.auth, 0, 0,
		    "bearer|none|sigv4|api-key|x-api-key|x-goog-api-key" },
		{ "base-url", WL_ARG_TEXT, &p.base_url, 0, 0, NULL },
		{ "disable", WL_ARG_FLAG, &enabled.no, 0, 0, NULL },
		{ "enable", WL_ARG_FLAG, &enabled.yes, 0, 0, NULL },
		{ "key-required", WL_ARG_FLAG, &key.yes, 0, 0, NULL },
		{ "name", WL_ARG_TEXT, &p.name, 0, 0, NULL },
		{ "no-key", WL_ARG_FLAG, &key.no, 0, 0, NULL },
		{ "no-stream-options", WL_ARG_FLAG, &stream.no, 0, 0, NULL },
		{ "price-provider", WL_ARG_TEXT, &p.price_provider, 0, 0,
		    NULL },
		{ "private", WL_ARG_FLAG, &priv.yes, 0, 0, NULL },
		{ "public", WL_ARG_FLAG, &priv.no, 0, 0, NULL },
		{ "stream-options", WL_ARG_FLAG, &stream.yes, 0, 0, NULL },
		{ "wire", WL_ARG_TEXT, &p.wire, 0, 0, NULL },
		{ NULL, WL_ARG_FLAG, NULL, 0, 0, NULL }
	};

	if (wl_cli_args(cli, argc, argv, opts, 1, 1) == -1 ||
	    take_pair(cli, &key, &p.key_required) == -1 ||
	    take_pair(cli, &priv, &p.is_private) == -1 ||
	    take_pair(cli, &stream, &p.stream_options) == -1 ||
	    take_pair(cli, &enabled, &p.enabled) == -1)
		return WL_EXIT_MISUSE;
	p.price_provider = wl_cli_or_none(p.price_provider);
	p.api_version = wl_cli_or_none(p.api_version);
	return save(cli, argv[1], &p);
}

int
wl_cmd_provider(struct wl_cli *cli, int argc, char **argv)
{
	static const struct wl_cli_sub subs[] = {
		{ "list", list }, { "set", set }, { NULL, NULL }
	};

	return wl_cli_sub(cli, subs, argc, argv);
}
