-- Routing rules of projects, rules for all of them, and feature flags.

CREATE TABLE watchllm.route_rule (
	project_id	text NOT NULL REFERENCES watchllm.project (id),
	name		text NOT NULL
	    CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	definition	jsonb NOT NULL
	    CHECK (jsonb_typeof(definition) = 'object'
		AND definition ->> 'alias' IS NOT NULL
		AND octet_length(definition::text) <= 16384),
	alias		text NOT NULL
	    GENERATED ALWAYS AS (definition ->> 'alias') STORED,
	position	integer NOT NULL
	    GENERATED ALWAYS AS (coalesce((definition ->> 'position')::integer,
		100)) STORED,
	enabled		boolean NOT NULL
	    GENERATED ALWAYS AS (coalesce((definition ->> 'enabled')::boolean,
		true)) STORED,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, name)
);
COMMENT ON TABLE watchllm.route_rule IS
    'A project''s rules of routing: which targets answer for a name that its clients ask for.';
COMMENT ON COLUMN watchllm.route_rule.project_id IS
    'The project that the rule is for.';
COMMENT ON COLUMN watchllm.route_rule.name IS
    'Name of the rule within its project.';
COMMENT ON COLUMN watchllm.route_rule.definition IS
    'The rule, as docs/ROUTING.md describes it.';
COMMENT ON COLUMN watchllm.route_rule.alias IS
    'The name that a client asks for.';
COMMENT ON COLUMN watchllm.route_rule.position IS
    'Order among the rules of one alias, lowest first.';
COMMENT ON COLUMN watchllm.route_rule.enabled IS
    'Whether the rule is looked at.';
COMMENT ON COLUMN watchllm.route_rule.created_at IS
    'When the rule was made.';
COMMENT ON COLUMN watchllm.route_rule.updated_at IS
    'When it was last changed.';

CREATE TABLE watchllm.route_common (
	name		text PRIMARY KEY
	    CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	definition	jsonb NOT NULL
	    CHECK (jsonb_typeof(definition) = 'object'
		AND definition ->> 'alias' IS NOT NULL
		AND octet_length(definition::text) <= 16384),
	alias		text NOT NULL
	    GENERATED ALWAYS AS (definition ->> 'alias') STORED,
	position	integer NOT NULL
	    GENERATED ALWAYS AS (coalesce((definition ->> 'position')::integer,
		100)) STORED,
	enabled		boolean NOT NULL
	    GENERATED ALWAYS AS (coalesce((definition ->> 'enabled')::boolean,
		true)) STORED,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watchllm.route_common IS
    'Rules of routing for all projects, looked at after a project''s own.';
COMMENT ON COLUMN watchllm.route_common.name IS
    'Name of the rule.';
COMMENT ON COLUMN watchllm.route_common.definition IS
    'The rule, as docs/ROUTING.md describes it.';
COMMENT ON COLUMN watchllm.route_common.alias IS
    'The name that a client asks for.';
COMMENT ON COLUMN watchllm.route_common.position IS
    'Order among the rules of one alias, lowest first.';
COMMENT ON COLUMN watchllm.route_common.enabled IS
    'Whether the rule is looked at.';
COMMENT ON COLUMN watchllm.route_common.created_at IS
    'When the rule was made.';
COMMENT ON COLUMN watchllm.route_common.updated_at IS
    'When it was last changed.';

CREATE TABLE watchllm.feature_flag (
	name		text PRIMARY KEY
	    CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	percent		numeric(5,2) NOT NULL DEFAULT 0
	    CHECK (percent BETWEEN 0 AND 100),
	projects_on	text[] NOT NULL DEFAULT '{}'
	    CHECK (cardinality(projects_on) <= 1000),
	projects_off	text[] NOT NULL DEFAULT '{}'
	    CHECK (cardinality(projects_off) <= 1000),
	created_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watchllm.feature_flag IS
    'Flags that decide what a project sees, for a share of all projects.';
COMMENT ON COLUMN watchllm.feature_flag.name IS
    'Name of the flag, as rules have it.';
COMMENT ON COLUMN watchllm.feature_flag.percent IS
    'Share of the projects that see it; a project that sees it at one share sees it at any larger one.';
COMMENT ON COLUMN watchllm.feature_flag.projects_on IS
    'Projects that see it in any case.';
COMMENT ON COLUMN watchllm.feature_flag.projects_off IS
    'Projects that never see it; stronger than projects_on.';
COMMENT ON COLUMN watchllm.feature_flag.created_at IS
    'When the flag was made.';

CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON watchllm.route_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.bump_project();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON watchllm.route_common
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.bump_catalog();
CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON watchllm.feature_flag
    FOR EACH STATEMENT EXECUTE FUNCTION watchllm.bump_catalog();

CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.route_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.route_common
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.feature_flag
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();

-- what was granted until now, and what is new
ALTER FUNCTION watchllm.privilege_list() RENAME TO privilege_list_before_rules;
COMMENT ON FUNCTION watchllm.privilege_list_before_rules() IS
    'What each role is granted of what was there before rules of routing.';
CREATE FUNCTION watchllm.privilege_list()
RETURNS TABLE (role text, kind text, name text, privileges text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM watchllm.privilege_list_before_rules()
	UNION ALL VALUES
	('watchllm_app', 'TABLE', 'route_rule', 'SELECT'),
	('watchllm_app', 'TABLE', 'route_common', 'SELECT'),
	('watchllm_app', 'TABLE', 'feature_flag', 'SELECT')
$$;
COMMENT ON FUNCTION watchllm.privilege_list() IS
    'What each role is granted; everything else is refused.';

DO $$
BEGIN
	PERFORM watchllm.apply_privileges();
END
$$;
