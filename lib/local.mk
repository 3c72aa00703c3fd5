noinst_LIBRARIES += lib/librestante.a
lib_librestante_a_SOURCES = \
	lib/base64.c lib/base64.h \
	lib/address.c lib/address_domain.c lib/address_rule.c lib/address.h lib/address_internal.h \
	lib/bdb.c lib/bdb_build.c lib/bdb_env.c lib/bdb_room.c lib/bdb.h lib/bdb_internal.h \
	lib/bulksort.c lib/bulksort.h \
	lib/clock.c lib/clock.h \
	lib/config.c lib/config_check.c lib/config_file.c lib/config_section.c lib/config_table.c lib/config_table_control.c lib/config_use.c lib/config_value.c \
	lib/config.h lib/config_internal.h lib/config_key.h lib/config_table.h \
	lib/control_client.c lib/control_reply.c lib/control_server.c lib/control_socket.c \
	lib/control.h lib/control_internal.h \
	lib/cookie.c lib/cookie.h \
	lib/csv.c lib/csv.h \
	lib/csv_stream.c lib/csv_stream.h \
	lib/daemonline.c lib/daemonline.h \
	lib/descriptors.c lib/descriptors.h \
	lib/digest.c lib/digest.h \
	lib/endmark.c lib/endmark.h \
	lib/federation.c lib/federation.h \
	lib/fence.c lib/fence.h \
	lib/journal.c lib/journal.h \
	lib/json.c lib/json.h \
	lib/ldap_probe.c lib/ldap_probe.h \
	lib/ldap_async.c lib/ldap_async.h \
	lib/ldap_session.c lib/ldap_connect.c lib/ldap_dn.c lib/ldap_dn.h lib/ldap_read.c lib/ldap_write.c lib/ldap_session.h lib/ldap_internal.h \
	lib/ldif_read.c lib/ldif_write.c lib/ldif.h \
	lib/ldap_stream.c lib/ldap_stream_entry.c lib/ldap_stream_sync.c lib/ldap_stream.h lib/ldap_stream_internal.h \
	lib/log.c lib/log.h \
	lib/mailbox.c lib/mailbox.h \
	lib/hours.c lib/hours.h \
	lib/mem.c lib/mem.h \
	lib/move.c lib/move_record.c lib/move.h \
	lib/scenario.c lib/scenario.h \
	lib/metrics.c lib/metrics.h \
	lib/metrics_http.c lib/metrics_http.h \
	lib/notify.c lib/notify.h \
	lib/orcpt.c lib/orcpt.h \
	lib/privileges.c lib/privileges.h \
	lib/procstat.c lib/procstat.h \
	lib/pulse.h \
	lib/route.c lib/route.h \
	lib/runner.c lib/runner_guard.c lib/runner_spawn.c lib/runner.h lib/runner_internal.h \
	lib/sdnotify.c lib/sdnotify.h \
	lib/secret.c lib/secret.h \
	lib/str.c lib/str.h \
	lib/syncask.c lib/syncask.h \
	lib/synccontrol.c lib/synccontrol.h \
	lib/synclist.c lib/synclist.h \
	lib/syncoutcome.c lib/syncoutcome.h \
	lib/template.c lib/template.h \
	lib/tls.c lib/tls.h \
	lib/tlv.c lib/tlv.h \
	lib/utf8.c lib/utf8.h \
	lib/when.c lib/when.h \
	lib/words.c lib/words.h \
	lib/xtext.c

LIB_LIBS = lib/librestante.a $(DB_LIBS) $(LDAP_LIBS) $(LBER_LIBS) $(OPENSSL_LIBS) \
	$(CONFUSE_LIBS) $(JANSSON_LIBS) $(IDN2_LIBS) $(UNISTRING_LIBS) $(MICROHTTPD_LIBS)
