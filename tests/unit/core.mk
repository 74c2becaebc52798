libwltest_a_SOURCES += tests/unit/wire.c tests/unit/wire.h
UNIT_TESTS += \
	tests/unit/test_admin \
	tests/unit/test_cache_key \
	tests/unit/test_cache_text \
	tests/unit/test_call \
	tests/unit/test_capability \
	tests/unit/test_drain_row \
	tests/unit/test_estimate \
	tests/unit/test_event \
	tests/unit/test_face_messages \
	tests/unit/test_fields \
	tests/unit/test_latency \
	tests/unit/test_health \
	tests/unit/test_memo \
	tests/unit/test_model \
	tests/unit/test_policy \
	tests/unit/test_policy_sink \
	tests/unit/test_price \
	tests/unit/test_price_import \
	tests/unit/test_price_media \
	tests/unit/test_promise \
	tests/unit/test_provider_anthropic \
	tests/unit/test_provider_anthropic_chat \
	tests/unit/test_provider_azure \
	tests/unit/test_provider_bedrock \
	tests/unit/test_provider_cohere \
	tests/unit/test_provider_gemini \
	tests/unit/test_provider_openai \
	tests/unit/test_provider_openai_list \
	tests/unit/test_provider_openai_media \
	tests/unit/test_provider_openai_responses \
	tests/unit/test_redact \
	tests/unit/test_redact_rules \
	tests/unit/test_route \
	tests/unit/test_retry \
	tests/unit/test_stream \
	tests/unit/test_stripe \
	tests/unit/test_upstream \
	tests/unit/test_vault \
	tests/unit/test_webserver
tests_unit_test_event_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=wl_catalog_redaction
