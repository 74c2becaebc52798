# watchllm doctor and verify, and the stream that doctor listens to
libwlfcgi_a_SOURCES += fcgi/h_health_stream.c
