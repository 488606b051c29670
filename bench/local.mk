# Not part of `make all`: bench/run compiles what it compares with, in a directory of its own.
EXTRA_DIST += \
	bench/README.md \
	bench/run \
	bench/measure.py \
	bench/programs.py \
	bench/report.py \
	bench/rounds.py \
	bench/rows.py \
	bench/servers.py \
	bench/load.h \
	bench/load.c \
	bench/load_tools.c \
	bench/load_result.c \
	bench/load_short.c \
	bench/load_held.c \
	bench/load_udp.c \
	bench/load_bulk.c \
	bench/ref.h \
	bench/ref.c \
	bench/ref_epoll_echo.c \
	bench/ref_udp_echo.c \
	bench/ref_vfork_exec.c \
	bench/ref_daytime.c \
	bench/tiny.c

# BENCHFLAGS="--rounds 8 --rows udp-echo"
.PHONY: bench
bench: all
	CC="$(CC)" $(srcdir)/bench/run $(BENCHFLAGS) $(builddir)
