-- The drain: a batch of journal records becomes rows, in one transaction.
--
-- The consumer calls drain_open(), copies a batch into pg_temp.stage, calls
-- drain_run(), moves the marks with drain_mark() and commits.  Only records
-- that are really new move a sum, so a batch may be sent any number of times.
--
-- JIT is off throughout: it costs more than these statements do.

CREATE TABLE watchllm.stage_row (LIKE watchllm.event INCLUDING COMMENTS);
DO $$
DECLARE
	c text;
BEGIN
	-- a BEGIN knows little; what an event needs is checked on the event
	FOR c IN SELECT attname FROM pg_catalog.pg_attribute
	    WHERE attrelid = 'watchllm.stage_row'::regclass AND attnum > 0
		AND attnotnull LOOP
		EXECUTE format('ALTER TABLE watchllm.stage_row'
		    ' ALTER COLUMN %I DROP NOT NULL', c);
	END LOOP;
END
$$;
ALTER TABLE watchllm.stage_row
    DROP COLUMN seq,
    ADD COLUMN n bigint NOT NULL,
    ADD COLUMN kind text NOT NULL CHECK (kind IN ('B', 'E', 'I', 'L')),
    ADD COLUMN admitted_at timestamptz,
    ADD COLUMN process text,
    ADD COLUMN generation text,
    ADD COLUMN minute_counted boolean,
    ADD COLUMN reserved_tokens bigint,
    ADD COLUMN reserved_nano bigint,
    ADD COLUMN input text,
    ADD COLUMN output text,
    ADD COLUMN detail jsonb,
    ALTER COLUMN project_id SET NOT NULL,
    ALTER COLUMN event_id SET NOT NULL,
    ADD CHECK (kind = 'I'
	OR (admitted_at IS NOT NULL AND process IS NOT NULL));
COMMENT ON TABLE watchllm.stage_row IS
    'The shape of pg_temp.stage, into which journal records are copied; holds no rows itself.';
COMMENT ON COLUMN watchllm.stage_row.n IS
    'Number of the record within the batch, unique, in the order of the journal.';
COMMENT ON COLUMN watchllm.stage_row.kind IS
    'B: a call was admitted; E: it is over; I: an ingested event; L: used within the database for lost calls.';
COMMENT ON COLUMN watchllm.stage_row.admitted_at IS
    'B and E: when the call was admitted, the same in both.';
COMMENT ON COLUMN watchllm.stage_row.process IS
    'B and E: the worker process, as in the name of the segment.';
COMMENT ON COLUMN watchllm.stage_row.generation IS
    'B and E: generation of the counters that admitted the call; null: none did.';
COMMENT ON COLUMN watchllm.stage_row.minute_counted IS
    'E: whether the call counts against its minute; null: it does.';
COMMENT ON COLUMN watchllm.stage_row.month_counted IS
    'E: whether the call counts against its month; null: it does.';
COMMENT ON COLUMN watchllm.stage_row.reserved_tokens IS
    'Tokens reserved at admission.';
COMMENT ON COLUMN watchllm.stage_row.reserved_nano IS
    'Nano-dollars reserved at admission.';
COMMENT ON COLUMN watchllm.stage_row.input IS
    'As event_payload.input.';
COMMENT ON COLUMN watchllm.stage_row.output IS
    'As event_payload.output.';
COMMENT ON COLUMN watchllm.stage_row.detail IS
    'As event_payload.detail.';

CREATE FUNCTION watchllm.sum_tokens(p_counted boolean, p_uncached integer,
    p_read integer, p_write integer, p_output integer, p_reasoning integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE WHEN p_counted IS FALSE THEN 0 ELSE
	    coalesce(p_uncached, 0)::bigint + coalesce(p_read, 0)
	    + coalesce(p_write, 0) + coalesce(p_output, 0)
	    + coalesce(p_reasoning, 0) END
$$;
COMMENT ON FUNCTION watchllm.sum_tokens(boolean, integer, integer, integer, integer, integer) IS
    'Tokens of all classes, none where they are not counted.';

CREATE FUNCTION watchllm.drain_open() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
BEGIN
	IF to_regclass('pg_temp.drain_put') IS NOT NULL THEN
		RETURN;
	END IF;
	CREATE TEMP TABLE IF NOT EXISTS stage
	    (LIKE watchllm.stage_row INCLUDING CONSTRAINTS)
	    ON COMMIT DELETE ROWS;
	CREATE TEMP TABLE IF NOT EXISTS drain_new (
		project_id text, event_id uuid) ON COMMIT DELETE ROWS;
	CREATE TEMP TABLE IF NOT EXISTS drain_call (
		project_id text, event_id uuid, day date, month date,
		minute bigint, n bigint, ends boolean, lost boolean,
		minute_counted boolean, month_counted boolean,
		fate text) ON COMMIT DELETE ROWS;
	CREATE TEMP TABLE IF NOT EXISTS drain_put (
		n bigint, day date, kept boolean) ON COMMIT DELETE ROWS;
END
$$;
COMMENT ON FUNCTION watchllm.drain_open() IS
    'Make pg_temp.stage and the other temporary tables of a drain, empty after each commit; costs nothing when they are there.';

-- Calls that the present generation of counters does not know.
CREATE FUNCTION watchllm.drain_counters(p_host text, p_batch bigint,
    p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
	v_total bigint := 0;
BEGIN
	FOR r IN
		SELECT c.project_id, s.api_key_id, p.generation, c.month,
		    c.minute,
		    sum(c.month_counted::integer
			- (c.fate = 'settled')::integer) AS month_n,
		    sum(c.minute_counted::integer
			- (c.fate = 'settled')::integer) AS minute_n,
		    coalesce(string_agg(
			watchllm.to_ms(s.admitted_at) || ' ' || c.event_id,
			',' ORDER BY s.admitted_at, c.event_id)
			FILTER (WHERE c.fate = 'opened' AND c.minute_counted
			    AND s.admitted_at > p_now - interval '2 minutes'),
			'') AS calls
		FROM pg_temp.drain_call c
		JOIN pg_temp.stage s ON s.n = c.n
		JOIN watchllm.counter_project p
		    ON p.project_id = c.project_id
		WHERE c.fate IS NOT NULL
		    AND p.generation <> coalesce(s.generation, '')
		GROUP BY c.project_id, s.api_key_id, p.generation, c.month,
		    c.minute
		HAVING sum(c.month_counted::integer
			- (c.fate = 'settled')::integer) <> 0
		    OR sum(c.minute_counted::integer
			- (c.fate = 'settled')::integer) <> 0
		ORDER BY 1, 2, 4, 5
	LOOP
		v_total := v_total + 1;
		IF r.generation LIKE 'pg:%' THEN
			PERFORM watchllm.counter_add(r.project_id,
			    r.api_key_id, r.minute, r.month_n::bigint,
			    r.minute_n::bigint, r.calls);
		ELSE
			INSERT INTO watchllm.counter_fixup (project_id,
			    api_key_id, generation, month, minute, month_n,
			    minute_n, calls, host, batch)
			VALUES (r.project_id, r.api_key_id, r.generation,
			    r.month, r.minute, r.month_n, r.minute_n, r.calls,
			    p_host, p_batch);
		END IF;
	END LOOP;
	RETURN v_total;
END
$$;
COMMENT ON FUNCTION watchllm.drain_counters(text, bigint, timestamptz) IS
    'Part of drain_run: add calls that another generation admitted to counters in PostgreSQL, or note them for those in Redis.';

CREATE FUNCTION watchllm.counter_add(p_project text, p_api_key text,
    p_minute bigint, p_month_n bigint, p_minute_n bigint, p_calls text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_scope text;
BEGIN
	PERFORM FROM watchllm.counter_project c
	WHERE c.project_id = p_project FOR UPDATE;
	FOREACH v_scope IN ARRAY CASE WHEN p_api_key IS NULL THEN ARRAY['']
	    ELSE ARRAY['', 'key:' || p_api_key] END LOOP
		INSERT INTO watchllm.counter AS c (project_id, scope, kind,
		    window_id, used, expires_ms)
		SELECT p_project, v_scope, v.kind,
		    watchllm.counter_window(v.kind, p_minute * 60000),
		    greatest(0, v.n),
		    watchllm.counter_expiry(v.kind, p_minute * 60000)
		FROM (VALUES ('month', p_month_n), ('minute', p_minute_n))
		    v (kind, n)
		WHERE v.n > 0
		ON CONFLICT (project_id, scope, kind, window_id)
		    DO UPDATE SET used = c.used + EXCLUDED.used;
		UPDATE watchllm.counter c SET used = greatest(0, c.used + v.n)
		FROM (VALUES ('month', p_month_n), ('minute', p_minute_n))
		    v (kind, n)
		WHERE v.n < 0 AND c.project_id = p_project
		    AND c.scope = v_scope AND c.kind = v.kind
		    AND c.window_id = watchllm.counter_window(v.kind,
			p_minute * 60000);
		INSERT INTO watchllm.counter_call (project_id, scope,
		    admitted_ms, event_id)
		SELECT p_project, v_scope, split_part(x, ' ', 1)::bigint,
		    split_part(x, ' ', 2)::uuid
		FROM unnest(string_to_array(nullif(p_calls, ''), ',')) x
		ON CONFLICT DO NOTHING;
	END LOOP;
END
$$;
COMMENT ON FUNCTION watchllm.counter_add(text, text, bigint, bigint, bigint, text) IS
    'Add calls to counters in PostgreSQL, whatever the limits.';

CREATE FUNCTION watchllm.drain_rollup(p_host text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
	-- each table in one statement, in the order of its key: consumers of
	-- several hosts wait for each other, but never in a circle
	INSERT INTO watchllm.usage_month AS u (project_id, month, admitted,
	    counted, tokens, cost_nano)
	SELECT c.project_id, c.month,
	    count(*) FILTER (WHERE c.fate = 'opened'),
	    sum(c.month_counted::integer - (c.fate = 'settled')::integer),
	    coalesce(sum(x.tokens) FILTER (WHERE c.ends), 0),
	    coalesce(sum(s.cost_nano)
		FILTER (WHERE c.ends AND s.usage_counted IS NOT FALSE), 0)
	FROM pg_temp.drain_call c JOIN pg_temp.stage s ON s.n = c.n,
	    LATERAL (SELECT watchllm.sum_tokens(s.usage_counted, s.tokens_uncached,
		s.tokens_cache_read, s.tokens_cache_write,
		s.tokens_output, s.tokens_reasoning) AS tokens) x
	WHERE c.fate IS NOT NULL
	GROUP BY c.project_id, c.month ORDER BY c.project_id, c.month
	ON CONFLICT (project_id, month) DO UPDATE SET
	    admitted = u.admitted + EXCLUDED.admitted,
	    counted = u.counted + EXCLUDED.counted,
	    tokens = u.tokens + EXCLUDED.tokens,
	    cost_nano = u.cost_nano + EXCLUDED.cost_nano,
	    updated_at = clock_timestamp();

	INSERT INTO watchllm.usage_key_month AS u (project_id, api_key_id,
	    month, admitted, counted, tokens, cost_nano)
	SELECT c.project_id, s.api_key_id, c.month,
	    count(*) FILTER (WHERE c.fate = 'opened'),
	    sum(c.month_counted::integer - (c.fate = 'settled')::integer),
	    coalesce(sum(x.tokens) FILTER (WHERE c.ends), 0),
	    coalesce(sum(s.cost_nano)
		FILTER (WHERE c.ends AND s.usage_counted IS NOT FALSE), 0)
	FROM pg_temp.drain_call c JOIN pg_temp.stage s ON s.n = c.n,
	    LATERAL (SELECT watchllm.sum_tokens(s.usage_counted, s.tokens_uncached,
		s.tokens_cache_read, s.tokens_cache_write,
		s.tokens_output, s.tokens_reasoning) AS tokens) x
	WHERE c.fate IS NOT NULL AND s.api_key_id IS NOT NULL
	GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
	ON CONFLICT (project_id, api_key_id, month) DO UPDATE SET
	    admitted = u.admitted + EXCLUDED.admitted,
	    counted = u.counted + EXCLUDED.counted,
	    tokens = u.tokens + EXCLUDED.tokens,
	    cost_nano = u.cost_nano + EXCLUDED.cost_nano,
	    updated_at = clock_timestamp();

	INSERT INTO watchllm.rollup_hour AS r (project_id, hour, type, provider, model, status, events,
	    requests, counted, errors, cache_hits, tokens_uncached,
	    tokens_cache_read, tokens_cache_write, tokens_output,
	    tokens_reasoning, cost_nano, unpriced, estimated,
	    saved_nano, tokens_saved, latency_ms, latency_n, ttft_ms,
	    ttft_n, upstream_ms, upstream_n)
	SELECT s.project_id, watchllm.utc_hour(s.ts), s.type,
	    coalesce(s.provider, ''), coalesce(s.model_used, s.model, ''),
	    s.status,
	    count(*),
	    count(*) FILTER (WHERE s.source = 'gateway'),
	    count(*) FILTER (WHERE s.source = 'gateway'
		AND s.month_counted IS NOT FALSE),
	    count(*) FILTER (WHERE s.status IN
		('error', 'timeout', 'lost')),
	    count(*) FILTER (WHERE s.cache_status LIKE 'HIT%'),
	    sum(x.k * coalesce(s.tokens_uncached, 0)),
	    sum(x.k * coalesce(s.tokens_cache_read, 0)),
	    sum(x.k * coalesce(s.tokens_cache_write, 0)),
	    sum(x.k * coalesce(s.tokens_output, 0)),
	    sum(x.k * coalesce(s.tokens_reasoning, 0)),
	    sum(x.k * coalesce(s.cost_nano, 0)),
	    count(*) FILTER (WHERE x.k = 1 AND s.cost_nano IS NULL
		AND x.tokens > 0),
	    count(*) FILTER (WHERE s.usage_source IN
		('estimated', 'partial')),
	    coalesce(sum(s.saved_nano), 0),
	    coalesce(sum(s.tokens_saved), 0),
	    coalesce(sum(s.latency_ms), 0),
	    count(s.latency_ms),
	    coalesce(sum(s.ttft_ms), 0),
	    count(s.ttft_ms),
	    coalesce(sum(s.upstream_ms), 0),
	    count(s.upstream_ms)
	FROM pg_temp.drain_put p JOIN pg_temp.stage s ON s.n = p.n,
	    LATERAL (SELECT (s.usage_counted IS NOT FALSE)::integer::bigint
		AS k, watchllm.sum_tokens(s.usage_counted, s.tokens_uncached,
		s.tokens_cache_read, s.tokens_cache_write,
		s.tokens_output, s.tokens_reasoning) AS tokens) x
	GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
	ON CONFLICT (project_id, hour, type, provider, model, status)
	DO UPDATE SET
	    events = r.events + EXCLUDED.events,
	    requests = r.requests + EXCLUDED.requests,
	    counted = r.counted + EXCLUDED.counted,
	    errors = r.errors + EXCLUDED.errors,
	    cache_hits = r.cache_hits + EXCLUDED.cache_hits,
	    tokens_uncached = r.tokens_uncached + EXCLUDED.tokens_uncached,
	    tokens_cache_read = r.tokens_cache_read + EXCLUDED.tokens_cache_read,
	    tokens_cache_write = r.tokens_cache_write + EXCLUDED.tokens_cache_write,
	    tokens_output = r.tokens_output + EXCLUDED.tokens_output,
	    tokens_reasoning = r.tokens_reasoning + EXCLUDED.tokens_reasoning,
	    cost_nano = r.cost_nano + EXCLUDED.cost_nano,
	    unpriced = r.unpriced + EXCLUDED.unpriced,
	    estimated = r.estimated + EXCLUDED.estimated,
	    saved_nano = r.saved_nano + EXCLUDED.saved_nano,
	    tokens_saved = r.tokens_saved + EXCLUDED.tokens_saved,
	    latency_ms = r.latency_ms + EXCLUDED.latency_ms,
	    latency_n = r.latency_n + EXCLUDED.latency_n,
	    ttft_ms = r.ttft_ms + EXCLUDED.ttft_ms,
	    ttft_n = r.ttft_n + EXCLUDED.ttft_n,
	    upstream_ms = r.upstream_ms + EXCLUDED.upstream_ms,
	    upstream_n = r.upstream_n + EXCLUDED.upstream_n;

	INSERT INTO watchllm.rollup_day AS r (project_id, day, type, provider, model, status, events,
	    requests, counted, errors, cache_hits, tokens_uncached,
	    tokens_cache_read, tokens_cache_write, tokens_output,
	    tokens_reasoning, cost_nano, unpriced, estimated,
	    saved_nano, tokens_saved, latency_ms, latency_n, ttft_ms,
	    ttft_n, upstream_ms, upstream_n)
	SELECT s.project_id, p.day, s.type,
	    coalesce(s.provider, ''), coalesce(s.model_used, s.model, ''),
	    s.status,
	    count(*),
	    count(*) FILTER (WHERE s.source = 'gateway'),
	    count(*) FILTER (WHERE s.source = 'gateway'
		AND s.month_counted IS NOT FALSE),
	    count(*) FILTER (WHERE s.status IN
		('error', 'timeout', 'lost')),
	    count(*) FILTER (WHERE s.cache_status LIKE 'HIT%'),
	    sum(x.k * coalesce(s.tokens_uncached, 0)),
	    sum(x.k * coalesce(s.tokens_cache_read, 0)),
	    sum(x.k * coalesce(s.tokens_cache_write, 0)),
	    sum(x.k * coalesce(s.tokens_output, 0)),
	    sum(x.k * coalesce(s.tokens_reasoning, 0)),
	    sum(x.k * coalesce(s.cost_nano, 0)),
	    count(*) FILTER (WHERE x.k = 1 AND s.cost_nano IS NULL
		AND x.tokens > 0),
	    count(*) FILTER (WHERE s.usage_source IN
		('estimated', 'partial')),
	    coalesce(sum(s.saved_nano), 0),
	    coalesce(sum(s.tokens_saved), 0),
	    coalesce(sum(s.latency_ms), 0),
	    count(s.latency_ms),
	    coalesce(sum(s.ttft_ms), 0),
	    count(s.ttft_ms),
	    coalesce(sum(s.upstream_ms), 0),
	    count(s.upstream_ms)
	FROM pg_temp.drain_put p JOIN pg_temp.stage s ON s.n = p.n,
	    LATERAL (SELECT (s.usage_counted IS NOT FALSE)::integer::bigint
		AS k, watchllm.sum_tokens(s.usage_counted, s.tokens_uncached,
		s.tokens_cache_read, s.tokens_cache_write,
		s.tokens_output, s.tokens_reasoning) AS tokens) x
	GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
	ON CONFLICT (project_id, day, type, provider, model, status)
	DO UPDATE SET
	    events = r.events + EXCLUDED.events,
	    requests = r.requests + EXCLUDED.requests,
	    counted = r.counted + EXCLUDED.counted,
	    errors = r.errors + EXCLUDED.errors,
	    cache_hits = r.cache_hits + EXCLUDED.cache_hits,
	    tokens_uncached = r.tokens_uncached + EXCLUDED.tokens_uncached,
	    tokens_cache_read = r.tokens_cache_read + EXCLUDED.tokens_cache_read,
	    tokens_cache_write = r.tokens_cache_write + EXCLUDED.tokens_cache_write,
	    tokens_output = r.tokens_output + EXCLUDED.tokens_output,
	    tokens_reasoning = r.tokens_reasoning + EXCLUDED.tokens_reasoning,
	    cost_nano = r.cost_nano + EXCLUDED.cost_nano,
	    unpriced = r.unpriced + EXCLUDED.unpriced,
	    estimated = r.estimated + EXCLUDED.estimated,
	    saved_nano = r.saved_nano + EXCLUDED.saved_nano,
	    tokens_saved = r.tokens_saved + EXCLUDED.tokens_saved,
	    latency_ms = r.latency_ms + EXCLUDED.latency_ms,
	    latency_n = r.latency_n + EXCLUDED.latency_n,
	    ttft_ms = r.ttft_ms + EXCLUDED.ttft_ms,
	    ttft_n = r.ttft_n + EXCLUDED.ttft_n,
	    upstream_ms = r.upstream_ms + EXCLUDED.upstream_ms,
	    upstream_n = r.upstream_n + EXCLUDED.upstream_n;

	INSERT INTO watchllm.rollup_hour_latency AS r (project_id, hour, kind,
	    bucket, n)
	SELECT s.project_id, watchllm.utc_hour(s.ts), v.kind,
	    watchllm.latency_bucket(v.ms), count(*)
	FROM pg_temp.drain_put p JOIN pg_temp.stage s ON s.n = p.n,
	    LATERAL (VALUES
		(CASE s.type WHEN 'prompt_call' THEN 'latency'
		    WHEN 'tool_call' THEN 'tool_call'
		    WHEN 'agent_step' THEN 'agent_step' END, s.latency_ms),
		('ttft', CASE WHEN s.type = 'prompt_call'
		    THEN s.ttft_ms END),
		('upstream', CASE WHEN s.type = 'prompt_call'
		    THEN s.upstream_ms END)) v (kind, ms)
	WHERE v.ms IS NOT NULL AND v.kind IS NOT NULL
	GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
	ON CONFLICT (project_id, hour, kind, bucket)
	    DO UPDATE SET n = r.n + EXCLUDED.n;

	INSERT INTO watchllm.partition_count AS c (retention_class, day, host,
	    events)
	SELECT s.retention_class, p.day, p_host, count(*)
	FROM pg_temp.drain_put p JOIN pg_temp.stage s ON s.n = p.n
	WHERE p.kept
	GROUP BY 1, 2 ORDER BY 1, 2
	ON CONFLICT (retention_class, day, host) DO UPDATE SET
	    events = c.events + EXCLUDED.events,
	    rolled_up_to = clock_timestamp();
END
$$;
COMMENT ON FUNCTION watchllm.drain_rollup(text) IS
    'Part of drain_run: add what is new to the sums.';

CREATE FUNCTION watchllm.drain_store() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO watchllm.event (retention_class, ts, project_id, event_id, received_at, type,
	    source, status, api_key_id, key_prefix, run_id, trace_id,
	    span_id, parent_span_id, name, provider, model,
	    model_used, route, stream, request_id, client_request_id,
	    response_id, linked_event_id, user_id, session_id, tags,
	    release, environment, http_status, error_type,
	    error_code, error_message, finish_reason, attempts,
	    tokens_uncached, tokens_cache_read, tokens_cache_write,
	    tokens_output, tokens_reasoning, usage_source,
	    usage_counted, cost_nano, cost_source, price_from,
	    cache_status, saved_nano, tokens_saved, latency_ms,
	    ttft_ms, upstream_ms, month_counted, attributes, flags)
	SELECT s.retention_class, s.ts, s.project_id, s.event_id,
	    s.received_at, s.type, s.source, s.status, s.api_key_id,
	    s.key_prefix, s.run_id, s.trace_id, s.span_id,
	    s.parent_span_id, s.name, s.provider, s.model,
	    s.model_used, s.route, s.stream, s.request_id,
	    s.client_request_id, s.response_id, s.linked_event_id,
	    s.user_id, s.session_id, s.tags, s.release,
	    s.environment, s.http_status, s.error_type, s.error_code,
	    s.error_message, s.finish_reason, s.attempts,
	    s.tokens_uncached, s.tokens_cache_read,
	    s.tokens_cache_write, s.tokens_output,
	    s.tokens_reasoning, coalesce(s.usage_source, 'none'),
	    coalesce(s.usage_counted, true), s.cost_nano,
	    s.cost_source, s.price_from, s.cache_status,
	    s.saved_nano, s.tokens_saved, s.latency_ms, s.ttft_ms,
	    s.upstream_ms, s.month_counted, s.attributes, s.flags
	FROM pg_temp.drain_put p JOIN pg_temp.stage s ON s.n = p.n
	WHERE p.kept
	ORDER BY s.n;

	INSERT INTO watchllm.event_payload (retention_class, ts, project_id,
	    event_id, input, output, detail)
	SELECT s.retention_class, s.ts, s.project_id, s.event_id, s.input,
	    s.output, s.detail
	FROM pg_temp.drain_put p JOIN pg_temp.stage s ON s.n = p.n
	WHERE p.kept AND (s.input IS NOT NULL OR s.output IS NOT NULL
	    OR s.detail IS NOT NULL)
	ORDER BY s.n;
END
$$;
COMMENT ON FUNCTION watchllm.drain_store() IS
    'Part of drain_run: insert the events that are new.';

CREATE FUNCTION watchllm.drain_ledger(p_host text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
	-- an end stands for its beginning too, whichever comes first
	WITH ins AS (
		INSERT INTO watchllm.ledger (day, project_id, event_id,
		    api_key_id, admitted_at, host, process, generation, state,
		    minute_counted, month_counted, reserved_tokens,
		    reserved_nano, tokens, cost_nano, settled_at, begin_event)
		SELECT c.day, c.project_id, c.event_id, s.api_key_id,
		    s.admitted_at, p_host, s.process,
		    coalesce(s.generation, ''),
		    CASE WHEN c.ends THEN 'settled' ELSE 'open' END,
		    c.minute_counted, c.month_counted, s.reserved_tokens,
		    s.reserved_nano,
		    CASE WHEN c.ends THEN watchllm.sum_tokens(s.usage_counted, s.tokens_uncached,
			s.tokens_cache_read, s.tokens_cache_write,
			s.tokens_output, s.tokens_reasoning) END,
		    CASE WHEN c.ends THEN s.cost_nano END,
		    CASE WHEN c.ends THEN clock_timestamp() END,
		    CASE WHEN NOT c.ends THEN
			jsonb_strip_nulls(to_jsonb(s)) END
		FROM pg_temp.drain_call c JOIN pg_temp.stage s ON s.n = c.n
		WHERE NOT c.lost
		ORDER BY c.project_id, c.event_id
		ON CONFLICT DO NOTHING
		RETURNING project_id, event_id
	)
	UPDATE pg_temp.drain_call c SET fate = 'opened' FROM ins
	WHERE c.project_id = ins.project_id AND c.event_id = ins.event_id;

	WITH upd AS (
		UPDATE watchllm.ledger l SET
		    state = CASE WHEN c.lost THEN 'lost' ELSE 'settled' END,
		    minute_counted = c.minute_counted,
		    month_counted = c.month_counted,
		    tokens = watchllm.sum_tokens(s.usage_counted, s.tokens_uncached,
			s.tokens_cache_read, s.tokens_cache_write,
			s.tokens_output, s.tokens_reasoning),
		    cost_nano = s.cost_nano,
		    settled_at = clock_timestamp(),
		    begin_event = NULL
		FROM pg_temp.drain_call c JOIN pg_temp.stage s ON s.n = c.n
		WHERE c.ends AND c.fate IS NULL
		    AND l.project_id = c.project_id
		    AND l.event_id = c.event_id AND l.day = c.day
		    AND l.state = 'open'
		RETURNING l.project_id, l.event_id
	)
	UPDATE pg_temp.drain_call c SET fate = 'settled' FROM upd
	WHERE c.project_id = upd.project_id AND c.event_id = upd.event_id;
END
$$;
COMMENT ON FUNCTION watchllm.drain_ledger(text) IS
    'Part of drain_run: enter calls and settle them; drain_call.fate tells which were new.';

CREATE FUNCTION watchllm.drain_run(p_host text,
    p_now timestamptz DEFAULT NULL)
RETURNS TABLE (batch bigint, begun bigint, ended bigint, stored bigint,
    duplicates bigint, expired bigint, fixups bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	v_now timestamptz := coalesce(p_now, clock_timestamp());
	r record;
BEGIN
	-- the host's row first: consumers of one host take turns
	INSERT INTO watchllm.journal_host AS h (host, batch)
	VALUES (p_host, 1)
	ON CONFLICT (host) DO UPDATE SET batch = h.batch + 1,
	    updated_at = clock_timestamp()
	RETURNING h.batch INTO batch;

	SELECT array_agg(t.project_id) AS p, array_agg(t.event_id) AS e
	INTO r
	FROM (SELECT DISTINCT s.project_id, s.event_id
	    FROM pg_temp.stage s) t;
	INSERT INTO pg_temp.drain_new (project_id, event_id)
	SELECT c.project_id, c.event_id
	FROM watchllm.claim_events(r.p, r.e, p_now) c;

	-- partitions
	FOR r IN SELECT DISTINCT watchllm.utc_day(s.admitted_at) AS day
	    FROM pg_temp.stage s WHERE s.kind IN ('B', 'E') ORDER BY 1 LOOP
		IF NOT watchllm.ledger_day(r.day, v_now) THEN
			RAISE EXCEPTION 'a call of % is older than the ledger keeps',
			    r.day USING ERRCODE = 'check_violation';
		END IF;
	END LOOP;
	PERFORM watchllm.rollup_month(m.month)
	FROM (SELECT DISTINCT watchllm.utc_month(s.ts) AS month
	    FROM pg_temp.stage s WHERE s.kind <> 'B'
	    ORDER BY 1) m
	WHERE to_regclass('watchllm.rollup_hour_latency_'
	    || to_char(m.month, 'YYYYMM')) IS NULL;

	-- calls: gateway ids are ours, the ledger decides about them
	INSERT INTO pg_temp.drain_call (project_id, event_id, day, month,
	    minute, n, ends, lost, minute_counted, month_counted)
	SELECT DISTINCT ON (s.project_id, s.event_id)
	    s.project_id, s.event_id, watchllm.utc_day(s.admitted_at),
	    watchllm.utc_month(s.admitted_at),
	    watchllm.to_ms(s.admitted_at) / 60000, s.n, s.kind <> 'B',
	    s.kind = 'L',
	    s.kind = 'B' OR coalesce(s.minute_counted, true),
	    s.kind = 'B' OR coalesce(s.month_counted, true)
	FROM pg_temp.stage s WHERE s.kind <> 'I'
	ORDER BY s.project_id, s.event_id, s.kind = 'B', s.n;
	PERFORM watchllm.drain_ledger(p_host);

	-- events: ends that were news to the ledger, and claimed identities
	INSERT INTO pg_temp.drain_put (n, day)
	SELECT t.n, watchllm.utc_day(s.ts)
	FROM (
		SELECT c.n FROM pg_temp.drain_call c
		WHERE c.ends AND c.fate IS NOT NULL
		UNION ALL
		SELECT min(i.n) FROM pg_temp.stage i
		JOIN pg_temp.drain_new w ON w.project_id = i.project_id
		    AND w.event_id = i.event_id
		WHERE i.kind = 'I' AND NOT EXISTS (
		    SELECT FROM pg_temp.drain_call c
		    WHERE c.project_id = i.project_id
			AND c.event_id = i.event_id)
		GROUP BY i.project_id, i.event_id
	) t JOIN pg_temp.stage s ON s.n = t.n;
	FOR r IN SELECT DISTINCT s.retention_class AS class, p.day
	    FROM pg_temp.drain_put p JOIN pg_temp.stage s ON s.n = p.n
	    ORDER BY 1, 2 LOOP
		UPDATE pg_temp.drain_put p
		SET kept = watchllm.event_day(r.class, r.day, v_now)
		FROM pg_temp.stage s
		WHERE s.n = p.n AND s.retention_class = r.class
		    AND p.day = r.day;
	END LOOP;
	PERFORM watchllm.drain_store();
	PERFORM watchllm.drain_rollup(p_host);
	fixups := watchllm.drain_counters(p_host, batch, v_now);

	-- what became of everything
	INSERT INTO watchllm.loss_ledger AS l (project_id, hour, source,
	    outcome, n)
	SELECT t.project_id, watchllm.utc_hour(coalesce(t.received_at, v_now)),
	    coalesce(t.source, 'gateway'), t.outcome, count(*)
	FROM (
		SELECT s.project_id, s.received_at, s.source,
		    CASE WHEN p.n IS NULL THEN
			CASE WHEN g.state = 'lost' THEN 'end_after_lost'
			    ELSE 'duplicate' END
			WHEN p.kept THEN 'accepted' ELSE 'expired' END
			AS outcome
		FROM pg_temp.stage s
		LEFT JOIN pg_temp.drain_put p ON p.n = s.n
		LEFT JOIN LATERAL (SELECT l.state FROM watchllm.ledger l
		    WHERE p.n IS NULL AND s.kind = 'E'
			AND l.project_id = s.project_id
			AND l.event_id = s.event_id
			AND l.day = watchllm.utc_day(s.admitted_at)) g ON true
		WHERE s.kind <> 'B'
	) t
	GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
	ON CONFLICT (project_id, hour, source, outcome)
	    DO UPDATE SET n = l.n + EXCLUDED.n;

	SELECT count(*) FILTER (WHERE c.fate = 'opened'),
	    count(*) FILTER (WHERE c.ends AND c.fate IS NOT NULL)
	INTO begun, ended FROM pg_temp.drain_call c;
	SELECT count(*) FILTER (WHERE p.kept),
	    count(*) FILTER (WHERE NOT p.kept)
	INTO stored, expired FROM pg_temp.drain_put p;
	SELECT count(*) - stored - expired INTO duplicates
	FROM pg_temp.stage s WHERE s.kind <> 'B';
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION watchllm.drain_run(text, timestamptz) IS
    'Turn the records in pg_temp.stage into ledger, events and sums; once in a transaction, before anything else. P_NOW is for tests.';

CREATE FUNCTION watchllm.drain_lost(p_host text, p_process text,
    p_max integer DEFAULT 1000, p_now timestamptz DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
DECLARE
	v_lost bigint;
BEGIN
	PERFORM watchllm.drain_open();
	IF EXISTS (SELECT FROM pg_temp.stage) THEN
		RAISE EXCEPTION 'drain_lost needs a transaction of its own';
	END IF;
	INSERT INTO pg_temp.stage
	SELECT r.* FROM (
		SELECT l.begin_event || jsonb_build_object(
		    'n', row_number() OVER (ORDER BY l.project_id, l.event_id),
		    'kind', 'L', 'status', 'lost',
		    'ts', coalesce(l.begin_event -> 'ts',
			to_jsonb(l.admitted_at)),
		    'received_at', to_jsonb(coalesce(p_now, clock_timestamp())),
		    'type', coalesce(l.begin_event ->> 'type', 'prompt_call'),
		    'source', 'gateway', 'usage_source', 'estimated',
		    'cost_nano', coalesce(l.begin_event -> 'cost_nano',
			to_jsonb(l.reserved_nano)),
		    'cost_source', CASE WHEN l.begin_event ? 'cost_nano'
			OR l.reserved_nano IS NOT NULL THEN 'estimate'
			ELSE 'unknown' END,
		    'minute_counted', true, 'month_counted', true,
		    'flags', coalesce(l.begin_event -> 'flags', '[]')
			|| '["lost"]') AS j
		FROM watchllm.ledger l
		WHERE l.host = p_host AND l.state = 'open'
		    AND (p_process IS NULL OR l.process = p_process)
		ORDER BY l.project_id, l.event_id
		LIMIT p_max
	) t, LATERAL jsonb_populate_record(NULL::watchllm.stage_row, t.j) r;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	SELECT d.ended INTO v_lost FROM watchllm.drain_run(p_host, p_now) d;
	RETURN v_lost;
END
$$;
COMMENT ON FUNCTION watchllm.drain_lost(text, text, integer, timestamptz) IS
    'Turn the open calls of a dead process (null: of all of the host) into events with status lost, at most P_MAX; returns how many. Only when all that the process wrote is drained; in a transaction of its own; again until it returns 0.';

CREATE FUNCTION watchllm.drain_fixups(p_host text, p_max integer DEFAULT 1000)
RETURNS SETOF watchllm.counter_fixup
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.* FROM watchllm.counter_fixup f WHERE f.host = p_host
	ORDER BY f.id LIMIT p_max
$$;
COMMENT ON FUNCTION watchllm.drain_fixups(text, integer) IS
    'What a host''s consumer has still to add to counters in Redis, oldest first.';
