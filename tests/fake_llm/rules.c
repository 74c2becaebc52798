/*
 * The defaults that a call starts from, the rules that hold for some calls
 * only, and what is left to chance.
 */
#include "config.h"

#include "tests/fake_llm/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tests/fake_llm/text.h"

#define RULES_MAX 64
#define IDS_MAX 4096

struct rule {
	char	*for_key;	/* NULL: any */
	char	*for_model;
	struct json_object *directives;
	int64_t	 times;		/* 0: always */
	int64_t	 used;
};

static struct fake_script start, current;
static bool ready;
static struct rule rules[RULES_MAX];
static int n_rules;
static struct {
	uint64_t	hash;
	int64_t		used;
} ids[IDS_MAX];

static void
built_in(void)
{
	if (ready)
		return;
	fake_script_init(&start);
	current = start;
	ready = true;
}

int
fake_rules_command_line(const char *text, char err[FAKE_SCRIPT_ERR])
{
	built_in();
	if (fake_script_apply(&start, text, err) == -1)
		return -1;
	current = start;
	return 0;
}

static void
free_rule(struct rule *r)
{
	free(r->for_key);
	free(r->for_model);
	json_object_put(r->directives);
	memset(r, 0, sizeof(*r));
}

void
fake_rules_reset(void)
{
	built_in();
	current = start;
	while (n_rules > 0)
		free_rule(&rules[--n_rules]);
	memset(ids, 0, sizeof(ids));
}

/*
 * The value of a member as a directive writes it; NULL for null.
 */
static const char *
member_text(struct json_object *v)
{
	if (json_object_is_type(v, json_type_boolean))
		return json_object_get_boolean(v) ? "1" : "0";
	return v == NULL ? NULL : json_object_get_string(v);
}

/*
 * The members that say for which calls a rule holds.
 */
static bool
is_selector(const char *key)
{
	return strcmp(key, "for_key") == 0 || strcmp(key, "for_model") == 0 ||
	    strcmp(key, "times") == 0;
}

/*
 * Apply all directives of O to S.
 */
static int
apply_members(struct fake_script *s, struct json_object *o,
    char err[FAKE_SCRIPT_ERR])
{
	struct json_object_iter it;

	json_object_object_foreachC(o, it) {
		if (!is_selector(it.key) && fake_script_member(s, it.key,
		    member_text(it.val), err) == -1)
			return -1;
	}
	return 0;
}

static char *
copy_string(struct json_object *v)
{
	char *s = v == NULL ? NULL : strdup(json_object_get_string(v));

	if (v != NULL && s == NULL)
		abort();
	return s;
}

int
fake_rules_defaults(struct json_object *o, char err[FAKE_SCRIPT_ERR])
{
	struct json_object *key = NULL, *model = NULL, *times = NULL;
	struct fake_script s;
	struct rule *r;

	built_in();
	s = current;
	if (apply_members(&s, o, err) == -1)
		return -1;
	(void)json_object_object_get_ex(o, "for_key", &key);
	(void)json_object_object_get_ex(o, "for_model", &model);
	(void)json_object_object_get_ex(o, "times", &times);
	if (key == NULL && model == NULL && times == NULL) {
		current = s;
		return 0;
	}
	if (n_rules == RULES_MAX || (times != NULL &&
	    json_object_get_int64(times) < 1)) {
		snprintf(err, FAKE_SCRIPT_ERR, "%s", n_rules == RULES_MAX ?
		    "too many rules" : "bad value of: times");
		return -1;
	}
	r = &rules[n_rules++];
	r->for_key = copy_string(key);
	r->for_model = copy_string(model);
	r->times = times == NULL ? 0 : json_object_get_int64(times);
	r->directives = json_object_get(o);
	return 0;
}

void
fake_rules_begin(struct fake_script *s, const char *key, const char *model)
{
	char err[FAKE_SCRIPT_ERR];
	int i;

	built_in();
	*s = current;
	for (i = 0; i < n_rules; i++) {
		struct rule *r = &rules[i];

		if ((r->for_key != NULL && strcmp(r->for_key, key) != 0) ||
		    (r->for_model != NULL &&
			strcmp(r->for_model, model) != 0) ||
		    (r->times > 0 && r->used >= r->times))
			continue;
		r->used++;
		if (apply_members(s, r->directives, err) == -1)
			abort();	/* it was applied once before */
	}
}

static bool
still_within(const struct fake_script *s)
{
	uint64_t h = fake_text_hash(FAKE_HASH_INIT, s->id, strlen(s->id));
	size_t at = h % IDS_MAX;

	if (ids[at].hash != h) {
		ids[at].hash = h;
		ids[at].used = 0;
	}
	return ids[at].used++ < s->times;
}

int
fake_rules_resolve(struct fake_script *s, uint64_t random,
    char err[FAKE_SCRIPT_ERR])
{
	static const int64_t mega = 1000000;
	bool on = (int64_t)(random % 10000) < s->chance;

	if (s->times > 0 && s->id[0] == '\0') {
		snprintf(err, FAKE_SCRIPT_ERR,
		    "sandbox directive: times needs id");
		return -1;
	}
	if (s->times > 0 && !still_within(s))
		on = false;
	if (!on) {
		s->fault = FAKE_FAULT_NONE;
		s->status = 0;
	}
	if (s->fault == FAKE_FAULT_DUP_USAGE)
		s->usage = FAKE_USAGE_DUP;
	if (s->size == 0 && (s->fault == FAKE_FAULT_HUGE_BODY ||
	    s->fault == FAKE_FAULT_GZIP_BOMB))
		s->size = 200 * mega;
	if (s->size == 0 && s->fault == FAKE_FAULT_HUGE_LINE)
		s->size = mega;
	return 0;
}

/*
 * At and below the median the median itself; between two percentiles a
 * straight line.
 */
static int64_t
percentile(const int64_t p[4], int64_t u)
{
	static const int64_t at[4] = {5000, 9000, 9500, 9900};
	int i;

	if (u < at[0])
		return p[0];
	for (i = 1; i < 4; i++)
		if (u < at[i])
			return p[i - 1] + (p[i] - p[i - 1]) *
			    (u - at[i - 1]) / (at[i] - at[i - 1]);
	return p[3];
}

int64_t
fake_rules_latency(const struct fake_script *s, uint64_t random)
{
	int64_t us = s->latency_n == 1 ? s->latency[0] :
	    percentile(s->latency, (int64_t)(random % 10000));

	if (s->jitter > 0)
		us += (int64_t)((random >> 20) %
		    (uint64_t)(2 * s->jitter + 1)) - s->jitter;
	return us < 0 ? 0 : us;
}
