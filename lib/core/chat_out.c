/*
 * Writing chat completions.
 */
#include "config.h"
#include "lib/core/chat_out.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jw.h"
#include "lib/base/rand.h"

void
wl_chat_out_init(struct wl_chat_out *o, struct wl_relay *relay,
    const struct wl_ask *ask, struct wl_result *res)
{
	memset(o, 0, sizeof(*o));
	o->relay = relay != NULL ? relay : &o->own;
	o->stream = relay != NULL;
	o->ask = ask;
	o->res = res;
}

/* ---- what all answers have ---- */

static const char *
model_of(const struct wl_result *res)
{
	return res->model_used[0] != '\0' ? res->model_used : res->model;
}

/*
 * What an answer and a chunk begin with.
 */
static void
put_head(struct wl_chat_out *o, struct wl_jw *w, const char *object)
{
	char *id = o->res->response_id;

	if (id[0] == '\0') {
		memcpy(id, "chatcmpl-", 9);
		wl_rand_base62(id + 9, 29);
	}
	if (o->relay->created == 0)
		o->relay->created = wl_clock_ms() / 1000;
	wl_jw_obj(w, NULL);
	wl_jw_str(w, "id", id);
	wl_jw_str(w, "object", object);
	wl_jw_int(w, "created", o->relay->created);
	wl_jw_str(w, "model", model_of(o->res));
}

static int64_t
known(int64_t n)
{
	return n < 0 ? 0 : n;
}

static void
put_usage(struct wl_jw *w, const struct wl_usage *u)
{
	int64_t in = known(u->input) + known(u->cache_read) +
	    known(u->cache_write);
	int64_t out = known(u->output) + known(u->reasoning);

	wl_jw_obj(w, "usage");
	wl_jw_int(w, "prompt_tokens", in);
	wl_jw_int(w, "completion_tokens", out);
	wl_jw_int(w, "total_tokens", in + out);
	wl_jw_obj(w, "prompt_tokens_details");
	wl_jw_int(w, "cached_tokens", known(u->cache_read));
	if (u->cache_write >= 0)
		wl_jw_int(w, "cache_write_tokens", u->cache_write);
	wl_jw_end(w, '}');
	wl_jw_obj(w, "completion_tokens_details");
	wl_jw_int(w, "reasoning_tokens", known(u->reasoning));
	wl_jw_end(w, '}');
	wl_jw_end(w, '}');
}

static const char *
finish_of(const struct wl_result *res)
{
	return res->finish_reason[0] != '\0' ? res->finish_reason : "stop";
}

/* ---- chunks ---- */

/*
 * A chunk up to what its delta holds.
 */
static void
begin_chunk(struct wl_chat_out *o, struct wl_jw *w)
{
	wl_buf_adds(&o->relay->out, "data: ");
	wl_jw_init(w, &o->relay->out);
	put_head(o, w, "chat.completion.chunk");
	wl_jw_arr(w, "choices");
	wl_jw_obj(w, NULL);
	wl_jw_int(w, "index", 0);
	wl_jw_obj(w, "delta");
	if (!o->relay->begun)
		wl_jw_str(w, "role", "assistant");
	o->relay->begun = true;
}

static void
end_chunk(struct wl_chat_out *o, struct wl_jw *w, const char *finish)
{
	wl_jw_end(w, '}');
	wl_jw_str(w, "finish_reason", finish);
	wl_jw_end(w, '}');
	wl_jw_end(w, ']');
	if (o->ask->include_usage)
		wl_jw_null(w, "usage");
	wl_jw_end(w, '}');
	wl_buf_adds(&o->relay->out, "\n\n");
}

static void
text_chunk(struct wl_chat_out *o, const char *member, struct wl_str s)
{
	struct wl_jw w;

	begin_chunk(o, &w);
	wl_jw_strn(&w, member, s.p, s.len);
	end_chunk(o, &w, NULL);
}

static void
tool_chunk(struct wl_chat_out *o, const struct wl_str *id,
    const struct wl_str *name, const char *extra, struct wl_str args)
{
	struct wl_jw w;

	begin_chunk(o, &w);
	wl_jw_arr(&w, "tool_calls");
	wl_jw_obj(&w, NULL);
	wl_jw_int(&w, "index", o->relay->tools - 1);
	if (id != NULL) {
		wl_jw_strn(&w, "id", id->p, id->len);
		wl_jw_str(&w, "type", "function");
	}
	wl_jw_obj(&w, "function");
	if (name != NULL)
		wl_jw_strn(&w, "name", name->p, name->len);
	wl_jw_strn(&w, "arguments", args.p, args.len);
	wl_jw_end(&w, '}');
	if (extra != NULL)
		wl_jw_raw(&w, "extra_content", extra, strlen(extra));
	wl_jw_end(&w, '}');
	wl_jw_end(&w, ']');
	end_chunk(o, &w, NULL);
}

static void
usage_chunk(struct wl_chat_out *o)
{
	struct wl_jw w;

	wl_buf_adds(&o->relay->out, "data: ");
	wl_jw_init(&w, &o->relay->out);
	put_head(o, &w, "chat.completion.chunk");
	wl_jw_arr(&w, "choices");
	wl_jw_end(&w, ']');
	put_usage(&w, &o->res->usage);
	wl_jw_end(&w, '}');
	wl_buf_adds(&o->relay->out, "\n\n");
}

/* ---- pieces ---- */

void
wl_chat_out_text(struct wl_chat_out *o, struct wl_str s)
{
	if (s.len == 0)
		return;
	o->res->output_bytes += (int64_t)s.len;
	wl_result_text(o->res, s.p, s.len);
	if (o->stream)
		text_chunk(o, "content", s);
	else
		wl_buf_add(&o->text, s.p, s.len);
}

void
wl_chat_out_reasoning(struct wl_chat_out *o, struct wl_str s)
{
	if (s.len == 0)
		return;
	o->res->output_bytes += (int64_t)s.len;
	if (o->stream)
		text_chunk(o, "reasoning_content", s);
	else
		wl_buf_add(&o->reasoning, s.p, s.len);
}

void
wl_chat_out_block(struct wl_chat_out *o, struct wl_str json)
{
	struct wl_jw w;

	if (!o->stream) {
		if (o->blocks.len > 0)
			wl_buf_addc(&o->blocks, ',');
		wl_buf_add(&o->blocks, json.p, json.len);
		return;
	}
	begin_chunk(o, &w);
	wl_jw_arr(&w, "thinking_blocks");
	wl_jw_raw(&w, NULL, json.p, json.len);
	wl_jw_end(&w, ']');
	end_chunk(o, &w, NULL);
}

/*
 * The beginning of a call in one piece, up to the quote of its arguments.
 */
static void
gather_tool(struct wl_chat_out *o, struct wl_str id, struct wl_str name,
    const char *extra)
{
	struct wl_buf *b = &o->tools;

	wl_buf_adds(b, b->len > 0 ? ",{\"id\":" : "{\"id\":");
	wl_json_quote(b, id.p, id.len);
	wl_buf_adds(b, ",\"type\":\"function\"");
	if (extra != NULL) {
		wl_buf_adds(b, ",\"extra_content\":");
		wl_buf_adds(b, extra);
	}
	wl_buf_adds(b, ",\"function\":{\"name\":");
	wl_json_quote(b, name.p, name.len);
	wl_buf_adds(b, ",\"arguments\":\"");
}

void
wl_chat_out_tool(struct wl_chat_out *o, struct wl_str id, struct wl_str name,
    const char *extra)
{
	wl_chat_out_tool_end(o);
	o->relay->tools++;
	o->relay->tool = true;
	o->relay->args = false;
	o->res->output_bytes += (int64_t)name.len;
	wl_result_tool(o->res, o->relay->tools - 1, id, name);
	if (o->stream)
		tool_chunk(o, &id, &name, extra, WL_STR(""));
	else
		gather_tool(o, id, name, extra);
}

/*
 * S as it stands in a JSON string.
 */
static void
gather_arguments(struct wl_buf *to, struct wl_str s)
{
	struct wl_buf b;

	wl_buf_init(&b, 0);
	wl_json_quote(&b, s.p, s.len);
	if (b.failed)
		to->failed = true;
	else
		wl_buf_add(to, b.p + 1, b.len - 2);
	wl_buf_free(&b);
}

void
wl_chat_out_arguments(struct wl_chat_out *o, struct wl_str s)
{
	if (s.len == 0 || !o->relay->tool)
		return;
	o->relay->args = true;
	o->res->output_bytes += (int64_t)s.len;
	wl_result_arguments(o->res, s.p, s.len);
	if (o->stream)
		tool_chunk(o, NULL, NULL, NULL, s);
	else
		gather_arguments(&o->tools, s);
}

void
wl_chat_out_tool_end(struct wl_chat_out *o)
{
	if (!o->relay->tool)
		return;
	if (!o->relay->args)
		wl_chat_out_arguments(o, WL_STR("{}"));
	o->relay->tool = false;
	if (!o->stream)
		wl_buf_adds(&o->tools, "\"}}");
}

/* ---- the end ---- */

void
wl_chat_out_last(struct wl_chat_out *o)
{
	struct wl_jw w;

	wl_chat_out_tool_end(o);
	begin_chunk(o, &w);
	end_chunk(o, &w, finish_of(o->res));
	if (o->ask->include_usage)
		usage_chunk(o);
}

/*
 * A list that is not empty, behind other members.
 */
static void
put_list(struct wl_jw *w, const char *head, const struct wl_buf *items)
{
	if (items->len == 0)
		return;
	wl_buf_adds(w->b, head);
	wl_buf_add(w->b, items->p, items->len);
	wl_buf_addc(w->b, ']');
}

static void
put_message(struct wl_chat_out *o, struct wl_jw *w)
{
	wl_jw_obj(w, "message");
	wl_jw_str(w, "role", "assistant");
	if (o->text.len > 0 || o->tools.len == 0)
		wl_jw_strn(w, "content", o->text.p == NULL ? "" : o->text.p,
		    o->text.len);
	else
		wl_jw_null(w, "content");
	wl_jw_null(w, "refusal");
	if (o->reasoning.len > 0)
		wl_jw_strn(w, "reasoning_content", o->reasoning.p,
		    o->reasoning.len);
	put_list(w, ",\"thinking_blocks\":[", &o->blocks);
	put_list(w, ",\"tool_calls\":[", &o->tools);
	wl_jw_end(w, '}');
}

static void
free_raw(void *p)
{
	free(p);
}

int
wl_chat_out_raw(struct wl_arena *a, struct wl_buf *b, struct wl_result *res)
{
	char *p = b->p;

	if (b->failed || p == NULL) {
		wl_buf_free(b);
		return -1;
	}
	res->raw = (struct wl_str){ p, b->len };
	memset(b, 0, sizeof(*b));
	if (wl_arena_defer(a, free_raw, p) == 0)
		return 0;
	res->raw = (struct wl_str){ NULL, 0 };
	return -1;
}

int
wl_chat_out_end(struct wl_chat_out *o, struct wl_arena *a)
{
	struct wl_buf b;
	struct wl_jw w;
	int rc;

	wl_chat_out_tool_end(o);
	wl_result_end(o->res);
	wl_buf_init(&b, 0);
	wl_jw_init(&w, &b);
	put_head(o, &w, "chat.completion");
	wl_jw_arr(&w, "choices");
	wl_jw_obj(&w, NULL);
	wl_jw_int(&w, "index", 0);
	put_message(o, &w);
	wl_jw_null(&w, "logprobs");
	wl_jw_str(&w, "finish_reason", finish_of(o->res));
	wl_jw_end(&w, '}');
	wl_jw_end(&w, ']');
	put_usage(&w, &o->res->usage);
	wl_jw_end(&w, '}');
	b.failed |= o->text.failed || o->reasoning.failed ||
	    o->blocks.failed || o->tools.failed;
	rc = wl_chat_out_raw(a, &b, o->res);
	wl_buf_free(&o->text);
	wl_buf_free(&o->reasoning);
	wl_buf_free(&o->blocks);
	wl_buf_free(&o->tools);
	return rc;
}
