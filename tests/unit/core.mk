UNIT_TESTS += \
	tests/unit/test_call \
	tests/unit/test_redact \
	tests/unit/test_stream
