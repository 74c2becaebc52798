-- Journals, and the ledger of admitted calls: the truth about quota.

CREATE TABLE watchllm.journal_host (
	host		text PRIMARY KEY,
	batch		bigint NOT NULL DEFAULT 0,
	updated_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watchllm.journal_host IS
    'Hosts whose journals are drained.';
COMMENT ON COLUMN watchllm.journal_host.host IS
    'Name of the host, as configured.';
COMMENT ON COLUMN watchllm.journal_host.batch IS
    'Number of the last batch that was drained from it.';
COMMENT ON COLUMN watchllm.journal_host.updated_at IS
    'When that was.';

CREATE TABLE watchllm.journal_mark (
	host		text NOT NULL,
	segment		text NOT NULL,
	drained_bytes	bigint NOT NULL CHECK (drained_bytes >= 0),
	closed		boolean NOT NULL DEFAULT false,
	updated_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (host, segment)
);
COMMENT ON TABLE watchllm.journal_mark IS
    'How far each journal segment is drained, written in the transaction that drained it.';
COMMENT ON COLUMN watchllm.journal_mark.host IS
    'Host of the segment.';
COMMENT ON COLUMN watchllm.journal_mark.segment IS
    'File name of the segment.';
COMMENT ON COLUMN watchllm.journal_mark.drained_bytes IS
    'Bytes from its beginning that are in the database.';
COMMENT ON COLUMN watchllm.journal_mark.closed IS
    'Whether it is drained to its end and may be unlinked.';
COMMENT ON COLUMN watchllm.journal_mark.updated_at IS
    'When the row was last written.';

CREATE FUNCTION watchllm.drain_mark(p_host text, p_segment text,
    p_from bigint, p_to bigint, p_closed boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF p_from = 0 THEN
		INSERT INTO watchllm.journal_mark (host, segment,
		    drained_bytes, closed) VALUES (p_host, p_segment, 0, false)
		ON CONFLICT DO NOTHING;
	END IF;
	UPDATE watchllm.journal_mark m SET drained_bytes = p_to,
	    closed = p_closed, updated_at = clock_timestamp()
	WHERE m.host = p_host AND m.segment = p_segment
	    AND m.drained_bytes = p_from AND NOT m.closed;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'segment % of host % is not drained to byte %: another consumer is at work',
		    p_segment, p_host, p_from
		    USING ERRCODE = 'serialization_failure';
	END IF;
END
$$;
COMMENT ON FUNCTION watchllm.drain_mark(text, text, bigint, bigint, boolean) IS
    'Move the mark of a segment from one offset to another; fails when it does not stand where the caller thinks.';

CREATE TABLE watchllm.ledger (
	day		date NOT NULL,
	project_id	text NOT NULL,
	event_id	uuid NOT NULL,
	api_key_id	text,
	admitted_at	timestamptz NOT NULL,
	host		text NOT NULL,
	process		text NOT NULL,
	generation	text NOT NULL DEFAULT '',
	state		text NOT NULL CHECK (state IN ('open', 'settled', 'lost')),
	minute_counted	boolean NOT NULL DEFAULT true,
	month_counted	boolean NOT NULL DEFAULT true,
	reserved_tokens	bigint,
	reserved_nano	bigint,
	tokens		bigint,
	cost_nano	bigint,
	settled_at	timestamptz,
	begin_event	jsonb,
	PRIMARY KEY (project_id, event_id, day)
) PARTITION BY RANGE (day);
CREATE INDEX ledger_open ON watchllm.ledger (host, process)
    WHERE state = 'open';
CREATE INDEX ledger_recent ON watchllm.ledger (project_id, admitted_at);
COMMENT ON TABLE watchllm.ledger IS
    'One row per gateway call that was admitted; counters are rebuilt from it.';
COMMENT ON COLUMN watchllm.ledger.day IS
    'UTC day of admission; names the partition.';
COMMENT ON COLUMN watchllm.ledger.project_id IS
    'The project that called.';
COMMENT ON COLUMN watchllm.ledger.event_id IS
    'The call, as in event.';
COMMENT ON COLUMN watchllm.ledger.api_key_id IS
    'The key that was used.';
COMMENT ON COLUMN watchllm.ledger.admitted_at IS
    'When it was admitted, by the worker''s clock; its minute and month follow from it.';
COMMENT ON COLUMN watchllm.ledger.host IS
    'Host of the worker.';
COMMENT ON COLUMN watchllm.ledger.process IS
    'The worker process, as in the name of its journal.';
COMMENT ON COLUMN watchllm.ledger.generation IS
    'Generation of the counters that admitted it; empty: admitted without counters.';
COMMENT ON COLUMN watchllm.ledger.state IS
    'open: running; settled: over; lost: its worker died.';
COMMENT ON COLUMN watchllm.ledger.minute_counted IS
    'Whether it counts against its minute.';
COMMENT ON COLUMN watchllm.ledger.month_counted IS
    'Whether it counts against its month; false: refunded or free.';
COMMENT ON COLUMN watchllm.ledger.reserved_tokens IS
    'Tokens reserved at admission.';
COMMENT ON COLUMN watchllm.ledger.reserved_nano IS
    'Nano-dollars reserved at admission.';
COMMENT ON COLUMN watchllm.ledger.tokens IS
    'Tokens of all classes that it used.';
COMMENT ON COLUMN watchllm.ledger.cost_nano IS
    'What it cost in nano-dollars; null: not known.';
COMMENT ON COLUMN watchllm.ledger.settled_at IS
    'When the end was drained.';
COMMENT ON COLUMN watchllm.ledger.begin_event IS
    'While open: what is known of the call, for the event should it be lost.';

CREATE FUNCTION watchllm.ledger_day(p_day date,
    p_now timestamptz DEFAULT now()) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	child text := 'ledger_' || to_char(p_day, 'YYYYMMDD');
BEGIN
	IF to_regclass(format('watchllm.%I', child)) IS NOT NULL THEN
		RETURN true;
	END IF;
	IF p_day < watchllm.utc_day(p_now) - (SELECT keep_days
	    FROM watchllm.retention_rule WHERE name = 'ledger') THEN
		RETURN false;
	END IF;
	PERFORM watchllm.attach_partition('ledger', child, p_day::text,
	    (p_day + 1)::text, 'WITH (fillfactor = 85)');
	RETURN true;
END
$$;
COMMENT ON FUNCTION watchllm.ledger_day(date, timestamptz) IS
    'Whether calls of a day can be entered, making the partition when missing.';

CREATE TABLE watchllm.usage_month (
	project_id	text NOT NULL,
	month		date NOT NULL CHECK (EXTRACT(day FROM month) = 1),
	admitted	bigint NOT NULL DEFAULT 0,
	counted		bigint NOT NULL DEFAULT 0,
	correction	bigint NOT NULL DEFAULT 0,
	tokens		bigint NOT NULL DEFAULT 0,
	cost_nano	bigint NOT NULL DEFAULT 0,
	updated_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, month)
) WITH (fillfactor = 50);
COMMENT ON TABLE watchllm.usage_month IS
    'Sums of the ledger per project and UTC month. Used = counted + correction.';
COMMENT ON COLUMN watchllm.usage_month.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.usage_month.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN watchllm.usage_month.admitted IS
    'Calls that were admitted.';
COMMENT ON COLUMN watchllm.usage_month.counted IS
    'Calls that count against the month: admitted and not refunded or free.';
COMMENT ON COLUMN watchllm.usage_month.correction IS
    'What an operator added or took away.';
COMMENT ON COLUMN watchllm.usage_month.tokens IS
    'Tokens of all classes.';
COMMENT ON COLUMN watchllm.usage_month.cost_nano IS
    'Nano-dollars, calls of unknown price not among them.';
COMMENT ON COLUMN watchllm.usage_month.updated_at IS
    'When the row last changed.';

CREATE TABLE watchllm.usage_key_month (
	project_id	text NOT NULL,
	api_key_id	text NOT NULL,
	month		date NOT NULL CHECK (EXTRACT(day FROM month) = 1),
	admitted	bigint NOT NULL DEFAULT 0,
	counted		bigint NOT NULL DEFAULT 0,
	tokens		bigint NOT NULL DEFAULT 0,
	cost_nano	bigint NOT NULL DEFAULT 0,
	updated_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (project_id, api_key_id, month)
) WITH (fillfactor = 50);
COMMENT ON TABLE watchllm.usage_key_month IS
    'As usage_month, per key: what a key''s own limit is rebuilt from.';
COMMENT ON COLUMN watchllm.usage_key_month.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.usage_key_month.api_key_id IS
    'The key.';
COMMENT ON COLUMN watchllm.usage_key_month.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN watchllm.usage_key_month.admitted IS
    'Calls that were admitted.';
COMMENT ON COLUMN watchllm.usage_key_month.counted IS
    'Calls that count against the month.';
COMMENT ON COLUMN watchllm.usage_key_month.tokens IS
    'Tokens of all classes.';
COMMENT ON COLUMN watchllm.usage_key_month.cost_nano IS
    'Nano-dollars, calls of unknown price not among them.';
COMMENT ON COLUMN watchllm.usage_key_month.updated_at IS
    'When the row last changed.';

-- A generation names one life of a project's counters.  It begins with the
-- sums of the ledger, so a call that is drained later belongs into the
-- counters exactly when another generation admitted it.

CREATE TABLE watchllm.counter_project (
	project_id	text PRIMARY KEY,
	generation	text NOT NULL,
	began_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE watchllm.counter_project IS
    'The present generation of a project''s counters; its row is also the lock of counters in PostgreSQL.';
COMMENT ON COLUMN watchllm.counter_project.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.counter_project.generation IS
    'Name of the generation: pg: or redis: and a number that is higher than that of any before.';
COMMENT ON COLUMN watchllm.counter_project.began_at IS
    'When it began.';

CREATE TABLE watchllm.counter_fixup (
	id		bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	project_id	text NOT NULL,
	api_key_id	text,
	generation	text NOT NULL,
	month		date NOT NULL,
	minute		bigint NOT NULL,
	month_n		bigint NOT NULL,
	minute_n	bigint NOT NULL,
	calls		text NOT NULL DEFAULT '',
	host		text NOT NULL,
	batch		bigint NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX counter_fixup_host ON watchllm.counter_fixup (host, id);
CREATE INDEX counter_fixup_project ON watchllm.counter_fixup (project_id);
COMMENT ON TABLE watchllm.counter_fixup IS
    'Calls that were drained after a generation of counters in Redis began and that another generation had admitted: what is still to be added to Redis.';
COMMENT ON COLUMN watchllm.counter_fixup.id IS
    'Number of the row; Redis remembers it, so that it is added once.';
COMMENT ON COLUMN watchllm.counter_fixup.project_id IS
    'The project.';
COMMENT ON COLUMN watchllm.counter_fixup.api_key_id IS
    'The key that was used.';
COMMENT ON COLUMN watchllm.counter_fixup.generation IS
    'The generation that the figures are to be added to, and to no other.';
COMMENT ON COLUMN watchllm.counter_fixup.month IS
    'First day of the UTC month.';
COMMENT ON COLUMN watchllm.counter_fixup.minute IS
    'Minutes since the epoch.';
COMMENT ON COLUMN watchllm.counter_fixup.month_n IS
    'To be added to the month; below zero: refunds.';
COMMENT ON COLUMN watchllm.counter_fixup.minute_n IS
    'To be added to the minute.';
COMMENT ON COLUMN watchllm.counter_fixup.calls IS
    'For sliding windows: the calls of the last minutes among them, as "milliseconds event_id" separated by commas.';
COMMENT ON COLUMN watchllm.counter_fixup.host IS
    'Host whose consumer adds it.';
COMMENT ON COLUMN watchllm.counter_fixup.batch IS
    'Batch in which it was found.';
COMMENT ON COLUMN watchllm.counter_fixup.created_at IS
    'When it was found.';
