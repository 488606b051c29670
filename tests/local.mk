# Unit tests: a cmocka program per file of src/. Live, golden and check tests: scripts. All speak TAP.
TEST_EXTENSIONS = .t
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
T_LOG_DRIVER = $(LOG_DRIVER)
LOG_COMPILER = $(top_srcdir)/tests/support/cmocka.sh
# A script says in its lines what failed: its exit status would count that once more.
AM_T_LOG_DRIVER_FLAGS = --ignore-exit
AM_TESTS_ENVIRONMENT = CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir;

UNIT_TESTS = \
	tests/unit/test_addr \
	tests/unit/test_clock \
	tests/unit/test_err \
	tests/unit/test_fd \
	tests/unit/test_grid \
	tests/unit/test_index \
	tests/unit/test_log \
	tests/unit/test_mem \
	tests/unit/test_opt \
	tests/unit/test_str \
	tests/unit/test_channel \
	tests/unit/test_descriptor \
	tests/unit/test_record \
	tests/unit/test_loop \
	tests/unit/test_sig \
	tests/unit/test_solo \
	tests/unit/test_bind \
	tests/unit/test_dgram \
	tests/unit/test_endpoint \
	tests/unit/test_admission \
	tests/unit/test_plan \
	tests/unit/test_plandiff \
	tests/unit/test_safe \
	tests/unit/test_source \
	tests/unit/test_table \
	tests/unit/test_catalogue \
	tests/unit/test_plug \
	tests/unit/test_cred \
	tests/unit/test_sandbox \
	tests/unit/test_fence \
	tests/unit/test_landlock \
	tests/unit/test_witness \
	tests/unit/test_reap \
	tests/unit/test_spawn \
	tests/unit/test_access \
	tests/unit/test_admit \
	tests/unit/test_intake \
	tests/unit/test_turns \
	tests/unit/test_silent \
	tests/unit/test_rate \
	tests/unit/test_sources \
	tests/unit/test_callers \
	tests/unit/test_conn \
	tests/unit/test_door \
	tests/unit/test_floor \
	tests/unit/test_env \
	tests/unit/test_page \
	tests/unit/test_udp \
	tests/unit/test_blame \
	tests/unit/test_doors \
	tests/unit/test_fault \
	tests/unit/test_member \
	tests/unit/test_change \
	tests/unit/test_inherit \
	tests/unit/test_listeners \
	tests/unit/test_logsink \
	tests/unit/test_notify \
	tests/unit/test_numbers \
	tests/unit/test_options \
	tests/unit/test_pidfile \
	tests/unit/test_reader \
	tests/unit/test_service_tools \
	tests/unit/test_answer \
	tests/unit/test_client \
	tests/unit/test_text \
	tests/unit/test_services_http \
	tests/unit/test_services_redirect

if HAVE_CMOCKA
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
else
check-local:
	@echo "cmocka is not installed: the unit tests are left out"
endif

CHECK_TESTS = \
	tests/check/layers.t \
	tests/check/headers.t \
	tests/check/sizes.t \
	tests/check/forbidden.t \
	tests/check/abi.t \
	tests/check/manual.t \
	tests/check/security.t
TESTS += $(CHECK_TESTS)
EXTRA_DIST += $(CHECK_TESTS) tests/check/tap.sh tests/check/sizes.exceptions tests/check/abi.c \
	tests/check/abi.golden

# The real daemon on loopback.
LIVE_TESTS = \
	tests/live/10-echo.t \
	tests/live/15-matrix.t \
	tests/live/20-clients.t \
	tests/live/21-classic.t \
	tests/live/22-input.t \
	tests/live/24-connections.t \
	tests/live/25-course.t \
	tests/live/26-people.t \
	tests/live/27-tcpmux.t \
	tests/live/28-http.t \
	tests/live/29-redirect.t \
	tests/live/30-exec.t \
	tests/live/33-usherctl.t \
	tests/live/35-daemons.t \
	tests/live/40-wait.t \
	tests/live/45-status.t \
	tests/live/50-reload.t \
	tests/live/52-reloads.t \
	tests/live/55-admission.t \
	tests/live/56-fairness.t \
	tests/live/60-crash.t \
	tests/live/61-containment.t \
	tests/live/65-privilege.t \
	tests/live/70-start.t \
	tests/live/75-lifetime.t \
	tests/live/76-orphans.t \
	tests/live/80-limits.t \
	tests/live/85-access.t \
	tests/live/90-udp-safety.t \
	tests/golden/golden.t
TESTS += $(LIVE_TESTS)
# Those that script/test runs once more on poll and on select.
TRAFFIC_TESTS = \
	tests/live/20-clients.t \
	tests/live/30-exec.t \
	tests/live/80-limits.t \
	tests/live/90-udp-safety.t
# Floods, faults and other people's daemons: script/test runs them plainly, script/test-long under
# sanitizers too.
LOAD_TESTS = \
	tests/live/35-daemons.t \
	tests/live/52-reloads.t \
	tests/live/56-fairness.t \
	tests/live/61-containment.t \
	tests/live/85-exhaustion.t \
	tests/live/86-floods.t \
	tests/live/95-faults.t
EXTRA_DIST += $(LIVE_TESTS) tests/live/usher_live.py

# What tables may name, installed nowhere.
SOME_PLUGINS = tests/support/some_plugins.c tests/support/some_plugins.h

# Tables, and the exact plan or the exact mistakes they give.
check_PROGRAMS += tests/golden/plan_of
tests_golden_plan_of_SOURCES = tests/golden/plan_of.c $(SOME_PLUGINS)
tests_golden_plan_of_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_golden_plan_of_LDADD = libconf.a libsock.a libwire.a $(LIBCONFIG_LIBS) libbase.a
EXTRA_DIST += tests/golden/bad tests/golden/good

# Run by script/test: it installs, so it needs a finished build.
EXTRA_DIST += tests/install/install.t tests/install/hello.c tests/install/files.golden

# make check TESTS='$(UNIT_TESTS)' LOG_COMPILER=tests/support/valgrind.sh
EXTRA_DIST += tests/support/valgrind.sh tests/support/cmocka.sh

BUILD_PLAN = tests/support/build_plan.c tests/support/build_plan.h $(SOME_PLUGINS)
STAGE = tests/support/stage.c tests/support/stage.h
DESCRIPTORS = tests/support/descriptors.c tests/support/descriptors.h

UNIT_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)/tests
# A unit test links its layer and the ones below.
BASE_LIBS = libbase.a $(CMOCKA_LIBS)
WIRE_LIBS = libwire.a $(BASE_LIBS)
LOOP_LIBS = libloop.a $(LIBEVENT_LIBS) $(BASE_LIBS)
SOCK_LIBS = libsock.a $(BASE_LIBS)
CONF_LIBS = libconf.a libsock.a libwire.a $(LIBCONFIG_LIBS) $(BASE_LIBS)
PROC_LIBS = libproc.a libwire.a $(LIBCAP_NG_LIBS) $(LIBSECCOMP_LIBS) $(LOOP_LIBS)
PLUG_LIBS = libplug.a $(BUILTIN_LIBS) libwire.a $(LOOP_LIBS)
FLOW_LIBS = libflow.a libconf.a libplug.a $(BUILTIN_LIBS) libproc.a libsock.a libwire.a \
	$(LIBCONFIG_LIBS) $(LIBCAP_NG_LIBS) $(LIBSECCOMP_LIBS) $(LOOP_LIBS)
MASTER_LIBS = $(DAEMON_LIBS) $(DAEMON_SYSTEM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_addr_SOURCES = tests/unit/test_addr.c
tests_unit_test_addr_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_addr_LDADD = $(BASE_LIBS)
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_clock_LDADD = $(BASE_LIBS)
tests_unit_test_err_SOURCES = tests/unit/test_err.c
tests_unit_test_err_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_err_LDADD = $(BASE_LIBS)
tests_unit_test_fd_SOURCES = tests/unit/test_fd.c $(DESCRIPTORS)
tests_unit_test_fd_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_fd_LDADD = $(BASE_LIBS)
tests_unit_test_grid_SOURCES = tests/unit/test_grid.c
tests_unit_test_grid_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_grid_LDADD = $(BASE_LIBS)
tests_unit_test_index_SOURCES = tests/unit/test_index.c
tests_unit_test_index_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_index_LDADD = $(BASE_LIBS)
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_log_LDADD = $(BASE_LIBS)
tests_unit_test_mem_SOURCES = tests/unit/test_mem.c
tests_unit_test_mem_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_mem_LDADD = $(BASE_LIBS)
tests_unit_test_opt_SOURCES = tests/unit/test_opt.c
tests_unit_test_opt_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_opt_LDADD = $(BASE_LIBS)
tests_unit_test_str_SOURCES = tests/unit/test_str.c
tests_unit_test_str_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_str_LDADD = $(BASE_LIBS)
tests_unit_test_channel_SOURCES = tests/unit/test_channel.c $(DESCRIPTORS)
tests_unit_test_channel_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_channel_LDADD = $(WIRE_LIBS)
tests_unit_test_descriptor_SOURCES = tests/unit/test_descriptor.c
tests_unit_test_descriptor_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_descriptor_LDADD = $(WIRE_LIBS)
tests_unit_test_record_SOURCES = tests/unit/test_record.c
tests_unit_test_record_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_record_LDADD = $(WIRE_LIBS)
tests_unit_test_loop_SOURCES = tests/unit/test_loop.c
tests_unit_test_loop_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_loop_LDADD = $(LOOP_LIBS)
tests_unit_test_sig_SOURCES = tests/unit/test_sig.c
tests_unit_test_sig_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sig_LDADD = $(LOOP_LIBS)
tests_unit_test_solo_SOURCES = tests/unit/test_solo.c
tests_unit_test_solo_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_solo_LDADD = $(LOOP_LIBS)
tests_unit_test_bind_SOURCES = tests/unit/test_bind.c $(DESCRIPTORS)
tests_unit_test_bind_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_bind_LDADD = $(SOCK_LIBS)
tests_unit_test_dgram_SOURCES = tests/unit/test_dgram.c $(DESCRIPTORS)
tests_unit_test_dgram_LDFLAGS = -Wl,--wrap=recvmmsg -Wl,--wrap=sendmmsg
tests_unit_test_dgram_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_dgram_LDADD = $(SOCK_LIBS)
tests_unit_test_endpoint_SOURCES = tests/unit/test_endpoint.c
tests_unit_test_endpoint_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_endpoint_LDADD = $(SOCK_LIBS)
tests_unit_test_admission_SOURCES = tests/unit/test_admission.c
tests_unit_test_admission_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_admission_LDADD = $(CONF_LIBS)
tests_unit_test_plan_SOURCES = tests/unit/test_plan.c $(BUILD_PLAN)
tests_unit_test_plan_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_plan_LDADD = $(CONF_LIBS)
tests_unit_test_plandiff_SOURCES = tests/unit/test_plandiff.c
tests_unit_test_plandiff_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_plandiff_LDADD = $(CONF_LIBS)
tests_unit_test_safe_SOURCES = tests/unit/test_safe.c
tests_unit_test_safe_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_safe_LDADD = $(CONF_LIBS)
tests_unit_test_safe_LDFLAGS = -Wl,--wrap=fstatat
tests_unit_test_source_SOURCES = tests/unit/test_source.c $(DESCRIPTORS)
tests_unit_test_source_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_source_LDADD = $(CONF_LIBS)
tests_unit_test_source_LDFLAGS = -Wl,--wrap=fdopendir -Wl,--wrap=readdir
tests_unit_test_table_SOURCES = tests/unit/test_table.c
tests_unit_test_table_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_table_LDADD = $(CONF_LIBS)
tests_unit_test_catalogue_SOURCES = tests/unit/test_catalogue.c $(DESCRIPTORS)
tests_unit_test_catalogue_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_catalogue_LDADD = $(PLUG_LIBS)
tests_unit_test_plug_SOURCES = tests/unit/test_plug.c $(DESCRIPTORS)
tests_unit_test_plug_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_plug_LDADD = $(PLUG_LIBS)
tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c
tests_unit_test_sandbox_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sandbox_LDADD = $(PROC_LIBS)
tests_unit_test_fence_SOURCES = tests/unit/test_fence.c
tests_unit_test_fence_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_fence_LDADD = $(PROC_LIBS)
tests_unit_test_landlock_SOURCES = tests/unit/test_landlock.c
tests_unit_test_landlock_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_landlock_LDADD = $(PROC_LIBS)
tests_unit_test_witness_SOURCES = tests/unit/test_witness.c
tests_unit_test_witness_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_witness_LDADD = $(PROC_LIBS)
tests_unit_test_cred_SOURCES = tests/unit/test_cred.c
tests_unit_test_cred_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cred_LDADD = $(PROC_LIBS)
tests_unit_test_reap_SOURCES = tests/unit/test_reap.c
tests_unit_test_reap_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_reap_LDADD = $(PROC_LIBS)
tests_unit_test_spawn_SOURCES = tests/unit/test_spawn.c
tests_unit_test_spawn_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_spawn_LDADD = $(PROC_LIBS)
tests_unit_test_spawn_LDFLAGS = -Wl,--wrap=close_range
tests_unit_test_access_SOURCES = tests/unit/test_access.c
tests_unit_test_access_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_access_LDADD = $(FLOW_LIBS)
tests_unit_test_callers_SOURCES = tests/unit/test_callers.c $(BUILD_PLAN)
tests_unit_test_callers_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_callers_LDADD = $(FLOW_LIBS)
tests_unit_test_admit_SOURCES = tests/unit/test_admit.c $(STAGE)
tests_unit_test_admit_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_admit_LDADD = $(FLOW_LIBS)
tests_unit_test_intake_SOURCES = tests/unit/test_intake.c $(STAGE)
tests_unit_test_intake_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_intake_LDADD = $(FLOW_LIBS)
tests_unit_test_intake_LDFLAGS = -Wl,--wrap=pages_source_active -Wl,--wrap=mem_try
tests_unit_test_turns_SOURCES = tests/unit/test_turns.c $(STAGE) $(DESCRIPTORS)
tests_unit_test_turns_LDFLAGS = -Wl,--wrap=accept4 -Wl,--wrap=poll
tests_unit_test_turns_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_turns_LDADD = $(FLOW_LIBS)
tests_unit_test_silent_SOURCES = tests/unit/test_silent.c $(STAGE)
tests_unit_test_silent_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_silent_LDADD = $(FLOW_LIBS)
tests_unit_test_rate_SOURCES = tests/unit/test_rate.c
tests_unit_test_rate_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rate_LDADD = $(FLOW_LIBS)
tests_unit_test_sources_SOURCES = tests/unit/test_sources.c
tests_unit_test_sources_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sources_LDADD = $(FLOW_LIBS)
tests_unit_test_conn_SOURCES = tests/unit/test_conn.c $(STAGE)
tests_unit_test_conn_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_conn_LDADD = $(FLOW_LIBS)
tests_unit_test_conn_LDFLAGS = -Wl,--wrap=mem_try
tests_unit_test_door_LDFLAGS = -Wl,--wrap=mem_try -Wl,--wrap=poll -Wl,--wrap=getpeername
tests_unit_test_door_SOURCES = tests/unit/test_door.c $(STAGE) $(DESCRIPTORS)
tests_unit_test_door_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_door_LDADD = $(FLOW_LIBS)
tests_unit_test_floor_SOURCES = tests/unit/test_floor.c
tests_unit_test_floor_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_floor_LDADD = $(FLOW_LIBS)
tests_unit_test_blame_SOURCES = tests/unit/test_blame.c
tests_unit_test_blame_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_blame_LDADD = $(MASTER_LIBS)
tests_unit_test_member_SOURCES = tests/unit/test_member.c
tests_unit_test_member_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_member_LDADD = $(MASTER_LIBS)
tests_unit_test_change_SOURCES = tests/unit/test_change.c
tests_unit_test_change_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_change_LDADD = $(MASTER_LIBS)
tests_unit_test_change_LDFLAGS = -Wl,--wrap=worker_main -Wl,--wrap=witness_check
tests_unit_test_fault_SOURCES = tests/unit/test_fault.c
tests_unit_test_fault_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_fault_LDADD = $(MASTER_LIBS)
tests_unit_test_doors_SOURCES = tests/unit/test_doors.c
tests_unit_test_doors_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_doors_LDADD = $(MASTER_LIBS)
tests_unit_test_env_SOURCES = tests/unit/test_env.c
tests_unit_test_env_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_env_LDADD = $(FLOW_LIBS)
tests_unit_test_page_SOURCES = tests/unit/test_page.c $(DESCRIPTORS)
tests_unit_test_page_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_page_LDADD = $(FLOW_LIBS)
tests_unit_test_udp_SOURCES = tests/unit/test_udp.c
tests_unit_test_udp_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_udp_LDADD = $(FLOW_LIBS)
tests_unit_test_inherit_SOURCES = tests/unit/test_inherit.c
tests_unit_test_inherit_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_inherit_LDADD = $(MASTER_LIBS)
tests_unit_test_listeners_SOURCES = tests/unit/test_listeners.c $(DESCRIPTORS)
tests_unit_test_listeners_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_listeners_LDADD = $(MASTER_LIBS)
tests_unit_test_logsink_SOURCES = tests/unit/test_logsink.c
tests_unit_test_logsink_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_logsink_LDADD = $(MASTER_LIBS)
tests_unit_test_notify_SOURCES = tests/unit/test_notify.c
tests_unit_test_notify_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_notify_LDADD = $(MASTER_LIBS)
tests_unit_test_numbers_SOURCES = tests/unit/test_numbers.c
tests_unit_test_numbers_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_numbers_LDADD = $(MASTER_LIBS)
tests_unit_test_options_SOURCES = tests/unit/test_options.c
tests_unit_test_options_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_options_LDADD = $(MASTER_LIBS)
tests_unit_test_pidfile_SOURCES = tests/unit/test_pidfile.c
tests_unit_test_pidfile_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pidfile_LDADD = $(MASTER_LIBS)
tests_unit_test_reader_SOURCES = tests/unit/test_reader.c $(DESCRIPTORS)
tests_unit_test_reader_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_reader_LDADD = $(MASTER_LIBS)
tests_unit_test_answer_SOURCES = tests/unit/test_answer.c
tests_unit_test_answer_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_answer_LDADD = libctl.a $(WIRE_LIBS)
tests_unit_test_client_SOURCES = tests/unit/test_client.c
tests_unit_test_client_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_client_LDADD = libctl.a $(WIRE_LIBS)
tests_unit_test_text_SOURCES = tests/unit/test_text.c
tests_unit_test_text_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_text_LDADD = libctl.a $(WIRE_LIBS)
tests_unit_test_service_tools_SOURCES = tests/unit/test_service_tools.c $(STAGE)
tests_unit_test_service_tools_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_service_tools_LDADD = $(FLOW_LIBS)
# The services of more than one file, built in, with a host in memory.
EXTRA_DIST += tests/support/slow.h
MOCK_HOST = tests/support/mock_host.c tests/support/mock_host.h
tests_unit_test_services_http_SOURCES = tests/unit/test_services_http.c $(MOCK_HOST) $(HTTP_SOURCES)
tests_unit_test_services_http_CPPFLAGS = $(UNIT_CPPFLAGS) $(LIBMICROHTTPD_CFLAGS) -DUSHER_BUILTIN=http
tests_unit_test_services_http_LDADD = $(LIBMICROHTTPD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_services_redirect_SOURCES = tests/unit/test_services_redirect.c $(MOCK_HOST) \
	$(REDIRECT_SOURCES)
tests_unit_test_services_redirect_CPPFLAGS = $(UNIT_CPPFLAGS) -DUSHER_BUILTIN=redirect
tests_unit_test_services_redirect_LDADD = $(CMOCKA_LIBS)
tests_unit_test_services_redirect_LDFLAGS = -Wl,--wrap=connect
