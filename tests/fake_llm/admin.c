/*
 * How tests steer fake_llm and ask it what it has seen.
 */
#include "config.h"

#include "tests/fake_llm/admin.h"

#include <stdio.h>

#include <json-c/json.h>

#include "lib/base/loop.h"
#include "tests/fake_llm/ledger.h"
#include "tests/fake_llm/out.h"
#include "tests/fake_llm/rules.h"

#define PREFIX "/_fake/"
#define NOTE_MAX ((size_t)1024 * 1024)

static const char JSON[] = "application/json";
static struct fake_buf last;

bool
fake_admin_wants(const struct fake_req *r)
{
	return strncmp(r->path, PREFIX, sizeof(PREFIX) - 1) == 0;
}

void
fake_admin_note(const struct fake_req *r)
{
	last.len = 0;
	fake_buf_put(&last, r->head, r->head_len);
	fake_buf_put(&last, r->body, r->body_len < NOTE_MAX ? r->body_len :
	    NOTE_MAX);
}

void
fake_admin_free(void)
{
	fake_buf_trim(&last, 0);
}

static void
say(struct fake_conn *c, int status, const char *error)
{
	struct fake_buf *b = &c->body;

	b->len = 0;
	if (error == NULL) {
		fake_buf_puts(b, "{\"ok\":true}\n");
	} else {
		fake_buf_puts(b, "{\"error\":\"");
		fake_buf_json(b, error, strlen(error));
		fake_buf_puts(b, "\"}\n");
	}
	(void)fake_http_reply(c, status, JSON, b->p, b->len);
}

static void
defaults(struct fake_conn *c, const struct fake_req *r)
{
	char err[FAKE_SCRIPT_ERR];
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = NULL;

	if (tok != NULL && r->body_len <= FAKE_HEAD_MAX)
		o = json_tokener_parse_ex(tok, r->body, (int)r->body_len);
	if (!json_object_is_type(o, json_type_object))
		say(c, 400, "the body must be a JSON object");
	else if (fake_rules_defaults(o, err) == -1)
		say(c, 400, err);
	else
		say(c, 200, NULL);
	json_object_put(o);
	if (tok != NULL)
		json_tokener_free(tok);
}

static void
reset(struct fake_conn *c, const struct fake_req *r)
{
	(void)r;
	fake_rules_reset();
	fake_ledger_reset();
	say(c, 200, NULL);
}

static void
stats(struct fake_conn *c, const struct fake_req *r)
{
	struct wl_loop_stat st;
	struct fake_buf *b = &c->body;

	(void)r;
	wl_loop_stats(&st);
	b->len = 0;
	fake_buf_puts(b, "{");
	fake_ledger_stats(b);
	fake_buf_fmt(b, ",\"turns\":%llu,\"slow_turns\":%llu,"
	    "\"longest_turn_us\":%llu,\"coroutines\":%llu}\n",
	    (unsigned long long)st.turns, (unsigned long long)st.slow_turns,
	    (unsigned long long)st.longest_us,
	    (unsigned long long)st.coroutines);
	(void)fake_http_reply(c, 200, JSON, b->p, b->len);
}

static void
last_request(struct fake_conn *c, const struct fake_req *r)
{
	(void)r;
	(void)fake_http_reply(c, 200, "application/octet-stream", last.p,
	    last.len);
}

/*
 * The value of NAME in the query, NULL when it is not there.  Values are
 * taken as they are: ids need no escapes.
 */
static const char *
query_value(const struct fake_req *r, const char *name, char out[64])
{
	size_t n = strlen(name);
	const char *p = r->query;

	while (p != NULL && *p != '\0') {
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			(void)snprintf(out, 64, "%.*s",
			    (int)strcspn(p + n + 1, "&"), p + n + 1);
			return out;
		}
		p = strchr(p, '&');
		if (p != NULL)
			p++;
	}
	return NULL;
}

struct filter {
	const char	*id;
	const char	*request_id;
	uint64_t	 since;		/* only records with a larger seq */
	char		 id_text[64];
	char		 request_id_text[64];
};

static bool
passes(const struct filter *f, const struct fake_record *rec)
{
	return rec != NULL && rec->seq > f->since &&
	    (f->id == NULL || strcmp(f->id, rec->id) == 0) &&
	    (f->request_id == NULL ||
	    strcmp(f->request_id, rec->request_id) == 0);
}

static void
ledger(struct fake_conn *c, const struct fake_req *r)
{
	struct fake_record rec;		/* for the frame's counters */
	struct filter f = {0};
	struct fake_out o;
	uint64_t i, n = fake_ledger_count();
	const char *since;
	char text[64];

	memset(&rec, 0, sizeof(rec));
	f.id = query_value(r, "id", f.id_text);
	f.request_id = query_value(r, "request_id", f.request_id_text);
	since = query_value(r, "since", text);
	while (since != NULL && *since >= '0' && *since <= '9')
		f.since = f.since * 10 + (uint64_t)(*since++ - '0');
	if (c->http10)
		c->keep = false;
	fake_out_open(&o, c, &rec, c->http10 ? FAKE_FRAME_PLAIN :
	    FAKE_FRAME_CHUNKED);
	o.pieces = true;
	fake_http_head(&c->head, c, 200);
	fake_buf_puts(&c->head, "Content-Type: application/x-ndjson\r\n");
	fake_buf_puts(&c->head, c->http10 ? "\r\n" :
	    "Transfer-Encoding: chunked\r\n\r\n");
	for (i = 0; i < n && !o.failed; i++) {
		const struct fake_record *got = fake_ledger_at(i);

		if (passes(&f, got))
			fake_ledger_line(&c->body, got);
		fake_out_piece(&o);
	}
	(void)fake_out_end(&o);
}

static const struct {
	const char	*method;
	const char	*path;
	void		(*fn)(struct fake_conn *, const struct fake_req *);
} routes[] = {
    {"POST", PREFIX "defaults", defaults},
    {"GET", PREFIX "last", last_request},
    {"GET", PREFIX "ledger", ledger},
    {"POST", PREFIX "reset", reset},
    {"GET", PREFIX "stats", stats},
};

void
fake_admin_serve(struct fake_conn *c, const struct fake_req *r)
{
	size_t i;

	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, r->path) != 0)
			continue;
		if (strcmp(routes[i].method, r->method) == 0)
			routes[i].fn(c, r);
		else
			say(c, 405, "wrong method");
		return;
	}
	say(c, 404, "no such route");
}
