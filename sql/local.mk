# migrations in their order, and what is loaded after them
nobase_dist_pkgdata_DATA += \
	sql/schema/0001_base.sql \
	sql/schema/0002_project.sql \
	sql/schema/0003_provider.sql \
	sql/schema/0004_event.sql \
	sql/schema/0005_ledger.sql \
	sql/schema/0006_rollup.sql \
	sql/schema/0007_counter.sql \
	sql/schema/0008_drain.sql \
	sql/schema/0009_maintenance.sql \
	sql/schema/0010_report.sql \
	sql/schema/0011_access.sql \
	sql/schema/0012_usage_set.sql \
	sql/schema/0013_price_long.sql \
	sql/schema/0014_anthropic.sql \
	sql/schema/0015_admin.sql \
	sql/schema/0016_route_rule.sql \
	sql/schema/0017_wires.sql \
	sql/schema/0018_billing.sql \
	sql/schema/0019_cohere.sql \
	sql/schema/0020_price_media.sql \
	sql/schema/0021_price_hour.sql \
	sql/schema/0022_bedrock.sql \
	sql/schema/0023_shadow.sql \
	sql/schema/0024_limits.sql \
	sql/schema/0025_policy.sql \
	sql/seed/README.txt \
	sql/seed/model_prices.csv
EXTRA_DIST += sql/README.md
