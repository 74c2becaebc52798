libwatchllm_a_SOURCES += \
	lib/base/arena.c lib/base/arena.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/conf.c lib/base/conf.h lib/base/conf_priv.h \
	lib/base/conf_print.c lib/base/conf_table.c \
	lib/base/enc.c lib/base/enc.h \
	lib/base/err.c lib/base/err.h \
	lib/base/hash.c lib/base/hash.h \
	lib/base/journal.c lib/base/journal.h lib/base/journal_read.c \
	lib/base/json.c lib/base/json.h lib/base/json_scan.c \
	lib/base/jw.c lib/base/jw.h \
	lib/base/log.c lib/base/log.h \
	lib/base/money.c lib/base/money.h \
	lib/base/num.c lib/base/num.h \
	lib/base/rand.c lib/base/rand.h \
	lib/base/re.c lib/base/re.h lib/base/re_priv.h \
	lib/base/re_parse.c \
	lib/base/secret.c lib/base/secret.h \
	lib/base/str.c lib/base/str.h \
	lib/base/utf8.c lib/base/utf8.h

# the scheduler
libwatchllm_a_SOURCES += \
	lib/base/co.c lib/base/co.h \
	lib/base/loop.c lib/base/loop.h \
	lib/base/offload.c \
	lib/base/sched.h \
	lib/base/wait.c lib/base/wait.h
