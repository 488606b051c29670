# A static library per layer, for linking only: nothing of it is installed.
# Who may include whom is written in src/LAYERS.
noinst_LIBRARIES += libbase.a libwire.a libloop.a libsock.a libconf.a libplug.a libproc.a \
	libflow.a libmaster.a libctl.a

EXTRA_DIST += src/LAYERS

libbase_a_SOURCES = \
	src/base/addr.c src/base/addr.h \
	src/base/clock.c src/base/clock.h \
	src/base/err.c src/base/err.h \
	src/base/fd.c src/base/fd.h \
	src/base/grid.c src/base/grid.h \
	src/base/index.c src/base/index.h \
	src/base/list.h \
	src/base/log.c src/base/log.h \
	src/base/mem.c src/base/mem.h \
	src/base/opt.c src/base/opt.h \
	src/base/opt_numbers.c \
	src/base/opt_preset.c \
	src/base/opt_text.c \
	src/base/opt_type.c src/base/opt_type.h \
	src/base/opt_words.c \
	src/base/str.c src/base/str.h

libwire_a_SOURCES = \
	src/wire/channel.c src/wire/channel.h \
	src/wire/descriptor.c src/wire/descriptor.h \
	src/wire/record.c src/wire/record.h

libloop_a_SOURCES = \
	src/loop/loop.c src/loop/loop.h \
	src/loop/sig.c src/loop/sig.h \
	src/loop/solo.c src/loop/solo.h

libsock_a_SOURCES = \
	src/sock/bind.c src/sock/bind.h \
	src/sock/dgram.c src/sock/dgram.h \
	src/sock/endpoint.c src/sock/endpoint.h

libconf_a_SOURCES = \
	src/conf/admission.c src/conf/admission.h \
	src/conf/callers.c \
	src/conf/circles.c \
	src/conf/check.c src/conf/check.h \
	src/conf/checking.c src/conf/checking.h \
	src/conf/endpoints.c \
	src/conf/globals.c \
	src/conf/identity.c \
	src/conf/keys.c src/conf/keys.h \
	src/conf/lex.c src/conf/lex.h \
	src/conf/plan.c src/conf/plan.h \
	src/conf/plandiff.c src/conf/plandiff.h \
	src/conf/planlimits.c src/conf/planlimits.h \
	src/conf/planrules.c src/conf/planrules.h \
	src/conf/planwire.h \
	src/conf/planwire_fields.c \
	src/conf/planwire_parse.c src/conf/planwire_parse.h \
	src/conf/planwire_parts.c \
	src/conf/planwire_print.c \
	src/conf/planwire_service.c \
	src/conf/plugins.c \
	src/conf/programs.c \
	src/conf/resolve.c src/conf/resolve.h \
	src/conf/rules.c \
	src/conf/safe.c src/conf/safe.h \
	src/conf/source.c src/conf/source.h \
	src/conf/syntax.c src/conf/syntax.h \
	src/conf/table.c src/conf/table.h \
	src/conf/value.c src/conf/value.h \
	src/conf/workers.c

libplug_a_SOURCES = \
	src/plug/catalogue.c src/plug/catalogue.h \
	src/plug/catalogue_ask.c src/plug/catalogue_ask.h \
	src/plug/catalogue_bounds.c \
	src/plug/catalogue_child.c src/plug/catalogue_child.h \
	src/plug/plug.c src/plug/plug.h

libproc_a_SOURCES = \
	src/proc/calls.c src/proc/calls.h \
	src/proc/cred.c src/proc/cred.h \
	src/proc/fence.c src/proc/fence.h \
	src/proc/filter.c src/proc/filter.h \
	src/proc/jail.c src/proc/jail.h \
	src/proc/landlock.c src/proc/landlock.h \
	src/proc/probe.c src/proc/probe.h \
	src/proc/reap.c src/proc/reap.h \
	src/proc/sandbox.c src/proc/sandbox.h \
	src/proc/sandbox_print.c \
	src/proc/spawn.c src/proc/spawn.h \
	src/proc/witness.c src/proc/witness.h

libflow_a_SOURCES = \
	src/flow/access.c src/flow/access.h \
	src/flow/admit.c src/flow/admit.h \
	src/flow/conn.c src/flow/conn.h \
	src/flow/deadline.c \
	src/flow/door.c src/flow/door.h \
	src/flow/env.c src/flow/env.h \
	src/flow/explain.c src/flow/explain.h \
	src/flow/errpipe.c src/flow/errpipe.h \
	src/flow/farewell.c src/flow/farewell.h \
	src/flow/floor.c src/flow/floor.h \
	src/flow/flow.c src/flow/flow.h \
	src/flow/hand_over.c src/flow/hand_over.h \
	src/flow/host.c src/flow/host.h \
	src/flow/identity.c src/flow/identity.h \
	src/flow/input.c \
	src/flow/intake.c src/flow/intake.h \
	src/flow/job.c src/flow/job.h \
	src/flow/limits.c src/flow/limits.h \
	src/flow/listener.c src/flow/listener.h \
	src/flow/logline.c src/flow/logline.h \
	src/flow/orders.c src/flow/orders.h \
	src/flow/output.c \
	src/flow/page.c src/flow/page.h \
	src/flow/park.c src/flow/park.h \
	src/flow/peek.c \
	src/flow/peer.c src/flow/peer.h \
	src/flow/prefix_tree.c src/flow/prefix_tree.h \
	src/flow/program.c src/flow/program.h \
	src/flow/queue.c src/flow/queue.h \
	src/flow/rate.c src/flow/rate.h \
	src/flow/refusal.c src/flow/refusal.h \
	src/flow/request.c src/flow/request.h \
	src/flow/row.c src/flow/row.h \
	src/flow/run.c src/flow/run.h \
	src/flow/run_dispatch.c src/flow/run_dispatch.h \
	src/flow/run_exec.c src/flow/run_exec.h \
	src/flow/run_fork.c src/flow/run_fork.h \
	src/flow/run_wait.c src/flow/run_wait.h \
	src/flow/service_tools.c src/flow/service_tools.h \
	src/flow/silent.c src/flow/silent.h \
	src/flow/sources.c src/flow/sources.h \
	src/flow/tools.c \
	src/flow/turns.c src/flow/turns.h \
	src/flow/udp.c src/flow/udp.h \
	src/flow/worker.c src/flow/worker.h

libmaster_a_SOURCES = \
	src/master/blame.c src/master/blame.h \
	src/master/boot.c src/master/boot.h \
	src/master/change.c \
	src/master/control.c src/master/control.h \
	src/master/counts.c src/master/counts.h \
	src/master/daemon.c src/master/daemon.h \
	src/master/doors.c src/master/doors.h \
	src/master/fault.c src/master/fault.h \
	src/master/hearsay.c src/master/hearsay.h \
	src/master/inherit.c src/master/inherit.h \
	src/master/inspect.c src/master/inspect.h \
	src/master/listeners.c src/master/listeners.h \
	src/master/logsink.c src/master/logsink.h \
	src/master/master.h \
	src/master/member.c src/master/member.h \
	src/master/notify.c src/master/notify.h \
	src/master/numbers.c src/master/numbers.h \
	src/master/options.c src/master/options.h \
	src/master/orphan.c src/master/orphan.h \
	src/master/pidfile.c src/master/pidfile.h \
	src/master/pool.c src/master/pool.h \
	src/master/pool_name.c src/master/pool_name.h \
	src/master/pools.c src/master/pools.h \
	src/master/reader.c src/master/reader.h \
	src/master/reader_child.c src/master/reader_child.h \
	src/master/reader_result.c src/master/reader_result.h \
	src/master/reload.c src/master/reload.h \
	src/master/rowstate.c \
	src/master/rights.c src/master/rights.h \
	src/master/session.c src/master/session.h \
	src/master/status.c src/master/status.h \
	src/master/stray.c src/master/stray.h \
	src/master/verdict.c src/master/verdict.h \
	src/master/vigil.c src/master/vigil.h

libctl_a_SOURCES = \
	src/ctl/answer.c src/ctl/answer.h \
	src/ctl/client.c src/ctl/client.h \
	src/ctl/json.c src/ctl/json.h \
	src/ctl/print.c src/ctl/print.h \
	src/ctl/status.c \
	src/ctl/text.c src/ctl/text.h
libctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)

# From the top layer down, so that one pass of the linker is enough.
DAEMON_LIBS = libmaster.a libflow.a libconf.a libplug.a libproc.a libsock.a libloop.a libwire.a \
	libbase.a $(BUILTIN_LIBS)
DAEMON_SYSTEM_LIBS = $(LIBCONFIG_LIBS) $(LIBEVENT_LIBS) $(LIBCAP_NG_LIBS) $(LIBSECCOMP_LIBS)

sbin_PROGRAMS += usherd
usherd_SOURCES = src/master/main.c
usherd_LDADD = $(DAEMON_LIBS) $(DAEMON_SYSTEM_LIBS)

bin_PROGRAMS += usherctl
usherctl_SOURCES = src/ctl/main.c
usherctl_LDADD = libctl.a libwire.a $(JANSSON_LIBS) libbase.a

# The built-in services, a line each: BUILTIN(echo).
BUILT_SOURCES += builtin-services.h
CLEANFILES += builtin-services.h
builtin-services.h: Makefile
	$(AM_V_GEN)for name in $(BUILTIN_NAMES); do echo "BUILTIN($$name)"; done >$@.tmp && mv $@.tmp $@
src/plug/plug.$(OBJEXT): builtin-services.h
