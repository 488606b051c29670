# Parsers of strangers' bytes, and what decides about them. `make check` replays the corpora;
# fuzz/run builds the same programs with libFuzzer in the place of replay.c's main().
FUZZ_REPLAYS = fuzz/replay_access fuzz/replay_admission fuzz/replay_answer fuzz/replay_channel \
	fuzz/replay_control fuzz/replay_env fuzz/replay_finger fuzz/replay_framed fuzz/replay_http_path \
	fuzz/replay_ident fuzz/replay_log fuzz/replay_number fuzz/replay_plan fuzz/replay_plandiff \
	fuzz/replay_record fuzz/replay_table fuzz/replay_tcpmux fuzz/replay_udp fuzz/replay_uppercase
check_PROGRAMS += $(FUZZ_REPLAYS)
TESTS += tests/check/fuzz.t
EXTRA_DIST += tests/check/fuzz.t fuzz/corpus fuzz/dict fuzz/run

FUZZ_MAIN = fuzz/replay.c fuzz/fuzz.h fuzz/oracle.h
FUZZ_TABLES = fuzz/names.c fuzz/tables.c fuzz/tables.h $(SOME_PLUGINS)
FUZZ_TRAVEL = fuzz/travel.c fuzz/travel.h
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
FUZZ_CONF_LIBS = libconf.a libsock.a libwire.a libbase.a $(LIBCONFIG_LIBS)

fuzz_replay_access_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_access.c
fuzz_replay_access_LDADD = libflow.a $(FUZZ_CONF_LIBS)
fuzz_replay_admission_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_admission.c
fuzz_replay_admission_LDADD = libconf.a libbase.a -lm
fuzz_replay_answer_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_answer.c
fuzz_replay_answer_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
fuzz_replay_answer_LDADD = libctl.a libwire.a $(JANSSON_LIBS) libbase.a
fuzz_replay_channel_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_channel.c
fuzz_replay_channel_LDADD = libwire.a libbase.a
fuzz_replay_control_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_control.c
fuzz_replay_control_LDADD = $(DAEMON_LIBS) $(DAEMON_SYSTEM_LIBS)
fuzz_replay_env_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_env.c $(FUZZ_TABLES)
fuzz_replay_env_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_replay_env_LDADD = libflow.a $(FUZZ_CONF_LIBS)
fuzz_replay_finger_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_finger.c services/finger/query.c
fuzz_replay_framed_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_framed.c services/framed/message.c \
	tests/support/mock_host.c
fuzz_replay_framed_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_replay_ident_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_ident.c services/ident/query.c
fuzz_replay_http_path_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_http_path.c services/http/path.c \
	services/http/range.c
fuzz_replay_log_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_log.c
fuzz_replay_log_LDADD = libmaster.a libbase.a
fuzz_replay_number_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_number.c
fuzz_replay_number_LDADD = $(FUZZ_CONF_LIBS)
fuzz_replay_plan_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_plan.c $(FUZZ_TRAVEL)
fuzz_replay_plan_LDADD = $(FUZZ_CONF_LIBS)
fuzz_replay_plandiff_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_plandiff.c $(FUZZ_TABLES)
fuzz_replay_plandiff_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_replay_plandiff_LDADD = $(FUZZ_CONF_LIBS)
fuzz_replay_record_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_record.c
fuzz_replay_record_LDADD = libwire.a libbase.a
fuzz_replay_table_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_table.c $(FUZZ_TABLES) $(FUZZ_TRAVEL)
fuzz_replay_table_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_replay_table_LDADD = $(FUZZ_CONF_LIBS)
fuzz_replay_tcpmux_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_tcpmux.c tests/support/mock_host.c
fuzz_replay_tcpmux_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_replay_udp_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_udp.c
fuzz_replay_udp_LDADD = libflow.a $(FUZZ_CONF_LIBS)
fuzz_replay_uppercase_SOURCES = $(FUZZ_MAIN) fuzz/fuzz_uppercase.c \
	services/uppercase/utf_8.c services/uppercase/utf_8.h
fuzz_replay_uppercase_LDADD = $(LIBUNISTRING_LIBS)
