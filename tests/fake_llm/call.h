/*
 * One call of the API, from its request to its record.
 */
#ifndef WL_TESTS_FAKE_LLM_CALL_H
#define WL_TESTS_FAKE_LLM_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake_llm/conn.h"
#include "tests/fake_llm/http.h"
#include "tests/fake_llm/ledger.h"
#include "tests/fake_llm/script.h"

struct json_object;

#define FAKE_PARTS_MAX 16
#define FAKE_CHOICES_MAX 128
#define FAKE_INPUTS_MAX 2048
#define FAKE_MODELS_MAX 64

/*
 * What the command line says.
 */
struct fake_config {
	uint64_t	 seed;			/* of texts */
	uint64_t	 salt;			/* of ids, delays and chance */
	const char	*require_key;		/* NULL: any or none */
	const char	*models[FAKE_MODELS_MAX];
	int		 n_models;		/* 0: any model */
};
extern struct fake_config fake_config;

enum fake_api {
	FAKE_API_CHAT,
	FAKE_API_COMPLETIONS,
	FAKE_API_EMBEDDINGS,
	FAKE_API_MESSAGES,
	FAKE_API_COUNT_TOKENS,
	FAKE_API_RESPONSES,
	FAKE_API_MODELS,
	FAKE_API_MODEL,
	FAKE_API_MAX
};

/*
 * A piece of an answer: text, or the arguments of a tool call.  Strings are
 * places in conn->made.
 */
struct fake_part {
	bool	tool;
	bool	fixed;		/* else the text is generated */
	size_t	name;		/* of the tool, with its NUL */
	size_t	data;		/* of fixed text */
	int64_t	len;		/* bytes */
};

struct fake_call {
	struct fake_conn	*conn;
	struct fake_req		*req;
	struct fake_record	 rec;
	struct fake_script	 s;
	enum fake_api		 api;
	struct json_object	*body;	/* NULL when it is no longer needed */
	bool			 include_usage;
	bool			 base64;
	bool			 listed;	/* several inputs */
	bool			 usage_made;	/* written, perhaps not sent */
	int64_t			 n;		/* choices, or inputs */
	int64_t			 n_prompts;
	int64_t			 max_tokens;	/* -1: no limit */
	int64_t			 dimensions;
	uint64_t		 hash;		/* of what was asked */
	uint64_t		 random;	/* of this call alone */
	int64_t			 created;	/* seconds */
	int64_t			 begun_ms;	/* monotonic */
	int64_t			 latency_us;
	size_t			 model;		/* in conn->made, JSON, NUL */
	char			 id[48];
	const char		*finish;
	size_t			 stamps;	/* text as stamped, in made */
	size_t			 stamps_len;
	struct fake_part	 parts[FAKE_PARTS_MAX];
	int			 n_parts;
};

/*
 * The string at place AT of the prepared ones; valid until the next one is
 * prepared.
 */
static inline const char *
fake_call_made(const struct fake_call *call, size_t at)
{
	return call->conn->made.p + at;
}

#endif
