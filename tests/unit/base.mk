libwltest_a_SOURCES += tests/unit/tmp.c tests/unit/tmp.h
UNIT_TESTS += \
	tests/unit/test_arena \
	tests/unit/test_buf \
	tests/unit/test_clock \
	tests/unit/test_conf \
	tests/unit/test_enc \
	tests/unit/test_err \
	tests/unit/test_hash \
	tests/unit/test_journal \
	tests/unit/test_journal_read \
	tests/unit/test_json \
	tests/unit/test_jw \
	tests/unit/test_log \
	tests/unit/test_money \
	tests/unit/test_num \
	tests/unit/test_oom \
	tests/unit/test_rand \
	tests/unit/test_re \
	tests/unit/test_secret \
	tests/unit/test_str \
	tests/unit/test_utf8
tests_unit_test_oom_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free \
	-Wl,--wrap=strdup,--wrap=strndup
