libwatchllm_a_SOURCES += \
	lib/http/client.c lib/http/client.h lib/http/client_priv.h \
	lib/http/cors.c lib/http/cors.h \
	lib/http/guard.c lib/http/guard.h \
	lib/http/io.h \
	lib/http/multipart.c lib/http/multipart.h \
	lib/http/names.c lib/http/names.h \
	lib/http/req.c lib/http/req.h \
	lib/http/resp.c lib/http/resp.h \
	lib/http/sigv4.c lib/http/sigv4.h \
	lib/http/site.c lib/http/site.h \
	lib/http/sse.c lib/http/sse.h \
	lib/http/target.c lib/http/target.h \
	lib/http/xfer.c lib/http/xfer_read.c
