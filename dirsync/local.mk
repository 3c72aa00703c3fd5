noinst_LIBRARIES += dirsync/libdirsync.a
dirsync_libdirsync_a_SOURCES = \
	dirsync/apply.h dirsync/entry.h dirsync/guard.h dirsync/mapping.h \
	dirsync/backend.c dirsync/backend_record.c dirsync/backend.h dirsync/backend_names.h \
	dirsync/person.h dirsync/plan.h dirsync/reconcile.h dirsync/run.h dirsync/snapshot.h \
	dirsync/source.h dirsync/target.h \
	dirsync/moves.c dirsync/moves.h dirsync/moves_read.c \
	dirsync/code.c dirsync/code.h dirsync/entry.c dirsync/entry_code.c \
	dirsync/mapping.c dirsync/mapping_settings.c dirsync/mapping_internal.h \
	dirsync/plan.c dirsync/plan_ldif.c \
	dirsync/person.c dirsync/person_code.c dirsync/person_value.c \
	dirsync/strings.c dirsync/strings.h
# writing into the directory
dirsync_libdirsync_a_SOURCES += \
	dirsync/apply.c dirsync/apply_op.c dirsync/apply_op.h dirsync/apply_send.c \
	dirsync/apply_taken.c dirsync/apply_internal.h \
	dirsync/handover.c dirsync/handover_run.c dirsync/handover.h dirsync/handover_internal.h

noinst_PROGRAMS += tests/system/apply_driver tests/system/backend_driver
tests_system_apply_driver_SOURCES = tests/system/apply_driver.c
tests_system_apply_driver_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
tests_system_backend_driver_SOURCES = tests/system/backend_driver.c
tests_system_backend_driver_LDADD = dirsync/libdirsync.a $(LIB_LIBS)

# down
dirsync_libdirsync_a_SOURCES += \
	dirsync/contact.c dirsync/contact_source.c dirsync/contact.h \
	dirsync/down.h dirsync/down_apply.c dirsync/down_plan.c dirsync/down_read.c \
	dirsync/run_down.c dirsync/written.c dirsync/written.h \
	dirsync/outfile.c dirsync/outfile.h \
	dirsync/target.c dirsync/target_command.c dirsync/target_csv.c dirsync/target_file.c \
	dirsync/target_ldif.c dirsync/target_vcard.c dirsync/target_internal.h \
	dirsync/target_ldap.c dirsync/target_ldap_again.c dirsync/target_ldap_adopt.c dirsync/target_ldap_after.c \
	dirsync/target_ldap_change.c dirsync/target_ldap_put.c dirsync/target_ldap.h
noinst_PROGRAMS += tests/system/down_driver
tests_system_down_driver_SOURCES = tests/system/down_driver.c
tests_system_down_driver_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
# up
dirsync_libdirsync_a_SOURCES += \
	dirsync/folder.c dirsync/folder.h dirsync/rawset.c dirsync/rawset.h \
	dirsync/instance.c dirsync/instance.h dirsync/keeper.c dirsync/keeper.h \
	dirsync/reports.c dirsync/reports.h \
	dirsync/run_up.c dirsync/runid.c dirsync/runid.h \
	dirsync/snapshot.c \
	dirsync/up_apply.c dirsync/up_delta.c dirsync/up_freed.c dirsync/up_join.c dirsync/up_judge.c \
	dirsync/up_late.c \
	dirsync/expiry.c dirsync/expiry.h dirsync/up_expiry.c \
	dirsync/up_meet.c dirsync/up_moves.c dirsync/up_known.c dirsync/up_owners.c dirsync/up_pull.c dirsync/up_record.c dirsync/up_shown.c \
	dirsync/up_waiting.c \
	dirsync/up.h dirsync/up_asking.h dirsync/up_meeting.h \
	dirsync/view.c dirsync/view.h
# the program
dirsync_libdirsync_a_SOURCES += \
	dirsync/commands.c dirsync/commands_run.c dirsync/commands.h \
	dirsync/dirsync.c dirsync/dirsync.h dirsync/exits.h \
	dirsync/exposition.c \
	dirsync/listener.c dirsync/listener.h \
	dirsync/once.c dirsync/once.h \
	dirsync/start.c dirsync/start.h \
	dirsync/stopper.c dirsync/stopper.h \
	dirsync/unit.c dirsync/unit.h \
	dirsync/watch.c

sbin_PROGRAMS += restante-dirsync
restante_dirsync_SOURCES = dirsync/main.c
restante_dirsync_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
# sources
dirsync_libdirsync_a_SOURCES += \
	dirsync/source.c dirsync/source_ldap.c dirsync/source_ldap_open.c dirsync/source_ldap_raw.c dirsync/source_ldap_sync.c \
	dirsync/source_ldap_ids.c dirsync/source_ldap_usn.c dirsync/source_ldap_internal.h \
	dirsync/source_mark.c dirsync/source_mark.h \
	dirsync/dropfolder.c dirsync/dropfolder.h dirsync/intake.c dirsync/intake.h \
	dirsync/source_file.c dirsync/source_command.c \
	dirsync/uuidset.c dirsync/uuidset.h

# what follows from what was read
dirsync_libdirsync_a_SOURCES += \
	dirsync/guard.c \
	dirsync/reconcile.c dirsync/reconcile_add.c dirsync/reconcile_address.c \
	dirsync/reconcile_build.c dirsync/reconcile_moves.c dirsync/reconcile_policy.c \
	dirsync/reconcile_value.c dirsync/reconcile_internal.h \
	dirsync/trace.c

# for tests/system: a source alone
noinst_PROGRAMS += tests/system/source_driver
tests_system_source_driver_SOURCES = tests/system/source_driver.c
tests_system_source_driver_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
