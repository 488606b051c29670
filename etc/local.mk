TABLE_FILES = usher.conf services.d/echo.conf services.d/daytime.conf services.d/uppercase.conf \
	services.d/framed.conf
EXTRA_DIST += etc/usher.conf etc/services.d/echo.conf etc/services.d/daytime.conf \
	etc/services.d/uppercase.conf etc/services.d/framed.conf \
	etc/usher.service.in etc/usher.sysusers etc/usher.tmpfiles.in
tabledir = $(sysconfdir)/usher

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
	@for f in $(TABLE_FILES); do \
	  at='$(DESTDIR)$(tabledir)'/$$f; \
	  if cmp -s '$(srcdir)'/etc/$$f "$$at"; then rm -f "$$at"; \
	  elif test -e "$$at"; then echo "keeping $$at: it was changed"; fi; \
	done
	@rmdir '$(DESTDIR)$(tabledir)/services.d' '$(DESTDIR)$(tabledir)' 2>/dev/null || :
