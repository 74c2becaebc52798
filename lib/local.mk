noinst_LIBRARIES += libwatchllm.a
libwatchllm_a_SOURCES =
WL_LIBS = libwatchllm.a $(LIBPQ_LIBS) $(HIREDIS_LIBS) $(CURL_LIBS) \
	$(JSONC_LIBS) $(SODIUM_LIBS)
include $(srcdir)/lib/base/local.mk
include $(srcdir)/lib/http/local.mk
include $(srcdir)/lib/store/local.mk
include $(srcdir)/lib/core/local.mk
