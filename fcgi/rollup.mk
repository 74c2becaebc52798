# watchllm-rollup: the cron program
pkglibexec_PROGRAMS += watchllm-rollup
watchllm_rollup_SOURCES = fcgi/watchllm_rollup.c
watchllm_rollup_LDADD = libwlfcgi.a $(WL_LIBS)
libwatchllm_a_SOURCES += \
	lib/core/rollup.c lib/core/rollup.h \
	lib/store/db_rollup.c lib/store/db_rollup.h
