/*
 * Where a call's script starts: the defaults of the command line and of
 * /_fake/defaults, rules for some calls, chance and counts.
 */
#ifndef WL_TESTS_FAKE_LLM_RULES_H
#define WL_TESTS_FAKE_LLM_RULES_H

#include "tests/fake_llm/script.h"

struct json_object;

/*
 * Apply TEXT, words key=value, to the defaults that a reset returns to.
 * Returns 0, or -1 with ERR written.
 */
int fake_rules_command_line(const char *text, char err[FAKE_SCRIPT_ERR])
    __attribute__((warn_unused_result));

/*
 * Change the defaults by an object of directives; null takes the built-in
 * default.  With "for_key" or "for_model" or "times" it becomes a rule: it
 * holds for calls with that key, that model, or for that many calls.  At
 * most 64 rules.  Returns 0, or -1 with ERR written and nothing changed.
 */
int fake_rules_defaults(struct json_object *o, char err[FAKE_SCRIPT_ERR])
    __attribute__((warn_unused_result));

/*
 * Return to the command line's defaults and forget all rules and counts.
 */
void fake_rules_reset(void);

/*
 * Start S from the defaults and the rules for KEY and MODEL.
 */
void fake_rules_begin(struct fake_script *s, const char *key,
    const char *model);

/*
 * Decide what depends on chance and counts, by RANDOM and by the calls seen
 * with this id.  Returns 0, or -1 with ERR written.
 */
int fake_rules_resolve(struct fake_script *s, uint64_t random,
    char err[FAKE_SCRIPT_ERR]) __attribute__((warn_unused_result));

/*
 * Microseconds of latency of a call, drawn by RANDOM.
 */
int64_t fake_rules_latency(const struct fake_script *s, uint64_t random);

#endif
