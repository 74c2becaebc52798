# all but main(), so that tests can put doubles in place of a part
noinst_LIBRARIES += libwlfcgi.a
libwlfcgi_a_SOURCES = \
	fcgi/io_cgi.c fcgi/io_cgi.h \
	fcgi/io_fcgx.c fcgi/io_fcgx.h \
	fcgi/listen.c fcgi/listen.h \
	fcgi/master.c \
	fcgi/os_fcgx.c fcgi/os_fcgx.h \
	fcgi/record.c fcgi/record.h \
	fcgi/serve.h \
	fcgi/worker.c fcgi/worker.h
