libwatchllm_a_SOURCES += \
	lib/core/address.c lib/core/address.h \
	lib/core/admin.c lib/core/admin.h \
	lib/core/admin_limit.c lib/core/admin_limit.h \
	lib/core/audit.c lib/core/audit.h \
	lib/core/auth.c lib/core/auth.h \
	lib/core/cache.c lib/core/cache.h lib/core/cache_priv.h \
	lib/core/cache_key.c lib/core/cache_key.h \
	lib/core/cache_replay.c \
	lib/core/cache_tee.c \
	lib/core/cache_text.c lib/core/cache_text.h \
	lib/core/call.c lib/core/call.h lib/core/call_priv.h \
	lib/core/call_media.c \
	lib/core/capability.c lib/core/capability.h \
	lib/core/catalog.c lib/core/catalog.h \
	lib/core/chat_in.c lib/core/chat_in.h \
	lib/core/chat_out.c lib/core/chat_out.h \
	lib/core/dead.c lib/core/dead.h \
	lib/core/drain.c lib/core/drain.h lib/core/drain_priv.h \
	lib/core/drain_batch.c \
	lib/core/drain_fixup.c \
	lib/core/drain_lost.c \
	lib/core/drain_row.c lib/core/drain_row.h \
	lib/core/drain_spool.c \
	lib/core/embed_out.c lib/core/embed_out.h \
	lib/core/error_body.c lib/core/error_body.h \
	lib/core/error_event.c lib/core/error_event.h \
	lib/core/estimate.c lib/core/estimate.h \
	lib/core/event.c lib/core/event.h \
	lib/core/event_payload.c lib/core/event_payload.h \
	lib/core/event_rec.c lib/core/event_rec.h \
	lib/core/face_messages.c lib/core/face_messages.h \
	lib/core/face_messages_answer.c lib/core/face_messages_priv.h \
	lib/core/face_messages_blocks.c \
	lib/core/face_messages_request.c \
	lib/core/face_messages_stream.c \
	lib/core/fields.c lib/core/fields.h \
	lib/core/health.c lib/core/health.h \
	lib/core/key.c lib/core/key.h \
	lib/core/latency.c lib/core/latency.h \
	lib/core/limit.c lib/core/limit.h lib/core/limit_priv.h \
	lib/core/limit_rule.c lib/core/limit_rule.h \
	lib/core/limit_tell.c \
	lib/core/memo.c lib/core/memo.h \
	lib/core/model.c lib/core/model.h lib/core/model_priv.h \
	lib/core/model_route.c \
	lib/core/models.c lib/core/models.h \
	lib/core/once.c lib/core/once.h \
	lib/core/policy.c lib/core/policy.h \
	lib/core/policy_body.c lib/core/policy_body.h \
	lib/core/policy_sink.c lib/core/policy_sink.h \
	lib/core/policy_sink_chat.c lib/core/policy_sink_priv.h \
	lib/core/policy_sink_text.c lib/core/policy_sink_typed.c \
	lib/core/price.c lib/core/price.h \
	lib/core/price_import.c lib/core/price_import.h \
	lib/core/price_media.c \
	lib/core/promise.c lib/core/promise.h \
	lib/core/provider.c lib/core/provider.h \
	lib/core/provider_anthropic.c lib/core/provider_anthropic.h \
	lib/core/provider_anthropic_answer.c \
	lib/core/provider_anthropic_chat.c \
	lib/core/provider_anthropic_messages.c \
	lib/core/provider_azure.c \
	lib/core/provider_bedrock.c lib/core/provider_bedrock.h \
	lib/core/provider_bedrock_answer.c \
	lib/core/provider_bedrock_chat.c \
	lib/core/provider_bedrock_frame.c \
	lib/core/provider_cohere.c lib/core/provider_cohere.h \
	lib/core/provider_cohere_answer.c \
	lib/core/provider_edit.c lib/core/provider_edit.h \
	lib/core/provider_error.c lib/core/provider_error.h \
	lib/core/provider_gemini.c lib/core/provider_gemini.h \
	lib/core/provider_gemini_answer.c \
	lib/core/provider_gemini_chat.c \
	lib/core/provider_openai.c lib/core/provider_openai.h \
	lib/core/provider_openai_list.c \
	lib/core/provider_openai_media.c \
	lib/core/provider_openai_read.c \
	lib/core/provider_openai_responses.c \
	lib/core/redact.c lib/core/redact.h lib/core/redact_priv.h \
	lib/core/redact_key.c \
	lib/core/redact_number.c \
	lib/core/redact_rules.c lib/core/redact_rules.h \
	lib/core/reserve.c lib/core/reserve.h \
	lib/core/retry.c lib/core/retry.h \
	lib/core/rollup.c lib/core/rollup.h \
	lib/core/route.c lib/core/route.h \
	lib/core/route_admin.c lib/core/route_admin.h \
	lib/core/route_parse.c \
	lib/core/stored.c lib/core/stored.h \
	lib/core/stream.c lib/core/stream.h \
	lib/core/stripe.c lib/core/stripe.h \
	lib/core/tape.c lib/core/tape.h \
	lib/core/upstream.c lib/core/upstream.h lib/core/upstream_priv.h \
	lib/core/upstream_attempt.c \
	lib/core/upstream_course.c lib/core/upstream_course.h \
	lib/core/upstream_figures.c \
	lib/core/upstream_nobody.c \
	lib/core/upstream_race.c \
	lib/core/upstream_stream.c \
	lib/core/usage.c lib/core/usage.h \
	lib/core/vault.c lib/core/vault.h \
	lib/core/webserver.c lib/core/webserver.h
