-- Providers, routes from model names to them, provider keys, prices.

CREATE TABLE watchllm.catalog (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	version		bigint NOT NULL DEFAULT nextval('watchllm.version_seq')
);
INSERT INTO watchllm.catalog DEFAULT VALUES;
COMMENT ON TABLE watchllm.catalog IS
    'One row: the version of all that is common to projects (providers, routes, prices, redaction rules).';
COMMENT ON COLUMN watchllm.catalog.one IS
    'Always true; keeps the table at one row.';
COMMENT ON COLUMN watchllm.catalog.version IS
    'Changes with every change of the catalogue.';

CREATE FUNCTION watchllm.bump_catalog() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE watchllm.catalog SET version = nextval('watchllm.version_seq');
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION watchllm.bump_catalog() IS
    'Give the catalogue a new version because a row of it changed.';

CREATE TABLE watchllm.provider (
	id		text PRIMARY KEY
	    CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,31}$'),
	name		text NOT NULL,
	wire		text NOT NULL DEFAULT 'openai'
	    CHECK (wire ~ '^[a-z][a-z0-9_]{0,31}$'),
	base_url	text NOT NULL
	    CHECK (base_url ~ '^https?://[^/]' AND base_url !~ '/$'),
	auth		text NOT NULL DEFAULT 'bearer'
	    CHECK (auth IN ('bearer', 'x-api-key', 'none')),
	key_required	boolean NOT NULL DEFAULT true,
	allow_private	boolean NOT NULL DEFAULT false,
	stream_options	boolean NOT NULL DEFAULT true,
	price_provider	text,
	enabled		boolean NOT NULL DEFAULT true,
	created_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watchllm.provider IS
    'Hosts that answer calls; one that speaks a known wire format is only a row.';
COMMENT ON COLUMN watchllm.provider.id IS
    'Name used by programs and in provider/model.';
COMMENT ON COLUMN watchllm.provider.name IS
    'Name shown to people.';
COMMENT ON COLUMN watchllm.provider.wire IS
    'Wire format, for example openai.';
COMMENT ON COLUMN watchllm.provider.base_url IS
    'What the paths of the wire format are appended to; no slash at its end.';
COMMENT ON COLUMN watchllm.provider.auth IS
    'How the provider key is sent: bearer, x-api-key, or none.';
COMMENT ON COLUMN watchllm.provider.key_required IS
    'Whether a call without a provider key is refused.';
COMMENT ON COLUMN watchllm.provider.allow_private IS
    'Whether the host may be plain HTTP and resolve to a private address.';
COMMENT ON COLUMN watchllm.provider.stream_options IS
    'Whether stream_options.include_usage is asked for; where not, usage comes unasked or not at all.';
COMMENT ON COLUMN watchllm.provider.price_provider IS
    'Provider whose prices hold; null: its own.';
COMMENT ON COLUMN watchllm.provider.enabled IS
    'Whether calls are sent to it.';
COMMENT ON COLUMN watchllm.provider.created_at IS
    'When the row was made.';

INSERT INTO watchllm.provider
    (id, name, base_url, auth, key_required, allow_private, stream_options)
VALUES
    ('deepseek',   'DeepSeek',   'https://api.deepseek.com/v1',     'bearer', true,  false, true),
    ('groq',       'Groq',       'https://api.groq.com/openai/v1',  'bearer', true,  false, true),
    ('llamacpp',   'llama.cpp',  'http://127.0.0.1:8080/v1',        'bearer', false, true,  true),
    ('mistral',    'Mistral',    'https://api.mistral.ai/v1',       'bearer', true,  false, false),
    ('ollama',     'Ollama',     'http://127.0.0.1:11434/v1',       'bearer', false, true,  true),
    ('openai',     'OpenAI',     'https://api.openai.com/v1',       'bearer', true,  false, true),
    ('openrouter', 'OpenRouter', 'https://openrouter.ai/api/v1',    'bearer', true,  false, true),
    ('together',   'Together',   'https://api.together.xyz/v1',     'bearer', true,  false, true),
    ('vllm',       'vLLM',       'http://127.0.0.1:8000/v1',        'bearer', false, true,  true),
    ('xai',        'xAI',        'https://api.x.ai/v1',             'bearer', true,  false, true);

CREATE TABLE watchllm.model_route (
	pattern		text NOT NULL CHECK (length(pattern) BETWEEN 1 AND 200),
	kind		text NOT NULL DEFAULT 'prefix'
	    CHECK (kind IN ('exact', 'prefix')),
	provider	text NOT NULL REFERENCES watchllm.provider (id),
	priority	integer NOT NULL DEFAULT 1 CHECK (priority >= 1),
	PRIMARY KEY (pattern, kind, provider)
);
COMMENT ON TABLE watchllm.model_route IS
    'Which provider serves a model when the request names none: an exact match, else the longest prefix, then the lowest priority.';
COMMENT ON COLUMN watchllm.model_route.pattern IS
    'The whole name of a model, or how it begins.';
COMMENT ON COLUMN watchllm.model_route.kind IS
    'exact or prefix.';
COMMENT ON COLUMN watchllm.model_route.provider IS
    'The provider that serves it.';
COMMENT ON COLUMN watchllm.model_route.priority IS
    'Order among routes that match equally well, 1 first.';

INSERT INTO watchllm.model_route (pattern, kind, provider) VALUES
    ('babbage-002',         'exact',  'openai'),
    ('chatgpt-',            'prefix', 'openai'),
    ('codestral',           'prefix', 'mistral'),
    ('computer-use-',       'prefix', 'openai'),
    ('dall-e',              'prefix', 'openai'),
    ('davinci-002',         'exact',  'openai'),
    ('deepseek-',           'prefix', 'deepseek'),
    ('deepseek-r1-distill-llama-70b', 'exact', 'groq'),
    ('devstral',            'prefix', 'mistral'),
    ('ft:',                 'prefix', 'openai'),
    ('gemma2-9b-it',        'exact',  'groq'),
    ('gpt-',                'prefix', 'openai'),
    ('grok-',               'prefix', 'xai'),
    ('llama-3',             'prefix', 'groq'),
    ('llama-guard-',        'prefix', 'groq'),
    ('llama3-',             'prefix', 'groq'),
    ('magistral',           'prefix', 'mistral'),
    ('ministral',           'prefix', 'mistral'),
    ('mistral-',            'prefix', 'mistral'),
    ('mixtral-8x7b-32768',  'exact',  'groq'),
    ('o1',                  'prefix', 'openai'),
    ('o3',                  'prefix', 'openai'),
    ('o4',                  'prefix', 'openai'),
    ('omni-moderation',     'prefix', 'openai'),
    ('open-mistral',        'prefix', 'mistral'),
    ('open-mixtral',        'prefix', 'mistral'),
    ('pixtral',             'prefix', 'mistral'),
    ('qwen-2.5-',           'prefix', 'groq'),
    ('text-embedding-',     'prefix', 'openai'),
    ('tts-1',               'prefix', 'openai'),
    ('whisper-1',           'exact',  'openai'),
    ('whisper-large-v3',    'prefix', 'groq');

CREATE TABLE watchllm.provider_key (
	project_id	text NOT NULL REFERENCES watchllm.project (id),
	provider	text NOT NULL REFERENCES watchllm.provider (id),
	priority	smallint NOT NULL DEFAULT 1
	    CHECK (priority BETWEEN 1 AND 3),
	id		text NOT NULL DEFAULT watchllm.new_id(),
	name		text NOT NULL DEFAULT '',
	key_id		text NOT NULL,
	nonce		bytea NOT NULL CHECK (octet_length(nonce) = 24),
	ciphertext	bytea NOT NULL CHECK (octet_length(ciphertext) > 16),
	host		text NOT NULL CHECK (host <> ''),
	hint		text NOT NULL DEFAULT '' CHECK (length(hint) <= 4),
	created_at	timestamptz NOT NULL DEFAULT now(),
	disabled_at	timestamptz,
	PRIMARY KEY (project_id, provider, priority),
	UNIQUE (project_id, id)
);
CREATE INDEX provider_key_master ON watchllm.provider_key (key_id);
COMMENT ON TABLE watchllm.provider_key IS
    'The customer''s own keys for providers, encrypted and bound to the host that they are sent to.';
COMMENT ON COLUMN watchllm.provider_key.project_id IS
    'The project that owns the key.';
COMMENT ON COLUMN watchllm.provider_key.provider IS
    'The provider that the key is for.';
COMMENT ON COLUMN watchllm.provider_key.priority IS
    '1 is tried first; the next on 401, 402, 403 or 429.';
COMMENT ON COLUMN watchllm.provider_key.id IS
    'Identifier of the key within its project; part of what the ciphertext is bound to.';
COMMENT ON COLUMN watchllm.provider_key.name IS
    'Name given by its owner.';
COMMENT ON COLUMN watchllm.provider_key.key_id IS
    'Which master key it is encrypted under.';
COMMENT ON COLUMN watchllm.provider_key.nonce IS
    'Nonce of XChaCha20-Poly1305.';
COMMENT ON COLUMN watchllm.provider_key.ciphertext IS
    'The key encrypted, with its tag.';
COMMENT ON COLUMN watchllm.provider_key.host IS
    'Host and port that the key may be sent to.';
COMMENT ON COLUMN watchllm.provider_key.hint IS
    'The last four characters, to recognise the key.';
COMMENT ON COLUMN watchllm.provider_key.created_at IS
    'When the key was stored.';
COMMENT ON COLUMN watchllm.provider_key.disabled_at IS
    'Since when it is not used; null: in use.';

-- Prices are kept for ever: a figure of the past must stay explicable.
CREATE TABLE watchllm.price (
	provider		text NOT NULL,
	model			text NOT NULL,
	effective_from		timestamptz NOT NULL,
	effective_to		timestamptz,
	mode			text NOT NULL DEFAULT 'chat',
	input_nano		bigint CHECK (input_nano >= 0),
	cache_read_nano		bigint CHECK (cache_read_nano >= 0),
	cache_write_nano	bigint CHECK (cache_write_nano >= 0),
	output_nano		bigint CHECK (output_nano >= 0),
	reasoning_nano		bigint CHECK (reasoning_nano >= 0),
	batch_input_nano	bigint CHECK (batch_input_nano >= 0),
	batch_output_nano	bigint CHECK (batch_output_nano >= 0),
	input_above_200k_nano	bigint CHECK (input_above_200k_nano >= 0),
	output_above_200k_nano	bigint CHECK (output_above_200k_nano >= 0),
	max_input_tokens	bigint CHECK (max_input_tokens >= 0),
	max_output_tokens	bigint CHECK (max_output_tokens >= 0),
	source			text NOT NULL,
	imported_at		timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (provider, model, effective_from),
	CHECK (effective_to IS NULL OR effective_to > effective_from)
);
COMMENT ON TABLE watchllm.price IS
    'Dated prices in nano-dollars per million tokens; null: not known.';
COMMENT ON COLUMN watchllm.price.provider IS
    'Provider; need not be a row of provider.';
COMMENT ON COLUMN watchllm.price.model IS
    'Name of the model as the provider bills it.';
COMMENT ON COLUMN watchllm.price.effective_from IS
    'From when the price holds.';
COMMENT ON COLUMN watchllm.price.effective_to IS
    'Until when, not included; null: until a newer row begins.';
COMMENT ON COLUMN watchllm.price.mode IS
    'chat, completion, embedding, responses, …';
COMMENT ON COLUMN watchllm.price.input_nano IS
    'Input tokens that were not cached.';
COMMENT ON COLUMN watchllm.price.cache_read_nano IS
    'Input tokens read from the provider''s cache; null: as input_nano.';
COMMENT ON COLUMN watchllm.price.cache_write_nano IS
    'Input tokens written to the provider''s cache; null: as input_nano.';
COMMENT ON COLUMN watchllm.price.output_nano IS
    'Output tokens.';
COMMENT ON COLUMN watchllm.price.reasoning_nano IS
    'Reasoning tokens; null: as output_nano.';
COMMENT ON COLUMN watchllm.price.batch_input_nano IS
    'Input tokens of batch jobs.';
COMMENT ON COLUMN watchllm.price.batch_output_nano IS
    'Output tokens of batch jobs.';
COMMENT ON COLUMN watchllm.price.input_above_200k_nano IS
    'Input tokens of a call with more than 200,000 input tokens; null: as input_nano.';
COMMENT ON COLUMN watchllm.price.output_above_200k_nano IS
    'Output tokens of a call with more than 200,000 input tokens; null: as output_nano.';
COMMENT ON COLUMN watchllm.price.max_input_tokens IS
    'Most input tokens that the model takes, where known.';
COMMENT ON COLUMN watchllm.price.max_output_tokens IS
    'Most output tokens that the model gives, where known.';
COMMENT ON COLUMN watchllm.price.source IS
    'Where the figure was taken from, with its date.';
COMMENT ON COLUMN watchllm.price.imported_at IS
    'When the row was written.';

CREATE FUNCTION watchllm.undated_model(p_model text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT regexp_replace(p_model,
	    '(-\d{4}-\d{2}-\d{2}|-\d{8}|@\d{8}|@\d{4}-\d{2}-\d{2}|@latest)$', '')
$$;
COMMENT ON FUNCTION watchllm.undated_model(text) IS
    'The name of a model without a date at its end (-2024-08-06, -20241022, @20241022).';

CREATE FUNCTION watchllm.price_at(p_provider text, p_model text,
    p_at timestamptz) RETURNS SETOF watchllm.price
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.* FROM watchllm.price p
	WHERE p.provider = p_provider
	    AND p.model IN (p_model, watchllm.undated_model(p_model))
	    AND p.effective_from <= p_at
	    AND (p.effective_to IS NULL OR p.effective_to > p_at)
	ORDER BY p.model = p_model DESC, p.effective_from DESC
	LIMIT 1
$$;
COMMENT ON FUNCTION watchllm.price_at(text, text, timestamptz) IS
    'The price that holds at a moment: of the exact name, else of the name without its date; no row when it is not known.';

CREATE TABLE watchllm.redaction_rule (
	id		bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
	project_id	text REFERENCES watchllm.project (id),
	name		text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,31}$'),
	kind		text NOT NULL DEFAULT 'regex'
	    CHECK (kind IN ('builtin', 'regex')),
	pattern		text,
	replacement	text NOT NULL,
	enabled		boolean NOT NULL DEFAULT true,
	position	integer NOT NULL DEFAULT 100,
	created_at	timestamptz NOT NULL DEFAULT now(),
	CHECK ((kind = 'regex') = (pattern IS NOT NULL))
);
CREATE UNIQUE INDEX redaction_rule_name ON watchllm.redaction_rule
    (coalesce(project_id, ''), name);
COMMENT ON TABLE watchllm.redaction_rule IS
    'What is removed from text before it reaches the journal.';
COMMENT ON COLUMN watchllm.redaction_rule.id IS
    'Number of the rule.';
COMMENT ON COLUMN watchllm.redaction_rule.project_id IS
    'The project that the rule is for; null: all. A project''s rule replaces the common rule of its name.';
COMMENT ON COLUMN watchllm.redaction_rule.name IS
    'Name of the rule; of a built-in one, the name of its matcher.';
COMMENT ON COLUMN watchllm.redaction_rule.kind IS
    'builtin: a matcher of the program; regex: the pattern.';
COMMENT ON COLUMN watchllm.redaction_rule.pattern IS
    'POSIX extended regular expression; null for built-in rules.';
COMMENT ON COLUMN watchllm.redaction_rule.replacement IS
    'What stands in place of the match.';
COMMENT ON COLUMN watchllm.redaction_rule.enabled IS
    'Whether the rule is applied.';
COMMENT ON COLUMN watchllm.redaction_rule.position IS
    'Order of application, lowest first.';
COMMENT ON COLUMN watchllm.redaction_rule.created_at IS
    'When the rule was made.';

INSERT INTO watchllm.redaction_rule (name, kind, replacement, position) VALUES
    ('jwt',    'builtin', '[REDACTED_JWT]',     10),
    ('bearer', 'builtin', '[REDACTED_TOKEN]',   20),
    ('key',    'builtin', '[REDACTED_KEY]',     30),
    ('email',  'builtin', '[REDACTED_EMAIL]',   40),
    ('card',   'builtin', '[REDACTED_CARD]',    50),
    ('ssn',    'builtin', '[REDACTED_SSN]',     60),
    ('phone',  'builtin', '[REDACTED_PHONE]',   70),
    ('ip',     'builtin', '[REDACTED_IP]',      80);

CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON watchllm.provider_key
    FOR EACH ROW EXECUTE FUNCTION watchllm.bump_project();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.provider_key
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE ON watchllm.provider
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.redaction_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON watchllm.provider
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.bump_catalog();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON watchllm.model_route
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.bump_catalog();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON watchllm.price
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.bump_catalog();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON watchllm.redaction_rule
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.bump_catalog();
