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
if HAVE_CUNIT
check_PROGRAMS += tests/db/test_db_price tests/unit/test_price_import
TESTS += tests/db/test_db_price.sh tests/unit/test_price_import
endif
TESTS += tests/e2e/test_prices.py
EXTRA_DIST += tests/data/README tests/data/litellm_prices.json \
	tests/db/test_db_price.sh tests/e2e/test_prices.py
tests/db/test_db_price.log: tests/db/test_db_price$(EXEEXT)
tests/e2e/test_prices.log: watchllm$(EXEEXT)
EXTRA_DIST += \
	tests/fuzz/corpus/price_import/csv \
	tests/fuzz/corpus/price_import/csv_open_quote \
	tests/fuzz/corpus/price_import/csv_quotes \
	tests/fuzz/corpus/price_import/csv_twice \
	tests/fuzz/corpus/price_import/litellm \
	tests/fuzz/corpus/price_import/litellm_huge \
	tests/fuzz/corpus/price_import/litellm_odd

# redaction by the rules of the database
libwatchllm_a_SOURCES += \
	lib/base/re.c lib/base/re.h lib/base/re_priv.h \
	lib/base/re_parse.c \
	lib/core/redact_rules.c lib/core/redact_rules.h \
	lib/store/db_redaction.c lib/store/db_redaction.h
if HAVE_CUNIT
check_PROGRAMS += tests/db/test_redaction tests/unit/test_re \
	tests/unit/test_redact_rules
TESTS += tests/db/test_redaction.sh tests/unit/test_re \
	tests/unit/test_redact_rules
endif
EXTRA_DIST += tests/db/test_redaction.sh tests/e2e/test_redaction.py
tests/db/test_redaction.log: tests/db/test_redaction$(EXEEXT)
EXTRA_DIST += \
	tests/fuzz/corpus/re/icase \
	tests/fuzz/corpus/re/large \
	tests/fuzz/corpus/re/lists \
	tests/fuzz/corpus/re/nested \
	tests/fuzz/corpus/re/odd \
	tests/fuzz/corpus/re/typical
