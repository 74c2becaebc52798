libwatchllm_a_SOURCES += \
	lib/http/cors.c lib/http/cors.h \
	lib/http/guard.c lib/http/guard.h \
	lib/http/io.h \
	lib/http/req.c lib/http/req.h \
	lib/http/resp.c lib/http/resp.h \
	lib/http/sse.c lib/http/sse.h \
	lib/http/target.c lib/http/target.h
