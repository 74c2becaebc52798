# lib/http and the carriers of fcgi
libwltest_a_SOURCES += \
	tests/unit/fc.c tests/unit/fc.h \
	tests/unit/io_mem.c tests/unit/io_mem.h \
	tests/unit/net.c tests/unit/net.h
UNIT_TESTS += \
	tests/unit/test_client \
	tests/unit/test_cors \
	tests/unit/test_guard \
	tests/unit/test_io_fcgx \
	tests/unit/test_multipart \
	tests/unit/test_record \
	tests/unit/test_req \
	tests/unit/test_resp \
	tests/unit/test_site \
	tests/unit/test_sigv4 \
	tests/unit/test_sse \
	tests/unit/test_worker

# os_fcgx.o must come before libfcgi, whose own layer it replaces
WL_FCGI_TEST_LIBS = libwltest.a libwlfcgi.a $(WL_LIBS) $(FCGI_LIBS) \
	$(CUNIT_LIBS)
tests_unit_test_io_fcgx_LDADD = $(WL_FCGI_TEST_LIBS)
tests_unit_test_record_LDADD = $(WL_FCGI_TEST_LIBS)
tests_unit_test_worker_LDADD = $(WL_FCGI_TEST_LIBS)
