/*
 * Who may see the operator's pages.
 */
#ifndef WL_FCGI_OPERATOR_H
#define WL_FCGI_OPERATOR_H

struct wl_conf;
struct wl_err;
struct wl_req;

/*
 * Whether R comes from one of operator_addresses or presents, as a key is
 * presented, the token of operator_token_file.  The file is read each time:
 * a new token holds at once.  Returns 0, or -1 with *E: WL_E_MISSING_KEY,
 * WL_E_INVALID_KEY, WL_E_TOO_MANY_BAD.
 */
int wl_operator_check(const struct wl_req *r, const struct wl_conf *conf,
    struct wl_err *e) __attribute__((warn_unused_result));

/*
 * Whether R presents that token, wherever it comes from: for what changes
 * something, since whoever has a listed address need not be the operator (his
 * browser has it, too).  Returns as above; WL_E_NOT_FOUND where no token is
 * configured: there is no such route.
 */
int wl_operator_token(const struct wl_req *r, const struct wl_conf *conf,
    struct wl_err *e) __attribute__((warn_unused_result));

#endif
