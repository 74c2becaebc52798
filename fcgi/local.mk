# all but main(), so that tests can put doubles in place of a part
noinst_LIBRARIES += libwlfcgi.a
libwlfcgi_a_SOURCES = \
	fcgi/conn.c fcgi/conn.h \
	fcgi/ctx.h \
	fcgi/h_admin.c fcgi/h_admin.h \
	fcgi/h_admin_audit.c \
	fcgi/h_admin_keys.c \
	fcgi/h_admin_plans.c \
	fcgi/h_admin_prices.c \
	fcgi/h_admin_projects.c \
	fcgi/h_admin_provider_keys.c \
	fcgi/h_admin_usage.c \
	fcgi/h_billing.c fcgi/h_billing.h \
	fcgi/h_cache.c fcgi/h_cache.h \
	fcgi/h_chat.c fcgi/h_chat.h \
	fcgi/h_estimate.c fcgi/h_estimate.h \
	fcgi/h_health.c fcgi/h_health.h \
	fcgi/h_health_detailed.c \
	fcgi/h_health_stream.c \
	fcgi/h_models.c fcgi/h_models.h \
	fcgi/h_prometheus.c fcgi/h_prometheus.h \
	fcgi/h_responses.c fcgi/h_responses.h \
	fcgi/h_usage.c fcgi/h_usage.h \
	fcgi/io_cgi.c fcgi/io_cgi.h \
	fcgi/io_fcgx.c fcgi/io_fcgx.h \
	fcgi/listen.c fcgi/listen.h \
	fcgi/master.c \
	fcgi/operator.c fcgi/operator.h \
	fcgi/os_fcgx.c fcgi/os_fcgx.h \
	fcgi/program.c fcgi/program.h \
	fcgi/prom.c fcgi/prom.h \
	fcgi/record.c fcgi/record.h \
	fcgi/routes.c \
	fcgi/serve.c fcgi/serve.h \
	fcgi/shadow.c fcgi/shadow.h \
	fcgi/worker.c fcgi/worker.h

cgibin_PROGRAMS += watchllm.fcgi
watchllm_fcgi_SOURCES = fcgi/watchllm_fcgi.c
watchllm_fcgi_LDADD = libwlfcgi.a $(WL_LIBS) $(FCGI_LIBS)

# the operator's command line: a command is a cmd_*.c
bin_PROGRAMS += watchllm
watchllm_SOURCES = \
	fcgi/ask.c fcgi/ask.h \
	fcgi/cli.c fcgi/cli.h \
	fcgi/cmd.h \
	fcgi/cmd_audit.c \
	fcgi/cmd_dead_letter.c \
	fcgi/cmd_doctor.c \
	fcgi/cmd_flag.c \
	fcgi/cmd_key.c \
	fcgi/cmd_limit.c \
	fcgi/cmd_migrate.c \
	fcgi/cmd_plan.c \
	fcgi/cmd_policy.c \
	fcgi/cmd_prices.c \
	fcgi/cmd_project.c \
	fcgi/cmd_provider.c \
	fcgi/cmd_provider_key.c \
	fcgi/cmd_route.c fcgi/cmd_route.h \
	fcgi/cmd_route_rule.c \
	fcgi/cmd_route_test.c \
	fcgi/cmd_usage.c \
	fcgi/cmd_verify.c \
	fcgi/doctor.c fcgi/doctor.h \
	fcgi/doctor_clock.c fcgi/doctor_clock.h \
	fcgi/doctor_conf.c \
	fcgi/doctor_data.c \
	fcgi/doctor_db.c \
	fcgi/doctor_redis.c \
	fcgi/doctor_spool.c \
	fcgi/doctor_stream.c fcgi/doctor_stream.h \
	fcgi/doctor_web.c \
	fcgi/key_arg.c fcgi/key_arg.h \
	fcgi/out.c fcgi/out.h \
	fcgi/watchllm.c
watchllm_LDADD = libwlfcgi.a $(WL_LIBS)

pkglibexec_PROGRAMS += watchllm-consumer watchllm-rollup
watchllm_consumer_SOURCES = fcgi/watchllm_consumer.c
watchllm_consumer_LDADD = libwlfcgi.a $(WL_LIBS)
watchllm_rollup_SOURCES = fcgi/watchllm_rollup.c
watchllm_rollup_LDADD = libwlfcgi.a $(WL_LIBS)
