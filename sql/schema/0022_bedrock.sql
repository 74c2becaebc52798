-- Amazon Bedrock, whose wire format is its own.

ALTER TABLE watchllm.provider DROP CONSTRAINT provider_auth_check;
ALTER TABLE watchllm.provider ADD CONSTRAINT provider_auth_check
    CHECK (auth IN ('bearer', 'none', 'sigv4', 'api-key', 'x-api-key', 'x-goog-api-key'));
COMMENT ON COLUMN watchllm.provider.auth IS
    'How the provider key is sent: bearer, the name of a header (api-key, x-api-key, x-goog-api-key), not at all but in a signature (sigv4, of AWS), or none.';

INSERT INTO watchllm.provider
    (id, name, wire, base_url, auth, key_required, allow_private, stream_options)
VALUES
    ('bedrock', 'Amazon Bedrock', 'bedrock', 'https://bedrock-runtime.us-east-1.amazonaws.com', 'sigv4', true, false, false)
ON CONFLICT (id) DO NOTHING;

INSERT INTO watchllm.model_route (pattern, kind, provider) VALUES
    ('amazon.nova-',      'prefix', 'bedrock'),
    ('anthropic.claude-', 'prefix', 'bedrock'),
    ('arn:aws:bedrock:',  'prefix', 'bedrock'),
    ('meta.llama',        'prefix', 'bedrock')
ON CONFLICT DO NOTHING;
