libwatchllm_a_SOURCES += \
	lib/core/address.c lib/core/address.h \
	lib/core/auth.c lib/core/auth.h \
	lib/core/call.h \
	lib/core/event.h \
	lib/core/key.c lib/core/key.h \
	lib/core/limit.c lib/core/limit.h \
	lib/core/model.h \
	lib/core/price.h \
	lib/core/provider.h \
	lib/core/redact.h \
	lib/core/upstream.h \
	lib/core/usage.c lib/core/usage.h
