# Sample configuration: for the reader, and used as it stands by the tests.
CONF_FILES = \
	conf/apache/cgi.conf \
	conf/apache/fcgid.conf \
	conf/apache/htaccess \
	conf/apache/htaccess.cgi \
	conf/apache/proxy_fcgi.conf \
	conf/lighttpd/spawn.conf \
	conf/lighttpd/watchllm.conf \
	conf/nginx/watchllm.conf \
	conf/watchllm.logrotate
exampledir = $(docdir)/examples
nobase_dist_example_DATA = $(CONF_FILES)

# Units and the cron file name installed paths, which are known only now.
UNIT_IN = \
	conf/systemd/watchllm-consumer.service.in \
	conf/systemd/watchllm-rollup.service.in \
	conf/systemd/watchllm.service.in \
	conf/systemd/watchllm.socket.in
UNITS = $(UNIT_IN:.in=)
EXTRA_DIST += $(UNIT_IN) conf/systemd/watchllm-rollup.timer \
	conf/watchllm.cron.in
CLEANFILES += $(UNITS) conf/watchllm.cron
$(UNITS) conf/watchllm.cron: Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(SED) -e 's|@cgibindir[@]|$(cgibindir)|' \
	    -e 's|@pkglibexecdir[@]|$(pkglibexecdir)|' \
	    $(srcdir)/$@.in > $@.tmp && mv $@.tmp $@
$(UNITS): $(UNIT_IN)
conf/watchllm.cron: conf/watchllm.cron.in
nobase_nodist_example_DATA = conf/watchllm.cron
if HAVE_SYSTEMD
systemdsystemunit_DATA = $(UNITS) conf/systemd/watchllm-rollup.timer
endif
AM_DISTCHECK_CONFIGURE_FLAGS = \
	--with-systemdsystemunitdir=$$dc_install_base/lib/systemd/system
EXTRA_DIST += check start conf/packages.sh conf/private.sh conf/web.sh
nobase_dist_example_DATA += conf/watchllm.conf.sample
