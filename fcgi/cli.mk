# the operator's command line; a command is a source here or in the fragment
# of its own
bin_PROGRAMS += watchllm
watchllm_SOURCES = \
	fcgi/watchllm.c \
	fcgi/ask.c fcgi/ask.h \
	fcgi/cli.c fcgi/cli.h \
	fcgi/cmd.h \
	fcgi/cmd_audit.c \
	fcgi/cmd_dead_letter.c \
	fcgi/cmd_key.c \
	fcgi/cmd_migrate.c \
	fcgi/cmd_plan.c \
	fcgi/cmd_project.c \
	fcgi/cmd_provider.c \
	fcgi/cmd_provider_key.c \
	fcgi/cmd_usage.c \
	fcgi/out.c fcgi/out.h
watchllm_LDADD = libwlfcgi.a $(WL_LIBS)
libwatchllm_a_SOURCES += \
	lib/core/admin.c lib/core/admin.h \
	lib/core/dead.c lib/core/dead.h \
	lib/core/vault.c lib/core/vault.h \
	lib/store/db_admin.c lib/store/db_admin.h lib/store/db_admin_priv.h \
	lib/store/db_admin_list.c \
	lib/store/db_admin_provider.c
if HAVE_CUNIT
CLI_TESTS = \
	tests/unit/test_admin \
	tests/unit/test_out \
	tests/unit/test_vault
check_PROGRAMS += $(CLI_TESTS)
TESTS += $(CLI_TESTS)
tests_unit_test_out_SOURCES = tests/unit/test_out.c fcgi/out.c
endif
EXTRA_DIST += tests/e2e/cli.py tests/e2e/test_cli.py \
	tests/e2e/test_cli_secrets.py
dist_man_MANS += docs/man/watchllm.1
