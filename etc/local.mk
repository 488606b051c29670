TABLE_FILES = usher.conf services.d/chargen.conf services.d/daytime.conf \
	services.d/discard.conf services.d/echo.conf services.d/finger.conf \
	services.d/fixed.conf services.d/framed.conf services.d/ftp.conf \
	services.d/greeting.conf services.d/hello.conf services.d/hello-udp.conf \
	services.d/http.conf services.d/ident.conf services.d/lesson.conf \
	services.d/pop3.conf services.d/qotd.conf services.d/smtp.conf \
	services.d/systat.conf services.d/tcpmux.conf services.d/telnet.conf \
	services.d/time.conf services.d/uppercase.conf
EXTRA_DIST += etc/usher.conf etc/services.d/chargen.conf etc/services.d/daytime.conf \
	etc/services.d/discard.conf etc/services.d/echo.conf etc/services.d/finger.conf \
	etc/services.d/fixed.conf etc/services.d/framed.conf etc/services.d/ftp.conf \
	etc/services.d/greeting.conf etc/services.d/hello.conf \
	etc/services.d/hello-udp.conf etc/services.d/http.conf etc/services.d/ident.conf \
	etc/services.d/lesson.conf etc/services.d/pop3.conf etc/services.d/qotd.conf \
	etc/services.d/smtp.conf etc/services.d/systat.conf etc/services.d/tcpmux.conf \
	etc/services.d/telnet.conf etc/services.d/time.conf \
	etc/services.d/uppercase.conf etc/examples/agent.conf etc/examples/git.conf \
	etc/examples/http.conf etc/examples/programs.conf etc/examples/redirect.conf \
	etc/examples/rsync.conf etc/examples/script.conf etc/examples/ssh.conf \
	etc/examples/tftp.conf \
	etc/usher.service.in etc/usher.sysusers etc/usher.tmpfiles.in
tabledir = $(sysconfdir)/usher

# systemd looks for both under the name usher.conf, each in a folder of its own.
install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(tmpfilesdir)'
	$(INSTALL_DATA) '$(srcdir)/etc/usher.sysusers' '$(DESTDIR)$(sysusersdir)/usher.conf'
	$(INSTALL_DATA) etc/usher.tmpfiles '$(DESTDIR)$(tmpfilesdir)/usher.conf'

# A file that exists belongs to the administrator: it is left alone, whatever is in it.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(tabledir)/services.d'
	@for f in $(TABLE_FILES); do \
	  to='$(DESTDIR)$(tabledir)'/$$f; \
	  if test -e "$$to" || test -h "$$to"; then echo "keeping $$to"; \
	  else $(INSTALL_DATA) '$(srcdir)'/etc/$$f "$$to" || exit 1; echo "installed $$to"; fi; \
	done

# What was changed stays, and with it the folders it is in.
uninstall-local:
	rm -f '$(DESTDIR)$(sysusersdir)/usher.conf' '$(DESTDIR)$(tmpfilesdir)/usher.conf'
	@for f in $(TABLE_FILES); do \
	  at='$(DESTDIR)$(tabledir)'/$$f; \
	  if cmp -s '$(srcdir)'/etc/$$f "$$at"; then rm -f "$$at"; \
	  elif test -e "$$at"; then echo "keeping $$at: it was changed"; fi; \
	done
	@rmdir '$(DESTDIR)$(tabledir)/services.d' '$(DESTDIR)$(tabledir)' 2>/dev/null || :

systemdsystemunit_DATA = etc/usher.service
noinst_DATA = etc/usher.tmpfiles

# The paths are known only to make: configure leaves ${prefix} in them.
UNIT_PATHS = $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
	-e 's|@runstatedir[@]|$(runstatedir)|g'
CLEANFILES += etc/usher.service etc/usher.tmpfiles

etc/usher.service: etc/usher.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && $(UNIT_PATHS) '$(srcdir)/etc/usher.service.in' >$@
etc/usher.tmpfiles: etc/usher.tmpfiles.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && $(UNIT_PATHS) '$(srcdir)/etc/usher.tmpfiles.in' >$@
