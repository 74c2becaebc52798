libwatchllm_a_SOURCES += \
	lib/base/co.c lib/base/co.h \
	lib/base/loop.c lib/base/loop.h \
	lib/base/offload.c \
	lib/base/sched.h \
	lib/base/wait.c lib/base/wait.h
