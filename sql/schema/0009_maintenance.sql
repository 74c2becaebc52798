-- What watchllm-rollup runs: partitions ahead, retention, statements.  All of
-- it may be run twice, and after a missed month.

CREATE FUNCTION watchllm.make_partitions(p_from date, p_to date)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_before bigint;
	v_after bigint;
	r record;
BEGIN
	IF p_to - p_from > 400 THEN
		RAISE EXCEPTION 'more than 400 days of partitions';
	END IF;
	SELECT count(*) INTO v_before FROM watchllm.partition_list();
	FOR r IN SELECT c.name, p_from + g AS day
	    FROM watchllm.retention_class c,
		generate_series(0, p_to - p_from) g
	    ORDER BY c.name, g LOOP
		PERFORM watchllm.event_day(r.name, r.day);
	END LOOP;
	FOR r IN SELECT p_from + g AS day
	    FROM generate_series(0, p_to - p_from) g ORDER BY g LOOP
		PERFORM watchllm.ledger_day(r.day);
		PERFORM watchllm.seen_partition(watchllm.seen_bucket(
		    watchllm.day_start(r.day)));
		PERFORM watchllm.rollup_month(watchllm.utc_month(
		    watchllm.day_start(r.day)));
	END LOOP;
	SELECT count(*) INTO v_after FROM watchllm.partition_list();
	RETURN v_after - v_before;
END
$$;
COMMENT ON FUNCTION watchllm.make_partitions(date, date) IS
    'Make all partitions from one day to another, both included; days older than their rows are kept are left out. Returns how many were made.';

CREATE FUNCTION watchllm.partition_list()
RETURNS TABLE (parent text, name text, retention_class text, lower date,
    upper date)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.relname::text, c.relname::text,
	    CASE WHEN p.relname LIKE 'event\_payload\_%'
		THEN substr(p.relname::text, 15)
		WHEN p.relname <> 'event_seen' AND p.relname LIKE 'event\_%'
		THEN substr(p.relname::text, 7) END,
	    watchllm.utc_day(b.m[1]::timestamptz),
	    watchllm.utc_day(b.m[2]::timestamptz)
	FROM pg_inherits i
	JOIN pg_class p ON p.oid = i.inhparent
	JOIN pg_class c ON c.oid = i.inhrelid
	JOIN pg_namespace n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (SELECT CASE
		WHEN p.relname IN ('ledger', 'event_seen') THEN
		    ARRAY[x.m[1] || ' 00:00:00+00', x.m[2] || ' 00:00:00+00']
		ELSE x.m END AS m
	    FROM regexp_match(pg_get_expr(c.relpartbound, c.oid),
		'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') x (m)) b
	WHERE n.nspname = 'watchllm' AND c.relkind = 'r'
	    AND b.m IS NOT NULL
$$;
COMMENT ON FUNCTION watchllm.partition_list() IS
    'All partitions with the UTC days that they hold, upper not included.';

CREATE FUNCTION watchllm.partitions_due(p_now timestamptz DEFAULT now())
RETURNS TABLE (parent text, name text, retention_class text, lower date,
    upper date)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT l.parent, l.name, l.retention_class, l.lower, l.upper
	FROM watchllm.partition_list() l
	LEFT JOIN watchllm.retention_class c ON c.name = l.retention_class
	LEFT JOIN watchllm.retention_rule r ON r.name = l.parent
	WHERE l.upper <= watchllm.utc_day(p_now)
	    - coalesce(c.days, r.keep_days)
	ORDER BY l.upper, l.name
$$;
COMMENT ON FUNCTION watchllm.partitions_due(timestamptz) IS
    'Partitions all of whose rows are older than they are kept.';

CREATE FUNCTION watchllm.drop_partition(p_name text,
    p_now timestamptz DEFAULT now()) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
	d record;
	v_rows bigint;
	v_rolled bigint;
BEGIN
	SELECT * INTO d FROM watchllm.partitions_due(p_now) x
	WHERE x.name = p_name;
	IF NOT FOUND THEN
		RETURN 'not_due';
	END IF;
	-- writers out first, so that what is counted is what is dropped
	EXECUTE format('LOCK TABLE ONLY watchllm.%I IN ACCESS EXCLUSIVE MODE',
	    d.parent);
	EXECUTE format('LOCK TABLE watchllm.%I IN ACCESS EXCLUSIVE MODE',
	    p_name);
	IF d.parent = 'ledger' THEN
		EXECUTE format('SELECT count(*) FROM watchllm.%I'
		    ' WHERE state = ''open''', p_name) INTO v_rows;
		IF v_rows > 0 THEN
			RETURN 'open_calls';
		END IF;
	ELSIF d.parent = 'event_' || d.retention_class THEN
		EXECUTE format('SELECT count(*) FROM watchllm.%I', p_name)
		    INTO v_rows;
		SELECT coalesce(sum(events), 0) INTO v_rolled
		FROM watchllm.partition_count
		WHERE retention_class = d.retention_class AND day = d.lower;
		IF v_rows > v_rolled THEN
			RETURN 'not_rolled_up';
		END IF;
		DELETE FROM watchllm.partition_count
		WHERE retention_class = d.retention_class AND day = d.lower;
	ELSIF d.parent LIKE 'rollup\_hour%' AND EXISTS (
	    SELECT FROM watchllm.rollup_day r
	    WHERE r.day >= d.lower AND r.day < d.upper)
	    AND NOT EXISTS (SELECT FROM watchllm.statement_month s
		WHERE s.month = d.lower) THEN
		RETURN 'no_statement';
	END IF;
	EXECUTE format('DROP TABLE watchllm.%I', p_name);
	RETURN 'dropped';
EXCEPTION WHEN lock_not_available THEN
	RETURN 'busy';
END
$$;
COMMENT ON FUNCTION watchllm.drop_partition(text, timestamptz) IS
    'Drop one partition that is due: dropped, or why not: not_due, busy (tried for 2 s), not_rolled_up, open_calls, no_statement. Call in a transaction of its own: its lock stops writers until commit.';

CREATE FUNCTION watchllm.drop_partitions(p_now timestamptz DEFAULT now())
RETURNS TABLE (name text, outcome text)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.name, watchllm.drop_partition(d.name, p_now)
	FROM watchllm.partitions_due(p_now) d
$$;
COMMENT ON FUNCTION watchllm.drop_partitions(timestamptz) IS
    'Drop all partitions that are due in one transaction.';

CREATE FUNCTION watchllm.purge_marks(p_now timestamptz DEFAULT now())
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
	total bigint := 0;
BEGIN
	DELETE FROM watchllm.journal_mark m
	WHERE m.closed AND m.updated_at < p_now - interval '60 days';
	GET DIAGNOSTICS total = ROW_COUNT;
	DELETE FROM watchllm.counter_fixup f
	WHERE f.created_at < p_now - interval '60 days';
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN total + n;
END
$$;
COMMENT ON FUNCTION watchllm.purge_marks(timestamptz) IS
    'Remove marks of segments that were finished 60 days ago, and fixups nobody wants any more.';

-- Statements: from the hours, as long as the month is provisional; then the
-- difference between the hours and what was stated becomes adjustments.

CREATE FUNCTION watchllm.month_usage(p_month date)
RETURNS SETOF watchllm.usage_statement
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.project_id, p_month, r.provider, r.model,
	    sum(r.events)::bigint, sum(r.requests)::bigint,
	    sum(r.counted)::bigint, sum(r.errors)::bigint,
	    sum(r.cache_hits)::bigint, sum(r.tokens_uncached)::bigint,
	    sum(r.tokens_cache_read)::bigint,
	    sum(r.tokens_cache_write)::bigint, sum(r.tokens_output)::bigint,
	    sum(r.tokens_reasoning)::bigint, sum(r.cost_nano)::bigint,
	    sum(r.unpriced)::bigint, sum(r.saved_nano)::bigint,
	    'provisional'::text, clock_timestamp(), NULL::timestamptz
	FROM watchllm.rollup_hour r
	WHERE r.hour >= watchllm.day_start(p_month)
	    AND r.hour < watchllm.day_start(
		(p_month + interval '1 month')::date)
	GROUP BY r.project_id, r.provider, r.model
$$;
COMMENT ON FUNCTION watchllm.month_usage(date) IS
    'The usage of a month as the hourly rollup has it.';

CREATE FUNCTION watchllm.statement_build(p_month date) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
BEGIN
	IF EXISTS (SELECT FROM watchllm.statement_month s
	    WHERE s.month = p_month) THEN
		RETURN 0;
	END IF;
	DELETE FROM watchllm.usage_statement s WHERE s.month = p_month;
	INSERT INTO watchllm.usage_statement
	SELECT * FROM watchllm.month_usage(p_month);
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$$;
COMMENT ON FUNCTION watchllm.statement_build(date) IS
    'Compute the provisional statements of a month anew; returns the rows. A frozen month is left alone.';

CREATE FUNCTION watchllm.statement_freeze(p_month date) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM watchllm.statement_month s
	    WHERE s.month = p_month) THEN
		RETURN false;
	END IF;
	PERFORM watchllm.statement_build(p_month);
	UPDATE watchllm.usage_statement s
	SET status = 'frozen', frozen_at = clock_timestamp()
	WHERE s.month = p_month;
	INSERT INTO watchllm.statement_month (month) VALUES (p_month);
	RETURN true;
END
$$;
COMMENT ON FUNCTION watchllm.statement_freeze(date) IS
    'Freeze the statements of a month; returns whether they were not frozen before.';

CREATE FUNCTION watchllm.statement_adjust(p_month date) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM watchllm.statement_month s
	    WHERE s.month = p_month) THEN
		RETURN 0;
	END IF;
	INSERT INTO watchllm.usage_adjustment (project_id, month, provider,
	    model, events, requests, counted, errors, cache_hits,
	    tokens_uncached, tokens_cache_read, tokens_cache_write,
	    tokens_output, tokens_reasoning, cost_nano, unpriced, saved_nano)
	SELECT t.project_id, p_month, t.provider, t.model,
	    sum(t.k * t.events), sum(t.k * t.requests), sum(t.k * t.counted),
	    sum(t.k * t.errors), sum(t.k * t.cache_hits),
	    sum(t.k * t.tokens_uncached), sum(t.k * t.tokens_cache_read),
	    sum(t.k * t.tokens_cache_write), sum(t.k * t.tokens_output),
	    sum(t.k * t.tokens_reasoning), sum(t.k * t.cost_nano),
	    sum(t.k * t.unpriced), sum(t.k * t.saved_nano)
	FROM (
		SELECT 1 AS k, u.project_id, u.provider, u.model, u.events,
		    u.requests, u.counted, u.errors, u.cache_hits,
		    u.tokens_uncached, u.tokens_cache_read,
		    u.tokens_cache_write, u.tokens_output, u.tokens_reasoning,
		    u.cost_nano, u.unpriced, u.saved_nano
		FROM watchllm.month_usage(p_month) u
		UNION ALL
		SELECT -1, s.project_id, s.provider, s.model, s.events,
		    s.requests, s.counted, s.errors, s.cache_hits,
		    s.tokens_uncached, s.tokens_cache_read,
		    s.tokens_cache_write, s.tokens_output, s.tokens_reasoning,
		    s.cost_nano, s.unpriced, s.saved_nano
		FROM watchllm.usage_statement s WHERE s.month = p_month
		UNION ALL
		SELECT -1, a.project_id, a.provider, a.model, a.events,
		    a.requests, a.counted, a.errors, a.cache_hits,
		    a.tokens_uncached, a.tokens_cache_read,
		    a.tokens_cache_write, a.tokens_output, a.tokens_reasoning,
		    a.cost_nano, a.unpriced, a.saved_nano
		FROM watchllm.usage_adjustment a WHERE a.month = p_month
	) t
	GROUP BY t.project_id, t.provider, t.model
	HAVING sum(t.k * t.events) <> 0 OR sum(t.k * t.requests) <> 0
	    OR sum(t.k * t.counted) <> 0 OR sum(t.k * t.errors) <> 0
	    OR sum(t.k * t.cache_hits) <> 0
	    OR sum(t.k * t.tokens_uncached) <> 0
	    OR sum(t.k * t.tokens_cache_read) <> 0
	    OR sum(t.k * t.tokens_cache_write) <> 0
	    OR sum(t.k * t.tokens_output) <> 0
	    OR sum(t.k * t.tokens_reasoning) <> 0
	    OR sum(t.k * t.cost_nano) <> 0 OR sum(t.k * t.unpriced) <> 0
	    OR sum(t.k * t.saved_nano) <> 0;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$$;
COMMENT ON FUNCTION watchllm.statement_adjust(date) IS
    'Write what a frozen month has gained since as adjustments; returns the rows.';

CREATE FUNCTION watchllm.statement_run(p_now timestamptz DEFAULT now(),
    p_close_day integer DEFAULT 3)
RETURNS TABLE (month date, action text, rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	v_last date := watchllm.utc_month(p_now);
	v_month date;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('watchllm.statement'));
	-- from the first month that has usage and is not frozen, or could
	-- still be reached by a late event
	FOR v_month IN
		SELECT g::date FROM generate_series(
		    (SELECT watchllm.utc_month(watchllm.day_start(min(d.day)))
			FROM watchllm.rollup_day d)::timestamp,
		    v_last::timestamp, interval '1 month') g
		WHERE g >= v_last - interval '3 months'
		    OR NOT EXISTS (SELECT FROM watchllm.statement_month s
			WHERE s.month = g::date)
		ORDER BY g
	LOOP
		month := v_month;
		IF EXISTS (SELECT FROM watchllm.statement_month s
		    WHERE s.month = v_month) THEN
			action := 'adjusted';
			rows := watchllm.statement_adjust(v_month);
		ELSIF p_now >= watchllm.day_start((v_month
		    + interval '1 month')::date + p_close_day - 1) THEN
			action := 'frozen';
			PERFORM watchllm.statement_freeze(v_month);
			SELECT count(*) INTO rows
			FROM watchllm.usage_statement s
			WHERE s.month = v_month;
		ELSE
			action := 'provisional';
			rows := watchllm.statement_build(v_month);
		END IF;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION watchllm.statement_run(timestamptz, integer) IS
    'Bring all statements up to date: months before the P_CLOSE_DAY-th of their successor are provisional, others frozen, frozen ones adjusted. One row per month that was looked at.';

-- The ledger against its own sums, for watchllm-rollup reconcile.
CREATE FUNCTION watchllm.ledger_check(p_month date)
RETURNS TABLE (project_id text, ledger_admitted bigint, ledger_counted bigint,
    month_admitted bigint, month_counted bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(l.project_id, u.project_id), coalesce(l.admitted, 0),
	    coalesce(l.counted, 0), coalesce(u.admitted, 0),
	    coalesce(u.counted, 0)
	FROM (SELECT x.project_id, count(*) AS admitted,
		count(*) FILTER (WHERE x.month_counted) AS counted
	    FROM watchllm.ledger x
	    WHERE x.day >= p_month
		AND x.day < (p_month + interval '1 month')::date
	    GROUP BY x.project_id) l
	FULL JOIN (SELECT * FROM watchllm.usage_month m
	    WHERE m.month = p_month) u ON u.project_id = l.project_id
	WHERE coalesce(l.admitted, 0) <> coalesce(u.admitted, 0)
	    OR coalesce(l.counted, 0) <> coalesce(u.counted, 0)
$$;
COMMENT ON FUNCTION watchllm.ledger_check(date) IS
    'Projects whose monthly sums are not those of the ledger; no row when all is well.';
