/*
 * The operator's token and addresses.
 */
#include "config.h"
#include "fcgi/operator.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/conf.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/secret.h"
#include "lib/core/address.h"
#include "lib/http/guard.h"
#include "lib/http/req.h"

#define TOKEN_MAX	256

/*
 * Hashes are compared, so that time tells neither a prefix nor a length.
 */
static bool
matches(const char *presented, const struct wl_conf *conf)
{
	struct wl_err e = { 0 };
	uint8_t want[32], have[32];
	char token[TOKEN_MAX];
	bool ok;

	if (conf->operator_token_file[0] == '\0')
		return false;
	if (wl_secret_file(conf->operator_token_file, token, sizeof(token),
	    &e) == -1) {
		wl_log(WL_ERROR, "operator.token", "%s (%s)", e.msg, e.detail);
		return false;
	}
	wl_sha256(token, strlen(token), want);
	wl_sha256(presented, strlen(presented), have);
	/* an empty file opens nothing */
	ok = token[0] != '\0' && wl_equal_ct(want, have, sizeof(want));
	wl_secret_wipe(token, sizeof(token));
	return ok;
}

static int
present(const struct wl_req *r, const struct wl_conf *conf, struct wl_err *e)
{
	if (r->key == NULL)
		return wl_err_set(e, WL_E_MISSING_KEY, NULL);
	if (wl_address_check(conf, WL_ADDRESS_AUTH, r->addr, e) == -1)
		return -1;
	if (matches(r->key, conf))
		return 0;
	if (wl_address_failed(r->arena, conf, WL_ADDRESS_AUTH, r->addr,
	    e) == -1)
		return -1;
	wl_err_set(e, WL_E_INVALID_KEY, NULL);
	return wl_err_detail(e, "not the operator's token");
}

int
wl_operator_check(const struct wl_req *r, const struct wl_conf *conf,
    struct wl_err *e)
{
	if (r->addr[0] != '\0' &&
	    wl_guard_addr_in(r->addr, conf->operator_addresses))
		return 0;
	return present(r, conf, e);
}

int
wl_operator_token(const struct wl_req *r, const struct wl_conf *conf,
    struct wl_err *e)
{
	if (conf->operator_token_file[0] == '\0')
		return wl_err_set(e, WL_E_NOT_FOUND, NULL);
	return present(r, conf, e);
}
