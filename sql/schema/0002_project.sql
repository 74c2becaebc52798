-- Plans, projects, keys, and the audit log that watches them.

CREATE TABLE watchllm.retention_class (
	name		text PRIMARY KEY
	    CHECK (name ~ '^[a-z][a-z0-9_]{0,19}$'
		AND name !~ '^(payload|seen)(_|$)'),
	days		integer NOT NULL CHECK (days BETWEEN 1 AND 3660),
	created_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watchllm.retention_class IS
    'How long events are kept; each class has partitions of its own.';
COMMENT ON COLUMN watchllm.retention_class.name IS
    'Name of the class, part of the names of its partitions.';
COMMENT ON COLUMN watchllm.retention_class.days IS
    'Days that an event is kept after the UTC day on which it occurred.';
COMMENT ON COLUMN watchllm.retention_class.created_at IS
    'When the class was made.';
INSERT INTO watchllm.retention_class (name, days) VALUES
    ('short', 7), ('standard', 30), ('long', 90);

CREATE TABLE watchllm.retention_rule (
	name		text PRIMARY KEY,
	keep_days	integer NOT NULL CHECK (keep_days >= 1)
);
COMMENT ON TABLE watchllm.retention_rule IS
    'How long rows other than events are kept.';
COMMENT ON COLUMN watchllm.retention_rule.name IS
    'The table that the rule is for.';
COMMENT ON COLUMN watchllm.retention_rule.keep_days IS
    'Days that a row is kept.';
INSERT INTO watchllm.retention_rule (name, keep_days) VALUES
    ('ledger', 70), ('event_seen', 30), ('rollup_hour', 400),
    ('rollup_hour_latency', 400);

CREATE TABLE watchllm.plan (
	id			text PRIMARY KEY
	    CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,31}$'),
	name			text NOT NULL,
	requests_per_minute	bigint NOT NULL CHECK (requests_per_minute >= 0),
	requests_per_month	bigint NOT NULL CHECK (requests_per_month >= 0),
	price_usd_cents		integer NOT NULL DEFAULT 0
	    CHECK (price_usd_cents >= 0),
	window_kind		text NOT NULL DEFAULT 'fixed'
	    CHECK (window_kind IN ('fixed', 'sliding')),
	cache_hits_free		boolean NOT NULL DEFAULT false,
	tokens_per_minute	bigint CHECK (tokens_per_minute >= 0),
	concurrent_requests	bigint CHECK (concurrent_requests >= 0),
	budget_day_nano		bigint CHECK (budget_day_nano >= 0),
	budget_month_nano	bigint CHECK (budget_month_nano >= 0),
	ingest_per_minute	bigint CHECK (ingest_per_minute >= 0),
	retention_class		text NOT NULL DEFAULT 'standard'
	    REFERENCES watchllm.retention_class (name),
	max_projects		integer CHECK (max_projects >= 0),
	on_unknown_price	text NOT NULL DEFAULT 'allow'
	    CHECK (on_unknown_price IN ('allow', 'deny', 'flat')),
	flat_price_nano		bigint CHECK (flat_price_nano >= 0),
	created_at		timestamptz NOT NULL DEFAULT now(),
	CHECK (on_unknown_price <> 'flat' OR flat_price_nano IS NOT NULL)
);
COMMENT ON TABLE watchllm.plan IS
    'Plans and their limits; a null limit is no limit.';
COMMENT ON COLUMN watchllm.plan.id IS
    'Name used by programs, for example free.';
COMMENT ON COLUMN watchllm.plan.name IS
    'Name shown to people.';
COMMENT ON COLUMN watchllm.plan.requests_per_minute IS
    'Gateway calls admitted per minute.';
COMMENT ON COLUMN watchllm.plan.requests_per_month IS
    'Gateway calls counted per UTC month.';
COMMENT ON COLUMN watchllm.plan.price_usd_cents IS
    'Price per month in US cents.';
COMMENT ON COLUMN watchllm.plan.window_kind IS
    'fixed: minutes of the clock; sliding: no span of 60 s sees more than the limit.';
COMMENT ON COLUMN watchllm.plan.cache_hits_free IS
    'Whether a cache hit is given back to the month.';
COMMENT ON COLUMN watchllm.plan.tokens_per_minute IS
    'Tokens per minute, reserved at admission and settled afterwards.';
COMMENT ON COLUMN watchllm.plan.concurrent_requests IS
    'Calls in flight at once.';
COMMENT ON COLUMN watchllm.plan.budget_day_nano IS
    'Budget per UTC day in nano-dollars.';
COMMENT ON COLUMN watchllm.plan.budget_month_nano IS
    'Budget per UTC month in nano-dollars.';
COMMENT ON COLUMN watchllm.plan.ingest_per_minute IS
    'Events that may be sent in per minute; null: as configured.';
COMMENT ON COLUMN watchllm.plan.retention_class IS
    'How long the events of projects on this plan are kept.';
COMMENT ON COLUMN watchllm.plan.max_projects IS
    'Projects that one customer may have on this plan.';
COMMENT ON COLUMN watchllm.plan.on_unknown_price IS
    'What a budget does with a model of unknown price: allow, deny, or flat.';
COMMENT ON COLUMN watchllm.plan.flat_price_nano IS
    'With flat: nano-dollars per million tokens, used for budgets only, never for cost.';
COMMENT ON COLUMN watchllm.plan.created_at IS
    'When the plan was made.';
INSERT INTO watchllm.plan (id, name, requests_per_minute, requests_per_month,
    price_usd_cents, retention_class) VALUES
    ('free',    'Free',     10,   50000,    0, 'short'),
    ('starter', 'Starter',  50,  250000, 2900, 'standard'),
    ('pro',     'Pro',     200, 1000000, 4900, 'long');

CREATE TABLE watchllm.project (
	id			text PRIMARY KEY DEFAULT watchllm.new_id()
	    CHECK (id ~ '^[0-9a-z]{1,32}$'),
	dsn_id			bigint NOT NULL UNIQUE
	    GENERATED ALWAYS AS IDENTITY (START WITH 1001),
	name			text NOT NULL
	    CHECK (length(name) BETWEEN 1 AND 200),
	plan_id			text NOT NULL DEFAULT 'free'
	    REFERENCES watchllm.plan (id),
	version			bigint NOT NULL
	    DEFAULT nextval('watchllm.version_seq'),
	default_provider	text,
	settings		jsonb NOT NULL DEFAULT '{}'
	    CHECK (jsonb_typeof(settings) = 'object'),
	created_at		timestamptz NOT NULL DEFAULT now(),
	disabled_at		timestamptz
);
CREATE INDEX project_plan ON watchllm.project (plan_id);
COMMENT ON TABLE watchllm.project IS
    'A project: the tenant that keys, limits, events and usage belong to.';
COMMENT ON COLUMN watchllm.project.id IS
    'Identifier, lower-case letters and digits.';
COMMENT ON COLUMN watchllm.project.dsn_id IS
    'Numeric identifier for clients that want a number (Sentry DSN).';
COMMENT ON COLUMN watchllm.project.name IS
    'Name shown to people.';
COMMENT ON COLUMN watchllm.project.plan_id IS
    'The plan whose limits hold.';
COMMENT ON COLUMN watchllm.project.version IS
    'Changes with the project, its plan, its keys and its provider keys; a worker''s cache is valid while it agrees.';
COMMENT ON COLUMN watchllm.project.default_provider IS
    'Provider of a model that no route names.';
COMMENT ON COLUMN watchllm.project.settings IS
    'Options of the project as one JSON object.';
COMMENT ON COLUMN watchllm.project.created_at IS
    'When the project was made.';
COMMENT ON COLUMN watchllm.project.disabled_at IS
    'Since when its keys are refused; null: enabled.';

CREATE TABLE watchllm.api_key (
	project_id		text NOT NULL
	    REFERENCES watchllm.project (id),
	id			text NOT NULL DEFAULT watchllm.new_id(),
	hash			bytea NOT NULL UNIQUE
	    CHECK (octet_length(hash) = 32),
	prefix			text NOT NULL CHECK (prefix ~ '^[0-9A-Za-z]{6}$'),
	kind			text NOT NULL CHECK (kind IN ('proj', 'test')),
	name			text NOT NULL DEFAULT '',
	scopes			text[] NOT NULL
	    DEFAULT ARRAY['gateway', 'ingest', 'read']
	    CHECK (scopes <@ ARRAY['gateway', 'ingest', 'read', 'admin']),
	requests_per_minute	bigint CHECK (requests_per_minute >= 0),
	requests_per_month	bigint CHECK (requests_per_month >= 0),
	tokens_per_minute	bigint CHECK (tokens_per_minute >= 0),
	concurrent_requests	bigint CHECK (concurrent_requests >= 0),
	budget_day_nano		bigint CHECK (budget_day_nano >= 0),
	budget_month_nano	bigint CHECK (budget_month_nano >= 0),
	expires_at		timestamptz,
	revoked_at		timestamptz,
	created_at		timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, id)
);
COMMENT ON TABLE watchllm.api_key IS
    'Keys of projects; the key itself is shown once and never stored.';
COMMENT ON COLUMN watchllm.api_key.project_id IS
    'The project that the key opens.';
COMMENT ON COLUMN watchllm.api_key.id IS
    'Identifier of the key within its project.';
COMMENT ON COLUMN watchllm.api_key.hash IS
    'SHA-256 of the whole key.';
COMMENT ON COLUMN watchllm.api_key.prefix IS
    'The first six random characters, to show and to log.';
COMMENT ON COLUMN watchllm.api_key.kind IS
    'proj or test: the word in the key''s own prefix.';
COMMENT ON COLUMN watchllm.api_key.name IS
    'Name given by its owner.';
COMMENT ON COLUMN watchllm.api_key.scopes IS
    'What the key may do: gateway, ingest, read, admin.';
COMMENT ON COLUMN watchllm.api_key.requests_per_minute IS
    'Tighter limit of the key; null: only the plan''s.';
COMMENT ON COLUMN watchllm.api_key.requests_per_month IS
    'Tighter limit of the key; null: only the plan''s.';
COMMENT ON COLUMN watchllm.api_key.tokens_per_minute IS
    'Tighter limit of the key; null: only the plan''s.';
COMMENT ON COLUMN watchllm.api_key.concurrent_requests IS
    'Tighter limit of the key; null: only the plan''s.';
COMMENT ON COLUMN watchllm.api_key.budget_day_nano IS
    'Tighter budget per UTC day in nano-dollars; null: only the plan''s.';
COMMENT ON COLUMN watchllm.api_key.budget_month_nano IS
    'Tighter budget per UTC month in nano-dollars; null: only the plan''s.';
COMMENT ON COLUMN watchllm.api_key.expires_at IS
    'From when the key is refused; null: never.';
COMMENT ON COLUMN watchllm.api_key.revoked_at IS
    'When the key was revoked; null: it was not.';
COMMENT ON COLUMN watchllm.api_key.created_at IS
    'When the key was made.';

-- The audit log: appended only, each row bound to the one before it.

CREATE TABLE watchllm.audit_log (
	id		bigint PRIMARY KEY,
	at		timestamptz NOT NULL,
	actor		text NOT NULL,
	address		text,
	project_id	text,
	action		text NOT NULL,
	target		text NOT NULL,
	before		jsonb,
	after		jsonb,
	prev_hash	bytea NOT NULL,
	hash		bytea NOT NULL
);
CREATE INDEX audit_log_project ON watchllm.audit_log (project_id, id);
COMMENT ON TABLE watchllm.audit_log IS
    'Who changed what; rows are never changed or removed, and each carries a hash over itself and its predecessor.';
COMMENT ON COLUMN watchllm.audit_log.id IS
    'Number of the entry, without gaps.';
COMMENT ON COLUMN watchllm.audit_log.at IS
    'When it was done.';
COMMENT ON COLUMN watchllm.audit_log.actor IS
    'Who did it: set_config(''watchllm.actor'', …) of the transaction, else the database user.';
COMMENT ON COLUMN watchllm.audit_log.address IS
    'Network address of the actor, where known.';
COMMENT ON COLUMN watchllm.audit_log.project_id IS
    'The project concerned; null: none.';
COMMENT ON COLUMN watchllm.audit_log.action IS
    'What was done, for example api_key.update.';
COMMENT ON COLUMN watchllm.audit_log.target IS
    'Identifier of what was changed.';
COMMENT ON COLUMN watchllm.audit_log.before IS
    'The row before, without secrets.';
COMMENT ON COLUMN watchllm.audit_log.after IS
    'The row afterwards, without secrets.';
COMMENT ON COLUMN watchllm.audit_log.prev_hash IS
    'Hash of the entry before; 32 zero bytes in the first.';
COMMENT ON COLUMN watchllm.audit_log.hash IS
    'SHA-256 over prev_hash and all other columns.';

CREATE FUNCTION watchllm.audit_hash(r watchllm.audit_log) RETURNS bytea
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT sha256(r.prev_hash || convert_to(jsonb_build_array(
	    r.id, EXTRACT(epoch FROM date_trunc('minute', r.at))::bigint
		* 1000000 + EXTRACT(microseconds FROM r.at)::bigint,
	    r.actor, r.address, r.project_id, r.action, r.target,
	    r.before, r.after)::text, 'UTF8'))
$$;
COMMENT ON FUNCTION watchllm.audit_hash(watchllm.audit_log) IS
    'The hash that an entry of the audit log must carry.';

CREATE FUNCTION watchllm.audit_chain() RETURNS trigger
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
	NEW.prev_hash := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
	NEW.hash := watchllm.audit_hash(NEW);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION watchllm.audit_chain() IS
    'Number a new entry of the audit log and bind it to the one before.';
CREATE TRIGGER audit_chain BEFORE INSERT ON watchllm.audit_log
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_chain();

CREATE FUNCTION watchllm.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
	    USING ERRCODE = 'insufficient_privilege';
END
$$;
COMMENT ON FUNCTION watchllm.refuse_change() IS
    'Refuse to change or remove rows.';
CREATE TRIGGER audit_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON watchllm.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.refuse_change();

CREATE FUNCTION watchllm.audit_verify() RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT min(c.id) FROM (
		SELECT a.id,
		    a.hash = watchllm.audit_hash(a)
		    AND a.prev_hash = coalesce(lag(a.hash) OVER (ORDER BY a.id),
			decode(repeat('00', 32), 'hex'))
		    AND a.id = coalesce(lag(a.id) OVER (ORDER BY a.id), 0) + 1
		    AS good
		FROM watchllm.audit_log a) c
	WHERE NOT c.good
$$;
COMMENT ON FUNCTION watchllm.audit_verify() IS
    'The first entry of the audit log that does not fit its chain; null: all fit.';

-- Every change of the rows below is recorded, whichever program made it.
CREATE FUNCTION watchllm.audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	secret text[] := ARRAY['hash', 'nonce', 'ciphertext', 'version'];
	old_row jsonb;
	new_row jsonb;
	any_row jsonb;
BEGIN
	IF TG_OP <> 'INSERT' THEN
		old_row := to_jsonb(OLD) - secret;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		new_row := to_jsonb(NEW) - secret;
	END IF;
	-- a new version alone is no change worth an entry, a new secret is
	IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'version'
	    = to_jsonb(NEW) - 'version' THEN
		RETURN NULL;
	END IF;
	any_row := coalesce(new_row, old_row);
	INSERT INTO watchllm.audit_log (actor, address, project_id, action,
	    target, before, after) VALUES (
	    coalesce(nullif(current_setting('watchllm.actor', true), ''),
		session_user::text),
	    nullif(current_setting('watchllm.actor_address', true), ''),
	    CASE TG_TABLE_NAME WHEN 'project' THEN any_row ->> 'id'
		ELSE any_row ->> 'project_id' END,
	    TG_TABLE_NAME || '.' || lower(TG_OP),
	    coalesce(any_row ->> 'id', any_row ->> 'name', any_row ->> 'provider'),
	    old_row, new_row);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION watchllm.audit_change() IS
    'Record a change in the audit log, without its secrets.';

-- Versions: a worker may use what it has cached while the version agrees.

CREATE FUNCTION watchllm.bump_self() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF to_jsonb(NEW) - 'version' IS DISTINCT FROM
	    to_jsonb(OLD) - 'version' THEN
		NEW.version := nextval('watchllm.version_seq');
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION watchllm.bump_self() IS
    'Give a changed project a new version.';

CREATE FUNCTION watchllm.bump_project() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		UPDATE watchllm.project
		    SET version = nextval('watchllm.version_seq')
		    WHERE id = OLD.project_id;
	END IF;
	IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE'
	    AND NEW.project_id <> OLD.project_id) THEN
		UPDATE watchllm.project
		    SET version = nextval('watchllm.version_seq')
		    WHERE id = NEW.project_id;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION watchllm.bump_project() IS
    'Give a project a new version because something of it changed.';

CREATE FUNCTION watchllm.bump_plan() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM watchllm.project WHERE plan_id = OLD.id
	    ORDER BY id FOR UPDATE;
	UPDATE watchllm.project SET version = nextval('watchllm.version_seq')
	    WHERE plan_id = OLD.id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION watchllm.bump_plan() IS
    'Give all projects of a changed plan new versions.';

CREATE TRIGGER bump BEFORE UPDATE ON watchllm.project
    FOR EACH ROW EXECUTE FUNCTION watchllm.bump_self();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON watchllm.api_key
    FOR EACH ROW EXECUTE FUNCTION watchllm.bump_project();
CREATE TRIGGER bump AFTER UPDATE ON watchllm.plan
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION watchllm.bump_plan();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE ON watchllm.plan
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE ON watchllm.project
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE ON watchllm.api_key
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
