/*
 * A value that satisfies a JSON Schema, for structured answers.
 */
#ifndef WL_TESTS_FAKE_LLM_SCHEMA_H
#define WL_TESTS_FAKE_LLM_SCHEMA_H

#include <stdint.h>

#include "tests/fake_llm/buf.h"

struct json_object;

/*
 * Append to B a value for SCHEMA (NULL: an empty object), the same for the
 * same HASH.  Known: type, enum, const, properties, items, prefixItems,
 * minItems, minLength, maxLength, minimum, maximum, exclusive ones,
 * multipleOf, format, $ref within the document, anyOf, oneOf, allOf (the
 * first that applies; of allOf the properties of all).  pattern is not
 * looked at.  Below 16 levels, and beyond 256 KB, values are null.
 */
void fake_schema_instance(struct fake_buf *b, struct json_object *schema,
    uint64_t hash);

#endif
