-- Views for people and BI tools.  Money is USD, times are UTC moments, names
-- are those of the API.  They are the owner's views: whoever may read them
-- sees all projects.

CREATE VIEW report.calls AS
SELECT
    e.project_id AS project_id,
    p.name AS project,
    e.event_id AS call_id,
    e.ts AS started_at,
    e.status AS status,
    e.http_status AS http_status,
    e.error_code AS error_code,
    e.error_message AS error_message,
    e.route AS route,
    e.stream AS streamed,
    e.provider AS provider,
    e.model AS model_requested,
    coalesce(e.model_used, e.model) AS model,
    e.finish_reason AS finish_reason,
    e.key_prefix AS key_prefix,
    e.user_id AS user_id,
    e.run_id AS run_id,
    e.tags AS tags,
    e.release AS release,
    e.environment AS environment,
    coalesce(e.tokens_uncached, 0)::bigint + coalesce(e.tokens_cache_read, 0)
        + coalesce(e.tokens_cache_write, 0) AS input_tokens,
    coalesce(e.tokens_cache_read, 0)::bigint AS cached_input_tokens,
    coalesce(e.tokens_output, 0)::bigint + coalesce(e.tokens_reasoning, 0) AS output_tokens,
    coalesce(e.tokens_reasoning, 0)::bigint AS reasoning_tokens,
    e.usage_source AS usage_source,
    ((e.cost_nano)::numeric / 1000000000)::numeric(20,9) AS cost_usd,
    e.cost_source AS cost_source,
    e.cache_status AS cache,
    ((e.saved_nano)::numeric / 1000000000)::numeric(20,9) AS saved_usd,
    e.latency_ms AS latency_ms,
    e.ttft_ms AS first_token_ms,
    e.upstream_ms AS upstream_ms,
    e.attempts AS attempts,
    e.month_counted AS counts_for_month,
    e.request_id AS request_id,
    e.client_request_id AS client_request_id
FROM watchllm.event e
LEFT JOIN watchllm.project p ON p.id = e.project_id
WHERE e.source = 'gateway' AND e.type = 'prompt_call';
COMMENT ON VIEW report.calls IS
    'One row per gateway call.';
COMMENT ON COLUMN report.calls.project_id IS
    'The project.';
COMMENT ON COLUMN report.calls.project IS
    'Name of the project.';
COMMENT ON COLUMN report.calls.call_id IS
    'Identity of the call.';
COMMENT ON COLUMN report.calls.started_at IS
    'When it was admitted.';
COMMENT ON COLUMN report.calls.status IS
    'success, error, timeout, client_closed, blocked, lost, …';
COMMENT ON COLUMN report.calls.http_status IS
    'Status that the client got.';
COMMENT ON COLUMN report.calls.error_code IS
    'Code of the error.';
COMMENT ON COLUMN report.calls.error_message IS
    'Text of the error.';
COMMENT ON COLUMN report.calls.route IS
    'Route that was called.';
COMMENT ON COLUMN report.calls.streamed IS
    'Whether the answer was streamed.';
COMMENT ON COLUMN report.calls.provider IS
    'Provider that answered or was asked.';
COMMENT ON COLUMN report.calls.model_requested IS
    'Model as requested.';
COMMENT ON COLUMN report.calls.model IS
    'Model that was billed.';
COMMENT ON COLUMN report.calls.finish_reason IS
    'Why the model stopped.';
COMMENT ON COLUMN report.calls.key_prefix IS
    'Public prefix of the key.';
COMMENT ON COLUMN report.calls.user_id IS
    'End user, as the client names it.';
COMMENT ON COLUMN report.calls.run_id IS
    'Run that the call is part of.';
COMMENT ON COLUMN report.calls.tags IS
    'Tags given by the client.';
COMMENT ON COLUMN report.calls.release IS
    'Release of the client''s program.';
COMMENT ON COLUMN report.calls.environment IS
    'Environment of the client''s program.';
COMMENT ON COLUMN report.calls.input_tokens IS
    'Input tokens of all classes.';
COMMENT ON COLUMN report.calls.cached_input_tokens IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN report.calls.output_tokens IS
    'Output tokens, reasoning among them.';
COMMENT ON COLUMN report.calls.reasoning_tokens IS
    'Reasoning tokens.';
COMMENT ON COLUMN report.calls.usage_source IS
    'Where the token counts come from.';
COMMENT ON COLUMN report.calls.cost_usd IS
    'Cost in USD; null: price not known.';
COMMENT ON COLUMN report.calls.cost_source IS
    'Where the cost comes from.';
COMMENT ON COLUMN report.calls.cache IS
    'Whether our cache answered.';
COMMENT ON COLUMN report.calls.saved_usd IS
    'USD that our cache saved.';
COMMENT ON COLUMN report.calls.latency_ms IS
    'Milliseconds from start to end.';
COMMENT ON COLUMN report.calls.first_token_ms IS
    'Milliseconds to the first token.';
COMMENT ON COLUMN report.calls.upstream_ms IS
    'Milliseconds spent waiting for the provider.';
COMMENT ON COLUMN report.calls.attempts IS
    'Calls made upstream.';
COMMENT ON COLUMN report.calls.counts_for_month IS
    'Whether the call counts against the month.';
COMMENT ON COLUMN report.calls.request_id IS
    'X-Request-Id of the answer.';
COMMENT ON COLUMN report.calls.client_request_id IS
    'Request id that the client sent.';

CREATE VIEW report.events AS
SELECT
    e.project_id AS project_id,
    p.name AS project,
    e.event_id AS event_id,
    e.ts AS occurred_at,
    e.received_at AS received_at,
    e.type AS type,
    e.source AS source,
    e.status AS status,
    e.name AS name,
    e.run_id AS run_id,
    e.trace_id AS trace_id,
    e.span_id AS span_id,
    e.parent_span_id AS parent_span_id,
    e.user_id AS user_id,
    e.session_id AS session_id,
    e.tags AS tags,
    e.release AS release,
    e.environment AS environment,
    e.provider AS provider,
    coalesce(e.model_used, e.model) AS model,
    coalesce(e.tokens_uncached, 0)::bigint + coalesce(e.tokens_cache_read, 0)
        + coalesce(e.tokens_cache_write, 0) AS input_tokens,
    coalesce(e.tokens_cache_read, 0)::bigint AS cached_input_tokens,
    coalesce(e.tokens_output, 0)::bigint + coalesce(e.tokens_reasoning, 0) AS output_tokens,
    coalesce(e.tokens_reasoning, 0)::bigint AS reasoning_tokens,
    ((e.cost_nano)::numeric / 1000000000)::numeric(20,9) AS cost_usd,
    e.usage_counted AS counted_in_totals,
    e.latency_ms AS latency_ms,
    e.error_message AS error_message,
    e.attributes AS attributes,
    e.flags AS flags
FROM watchllm.event e
LEFT JOIN watchllm.project p ON p.id = e.project_id;
COMMENT ON VIEW report.events IS
    'One row per event of any type and source, gateway calls among them.';
COMMENT ON COLUMN report.events.project_id IS
    'The project.';
COMMENT ON COLUMN report.events.project IS
    'Name of the project.';
COMMENT ON COLUMN report.events.event_id IS
    'Identity of the event.';
COMMENT ON COLUMN report.events.occurred_at IS
    'When it occurred.';
COMMENT ON COLUMN report.events.received_at IS
    'When it was received.';
COMMENT ON COLUMN report.events.type IS
    'Type of the event.';
COMMENT ON COLUMN report.events.source IS
    'The way in.';
COMMENT ON COLUMN report.events.status IS
    'Status.';
COMMENT ON COLUMN report.events.name IS
    'Name of the step, tool or assertion.';
COMMENT ON COLUMN report.events.run_id IS
    'Run that it is part of.';
COMMENT ON COLUMN report.events.trace_id IS
    'Trace.';
COMMENT ON COLUMN report.events.span_id IS
    'Span.';
COMMENT ON COLUMN report.events.parent_span_id IS
    'Span that it is a child of.';
COMMENT ON COLUMN report.events.user_id IS
    'End user.';
COMMENT ON COLUMN report.events.session_id IS
    'Session.';
COMMENT ON COLUMN report.events.tags IS
    'Tags.';
COMMENT ON COLUMN report.events.release IS
    'Release.';
COMMENT ON COLUMN report.events.environment IS
    'Environment.';
COMMENT ON COLUMN report.events.provider IS
    'Provider.';
COMMENT ON COLUMN report.events.model IS
    'Model.';
COMMENT ON COLUMN report.events.input_tokens IS
    'Input tokens of all classes.';
COMMENT ON COLUMN report.events.cached_input_tokens IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN report.events.output_tokens IS
    'Output tokens, reasoning among them.';
COMMENT ON COLUMN report.events.reasoning_tokens IS
    'Reasoning tokens.';
COMMENT ON COLUMN report.events.cost_usd IS
    'Cost in USD; null: not known.';
COMMENT ON COLUMN report.events.counted_in_totals IS
    'Whether tokens and cost are part of totals.';
COMMENT ON COLUMN report.events.latency_ms IS
    'Milliseconds from start to end.';
COMMENT ON COLUMN report.events.error_message IS
    'Text of the error.';
COMMENT ON COLUMN report.events.attributes IS
    'All further fields.';
COMMENT ON COLUMN report.events.flags IS
    'What was done to it.';

CREATE VIEW report.usage_hourly AS
SELECT
    r.project_id AS project_id,
    p.name AS project,
    r.hour AS hour,
    r.type AS type,
    r.provider AS provider,
    r.model AS model,
    r.status AS status,
    r.events AS events,
    r.requests AS requests,
    r.counted AS counted,
    r.errors AS errors,
    r.cache_hits AS cache_hits,
    r.tokens_uncached + r.tokens_cache_read + r.tokens_cache_write AS input_tokens,
    r.tokens_cache_read AS cached_input_tokens,
    r.tokens_output + r.tokens_reasoning AS output_tokens,
    ((r.cost_nano)::numeric / 1000000000)::numeric(20,9) AS cost_usd,
    r.unpriced AS unpriced_events,
    ((r.saved_nano)::numeric / 1000000000)::numeric(20,9) AS saved_usd,
    round(r.latency_ms::numeric / nullif(r.latency_n, 0), 1) AS mean_latency_ms,
    round(r.ttft_ms::numeric / nullif(r.ttft_n, 0), 1) AS mean_first_token_ms
FROM watchllm.rollup_hour r
LEFT JOIN watchllm.project p ON p.id = r.project_id;
COMMENT ON VIEW report.usage_hourly IS
    'Usage per hour, type, provider, model and status.';
COMMENT ON COLUMN report.usage_hourly.project_id IS
    'The project.';
COMMENT ON COLUMN report.usage_hourly.project IS
    'Name of the project.';
COMMENT ON COLUMN report.usage_hourly.hour IS
    'Start of the UTC hour.';
COMMENT ON COLUMN report.usage_hourly.type IS
    'Type of the events.';
COMMENT ON COLUMN report.usage_hourly.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN report.usage_hourly.model IS
    'Model; empty: none.';
COMMENT ON COLUMN report.usage_hourly.status IS
    'Status.';
COMMENT ON COLUMN report.usage_hourly.events IS
    'Events.';
COMMENT ON COLUMN report.usage_hourly.requests IS
    'Gateway calls.';
COMMENT ON COLUMN report.usage_hourly.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN report.usage_hourly.errors IS
    'Events that failed.';
COMMENT ON COLUMN report.usage_hourly.cache_hits IS
    'Calls that our cache served.';
COMMENT ON COLUMN report.usage_hourly.input_tokens IS
    'Input tokens of all classes.';
COMMENT ON COLUMN report.usage_hourly.cached_input_tokens IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN report.usage_hourly.output_tokens IS
    'Output tokens, reasoning among them.';
COMMENT ON COLUMN report.usage_hourly.cost_usd IS
    'Cost in USD of events whose price is known.';
COMMENT ON COLUMN report.usage_hourly.unpriced_events IS
    'Events with tokens whose price is not known.';
COMMENT ON COLUMN report.usage_hourly.saved_usd IS
    'USD that our cache saved.';
COMMENT ON COLUMN report.usage_hourly.mean_latency_ms IS
    'Mean latency in milliseconds.';
COMMENT ON COLUMN report.usage_hourly.mean_first_token_ms IS
    'Mean time to the first token in milliseconds.';

CREATE VIEW report.usage_daily AS
SELECT
    r.project_id AS project_id,
    p.name AS project,
    r.day AS day,
    r.type AS type,
    r.provider AS provider,
    r.model AS model,
    r.status AS status,
    r.events AS events,
    r.requests AS requests,
    r.counted AS counted,
    r.errors AS errors,
    r.cache_hits AS cache_hits,
    r.tokens_uncached + r.tokens_cache_read + r.tokens_cache_write AS input_tokens,
    r.tokens_cache_read AS cached_input_tokens,
    r.tokens_output + r.tokens_reasoning AS output_tokens,
    ((r.cost_nano)::numeric / 1000000000)::numeric(20,9) AS cost_usd,
    r.unpriced AS unpriced_events,
    ((r.saved_nano)::numeric / 1000000000)::numeric(20,9) AS saved_usd,
    round(r.latency_ms::numeric / nullif(r.latency_n, 0), 1) AS mean_latency_ms,
    round(r.ttft_ms::numeric / nullif(r.ttft_n, 0), 1) AS mean_first_token_ms
FROM watchllm.rollup_day r
LEFT JOIN watchllm.project p ON p.id = r.project_id;
COMMENT ON VIEW report.usage_daily IS
    'Usage per UTC day, type, provider, model and status.';
COMMENT ON COLUMN report.usage_daily.project_id IS
    'The project.';
COMMENT ON COLUMN report.usage_daily.project IS
    'Name of the project.';
COMMENT ON COLUMN report.usage_daily.day IS
    'UTC day.';
COMMENT ON COLUMN report.usage_daily.type IS
    'Type of the events.';
COMMENT ON COLUMN report.usage_daily.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN report.usage_daily.model IS
    'Model; empty: none.';
COMMENT ON COLUMN report.usage_daily.status IS
    'Status.';
COMMENT ON COLUMN report.usage_daily.events IS
    'Events.';
COMMENT ON COLUMN report.usage_daily.requests IS
    'Gateway calls.';
COMMENT ON COLUMN report.usage_daily.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN report.usage_daily.errors IS
    'Events that failed.';
COMMENT ON COLUMN report.usage_daily.cache_hits IS
    'Calls that our cache served.';
COMMENT ON COLUMN report.usage_daily.input_tokens IS
    'Input tokens of all classes.';
COMMENT ON COLUMN report.usage_daily.cached_input_tokens IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN report.usage_daily.output_tokens IS
    'Output tokens, reasoning among them.';
COMMENT ON COLUMN report.usage_daily.cost_usd IS
    'Cost in USD of events whose price is known.';
COMMENT ON COLUMN report.usage_daily.unpriced_events IS
    'Events with tokens whose price is not known.';
COMMENT ON COLUMN report.usage_daily.saved_usd IS
    'USD that our cache saved.';
COMMENT ON COLUMN report.usage_daily.mean_latency_ms IS
    'Mean latency in milliseconds.';
COMMENT ON COLUMN report.usage_daily.mean_first_token_ms IS
    'Mean time to the first token in milliseconds.';

CREATE VIEW report.usage_monthly AS
SELECT
    r.project_id AS project_id,
    p.name AS project,
    date_trunc('month', r.day::timestamp)::date AS month,
    r.provider AS provider,
    r.model AS model,
    sum(r.events)::bigint AS events,
    sum(r.requests)::bigint AS requests,
    sum(r.counted)::bigint AS counted,
    sum(r.errors)::bigint AS errors,
    sum(r.cache_hits)::bigint AS cache_hits,
    (sum(r.tokens_uncached) + sum(r.tokens_cache_read)
        + sum(r.tokens_cache_write))::bigint AS input_tokens,
    sum(r.tokens_cache_read)::bigint AS cached_input_tokens,
    (sum(r.tokens_output) + sum(r.tokens_reasoning))::bigint AS output_tokens,
    ((sum(r.cost_nano))::numeric / 1000000000)::numeric(20,9) AS cost_usd,
    sum(r.unpriced)::bigint AS unpriced_events,
    ((sum(r.saved_nano))::numeric / 1000000000)::numeric(20,9) AS saved_usd,
    round(sum(r.latency_ms) / nullif(sum(r.latency_n), 0), 1) AS mean_latency_ms,
    round(sum(r.ttft_ms) / nullif(sum(r.ttft_n), 0), 1) AS mean_first_token_ms
FROM watchllm.rollup_day r
LEFT JOIN watchllm.project p ON p.id = r.project_id
GROUP BY r.project_id, p.name, date_trunc('month', r.day::timestamp), r.provider,
    r.model;
COMMENT ON VIEW report.usage_monthly IS
    'Usage per UTC month, provider and model, up to now.';
COMMENT ON COLUMN report.usage_monthly.project_id IS
    'The project.';
COMMENT ON COLUMN report.usage_monthly.project IS
    'Name of the project.';
COMMENT ON COLUMN report.usage_monthly.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN report.usage_monthly.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN report.usage_monthly.model IS
    'Model; empty: none.';
COMMENT ON COLUMN report.usage_monthly.events IS
    'Events.';
COMMENT ON COLUMN report.usage_monthly.requests IS
    'Gateway calls.';
COMMENT ON COLUMN report.usage_monthly.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN report.usage_monthly.errors IS
    'Events that failed.';
COMMENT ON COLUMN report.usage_monthly.cache_hits IS
    'Calls that our cache served.';
COMMENT ON COLUMN report.usage_monthly.input_tokens IS
    'Input tokens of all classes.';
COMMENT ON COLUMN report.usage_monthly.cached_input_tokens IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN report.usage_monthly.output_tokens IS
    'Output tokens, reasoning among them.';
COMMENT ON COLUMN report.usage_monthly.cost_usd IS
    'Cost in USD of events whose price is known.';
COMMENT ON COLUMN report.usage_monthly.unpriced_events IS
    'Events with tokens whose price is not known.';
COMMENT ON COLUMN report.usage_monthly.saved_usd IS
    'USD that our cache saved.';
COMMENT ON COLUMN report.usage_monthly.mean_latency_ms IS
    'Mean latency in milliseconds.';
COMMENT ON COLUMN report.usage_monthly.mean_first_token_ms IS
    'Mean time to the first token in milliseconds.';

CREATE VIEW report.latency_hourly AS
SELECT
    r.project_id AS project_id,
    p.name AS project,
    r.hour AS hour,
    r.kind AS kind,
    sum(r.n)::bigint AS events,
    watchllm.latency_of(min(r.bucket) FILTER (WHERE r.upto >= 0.50 * r.total)) AS p50_ms,
    watchllm.latency_of(min(r.bucket) FILTER (WHERE r.upto >= 0.95 * r.total)) AS p95_ms,
    watchllm.latency_of(min(r.bucket) FILTER (WHERE r.upto >= 0.99 * r.total)) AS p99_ms
FROM (SELECT l.project_id, l.hour, l.kind, l.bucket::numeric AS bucket, l.n,
        sum(l.n) OVER (PARTITION BY l.project_id, l.hour, l.kind
            ORDER BY l.bucket) AS upto,
        sum(l.n) OVER (PARTITION BY l.project_id, l.hour, l.kind) AS total
    FROM watchllm.rollup_hour_latency l) r
LEFT JOIN watchllm.project p ON p.id = r.project_id
GROUP BY r.project_id, p.name, r.hour, r.kind;
COMMENT ON VIEW report.latency_hourly IS
    'Latency percentiles per hour, each within 5 %.';
COMMENT ON COLUMN report.latency_hourly.project_id IS
    'The project.';
COMMENT ON COLUMN report.latency_hourly.project IS
    'Name of the project.';
COMMENT ON COLUMN report.latency_hourly.hour IS
    'Start of the UTC hour.';
COMMENT ON COLUMN report.latency_hourly.kind IS
    'latency, ttft, upstream, tool_call or agent_step.';
COMMENT ON COLUMN report.latency_hourly.events IS
    'Events measured.';
COMMENT ON COLUMN report.latency_hourly.p50_ms IS
    'Milliseconds that 50 % of them did not exceed.';
COMMENT ON COLUMN report.latency_hourly.p95_ms IS
    'Milliseconds that 95 % of them did not exceed.';
COMMENT ON COLUMN report.latency_hourly.p99_ms IS
    'Milliseconds that 99 % of them did not exceed.';

CREATE VIEW report.statements AS
SELECT
    s.project_id AS project_id,
    p.name AS project,
    s.month AS month,
    s.provider AS provider,
    s.model AS model,
    s.events AS events,
    s.requests AS requests,
    s.counted AS counted,
    s.errors AS errors,
    s.cache_hits AS cache_hits,
    s.tokens_uncached + s.tokens_cache_read + s.tokens_cache_write AS input_tokens,
    s.tokens_cache_read AS cached_input_tokens,
    s.tokens_output + s.tokens_reasoning AS output_tokens,
    ((s.cost_nano)::numeric / 1000000000)::numeric(20,9) AS cost_usd,
    s.unpriced AS unpriced_events,
    ((s.saved_nano)::numeric / 1000000000)::numeric(20,9) AS saved_usd,
    s.status AS status,
    s.computed_at AS computed_at,
    s.frozen_at AS frozen_at
FROM watchllm.usage_statement s
LEFT JOIN watchllm.project p ON p.id = s.project_id;
COMMENT ON VIEW report.statements IS
    'Statement of a month per project, provider and model.';
COMMENT ON COLUMN report.statements.project_id IS
    'The project.';
COMMENT ON COLUMN report.statements.project IS
    'Name of the project.';
COMMENT ON COLUMN report.statements.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN report.statements.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN report.statements.model IS
    'Model; empty: none.';
COMMENT ON COLUMN report.statements.events IS
    'Events.';
COMMENT ON COLUMN report.statements.requests IS
    'Gateway calls.';
COMMENT ON COLUMN report.statements.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN report.statements.errors IS
    'Events that failed.';
COMMENT ON COLUMN report.statements.cache_hits IS
    'Calls that our cache served.';
COMMENT ON COLUMN report.statements.input_tokens IS
    'Input tokens of all classes.';
COMMENT ON COLUMN report.statements.cached_input_tokens IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN report.statements.output_tokens IS
    'Output tokens, reasoning among them.';
COMMENT ON COLUMN report.statements.cost_usd IS
    'Cost in USD.';
COMMENT ON COLUMN report.statements.unpriced_events IS
    'Events whose price is not known.';
COMMENT ON COLUMN report.statements.saved_usd IS
    'USD that our cache saved.';
COMMENT ON COLUMN report.statements.status IS
    'provisional or frozen.';
COMMENT ON COLUMN report.statements.computed_at IS
    'When it was computed.';
COMMENT ON COLUMN report.statements.frozen_at IS
    'When it was frozen.';

CREATE VIEW report.adjustments AS
SELECT
    s.id AS adjustment_id,
    s.project_id AS project_id,
    p.name AS project,
    s.month AS month,
    s.provider AS provider,
    s.model AS model,
    s.events AS events,
    s.requests AS requests,
    s.counted AS counted,
    s.errors AS errors,
    s.cache_hits AS cache_hits,
    s.tokens_uncached + s.tokens_cache_read + s.tokens_cache_write AS input_tokens,
    s.tokens_cache_read AS cached_input_tokens,
    s.tokens_output + s.tokens_reasoning AS output_tokens,
    ((s.cost_nano)::numeric / 1000000000)::numeric(20,9) AS cost_usd,
    s.unpriced AS unpriced_events,
    ((s.saved_nano)::numeric / 1000000000)::numeric(20,9) AS saved_usd,
    s.created_at AS found_at
FROM watchllm.usage_adjustment s
LEFT JOIN watchllm.project p ON p.id = s.project_id;
COMMENT ON VIEW report.adjustments IS
    'Differences found after a statement was frozen.';
COMMENT ON COLUMN report.adjustments.adjustment_id IS
    'Number of the adjustment.';
COMMENT ON COLUMN report.adjustments.project_id IS
    'The project.';
COMMENT ON COLUMN report.adjustments.project IS
    'Name of the project.';
COMMENT ON COLUMN report.adjustments.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN report.adjustments.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN report.adjustments.model IS
    'Model; empty: none.';
COMMENT ON COLUMN report.adjustments.events IS
    'Events.';
COMMENT ON COLUMN report.adjustments.requests IS
    'Gateway calls.';
COMMENT ON COLUMN report.adjustments.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN report.adjustments.errors IS
    'Events that failed.';
COMMENT ON COLUMN report.adjustments.cache_hits IS
    'Calls that our cache served.';
COMMENT ON COLUMN report.adjustments.input_tokens IS
    'Input tokens of all classes.';
COMMENT ON COLUMN report.adjustments.cached_input_tokens IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN report.adjustments.output_tokens IS
    'Output tokens, reasoning among them.';
COMMENT ON COLUMN report.adjustments.cost_usd IS
    'Cost in USD.';
COMMENT ON COLUMN report.adjustments.unpriced_events IS
    'Events whose price is not known.';
COMMENT ON COLUMN report.adjustments.saved_usd IS
    'USD that our cache saved.';
COMMENT ON COLUMN report.adjustments.found_at IS
    'When the difference was found.';

CREATE VIEW report.limits AS
SELECT
    p.id AS project_id,
    p.name AS project,
    l.id AS plan,
    l.requests_per_minute AS requests_per_minute,
    l.window_kind AS window_kind,
    l.requests_per_month AS requests_per_month,
    greatest(0, coalesce(u.counted + u.correction, 0)) AS used_this_month,
    greatest(0, l.requests_per_month
        - greatest(0, coalesce(u.counted + u.correction, 0))) AS remaining_this_month,
    l.tokens_per_minute AS tokens_per_minute,
    l.concurrent_requests AS concurrent_requests,
    ((l.budget_day_nano)::numeric / 1000000000)::numeric(20,9) AS budget_day_usd,
    ((l.budget_month_nano)::numeric / 1000000000)::numeric(20,9) AS budget_month_usd,
    ((coalesce(u.cost_nano, 0))::numeric / 1000000000)::numeric(20,9) AS cost_this_month_usd,
    l.retention_class AS retention_class,
    c.days AS retention_days,
    p.disabled_at AS disabled_at
FROM watchllm.project p
JOIN watchllm.plan l ON l.id = p.plan_id
JOIN watchllm.retention_class c ON c.name = l.retention_class
LEFT JOIN watchllm.usage_month u ON u.project_id = p.id
    AND u.month = watchllm.utc_month(now());
COMMENT ON VIEW report.limits IS
    'What each project may use, and has used of this UTC month as far as drained.';
COMMENT ON COLUMN report.limits.project_id IS
    'The project.';
COMMENT ON COLUMN report.limits.project IS
    'Name of the project.';
COMMENT ON COLUMN report.limits.plan IS
    'Its plan.';
COMMENT ON COLUMN report.limits.requests_per_minute IS
    'Calls per minute.';
COMMENT ON COLUMN report.limits.window_kind IS
    'fixed or sliding minutes.';
COMMENT ON COLUMN report.limits.requests_per_month IS
    'Calls per UTC month.';
COMMENT ON COLUMN report.limits.used_this_month IS
    'Calls counted this month.';
COMMENT ON COLUMN report.limits.remaining_this_month IS
    'Calls left this month.';
COMMENT ON COLUMN report.limits.tokens_per_minute IS
    'Tokens per minute; null: no limit.';
COMMENT ON COLUMN report.limits.concurrent_requests IS
    'Calls in flight; null: no limit.';
COMMENT ON COLUMN report.limits.budget_day_usd IS
    'Budget per day; null: none.';
COMMENT ON COLUMN report.limits.budget_month_usd IS
    'Budget per month; null: none.';
COMMENT ON COLUMN report.limits.cost_this_month_usd IS
    'Cost this month.';
COMMENT ON COLUMN report.limits.retention_class IS
    'How long events are kept.';
COMMENT ON COLUMN report.limits.retention_days IS
    'The same in days.';
COMMENT ON COLUMN report.limits.disabled_at IS
    'Since when the project is off; null: on.';

CREATE VIEW report.keys AS
SELECT
    k.project_id AS project_id,
    p.name AS project,
    k.id AS key_id,
    k.prefix AS prefix,
    k.kind AS kind,
    k.name AS name,
    k.scopes AS scopes,
    k.created_at AS created_at,
    k.expires_at AS expires_at,
    k.revoked_at AS revoked_at,
    coalesce(u.counted, 0) AS used_this_month
FROM watchllm.api_key k
JOIN watchllm.project p ON p.id = k.project_id
LEFT JOIN watchllm.usage_key_month u ON u.project_id = k.project_id
    AND u.api_key_id = k.id AND u.month = watchllm.utc_month(now());
COMMENT ON VIEW report.keys IS
    'Keys of projects, without anything that opens a door.';
COMMENT ON COLUMN report.keys.project_id IS
    'The project.';
COMMENT ON COLUMN report.keys.project IS
    'Name of the project.';
COMMENT ON COLUMN report.keys.key_id IS
    'Identifier of the key.';
COMMENT ON COLUMN report.keys.prefix IS
    'Public prefix.';
COMMENT ON COLUMN report.keys.kind IS
    'proj or test.';
COMMENT ON COLUMN report.keys.name IS
    'Name of the key.';
COMMENT ON COLUMN report.keys.scopes IS
    'What it may do.';
COMMENT ON COLUMN report.keys.created_at IS
    'When it was made.';
COMMENT ON COLUMN report.keys.expires_at IS
    'When it ends; null: never.';
COMMENT ON COLUMN report.keys.revoked_at IS
    'When it was revoked.';
COMMENT ON COLUMN report.keys.used_this_month IS
    'Calls counted this UTC month.';

CREATE VIEW report.dead_letters AS
SELECT
    d.id AS letter_id,
    d.host AS host,
    d.segment AS segment,
    d.record_offset AS record_offset,
    d.kind AS kind,
    d.project_id AS project_id,
    octet_length(d.record) AS bytes,
    d.sqlstate AS sqlstate,
    d.reason AS reason,
    d.created_at AS created_at,
    d.replayed_at AS replayed_at
FROM watchllm.dead_letter d;
COMMENT ON VIEW report.dead_letters IS
    'Records that the database refused, without their content.';
COMMENT ON COLUMN report.dead_letters.letter_id IS
    'Number of the letter.';
COMMENT ON COLUMN report.dead_letters.host IS
    'Host of the journal.';
COMMENT ON COLUMN report.dead_letters.segment IS
    'Segment.';
COMMENT ON COLUMN report.dead_letters.record_offset IS
    'Where in the segment.';
COMMENT ON COLUMN report.dead_letters.kind IS
    'B, E or I.';
COMMENT ON COLUMN report.dead_letters.project_id IS
    'The project, where known.';
COMMENT ON COLUMN report.dead_letters.bytes IS
    'Size of the record.';
COMMENT ON COLUMN report.dead_letters.sqlstate IS
    'Code of the refusal.';
COMMENT ON COLUMN report.dead_letters.reason IS
    'Why it was refused.';
COMMENT ON COLUMN report.dead_letters.created_at IS
    'When.';
COMMENT ON COLUMN report.dead_letters.replayed_at IS
    'When a replay was accepted.';

CREATE VIEW report.losses AS
SELECT
    l.project_id AS project_id,
    p.name AS project,
    l.hour AS hour,
    l.source AS source,
    l.outcome AS outcome,
    l.n AS n
FROM watchllm.loss_ledger l
LEFT JOIN watchllm.project p ON p.id = l.project_id;
COMMENT ON VIEW report.losses IS
    'What became of everything that was sent, per hour of receipt.';
COMMENT ON COLUMN report.losses.project_id IS
    'The project.';
COMMENT ON COLUMN report.losses.project IS
    'Name of the project.';
COMMENT ON COLUMN report.losses.hour IS
    'Start of the UTC hour of receipt.';
COMMENT ON COLUMN report.losses.source IS
    'The way in.';
COMMENT ON COLUMN report.losses.outcome IS
    'accepted, duplicate, expired, dead, …';
COMMENT ON COLUMN report.losses.n IS
    'How many.';

CREATE VIEW report.journals AS
SELECT
    m.host AS host,
    m.segment AS segment,
    m.drained_bytes AS drained_bytes,
    m.closed AS closed,
    m.updated_at AS updated_at,
    h.batch AS batch
FROM watchllm.journal_mark m
LEFT JOIN watchllm.journal_host h ON h.host = m.host;
COMMENT ON VIEW report.journals IS
    'How far the journals of each host are drained.';
COMMENT ON COLUMN report.journals.host IS
    'Host.';
COMMENT ON COLUMN report.journals.segment IS
    'Segment.';
COMMENT ON COLUMN report.journals.drained_bytes IS
    'Bytes that are in the database.';
COMMENT ON COLUMN report.journals.closed IS
    'Whether it is drained to its end.';
COMMENT ON COLUMN report.journals.updated_at IS
    'When the mark last moved.';
COMMENT ON COLUMN report.journals.batch IS
    'Last batch of the host.';
