# Faults, exhaustion, and what takes so long that only script/test-long runs it.
LIVE_TESTS += \
	tests/live/85-exhaustion.t \
	tests/live/86-floods.t \
	tests/live/95-faults.t
EXTRA_DIST += tests/live/usher_load.py tests/live/usher_faults.py tests/long/faults.py tests/long/reproducible.sh tests/long/soak.py tests/long/idle.py

# A wall clock that jumps, for LD_PRELOAD.
check_LTLIBRARIES += tests/support/clock_jumps.la
tests_support_clock_jumps_la_SOURCES = tests/support/clock_jumps.c
tests_support_clock_jumps_la_CFLAGS = $(MODULE_CFLAGS)
tests_support_clock_jumps_la_LDFLAGS = -module -avoid-version -shared -rpath $(abs_builddir)
