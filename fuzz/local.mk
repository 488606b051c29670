# Parsers of strangers' bytes. `make check` replays the corpora; fuzz/run fuzzes, with clang.
FUZZ_REPLAYS = fuzz/replay_finger fuzz/replay_http_path fuzz/replay_ident fuzz/replay_tcpmux
check_PROGRAMS += $(FUZZ_REPLAYS)
check_PROGRAMS += fuzz/replay_access
fuzz_replay_access_SOURCES = fuzz/replay.c fuzz/fuzz.h fuzz/oracle.h fuzz/fuzz_access.c
fuzz_replay_access_LDADD = libflow.a libconf.a libsock.a libwire.a libbase.a
TESTS += tests/check/fuzz.t
EXTRA_DIST += tests/check/fuzz.t fuzz/corpus fuzz/run

fuzz_replay_finger_SOURCES = fuzz/replay.c fuzz/fuzz.h fuzz/fuzz_finger.c services/finger/query.c
fuzz_replay_ident_SOURCES = fuzz/replay.c fuzz/fuzz.h fuzz/fuzz_ident.c services/ident/query.c
fuzz_replay_http_path_SOURCES = fuzz/replay.c fuzz/fuzz.h fuzz/fuzz_http_path.c services/http/path.c \
	services/http/range.c
fuzz_replay_tcpmux_SOURCES = fuzz/replay.c fuzz/fuzz.h fuzz/fuzz_tcpmux.c tests/support/mock_host.c
fuzz_replay_tcpmux_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
