/*
 * Request bodies of the routes (OpenAI API reference: chat, legacy
 * completions, embeddings, responses; Anthropic's client library: messages).
 */
#include "config.h"

#include "tests/fake_llm/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "tests/fake_llm/answer.h"
#include "tests/fake_llm/rules.h"
#include "tests/fake_llm/text.h"

/*
 * json-c takes some hundred bytes for every value.
 */
#define VALUES_MAX ((size_t)2000000)
#define DEPTH_MAX 64

int
fake_request_bad(struct fake_fail *f, const char *param, const char *fmt, ...)
{
	va_list ap;

	f->status = 400;
	f->type = "invalid_request_error";
	f->code = NULL;
	f->param = param;
	va_start(ap, fmt);
	(void)vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
	return -1;
}

bool
fake_request_known_model(const char *model)
{
	int i;

	for (i = 0; i < fake_config.n_models; i++)
		if (strcmp(fake_config.models[i], model) == 0)
			return true;
	return fake_config.n_models == 0;
}

void
fake_request_no_model(struct fake_fail *fail, const char *model)
{
	(void)fake_request_bad(fail, "model",
	    "The model `%.100s` does not exist or you do "
	    "not have access to it.",
	    model);
	fail->status = 404;
	fail->code = "model_not_found";
}

struct json_object *
fake_request_get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static int
get_bool(struct json_object *o, const char *key, bool *out,
    struct fake_fail *f)
{
	struct json_object *v = fake_request_get(o, key);

	if (v == NULL)
		return 0;
	if (!json_object_is_type(v, json_type_boolean))
		return fake_request_bad(f, key, "'%s' must be a boolean.", key);
	*out = json_object_get_boolean(v);
	return 0;
}

static int
get_int(struct json_object *o, const char *key, int64_t min, int64_t max,
    int64_t *out, struct fake_fail *f)
{
	struct json_object *v = fake_request_get(o, key);

	if (v == NULL)
		return 0;
	*out = json_object_get_int64(v);
	if (json_object_is_type(v, json_type_int) && *out >= min &&
	    *out <= max)
		return 0;
	return fake_request_bad(f, key,
	    "'%s' must be an integer from %lld to %lld.", key, (long long)min,
	    (long long)max);
}

static struct json_tokener *tok;

void
fake_request_free(void)
{
	if (tok != NULL)
		json_tokener_free(tok);
	tok = NULL;
}

static struct json_object *
parse_json(const char *s, size_t n)
{
	struct json_object *o;
	size_t i, values = 0;

	for (i = 0; i < n; i++)
		values += (s[i] == ',') + (s[i] == '[') + (s[i] == '{');
	if (values > VALUES_MAX)
		return NULL;
	if (tok == NULL) {
		tok = json_tokener_new_ex(DEPTH_MAX);
		if (tok == NULL)
			abort();
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
		    JSON_TOKENER_VALIDATE_UTF8);
	}
	json_tokener_reset(tok);
	o = json_tokener_parse_ex(tok, s, (int)n);
	if (json_tokener_get_error(tok) == json_tokener_success &&
	    json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

/*
 * Take one text of the prompt in: count it, hash it, and obey its directives
 * when it is the user's last one.
 */
static int
take_text(struct fake_call *call, struct json_object *v, bool obey,
    int64_t *bytes, struct fake_fail *f)
{
	const char *s = json_object_get_string(v);
	size_t n = (size_t)json_object_get_string_len(v);
	char err[FAKE_SCRIPT_ERR];

	*bytes += (int64_t)n;
	call->hash = fake_text_hash(call->hash, s, n);
	if (!obey || fake_script_scan(&call->s, s, n, err) == 0)
		return 0;
	return fake_request_bad(f, NULL, "%s", err);
}

/*
 * A message's content: a string, or parts of which those of type text count.
 */
static int
take_content(struct fake_call *call, struct json_object *content, bool obey,
    const char *param, struct fake_fail *f)
{
	int64_t bytes = 0;
	size_t i, n;

	if (json_object_is_type(content, json_type_string)) {
		if (take_text(call, content, obey, &bytes, f) == -1)
			return -1;
	} else if (json_object_is_type(content, json_type_array)) {
		n = json_object_array_length(content);
		for (i = 0; i < n; i++) {
			struct json_object *p, *t;

			p = json_object_array_get_idx(content, i);
			if (!json_object_is_type(p, json_type_object))
				return fake_request_bad(
				    f, param, "Invalid content.");
			t = fake_request_get(p, "text");
			if (json_object_is_type(t, json_type_string) &&
			    take_text(call, t, obey, &bytes, f) == -1)
				return -1;
		}
	} else if (content != NULL) {
		return fake_request_bad(
		    f, param, "Invalid type for 'content'.");
	}
	call->rec.prompt_counted += fake_text_tokens(bytes);
	return 0;
}

static const char *
word_of(struct json_object *message, const char *key)
{
	struct json_object *word = fake_request_get(message, key);

	return json_object_is_type(word, json_type_string) ?
	    json_object_get_string(word) : NULL;
}

/*
 * What an item of the Responses API has instead of content, or beside it:
 * its type, a call's arguments or output.
 */
static int
take_item(struct fake_call *call, struct json_object *item,
    struct fake_fail *f)
{
	static const char *const keys[] = {"arguments", "output"};
	const char *type = word_of(item, "type");
	size_t i;

	if (type != NULL)
		call->hash = fake_text_hash(call->hash, type,
		    strlen(type) + 1);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct json_object *v = fake_request_get(item, keys[i]);

		if ((json_object_is_type(v, json_type_string) ||
		    json_object_is_type(v, json_type_array)) &&
		    take_content(call, v, false, "input", f) == -1)
			return -1;
	}
	return 0;
}

/*
 * The list of messages in PARAM; those of the Responses API are items, of
 * which some have no role.
 */
static int
take_messages(struct fake_call *call, const char *param, struct fake_fail *f)
{
	struct json_object *list = fake_request_get(call->body, param);
	bool items = call->api == FAKE_API_RESPONSES;
	size_t n, i, last = SIZE_MAX;
	const char *role;

	if (!json_object_is_type(list, json_type_array) ||
	    json_object_array_length(list) == 0)
		return fake_request_bad(f, param,
		    "'%s' must be a %snon-empty array.", param,
		    items ? "string or a " : "");
	n = json_object_array_length(list);
	for (i = 0; i < n; i++) {
		struct json_object *m = json_object_array_get_idx(list, i);

		if (!json_object_is_type(m, json_type_object) ||
		    (!items && word_of(m, "role") == NULL))
			return fake_request_bad(f, param,
			    "%s[%zu] must be an object%s.", param, i,
			    items ? "" : " with a role");
		role = word_of(m, "role");
		if (role != NULL && strcmp(role, "user") == 0)
			last = i;
	}
	for (i = 0; i < n; i++) {
		struct json_object *m = json_object_array_get_idx(list, i);

		role = word_of(m, "role");
		if (role != NULL)
			call->hash = fake_text_hash(call->hash, role,
			    strlen(role) + 1);
		if (take_content(call, fake_request_get(m, "content"),
			i == last, param, f) == -1 ||
		    (items && take_item(call, m, f) == -1))
			return -1;
	}
	return 0;
}

/*
 * A message's call of a tool, or what came of it.
 */
static int
take_block(struct fake_call *call, struct json_object *block,
    struct fake_fail *f)
{
	struct json_object *o = fake_request_get(block, "input");
	const char *type = word_of(block, "type"), *text;
	size_t len;

	if (type == NULL)
		return fake_request_bad(f, "messages",
		    "messages: every block needs a type");
	call->hash = fake_text_hash(call->hash, type, strlen(type) + 1);
	if (strcmp(type, "image") == 0 && word_of(fake_request_get(block,
	    "source"), "type") == NULL)
		return fake_request_bad(f, "messages",
		    "messages: an image needs a source");
	if (strcmp(type, "tool_result") == 0)
		return take_content(call, fake_request_get(block, "content"),
		    false, "messages", f);
	if (strcmp(type, "tool_use") != 0)
		return 0;
	if (!json_object_is_type(o, json_type_object))
		return fake_request_bad(f, "messages",
		    "messages: a tool_use needs an input");
	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN,
	    &len);
	call->hash = fake_text_hash(call->hash, text, len);
	call->rec.prompt_counted += fake_text_tokens((int64_t)len);
	return 0;
}

/*
 * What Anthropic's API has in its messages beside texts.
 */
static int
take_blocks(struct fake_call *call, struct fake_fail *f)
{
	struct json_object *list = fake_request_get(call->body, "messages");
	struct json_object *content;
	size_t i, j;

	for (i = 0; i < json_object_array_length(list); i++) {
		content = fake_request_get(json_object_array_get_idx(list, i),
		    "content");
		if (!json_object_is_type(content, json_type_array))
			continue;
		for (j = 0; j < json_object_array_length(content); j++)
			if (take_block(call, json_object_array_get_idx(content,
			    j), f) == -1)
				return -1;
	}
	return 0;
}

static int
take_anthropic(struct fake_call *call, struct fake_fail *f)
{
	bool count = call->api == FAKE_API_COUNT_TOKENS;

	call->n = 1;
	call->max_tokens = -1;
	call->include_usage = true;
	if (call->req->version[0] == '\0')
		return fake_request_bad(f, NULL,
		    "anthropic-version: header is required");
	if (!count && fake_request_get(call->body, "max_tokens") == NULL)
		return fake_request_bad(f, "max_tokens",
		    "max_tokens: Field required");
	if (get_bool(call->body, "stream", &call->rec.stream, f) == -1 ||
	    get_int(call->body, "max_tokens", 1, FAKE_TOKENS_MAX,
	    &call->max_tokens, f) == -1 || take_content(call,
	    fake_request_get(call->body, "system"), false, "system", f) == -1 ||
	    take_messages(call, "messages", f) == -1 ||
	    take_blocks(call, f) == -1)
		return -1;
	if (count || fake_answer_tools(call, f) == -1)
		return count ? 0 : -1;
	return call->n_parts == 0 ? fake_answer_json(call, f) : 0;
}

static bool
is_tokens(struct json_object *v)
{
	return json_object_is_type(v, json_type_array) &&
	    json_object_array_length(v) > 0 &&
	    json_object_is_type(json_object_array_get_idx(v, 0),
	    json_type_int);
}

/*
 * One prompt or input: a text, or a list of token ids, each one token.
 */
static int
take_input(struct fake_call *call, struct json_object *v, bool obey,
    const char *param, struct fake_fail *f)
{
	int64_t bytes = 0;
	size_t i, n;

	if (json_object_is_type(v, json_type_string) &&
	    json_object_get_string_len(v) > 0) {
		if (take_text(call, v, obey, &bytes, f) == -1)
			return -1;
		call->rec.prompt_counted += fake_text_tokens(bytes);
		return 0;
	}
	if (!is_tokens(v))
		return fake_request_bad(f, param, "'%s' is invalid.", param);
	n = json_object_array_length(v);
	for (i = 0; i < n; i++) {
		int64_t id = json_object_get_int64(
		    json_object_array_get_idx(v, i));

		call->hash = fake_text_hash(call->hash, &id, sizeof(id));
	}
	call->rec.prompt_counted += (int64_t)n;
	return 0;
}

/*
 * The prompt of a completion, or the input of embeddings.
 */
static int
take_inputs(struct fake_call *call, const char *param, struct fake_fail *f)
{
	struct json_object *v = fake_request_get(call->body, param);
	size_t i, n;

	call->n_prompts = 1;
	if (!json_object_is_type(v, json_type_array) || is_tokens(v))
		return take_input(call, v, true, param, f);
	n = json_object_array_length(v);
	if (n == 0 || n > FAKE_INPUTS_MAX)
		return fake_request_bad(f, param,
		    "'%s' must have 1 to %d items.", param, FAKE_INPUTS_MAX);
	for (i = 0; i < n; i++)
		if (take_input(call, json_object_array_get_idx(v, i),
		    i == n - 1, param, f) == -1)
			return -1;
	call->listed = true;
	call->n_prompts = (int64_t)n;
	return 0;
}

static int
take_model(struct fake_call *call, struct fake_fail *f)
{
	struct json_object *v = fake_request_get(call->body, "model");
	const char *model;
	size_t n;

	if (!json_object_is_type(v, json_type_string) ||
	    json_object_get_string_len(v) == 0)
		return fake_request_bad(
		    f, "model", "you must provide a model parameter");
	model = json_object_get_string(v);
	n = (size_t)json_object_get_string_len(v);
	if (n > 200 || strlen(model) != n)
		return fake_request_bad(f, "model", "'model' is invalid.");
	call->model = call->conn->made.len;
	fake_buf_json(&call->conn->made, model, n);
	fake_buf_put(&call->conn->made, "", 1);
	(void)snprintf(call->rec.model, sizeof(call->rec.model), "%s", model);
	if (!fake_request_known_model(model)) {
		fake_request_no_model(f, model);
		return -1;
	}
	call->hash = fake_text_hash(call->hash, model, n + 1);
	fake_rules_begin(&call->s, call->req->key, model);
	return 0;
}

static int
take_stream(struct fake_call *call, struct fake_fail *f)
{
	struct json_object *o = fake_request_get(call->body, "stream_options");

	if (get_bool(call->body, "stream", &call->rec.stream, f) == -1)
		return -1;
	if (o == NULL)
		return 0;
	if (!json_object_is_type(o, json_type_object) || !call->rec.stream)
		return fake_request_bad(f, "stream_options",
		    "The 'stream_options' "
		    "parameter is only allowed when 'stream' is enabled.");
	return get_bool(o, "include_usage", &call->include_usage, f);
}

static int
take_generation(struct fake_call *call, struct fake_fail *f)
{
	call->n = 1;
	call->max_tokens = -1;
	if (get_int(call->body, "n", 1, FAKE_CHOICES_MAX, &call->n, f) == -1 ||
	    get_int(call->body, "max_tokens", 0, FAKE_TOKENS_MAX,
	    &call->max_tokens, f) == -1 ||
	    get_int(call->body, "max_completion_tokens", 0, FAKE_TOKENS_MAX,
	    &call->max_tokens, f) == -1 || take_stream(call, f) == -1)
		return -1;
	if (call->api == FAKE_API_CHAT) {
		if (take_messages(call, "messages", f) == -1 ||
		    fake_answer_tools(call, f) == -1)
			return -1;
		if (call->n_parts == 0 && fake_answer_json(call, f) == -1)
			return -1;
	} else {
		if (take_inputs(call, "prompt", f) == -1)
			return -1;
		call->n *= call->n_prompts;
		if (call->n > FAKE_INPUTS_MAX)
			return fake_request_bad(f, "n", "More than %d choices.",
			    FAKE_INPUTS_MAX);
	}
	return 0;
}

/*
 * Instructions count like a message of their own.
 */
static int
take_instructions(struct fake_call *call, struct fake_fail *f)
{
	struct json_object *v = fake_request_get(call->body, "instructions");

	if (v != NULL && !json_object_is_type(v, json_type_string))
		return fake_request_bad(f, "instructions",
		    "'instructions' must be a string.");
	return take_content(call, v, false, "instructions", f);
}

static int
take_responses(struct fake_call *call, struct fake_fail *f)
{
	struct json_object *input = fake_request_get(call->body, "input");
	int rc;

	call->n = 1;
	call->max_tokens = -1;
	call->include_usage = true;
	if (get_bool(call->body, "stream", &call->rec.stream, f) == -1 ||
	    get_int(call->body, "max_output_tokens", 0, FAKE_TOKENS_MAX,
	    &call->max_tokens, f) == -1 || take_instructions(call, f) == -1)
		return -1;
	rc = json_object_is_type(input, json_type_string) ?
	    take_content(call, input, true, "input", f) :
	    take_messages(call, "input", f);
	if (rc == -1 || fake_answer_tools(call, f) == -1)
		return -1;
	return call->n_parts == 0 ? fake_answer_json(call, f) : 0;
}

static int
take_embeddings(struct fake_call *call, struct fake_fail *f)
{
	struct json_object *v = fake_request_get(call->body, "encoding_format");
	const char *word = "float";

	call->dimensions = strstr(call->rec.model, "large") != NULL ? 3072 :
	    1536;
	if (json_object_is_type(v, json_type_string))
		word = json_object_get_string(v);
	call->base64 = strcmp(word, "base64") == 0;
	if (!call->base64 && strcmp(word, "float") != 0)
		return fake_request_bad(f, "encoding_format",
		    "'encoding_format' must be "
		    "float or base64.");
	if (get_int(call->body, "dimensions", 1, 3072, &call->dimensions,
	    f) == -1 || take_inputs(call, "input", f) == -1)
		return -1;
	call->n = call->n_prompts;
	return 0;
}

int
fake_request_parse(struct fake_call *call, struct fake_fail *fail)
{
	char err[FAKE_SCRIPT_ERR];
	int rc;

	call->hash = FAKE_HASH_INIT ^ fake_text_mix(fake_config.seed);
	call->body = parse_json(call->req->body, call->req->body_len);
	if (call->body == NULL)
		return fake_request_bad(fail, NULL,
		    "We could not parse the JSON body of "
		    "your request.");
	if (take_model(call, fail) == -1)
		return -1;
	if (call->api == FAKE_API_EMBEDDINGS)
		rc = take_embeddings(call, fail);
	else if (call->api == FAKE_API_RESPONSES)
		rc = take_responses(call, fail);
	else if (call->api == FAKE_API_MESSAGES ||
	    call->api == FAKE_API_COUNT_TOKENS)
		rc = take_anthropic(call, fail);
	else
		rc = take_generation(call, fail);
	if (rc == -1)
		return -1;
	if (fake_rules_resolve(&call->s, call->random, err) == -1)
		return fake_request_bad(fail, NULL, "%s", err);
	if (call->api != FAKE_API_EMBEDDINGS)
		fake_answer_text(call);
	return 0;
}
