# Parsers of strangers' bytes. `make check` replays the corpora; fuzz/run fuzzes, with clang.
FUZZ_REPLAYS = fuzz/replay_finger fuzz/replay_ident
check_PROGRAMS += $(FUZZ_REPLAYS)
TESTS += tests/check/fuzz.t
EXTRA_DIST += tests/check/fuzz.t fuzz/corpus fuzz/run

fuzz_replay_finger_SOURCES = fuzz/replay.c fuzz/fuzz.h fuzz/fuzz_finger.c services/finger/query.c
fuzz_replay_ident_SOURCES = fuzz/replay.c fuzz/fuzz.h fuzz/fuzz_ident.c services/ident/query.c
