-- Schemas, roles, identifiers, and the functions that other files lean on.
--
-- The roles have no login of their own: an operator grants them to the logins
-- that the programs use.  Where this user may not create roles (a shared host
-- gives one user) everything belongs to that user, and it still works.

CREATE SCHEMA IF NOT EXISTS watchllm;
CREATE SCHEMA IF NOT EXISTS report;
COMMENT ON SCHEMA watchllm IS
    'Tables and functions of WatchLLM.';
COMMENT ON SCHEMA report IS
    'Documented views for people and BI tools; read with role watchllm_report.';

DO $$
DECLARE
	r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['watchllm_app', 'watchllm_drain',
	    'watchllm_rollup', 'watchllm_report'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles
		    WHERE rolname = r) THEN
			CONTINUE;
		END IF;
		BEGIN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', r);
		EXCEPTION
		WHEN insufficient_privilege THEN
			RAISE NOTICE 'no right to create role %: skipped', r;
		WHEN duplicate_object OR unique_violation THEN
			NULL;	-- made meanwhile for another database
		END;
	END LOOP;
END
$$;

DO $$
BEGIN
	IF pg_catalog.to_regclass('watchllm.schema_migration') IS NULL THEN
		RETURN;
	END IF;
	COMMENT ON TABLE watchllm.schema_migration IS
	    'One row per migration that was applied, written by the runner.';
	COMMENT ON COLUMN watchllm.schema_migration.version IS
	    'The number that the file name begins with.';
	COMMENT ON COLUMN watchllm.schema_migration.name IS
	    'The rest of the file name, without .sql.';
	COMMENT ON COLUMN watchllm.schema_migration.sha256 IS
	    'SHA-256 of the file as it was applied, in hexadecimal.';
	COMMENT ON COLUMN watchllm.schema_migration.applied_at IS
	    'When the migration was applied.';
END
$$;

CREATE SEQUENCE watchllm.version_seq AS bigint;
COMMENT ON SEQUENCE watchllm.version_seq IS
    'Versions of projects and of the catalogue; a value is used once, so a cache never agrees by accident.';

CREATE SEQUENCE watchllm.event_seq AS bigint CACHE 100;
COMMENT ON SEQUENCE watchllm.event_seq IS
    'Position of an event in the store, for live reading.';

CREATE FUNCTION watchllm.new_id() RETURNS text
LANGUAGE sql VOLATILE
AS $$
	SELECT pg_catalog.substr(pg_catalog.replace(
	    pg_catalog.gen_random_uuid()::text, '-', ''), 1, 12)
$$;
COMMENT ON FUNCTION watchllm.new_id() IS
    'Twelve random lower-case hexadecimal characters.';

CREATE FUNCTION watchllm.utc_day(p_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT (p_at AT TIME ZONE 'UTC')::date
$$;
COMMENT ON FUNCTION watchllm.utc_day(timestamptz) IS
    'The UTC day of a moment.';

CREATE FUNCTION watchllm.utc_month(p_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT pg_catalog.date_trunc('month', p_at AT TIME ZONE 'UTC')::date
$$;
COMMENT ON FUNCTION watchllm.utc_month(timestamptz) IS
    'The first day of the UTC month of a moment.';

CREATE FUNCTION watchllm.utc_hour(p_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT pg_catalog.date_trunc('hour', p_at AT TIME ZONE 'UTC')
	    AT TIME ZONE 'UTC'
$$;
COMMENT ON FUNCTION watchllm.utc_hour(timestamptz) IS
    'The start of the UTC hour of a moment.';

CREATE FUNCTION watchllm.day_start(p_day date) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT p_day::timestamp AT TIME ZONE 'UTC'
$$;
COMMENT ON FUNCTION watchllm.day_start(date) IS
    'The moment at which a UTC day begins.';

CREATE FUNCTION watchllm.from_ms(p_ms bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT '1970-01-01 00:00:00+00'::timestamptz
	    + p_ms * interval '1 millisecond'
$$;
COMMENT ON FUNCTION watchllm.from_ms(bigint) IS
    'The moment P_MS milliseconds after the epoch.';

CREATE FUNCTION watchllm.to_ms(p_at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT pg_catalog.floor(
	    EXTRACT(epoch FROM p_at)::numeric * 1000)::bigint
$$;
COMMENT ON FUNCTION watchllm.to_ms(timestamptz) IS
    'Milliseconds from the epoch to a moment.';
