-- Policy on content: rules of projects.

CREATE TABLE watchllm.policy_rule (
	project_id	text NOT NULL REFERENCES watchllm.project (id),
	name		text NOT NULL
	    CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
	definition	jsonb NOT NULL
	    CHECK (jsonb_typeof(definition) = 'object'
		AND octet_length(definition::text) <= 16384),
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
COMMENT ON TABLE watchllm.policy_rule IS
    'A project''s rules on content: what is masked, blocked or flagged in requests and answers.';
COMMENT ON COLUMN watchllm.policy_rule.project_id IS
    'The project that the rule is for.';
COMMENT ON COLUMN watchllm.policy_rule.name IS
    'Name of the rule within its project.';
COMMENT ON COLUMN watchllm.policy_rule.definition IS
    'The rule, as docs/POLICY.md describes it.';
COMMENT ON COLUMN watchllm.policy_rule.position IS
    'Order in which rules are applied, lowest first.';
COMMENT ON COLUMN watchllm.policy_rule.enabled IS
    'Whether the rule is applied.';
COMMENT ON COLUMN watchllm.policy_rule.created_at IS
    'When the rule was made.';
COMMENT ON COLUMN watchllm.policy_rule.updated_at IS
    'When it was last changed.';

CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON watchllm.policy_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.bump_project();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.policy_rule
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();

-- what was granted until now, and what is new
ALTER FUNCTION watchllm.privilege_list() RENAME TO privilege_list_before_policy;
COMMENT ON FUNCTION watchllm.privilege_list_before_policy() IS
    'What each role is granted of what was there before policy on content.';
CREATE FUNCTION watchllm.privilege_list()
RETURNS TABLE (role text, kind text, name text, privileges text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM watchllm.privilege_list_before_policy()
	UNION ALL VALUES
	('watchllm_app', 'TABLE', 'policy_rule', 'SELECT')
$$;
COMMENT ON FUNCTION watchllm.privilege_list() IS
    'What each role is granted; everything else is refused.';

DO $$
BEGIN
	PERFORM watchllm.apply_privileges();
END
$$;
