-- Events of shadow calls: a source of their own, so that no usage, statement
-- or count of requests has them.

ALTER TABLE watchllm.event
    DROP CONSTRAINT event_source_check,
    ADD CONSTRAINT event_source_check CHECK (source IN ('gateway', 'events',
	'otlp', 'sentry', 'langfuse', 'detector', 'shadow'));
COMMENT ON COLUMN watchllm.event.source IS
    'The way in: gateway, events, otlp, sentry, langfuse or detector; shadow: a call for comparison, whose answer nobody got.';
