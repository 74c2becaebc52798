/*
 * Webhooks of Stripe.  The database decides what follows (stripe_apply() in
 * sql/schema): events come twice, late and out of order.
 */
#include "config.h"
#include "lib/core/stripe.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/hash.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/secret.h"
#include "lib/store/counter.h"
#include "lib/store/db_billing.h"

#define SIGNATURES_MAX	8
#define SECRET_MAX	256
#define ID_MAX		255	/* of Stripe's ids */
#define TYPE_MAX	100
#define PROJECT_MAX	32
#define ITEMS_MAX	20	/* of a subscription, as Stripe allows */
#define PLANS_MAX	((size_t)2048)

/* ---- signatures -------------------------------------------------------- */

static int
read_signature(struct wl_str header, int64_t *t, uint8_t v1[][32], int *n)
{
	struct wl_str value, name;
	bool timed = false;

	*n = 0;
	while (header.len > 0) {
		value = wl_str_cut(&header, ',');
		name = wl_str_trim(wl_str_cut(&value, '='));
		value = wl_str_trim(value);
		if (wl_str_eq(name, "t")) {
			/* the time that was signed is a single one */
			if (timed || wl_num_parse(value.p, value.len, 0,
			    INT64_MAX / 1000, t) == -1)
				return -1;
			timed = true;
		} else if (wl_str_eq(name, "v1") && value.len == 64 &&
		    *n < SIGNATURES_MAX &&
		    wl_unhex(value.p, value.len, v1[*n]) == 0) {
			(*n)++;
		}
	}
	return timed ? 0 : -1;
}

const char *
wl_stripe_verify(struct wl_arena *a, const char *header, const char *secret,
    struct wl_str body, int64_t now_s, int64_t tolerance_s)
{
	uint8_t v1[SIGNATURES_MAX][32], want[32];
	char seconds[WL_NUM_LEN], *text;
	bool good = false;
	size_t len;
	int64_t t;
	int i, n;

	if (header == NULL || secret[0] == '\0')
		return "no signature";
	if (read_signature(wl_str_of(header), &t, v1, &n) == -1)
		return "a signature without its time";
	len = wl_num_put(t, seconds);
	if ((text = wl_arena_alloc(a, len + 1 + body.len)) == NULL)
		return "no memory";
	memcpy(text, seconds, len);
	text[len] = '.';
	memcpy(text + len + 1, body.p, body.len);
	wl_hmac_sha256(secret, strlen(secret), text, len + 1 + body.len, want);
	for (i = 0; i < n; i++)
		good |= wl_equal_ct(want, v1[i], sizeof(want));
	if (!good)
		return "another signature";
	if (t < now_s - tolerance_s || t > now_s + tolerance_s)
		return "signed too long ago, or in the future";
	return NULL;
}

/* ---- events ------------------------------------------------------------ */

/*
 * A text of at most MAX bytes without blanks and controls, or NULL.
 */
static const char *
word(struct json_object *o, const char *key, size_t max)
{
	struct wl_str s;
	size_t i;

	if (!wl_json_str(o, key, &s) || s.len == 0 || s.len > max)
		return NULL;
	for (i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return NULL;
	/* json-c ends it */
	return s.p;
}

/*
 * The id in a member that may be the object itself.
 */
static const char *
id_of(struct json_object *o, const char *key)
{
	struct json_object *whole = wl_json_obj(o, key);

	return whole != NULL ? word(whole, "id", ID_MAX) :
	    word(o, key, ID_MAX);
}

/*
 * The plan that MAPPING has for ID.  Returns 1, 0, or -1: MAPPING is none.
 */
static int
plan_of(const char *mapping, const char *id, struct wl_str *plan)
{
	const char *p = mapping;
	struct wl_str item, name, rest;
	int found = 0;

	for (;; p += item.len) {
		p += strspn(p, ", \t\r\n");
		item = (struct wl_str){ p, strcspn(p, ", \t\r\n") };
		if (item.len == 0)
			return found;
		rest = item;
		name = wl_str_cut(&rest, '=');
		if (name.len == 0 || rest.len == 0 || rest.len > PROJECT_MAX ||
		    strspn(rest.p, "abcdefghijklmnopqrstuvwxyz0123456789_-") <
		    rest.len)
			return -1;
		if (id != NULL && wl_str_eq(name, id)) {
			*plan = rest;
			found = 1;
		}
	}
}

static int
add_plan(struct wl_buf *b, const char *mapping, const char *id)
{
	struct wl_str plan;
	int found = plan_of(mapping, id, &plan);

	if (found > 0) {
		if (b->len > 1)
			wl_buf_addc(b, ',');
		wl_buf_addc(b, '"');
		wl_buf_add(b, plan.p, plan.len);
		wl_buf_addc(b, '"');
	}
	return found == -1 ? -1 : 0;
}

/*
 * Plans of the prices and products of subscription O, as an array of
 * PostgreSQL.
 */
static int
read_plans(struct wl_arena *a, struct json_object *o, const char *mapping,
    const char **plans, struct wl_err *e)
{
	struct json_object *items = wl_json_arr(wl_json_obj(o, "items"),
	    "data"), *item, *price;
	size_t i, n = items == NULL ? 0 : json_object_array_length(items);
	struct wl_buf b;
	int rc = plan_of(mapping, NULL, &(struct wl_str){ 0 });

	wl_buf_init(&b, PLANS_MAX);
	wl_buf_addc(&b, '{');
	for (i = 0; i < n && i < ITEMS_MAX && rc != -1; i++) {
		item = json_object_array_get_idx(items, i);
		/* before 2018 there were plans instead of prices */
		if ((price = wl_json_obj(item, "price")) == NULL)
			price = wl_json_obj(item, "plan");
		rc = add_plan(&b, mapping, word(price, "id", ID_MAX));
		if (rc != -1)
			rc = add_plan(&b, mapping, id_of(price, "product"));
	}
	wl_buf_addc(&b, '}');
	*plans = b.failed ? NULL : wl_arena_dup(a, b.p, b.len);
	wl_buf_free(&b);
	if (rc == -1) {
		wl_err_set(e, WL_E_INTERNAL, NULL);
		return wl_err_detail(e, "stripe_plans is no list of "
		    "PRICE=PLAN");
	}
	return *plans == NULL ? wl_err_memory(e) : 0;
}

static const struct {
	const char		*type;
	enum wl_stripe_kind	 kind;
} types[] = {
	{ "checkout.session.completed", WL_STRIPE_CHECKOUT },
	{ "customer.subscription.created", WL_STRIPE_CREATED },
	{ "customer.subscription.deleted", WL_STRIPE_DELETED },
	{ "customer.subscription.updated", WL_STRIPE_UPDATED },
};

static enum wl_stripe_kind
kind_of(const char *type)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].kind;
	return WL_STRIPE_IGNORED;
}

static int
no_event(struct wl_err *e)
{
	return wl_err_set(e, WL_E_INVALID_REQUEST,
	    "This is not an event of Stripe as this program knows them.");
}

/*
 * Metadata are written by the operator's program only; the reference may come
 * from the customer, who finds it in the address of a payment link.
 */
static void
read_project(struct json_object *o, struct wl_stripe_event *ev)
{
	ev->project = word(wl_json_obj(o, "metadata"), "watchllm_project",
	    PROJECT_MAX);
	ev->trusted = ev->project != NULL;
	if (!ev->trusted && ev->kind == WL_STRIPE_CHECKOUT)
		ev->project = word(o, "client_reference_id", PROJECT_MAX);
}

static int
read_object(struct wl_arena *a, struct json_object *o, const char *mapping,
    struct wl_stripe_event *ev, struct wl_err *e)
{
	const char *mode;

	if (o == NULL)
		return no_event(e);
	ev->customer = id_of(o, "customer");
	read_project(o, ev);
	if (ev->kind == WL_STRIPE_CHECKOUT) {
		mode = word(o, "mode", TYPE_MAX);
		ev->subscription = id_of(o, "subscription");
		/* something that is paid once */
		if (mode != NULL && strcmp(mode, "subscription") != 0)
			ev->kind = WL_STRIPE_IGNORED;
		else if (ev->subscription == NULL)
			return no_event(e);
		return 0;
	}
	ev->subscription = word(o, "id", ID_MAX);
	ev->status = word(o, "status", TYPE_MAX);
	if (ev->subscription == NULL || ev->status == NULL)
		return no_event(e);
	return read_plans(a, o, mapping, &ev->plans, e);
}

int
wl_stripe_read(struct wl_arena *a, struct wl_str body, const char *mapping,
    struct wl_stripe_event *ev, struct wl_err *e)
{
	enum wl_json_fault fault;
	struct json_object *o = wl_json_parse(a, body.p, body.len, &fault);

	memset(ev, 0, sizeof(*ev));
	ev->plans = "{}";
	if (fault != WL_JSON_OK)
		return wl_err_set(e, fault == WL_JSON_BIG ?
		    WL_E_REQUEST_TOO_LARGE : WL_E_INVALID_JSON, NULL);
	ev->id = word(o, "id", ID_MAX);
	ev->type = word(o, "type", TYPE_MAX);
	if (ev->id == NULL || ev->type == NULL)
		return no_event(e);
	if ((ev->kind = kind_of(ev->type)) == WL_STRIPE_IGNORED)
		return 0;
	/* "thin" events tell their time as a text, and nothing else */
	if (!wl_json_int(o, "created", &ev->created_s) || ev->created_s < 0 ||
	    ev->created_s > (int64_t)1 << 40)
		return no_event(e);
	return read_object(a, wl_json_obj(wl_json_obj(o, "data"), "object"),
	    mapping, ev, e);
}

/* ---- taking one -------------------------------------------------------- */

static int
check(struct wl_arena *a, const struct wl_conf *conf, const char *header,
    struct wl_str body, struct wl_err *e)
{
	struct wl_err unread = { 0 };
	char secret[SECRET_MAX];
	const char *why;

	if (conf->stripe_secret_file[0] == '\0')
		return wl_err_set(e, WL_E_NOT_FOUND, NULL);
	if (wl_secret_file(conf->stripe_secret_file, secret, sizeof(secret),
	    &unread) == -1) {
		wl_err_set(e, WL_E_UNAVAILABLE, NULL);
		return wl_err_detail(e, "stripe_secret_file: %s", unread.msg);
	}
	why = wl_stripe_verify(a, header, secret, body, wl_clock_ms() / 1000,
	    conf->stripe_tolerance / 1000);
	wl_secret_wipe(secret, sizeof(secret));
	if (why == NULL)
		return 0;
	wl_err_set(e, WL_E_INVALID_REQUEST,
	    "The Stripe-Signature is missing or not valid.");
	e->param = "Stripe-Signature";
	return wl_err_detail(e, "%s", why);
}

/*
 * The workers learn of the projects' new versions.
 */
static void
tell(struct wl_arena *a, const struct wl_conf *conf,
    const struct wl_db_billing *done)
{
	struct wl_err e = { 0 };
	int i;

	for (i = 0; i < done->n; i++)
		if (wl_counter_version(a, conf, done->projects[i].id,
		    done->projects[i].version, &e) == -1)
			wl_log(WL_WARN, "billing.untold", "workers learn of "
			    "a plan within a minute, since Redis cannot be "
			    "reached");
}

int
wl_stripe_take(struct wl_arena *a, const struct wl_conf *conf,
    const char *header, struct wl_str body, const char **outcome,
    struct wl_err *e)
{
	struct wl_db_billing done;
	struct wl_stripe_event ev;

	if (check(a, conf, header, body, e) == -1 ||
	    wl_stripe_read(a, body, conf->stripe_plans, &ev, e) == -1)
		return -1;
	if (ev.kind == WL_STRIPE_IGNORED) {
		*outcome = "ignored";
		return 0;
	}
	if (wl_db_billing_apply(a, &(struct wl_db_billing_event){
	    .id = ev.id, .type = ev.type, .created_s = ev.created_s,
	    .rank = (int)(ev.kind - WL_STRIPE_CHECKOUT),
	    .subscription = ev.subscription, .customer = ev.customer,
	    .project = ev.project, .trusted = ev.trusted,
	    .status = ev.status, .plans = ev.plans,
	    .default_plan = conf->stripe_default_plan }, &done, e) == -1)
		return -1;
	*outcome = done.outcome;
	wl_log(WL_INFO, "billing.event", "%s %s of %s: %s", ev.type, ev.id,
	    ev.subscription, done.outcome);
	tell(a, conf, &done);
	return 0;
}
