# all but main(), so that tests can put doubles in place of a part
noinst_LIBRARIES += libwlfcgi.a
libwlfcgi_a_SOURCES = \
	fcgi/ctx.h \
	fcgi/h_chat.c fcgi/h_chat.h \
	fcgi/h_health.c fcgi/h_health.h \
	fcgi/h_health_detailed.c \
	fcgi/h_prometheus.c fcgi/h_prometheus.h \
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
	fcgi/worker.c fcgi/worker.h

cgibin_PROGRAMS += watchllm.fcgi
watchllm_fcgi_SOURCES = fcgi/watchllm_fcgi.c
watchllm_fcgi_LDADD = libwlfcgi.a $(WL_LIBS) $(FCGI_LIBS)

include $(srcdir)/fcgi/cli.mk
include $(srcdir)/fcgi/consumer.mk
include $(srcdir)/fcgi/rollup.mk
include $(srcdir)/fcgi/doctor.mk
