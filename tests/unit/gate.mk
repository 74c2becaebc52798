UNIT_TESTS += \
	tests/unit/test_address \
	tests/unit/test_auth \
	tests/unit/test_key \
	tests/unit/test_limit \
	tests/unit/test_usage
