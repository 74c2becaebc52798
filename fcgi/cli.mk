# the operator's command line; a command is a source here or in the fragment
# of its own
bin_PROGRAMS += watchllm
watchllm_SOURCES = \
	fcgi/watchllm.c \
	fcgi/cli.c fcgi/cli.h \
	fcgi/cmd.h \
	fcgi/cmd_migrate.c \
	fcgi/out.c fcgi/out.h
watchllm_LDADD = libwlfcgi.a $(WL_LIBS)
