EXTRA_DIST += docs/ARCHITECTURE.md docs/DEPENDENCIES.md docs/FAKE_LLM.md \
	docs/STYLE.md
