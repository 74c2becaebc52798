# gdb and parked coroutines; built with -g whatever the user chose
check_PROGRAMS += tests/gdb/parked
tests_gdb_parked_SOURCES = tests/gdb/parked.c \
	lib/base/co.c lib/base/loop.c lib/base/offload.c lib/base/wait.c
tests_gdb_parked_CFLAGS = $(AM_CFLAGS) -g
tests_gdb_parked_LDADD =
TESTS += tests/gdb/co_test.sh
EXTRA_DIST += tests/gdb/co.py tests/gdb/co_test.sh
