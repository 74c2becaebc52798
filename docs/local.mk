EXTRA_DIST += docs/ADMIN.md
EXTRA_DIST += docs/CACHING.md
EXTRA_DIST += docs/ARCHITECTURE.md docs/CONFIGURATION.md docs/DEPENDENCIES.md docs/ESTIMATE.md docs/FAKE_LLM.md docs/MEDIA.md docs/MESSAGES.md docs/POLICY.md \
	docs/RATE_LIMITING.md docs/RELIABILITY.md docs/ROUTING.md docs/SELF_HOSTING.md docs/STYLE.md
EXTRA_DIST += docs/RETRIES.md
dist_man_MANS += \
	docs/man/watchllm.1 \
	docs/man/watchllm.conf.5 \
	docs/man/watchllm-consumer.8 \
	docs/man/watchllm.fcgi.8 \
	docs/man/watchllm-rollup.8
EXTRA_DIST += docs/ERRORS.md docs/FIELD.md
EXTRA_DIST += docs/JOURNAL.md
EXTRA_DIST += docs/PROVIDERS.md
EXTRA_DIST += docs/API.md docs/api.py docs/openapi.yaml
