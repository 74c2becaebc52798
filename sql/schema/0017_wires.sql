-- Providers that speak formats of their own.

ALTER TABLE watchllm.provider DROP CONSTRAINT provider_auth_check;
ALTER TABLE watchllm.provider ADD CONSTRAINT provider_auth_check
    CHECK (auth IN ('bearer', 'none', 'api-key', 'x-api-key', 'x-goog-api-key'));
COMMENT ON COLUMN watchllm.provider.auth IS
    'How the provider key is sent: bearer, the name of a header (api-key, x-api-key, x-goog-api-key), or none.';

ALTER TABLE watchllm.provider ADD COLUMN api_version text
    CHECK (api_version ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$');
COMMENT ON COLUMN watchllm.provider.api_version IS
    'Version of the API that is asked for, where the wire format names one (azure); null: the format''s own.';

INSERT INTO watchllm.provider
    (id, name, wire, base_url, auth, key_required, allow_private, stream_options, price_provider)
VALUES
    ('gemini',        'Gemini', 'gemini', 'https://generativelanguage.googleapis.com/v1beta', 'x-goog-api-key', true, false, false, NULL),
    ('gemini-openai', 'Gemini, in OpenAI''s format', 'openai', 'https://generativelanguage.googleapis.com/v1beta/openai', 'bearer', true, false, true, 'gemini')
ON CONFLICT (id) DO NOTHING;

INSERT INTO watchllm.model_route (pattern, kind, provider) VALUES
    ('gemini-',            'prefix', 'gemini'),
    ('gemma-3',            'prefix', 'gemini'),
    ('text-embedding-004', 'exact',  'gemini')
ON CONFLICT DO NOTHING;
