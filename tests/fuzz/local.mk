# A fuzz target is tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput(), a
# corpus in tests/fuzz/corpus/NAME/, and two lines here.  The files of the
# corpus are listed below.  "make check" replays them; configured with
# CC=clang and --enable-fuzz, "make fuzz" looks for new ones.
FUZZ_TARGETS =
FUZZ_TARGETS += tests/fuzz/fuzz_clock_parse
tests_fuzz_fuzz_clock_parse_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_journal
tests_fuzz_fuzz_journal_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_json_scan
tests_fuzz_fuzz_json_scan_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_percent
tests_fuzz_fuzz_percent_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_guard_url
tests_fuzz_fuzz_guard_url_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_record
tests_fuzz_fuzz_record_LDADD = libwlfcgi.a $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_req_target
tests_fuzz_fuzz_req_target_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_sse
tests_fuzz_fuzz_sse_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_answer
tests_fuzz_fuzz_answer_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_ask
tests_fuzz_fuzz_ask_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_face_messages
tests_fuzz_fuzz_face_messages_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_multipart
tests_fuzz_fuzz_multipart_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_price_import
tests_fuzz_fuzz_price_import_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_re
tests_fuzz_fuzz_re_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_redact
tests_fuzz_fuzz_redact_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_stream
tests_fuzz_fuzz_stream_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += $(FUZZ_TARGETS)
EXTRA_DIST += tests/fuzz/fuzz.h

if FUZZ
FUZZ_LIBS = $(FUZZ_ENGINE) $(WL_LIBS)
else
check_LIBRARIES += libwlreplay.a
libwlreplay_a_SOURCES = tests/fuzz/replay_main.c
FUZZ_LIBS = libwlreplay.a $(WL_LIBS)
TESTS += $(FUZZ_TARGETS)
endif

# libFuzzer writes its finds into the first folder
FUZZ_SECONDS = 60
fuzz: $(FUZZ_TARGETS)
	@set -e; for t in $(FUZZ_TARGETS); do \
		$(MKDIR_P) $$t.found; \
		./$$t -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
			-artifact_prefix=$$t.found/ -print_final_stats=1 \
			$$t.found $(srcdir)/tests/fuzz/corpus/$${t#tests/fuzz/fuzz_}; \
	done
.PHONY: fuzz

FUZZ_CORPUS = \
	tests/fuzz/corpus/clock_parse/bad_day \
	tests/fuzz/corpus/clock_parse/early \
	tests/fuzz/corpus/clock_parse/fraction \
	tests/fuzz/corpus/clock_parse/late \
	tests/fuzz/corpus/clock_parse/leap_day \
	tests/fuzz/corpus/clock_parse/leap_second \
	tests/fuzz/corpus/clock_parse/offset \
	tests/fuzz/corpus/clock_parse/utc \
	tests/fuzz/corpus/conf/bad_value \
	tests/fuzz/corpus/conf/empty \
	tests/fuzz/corpus/conf/hash \
	tests/fuzz/corpus/conf/keywords \
	tests/fuzz/corpus/conf/no_equals \
	tests/fuzz/corpus/conf/password \
	tests/fuzz/corpus/conf/sizes \
	tests/fuzz/corpus/conf/twice \
	tests/fuzz/corpus/conf/typical \
	tests/fuzz/corpus/conf/unknown \
	tests/fuzz/corpus/conf/words \
	tests/fuzz/corpus/face_messages/mixed \
	tests/fuzz/corpus/face_messages/refused \
	tests/fuzz/corpus/face_messages/request \
	tests/fuzz/corpus/face_messages/stream \
	tests/fuzz/corpus/guard_url/ipv6 \
	tests/fuzz/corpus/guard_url/odd_ipv4 \
	tests/fuzz/corpus/guard_url/plain \
	tests/fuzz/corpus/guard_url/user \
	tests/fuzz/corpus/journal/empty \
	tests/fuzz/corpus/journal/flipped \
	tests/fuzz/corpus/journal/huge \
	tests/fuzz/corpus/journal/three \
	tests/fuzz/corpus/journal/torn \
	tests/fuzz/corpus/journal/zeros \
	tests/fuzz/corpus/json_scan/bad_utf8 \
	tests/fuzz/corpus/json_scan/chat \
	tests/fuzz/corpus/json_scan/comment \
	tests/fuzz/corpus/json_scan/control \
	tests/fuzz/corpus/json_scan/deep \
	tests/fuzz/corpus/json_scan/empty_key \
	tests/fuzz/corpus/json_scan/escaped_key \
	tests/fuzz/corpus/json_scan/escapes \
	tests/fuzz/corpus/json_scan/leading_zero \
	tests/fuzz/corpus/json_scan/nan \
	tests/fuzz/corpus/json_scan/nested \
	tests/fuzz/corpus/json_scan/nul_in_name \
	tests/fuzz/corpus/json_scan/null \
	tests/fuzz/corpus/json_scan/number \
	tests/fuzz/corpus/json_scan/numbers \
	tests/fuzz/corpus/json_scan/points \
	tests/fuzz/corpus/json_scan/quotes \
	tests/fuzz/corpus/json_scan/string \
	tests/fuzz/corpus/json_scan/trailing_comma \
	tests/fuzz/corpus/json_scan/words \
	tests/fuzz/corpus/json_scan/zeros \
	tests/fuzz/corpus/percent/bad \
	tests/fuzz/corpus/percent/mixed \
	tests/fuzz/corpus/percent/nul \
	tests/fuzz/corpus/percent/plain \
	tests/fuzz/corpus/percent/short \
	tests/fuzz/corpus/percent/slash \
	tests/fuzz/corpus/percent/space \
	tests/fuzz/corpus/percent/twice \
	tests/fuzz/corpus/percent/utf8 \
	tests/fuzz/corpus/price_import/csv \
	tests/fuzz/corpus/price_import/csv_open_quote \
	tests/fuzz/corpus/price_import/csv_quotes \
	tests/fuzz/corpus/price_import/csv_twice \
	tests/fuzz/corpus/price_import/litellm \
	tests/fuzz/corpus/price_import/litellm_huge \
	tests/fuzz/corpus/price_import/litellm_odd \
	tests/fuzz/corpus/re/icase \
	tests/fuzz/corpus/re/large \
	tests/fuzz/corpus/re/lists \
	tests/fuzz/corpus/re/nested \
	tests/fuzz/corpus/re/odd \
	tests/fuzz/corpus/re/typical \
	tests/fuzz/corpus/record/huge \
	tests/fuzz/corpus/record/padded_end \
	tests/fuzz/corpus/record/pipelined \
	tests/fuzz/corpus/record/values \
	tests/fuzz/corpus/record/whole \
	tests/fuzz/corpus/req_target/absolute \
	tests/fuzz/corpus/req_target/encoded \
	tests/fuzz/corpus/req_target/parent \
	tests/fuzz/corpus/req_target/plain \
	tests/fuzz/corpus/sse/comments \
	tests/fuzz/corpus/sse/fields \
	tests/fuzz/corpus/sse/line_ends \
	tests/fuzz/corpus/sse/too_large
EXTRA_DIST += $(FUZZ_CORPUS)
EXTRA_DIST += \
	tests/fuzz/corpus/answer/azure_error \
	tests/fuzz/corpus/answer/bedrock \
	tests/fuzz/corpus/answer/bedrock_event \
	tests/fuzz/corpus/answer/chat \
	tests/fuzz/corpus/answer/cohere \
	tests/fuzz/corpus/answer/cohere_embeddings \
	tests/fuzz/corpus/answer/detail \
	tests/fuzz/corpus/answer/embeddings \
	tests/fuzz/corpus/answer/error \
	tests/fuzz/corpus/answer/error_escaped \
	tests/fuzz/corpus/answer/error_flat \
	tests/fuzz/corpus/answer/error_list \
	tests/fuzz/corpus/answer/event_failed \
	tests/fuzz/corpus/answer/event_index \
	tests/fuzz/corpus/answer/event_item \
	tests/fuzz/corpus/answer/gemini \
	tests/fuzz/corpus/answer/gemini_embeddings \
	tests/fuzz/corpus/answer/gemini_error \
	tests/fuzz/corpus/answer/message \
	tests/fuzz/corpus/answer/message_error \
	tests/fuzz/corpus/answer/response \
	tests/fuzz/corpus/answer/response_failed \
	tests/fuzz/corpus/ask/chat \
	tests/fuzz/corpus/ask/empty_options \
	tests/fuzz/corpus/ask/escaped \
	tests/fuzz/corpus/ask/input \
	tests/fuzz/corpus/ask/no_json \
	tests/fuzz/corpus/ask/null_options \
	tests/fuzz/corpus/ask/options \
	tests/fuzz/corpus/ask/prompt \
	tests/fuzz/corpus/ask/twins \
	tests/fuzz/corpus/multipart/audio \
	tests/fuzz/corpus/multipart/names \
	tests/fuzz/corpus/multipart/quoted \
	tests/fuzz/corpus/redact/dashes \
	tests/fuzz/corpus/redact/keys \
	tests/fuzz/corpus/redact/numbers \
	tests/fuzz/corpus/redact/pem \
	tests/fuzz/corpus/redact/tokens \
	tests/fuzz/corpus/redact/typical \
	tests/fuzz/corpus/redact/utf8 \
	tests/fuzz/corpus/stream/bedrock \
	tests/fuzz/corpus/stream/bedrock_empty \
	tests/fuzz/corpus/stream/bedrock_exception \
	tests/fuzz/corpus/stream/bom \
	tests/fuzz/corpus/stream/cohere \
	tests/fuzz/corpus/stream/cr \
	tests/fuzz/corpus/stream/cr_cr \
	tests/fuzz/corpus/stream/crlf \
	tests/fuzz/corpus/stream/cut \
	tests/fuzz/corpus/stream/error \
	tests/fuzz/corpus/stream/error_first \
	tests/fuzz/corpus/stream/escaped \
	tests/fuzz/corpus/stream/fields \
	tests/fuzz/corpus/stream/gemini \
	tests/fuzz/corpus/stream/invalid_crlf \
	tests/fuzz/corpus/stream/lf \
	tests/fuzz/corpus/stream/lines \
	tests/fuzz/corpus/stream/messages \
	tests/fuzz/corpus/stream/messages_error \
	tests/fuzz/corpus/stream/responses \
	tests/fuzz/corpus/stream/responses_failed \
	tests/fuzz/corpus/stream/shown \
	tests/fuzz/corpus/stream/tools
