# What an administrator copies from, per MTA.
postfixexampledir = $(docdir)/postfix
dist_postfixexample_DATA = contrib/postfix/main.cf contrib/postfix/master.cf
sendmailexampledir = $(docdir)/sendmail
dist_sendmailexample_DATA = contrib/sendmail/sendmail.mc

# Prometheus and Grafana (docs/metrics.md), and how a log file is rotated.
metricsexampledir = $(docdir)/metrics
dist_metricsexample_DATA = contrib/metrics/restante-alerts.yml contrib/metrics/restante-dashboard.json \
	contrib/metrics/restante-sync-alerts.yml
logrotateexampledir = $(docdir)/logrotate
dist_logrotateexample_DATA = contrib/logrotate/restante

# Sections of restante.conf for the syncs, per kind of system.
dirsyncexampledir = $(docdir)/dirsync
dist_dirsyncexample_DATA = contrib/dirsync/active-directory.conf contrib/dirsync/csv.conf \
	contrib/dirsync/cyrus.conf contrib/dirsync/dovecot-openldap.conf contrib/dirsync/dovecot.conf
dist_dirsyncexample_SCRIPTS = contrib/dirsync/cyrus-mailboxes contrib/dirsync/dovecot-users \
	contrib/dirsync/drop

# What restante-control does on a mail system: templates and programs, run from where they are
# installed, and sections of restante.conf that use them.
actionsdir = $(pkgdatadir)/actions
dist_actions_SCRIPTS = contrib/actions/address-table contrib/actions/cyrus-mailbox contrib/actions/dovecot-kick contrib/actions/imap-empty \
	contrib/actions/sieve-redirect
dist_actions_DATA = contrib/actions/restante_action.py contrib/actions/restante_imap.py
actionsdovecotldapdir = $(actionsdir)/dovecot-ldap
dist_actionsdovecotldap_DATA = contrib/actions/dovecot-ldap/addresses.ldif \
	contrib/actions/dovecot-ldap/close.ldif contrib/actions/dovecot-ldap/contact.ldif \
	contrib/actions/dovecot-ldap/create.ldif contrib/actions/dovecot-ldap/delete.ldif \
	contrib/actions/dovecot-ldap/dovecot-ldap.conf.ext contrib/actions/dovecot-ldap/forward.sieve \
	contrib/actions/dovecot-ldap/list.ldif contrib/actions/dovecot-ldap/open.ldif \
	contrib/actions/dovecot-ldap/redirect.ldif contrib/actions/dovecot-ldap/unaddress.ldif \
	contrib/actions/dovecot-ldap/unredirect.ldif
actionsexampledir = $(docdir)/actions
dist_actionsexample_DATA = contrib/actions/cyrus.conf contrib/actions/dovecot-openldap.conf \
	contrib/actions/exchange.conf contrib/actions/exchange.ps1

# The services; where the programs are is known to make alone (DESTDIR, prefix=). The daemon of the
# syncs and its single pass for a timer differ in the lines that begin with #daemon and #once.
units = contrib/systemd/restante-milter.service contrib/systemd/restante-dirsync.service \
	contrib/systemd/restante-dirsync-once.service contrib/systemd/restante-control.service
timers = contrib/systemd/restante-dirsync-once.timer
EXTRA_DIST += contrib/systemd/restante-milter.service.in contrib/systemd/restante-dirsync.service.in \
	contrib/systemd/restante-control.service.in $(timers)
CLEANFILES += $(units)
noinst_DATA = $(units)
place = sed 's,[@]sbindir[@],$(sbindir),'
contrib/systemd/restante-milter.service: contrib/systemd/restante-milter.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && \
	$(place) $(srcdir)/contrib/systemd/restante-milter.service.in >$@.new && mv $@.new $@
contrib/systemd/restante-dirsync.service: contrib/systemd/restante-dirsync.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && \
	$(place) $(srcdir)/contrib/systemd/restante-dirsync.service.in | \
	sed -e 's/^#daemon //' -e '/^#once /d' >$@.new && mv $@.new $@
contrib/systemd/restante-dirsync-once.service: contrib/systemd/restante-dirsync.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && \
	$(place) $(srcdir)/contrib/systemd/restante-dirsync.service.in | \
	sed -e 's/^#once //' -e '/^#daemon /d' >$@.new && mv $@.new $@
contrib/systemd/restante-control.service: contrib/systemd/restante-control.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib/systemd && \
	$(place) $(srcdir)/contrib/systemd/restante-control.service.in >$@.new && mv $@.new $@
if WITH_SYSTEMD_UNIT
systemdsystemunit_DATA = $(units) $(timers)
endif

# Both ask `restante help`, so that there is no second list of verbs and options.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = contrib/completion/restante
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = contrib/completion/_restante

# What /etc/restante/restante.conf may begin with.
confexampledir = $(docdir)
dist_confexample_DATA = contrib/restante.conf

# Debian packages, from a release: DEB_BUILD_OPTIONS=nocheck leaves the unit tests out.
EXTRA_DIST += contrib/make-deb contrib/debian/changelog contrib/debian/control \
	contrib/debian/copyright contrib/debian/not-installed contrib/debian/restante-directory.install \
	contrib/debian/restante.README.Debian contrib/debian/restante.install \
	contrib/debian/restante.postinst contrib/debian/restante.postrm contrib/debian/restante.prerm \
	contrib/debian/restante.triggers contrib/debian/rules contrib/debian/source/format \
	contrib/debian/source/lintian-overrides contrib/debian/restante.lintian-overrides \
	contrib/debian/restante-directory.lintian-overrides
deb: dist-gzip
	@DEB_BUILD_OPTIONS='$(DEB_BUILD_OPTIONS)' $(srcdir)/contrib/make-deb \
		$(abs_builddir)/$(distdir).tar.gz $(PACKAGE_VERSION) \
		$(abs_srcdir)/contrib/debian $(abs_builddir)/deb
.PHONY: deb
