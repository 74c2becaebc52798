-- What an operator sets holds: calls that were admitted before, and are drained
-- or settled after, change nothing of it.

ALTER TABLE watchllm.usage_month ADD COLUMN set_at timestamptz;
COMMENT ON COLUMN watchllm.usage_month.set_at IS
    'When an operator set it last; calls that were admitted before are in what was set.';

-- The drain counts each call when it comes to the ledger, and takes it back
-- when the month gets it back.  For calls of before the setting the correction
-- takes the same step the other way.
CREATE FUNCTION watchllm.ledger_drained() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE watchllm.usage_month u
	SET correction = u.correction - d.n
	FROM (SELECT f.project_id, m.month, count(*) AS n
		FROM fresh f
		JOIN watchllm.usage_month m ON m.project_id = f.project_id
		    AND m.month = watchllm.utc_month(f.admitted_at)
		    AND m.set_at > f.admitted_at
		WHERE f.month_counted
		GROUP BY f.project_id, m.month) d
	WHERE u.project_id = d.project_id AND u.month = d.month;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION watchllm.ledger_drained() IS
    'Of calls that are new in the ledger, those admitted before their month was set count nothing.';

CREATE FUNCTION watchllm.ledger_settled() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE watchllm.usage_month u
	SET correction = u.correction - d.n
	FROM (SELECT f.project_id, m.month,
		sum(f.month_counted::integer - b.month_counted::integer) AS n
		FROM fresh f
		JOIN before b ON b.day = f.day AND b.project_id = f.project_id
		    AND b.event_id = f.event_id
		JOIN watchllm.usage_month m ON m.project_id = f.project_id
		    AND m.month = watchllm.utc_month(f.admitted_at)
		    AND m.set_at > f.admitted_at
		WHERE f.month_counted <> b.month_counted
		GROUP BY f.project_id, m.month) d
	WHERE u.project_id = d.project_id AND u.month = d.month;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION watchllm.ledger_settled() IS
    'The same for calls of the ledger that have come to their end.';

CREATE TRIGGER ledger_drained AFTER INSERT ON watchllm.ledger
REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION watchllm.ledger_drained();

CREATE TRIGGER ledger_settled AFTER UPDATE ON watchllm.ledger
REFERENCING OLD TABLE AS before NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION watchllm.ledger_settled();

-- Counters here give nothing back of what was set since the admission.
CREATE OR REPLACE FUNCTION watchllm.settle(p_project text, p_now_ms bigint,
    p_event uuid, p_generation text, p_scope text[], p_kind text[],
    p_window bigint[], p_delta bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	n integer := 0;
	v_gen text;
	v_set boolean;
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
	v_set := EXISTS (SELECT FROM watchllm.usage_month u
	    WHERE u.project_id = p_project
		AND u.month = watchllm.utc_month(watchllm.from_ms(p_now_ms))
		AND u.set_at > watchllm.from_ms(p_now_ms));
	FOR i IN 1..coalesce(array_length(p_kind, 1), 0) LOOP
		IF p_kind[i] = 'sliding' AND p_delta[i] < 0 THEN
			DELETE FROM watchllm.counter_call c
			WHERE c.project_id = p_project
			    AND c.scope = p_scope[i] AND c.event_id = p_event;
		ELSIF p_kind[i] = 'month' AND p_scope[i] = '' AND v_set THEN
			CONTINUE;
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

CREATE OR REPLACE FUNCTION watchllm.usage_set(p_project text,
    p_now_ms bigint, p_used bigint) RETURNS bigint
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
	SET correction = p_used - counted, updated_at = clock_timestamp(),
	    set_at = watchllm.from_ms(p_now_ms)
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

CREATE FUNCTION watchllm.usage_add(p_project text, p_now_ms bigint,
    p_calls bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_month date := watchllm.utc_month(watchllm.from_ms(p_now_ms));
	v_after bigint;
	v_kind text;
BEGIN
	INSERT INTO watchllm.usage_month (project_id, month)
	SELECT id, v_month FROM watchllm.project WHERE id = p_project
	ON CONFLICT DO NOTHING;
	UPDATE watchllm.usage_month
	SET correction = correction + p_calls, updated_at = clock_timestamp()
	WHERE project_id = p_project AND month = v_month
	RETURNING greatest(0, counted + correction) INTO v_after;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	PERFORM FROM watchllm.counter_project
	WHERE project_id = p_project AND generation LIKE 'pg:%' FOR UPDATE;
	IF FOUND THEN
		FOREACH v_kind IN ARRAY ARRAY['minute', 'month'] LOOP
			INSERT INTO watchllm.counter AS c (project_id, scope,
			    kind, window_id, used, expires_ms)
			VALUES (p_project, '', v_kind,
			    watchllm.counter_window(v_kind, p_now_ms),
			    CASE v_kind WHEN 'month' THEN v_after
				ELSE p_calls END,
			    watchllm.counter_expiry(v_kind, p_now_ms))
			ON CONFLICT (project_id, scope, kind, window_id)
			DO UPDATE SET used = c.used + p_calls;
		END LOOP;
		-- more of them than any limit of a minute are of no use
		INSERT INTO watchllm.counter_call (project_id, scope,
		    admitted_ms, event_id)
		SELECT p_project, '', p_now_ms, gen_random_uuid()
		FROM generate_series(1, least(p_calls, 100000));
	END IF;
	INSERT INTO watchllm.audit_log (actor, project_id, action, target,
	    before, after) VALUES (
	    coalesce(nullif(current_setting('watchllm.actor', true), ''),
		session_user::text), p_project, 'usage.add', p_project,
	    jsonb_build_object('month', v_month, 'used', v_after - p_calls),
	    jsonb_build_object('month', v_month, 'used', v_after));
	RETURN v_after;
END
$$;
COMMENT ON FUNCTION watchllm.usage_add(text, bigint, bigint) IS
    'Add calls to what a project has used of its month, and of its minute where counters are kept here; returns what that makes of the month, null when there is no such project. With counters in Redis the caller adds them there too.';

DO $$
BEGIN
	PERFORM watchllm.apply_privileges();
END
$$;
