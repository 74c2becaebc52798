-- Pictures, sounds and rankings are billed by other units than tokens of text.

ALTER TABLE watchllm.price
    ADD COLUMN image_input_nano bigint CHECK (image_input_nano >= 0),
    ADD COLUMN image_output_nano bigint CHECK (image_output_nano >= 0),
    ADD COLUMN audio_input_nano bigint CHECK (audio_input_nano >= 0),
    ADD COLUMN audio_output_nano bigint CHECK (audio_output_nano >= 0),
    ADD COLUMN image_nano bigint CHECK (image_nano >= 0),
    ADD COLUMN second_nano bigint CHECK (second_nano >= 0),
    ADD COLUMN query_nano bigint CHECK (query_nano >= 0),
    ADD COLUMN character_nano bigint CHECK (character_nano >= 0);
COMMENT ON TABLE watchllm.price IS
    'Dated prices in nano-dollars per million tokens, or other units where the column says so; null: not known.';
COMMENT ON COLUMN watchllm.price.image_input_nano IS
    'Input tokens of pictures.';
COMMENT ON COLUMN watchllm.price.image_output_nano IS
    'Output tokens of pictures.';
COMMENT ON COLUMN watchllm.price.audio_input_nano IS
    'Input tokens of sound.';
COMMENT ON COLUMN watchllm.price.audio_output_nano IS
    'Output tokens of sound.';
COMMENT ON COLUMN watchllm.price.image_nano IS
    'A million pictures made.';
COMMENT ON COLUMN watchllm.price.second_nano IS
    'A million seconds of sound heard.';
COMMENT ON COLUMN watchllm.price.query_nano IS
    'A million searches of a ranking.';
COMMENT ON COLUMN watchllm.price.character_nano IS
    'A million characters spoken.';
