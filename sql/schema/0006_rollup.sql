-- Rollups, written in the transaction that inserts the events; statements of
-- the month; and what did not become an event.
--
-- Sums and latency histograms are apart: histograms per model have too few
-- events in each cell to be worth their rows.

CREATE TABLE watchllm.rollup_hour (
	project_id		text NOT NULL,
	hour			timestamptz NOT NULL,
	type			text NOT NULL,
	provider		text NOT NULL,
	model			text NOT NULL,
	status			text NOT NULL,
	events			bigint NOT NULL DEFAULT 0,
	requests		bigint NOT NULL DEFAULT 0,
	counted			bigint NOT NULL DEFAULT 0,
	errors			bigint NOT NULL DEFAULT 0,
	cache_hits		bigint NOT NULL DEFAULT 0,
	tokens_uncached		bigint NOT NULL DEFAULT 0,
	tokens_cache_read	bigint NOT NULL DEFAULT 0,
	tokens_cache_write	bigint NOT NULL DEFAULT 0,
	tokens_output		bigint NOT NULL DEFAULT 0,
	tokens_reasoning	bigint NOT NULL DEFAULT 0,
	cost_nano		bigint NOT NULL DEFAULT 0,
	unpriced		bigint NOT NULL DEFAULT 0,
	estimated		bigint NOT NULL DEFAULT 0,
	saved_nano		bigint NOT NULL DEFAULT 0,
	tokens_saved		bigint NOT NULL DEFAULT 0,
	latency_ms		bigint NOT NULL DEFAULT 0,
	latency_n		bigint NOT NULL DEFAULT 0,
	ttft_ms			bigint NOT NULL DEFAULT 0,
	ttft_n			bigint NOT NULL DEFAULT 0,
	upstream_ms		bigint NOT NULL DEFAULT 0,
	upstream_n		bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (project_id, hour, type, provider, model, status)
) PARTITION BY RANGE (hour);
COMMENT ON TABLE watchllm.rollup_hour IS
    'Sums per project, hour, type, provider, model and status; partitioned by UTC month.';
COMMENT ON COLUMN watchllm.rollup_hour.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.rollup_hour.hour IS
    'Start of the UTC hour in which the events occurred.';
COMMENT ON COLUMN watchllm.rollup_hour.type IS
    'Type of the events.';
COMMENT ON COLUMN watchllm.rollup_hour.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN watchllm.rollup_hour.model IS
    'Model that was billed, else requested; empty: none.';
COMMENT ON COLUMN watchllm.rollup_hour.status IS
    'Status of the events.';
COMMENT ON COLUMN watchllm.rollup_hour.events IS
    'Events of this kind.';
COMMENT ON COLUMN watchllm.rollup_hour.requests IS
    'Gateway calls among them.';
COMMENT ON COLUMN watchllm.rollup_hour.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN watchllm.rollup_hour.errors IS
    'Events with status error, timeout or lost.';
COMMENT ON COLUMN watchllm.rollup_hour.cache_hits IS
    'Calls that our cache or another call''s answer served.';
COMMENT ON COLUMN watchllm.rollup_hour.tokens_uncached IS
    'Input tokens that the provider had not cached.';
COMMENT ON COLUMN watchllm.rollup_hour.tokens_cache_read IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN watchllm.rollup_hour.tokens_cache_write IS
    'Input tokens written to the provider''s cache.';
COMMENT ON COLUMN watchllm.rollup_hour.tokens_output IS
    'Output tokens without reasoning.';
COMMENT ON COLUMN watchllm.rollup_hour.tokens_reasoning IS
    'Reasoning tokens.';
COMMENT ON COLUMN watchllm.rollup_hour.cost_nano IS
    'Nano-dollars, events of unknown price not among them.';
COMMENT ON COLUMN watchllm.rollup_hour.unpriced IS
    'Events with tokens whose price is not known.';
COMMENT ON COLUMN watchllm.rollup_hour.estimated IS
    'Events whose tokens were estimated or are partial.';
COMMENT ON COLUMN watchllm.rollup_hour.saved_nano IS
    'Nano-dollars that our cache saved.';
COMMENT ON COLUMN watchllm.rollup_hour.tokens_saved IS
    'Tokens that our cache saved.';
COMMENT ON COLUMN watchllm.rollup_hour.latency_ms IS
    'Sum of latencies in milliseconds.';
COMMENT ON COLUMN watchllm.rollup_hour.latency_n IS
    'Events in that sum.';
COMMENT ON COLUMN watchllm.rollup_hour.ttft_ms IS
    'Sum of times to the first token in milliseconds.';
COMMENT ON COLUMN watchllm.rollup_hour.ttft_n IS
    'Events in that sum.';
COMMENT ON COLUMN watchllm.rollup_hour.upstream_ms IS
    'Sum of times spent waiting for providers in milliseconds.';
COMMENT ON COLUMN watchllm.rollup_hour.upstream_n IS
    'Events in that sum.';

CREATE TABLE watchllm.rollup_day (
	project_id		text NOT NULL,
	day			date NOT NULL,
	type			text NOT NULL,
	provider		text NOT NULL,
	model			text NOT NULL,
	status			text NOT NULL,
	events			bigint NOT NULL DEFAULT 0,
	requests		bigint NOT NULL DEFAULT 0,
	counted			bigint NOT NULL DEFAULT 0,
	errors			bigint NOT NULL DEFAULT 0,
	cache_hits		bigint NOT NULL DEFAULT 0,
	tokens_uncached		bigint NOT NULL DEFAULT 0,
	tokens_cache_read	bigint NOT NULL DEFAULT 0,
	tokens_cache_write	bigint NOT NULL DEFAULT 0,
	tokens_output		bigint NOT NULL DEFAULT 0,
	tokens_reasoning	bigint NOT NULL DEFAULT 0,
	cost_nano		bigint NOT NULL DEFAULT 0,
	unpriced		bigint NOT NULL DEFAULT 0,
	estimated		bigint NOT NULL DEFAULT 0,
	saved_nano		bigint NOT NULL DEFAULT 0,
	tokens_saved		bigint NOT NULL DEFAULT 0,
	latency_ms		bigint NOT NULL DEFAULT 0,
	latency_n		bigint NOT NULL DEFAULT 0,
	ttft_ms			bigint NOT NULL DEFAULT 0,
	ttft_n			bigint NOT NULL DEFAULT 0,
	upstream_ms		bigint NOT NULL DEFAULT 0,
	upstream_n		bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (project_id, day, type, provider, model, status)
) WITH (fillfactor = 70);
COMMENT ON TABLE watchllm.rollup_day IS
    'As rollup_hour, per day; kept for ever.';
COMMENT ON COLUMN watchllm.rollup_day.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.rollup_day.day IS
    'UTC day on which the events occurred.';
COMMENT ON COLUMN watchllm.rollup_day.type IS
    'Type of the events.';
COMMENT ON COLUMN watchllm.rollup_day.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN watchllm.rollup_day.model IS
    'Model that was billed, else requested; empty: none.';
COMMENT ON COLUMN watchllm.rollup_day.status IS
    'Status of the events.';
COMMENT ON COLUMN watchllm.rollup_day.events IS
    'Events of this kind.';
COMMENT ON COLUMN watchllm.rollup_day.requests IS
    'Gateway calls among them.';
COMMENT ON COLUMN watchllm.rollup_day.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN watchllm.rollup_day.errors IS
    'Events with status error, timeout or lost.';
COMMENT ON COLUMN watchllm.rollup_day.cache_hits IS
    'Calls that our cache or another call''s answer served.';
COMMENT ON COLUMN watchllm.rollup_day.tokens_uncached IS
    'Input tokens that the provider had not cached.';
COMMENT ON COLUMN watchllm.rollup_day.tokens_cache_read IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN watchllm.rollup_day.tokens_cache_write IS
    'Input tokens written to the provider''s cache.';
COMMENT ON COLUMN watchllm.rollup_day.tokens_output IS
    'Output tokens without reasoning.';
COMMENT ON COLUMN watchllm.rollup_day.tokens_reasoning IS
    'Reasoning tokens.';
COMMENT ON COLUMN watchllm.rollup_day.cost_nano IS
    'Nano-dollars, events of unknown price not among them.';
COMMENT ON COLUMN watchllm.rollup_day.unpriced IS
    'Events with tokens whose price is not known.';
COMMENT ON COLUMN watchllm.rollup_day.estimated IS
    'Events whose tokens were estimated or are partial.';
COMMENT ON COLUMN watchllm.rollup_day.saved_nano IS
    'Nano-dollars that our cache saved.';
COMMENT ON COLUMN watchllm.rollup_day.tokens_saved IS
    'Tokens that our cache saved.';
COMMENT ON COLUMN watchllm.rollup_day.latency_ms IS
    'Sum of latencies in milliseconds.';
COMMENT ON COLUMN watchllm.rollup_day.latency_n IS
    'Events in that sum.';
COMMENT ON COLUMN watchllm.rollup_day.ttft_ms IS
    'Sum of times to the first token in milliseconds.';
COMMENT ON COLUMN watchllm.rollup_day.ttft_n IS
    'Events in that sum.';
COMMENT ON COLUMN watchllm.rollup_day.upstream_ms IS
    'Sum of times spent waiting for providers in milliseconds.';
COMMENT ON COLUMN watchllm.rollup_day.upstream_n IS
    'Events in that sum.';

CREATE TABLE watchllm.rollup_hour_latency (
	project_id	text NOT NULL,
	hour		timestamptz NOT NULL,
	kind		text NOT NULL CHECK (kind IN ('latency', 'ttft',
	    'upstream', 'tool_call', 'agent_step')),
	bucket		smallint NOT NULL,
	n		bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (project_id, hour, kind, bucket)
) PARTITION BY RANGE (hour);
COMMENT ON TABLE watchllm.rollup_hour_latency IS
    'Latency histograms per project and hour; partitioned by UTC month.';
COMMENT ON COLUMN watchllm.rollup_hour_latency.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.rollup_hour_latency.hour IS
    'Start of the UTC hour in which the events occurred.';
COMMENT ON COLUMN watchllm.rollup_hour_latency.kind IS
    'latency, ttft and upstream of prompt calls; tool_call and agent_step: latency of those.';
COMMENT ON COLUMN watchllm.rollup_hour_latency.bucket IS
    'b holds milliseconds from 1.1^b to below 1.1^(b+1); 0 also what is shorter.';
COMMENT ON COLUMN watchllm.rollup_hour_latency.n IS
    'Events in the bucket.';

CREATE FUNCTION watchllm.latency_bucket(p_ms bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE WHEN p_ms <= 1 THEN 0
	    ELSE pg_catalog.floor(pg_catalog.ln(p_ms::double precision)
		/ pg_catalog.ln(1.1::double precision)) END::smallint
$$;
COMMENT ON FUNCTION watchllm.latency_bucket(bigint) IS
    'The histogram bucket of a latency in milliseconds.';

CREATE FUNCTION watchllm.latency_of(p_bucket numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT pg_catalog.round(
	    pg_catalog.power(1.1, p_bucket + 0.5)::numeric, 1)
$$;
COMMENT ON FUNCTION watchllm.latency_of(numeric) IS
    'The milliseconds that stand for a bucket: at most 5 % from any value in it.';

CREATE FUNCTION watchllm.rollup_month(p_month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lo text := watchllm.day_start(p_month)::text;
	hi text := watchllm.day_start(
	    (p_month + interval '1 month')::date)::text;
	suffix text := '_' || to_char(p_month, 'YYYYMM');
	made boolean;
BEGIN
	made := watchllm.attach_partition('rollup_hour',
	    'rollup_hour' || suffix, lo, hi, 'WITH (fillfactor = 70)');
	RETURN watchllm.attach_partition('rollup_hour_latency',
	    'rollup_hour_latency' || suffix, lo, hi,
	    'WITH (fillfactor = 70)') OR made;
END
$$;
COMMENT ON FUNCTION watchllm.rollup_month(date) IS
    'Make the rollup partitions of a month unless they exist.';

CREATE TABLE watchllm.partition_count (
	retention_class	text NOT NULL,
	day		date NOT NULL,
	host		text NOT NULL,
	events		bigint NOT NULL DEFAULT 0,
	rolled_up_to	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (retention_class, day, host)
) WITH (fillfactor = 50);
COMMENT ON TABLE watchllm.partition_count IS
    'How many events of each partition are in the rollups; a partition that holds more is not dropped.';
COMMENT ON COLUMN watchllm.partition_count.retention_class IS
    'Retention class of the partition.';
COMMENT ON COLUMN watchllm.partition_count.day IS
    'UTC day of the partition.';
COMMENT ON COLUMN watchllm.partition_count.host IS
    'Host whose consumer brought the events; rows per host, so that consumers do not wait for each other.';
COMMENT ON COLUMN watchllm.partition_count.events IS
    'Events that were inserted and rolled up.';
COMMENT ON COLUMN watchllm.partition_count.rolled_up_to IS
    'When the last of them was.';

CREATE TABLE watchllm.usage_statement (
	project_id		text NOT NULL,
	month			date NOT NULL
	    CHECK (EXTRACT(day FROM month) = 1),
	provider		text NOT NULL,
	model			text NOT NULL,
	events			bigint NOT NULL DEFAULT 0,
	requests		bigint NOT NULL DEFAULT 0,
	counted			bigint NOT NULL DEFAULT 0,
	errors			bigint NOT NULL DEFAULT 0,
	cache_hits		bigint NOT NULL DEFAULT 0,
	tokens_uncached		bigint NOT NULL DEFAULT 0,
	tokens_cache_read	bigint NOT NULL DEFAULT 0,
	tokens_cache_write	bigint NOT NULL DEFAULT 0,
	tokens_output		bigint NOT NULL DEFAULT 0,
	tokens_reasoning	bigint NOT NULL DEFAULT 0,
	cost_nano		bigint NOT NULL DEFAULT 0,
	unpriced		bigint NOT NULL DEFAULT 0,
	saved_nano		bigint NOT NULL DEFAULT 0,
	status			text NOT NULL DEFAULT 'provisional'
	    CHECK (status IN ('provisional', 'frozen')),
	computed_at		timestamptz NOT NULL DEFAULT now(),
	frozen_at		timestamptz,
	PRIMARY KEY (project_id, month, provider, model),
	CHECK ((status = 'frozen') = (frozen_at IS NOT NULL))
);
COMMENT ON TABLE watchllm.usage_statement IS
    'Usage of a month per project, provider and model; frozen a few days after its end.';
COMMENT ON COLUMN watchllm.usage_statement.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.usage_statement.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN watchllm.usage_statement.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN watchllm.usage_statement.model IS
    'Model; empty: none.';
COMMENT ON COLUMN watchllm.usage_statement.events IS
    'Events.';
COMMENT ON COLUMN watchllm.usage_statement.requests IS
    'Gateway calls.';
COMMENT ON COLUMN watchllm.usage_statement.counted IS
    'Gateway calls that count against the month.';
COMMENT ON COLUMN watchllm.usage_statement.errors IS
    'Events with status error, timeout or lost.';
COMMENT ON COLUMN watchllm.usage_statement.cache_hits IS
    'Calls that our cache served.';
COMMENT ON COLUMN watchllm.usage_statement.tokens_uncached IS
    'Input tokens that the provider had not cached.';
COMMENT ON COLUMN watchllm.usage_statement.tokens_cache_read IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN watchllm.usage_statement.tokens_cache_write IS
    'Input tokens written to the provider''s cache.';
COMMENT ON COLUMN watchllm.usage_statement.tokens_output IS
    'Output tokens without reasoning.';
COMMENT ON COLUMN watchllm.usage_statement.tokens_reasoning IS
    'Reasoning tokens.';
COMMENT ON COLUMN watchllm.usage_statement.cost_nano IS
    'Nano-dollars.';
COMMENT ON COLUMN watchllm.usage_statement.unpriced IS
    'Events with tokens whose price is not known.';
COMMENT ON COLUMN watchllm.usage_statement.saved_nano IS
    'Nano-dollars that our cache saved.';
COMMENT ON COLUMN watchllm.usage_statement.status IS
    'provisional: may still change; frozen: later differences are adjustments.';
COMMENT ON COLUMN watchllm.usage_statement.computed_at IS
    'When the row was last computed.';
COMMENT ON COLUMN watchllm.usage_statement.frozen_at IS
    'When it was frozen.';

CREATE TABLE watchllm.statement_month (
	month		date PRIMARY KEY CHECK (EXTRACT(day FROM month) = 1),
	frozen_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watchllm.statement_month IS
    'Months whose statements are frozen.';
COMMENT ON COLUMN watchllm.statement_month.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN watchllm.statement_month.frozen_at IS
    'When it was frozen.';

CREATE TABLE watchllm.usage_adjustment (
	id			bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	project_id		text NOT NULL,
	month			date NOT NULL,
	provider		text NOT NULL,
	model			text NOT NULL,
	events			bigint NOT NULL DEFAULT 0,
	requests		bigint NOT NULL DEFAULT 0,
	counted			bigint NOT NULL DEFAULT 0,
	errors			bigint NOT NULL DEFAULT 0,
	cache_hits		bigint NOT NULL DEFAULT 0,
	tokens_uncached		bigint NOT NULL DEFAULT 0,
	tokens_cache_read	bigint NOT NULL DEFAULT 0,
	tokens_cache_write	bigint NOT NULL DEFAULT 0,
	tokens_output		bigint NOT NULL DEFAULT 0,
	tokens_reasoning	bigint NOT NULL DEFAULT 0,
	cost_nano		bigint NOT NULL DEFAULT 0,
	unpriced		bigint NOT NULL DEFAULT 0,
	saved_nano		bigint NOT NULL DEFAULT 0,
	created_at		timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX usage_adjustment_key ON watchllm.usage_adjustment
    (project_id, month, provider, model);
COMMENT ON TABLE watchllm.usage_adjustment IS
    'Differences found after a statement was frozen; statement plus adjustments is the truth.';
COMMENT ON COLUMN watchllm.usage_adjustment.id IS
    'Number of the adjustment.';
COMMENT ON COLUMN watchllm.usage_adjustment.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.usage_adjustment.month IS
    'First day of the month that is adjusted.';
COMMENT ON COLUMN watchllm.usage_adjustment.provider IS
    'Provider; empty: none.';
COMMENT ON COLUMN watchllm.usage_adjustment.model IS
    'Model; empty: none.';
COMMENT ON COLUMN watchllm.usage_adjustment.events IS
    'Difference in events.';
COMMENT ON COLUMN watchllm.usage_adjustment.requests IS
    'Difference in gateway calls.';
COMMENT ON COLUMN watchllm.usage_adjustment.counted IS
    'Difference in calls that count against the month.';
COMMENT ON COLUMN watchllm.usage_adjustment.errors IS
    'Difference in errors.';
COMMENT ON COLUMN watchllm.usage_adjustment.cache_hits IS
    'Difference in cache hits.';
COMMENT ON COLUMN watchllm.usage_adjustment.tokens_uncached IS
    'Difference in uncached input tokens.';
COMMENT ON COLUMN watchllm.usage_adjustment.tokens_cache_read IS
    'Difference in input tokens read from the provider''s cache.';
COMMENT ON COLUMN watchllm.usage_adjustment.tokens_cache_write IS
    'Difference in input tokens written to the provider''s cache.';
COMMENT ON COLUMN watchllm.usage_adjustment.tokens_output IS
    'Difference in output tokens.';
COMMENT ON COLUMN watchllm.usage_adjustment.tokens_reasoning IS
    'Difference in reasoning tokens.';
COMMENT ON COLUMN watchllm.usage_adjustment.cost_nano IS
    'Difference in nano-dollars.';
COMMENT ON COLUMN watchllm.usage_adjustment.unpriced IS
    'Difference in events of unknown price.';
COMMENT ON COLUMN watchllm.usage_adjustment.saved_nano IS
    'Difference in nano-dollars that our cache saved.';
COMMENT ON COLUMN watchllm.usage_adjustment.created_at IS
    'When the difference was found.';

CREATE TABLE watchllm.dead_letter (
	id		bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	host		text NOT NULL,
	segment		text NOT NULL,
	record_offset	bigint NOT NULL,
	kind		text NOT NULL,
	project_id	text,
	record		bytea NOT NULL,
	sqlstate	text NOT NULL,
	reason		text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	replayed_at	timestamptz,
	UNIQUE (host, segment, record_offset)
);
CREATE INDEX dead_letter_project ON watchllm.dead_letter (project_id, id);
COMMENT ON TABLE watchllm.dead_letter IS
    'Journal records that the database refused, with the reason; they can be replayed.';
COMMENT ON COLUMN watchllm.dead_letter.id IS
    'Number of the letter.';
COMMENT ON COLUMN watchllm.dead_letter.host IS
    'Host of the journal.';
COMMENT ON COLUMN watchllm.dead_letter.segment IS
    'Segment of the journal.';
COMMENT ON COLUMN watchllm.dead_letter.record_offset IS
    'Where in the segment the record begins.';
COMMENT ON COLUMN watchllm.dead_letter.kind IS
    'B, E or I, as in the journal; ?: not readable.';
COMMENT ON COLUMN watchllm.dead_letter.project_id IS
    'The project, where the record names one.';
COMMENT ON COLUMN watchllm.dead_letter.record IS
    'The record as it stands in the journal.';
COMMENT ON COLUMN watchllm.dead_letter.sqlstate IS
    'Code of the refusal.';
COMMENT ON COLUMN watchllm.dead_letter.reason IS
    'Text of the refusal.';
COMMENT ON COLUMN watchllm.dead_letter.created_at IS
    'When it was refused.';
COMMENT ON COLUMN watchllm.dead_letter.replayed_at IS
    'When a replay was accepted; null: it is still dead.';

CREATE TABLE watchllm.loss_ledger (
	project_id	text NOT NULL,
	hour		timestamptz NOT NULL,
	source		text NOT NULL,
	outcome		text NOT NULL CHECK (outcome ~ '^[a-z][a-z0-9_]{0,31}$'),
	n		bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (project_id, hour, source, outcome)
) WITH (fillfactor = 70);
COMMENT ON TABLE watchllm.loss_ledger IS
    'What became of everything that was sent: events per hour of receipt, source and outcome.';
COMMENT ON COLUMN watchllm.loss_ledger.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.loss_ledger.hour IS
    'Start of the UTC hour of receipt.';
COMMENT ON COLUMN watchllm.loss_ledger.source IS
    'The way in, as in event.source.';
COMMENT ON COLUMN watchllm.loss_ledger.outcome IS
    'accepted, duplicate, expired (older than it would be kept; counted, not stored), dead, end_after_lost, and what ingestion reports: refused, sampled, …';
COMMENT ON COLUMN watchllm.loss_ledger.n IS
    'How many.';

CREATE FUNCTION watchllm.bury(p_host text, p_segment text, p_offset bigint,
    p_kind text, p_project text, p_source text, p_record bytea,
    p_sqlstate text, p_reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO watchllm.dead_letter (host, segment, record_offset, kind,
	    project_id, record, sqlstate, reason) VALUES (p_host, p_segment,
	    p_offset, p_kind, p_project, p_record, p_sqlstate, p_reason)
	ON CONFLICT DO NOTHING;
	IF NOT FOUND OR p_project IS NULL THEN
		RETURN;
	END IF;
	INSERT INTO watchllm.loss_ledger AS l (project_id, hour, source,
	    outcome, n) VALUES (p_project, watchllm.utc_hour(now()),
	    coalesce(p_source, ''), 'dead', 1)
	ON CONFLICT (project_id, hour, source, outcome)
	    DO UPDATE SET n = l.n + 1;
END
$$;
COMMENT ON FUNCTION watchllm.bury(text, text, bigint, text, text, text, bytea, text, text) IS
    'Put a record that was refused among the dead letters, once.';
