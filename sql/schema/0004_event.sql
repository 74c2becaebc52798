-- Events, their payloads, and what makes an event count once.
--
-- event and event_payload are partitioned by retention class, then by UTC day
-- of occurrence, so that retention drops whole tables.  A partition that is
-- missing is made when its first event is drained.

CREATE TABLE watchllm.event (
	retention_class		text NOT NULL,
	ts			timestamptz NOT NULL,
	project_id		text NOT NULL,
	event_id		uuid NOT NULL,
	seq			bigint NOT NULL
	    DEFAULT nextval('watchllm.event_seq'),
	received_at		timestamptz NOT NULL,
	type			text NOT NULL CHECK (type IN ('prompt_call',
	    'tool_call', 'agent_step', 'error', 'assertion_failed',
	    'hallucination_detected', 'cost_threshold_exceeded',
	    'performance_alert')),
	source			text NOT NULL CHECK (source IN ('gateway',
	    'events', 'otlp', 'sentry', 'langfuse', 'detector')),
	status			text NOT NULL CHECK (status IN ('success',
	    'error', 'timeout', 'assertion_failed', 'warning',
	    'client_closed', 'blocked', 'lost')),
	api_key_id		text,
	key_prefix		text,
	run_id			text,
	trace_id		text,
	span_id			text,
	parent_span_id		text,
	name			text,
	provider		text,
	model			text,
	model_used		text,
	route			text,
	stream			boolean,
	request_id		text,
	client_request_id	text,
	response_id		text,
	linked_event_id		uuid,
	user_id			text,
	session_id		text,
	tags			text[],
	release			text,
	environment		text,
	http_status		integer,
	error_type		text,
	error_code		text,
	error_message		text,
	finish_reason		text,
	attempts		smallint,
	tokens_uncached		integer CHECK (tokens_uncached >= 0),
	tokens_cache_read	integer CHECK (tokens_cache_read >= 0),
	tokens_cache_write	integer CHECK (tokens_cache_write >= 0),
	tokens_output		integer CHECK (tokens_output >= 0),
	tokens_reasoning	integer CHECK (tokens_reasoning >= 0),
	usage_source		text NOT NULL DEFAULT 'none'
	    CHECK (usage_source IN ('provider', 'estimated', 'partial', 'none')),
	usage_counted		boolean NOT NULL DEFAULT true,
	cost_nano		bigint CHECK (cost_nano >= 0),
	cost_source		text CHECK (cost_source IN ('price', 'provider',
	    'client', 'gateway', 'estimate', 'free', 'unknown')),
	price_from		timestamptz,
	cache_status		text,
	saved_nano		bigint CHECK (saved_nano >= 0),
	tokens_saved		integer CHECK (tokens_saved >= 0),
	latency_ms		integer CHECK (latency_ms >= 0),
	ttft_ms			integer CHECK (ttft_ms >= 0),
	upstream_ms		integer CHECK (upstream_ms >= 0),
	month_counted		boolean,
	attributes		jsonb,
	flags			text[]
) PARTITION BY LIST (retention_class);
CREATE INDEX event_project_ts ON watchllm.event
    (project_id, ts DESC, event_id);
CREATE INDEX event_ts ON watchllm.event USING brin (ts);
COMMENT ON TABLE watchllm.event IS
    'One row per event of any type, gateway calls among them; never changed once written.';
COMMENT ON COLUMN watchllm.event.retention_class IS
    'How long it is kept; first level of partitions.';
COMMENT ON COLUMN watchllm.event.ts IS
    'When it occurred; of a gateway call, when it was admitted. Second level of partitions, by UTC day.';
COMMENT ON COLUMN watchllm.event.project_id IS
    'The project that it belongs to.';
COMMENT ON COLUMN watchllm.event.event_id IS
    'Its identity within the project.';
COMMENT ON COLUMN watchllm.event.seq IS
    'Position in the store, for live reading; grows roughly in the order of arrival.';
COMMENT ON COLUMN watchllm.event.received_at IS
    'When it reached the journal.';
COMMENT ON COLUMN watchllm.event.type IS
    'prompt_call, tool_call, agent_step, error, assertion_failed, hallucination_detected, cost_threshold_exceeded or performance_alert.';
COMMENT ON COLUMN watchllm.event.source IS
    'The way in: gateway, events, otlp, sentry, langfuse or detector.';
COMMENT ON COLUMN watchllm.event.status IS
    'success, error, timeout, assertion_failed, warning, client_closed, blocked, or lost (its worker died).';
COMMENT ON COLUMN watchllm.event.api_key_id IS
    'The key that was used.';
COMMENT ON COLUMN watchllm.event.key_prefix IS
    'Public prefix of that key.';
COMMENT ON COLUMN watchllm.event.run_id IS
    'The run that it is part of.';
COMMENT ON COLUMN watchllm.event.trace_id IS
    'Trace, where the client named one.';
COMMENT ON COLUMN watchllm.event.span_id IS
    'Span within the trace.';
COMMENT ON COLUMN watchllm.event.parent_span_id IS
    'The span that it is a child of.';
COMMENT ON COLUMN watchllm.event.name IS
    'Name of the step, tool, assertion or operation.';
COMMENT ON COLUMN watchllm.event.provider IS
    'The provider that answered, or that was asked.';
COMMENT ON COLUMN watchllm.event.model IS
    'The model as requested.';
COMMENT ON COLUMN watchllm.event.model_used IS
    'The model as the provider named it; the one that is billed.';
COMMENT ON COLUMN watchllm.event.route IS
    'Route of a gateway call, for example /v1/chat/completions.';
COMMENT ON COLUMN watchllm.event.stream IS
    'Whether the answer was streamed.';
COMMENT ON COLUMN watchllm.event.request_id IS
    'Our id of the request, as sent in X-Request-Id.';
COMMENT ON COLUMN watchllm.event.client_request_id IS
    'The request id that the client sent.';
COMMENT ON COLUMN watchllm.event.response_id IS
    'The id that the provider gave its answer.';
COMMENT ON COLUMN watchllm.event.linked_event_id IS
    'The gateway call that this ingested event tells about.';
COMMENT ON COLUMN watchllm.event.user_id IS
    'End user, as the client names it.';
COMMENT ON COLUMN watchllm.event.session_id IS
    'Session, as the client names it.';
COMMENT ON COLUMN watchllm.event.tags IS
    'Tags given by the client.';
COMMENT ON COLUMN watchllm.event.release IS
    'Release of the client''s program.';
COMMENT ON COLUMN watchllm.event.environment IS
    'production, staging, development, or another word of the client.';
COMMENT ON COLUMN watchllm.event.http_status IS
    'Status that the client got; 499: it had gone.';
COMMENT ON COLUMN watchllm.event.error_type IS
    'Kind of the error.';
COMMENT ON COLUMN watchllm.event.error_code IS
    'Code of the error.';
COMMENT ON COLUMN watchllm.event.error_message IS
    'Text of the error, redacted.';
COMMENT ON COLUMN watchllm.event.finish_reason IS
    'Why the model stopped.';
COMMENT ON COLUMN watchllm.event.attempts IS
    'Calls made upstream, retries and fallbacks included.';
COMMENT ON COLUMN watchllm.event.tokens_uncached IS
    'Input tokens that the provider had not cached. The five classes are disjoint.';
COMMENT ON COLUMN watchllm.event.tokens_cache_read IS
    'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN watchllm.event.tokens_cache_write IS
    'Input tokens written to the provider''s cache.';
COMMENT ON COLUMN watchllm.event.tokens_output IS
    'Output tokens without reasoning.';
COMMENT ON COLUMN watchllm.event.tokens_reasoning IS
    'Reasoning tokens.';
COMMENT ON COLUMN watchllm.event.usage_source IS
    'Where the token counts come from: provider, estimated, partial or none.';
COMMENT ON COLUMN watchllm.event.usage_counted IS
    'Whether tokens and cost are part of totals; false where another event already counts them.';
COMMENT ON COLUMN watchllm.event.cost_nano IS
    'Cost in nano-dollars; null: not known.';
COMMENT ON COLUMN watchllm.event.cost_source IS
    'price, provider, client, gateway (counted by the linked call), estimate, free or unknown.';
COMMENT ON COLUMN watchllm.event.price_from IS
    'effective_from of the price that was used.';
COMMENT ON COLUMN watchllm.event.cache_status IS
    'As in the header X-WatchLLM-Cache.';
COMMENT ON COLUMN watchllm.event.saved_nano IS
    'Nano-dollars that our cache saved.';
COMMENT ON COLUMN watchllm.event.tokens_saved IS
    'Tokens that our cache saved.';
COMMENT ON COLUMN watchllm.event.latency_ms IS
    'Milliseconds from start to end.';
COMMENT ON COLUMN watchllm.event.ttft_ms IS
    'Milliseconds to the first token.';
COMMENT ON COLUMN watchllm.event.upstream_ms IS
    'Milliseconds spent waiting for the provider.';
COMMENT ON COLUMN watchllm.event.month_counted IS
    'Of a gateway call: whether it counts against the month.';
COMMENT ON COLUMN watchllm.event.attributes IS
    'All further fields of the event.';
COMMENT ON COLUMN watchllm.event.flags IS
    'What was done to it: truncated, redacted, time_replaced, …';

CREATE TABLE watchllm.event_payload (
	retention_class	text NOT NULL,
	ts		timestamptz NOT NULL,
	project_id	text NOT NULL,
	event_id	uuid NOT NULL,
	input		text,
	output		text,
	detail		jsonb
) PARTITION BY LIST (retention_class);
CREATE INDEX event_payload_key ON watchllm.event_payload
    (project_id, event_id);
COMMENT ON TABLE watchllm.event_payload IS
    'The long texts of an event, apart so that lists stay fast; same partitions as event.';
COMMENT ON COLUMN watchllm.event_payload.retention_class IS
    'As in event.';
COMMENT ON COLUMN watchllm.event_payload.ts IS
    'As in event.';
COMMENT ON COLUMN watchllm.event_payload.project_id IS
    'As in event.';
COMMENT ON COLUMN watchllm.event_payload.event_id IS
    'As in event.';
COMMENT ON COLUMN watchllm.event_payload.input IS
    'Prompt or input, redacted; JSON text where it was JSON.';
COMMENT ON COLUMN watchllm.event_payload.output IS
    'Answer or output, redacted; JSON text where it was JSON.';
COMMENT ON COLUMN watchllm.event_payload.detail IS
    'Further long fields: tool calls, context, stack.';

-- lz4 where this server has it: three times as fast as the default
DO $$
BEGIN
	IF current_setting('server_version_num')::integer >= 140000 THEN
		-- as text: older servers cannot even parse it
		EXECUTE 'ALTER TABLE watchllm.event_payload'
		    ' ALTER COLUMN input SET COMPRESSION lz4,'
		    ' ALTER COLUMN output SET COMPRESSION lz4,'
		    ' ALTER COLUMN detail SET COMPRESSION lz4';
	END IF;
EXCEPTION WHEN feature_not_supported THEN
	RAISE NOTICE 'no lz4 in this server: payloads use its default';
END
$$;

-- Partitions.

CREATE FUNCTION watchllm.attach_partition(p_parent text, p_child text,
    p_from text, p_to text, p_with text DEFAULT '') RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF to_regclass(format('watchllm.%I', p_child)) IS NOT NULL THEN
		RETURN false;
	END IF;
	-- made apart and attached: writers of the other partitions go on
	EXECUTE format('LOCK TABLE ONLY watchllm.%I'
	    ' IN SHARE UPDATE EXCLUSIVE MODE', p_parent);
	IF to_regclass(format('watchllm.%I', p_child)) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE watchllm.%I'
	    ' (LIKE watchllm.%I INCLUDING ALL) %s',
	    p_child, p_parent, p_with);
	EXECUTE format('ALTER TABLE watchllm.%I ATTACH PARTITION watchllm.%I'
	    ' FOR VALUES FROM (%L) TO (%L)', p_parent, p_child, p_from, p_to);
	RETURN true;
END
$$;
COMMENT ON FUNCTION watchllm.attach_partition(text, text, text, text, text) IS
    'Make a range partition unless it exists; returns whether it was made.';

CREATE FUNCTION watchllm.make_class(p_class text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent text;
BEGIN
	FOREACH parent IN ARRAY ARRAY['event', 'event_payload'] LOOP
		IF to_regclass(format('watchllm.%I',
		    parent || '_' || p_class)) IS NULL THEN
			EXECUTE format('CREATE TABLE watchllm.%I'
			    ' PARTITION OF watchllm.%I FOR VALUES IN (%L)'
			    ' PARTITION BY RANGE (ts)',
			    parent || '_' || p_class, parent, p_class);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION watchllm.make_class(text) IS
    'Make the tables that hold the partitions of a retention class.';

CREATE FUNCTION watchllm.retention_class_made() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		PERFORM watchllm.make_class(NEW.name);
		RETURN NULL;
	END IF;
	IF TG_OP = 'UPDATE' AND NEW.name = OLD.name THEN
		RETURN NULL;
	END IF;
	RAISE EXCEPTION 'a retention class keeps its name for ever: it names tables';
END
$$;
COMMENT ON FUNCTION watchllm.retention_class_made() IS
    'Make the tables of a new retention class; refuse to rename or remove one.';
CREATE TRIGGER made AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.retention_class
    FOR EACH ROW EXECUTE FUNCTION watchllm.retention_class_made();
DO $$
BEGIN
	PERFORM watchllm.make_class(name) FROM watchllm.retention_class;
END
$$;

CREATE FUNCTION watchllm.event_day(p_class text, p_day date,
    p_now timestamptz DEFAULT now()) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	suffix text := '_' || p_class || '_' || to_char(p_day, 'YYYYMMDD');
	keep integer;
BEGIN
	IF to_regclass(format('watchllm.%I', 'event' || suffix)) IS NOT NULL
	    THEN
		RETURN true;
	END IF;
	SELECT days INTO keep FROM watchllm.retention_class
	    WHERE name = p_class;
	IF keep IS NULL THEN
		RAISE EXCEPTION 'unknown retention class "%"', p_class
		    USING ERRCODE = 'check_violation';
	END IF;
	IF p_day < watchllm.utc_day(p_now) - keep THEN
		RETURN false;
	END IF;
	PERFORM watchllm.attach_partition('event_payload_' || p_class,
	    'event_payload' || suffix, watchllm.day_start(p_day)::text,
	    watchllm.day_start(p_day + 1)::text);
	PERFORM watchllm.attach_partition('event_' || p_class,
	    'event' || suffix, watchllm.day_start(p_day)::text,
	    watchllm.day_start(p_day + 1)::text);
	RETURN true;
END
$$;
COMMENT ON FUNCTION watchllm.event_day(text, date, timestamptz) IS
    'Whether events of a class and day can be stored, making their partitions when missing; false: older than the class keeps.';

-- Identity.  (project, event) must be unique for 30 days whatever time a
-- resend bears, and old identities must go by dropping a table.  So they are
-- kept by the eight days in which they were first seen; a claim looks into
-- the older tables and inserts into the present one, whose primary key
-- decides between sessions that claim at the same time.  The seam between two
-- tables is closed by locks: who claims in a new table first waits until
-- nobody claims in the one before.

CREATE TABLE watchllm.event_seen (
	project_id	text NOT NULL,
	event_id	uuid NOT NULL,
	bucket		date NOT NULL,
	PRIMARY KEY (project_id, event_id, bucket)
) PARTITION BY RANGE (bucket);
COMMENT ON TABLE watchllm.event_seen IS
    'Identities of events for at least 30 days: what makes a resend count once.';
COMMENT ON COLUMN watchllm.event_seen.project_id IS
    'The project of the event.';
COMMENT ON COLUMN watchllm.event_seen.event_id IS
    'The identity of the event.';
COMMENT ON COLUMN watchllm.event_seen.bucket IS
    'First of the eight UTC days in which it was first seen; names the partition.';

CREATE FUNCTION watchllm.seen_bucket(p_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT '1970-01-01'::date
	    + (watchllm.utc_day(p_at) - '1970-01-01'::date) / 8 * 8
$$;
COMMENT ON FUNCTION watchllm.seen_bucket(timestamptz) IS
    'The bucket of event_seen that a moment falls into.';

CREATE FUNCTION watchllm.seen_partition(p_bucket date) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT watchllm.attach_partition('event_seen',
	    'event_seen_' || to_char(p_bucket, 'YYYYMMDD'),
	    p_bucket::text, (p_bucket + 8)::text)
$$;
COMMENT ON FUNCTION watchllm.seen_partition(date) IS
    'Make the partition of event_seen of a bucket unless it exists.';

-- With few rows against many, the index is right whatever the statistics of
-- a young partition say.
CREATE FUNCTION watchllm.claim_events(p_project text[], p_event uuid[],
    p_now timestamptz DEFAULT NULL)
RETURNS TABLE (project_id text, event_id uuid)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
	v_lock CONSTANT integer := hashtext('watchllm.event_seen');
	v_bucket date;
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION 'claim_events needs isolation level read committed';
	END IF;
	LOOP
		v_bucket := watchllm.seen_bucket(
		    coalesce(p_now, clock_timestamp()));
		PERFORM pg_advisory_xact_lock_shared(v_lock,
		    v_bucket - '1970-01-01'::date);
		EXIT WHEN v_bucket = watchllm.seen_bucket(
		    coalesce(p_now, clock_timestamp()));
	END LOOP;
	BEGIN
		PERFORM pg_advisory_xact_lock(v_lock,
		    v_bucket - 8 - '1970-01-01'::date);
		RAISE EXCEPTION USING ERRCODE = 'WL001';
	EXCEPTION WHEN SQLSTATE 'WL001' THEN
		NULL;	-- rolled back, so the lock is free again
	END;
	PERFORM watchllm.seen_partition(v_bucket);
	RETURN QUERY
	INSERT INTO watchllm.event_seen AS s (project_id, event_id, bucket)
	SELECT u.p, u.e, v_bucket
	FROM (SELECT DISTINCT p, e FROM unnest(p_project, p_event) AS x (p, e)) u
	WHERE NOT EXISTS (SELECT FROM watchllm.event_seen o
	    WHERE o.project_id = u.p AND o.event_id = u.e
		AND o.bucket <> v_bucket)
	ORDER BY u.p, u.e	-- one order for all sessions: no deadlock
	ON CONFLICT DO NOTHING
	RETURNING s.project_id, s.event_id;
END
$$;
COMMENT ON FUNCTION watchllm.claim_events(text[], uuid[], timestamptz) IS
    'Claim identities; returns those that were not seen before. Call once in a transaction, before other work; whoever claims the same waits for its end.';
