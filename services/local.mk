# The services see include/usher/service.h and nothing else of the daemon.
SERVICE_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/include $(HARDENING_CPPFLAGS)
MODULE_CFLAGS = $(WARNING_CFLAGS) $(HARDENING_CFLAGS)
MODULE_LDFLAGS = -module -avoid-version -shared -no-undefined -Wl,-z,defs \
	-export-symbols-regex '^usher_service$$' $(HARDENING_LDFLAGS)
# Says to libtool that a module that is not installed shall be shared all the same.
UNINSTALLED_MODULE_LDFLAGS = $(MODULE_LDFLAGS) -rpath /nowhere

# What finger and systat share.
PEOPLE_SOURCES = services/people/text.h services/people/text.c services/people/sessions.h \
	services/people/sessions.c
FINGER_SOURCES = services/finger/finger.c services/finger/query.h services/finger/query.c \
	services/finger/person.h services/finger/person.c services/finger/talk.h services/finger/talk.c
SYSTAT_SOURCES = services/systat/systat.c
TCPMUX_SOURCES = services/tcpmux/tcpmux.c
IDENT_SOURCES = services/ident/ident.c services/ident/query.h services/ident/query.c \
	services/ident/owner.h services/ident/owner.c services/ident/names.h services/ident/names.c
DAYTIME_SOURCES = services/daytime/daytime.c services/daytime/zone.h services/daytime/zone.c
QOTD_SOURCES = services/qotd/qotd.c services/qotd/quotes.h services/qotd/quotes.c
UPPERCASE_SOURCES = services/uppercase/uppercase.c services/uppercase/utf_8.h \
	services/uppercase/utf_8.c services/capitals.h
FRAMED_SOURCES = services/framed/framed.c services/framed/message.h services/framed/message.c \
	services/capitals.h
HTTP_SOURCES = services/http/http.c services/http/engine.h services/http/engine.c \
	services/http/visit.h services/http/visit.c \
	services/http/head.h services/http/head.c services/http/reply.h services/http/reply.c \
	services/http/answer.h services/http/answer.c \
	services/http/files.h services/http/files.c services/http/path.h services/http/path.c \
	services/http/range.h services/http/range.c services/http/types.h services/http/types.c
REDIRECT_SOURCES = services/redirect/redirect.c services/redirect/redirect.h \
	services/redirect/stream.c services/redirect/datagram.c services/redirect/peers.h \
	services/redirect/peers.c

BUILTIN_NAMES =
BUILTIN_LIBS =

if BUILTIN_SERVICES

BUILTIN_NAMES += echo discard daytime qotd chargen time greeting uppercase framed
BUILTIN_LIBS += libecho.a libdiscard.a libdaytime.a libqotd.a libchargen.a libtime.a \
	libgreeting.a libuppercase.a libframed.a $(LIBUNISTRING_LIBS)
noinst_LIBRARIES += libecho.a libdiscard.a libdaytime.a libqotd.a libchargen.a libtime.a \
	libgreeting.a libuppercase.a libframed.a

libecho_a_SOURCES = services/echo/echo.c
libecho_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=echo
libdaytime_a_SOURCES = $(DAYTIME_SOURCES)
libdaytime_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=daytime
libuppercase_a_SOURCES = $(UPPERCASE_SOURCES)
libuppercase_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=uppercase
libframed_a_SOURCES = $(FRAMED_SOURCES)
libframed_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=framed
libdiscard_a_SOURCES = services/discard/discard.c
libdiscard_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=discard
libtime_a_SOURCES = services/time/time.c
libtime_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=time
libchargen_a_SOURCES = services/chargen/chargen.c
libchargen_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=chargen
libqotd_a_SOURCES = $(QOTD_SOURCES)
libqotd_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=qotd
libgreeting_a_SOURCES = services/greeting/greeting.c
libgreeting_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=greeting

BUILTIN_NAMES += finger systat ident
BUILTIN_LIBS += libfinger.a libsystat.a libident.a libpeople.a
noinst_LIBRARIES += libfinger.a libsystat.a libident.a libpeople.a

libpeople_a_SOURCES = $(PEOPLE_SOURCES)
libpeople_a_CPPFLAGS = $(SERVICE_CPPFLAGS)
libfinger_a_SOURCES = $(FINGER_SOURCES)
libfinger_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=finger
libsystat_a_SOURCES = $(SYSTAT_SOURCES)
libsystat_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=systat
libident_a_SOURCES = $(IDENT_SOURCES)
libident_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=ident

BUILTIN_NAMES += http redirect
BUILTIN_LIBS += libhttp.a $(LIBMICROHTTPD_LIBS) libredirect.a
noinst_LIBRARIES += libhttp.a libredirect.a

libhttp_a_SOURCES = $(HTTP_SOURCES)
libhttp_a_CPPFLAGS = $(SERVICE_CPPFLAGS) $(LIBMICROHTTPD_CFLAGS) -DUSHER_BUILTIN=http
libredirect_a_SOURCES = $(REDIRECT_SOURCES)
libredirect_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=redirect

BUILTIN_NAMES += tcpmux
BUILTIN_LIBS += libtcpmux.a
noinst_LIBRARIES += libtcpmux.a
libtcpmux_a_SOURCES = $(TCPMUX_SOURCES)
libtcpmux_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=tcpmux

# For the tests: where services are built in only because of the sanitizers.
if SANITIZERS
BUILTIN_NAMES += skeleton
BUILTIN_LIBS += libskeleton.a
noinst_LIBRARIES += libskeleton.a
libskeleton_a_SOURCES = services/skeleton/skeleton.c
libskeleton_a_CPPFLAGS = $(SERVICE_CPPFLAGS) -DUSHER_BUILTIN=skeleton
endif

else !BUILTIN_SERVICES

pkglib_LTLIBRARIES += services/echo.la services/discard.la services/daytime.la \
	services/qotd.la services/chargen.la services/time.la services/greeting.la \
	services/uppercase.la services/framed.la
check_LTLIBRARIES += services/skeleton.la

services_echo_la_SOURCES = services/echo/echo.c
services_echo_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_echo_la_CFLAGS = $(MODULE_CFLAGS)
services_echo_la_LDFLAGS = $(MODULE_LDFLAGS)

services_daytime_la_SOURCES = $(DAYTIME_SOURCES)
services_daytime_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_daytime_la_CFLAGS = $(MODULE_CFLAGS)
services_daytime_la_LDFLAGS = $(MODULE_LDFLAGS)

services_uppercase_la_SOURCES = $(UPPERCASE_SOURCES)
services_uppercase_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_uppercase_la_CFLAGS = $(MODULE_CFLAGS)
services_uppercase_la_LDFLAGS = $(MODULE_LDFLAGS)
services_uppercase_la_LIBADD = $(LIBUNISTRING_LIBS)

services_framed_la_SOURCES = $(FRAMED_SOURCES)
services_framed_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_framed_la_CFLAGS = $(MODULE_CFLAGS)
services_framed_la_LDFLAGS = $(MODULE_LDFLAGS)

services_discard_la_SOURCES = services/discard/discard.c
services_discard_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_discard_la_CFLAGS = $(MODULE_CFLAGS)
services_discard_la_LDFLAGS = $(MODULE_LDFLAGS)

services_time_la_SOURCES = services/time/time.c
services_time_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_time_la_CFLAGS = $(MODULE_CFLAGS)
services_time_la_LDFLAGS = $(MODULE_LDFLAGS)

services_chargen_la_SOURCES = services/chargen/chargen.c
services_chargen_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_chargen_la_CFLAGS = $(MODULE_CFLAGS)
services_chargen_la_LDFLAGS = $(MODULE_LDFLAGS)

services_qotd_la_SOURCES = $(QOTD_SOURCES)
services_qotd_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_qotd_la_CFLAGS = $(MODULE_CFLAGS)
services_qotd_la_LDFLAGS = $(MODULE_LDFLAGS)

services_greeting_la_SOURCES = services/greeting/greeting.c
services_greeting_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_greeting_la_CFLAGS = $(MODULE_CFLAGS)
services_greeting_la_LDFLAGS = $(MODULE_LDFLAGS)

pkglib_LTLIBRARIES += services/finger.la services/systat.la services/ident.la

services_finger_la_SOURCES = $(FINGER_SOURCES) $(PEOPLE_SOURCES)
services_finger_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_finger_la_CFLAGS = $(MODULE_CFLAGS)
services_finger_la_LDFLAGS = $(MODULE_LDFLAGS)

services_systat_la_SOURCES = $(SYSTAT_SOURCES) $(PEOPLE_SOURCES)
services_systat_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_systat_la_CFLAGS = $(MODULE_CFLAGS)
services_systat_la_LDFLAGS = $(MODULE_LDFLAGS)

services_ident_la_SOURCES = $(IDENT_SOURCES)
services_ident_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_ident_la_CFLAGS = $(MODULE_CFLAGS)
services_ident_la_LDFLAGS = $(MODULE_LDFLAGS)

pkglib_LTLIBRARIES += services/http.la services/redirect.la

services_http_la_SOURCES = $(HTTP_SOURCES)
services_http_la_CPPFLAGS = $(SERVICE_CPPFLAGS) $(LIBMICROHTTPD_CFLAGS)
services_http_la_CFLAGS = $(MODULE_CFLAGS)
services_http_la_LDFLAGS = $(MODULE_LDFLAGS)
services_http_la_LIBADD = $(LIBMICROHTTPD_LIBS)

services_redirect_la_SOURCES = $(REDIRECT_SOURCES)
services_redirect_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_redirect_la_CFLAGS = $(MODULE_CFLAGS)
services_redirect_la_LDFLAGS = $(MODULE_LDFLAGS)

pkglib_LTLIBRARIES += services/tcpmux.la
services_tcpmux_la_SOURCES = $(TCPMUX_SOURCES)
services_tcpmux_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_tcpmux_la_CFLAGS = $(MODULE_CFLAGS)
services_tcpmux_la_LDFLAGS = $(MODULE_LDFLAGS)

services_skeleton_la_SOURCES = services/skeleton/skeleton.c
services_skeleton_la_CPPFLAGS = $(SERVICE_CPPFLAGS)
services_skeleton_la_CFLAGS = $(MODULE_CFLAGS)
services_skeleton_la_LDFLAGS = $(UNINSTALLED_MODULE_LDFLAGS)

MODULE_NAMES = echo discard daytime qotd chargen time greeting uppercase framed finger systat \
	ident http redirect tcpmux

# Modules are found by name: the .la files are of no use to anybody.
install-exec-hook:
	cd $(DESTDIR)$(pkglibdir) && rm -f $(MODULE_NAMES:=.la)

uninstall-hook:
	cd $(DESTDIR)$(pkglibdir) && rm -f $(MODULE_NAMES:=.so)

endif !BUILTIN_SERVICES
