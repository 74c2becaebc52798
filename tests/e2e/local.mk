# end-to-end tests with real clients; ./check runs them: setup.sh, then run.sh
EXTRA_DIST += \
	docs/COMPATIBILITY.md \
	tests/e2e/cli.py \
	tests/e2e/compat/clients.mjs \
	tests/e2e/compat/clients.py \
	tests/e2e/compat/package-lock.json \
	tests/e2e/compat/package.json \
	tests/e2e/compat/requirements.txt \
	tests/e2e/gate.py \
	tests/e2e/js/client.mjs \
	tests/e2e/js/package-lock.json \
	tests/e2e/js/package.json \
	tests/e2e/requirements.txt \
	tests/e2e/run.sh \
	tests/e2e/setup.sh \
	tests/e2e/test_admin.py \
	tests/e2e/test_billing.py \
	tests/e2e/test_budgets.py \
	tests/e2e/test_cache.py \
	tests/e2e/test_cache_mounts.py \
	tests/e2e/test_cli.py \
	tests/e2e/test_cli_secrets.py \
	tests/e2e/test_clients.py \
	tests/e2e/test_coalescing.py \
	tests/e2e/test_compat.py \
	tests/e2e/test_consumer.py \
	tests/e2e/test_doctor.py \
	tests/e2e/test_estimate.py \
	tests/e2e/test_events.py \
	tests/e2e/test_gateway.py \
	tests/e2e/test_hostile.py \
	tests/e2e/test_limits.py \
	tests/e2e/test_media.py \
	tests/e2e/test_models.py \
	tests/e2e/test_openapi.py \
	tests/e2e/test_openapi_admin.py \
	tests/e2e/test_policy.py \
	tests/e2e/test_prices.py \
	tests/e2e/test_redaction.py \
	tests/e2e/test_messages.py \
	tests/e2e/test_messages_face.py \
	tests/e2e/test_responses.py \
	tests/e2e/test_retries.py \
	tests/e2e/test_rollup.py \
	tests/e2e/test_routing.py \
	tests/e2e/test_start.py \
	tests/e2e/test_stored.py \
	tests/e2e/test_upstream.py \
	tests/e2e/test_verify.py \
	tests/e2e/test_wires.py \
	tests/e2e/vendor.py \
	tests/e2e/webs.py

# these need no web server
TESTS += tests/e2e/test_prices.py tests/e2e/test_rollup.py
EXTRA_DIST += tests/data/README tests/data/litellm_prices.json
tests/e2e/test_prices.log: watchllm$(EXEEXT)
tests/e2e/test_rollup.log: watchllm-rollup$(EXEEXT)
