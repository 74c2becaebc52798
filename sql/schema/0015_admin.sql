-- Administration from afar: where a change came from is in the audit log, the
-- log can be verified part by part, and imports of prices are in it.

CREATE OR REPLACE FUNCTION watchllm.audit_chain() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	last record;
BEGIN
	-- one writer at a time, or two entries would follow the same one
	PERFORM pg_advisory_xact_lock(hashtext('watchllm.audit_log'));
	SELECT a.id, a.hash INTO last FROM watchllm.audit_log a
	    ORDER BY a.id DESC LIMIT 1;
	NEW.id := coalesce(last.id, 0) + 1;
	NEW.at := clock_timestamp();
	NEW.address := coalesce(NEW.address,
	    nullif(current_setting('watchllm.actor_address', true), ''));
	NEW.prev_hash := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
	NEW.hash := watchllm.audit_hash(NEW);
	RETURN NEW;
END
$$;

CREATE FUNCTION watchllm.audit_verify_part(p_after bigint, p_hash bytea,
    p_most integer)
RETURNS TABLE (first_bad bigint, last_id bigint, last_hash bytea,
    entries bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH part AS (
		SELECT a.id, a.hash,
		    a.hash = watchllm.audit_hash(a)
		    AND a.prev_hash = coalesce(lag(a.hash) OVER w, p_hash)
		    AND a.id = coalesce(lag(a.id) OVER w, p_after) + 1 AS good
		FROM (SELECT * FROM watchllm.audit_log l
		    WHERE l.id > p_after ORDER BY l.id LIMIT p_most) a
		WINDOW w AS (ORDER BY a.id)
	)
	SELECT min(p.id) FILTER (WHERE p.good IS NOT TRUE), max(p.id),
	    (SELECT q.hash FROM part q ORDER BY q.id DESC LIMIT 1), count(*)
	FROM part p
$$;
COMMENT ON FUNCTION watchllm.audit_verify_part(bigint, bytea, integer) IS
    'The same of at most P_MOST entries behind P_AFTER, whose hash is P_HASH: the first that does not fit, and the last of them; 0 and 32 zero bytes to begin with.';

CREATE FUNCTION watchllm.audit_prices() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
	what jsonb;
BEGIN
	SELECT count(*), jsonb_build_object('prices', count(*),
	    'providers', jsonb_agg(DISTINCT c.provider))
	INTO n, what FROM changed c;
	IF n = 0 THEN
		RETURN NULL;
	END IF;
	INSERT INTO watchllm.audit_log (actor, action, target, before, after)
	VALUES (coalesce(nullif(current_setting('watchllm.actor', true), ''),
		session_user::text), 'price.' || lower(TG_OP), 'price',
	    CASE TG_OP WHEN 'DELETE' THEN what END,
	    CASE TG_OP WHEN 'DELETE' THEN NULL ELSE what END);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION watchllm.audit_prices() IS
    'Record how many prices came, changed or went, and of whom.';
CREATE TRIGGER zz_audit_insert AFTER INSERT ON watchllm.price
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.audit_prices();
CREATE TRIGGER zz_audit_update AFTER UPDATE ON watchllm.price
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.audit_prices();
CREATE TRIGGER zz_audit_delete AFTER DELETE ON watchllm.price
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.audit_prices();

DO $$
BEGIN
	PERFORM watchllm.apply_privileges();
END
$$;
