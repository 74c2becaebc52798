libwatchllm_a_SOURCES += \
	lib/core/auth.h \
	lib/core/call.h \
	lib/core/event.h \
	lib/core/limit.h \
	lib/core/model.h \
	lib/core/price.h \
	lib/core/provider.h \
	lib/core/redact.h \
	lib/core/upstream.h
