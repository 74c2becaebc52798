#!/bin/sh
# Apply the migrations with psql, as "watchllm migrate" does: each file in one
# transaction, under an advisory lock, recorded with its SHA-256; what is
# recorded is skipped, what was changed since is refused.
#
#	apply.sh URL [FOLDER]
set -eu

url=$1
folder=${2:-$(cd "$(dirname "$0")/../../sql/schema" && pwd)}
PGOPTIONS='-c client_min_messages=warning'
export PGOPTIONS

run() {
	psql -X -q -v ON_ERROR_STOP=1 -d "$url" "$@"
}

run <<'END'
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('watchllm.migrate')) \g /dev/null
CREATE SCHEMA IF NOT EXISTS watchllm;
CREATE TABLE IF NOT EXISTS watchllm.schema_migration (
	version integer PRIMARY KEY,
	name text NOT NULL,
	sha256 text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now());
COMMIT;
END

for f in "$folder"/[0-9][0-9][0-9][0-9]_*.sql; do
	base=$(basename "$f" .sql)
	version=$(expr "${base%%_*}" + 0)
	name=${base#*_}
	sum=$(sha256sum "$f" | cut -d ' ' -f 1)
	{
		cat <<-END
			BEGIN;
			SELECT pg_advisory_xact_lock(hashtext('watchllm.migrate')) \\g /dev/null
			SELECT count(*) AS there, coalesce(bool_and(sha256 = '$sum'), true) AS same
			    FROM watchllm.schema_migration WHERE version = $version \\gset
			\\if :same
			\\else
			\\warn '$base: was applied with another content'
			SELECT 1/0;
			\\endif
			\\if :there
			\\else
		END
		cat "$f"
		cat <<-END
			INSERT INTO watchllm.schema_migration (version, name, sha256)
			    VALUES ($version, '$name', '$sum');
			\\echo applied $base
			\\endif
			COMMIT;
		END
	} | run -f -
done
