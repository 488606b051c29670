# Plugins made to be wrong, each a promise about robustness; and what tests the right ones.
# Plain modules in every build, loaded from tests/plugins/.libs with --plugin-dir.
WRONG_PLUGINS = \
	tests/plugins/old_abi.la \
	tests/plugins/newer.la \
	tests/plugins/too_small.la \
	tests/plugins/no_symbol.la \
	tests/plugins/null_hooks.la \
	tests/plugins/no_datagram.la \
	tests/plugins/open_fails.la \
	tests/plugins/crash_on_data.la \
	tests/plugins/hang_on_data.la \
	tests/plugins/crash_in_constructor.la \
	tests/plugins/hang_in_constructor.la \
	tests/plugins/blocking_run.la \
	tests/plugins/bad_options.la \
	tests/plugins/bad_offset.la \
	tests/plugins/check_refuses.la \
	tests/plugins/crash_in_check.la \
	tests/plugins/big_writer.la \
	tests/plugins/slow_reader.la \
	tests/plugins/reads_nothing.la \
	tests/plugins/uses_too_much.la \
	tests/plugins/scribbles.la \
	tests/plugins/wild.la \
	tests/plugins/hides.la \
	tests/plugins/crash_in_worker.la \
	tests/plugins/hostile.la \
	tests/plugins/hostile_reader.la
check_LTLIBRARIES += $(WRONG_PLUGINS)

tests_plugins_old_abi_la_SOURCES = tests/plugins/old_abi.c
tests_plugins_old_abi_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_old_abi_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_old_abi_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_newer_la_SOURCES = tests/plugins/newer.c
tests_plugins_newer_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_newer_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_newer_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_too_small_la_SOURCES = tests/plugins/too_small.c
tests_plugins_too_small_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_too_small_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_too_small_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_no_symbol_la_SOURCES = tests/plugins/no_symbol.c
tests_plugins_no_symbol_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_no_symbol_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_no_symbol_la_LDFLAGS = -module -avoid-version -shared -no-undefined -rpath /nowhere
tests_plugins_null_hooks_la_SOURCES = tests/plugins/null_hooks.c
tests_plugins_null_hooks_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_null_hooks_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_null_hooks_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_no_datagram_la_SOURCES = tests/plugins/no_datagram.c
tests_plugins_no_datagram_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_no_datagram_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_no_datagram_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_open_fails_la_SOURCES = tests/plugins/open_fails.c
tests_plugins_open_fails_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_open_fails_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_open_fails_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_crash_on_data_la_SOURCES = tests/plugins/crash_on_data.c
tests_plugins_crash_on_data_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_crash_on_data_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_crash_on_data_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_hang_on_data_la_SOURCES = tests/plugins/hang_on_data.c
tests_plugins_hang_on_data_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_hang_on_data_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_hang_on_data_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_crash_in_constructor_la_SOURCES = tests/plugins/crash_in_constructor.c
tests_plugins_crash_in_constructor_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_crash_in_constructor_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_crash_in_constructor_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_hang_in_constructor_la_SOURCES = tests/plugins/hang_in_constructor.c
tests_plugins_hang_in_constructor_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_hang_in_constructor_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_hang_in_constructor_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_blocking_run_la_SOURCES = tests/plugins/blocking_run.c
tests_plugins_blocking_run_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_blocking_run_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_blocking_run_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_bad_options_la_SOURCES = tests/plugins/bad_options.c
tests_plugins_bad_options_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_bad_options_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_bad_options_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_bad_offset_la_SOURCES = tests/plugins/bad_offset.c
tests_plugins_bad_offset_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_bad_offset_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_bad_offset_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_check_refuses_la_SOURCES = tests/plugins/check_refuses.c
tests_plugins_check_refuses_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_check_refuses_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_check_refuses_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_crash_in_check_la_SOURCES = tests/plugins/crash_in_check.c
tests_plugins_crash_in_check_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_crash_in_check_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_crash_in_check_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_big_writer_la_SOURCES = tests/plugins/big_writer.c
tests_plugins_big_writer_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_big_writer_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_big_writer_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_slow_reader_la_SOURCES = tests/plugins/slow_reader.c
tests_plugins_slow_reader_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_slow_reader_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_slow_reader_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_reads_nothing_la_SOURCES = tests/plugins/reads_nothing.c
tests_plugins_reads_nothing_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_reads_nothing_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_reads_nothing_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_uses_too_much_la_SOURCES = tests/plugins/uses_too_much.c
tests_plugins_uses_too_much_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_uses_too_much_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_uses_too_much_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_hides_la_SOURCES = tests/plugins/hides.c
tests_plugins_hides_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_hides_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_hides_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_scribbles_la_SOURCES = tests/plugins/scribbles.c
tests_plugins_scribbles_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_scribbles_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_scribbles_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_wild_la_SOURCES = tests/plugins/wild.c
tests_plugins_wild_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_wild_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_wild_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_crash_in_worker_la_SOURCES = tests/plugins/crash_in_worker.c
tests_plugins_crash_in_worker_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_crash_in_worker_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_crash_in_worker_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_hostile_la_SOURCES = tests/plugins/hostile.c
tests_plugins_hostile_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
tests_plugins_hostile_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_hostile_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)
tests_plugins_hostile_reader_la_SOURCES = tests/plugins/hostile.c
tests_plugins_hostile_reader_la_CPPFLAGS = $(SERVICE_CPPFLAGS) -DNEEDS=USHER_NEEDS_FILES
tests_plugins_hostile_reader_la_CFLAGS = $(MODULE_CFLAGS)
tests_plugins_hostile_reader_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)

# The services on a host in memory.
SERVICE_TESTS = \
	tests/unit/test_services_echo \
	tests/unit/test_services_discard \
	tests/unit/test_services_daytime \
	tests/unit/test_services_qotd \
	tests/unit/test_services_chargen \
	tests/unit/test_services_time \
	tests/unit/test_services_greeting \
	tests/unit/test_services_uppercase \
	tests/unit/test_services_framed \
	tests/unit/test_services_finger \
	tests/unit/test_services_systat \
	tests/unit/test_services_ident \
	tests/unit/test_services_skeleton \
	tests/unit/test_services_tcpmux
UNIT_TESTS += $(SERVICE_TESTS)

tests_unit_test_services_echo_SOURCES = tests/unit/test_services_echo.c tests/support/mock_host.c \
	tests/support/mock_host.h
tests_unit_test_services_echo_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_echo_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_daytime_SOURCES = tests/unit/test_services_daytime.c tests/support/mock_host.c \
	tests/support/mock_host.h services/daytime/zone.c
tests_unit_test_services_daytime_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_daytime_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_uppercase_SOURCES = tests/unit/test_services_uppercase.c tests/support/mock_host.c \
	tests/support/mock_host.h services/uppercase/utf_8.c
tests_unit_test_services_uppercase_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_uppercase_LDADD = $(CMOCKA_LIBS) $(LIBUNISTRING_LIBS)
tests_unit_test_services_framed_SOURCES = tests/unit/test_services_framed.c tests/support/mock_host.c \
	tests/support/mock_host.h services/framed/message.c
tests_unit_test_services_framed_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_framed_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_finger_SOURCES = tests/unit/test_services_finger.c services/finger/query.c \
	services/finger/person.c services/finger/talk.c $(PEOPLE_SOURCES)
tests_unit_test_services_finger_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_finger_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_systat_SOURCES = tests/unit/test_services_systat.c tests/support/mock_host.c \
	tests/support/mock_host.h $(PEOPLE_SOURCES)
tests_unit_test_services_systat_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_systat_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_ident_SOURCES = tests/unit/test_services_ident.c tests/support/mock_host.c \
	tests/support/mock_host.h services/ident/query.c services/ident/owner.c \
	services/ident/names.c
tests_unit_test_services_ident_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_ident_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_discard_SOURCES = tests/unit/test_services_discard.c tests/support/mock_host.c \
	tests/support/mock_host.h
tests_unit_test_services_discard_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_discard_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_qotd_SOURCES = tests/unit/test_services_qotd.c tests/support/mock_host.c \
	tests/support/mock_host.h services/qotd/quotes.c
tests_unit_test_services_qotd_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_qotd_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_chargen_SOURCES = tests/unit/test_services_chargen.c tests/support/mock_host.c \
	tests/support/mock_host.h
tests_unit_test_services_chargen_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_chargen_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_time_SOURCES = tests/unit/test_services_time.c tests/support/mock_host.c \
	tests/support/mock_host.h
tests_unit_test_services_time_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_time_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_greeting_SOURCES = tests/unit/test_services_greeting.c tests/support/mock_host.c \
	tests/support/mock_host.h
tests_unit_test_services_greeting_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_greeting_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_skeleton_SOURCES = tests/unit/test_services_skeleton.c tests/support/mock_host.c \
	tests/support/mock_host.h
tests_unit_test_services_skeleton_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_skeleton_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_tcpmux_SOURCES = tests/unit/test_services_tcpmux.c tests/support/mock_host.c \
	tests/support/mock_host.h
tests_unit_test_services_tcpmux_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_services_tcpmux_LDADD = $(CMOCKA_LIBS)

# A plugin built as its author would: outside the tree, against what was installed.
TESTS += tests/outside/outside.t
EXTRA_DIST += tests/outside/outside.t tests/outside/Makefile tests/outside/tally.c
