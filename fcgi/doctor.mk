# watchllm doctor and verify, and the stream that doctor listens to
libwlfcgi_a_SOURCES += fcgi/h_health_stream.c
libwatchllm_a_SOURCES += \
	lib/core/promise.c lib/core/promise.h \
	lib/http/site.c lib/http/site.h
watchllm_SOURCES += \
	fcgi/cmd_verify.c \
	fcgi/key_arg.c fcgi/key_arg.h
