# The manual.
dist_man_MANS = man/usherd.8 man/usherctl.8 man/usher.conf.5 man/usher-plugin.7 man/usher-services.7
