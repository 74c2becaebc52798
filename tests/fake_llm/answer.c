/*
 * What an answer is made of: text, JSON by a schema, or tool calls.
 */
#include "config.h"

#include "tests/fake_llm/answer.h"

#include <json-c/json.h>

#include "tests/fake_llm/schema.h"
#include "tests/fake_llm/text.h"

/*
 * Put a string with its NUL among the prepared ones.
 */
static size_t
keep_string(struct fake_call *call, const char *s, size_t n)
{
	size_t at = call->conn->made.len;

	fake_buf_put(&call->conn->made, s, n);
	fake_buf_put(&call->conn->made, "", 1);
	return at;
}

static bool
is_type(struct json_object *o, const char *word)
{
	struct json_object *type = fake_request_get(o, "type");

	return json_object_is_type(type, json_type_string) &&
	    strcmp(json_object_get_string(type), word) == 0;
}

/*
 * The same as Anthropic's API says it.
 */
static int64_t
wanted_by_type(struct fake_call *call, struct json_object *c,
    const char **name)
{
	struct json_object *n = fake_request_get(c, "name");

	if (is_type(c, "none"))
		return 0;
	if (is_type(c, "tool") && json_object_is_type(n, json_type_string)) {
		*name = json_object_get_string(n);
		return 1;
	}
	return is_type(c, "any") && call->s.tool_calls == 0 ? 1 :
	    call->s.tool_calls;
}

/*
 * The tool that TOOL_CHOICE names, -1 for none, 0 where the choice is free.
 */
static int64_t
wanted_tools(struct fake_call *call, const char **name)
{
	struct json_object *c = fake_request_get(call->body, "tool_choice"),
			   *fn;

	*name = NULL;
	if (call->api == FAKE_API_MESSAGES)
		return wanted_by_type(call, c, name);
	if (json_object_is_type(c, json_type_string)) {
		if (strcmp(json_object_get_string(c), "none") == 0)
			return 0;
		if (strcmp(json_object_get_string(c), "required") == 0 &&
		    call->s.tool_calls == 0)
			return 1;
	}
	if (json_object_is_type(c, json_type_object)) {
		fn = fake_request_get(call->api == FAKE_API_RESPONSES ? c :
		    fake_request_get(c, "function"), "name");
		if (json_object_is_type(fn, json_type_string)) {
			*name = json_object_get_string(fn);
			return 1;
		}
	}
	return call->s.tool_calls;
}

/*
 * The function of TOOL.  The Responses API has it in the tool itself, beside
 * tools of other types, for which this is NULL; so has Anthropic's.
 */
static struct json_object *
function_of(const struct fake_call *call, struct json_object *tool)
{
	struct json_object *type;

	if (call->api == FAKE_API_MESSAGES)
		return fake_request_get(tool, "type") == NULL ||
		    is_type(tool, "custom") ? tool : NULL;
	if (call->api != FAKE_API_RESPONSES)
		return fake_request_get(tool, "function");
	type = fake_request_get(tool, "type");
	return json_object_is_type(type, json_type_string) &&
	    strcmp(json_object_get_string(type), "function") == 0 ? tool : NULL;
}

static void
add_tool(struct fake_call *call, const char *name, struct json_object *schema)
{
	struct fake_part *p = &call->parts[call->n_parts++];
	struct fake_buf *made = &call->conn->made;

	p->tool = p->fixed = true;
	p->name = keep_string(call, name, strlen(name));
	p->data = made->len;
	fake_schema_instance(made, schema, call->hash);
	p->len = (int64_t)(made->len - p->data);
}

int
fake_answer_tools(struct fake_call *call, struct fake_fail *f)
{
	struct json_object *tools = fake_request_get(call->body, "tools");
	const char *only;
	int64_t want = wanted_tools(call, &only);
	size_t n, i;

	if (tools == NULL)
		return 0;
	if (!json_object_is_type(tools, json_type_array))
		return fake_request_bad(
		    f, "tools", "'tools' must be an array.");
	n = json_object_array_length(tools);
	for (i = 0; n > 0 && call->n_parts < want &&
	    i < n + FAKE_PARTS_MAX; i++) {
		struct json_object *fn, *name;

		fn = function_of(call,
		    json_object_array_get_idx(tools, i % n));
		if (fn == NULL && (call->api == FAKE_API_RESPONSES ||
		    call->api == FAKE_API_MESSAGES))
			continue;
		name = fake_request_get(fn, "name");
		if (!json_object_is_type(name, json_type_string))
			return fake_request_bad(f, "tools",
			    "tools[%zu] needs a function "
			    "with a name.",
			    i % n);
		if (only == NULL ||
		    strcmp(only, json_object_get_string(name)) == 0)
			add_tool(call, json_object_get_string(name),
			    fake_request_get(fn,
			    call->api == FAKE_API_MESSAGES ? "input_schema" :
			    "parameters"));
	}
	return 0;
}

/*
 * Where the format of an answer is asked for: *PARAM, with the schema in the
 * format itself, or, in chats, in its member "json_schema".
 */
static struct json_object *
format_of(const struct fake_call *call, const char **param, bool *flat)
{
	*flat = true;
	if (call->api == FAKE_API_RESPONSES) {
		*param = "text.format";
		return fake_request_get(fake_request_get(call->body, "text"),
		    "format");
	}
	if (call->api == FAKE_API_MESSAGES) {
		*param = "output_config.format";
		return fake_request_get(fake_request_get(call->body,
		    "output_config"), "format");
	}
	*flat = false;
	*param = "response_format";
	return fake_request_get(call->body, *param);
}

int
fake_answer_json(struct fake_call *call, struct fake_fail *f)
{
	const char *param;
	bool flat;
	struct json_object *o = format_of(call, &param, &flat);
	struct json_object *type;
	struct fake_buf *made = &call->conn->made;
	struct fake_part *p = &call->parts[0];
	const char *word;

	if (o == NULL)
		return 0;
	type = fake_request_get(o, "type");
	if (!json_object_is_type(type, json_type_string))
		return fake_request_bad(f, param, "'%s' needs a type.", param);
	word = json_object_get_string(type);
	if (strcmp(word, "text") == 0)
		return 0;
	p->fixed = true;
	p->data = made->len;
	if (strcmp(word, "json_schema") == 0) {
		o = fake_request_get(flat ? o :
		    fake_request_get(o, "json_schema"), "schema");
		if (!json_object_is_type(o, json_type_object))
			return fake_request_bad(f, param,
			    "'json_schema' needs "
			    "a schema.");
		fake_schema_instance(made, o, call->hash);
	} else if (strcmp(word, "json_object") == 0) {
		fake_buf_puts(made, "{\"sandbox\":true,\"text\":\"");
		fake_text_put(made, call->hash, false, 0, 76);
		fake_buf_puts(made, "\"}");
	} else {
		return fake_request_bad(
		    f, param, "Unknown type '%.40s'.", word);
	}
	p->len = (int64_t)(made->len - p->data);
	call->n_parts = 1;
	return 0;
}

void
fake_answer_text(struct fake_call *call)
{
	struct fake_part *p = &call->parts[0];
	int64_t most = call->max_tokens * FAKE_TOKEN_BYTES;

	if (call->n_parts == 0) {
		call->n_parts = 1;
		p->len = call->s.tokens * FAKE_TOKEN_BYTES;
		if (call->s.size > 0 && call->rec.stream)
			p->len = call->s.size / FAKE_TOKEN_BYTES *
			    FAKE_TOKEN_BYTES / call->n;
	}
	call->finish = p->tool ? "tool_calls" : "stop";
	if (!p->tool && call->max_tokens >= 0 && p->len > most) {
		p->len = most;
		call->finish = "length";
	}
}
