libwltest_a_SOURCES += tests/unit/child.c tests/unit/child.h
UNIT_TESTS += \
	tests/unit/test_co \
	tests/unit/test_loop \
	tests/unit/test_offload \
	tests/unit/test_wait
