libwatchllm_a_SOURCES += \
	lib/store/breaker.c lib/store/breaker.h \
	lib/store/cache_redis.c lib/store/cache_redis.h \
	lib/store/cache_scripts.c lib/store/cache_scripts.h \
	lib/store/counter.c \
	lib/store/counter.h \
	lib/store/counter_fixup.c \
	lib/store/counter_keys.c lib/store/counter_keys.h \
	lib/store/counter_pg.c \
	lib/store/counter_priv.h \
	lib/store/counter_redis.c \
	lib/store/counter_row.c \
	lib/store/counter_seed.c \
	lib/store/db.h \
	lib/store/db_admin.c lib/store/db_admin.h lib/store/db_admin_priv.h \
	lib/store/db_admin_list.c \
	lib/store/db_admin_page.c lib/store/db_admin_page.h \
	lib/store/db_admin_provider.c \
	lib/store/db_auth.c \
	lib/store/db_billing.c lib/store/db_billing.h \
	lib/store/db_doctor.c lib/store/db_doctor.h \
	lib/store/db_drain.c lib/store/db_drain.h \
	lib/store/db_health.c lib/store/db_health.h \
	lib/store/db_migrate.c \
	lib/store/db_migrate.h \
	lib/store/db_policy.c lib/store/db_policy.h \
	lib/store/db_price.c lib/store/db_price.h \
	lib/store/db_provider.c \
	lib/store/db_redaction.c lib/store/db_redaction.h \
	lib/store/db_rollup.c lib/store/db_rollup.h \
	lib/store/db_route.c lib/store/db_route.h \
	lib/store/db_usage.c \
	lib/store/pg.c lib/store/pg.h lib/store/pg_priv.h \
	lib/store/pg_connect.c \
	lib/store/pg_query.c \
	lib/store/redis.c lib/store/redis.h \
	lib/store/redis_script.c \
	lib/store/resolve.c lib/store/resolve.h \
	lib/store/rows.c \
	lib/store/scripts.c \
	lib/store/scripts.h \
	lib/store/stmts.c \
	lib/store/stmts.h
