-- Limits in full: tokens and money, by project, key, end user, model and tag;
-- what they begin with from the ledger, and what the drain adds to them.

ALTER TABLE watchllm.plan
    ADD COLUMN on_overrun text NOT NULL DEFAULT 'allow'
	CHECK (on_overrun IN ('allow', 'stop', 'warn'));
COMMENT ON COLUMN watchllm.plan.on_overrun IS
    'What becomes of a stream that uses more than was reserved for it: allow, warn (flagged on its event) or stop (it ends with an error event).';

CREATE TABLE watchllm.limit_rule (
	project_id	text NOT NULL
	    REFERENCES watchllm.project (id),
	id		text NOT NULL DEFAULT watchllm.new_id()
	    CHECK (id ~ '^[0-9a-z]{1,32}$'),
	subject		text NOT NULL CHECK (subject IN ('key', 'model',
	    'project', 'tag', 'user')),
	pattern		text NOT NULL DEFAULT '*'
	    CHECK (length(pattern) BETWEEN 1 AND 256),
	unit		text NOT NULL CHECK (unit IN ('minute', 'month',
	    'concurrent', 'tokens', 'day_nano', 'month_nano')),
	amount		bigint NOT NULL CHECK (amount >= 0),
	shadow		boolean NOT NULL DEFAULT false,
	created_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id),
	UNIQUE (project_id, subject, pattern, unit)
);
COMMENT ON TABLE watchllm.limit_rule IS
    'Limits of a project beside those of its plan and keys; all that match a call hold, so the tightest decides.';
COMMENT ON COLUMN watchllm.limit_rule.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.limit_rule.id IS
    'Identifier of the rule within its project.';
COMMENT ON COLUMN watchllm.limit_rule.subject IS
    'What the pattern is compared with: key (its id), model (as asked), project (always), tag, user (the end user).';
COMMENT ON COLUMN watchllm.limit_rule.pattern IS
    '*: each value is counted apart; text*: all that begin with it, together; else this value.';
COMMENT ON COLUMN watchllm.limit_rule.unit IS
    'minute and month: calls; concurrent: calls in flight; tokens: per minute; day_nano and month_nano: money per UTC day and month.';
COMMENT ON COLUMN watchllm.limit_rule.amount IS
    'The most that is allowed: calls, tokens or nano-dollars.';
COMMENT ON COLUMN watchllm.limit_rule.shadow IS
    'Decided and counted, but nothing is refused.';
COMMENT ON COLUMN watchllm.limit_rule.created_at IS
    'When the rule was made.';
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON watchllm.limit_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.bump_project();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.limit_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();

CREATE FUNCTION watchllm.limit_rule_most() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- one at a time, or two would both be the last that is allowed
	PERFORM FROM watchllm.project WHERE id = NEW.project_id FOR UPDATE;
	IF (SELECT count(*) FROM watchllm.limit_rule r
	    WHERE r.project_id = NEW.project_id) >= 64 THEN
		RAISE EXCEPTION 'a project has at most 64 limit rules'
		    USING ERRCODE = 'check_violation';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION watchllm.limit_rule_most() IS
    'Refuse more rules than a worker looks at for each call.';
CREATE TRIGGER most BEFORE INSERT ON watchllm.limit_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.limit_rule_most();

CREATE FUNCTION watchllm.limit_rules(p_project text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT json_agg(json_build_array(r.id, r.subject, r.pattern, r.unit,
	    r.amount, r.shadow) ORDER BY r.id)::text
	FROM watchllm.limit_rule r WHERE r.project_id = p_project
$$;
COMMENT ON FUNCTION watchllm.limit_rules(text) IS
    'All limit rules of a project as JSON, an array of id, subject, pattern, unit, amount, shadow for each; null: it has none.';

CREATE TABLE watchllm.usage_window (
	project_id	text NOT NULL,
	scope		text NOT NULL DEFAULT '',
	kind		text NOT NULL CHECK (kind IN ('month', 'day_nano',
	    'month_nano')),
	window_id	bigint NOT NULL,
	used		bigint NOT NULL DEFAULT 0,
	correction	bigint NOT NULL DEFAULT 0,
	updated_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, scope, kind, window_id)
) WITH (fillfactor = 50);
CREATE INDEX usage_window_old ON watchllm.usage_window (kind, window_id);
COMMENT ON TABLE watchllm.usage_window IS
    'Sums of the ledger that budgets and limit rules are rebuilt from. Used = used + correction.';
COMMENT ON COLUMN watchllm.usage_window.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.usage_window.scope IS
    'As in counter: empty, key:ID, or that of a limit rule.';
COMMENT ON COLUMN watchllm.usage_window.kind IS
    'As in counter.';
COMMENT ON COLUMN watchllm.usage_window.window_id IS
    'As in counter.';
COMMENT ON COLUMN watchllm.usage_window.used IS
    'Calls, or nano-dollars as budgets see them.';
COMMENT ON COLUMN watchllm.usage_window.correction IS
    'What an operator added or took away.';
COMMENT ON COLUMN watchllm.usage_window.updated_at IS
    'When the row last changed.';
INSERT INTO watchllm.usage_window (project_id, scope, kind, window_id, used)
SELECT l.project_id, s.scope, k.kind,
    watchllm.counter_window(k.kind, watchllm.to_ms(l.admitted_at)),
    sum(l.cost_nano)
FROM watchllm.ledger l,
    LATERAL (VALUES (''), ('key:' || l.api_key_id)) s (scope),
    (VALUES ('day_nano'), ('month_nano')) k (kind)
WHERE l.cost_nano > 0 AND s.scope IS NOT NULL
    AND l.day >= watchllm.utc_month(now())
GROUP BY 1, 2, 3, 4;

ALTER TABLE watchllm.ledger ADD COLUMN limit_scopes text[];
COMMENT ON COLUMN watchllm.ledger.limit_scopes IS
    'Limit rules that counted the call.';
ALTER TABLE watchllm.stage_row
    ADD COLUMN budget_nano bigint,
    ADD COLUMN limit_scopes text[];
COMMENT ON COLUMN watchllm.stage_row.budget_nano IS
    'Nano-dollars as budgets see them, where that is not the cost.';
COMMENT ON COLUMN watchllm.stage_row.limit_scopes IS
    'Limit rules that counted the call.';
COMMENT ON COLUMN watchllm.ledger.reserved_nano IS
    'Nano-dollars that budgets held for it at admission.';
ALTER TABLE watchllm.counter_project ADD COLUMN version bigint;
COMMENT ON COLUMN watchllm.counter_project.version IS
    'Version of the project when the generation began: what was not counted before may be counted since.';
ALTER TABLE watchllm.counter_fixup
    ADD COLUMN scope text,
    ADD COLUMN tokens_n bigint NOT NULL DEFAULT 0,
    ADD COLUMN nano_n bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN watchllm.counter_fixup.scope IS
    'Of a limit rule, whose calls are month_n and whose money is nano_n; null: of the project and the key.';
COMMENT ON COLUMN watchllm.counter_fixup.tokens_n IS
    'To be added to the tokens of the minute.';
COMMENT ON COLUMN watchllm.counter_fixup.nano_n IS
    'To be added to the money of day and month.';

CREATE FUNCTION watchllm.rule_kind(p_scope text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE left(p_scope, 2) WHEN 'm:' THEN 'minute'
	    WHEN 'q:' THEN 'month' WHEN 't:' THEN 'tokens'
	    WHEN 'd:' THEN 'day_nano' WHEN 'b:' THEN 'month_nano'
	    WHEN 'c:' THEN 'concurrent' END
$$;
COMMENT ON FUNCTION watchllm.rule_kind(text) IS
    'What the limit rule of a scope counts: the first letter of a scope tells.';

CREATE OR REPLACE FUNCTION watchllm.counter_base(p_project text, p_now_ms bigint)
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
	), opened AS MATERIALIZED (
		SELECT l.api_key_id, l.limit_scopes, l.reserved_nano AS nano,
		    watchllm.to_ms(l.admitted_at) AS ms
		FROM watchllm.ledger l, t
		WHERE l.project_id = p_project AND l.state = 'open'
		    AND l.reserved_nano > 0
		    AND l.admitted_at > t.now - interval '1 day'
		    AND l.day >= t.day - 1
	), money AS (
		SELECT u.scope, u.kind, u.used + u.correction AS nano
		FROM watchllm.usage_window u
		WHERE u.project_id = p_project
		    AND u.kind IN ('day_nano', 'month_nano')
		    AND u.window_id = watchllm.counter_window(u.kind, p_now_ms)
		UNION ALL
		SELECT s.scope, k.kind, o.nano
		FROM opened o, LATERAL (VALUES (''), ('key:' || o.api_key_id))
		    s (scope), (VALUES ('day_nano'), ('month_nano')) k (kind)
		WHERE s.scope IS NOT NULL
		    AND watchllm.counter_window(k.kind, o.ms)
			= watchllm.counter_window(k.kind, p_now_ms)
		UNION ALL
		SELECT s.scope, watchllm.rule_kind(s.scope), o.nano
		FROM opened o, LATERAL unnest(o.limit_scopes) s (scope)
		WHERE watchllm.rule_kind(s.scope) IN ('day_nano', 'month_nano')
		    AND watchllm.counter_window(watchllm.rule_kind(s.scope),
			o.ms) = watchllm.counter_window(
			watchllm.rule_kind(s.scope), p_now_ms)
		UNION ALL
		-- those that nothing was used of begin with nothing
		SELECT s.scope, k.kind, 0
		FROM (SELECT '' AS scope UNION ALL
		    SELECT 'key:' || a.id FROM watchllm.api_key a
		    WHERE a.project_id = p_project AND a.revoked_at IS NULL) s,
		    (VALUES ('day_nano'), ('month_nano')) k (kind)
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
	SELECT s.scope, watchllm.rule_kind(s.scope), p_now_ms / 60000,
	    CASE watchllm.rule_kind(s.scope) WHEN 'minute' THEN count(*)
		ELSE sum(coalesce(r.tokens, r.reserved_tokens, 0))::bigint END,
	    NULL
	FROM recent r, LATERAL unnest(r.limit_scopes) s (scope)
	WHERE watchllm.rule_kind(s.scope) IN ('minute', 'tokens')
	    AND r.ms / 60000 = p_now_ms / 60000
	GROUP BY s.scope
	UNION ALL
	-- more than these only begin anew when data was lost
	SELECT * FROM (
		SELECT u.scope, u.kind, u.window_id,
		    greatest(0, u.used + u.correction), NULL::uuid
		FROM watchllm.usage_window u
		WHERE u.project_id = p_project AND u.kind = 'month'
		    AND u.window_id = watchllm.counter_window('month', p_now_ms)
		ORDER BY u.used DESC LIMIT 5000
	) calls
	UNION ALL
	SELECT * FROM (
		SELECT m.scope, m.kind,
		    watchllm.counter_window(m.kind, p_now_ms),
		    greatest(0, sum(m.nano))::bigint, NULL::uuid
		FROM money m GROUP BY m.scope, m.kind
		ORDER BY m.scope = '' DESC, m.scope LIKE 'key:%' DESC,
		    sum(m.nano) DESC LIMIT 10000
	) sums
$$;

CREATE OR REPLACE FUNCTION watchllm.counter_begin(p_project text, p_store text,
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
	v_version bigint;
	v_new text;
BEGIN
	IF p_store NOT IN ('pg', 'redis') THEN
		RAISE EXCEPTION 'unknown store of counters "%"', p_store;
	END IF;
	SELECT p.version INTO v_version FROM watchllm.project p
	WHERE p.id = p_project;
	IF NOT FOUND THEN
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
	SET generation = v_new, began_at = clock_timestamp(),
	    version = v_version
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

CREATE OR REPLACE FUNCTION watchllm.admit(p_project text, p_version bigint,
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
	v_counted bigint;
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
		SELECT c.generation, c.version INTO v_gen, v_counted
		FROM watchllm.counter_project c
		WHERE c.project_id = p_project FOR UPDATE;
		-- what lasts, and may be counted since a later version only
		IF (v_counted IS NULL OR v_counted < p_version)
		    AND v_gen LIKE 'pg:%' AND (
			p_kind && ARRAY['day_nano', 'month_nano']
			OR EXISTS (SELECT FROM unnest(p_scope, p_kind)
			    q (s, k) WHERE q.s <> '' AND q.k = 'month')) THEN
			INSERT INTO watchllm.counter AS c (project_id, scope,
			    kind, window_id, used, expires_ms)
			SELECT p_project, b.scope, b.kind, b.window_id, b.used,
			    watchllm.counter_expiry(b.kind, p_now_ms)
			FROM watchllm.counter_base(p_project, p_now_ms) b
			WHERE b.kind IN ('day_nano', 'month_nano')
			    OR (b.kind = 'month' AND b.scope <> '')
			ON CONFLICT (project_id, scope, kind, window_id)
			DO UPDATE SET used = greatest(c.used, EXCLUDED.used);
			UPDATE watchllm.counter_project c
			SET version = p_version
			WHERE c.project_id = p_project;
		END IF;
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
		ELSIF p_kind[i] = 'tokens' AND p_delta[i] > 0 THEN
			-- what goes beyond the reservation: this minute pays
			INSERT INTO watchllm.counter AS c (project_id, scope,
			    kind, window_id, used, expires_ms)
			VALUES (p_project, p_scope[i], 'tokens',
			    p_window[i], p_delta[i], watchllm.counter_expiry(
				'tokens', p_window[i] * 60000))
			ON CONFLICT (project_id, scope, kind, window_id)
			DO UPDATE SET used = c.used + EXCLUDED.used;
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

DROP FUNCTION watchllm.counter_add(text, text, bigint, bigint, bigint, text);
CREATE FUNCTION watchllm.counter_add(p_project text, p_scope text,
    p_kind text, p_minute bigint, p_n bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM watchllm.counter_project c
	WHERE c.project_id = p_project FOR UPDATE;
	IF p_n > 0 THEN
		INSERT INTO watchllm.counter AS c (project_id, scope, kind,
		    window_id, used, expires_ms)
		VALUES (p_project, p_scope, p_kind,
		    watchllm.counter_window(p_kind, p_minute * 60000), p_n,
		    watchllm.counter_expiry(p_kind, p_minute * 60000))
		ON CONFLICT (project_id, scope, kind, window_id)
		    DO UPDATE SET used = c.used + EXCLUDED.used;
	ELSIF p_n < 0 THEN
		UPDATE watchllm.counter c SET used = greatest(0, c.used + p_n)
		WHERE c.project_id = p_project AND c.scope = p_scope
		    AND c.kind = p_kind AND c.window_id =
		    watchllm.counter_window(p_kind, p_minute * 60000);
	END IF;
END
$$;
COMMENT ON FUNCTION watchllm.counter_add(text, text, text, bigint, bigint) IS
    'Add to a counter in PostgreSQL, whatever its limit, never below zero.';

CREATE FUNCTION watchllm.counter_add_calls(p_project text, p_scope text,
    p_calls text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO watchllm.counter_call (project_id, scope, admitted_ms,
	    event_id)
	SELECT p_project, p_scope, split_part(x, ' ', 1)::bigint,
	    split_part(x, ' ', 2)::uuid
	FROM unnest(string_to_array(nullif(p_calls, ''), ',')) x
	ON CONFLICT DO NOTHING
$$;
COMMENT ON FUNCTION watchllm.counter_add_calls(text, text, text) IS
    'Add calls to a sliding window in PostgreSQL, given as in counter_fixup.';

-- What drain_call rows did to the sums, for budgets and limit rules.
CREATE FUNCTION watchllm.drain_windows() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
	INSERT INTO watchllm.usage_window AS u (project_id, scope, kind,
	    window_id, used)
	SELECT t.project_id, t.scope, t.kind,
	    watchllm.counter_window(t.kind, t.ms), sum(t.n)
	FROM (
		SELECT c.project_id, x.scope, k.kind,
		    c.minute * 60000 AS ms,
		    coalesce(s.budget_nano, s.cost_nano) AS n
		FROM pg_temp.drain_call c JOIN pg_temp.stage s ON s.n = c.n,
		    LATERAL (VALUES (''), ('key:' || s.api_key_id)) x (scope),
		    (VALUES ('day_nano'), ('month_nano')) k (kind)
		WHERE c.ends AND c.fate IS NOT NULL AND x.scope IS NOT NULL
		    AND s.usage_counted IS NOT FALSE
		UNION ALL
		SELECT c.project_id, x.scope, watchllm.rule_kind(x.scope),
		    c.minute * 60000,
		    CASE WHEN watchllm.rule_kind(x.scope) = 'month'
			THEN c.month_counted::integer
			    - (c.fate = 'settled')::integer
		    WHEN c.ends AND s.usage_counted IS NOT FALSE
			THEN coalesce(s.budget_nano, s.cost_nano) END
		FROM pg_temp.drain_call c JOIN pg_temp.stage s ON s.n = c.n,
		    LATERAL unnest(s.limit_scopes) x (scope)
		WHERE c.fate IS NOT NULL AND watchllm.rule_kind(x.scope)
		    IN ('month', 'day_nano', 'month_nano')
	) t
	WHERE t.n <> 0
	GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
	ON CONFLICT (project_id, scope, kind, window_id) DO UPDATE SET
	    used = u.used + EXCLUDED.used, updated_at = clock_timestamp();
END
$$;
COMMENT ON FUNCTION watchllm.drain_windows() IS
    'Part of drain_run: add what is new to the sums of budgets and limit rules.';

-- Calls that the present generation of counters does not know.
CREATE OR REPLACE FUNCTION watchllm.drain_counters(p_host text,
    p_batch bigint, p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
	v_scope text;
	v_total bigint := 0;
BEGIN
	PERFORM watchllm.drain_windows();
	FOR r IN
		WITH missed AS (
			SELECT c.project_id, s.api_key_id, p.generation,
			    c.month, c.minute, s.limit_scopes, c.event_id,
			    c.fate, c.minute_counted, s.admitted_at,
			    c.month_counted::integer
				- (c.fate = 'settled')::integer AS month_n,
			    c.minute_counted::integer
				- (c.fate = 'settled')::integer AS minute_n,
			    CASE WHEN s.reserved_tokens IS NULL THEN 0
			    WHEN NOT c.ends THEN s.reserved_tokens
			    ELSE watchllm.sum_tokens(s.usage_counted,
				s.tokens_uncached, s.tokens_cache_read,
				s.tokens_cache_write, s.tokens_output,
				s.tokens_reasoning) - CASE c.fate
				WHEN 'settled' THEN s.reserved_tokens
				ELSE 0 END END AS tokens_n,
			    CASE WHEN NOT c.ends
				THEN coalesce(s.reserved_nano, 0)
			    ELSE CASE WHEN s.usage_counted IS FALSE THEN 0
				ELSE coalesce(s.budget_nano, s.cost_nano, 0)
				END - CASE c.fate WHEN 'settled'
				THEN coalesce(s.reserved_nano, 0) ELSE 0 END
			    END AS nano_n
			FROM pg_temp.drain_call c
			JOIN pg_temp.stage s ON s.n = c.n
			JOIN watchllm.counter_project p
			    ON p.project_id = c.project_id
			WHERE c.fate IS NOT NULL
			    AND p.generation <> coalesce(s.generation, '')
		)
		SELECT m.project_id, m.api_key_id, NULL AS scope,
		    m.generation, m.month, m.minute,
		    sum(m.month_n)::bigint AS month_n,
		    sum(m.minute_n)::bigint AS minute_n,
		    sum(m.tokens_n)::bigint AS tokens_n,
		    sum(m.nano_n)::bigint AS nano_n,
		    coalesce(string_agg(
			watchllm.to_ms(m.admitted_at) || ' ' || m.event_id,
			',' ORDER BY m.admitted_at, m.event_id)
			FILTER (WHERE m.fate = 'opened' AND m.minute_counted
			    AND m.admitted_at > p_now - interval '2 minutes'),
			'') AS calls
		FROM missed m
		GROUP BY 1, 2, 4, 5, 6
		HAVING sum(m.month_n) <> 0 OR sum(m.minute_n) <> 0
		    OR sum(m.tokens_n) <> 0 OR sum(m.nano_n) <> 0
		UNION ALL
		SELECT m.project_id, NULL, x.scope, m.generation, m.month,
		    m.minute, sum(m.month_n)::bigint, 0, 0,
		    sum(m.nano_n)::bigint, ''
		FROM missed m, LATERAL unnest(m.limit_scopes) x (scope)
		WHERE watchllm.rule_kind(x.scope)
		    IN ('month', 'day_nano', 'month_nano')
		GROUP BY 1, 3, 4, 5, 6
		HAVING sum(m.month_n) <> 0 OR sum(m.nano_n) <> 0
		ORDER BY 1, 2, 3, 5, 6
	LOOP
		v_total := v_total + 1;
		IF r.generation NOT LIKE 'pg:%' THEN
			INSERT INTO watchllm.counter_fixup (project_id,
			    api_key_id, scope, generation, month, minute,
			    month_n, minute_n, tokens_n, nano_n, calls, host,
			    batch)
			VALUES (r.project_id, r.api_key_id, r.scope,
			    r.generation, r.month, r.minute, r.month_n,
			    r.minute_n, r.tokens_n, r.nano_n, r.calls, p_host,
			    p_batch);
		ELSIF r.scope IS NOT NULL THEN
			PERFORM watchllm.counter_add(r.project_id, r.scope,
			    watchllm.rule_kind(r.scope), r.minute,
			    CASE watchllm.rule_kind(r.scope) WHEN 'month'
				THEN r.month_n ELSE r.nano_n END);
		ELSE
			FOREACH v_scope IN ARRAY CASE WHEN r.api_key_id IS NULL
			    THEN ARRAY['']
			    ELSE ARRAY['', 'key:' || r.api_key_id] END LOOP
				PERFORM watchllm.counter_add(r.project_id,
				    v_scope, v.kind, r.minute, v.n)
				FROM (VALUES ('month', r.month_n),
				    ('minute', r.minute_n),
				    ('tokens', r.tokens_n),
				    ('day_nano', r.nano_n),
				    ('month_nano', r.nano_n)) v (kind, n);
				PERFORM watchllm.counter_add_calls(
				    r.project_id, v_scope, r.calls);
			END LOOP;
		END IF;
	END LOOP;
	RETURN v_total;
END
$$;

CREATE OR REPLACE FUNCTION watchllm.drain_ledger(p_host text) RETURNS void
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
		    reserved_nano, tokens, cost_nano, settled_at, begin_event,
		    limit_scopes)
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
			jsonb_strip_nulls(to_jsonb(s)) END,
		    s.limit_scopes
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

CREATE OR REPLACE FUNCTION watchllm.drain_lost(p_host text, p_process text,
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
		    -- a budget's flat price is nobody's cost
		    'cost_nano', coalesce(l.begin_event -> 'cost_nano',
			CASE WHEN NOT l.begin_event ? 'budget_nano'
			    THEN to_jsonb(l.reserved_nano) END),
		    'cost_source', CASE WHEN l.begin_event ? 'cost_nano'
			OR (l.reserved_nano IS NOT NULL
			    AND NOT l.begin_event ? 'budget_nano')
			THEN 'estimate'
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

CREATE FUNCTION watchllm.budget_set(p_project text, p_now_ms bigint,
    p_kind text, p_nano bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_window bigint := watchllm.counter_window(p_kind, p_now_ms);
	v_before bigint;
BEGIN
	IF p_nano < 0 OR p_kind NOT IN ('day_nano', 'month_nano') THEN
		RAISE EXCEPTION 'a budget is of a day or a month, and not below zero';
	END IF;
	INSERT INTO watchllm.usage_window (project_id, kind, window_id)
	SELECT id, p_kind, v_window FROM watchllm.project WHERE id = p_project
	ON CONFLICT DO NOTHING;
	SELECT used + correction INTO v_before FROM watchllm.usage_window
	WHERE project_id = p_project AND scope = '' AND kind = p_kind
	    AND window_id = v_window FOR UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	UPDATE watchllm.usage_window
	SET correction = p_nano - used, updated_at = clock_timestamp()
	WHERE project_id = p_project AND scope = '' AND kind = p_kind
	    AND window_id = v_window;
	INSERT INTO watchllm.audit_log (actor, project_id, action, target,
	    before, after) VALUES (
	    coalesce(nullif(current_setting('watchllm.actor', true), ''),
		session_user::text), p_project, 'budget.set', p_project,
	    jsonb_build_object(p_kind, v_before),
	    jsonb_build_object(p_kind, p_nano));
	RETURN v_before;
END
$$;
COMMENT ON FUNCTION watchllm.budget_set(text, bigint, text, bigint) IS
    'Set what a project has spent of its day or month, in nano-dollars, lastingly; returns what it was, null when there is no such project. The counters begin anew afterwards.';

CREATE OR REPLACE FUNCTION watchllm.counter_purge(p_now_ms bigint,
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
	total := total + n;
	DELETE FROM watchllm.usage_window WHERE ctid = ANY (ARRAY(
	    SELECT u.ctid FROM watchllm.usage_window u
	    WHERE (u.kind = 'day_nano' AND u.window_id
		< watchllm.counter_window('day_nano',
		    p_now_ms - 70 * 86400000::bigint))
		OR (u.kind IN ('month', 'month_nano') AND u.window_id
		< watchllm.counter_window('month',
		    p_now_ms - 70 * 86400000::bigint))
	    LIMIT p_max FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN total + n;
END
$$;

-- what was granted until now, and what is new
ALTER FUNCTION watchllm.privilege_list() RENAME TO privilege_list_before_limits;
COMMENT ON FUNCTION watchllm.privilege_list_before_limits() IS
    'What each role is granted of what was there before limit rules.';
CREATE FUNCTION watchllm.privilege_list()
RETURNS TABLE (role text, kind text, name text, privileges text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT b.* FROM watchllm.privilege_list_before_limits() b
	WHERE b.name NOT LIKE 'counter_add(%'
	UNION ALL VALUES
	('watchllm_app', 'TABLE', 'limit_rule', 'SELECT'),
	('watchllm_app', 'TABLE', 'usage_window', 'SELECT'),
	('watchllm_app', 'FUNCTION', 'limit_rules(text)', 'EXECUTE'),
	('watchllm_drain', 'TABLE', 'usage_window', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'FUNCTION', 'counter_add(text, text, text, bigint, bigint)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'counter_add_calls(text, text, text)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_windows()', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'rule_kind(text)', 'EXECUTE'),
	('watchllm_rollup', 'TABLE', 'usage_window', 'SELECT')
$$;
COMMENT ON FUNCTION watchllm.privilege_list() IS
    'What each role is granted; everything else is refused.';

DO $$
BEGIN
	PERFORM watchllm.apply_privileges();
END
$$;
