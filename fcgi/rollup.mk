# watchllm-rollup, the cron program
pkglibexec_PROGRAMS += watchllm-rollup
watchllm_rollup_SOURCES = fcgi/watchllm_rollup.c
watchllm_rollup_LDADD = libwlfcgi.a $(WL_LIBS)
libwatchllm_a_SOURCES += \
	lib/core/rollup.c lib/core/rollup.h \
	lib/store/db_rollup.c lib/store/db_rollup.h
dist_man_MANS += docs/man/watchllm-rollup.8
if HAVE_CUNIT
check_PROGRAMS += tests/db/test_rollup
TESTS += tests/db/test_rollup.sh
endif
EXTRA_DIST += tests/db/test_rollup.sh
tests/db/test_rollup.log: tests/db/test_rollup$(EXEEXT)
TESTS += tests/e2e/test_rollup.py
EXTRA_DIST += tests/e2e/test_rollup.py
tests/e2e/test_rollup.log: watchllm-rollup$(EXEEXT)

# watchllm prices
libwatchllm_a_SOURCES += \
	lib/core/price_import.c lib/core/price_import.h \
	lib/store/db_price.c lib/store/db_price.h
watchllm_SOURCES += fcgi/cmd_prices.c
