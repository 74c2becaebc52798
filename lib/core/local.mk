libwatchllm_a_SOURCES += \
	lib/core/address.c lib/core/address.h \
	lib/core/auth.c lib/core/auth.h \
	lib/core/call.c lib/core/call.h \
	lib/core/catalog.c lib/core/catalog.h \
	lib/core/event.c lib/core/event.h \
	lib/core/key.c lib/core/key.h \
	lib/core/limit.c lib/core/limit.h \
	lib/core/memo.c lib/core/memo.h \
	lib/core/model.c lib/core/model.h \
	lib/core/once.c lib/core/once.h \
	lib/core/price.c lib/core/price.h \
	lib/core/provider.h lib/core/provider_openai.c \
	lib/core/provider_error.c lib/core/provider_error.h \
	lib/core/redact.c lib/core/redact.h \
	lib/core/stream.c lib/core/stream.h \
	lib/core/upstream.c lib/core/upstream.h \
	lib/core/usage.c lib/core/usage.h
