/*
 * Embeddings without a model: each word of a text adds itself at sixteen
 * places of the vector, and the whole text a little noise everywhere.
 */
#include "config.h"

#include "tests/fake_llm/embed.h"

#include <ctype.h>
#include <math.h>

#include <json-c/json.h>

#include "tests/fake_llm/call.h"
#include "tests/fake_llm/request.h"
#include "tests/fake_llm/text.h"
#include "tests/fake_llm/usage.h"

#define DIMENSIONS_MAX 3072
#define PLACES 16

static void
add_word(float *v, int64_t dims, uint64_t word)
{
	int i;

	for (i = 0; i < PLACES; i++) {
		uint64_t r = fake_text_mix(word + (uint64_t)i);

		v[r % (uint64_t)dims] += r >> 63 ? 1.0F : -1.0F;
	}
}

static uint64_t
add_words(float *v, int64_t dims, const char *s, size_t n)
{
	uint64_t all = FAKE_HASH_INIT, word = FAKE_HASH_INIT;
	size_t i, letters = 0;

	for (i = 0; i <= n; i++) {
		unsigned char c = i < n ? (unsigned char)s[i] : ' ';

		if (c >= 0x80 || isalnum(c)) {
			char low = (char)tolower(c);

			word = fake_text_hash(word, &low, 1);
			letters++;
			continue;
		}
		if (letters > 0) {
			add_word(v, dims, word);
			all = fake_text_mix(all ^ word);
		}
		word = FAKE_HASH_INIT;
		letters = 0;
	}
	return all;
}

static uint64_t
add_ids(float *v, int64_t dims, struct json_object *list)
{
	uint64_t all = FAKE_HASH_INIT;
	size_t i, n = json_object_array_length(list);

	for (i = 0; i < n; i++) {
		int64_t id = json_object_get_int64(
		    json_object_array_get_idx(list, i));
		uint64_t word = fake_text_mix((uint64_t)id);

		add_word(v, dims, word);
		all = fake_text_mix(all ^ word);
	}
	return all;
}

static void
vector(float *v, int64_t dims, struct json_object *input)
{
	double sum = 0;
	uint64_t all;
	int64_t i;

	memset(v, 0, sizeof(*v) * (size_t)dims);
	if (json_object_is_type(input, json_type_array))
		all = add_ids(v, dims, input);
	else
		all = add_words(v, dims, json_object_get_string(input),
		    (size_t)json_object_get_string_len(input));
	for (i = 0; i < dims; i++) {
		uint64_t r = fake_text_mix(all + (uint64_t)i);

		v[i] += (float)((double)(r >> 11) / 0x1p53 - 0.5) * 0.02F;
		sum += (double)v[i] * v[i];
	}
	for (i = 0; i < dims; i++)
		v[i] = (float)(v[i] / sqrt(sum));
}

/*
 * A number of at most 1 with eight places.
 */
static void
put_float(struct fake_buf *b, float f)
{
	int64_t v = (int64_t)lround(fabs((double)f) * 1e8);
	char tmp[11];
	int i;

	for (i = 10; i >= 3; i--) {
		tmp[i] = (char)('0' + v % 10);
		v /= 10;
	}
	tmp[2] = '.';
	tmp[1] = (char)('0' + v % 10);
	tmp[0] = '-';
	if (f < 0)
		fake_buf_put(b, tmp, sizeof(tmp));
	else
		fake_buf_put(b, tmp + 1, sizeof(tmp) - 1);
}

static void
put_vector(struct fake_call *call, struct fake_buf *b,
    struct json_object *input)
{
	static float v[DIMENSIONS_MAX];		/* nothing waits meanwhile */
	int64_t i;

	vector(v, call->dimensions, input);
	if (call->base64) {
		fake_buf_puts(b, "\"");
		fake_buf_base64(b, v, sizeof(*v) * (size_t)call->dimensions);
		fake_buf_puts(b, "\"");
		return;
	}
	for (i = 0; i < call->dimensions; i++) {
		fake_buf_puts(b, i == 0 ? "[" : ",");
		put_float(b, v[i]);
	}
	fake_buf_puts(b, "]");
}

void
fake_embed_body(struct fake_call *call, struct fake_out *o)
{
	struct fake_buf *b = &o->conn->body;
	struct json_object *input = fake_request_get(call->body, "input");
	int64_t i;

	fake_buf_puts(b, "{\"object\":\"list\",\"data\":[");
	for (i = 0; i < call->n && !o->failed; i++) {
		fake_buf_puts(b, i == 0 ? "{" : ",{");
		fake_buf_puts(b, "\"object\":\"embedding\",\"index\":");
		fake_buf_int(b, i);
		fake_buf_puts(b, ",\"embedding\":");
		put_vector(call, b, call->listed ?
		    json_object_array_get_idx(input, (size_t)i) : input);
		fake_buf_puts(b, "}");
		fake_out_piece(o);
	}
	fake_buf_puts(b, "],\"model\":\"");
	fake_buf_puts(b, fake_call_made(call, call->model));
	fake_buf_puts(b, "\"");
	fake_usage_put(call, b, -1);
	fake_buf_puts(b, "}");
}
