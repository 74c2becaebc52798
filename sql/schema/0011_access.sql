-- Who may do what, in one function, so that it can be run again when roles
-- were made later; and the look-ups that cross projects before it is known
-- which project a caller belongs to.

CREATE FUNCTION watchllm.auth_key(p_hash bytea)
RETURNS TABLE (
    project_id text, dsn_id bigint, project_name text, version bigint,
    catalog_version bigint, key_id text, key_prefix text, key_kind text,
    key_name text, scopes text, revoked boolean, expired boolean,
    expires_at timestamptz, disabled boolean, default_provider text,
    settings jsonb, plan_id text, plan_name text, window_kind text,
    requests_per_minute bigint, requests_per_month bigint,
    tokens_per_minute bigint, concurrent_requests bigint,
    budget_day_nano bigint, budget_month_nano bigint,
    ingest_per_minute bigint, cache_hits_free boolean,
    on_unknown_price text, flat_price_nano bigint, retention_class text,
    retention_days integer, key_requests_per_minute bigint,
    key_requests_per_month bigint, key_tokens_per_minute bigint,
    key_concurrent_requests bigint, key_budget_day_nano bigint,
    key_budget_month_nano bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.id, p.dsn_id, p.name, p.version, g.version, k.id, k.prefix,
	    k.kind, k.name, array_to_string(k.scopes, ','),
	    k.revoked_at IS NOT NULL,
	    coalesce(k.expires_at <= now(), false), k.expires_at,
	    p.disabled_at IS NOT NULL, p.default_provider, p.settings, l.id,
	    l.name, l.window_kind, l.requests_per_minute,
	    l.requests_per_month, l.tokens_per_minute, l.concurrent_requests,
	    l.budget_day_nano, l.budget_month_nano, l.ingest_per_minute,
	    l.cache_hits_free, l.on_unknown_price, l.flat_price_nano,
	    l.retention_class, c.days, k.requests_per_minute,
	    k.requests_per_month, k.tokens_per_minute, k.concurrent_requests,
	    k.budget_day_nano, k.budget_month_nano
	FROM watchllm.api_key k
	JOIN watchllm.project p ON p.id = k.project_id
	JOIN watchllm.plan l ON l.id = p.plan_id
	JOIN watchllm.retention_class c ON c.name = l.retention_class
	CROSS JOIN watchllm.catalog g
	WHERE k.hash = p_hash
$$;
COMMENT ON FUNCTION watchllm.auth_key(bytea) IS
    'All that a worker must know of the key with this SHA-256, its project and its plan; no row: there is no such key. revoked, expired and disabled are told, not judged.';

CREATE FUNCTION watchllm.project_version(p_project text)
RETURNS TABLE (version bigint, catalog_version bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.version, g.version
	FROM watchllm.project p CROSS JOIN watchllm.catalog g
	WHERE p.id = p_project
$$;
COMMENT ON FUNCTION watchllm.project_version(text) IS
    'Present version of a project and of the catalogue; no row: there is no such project.';

-- role, kind of object, name, privileges
CREATE FUNCTION watchllm.privilege_list()
RETURNS TABLE (role text, kind text, name text, privileges text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
	('watchllm_app', 'TABLE', 'retention_class', 'SELECT'),
	('watchllm_app', 'TABLE', 'plan', 'SELECT'),
	('watchllm_app', 'TABLE', 'project', 'SELECT'),
	('watchllm_app', 'TABLE', 'api_key', 'SELECT'),
	('watchllm_app', 'TABLE', 'audit_log', 'SELECT, INSERT'),
	('watchllm_app', 'TABLE', 'catalog', 'SELECT'),
	('watchllm_app', 'TABLE', 'provider', 'SELECT'),
	('watchllm_app', 'TABLE', 'model_route', 'SELECT'),
	('watchllm_app', 'TABLE', 'provider_key', 'SELECT'),
	('watchllm_app', 'TABLE', 'price', 'SELECT'),
	('watchllm_app', 'TABLE', 'redaction_rule', 'SELECT'),
	('watchllm_app', 'TABLE', 'event', 'SELECT'),
	('watchllm_app', 'TABLE', 'event_payload', 'SELECT'),
	('watchllm_app', 'TABLE', 'ledger', 'SELECT'),
	('watchllm_app', 'TABLE', 'usage_month', 'SELECT'),
	('watchllm_app', 'TABLE', 'usage_key_month', 'SELECT'),
	('watchllm_app', 'TABLE', 'rollup_hour', 'SELECT'),
	('watchllm_app', 'TABLE', 'rollup_hour_latency', 'SELECT'),
	('watchllm_app', 'TABLE', 'rollup_day', 'SELECT'),
	('watchllm_app', 'TABLE', 'usage_statement', 'SELECT'),
	('watchllm_app', 'TABLE', 'usage_adjustment', 'SELECT'),
	('watchllm_app', 'TABLE', 'loss_ledger', 'SELECT'),
	('watchllm_app', 'TABLE', 'schema_migration', 'SELECT'),
	('watchllm_app', 'FUNCTION', 'auth_key(bytea)', 'EXECUTE'),
	('watchllm_app', 'FUNCTION', 'project_version(text)', 'EXECUTE'),
	('watchllm_app', 'FUNCTION', 'price_at(text, text, timestamptz)', 'EXECUTE'),
	('watchllm_app', 'FUNCTION', 'undated_model(text)', 'EXECUTE'),
	('watchllm_app', 'FUNCTION', 'admit(text, bigint, bigint, uuid, text[], text[], bigint[], bigint[], bigint, boolean)', 'EXECUTE'),
	('watchllm_app', 'FUNCTION', 'settle(text, bigint, uuid, text, text[], text[], bigint[], bigint[])', 'EXECUTE'),
	('watchllm_app', 'FUNCTION', 'counter_begin(text, text, bigint, integer)', 'EXECUTE'),
	('watchllm_app', 'FUNCTION', 'counter_purge(bigint, integer)', 'EXECUTE'),

	('watchllm_drain', 'TABLE', 'schema_migration', 'SELECT'),
	('watchllm_drain', 'TABLE', 'retention_class', 'SELECT'),
	('watchllm_drain', 'TABLE', 'project', 'SELECT'),
	('watchllm_drain', 'TABLE', 'redaction_rule', 'SELECT'),
	('watchllm_drain', 'TABLE', 'stage_row', 'SELECT'),
	('watchllm_drain', 'TABLE', 'event', 'SELECT, INSERT'),
	('watchllm_drain', 'TABLE', 'event_payload', 'SELECT, INSERT'),
	('watchllm_drain', 'TABLE', 'event_seen', 'SELECT, INSERT'),
	('watchllm_drain', 'TABLE', 'journal_host', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'journal_mark', 'SELECT, INSERT, UPDATE, DELETE'),
	('watchllm_drain', 'TABLE', 'ledger', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'usage_month', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'usage_key_month', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'counter_project', 'SELECT'),
	('watchllm_drain', 'TABLE', 'counter_fixup', 'SELECT, INSERT, DELETE'),
	('watchllm_drain', 'TABLE', 'rollup_hour', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'rollup_hour_latency', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'rollup_day', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'partition_count', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'loss_ledger', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'TABLE', 'dead_letter', 'SELECT, INSERT, UPDATE'),
	('watchllm_drain', 'SEQUENCE', 'event_seq', 'USAGE'),
	('watchllm_drain', 'FUNCTION', 'event_day(text, date, timestamptz)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'ledger_day(date, timestamptz)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'rollup_month(date)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'seen_partition(date)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'claim_events(text[], uuid[], timestamptz)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'counter_add(text, text, bigint, bigint, bigint, text)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'counter_begin(text, text, bigint, integer)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'sum_tokens(boolean, integer, integer, integer, integer, integer)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_open()', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_run(text, timestamptz)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_ledger(text)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_store()', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_rollup(text)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_counters(text, bigint, timestamptz)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_lost(text, text, integer, timestamptz)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_mark(text, text, bigint, bigint, boolean)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'drain_fixups(text, integer)', 'EXECUTE'),
	('watchllm_drain', 'FUNCTION', 'bury(text, text, bigint, text, text, text, bytea, text, text)', 'EXECUTE'),

	('watchllm_rollup', 'TABLE', 'schema_migration', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'retention_class', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'retention_rule', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'plan', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'project', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'ledger', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'usage_month', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'usage_key_month', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'counter_project', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'counter_fixup', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'journal_host', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'journal_mark', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'rollup_hour', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'rollup_hour_latency', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'rollup_day', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'partition_count', 'SELECT'),
	('watchllm_rollup', 'TABLE', 'usage_statement', 'SELECT, INSERT, UPDATE, DELETE'),
	('watchllm_rollup', 'TABLE', 'statement_month', 'SELECT, INSERT'),
	('watchllm_rollup', 'TABLE', 'usage_adjustment', 'SELECT, INSERT'),
	('watchllm_rollup', 'TABLE', 'loss_ledger', 'SELECT'),
	('watchllm_rollup', 'FUNCTION', 'make_partitions(date, date)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'partition_list()', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'partitions_due(timestamptz)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'drop_partition(text, timestamptz)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'drop_partitions(timestamptz)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'purge_marks(timestamptz)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'counter_purge(bigint, integer)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'counter_base(text, bigint)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'counter_begin(text, text, bigint, integer)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'ledger_check(date)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'month_usage(date)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'statement_build(date)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'statement_freeze(date)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'statement_adjust(date)', 'EXECUTE'),
	('watchllm_rollup', 'FUNCTION', 'statement_run(timestamptz, integer)', 'EXECUTE')
$$;
COMMENT ON FUNCTION watchllm.privilege_list() IS
    'What each role is granted; everything else is refused.';

-- tables that hold rows of projects, and the column that names the project
CREATE FUNCTION watchllm.tenant_list()
RETURNS TABLE (name text, project_column text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.relname::text, a.attname::text
	FROM pg_class c
	JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
	    AND a.attname = CASE c.relname WHEN 'project' THEN 'id'
		ELSE 'project_id' END
	WHERE n.nspname = 'watchllm' AND c.relkind IN ('r', 'p')
	    AND NOT c.relispartition AND c.relname <> 'stage_row'
$$;
COMMENT ON FUNCTION watchllm.tenant_list() IS
    'Tables under row-level security.';

CREATE FUNCTION watchllm.apply_privileges() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	roles CONSTANT text[] := ARRAY['watchllm_app', 'watchllm_drain',
	    'watchllm_rollup', 'watchllm_report'];
	present text[];
	r record;
	q record;
	who text;
	cond text;
BEGIN
	SELECT coalesce(array_agg(rolname::text), ARRAY[]::text[])
	INTO present FROM pg_roles WHERE rolname = ANY (roles);

	REVOKE ALL ON SCHEMA watchllm, report FROM PUBLIC;
	REVOKE ALL ON ALL TABLES IN SCHEMA watchllm, report FROM PUBLIC;
	REVOKE ALL ON ALL SEQUENCES IN SCHEMA watchllm FROM PUBLIC;
	REVOKE ALL ON ALL FUNCTIONS IN SCHEMA watchllm FROM PUBLIC;
	FOREACH who IN ARRAY present LOOP
		EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA watchllm,'
		    ' report FROM %I', who);
		EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA'
		    ' watchllm FROM %I', who);
		EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA'
		    ' watchllm FROM %I', who);
		IF who = 'watchllm_report' THEN
			EXECUTE format('GRANT USAGE ON SCHEMA report TO %I',
			    who);
			EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA'
			    ' report TO %I', who);
			-- functions in views run as their reader
			EXECUTE format('GRANT EXECUTE ON FUNCTION'
			    ' watchllm.latency_of(numeric),'
			    ' watchllm.utc_month(timestamptz) TO %I', who);
			CONTINUE;
		END IF;
		EXECUTE format('GRANT USAGE ON SCHEMA watchllm TO %I', who);
		-- pure functions of time, used everywhere
		EXECUTE format('GRANT EXECUTE ON FUNCTION'
		    ' watchllm.utc_day(timestamptz),'
		    ' watchllm.utc_month(timestamptz),'
		    ' watchllm.utc_hour(timestamptz),'
		    ' watchllm.day_start(date), watchllm.from_ms(bigint),'
		    ' watchllm.to_ms(timestamptz),'
		    ' watchllm.seen_bucket(timestamptz),'
		    ' watchllm.latency_bucket(bigint),'
		    ' watchllm.latency_of(numeric),'
		    ' watchllm.counter_window(text, bigint),'
		    ' watchllm.counter_reset(text, bigint) TO %I', who);
	END LOOP;
	FOR r IN SELECT * FROM watchllm.privilege_list() p
	    WHERE p.role = ANY (present) LOOP
		IF r.kind = 'TABLE' AND to_regclass('watchllm.' || r.name)
		    IS NULL THEN
			CONTINUE;	-- schema_migration is the runner's
		END IF;
		EXECUTE format('GRANT %s ON %s watchllm.%s TO %I',
		    r.privileges, r.kind, r.name, r.role);
	END LOOP;

	FOR r IN SELECT * FROM watchllm.tenant_list() LOOP
		EXECUTE format('ALTER TABLE watchllm.%I'
		    ' ENABLE ROW LEVEL SECURITY,'
		    ' FORCE ROW LEVEL SECURITY', r.name);
		FOR q IN SELECT polname FROM pg_policy
		    WHERE polrelid = format('watchllm.%I', r.name)::regclass
		    LOOP
			EXECUTE format('DROP POLICY %I ON watchllm.%I',
			    q.polname, r.name);
		END LOOP;
		EXECUTE format('CREATE POLICY owner ON watchllm.%I TO %I'
		    ' USING (true) WITH CHECK (true)', r.name, current_user);
		IF 'watchllm_app' = ANY (present) THEN
			cond := format('%I = current_setting('
			    '''watchllm.project_id'', true)',
			    r.project_column);
			EXECUTE format('CREATE POLICY app ON watchllm.%I'
			    ' TO watchllm_app USING (%s%s) WITH CHECK (%s)',
			    r.name, cond,
			    CASE r.name WHEN 'redaction_rule'
				THEN ' OR project_id IS NULL' ELSE '' END,
			    cond);
		END IF;
		IF 'watchllm_drain' = ANY (present) THEN
			EXECUTE format('CREATE POLICY drain ON watchllm.%I'
			    ' TO watchllm_drain USING (true)'
			    ' WITH CHECK (true)', r.name);
		END IF;
		IF 'watchllm_rollup' = ANY (present) THEN
			EXECUTE format('CREATE POLICY rollup ON watchllm.%I'
			    ' TO watchllm_rollup USING (true)'
			    ' WITH CHECK (true)', r.name);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION watchllm.apply_privileges() IS
    'Set all grants and policies anew for the roles that exist; run by the owner after each migration that adds objects, and when roles were made later.';

DO $$
BEGIN
	PERFORM watchllm.apply_privileges();
END
$$;
