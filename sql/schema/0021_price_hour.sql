-- What is kept in a cache for an hour costs more than what is kept shorter.

ALTER TABLE watchllm.price
    ADD COLUMN cache_write_1h_nano bigint CHECK (cache_write_1h_nano >= 0);
COMMENT ON COLUMN watchllm.price.cache_write_1h_nano IS
    'Input tokens written to the provider''s cache to be kept for an hour; null: not known.';
