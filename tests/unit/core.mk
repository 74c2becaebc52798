UNIT_TESTS += \
	tests/unit/test_call \
	tests/unit/test_event \
	tests/unit/test_memo \
	tests/unit/test_model \
	tests/unit/test_price \
	tests/unit/test_provider_openai \
	tests/unit/test_redact \
	tests/unit/test_stream \
	tests/unit/test_upstream
