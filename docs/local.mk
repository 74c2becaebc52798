EXTRA_DIST += docs/ARCHITECTURE.md docs/DEPENDENCIES.md docs/FAKE_LLM.md \
	docs/STYLE.md
dist_man_MANS += docs/man/watchllm.conf.5
EXTRA_DIST += docs/ERRORS.md
