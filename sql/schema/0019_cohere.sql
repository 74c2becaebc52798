-- Cohere, whose wire format is its own.

INSERT INTO watchllm.provider
    (id, name, wire, base_url, auth, key_required, allow_private, stream_options)
VALUES
    ('cohere', 'Cohere', 'cohere', 'https://api.cohere.com', 'bearer', true, false, false)
ON CONFLICT (id) DO NOTHING;

INSERT INTO watchllm.model_route (pattern, kind, provider) VALUES
    ('c4ai-',           'prefix', 'cohere'),
    ('command-',        'prefix', 'cohere'),
    ('embed-english-',  'prefix', 'cohere'),
    ('embed-multilingual-', 'prefix', 'cohere'),
    ('embed-v4',        'prefix', 'cohere')
ON CONFLICT DO NOTHING;
