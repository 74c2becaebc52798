-- Anthropic, whose wire format is its own.

INSERT INTO watchllm.provider
    (id, name, wire, base_url, auth, key_required, allow_private, stream_options)
VALUES
    ('anthropic', 'Anthropic', 'anthropic', 'https://api.anthropic.com/v1', 'x-api-key', true, false, false)
ON CONFLICT (id) DO NOTHING;

INSERT INTO watchllm.model_route (pattern, kind, provider) VALUES
    ('claude-', 'prefix', 'anthropic')
ON CONFLICT DO NOTHING;
