-- Long calls pay more for cached input, too.

ALTER TABLE watchllm.price
    ADD COLUMN cache_read_above_200k_nano bigint
	CHECK (cache_read_above_200k_nano >= 0),
    ADD COLUMN cache_write_above_200k_nano bigint
	CHECK (cache_write_above_200k_nano >= 0);
COMMENT ON COLUMN watchllm.price.cache_read_above_200k_nano IS
    'Input tokens read from the provider''s cache, of a call with more than 200,000 input tokens; null: as cache_read_nano.';
COMMENT ON COLUMN watchllm.price.cache_write_above_200k_nano IS
    'Input tokens written to the provider''s cache, of a call with more than 200,000 input tokens; null: as cache_write_nano.';
