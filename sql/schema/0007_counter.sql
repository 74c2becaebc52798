-- Counters in PostgreSQL, with the semantics of the script in Redis, and what
-- counters of either kind begin with.

CREATE TABLE watchllm.counter (
	project_id	text NOT NULL,
	scope		text NOT NULL DEFAULT '',
	kind		text NOT NULL CHECK (kind IN ('minute', 'month',
	    'tokens', 'day_nano', 'month_nano')),
	window_id	bigint NOT NULL,
	used		bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
	expires_ms	bigint NOT NULL,
	PRIMARY KEY (project_id, scope, kind, window_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX counter_expires ON watchllm.counter (expires_ms);
COMMENT ON TABLE watchllm.counter IS
    'Counters per window, used when counters = postgres.';
COMMENT ON COLUMN watchllm.counter.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.counter.scope IS
    'Empty: the whole project; else what is counted apart, for example key:ID.';
COMMENT ON COLUMN watchllm.counter.kind IS
    'minute and month: calls; tokens: tokens per minute; day_nano and month_nano: money.';
COMMENT ON COLUMN watchllm.counter.window_id IS
    'Minutes since the epoch, or YYYYMM, or YYYYMMDD.';
COMMENT ON COLUMN watchllm.counter.used IS
    'What was admitted in the window.';
COMMENT ON COLUMN watchllm.counter.expires_ms IS
    'Milliseconds since the epoch from when the row may go.';

CREATE TABLE watchllm.counter_call (
	project_id	text NOT NULL,
	scope		text NOT NULL DEFAULT '',
	admitted_ms	bigint NOT NULL,
	event_id	uuid NOT NULL,
	PRIMARY KEY (project_id, scope, admitted_ms, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX counter_call_admitted ON watchllm.counter_call (admitted_ms);
COMMENT ON TABLE watchllm.counter_call IS
    'Times of admitted calls for sliding windows, used when counters = postgres.';
COMMENT ON COLUMN watchllm.counter_call.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.counter_call.scope IS
    'As in counter.';
COMMENT ON COLUMN watchllm.counter_call.admitted_ms IS
    'When it was admitted, in milliseconds since the epoch.';
COMMENT ON COLUMN watchllm.counter_call.event_id IS
    'The call.';

CREATE TABLE watchllm.counter_lease (
	project_id	text NOT NULL,
	scope		text NOT NULL DEFAULT '',
	event_id	uuid NOT NULL,
	expires_ms	bigint NOT NULL,
	PRIMARY KEY (project_id, scope, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX counter_lease_expires ON watchllm.counter_lease (expires_ms);
COMMENT ON TABLE watchllm.counter_lease IS
    'Calls in flight, used when counters = postgres; a lease ends by itself should its worker die.';
COMMENT ON COLUMN watchllm.counter_lease.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.counter_lease.scope IS
    'As in counter.';
COMMENT ON COLUMN watchllm.counter_lease.event_id IS
    'The call.';
COMMENT ON COLUMN watchllm.counter_lease.expires_ms IS
    'When the lease ends, in milliseconds since the epoch.';

CREATE FUNCTION watchllm.counter_window(p_kind text, p_ms bigint)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
	WHEN p_kind IN ('minute', 'tokens') THEN p_ms / 60000
	WHEN p_kind IN ('month', 'month_nano') THEN
	    (EXTRACT(year FROM m) * 100 + EXTRACT(month FROM m))::bigint
	WHEN p_kind = 'day_nano' THEN (EXTRACT(year FROM m) * 10000
	    + EXTRACT(month FROM m) * 100 + EXTRACT(day FROM m))::bigint
	ELSE 0 END
	FROM (SELECT watchllm.from_ms(p_ms) AT TIME ZONE 'UTC' AS m) t
$$;
COMMENT ON FUNCTION watchllm.counter_window(text, bigint) IS
    'The window of a counter of this kind at a time.';

CREATE FUNCTION watchllm.counter_reset(p_kind text, p_ms bigint)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
	WHEN p_kind IN ('minute', 'tokens') THEN (p_ms / 60000 + 1) * 60
	WHEN p_kind IN ('month', 'month_nano') THEN EXTRACT(epoch FROM
	    (date_trunc('month', m) + interval '1 month')
	    AT TIME ZONE 'UTC')::bigint
	WHEN p_kind = 'day_nano' THEN EXTRACT(epoch FROM
	    (date_trunc('day', m) + interval '1 day')
	    AT TIME ZONE 'UTC')::bigint
	ELSE 0 END
	FROM (SELECT watchllm.from_ms(p_ms) AT TIME ZONE 'UTC' AS m) t
$$;
COMMENT ON FUNCTION watchllm.counter_reset(text, bigint) IS
    'When the window of a counter ends, in seconds since the epoch.';

CREATE FUNCTION watchllm.counter_expiry(p_kind text, p_ms bigint)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	-- one window longer, so that a late settlement still finds it
	SELECT watchllm.counter_reset(p_kind,
	    watchllm.counter_reset(p_kind, p_ms) * 1000) * 1000
$$;
COMMENT ON FUNCTION watchllm.counter_expiry(text, bigint) IS
    'When a counter of this time may go, in milliseconds since the epoch.';

-- What the ledger knows of the windows that are open at a time.
CREATE FUNCTION watchllm.counter_base(p_project text, p_now_ms bigint)
RETURNS TABLE (scope text, kind text, window_id bigint, used bigint,
    event_id uuid)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH t AS (
		SELECT watchllm.from_ms(p_now_ms) AS now,
		    watchllm.utc_month(watchllm.from_ms(p_now_ms)) AS month,
		    watchllm.utc_day(watchllm.from_ms(p_now_ms)) AS day
	), recent AS MATERIALIZED (
		SELECT l.*, watchllm.to_ms(l.admitted_at) AS ms
		FROM watchllm.ledger l, t
		WHERE l.project_id = p_project
		    AND l.admitted_at > t.now - interval '60 seconds'
		    AND l.day >= t.day - 1
	), scoped AS (
		SELECT '' AS scope, r.* FROM recent r
		UNION ALL
		SELECT 'key:' || r.api_key_id, r.* FROM recent r
		WHERE r.api_key_id IS NOT NULL
	), held AS (
		SELECT coalesce(sum(l.reserved_nano), 0)::bigint AS nano
		FROM watchllm.ledger l, t
		WHERE l.project_id = p_project AND l.state = 'open'
		    AND l.admitted_at > t.now - interval '1 day'
		    AND l.day >= t.day - 1
	)
	SELECT '', 'month', watchllm.counter_window('month', p_now_ms),
	    greatest(0, coalesce(max(u.counted + u.correction), 0)), NULL::uuid
	FROM watchllm.usage_month u, t
	WHERE u.project_id = p_project AND u.month = t.month
	UNION ALL
	SELECT 'key:' || k.api_key_id, 'month',
	    watchllm.counter_window('month', p_now_ms), k.counted, NULL
	FROM watchllm.usage_key_month k, t
	WHERE k.project_id = p_project AND k.month = t.month
	UNION ALL
	SELECT s.scope, 'minute', p_now_ms / 60000, count(*), NULL
	FROM scoped s
	WHERE s.minute_counted AND s.ms / 60000 = p_now_ms / 60000
	GROUP BY s.scope
	UNION ALL
	SELECT s.scope, 'tokens', p_now_ms / 60000,
	    sum(coalesce(s.tokens, s.reserved_tokens, 0))::bigint, NULL
	FROM scoped s
	WHERE s.ms / 60000 = p_now_ms / 60000
	GROUP BY s.scope
	UNION ALL
	SELECT s.scope, 'sliding', s.ms, 1, s.event_id
	FROM scoped s
	WHERE s.minute_counted AND s.ms > p_now_ms - 60000
	UNION ALL
	SELECT '', 'day_nano', watchllm.counter_window('day_nano', p_now_ms),
	    (SELECT coalesce(sum(d.cost_nano), 0)::bigint
		FROM watchllm.rollup_day d
		WHERE d.project_id = p_project AND d.day = t.day
		    AND d.requests > 0) + h.nano, NULL
	FROM t, held h
	UNION ALL
	SELECT '', 'month_nano',
	    watchllm.counter_window('month_nano', p_now_ms),
	    (SELECT coalesce(sum(u.cost_nano), 0)::bigint
		FROM watchllm.usage_month u
		WHERE u.project_id = p_project AND u.month = t.month)
	    + h.nano, NULL
	FROM t, held h
$$;
COMMENT ON FUNCTION watchllm.counter_base(text, bigint) IS
    'What counters must begin with, from the ledger: one row per counter; of sliding windows one row per call, its time in window_id.';

CREATE FUNCTION watchllm.counter_begin(p_project text, p_store text,
    p_now_ms bigint, p_hold_ms integer DEFAULT 1000)
RETURNS TABLE (generation text, scope text, kind text, window_id bigint,
    used bigint, event_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	v_month date := watchllm.utc_month(watchllm.from_ms(p_now_ms));
	v_now watchllm.counter_project;
	v_new text;
BEGIN
	IF p_store NOT IN ('pg', 'redis') THEN
		RAISE EXCEPTION 'unknown store of counters "%"', p_store;
	END IF;
	IF NOT EXISTS (SELECT FROM watchllm.project WHERE id = p_project) THEN
		RETURN;
	END IF;
	-- Whoever drains holds these rows until it commits: what it drains is
	-- either in the sums below, or sees the new generation.
	INSERT INTO watchllm.usage_month (project_id, month)
	SELECT p_project, (v_month + g * interval '1 month')::date
	FROM generate_series(-1, 1) g ORDER BY g
	ON CONFLICT DO NOTHING;
	PERFORM FROM watchllm.usage_month u
	WHERE u.project_id = p_project
	    AND u.month >= (v_month - interval '1 month')::date
	ORDER BY u.month FOR UPDATE;

	INSERT INTO watchllm.counter_project (project_id, generation)
	VALUES (p_project, '') ON CONFLICT DO NOTHING;
	SELECT c.* INTO v_now FROM watchllm.counter_project c
	WHERE c.project_id = p_project FOR UPDATE;
	IF p_store = 'pg' AND v_now.generation LIKE 'pg:%' THEN
		RETURN;		-- somebody else was first
	END IF;
	IF p_store = 'redis' AND v_now.generation LIKE 'redis:%'
	    AND v_now.began_at > clock_timestamp()
		- p_hold_ms * interval '1 millisecond' THEN
		RETURN;
	END IF;
	v_new := p_store || ':' || nextval('watchllm.version_seq');
	UPDATE watchllm.counter_project c
	SET generation = v_new, began_at = clock_timestamp()
	WHERE c.project_id = p_project;
	DELETE FROM watchllm.counter_fixup f WHERE f.project_id = p_project;
	DELETE FROM watchllm.counter c WHERE c.project_id = p_project;
	DELETE FROM watchllm.counter_call c WHERE c.project_id = p_project;
	IF p_store = 'pg' THEN
		INSERT INTO watchllm.counter (project_id, scope, kind,
		    window_id, used, expires_ms)
		SELECT p_project, b.scope, b.kind, b.window_id, b.used,
		    watchllm.counter_expiry(b.kind, p_now_ms)
		FROM watchllm.counter_base(p_project, p_now_ms) b
		WHERE b.kind <> 'sliding';
		INSERT INTO watchllm.counter_call (project_id, scope,
		    admitted_ms, event_id)
		SELECT p_project, b.scope, b.window_id, b.event_id
		FROM watchllm.counter_base(p_project, p_now_ms) b
		WHERE b.kind = 'sliding';
	END IF;
	RETURN QUERY SELECT v_new, b.scope, b.kind, b.window_id, b.used,
	    b.event_id
	FROM watchllm.counter_base(p_project, p_now_ms) b;
END
$$;
COMMENT ON FUNCTION watchllm.counter_begin(text, text, bigint, integer) IS
    'Begin a new generation of a project''s counters in a store (redis or pg) and return what it begins with. No row: another began less than P_HOLD_MS ago, ask the store again.';

-- One call, one decision, all or nothing.  All calls of a project pass one
-- row lock; every statement after it sees what the calls before committed.
CREATE FUNCTION watchllm.admit(p_project text, p_version bigint,
    p_now_ms bigint, p_event uuid, p_scope text[], p_kind text[],
    p_limit bigint[], p_amount bigint[], p_lease_ms bigint DEFAULT 0,
    p_dry boolean DEFAULT false)
RETURNS TABLE (item integer, ok boolean, used bigint, remaining bigint,
    reset_at bigint, retry_ms bigint, decision text, version bigint,
    generation text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	n CONSTANT integer := coalesce(array_length(p_kind, 1), 0);
	v_used bigint[] := array_fill(0::bigint, ARRAY[n]);
	v_good boolean[] := array_fill(true, ARRAY[n]);
	v_all boolean := true;
	v_version bigint;
	v_gen text;
	v_at bigint;
	i integer;
BEGIN
	IF n = 0 OR n <> coalesce(array_length(p_scope, 1), 0)
	    OR n <> coalesce(array_length(p_limit, 1), 0)
	    OR n <> coalesce(array_length(p_amount, 1), 0) THEN
		RAISE EXCEPTION 'admit: the arrays differ in length';
	END IF;
	SELECT c.generation INTO v_gen FROM watchllm.counter_project c
	WHERE c.project_id = p_project;
	IF NOT p_dry THEN
		-- the rows of the ledger are locked before the counters' row
		IF v_gen IS NULL OR v_gen NOT LIKE 'pg:%' THEN
			PERFORM watchllm.counter_begin(p_project, 'pg',
			    p_now_ms);
		END IF;
		SELECT c.generation INTO v_gen
		FROM watchllm.counter_project c
		WHERE c.project_id = p_project FOR UPDATE;
	END IF;
	SELECT p.version INTO v_version FROM watchllm.project p
	WHERE p.id = p_project;
	version := v_version;
	generation := v_gen;
	IF v_version IS DISTINCT FROM p_version
	    OR (NOT p_dry AND v_gen NOT LIKE 'pg:%') THEN
		item := 0;
		ok := false;
		decision := 'stale';
		RETURN NEXT;
		RETURN;
	END IF;

	FOR i IN 1..n LOOP
		CASE p_kind[i]
		WHEN 'sliding' THEN
			IF NOT p_dry THEN
				DELETE FROM watchllm.counter_call c
				WHERE c.project_id = p_project
				    AND c.scope = p_scope[i]
				    AND c.admitted_ms <= p_now_ms - 60000;
			END IF;
			v_used[i] := (SELECT count(*)
			FROM watchllm.counter_call c
			WHERE c.project_id = p_project AND c.scope = p_scope[i]
			    AND c.admitted_ms > p_now_ms - 60000);
		WHEN 'concurrent' THEN
			IF NOT p_dry THEN
				DELETE FROM watchllm.counter_lease c
				WHERE c.project_id = p_project
				    AND c.scope = p_scope[i]
				    AND c.expires_ms <= p_now_ms;
			END IF;
			v_used[i] := (SELECT count(*)
			FROM watchllm.counter_lease c
			WHERE c.project_id = p_project AND c.scope = p_scope[i]
			    AND c.expires_ms > p_now_ms);
		ELSE
			v_used[i] := (SELECT c.used FROM watchllm.counter c
			WHERE c.project_id = p_project
			    AND c.scope = p_scope[i] AND c.kind = p_kind[i]
			    AND c.window_id = watchllm.counter_window(
				p_kind[i], p_now_ms));
			v_used[i] := coalesce(v_used[i], 0);
		END CASE;
		v_good[i] := p_limit[i] IS NULL
		    OR v_used[i] + p_amount[i] <= p_limit[i];
		v_all := v_all AND v_good[i];
	END LOOP;

	IF v_all AND NOT p_dry THEN
		FOR i IN 1..n LOOP
			CASE p_kind[i]
			WHEN 'sliding' THEN
				INSERT INTO watchllm.counter_call (project_id,
				    scope, admitted_ms, event_id)
				VALUES (p_project, p_scope[i], p_now_ms,
				    p_event);
			WHEN 'concurrent' THEN
				INSERT INTO watchllm.counter_lease (project_id,
				    scope, event_id, expires_ms)
				VALUES (p_project, p_scope[i], p_event,
				    p_now_ms + p_lease_ms);
			ELSE
				INSERT INTO watchllm.counter AS c (project_id,
				    scope, kind, window_id, used, expires_ms)
				VALUES (p_project, p_scope[i], p_kind[i],
				    watchllm.counter_window(p_kind[i],
					p_now_ms), p_amount[i],
				    watchllm.counter_expiry(p_kind[i],
					p_now_ms))
				ON CONFLICT (project_id, scope, kind,
				    window_id)
				DO UPDATE SET used = c.used + EXCLUDED.used;
			END CASE;
			v_used[i] := v_used[i] + p_amount[i];
		END LOOP;
	END IF;

	FOR i IN 1..n LOOP
		item := i;
		ok := v_good[i];
		used := v_used[i];
		remaining := greatest(0, p_limit[i] - v_used[i]);
		decision := CASE WHEN v_all THEN 'ok' ELSE 'refused' END;
		CASE p_kind[i]
		WHEN 'sliding' THEN
			-- the moment at which one more would be admitted
			v_at := p_now_ms;
			IF p_limit[i] = 0 THEN
				v_at := p_now_ms + 60000;
			ELSIF v_used[i] >= p_limit[i] THEN
				SELECT c.admitted_ms + 60000 INTO v_at
				FROM watchllm.counter_call c
				WHERE c.project_id = p_project
				    AND c.scope = p_scope[i]
				    AND c.admitted_ms > p_now_ms - 60000
				ORDER BY c.admitted_ms
				OFFSET v_used[i] - p_limit[i] LIMIT 1;
			END IF;
			reset_at := (v_at + 999) / 1000;
			retry_ms := v_at - p_now_ms;
		WHEN 'concurrent' THEN
			reset_at := p_now_ms / 1000 + 1;
			retry_ms := 1000;
		ELSE
			reset_at := watchllm.counter_reset(p_kind[i],
			    p_now_ms);
			retry_ms := reset_at * 1000 - p_now_ms;
		END CASE;
		IF v_good[i] THEN
			retry_ms := 0;
		END IF;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION watchllm.admit(text, bigint, bigint, uuid, text[], text[], bigint[], bigint[], bigint, boolean) IS
    'Decide on a call, all limits or none. One row per limit, in their order: decision is ok or refused (the first row that is not ok says why); or one row stale, nothing debited, when the version differs. A null limit is only counted. P_DRY changes nothing.';

CREATE FUNCTION watchllm.settle(p_project text, p_now_ms bigint,
    p_event uuid, p_generation text, p_scope text[], p_kind text[],
    p_window bigint[], p_delta bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	n integer := 0;
	v_gen text;
	k integer;
	i integer;
BEGIN
	SELECT c.generation INTO v_gen FROM watchllm.counter_project c
	WHERE c.project_id = p_project FOR UPDATE;
	DELETE FROM watchllm.counter_lease c
	WHERE c.project_id = p_project AND c.event_id = p_event;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF v_gen IS DISTINCT FROM p_generation THEN
		RETURN n;	-- the drain settles with the new generation
	END IF;
	FOR i IN 1..coalesce(array_length(p_kind, 1), 0) LOOP
		IF p_kind[i] = 'sliding' AND p_delta[i] < 0 THEN
			DELETE FROM watchllm.counter_call c
			WHERE c.project_id = p_project
			    AND c.scope = p_scope[i] AND c.event_id = p_event;
		ELSIF p_kind[i] NOT IN ('sliding', 'concurrent') THEN
			UPDATE watchllm.counter c
			SET used = greatest(0, c.used + p_delta[i])
			WHERE c.project_id = p_project
			    AND c.scope = p_scope[i] AND c.kind = p_kind[i]
			    AND c.window_id = coalesce(p_window[i],
				watchllm.counter_window(p_kind[i], p_now_ms));
		ELSE
			CONTINUE;
		END IF;
		GET DIAGNOSTICS k = ROW_COUNT;
		n := n + k;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION watchllm.settle(text, bigint, uuid, text, text[], text[], bigint[], bigint[]) IS
    'Release the leases of a call and add differences (refunds below zero) to counters that still exist, never below zero; a null window is the present one. Returns the rows touched. Differences are ignored when the generation that admitted the call is over.';

CREATE FUNCTION watchllm.usage_set(p_project text, p_now_ms bigint,
    p_used bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_month date := watchllm.utc_month(watchllm.from_ms(p_now_ms));
	v_before bigint;
BEGIN
	IF p_used < 0 THEN
		RAISE EXCEPTION 'usage cannot be below zero';
	END IF;
	INSERT INTO watchllm.usage_month (project_id, month)
	SELECT id, v_month FROM watchllm.project WHERE id = p_project
	ON CONFLICT DO NOTHING;
	SELECT greatest(0, counted + correction) INTO v_before
	FROM watchllm.usage_month
	WHERE project_id = p_project AND month = v_month FOR UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	UPDATE watchllm.usage_month
	SET correction = p_used - counted, updated_at = clock_timestamp()
	WHERE project_id = p_project AND month = v_month;
	PERFORM FROM watchllm.counter_project
	WHERE project_id = p_project FOR UPDATE;
	UPDATE watchllm.counter SET used = p_used
	WHERE project_id = p_project AND scope = '' AND kind = 'month'
	    AND window_id = watchllm.counter_window('month', p_now_ms);
	INSERT INTO watchllm.audit_log (actor, project_id, action, target,
	    before, after) VALUES (
	    coalesce(nullif(current_setting('watchllm.actor', true), ''),
		session_user::text), p_project, 'usage.set', p_project,
	    jsonb_build_object('month', v_month, 'used', v_before),
	    jsonb_build_object('month', v_month, 'used', p_used));
	RETURN v_before;
END
$$;
COMMENT ON FUNCTION watchllm.usage_set(text, bigint, bigint) IS
    'Set what a project has used of its month, lastingly; returns what it was, null when there is no such project. With counters in Redis the caller sets them too.';

CREATE FUNCTION watchllm.counter_clear(p_project text, p_now_ms bigint)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM watchllm.usage_set(p_project, p_now_ms, 0);
	UPDATE watchllm.counter SET used = 0
	WHERE project_id = p_project AND kind IN ('minute', 'tokens', 'month');
	DELETE FROM watchllm.counter_call WHERE project_id = p_project;
END
$$;
COMMENT ON FUNCTION watchllm.counter_clear(text, bigint) IS
    'Set a project''s minute and month to nothing used.';

CREATE FUNCTION watchllm.counter_purge(p_now_ms bigint,
    p_max integer DEFAULT 10000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
	total bigint := 0;
BEGIN
	DELETE FROM watchllm.counter WHERE ctid = ANY (ARRAY(
	    SELECT c.ctid FROM watchllm.counter c
	    WHERE c.expires_ms <= p_now_ms
	    LIMIT p_max FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	DELETE FROM watchllm.counter_call WHERE ctid = ANY (ARRAY(
	    SELECT c.ctid FROM watchllm.counter_call c
	    WHERE c.admitted_ms <= p_now_ms - 120000
	    LIMIT p_max FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	DELETE FROM watchllm.counter_lease WHERE ctid = ANY (ARRAY(
	    SELECT c.ctid FROM watchllm.counter_lease c
	    WHERE c.expires_ms <= p_now_ms
	    LIMIT p_max FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN total + n;
END
$$;
COMMENT ON FUNCTION watchllm.counter_purge(bigint, integer) IS
    'Remove counters, calls and leases that are over, at most P_MAX of each; returns how many went.';
