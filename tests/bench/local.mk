# Measurements: "make install bench" (docs/PERFORMANCE.md). Not part of check.
EXTRA_DIST += docs/PERFORMANCE.md tests/bench/calls.py tests/bench/disturb.py \
	tests/bench/drain.py tests/bench/post.lua tests/bench/rig.py \
	tests/bench/run tests/bench/streams.py

EXTRA_PROGRAMS += tests/bench/sse_load tests/bench/three_trips
tests_bench_sse_load_SOURCES = tests/bench/sse_load.c
tests_bench_sse_load_LDADD =
# the worker with another limiter in place of its own
tests_bench_three_trips_SOURCES = fcgi/watchllm_fcgi.c tests/bench/three_trips.c
tests_bench_three_trips_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=wl_counter_admit -Wl,--wrap=wl_counter_settle_send
tests_bench_three_trips_LDADD = libwlfcgi.a $(WL_LIBS) $(FCGI_LIBS)
CLEANFILES += tests/bench/sse_load$(EXEEXT) tests/bench/three_trips$(EXEEXT)

BENCH_FILES = tests/bench/sse_load tests/bench/three_trips \
	tests/fake_llm/fake_llm
bench: $(BENCH_FILES)
	WL_PREFIX='$(prefix)' WL_SOURCE='$(top_srcdir)' WL_BUILD=. \
	    $(PYTHON3) $(srcdir)/tests/bench/run $(BENCH_FLAGS)
.PHONY: bench
