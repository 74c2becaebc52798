# watchllm doctor and verify, and the stream that doctor listens to
libwlfcgi_a_SOURCES += fcgi/h_health_stream.c
libwatchllm_a_SOURCES += \
	lib/core/promise.c lib/core/promise.h \
	lib/core/webserver.c lib/core/webserver.h \
	lib/http/site.c lib/http/site.h \
	lib/store/db_doctor.c lib/store/db_doctor.h
watchllm_SOURCES += \
	fcgi/cmd_doctor.c \
	fcgi/cmd_verify.c \
	fcgi/doctor.c fcgi/doctor.h \
	fcgi/doctor_clock.c fcgi/doctor_clock.h \
	fcgi/doctor_conf.c \
	fcgi/doctor_data.c \
	fcgi/doctor_db.c \
	fcgi/doctor_redis.c \
	fcgi/doctor_spool.c \
	fcgi/doctor_stream.c fcgi/doctor_stream.h \
	fcgi/doctor_web.c \
	fcgi/key_arg.c fcgi/key_arg.h
if HAVE_CUNIT
DOCTOR_TESTS = \
	tests/unit/test_promise \
	tests/unit/test_site \
	tests/unit/test_webserver
check_PROGRAMS += $(DOCTOR_TESTS)
TESTS += $(DOCTOR_TESTS)
tests_unit_test_promise_LDADD = $(WL_TEST_LIBS)
tests_unit_test_site_LDADD = $(WL_TEST_LIBS)
tests_unit_test_webserver_LDADD = $(WL_TEST_LIBS)
endif
EXTRA_DIST += tests/e2e/test_doctor.py tests/e2e/test_verify.py \
	tests/e2e/webs.py
