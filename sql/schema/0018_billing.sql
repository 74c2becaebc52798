-- Subscriptions at Stripe, and the plans that follow from them.

CREATE TABLE watchllm.stripe_event (
	id		text PRIMARY KEY,
	type		text NOT NULL,
	created_at	timestamptz NOT NULL,
	received_at	timestamptz NOT NULL DEFAULT now(),
	outcome		text NOT NULL DEFAULT ''
);
CREATE INDEX stripe_event_received ON watchllm.stripe_event (received_at);
COMMENT ON TABLE watchllm.stripe_event IS
    'Events of Stripe that were taken, so that none counts twice; kept for 90 days.';
COMMENT ON COLUMN watchllm.stripe_event.id IS
    'Stripe''s id of the event.';
COMMENT ON COLUMN watchllm.stripe_event.type IS
    'Its type, for example customer.subscription.updated.';
COMMENT ON COLUMN watchllm.stripe_event.created_at IS
    'When it happened, as Stripe says.';
COMMENT ON COLUMN watchllm.stripe_event.received_at IS
    'When it came here.';
COMMENT ON COLUMN watchllm.stripe_event.outcome IS
    'What it led to: applied, unchanged, stale, unlinked, unmapped, refused.';

CREATE TABLE watchllm.stripe_subscription (
	id		text PRIMARY KEY,
	project_id	text REFERENCES watchllm.project (id),
	customer	text,
	status		text,
	plans		text[] NOT NULL DEFAULT '{}',
	event_at	timestamptz,
	event_rank	smallint NOT NULL DEFAULT 0,
	ended		boolean NOT NULL DEFAULT false,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stripe_subscription_project
    ON watchllm.stripe_subscription (project_id);
COMMENT ON TABLE watchllm.stripe_subscription IS
    'Subscriptions at Stripe as their newest event tells of them.';
COMMENT ON COLUMN watchllm.stripe_subscription.id IS
    'Stripe''s id of the subscription.';
COMMENT ON COLUMN watchllm.stripe_subscription.project_id IS
    'The project that it pays for; null: not known yet.';
COMMENT ON COLUMN watchllm.stripe_subscription.customer IS
    'Stripe''s id of the customer.';
COMMENT ON COLUMN watchllm.stripe_subscription.status IS
    'Stripe''s status; null: only a checkout told of it so far.';
COMMENT ON COLUMN watchllm.stripe_subscription.plans IS
    'Plans that its prices and products stand for, as configured when the event came.';
COMMENT ON COLUMN watchllm.stripe_subscription.event_at IS
    'Time of the newest event.';
COMMENT ON COLUMN watchllm.stripe_subscription.event_rank IS
    'Order of events of the same second: 1 created, 2 updated, 3 deleted.';
COMMENT ON COLUMN watchllm.stripe_subscription.ended IS
    'Whether it was deleted, after which nothing of it counts.';
COMMENT ON COLUMN watchllm.stripe_subscription.created_at IS
    'When it was first heard of.';
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE
    ON watchllm.stripe_subscription
    FOR EACH ROW EXECUTE FUNCTION watchllm.audit_change();

CREATE FUNCTION watchllm.stripe_plan(p_project text)
RETURNS TABLE (live bigint, plan text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(DISTINCT s.id), (array_agg(l.id
	    ORDER BY l.price_usd_cents DESC, l.id)
	    FILTER (WHERE l.id IS NOT NULL))[1]
	FROM watchllm.stripe_subscription s
	LEFT JOIN watchllm.plan l ON l.id = ANY (s.plans)
	WHERE s.project_id = p_project AND NOT s.ended
	    AND s.status IN ('active', 'trialing', 'past_due')
$$;
COMMENT ON FUNCTION watchllm.stripe_plan(text) IS
    'How many subscriptions a project lives by, and the dearest plan of them.';

CREATE FUNCTION watchllm.stripe_apply(p_event text, p_type text,
    p_created bigint, p_rank integer, p_subscription text, p_customer text,
    p_project text, p_trusted boolean, p_status text, p_plans text[],
    p_default text)
RETURNS TABLE (outcome text, project_id text, version bigint, plan text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s watchllm.stripe_subscription;
	was watchllm.stripe_subscription;
	target watchllm.project;
	v_at timestamptz := to_timestamp(p_created);
	v_outcome text := 'unchanged';
	v_plan record;
	v_id text;
BEGIN
	PERFORM set_config('watchllm.actor', 'stripe:' || p_event, true);
	INSERT INTO watchllm.stripe_event (id, type, created_at)
	VALUES (p_event, p_type, v_at) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RETURN QUERY SELECT 'duplicate', NULL::text, NULL::bigint,
		    NULL::text;
		RETURN;
	END IF;
	DELETE FROM watchllm.stripe_event
	WHERE received_at < now() - interval '90 days';

	INSERT INTO watchllm.stripe_subscription (id)
	VALUES (p_subscription) ON CONFLICT DO NOTHING;
	SELECT * INTO s FROM watchllm.stripe_subscription
	WHERE id = p_subscription FOR UPDATE;
	was := s;
	IF p_rank > 0 THEN
		IF s.ended OR (s.event_at, s.event_rank::integer)
		    > (v_at, p_rank) THEN
			UPDATE watchllm.stripe_event SET outcome = 'stale'
			WHERE id = p_event;
			RETURN QUERY SELECT 'stale', s.project_id,
			    NULL::bigint, NULL::text;
			RETURN;
		END IF;
		s.status := p_status;
		s.plans := p_plans;
		s.event_at := v_at;
		s.event_rank := p_rank;
		s.ended := p_rank = 3;
	END IF;
	s.customer := coalesce(p_customer, s.customer);

	IF p_project IS NOT NULL AND p_project IS DISTINCT FROM s.project_id
	THEN
		SELECT * INTO target FROM watchllm.project
		WHERE id = p_project FOR UPDATE;
		-- what a customer may have written himself binds a project that
		-- nobody pays for and nobody has raised, and moves none
		IF target.id IS NULL THEN
			v_outcome := 'unlinked';
		ELSIF p_trusted OR (s.project_id IS NULL
		    AND target.plan_id = p_default
		    AND NOT EXISTS (SELECT FROM watchllm.stripe_subscription o
			WHERE o.project_id = p_project AND NOT o.ended
			    AND o.customer IS DISTINCT FROM s.customer)) THEN
			s.project_id := p_project;
		ELSE
			v_outcome := 'refused';
		END IF;
	END IF;
	UPDATE watchllm.stripe_subscription SET project_id = s.project_id,
	    customer = s.customer, status = s.status, plans = s.plans,
	    event_at = s.event_at, event_rank = s.event_rank, ended = s.ended
	WHERE id = p_subscription;

	IF s.project_id IS NULL AND v_outcome = 'unchanged' THEN
		v_outcome := 'unlinked';
	END IF;
	-- a renewal that changes nothing leaves alone what an operator has set
	IF s.project_id IS DISTINCT FROM was.project_id OR s.plans <> was.plans
	    OR s.status IS DISTINCT FROM was.status OR s.ended <> was.ended
	THEN
		-- in the order of ids: two events must not wait for each other
		FOR v_id IN SELECT DISTINCT x FROM
		    unnest(ARRAY[was.project_id, s.project_id]) x
		    WHERE x IS NOT NULL ORDER BY x LOOP
			PERFORM FROM watchllm.project WHERE id = v_id FOR UPDATE;
			SELECT * INTO v_plan FROM watchllm.stripe_plan(v_id);
			IF v_plan.live > 0 AND v_plan.plan IS NULL THEN
				IF cardinality(s.plans) > 0 THEN
					RAISE EXCEPTION
					    'no plan is called %', s.plans
					    USING ERRCODE = '23503';
				END IF;
				v_outcome := 'unmapped';
				CONTINUE;
			END IF;
			-- a subscription that has never lived moves nothing
			IF v_plan.live = 0 AND was.status IS NULL
			    AND was.project_id IS NULL THEN
				CONTINUE;
			END IF;
			UPDATE watchllm.project
			SET plan_id = coalesce(v_plan.plan, p_default)
			WHERE id = v_id
			    AND plan_id <> coalesce(v_plan.plan, p_default);
			IF FOUND THEN
				v_outcome := 'applied';
			END IF;
		END LOOP;
	END IF;
	UPDATE watchllm.stripe_event SET outcome = v_outcome
	WHERE id = p_event;
	RETURN QUERY SELECT v_outcome, p.id, p.version, p.plan_id
	FROM (VALUES (1)) one (x)
	LEFT JOIN watchllm.project p
	    ON p.id IN (s.project_id, was.project_id);
END
$$;
COMMENT ON FUNCTION watchllm.stripe_apply(text, text, bigint, integer, text, text, text, boolean, text, text[], text) IS
    'Take one event of Stripe: P_RANK 0 a checkout that was completed, 1 to 3 a subscription created, updated, deleted; P_TRUSTED: the project was named where only the operator writes. Returns what it led to, and each project concerned as it is now.';

ALTER FUNCTION watchllm.privilege_list() RENAME TO privilege_list_before_billing;
CREATE FUNCTION watchllm.privilege_list()
RETURNS TABLE (role text, kind text, name text, privileges text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT * FROM watchllm.privilege_list_before_billing()
	UNION ALL VALUES
	('watchllm_app', 'FUNCTION', 'stripe_apply(text, text, bigint, integer, text, text, text, boolean, text, text[], text)', 'EXECUTE')
$$;
COMMENT ON FUNCTION watchllm.privilege_list() IS
    'What each role is granted; everything else is refused.';
COMMENT ON FUNCTION watchllm.privilege_list_before_billing() IS
    'The same, before billing.';

DO $$
BEGIN
	PERFORM watchllm.apply_privileges();
END
$$;
