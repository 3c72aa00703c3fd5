# unit tests of dirsync/
check_PROGRAMS += tests/unit/test_source_file tests/unit/test_source_command
tests_unit_test_source_file_SOURCES = tests/unit/test_source_file.c tests/unit/source_bed.c \
	tests/unit/source_bed.h tests/unit/unit.h
tests_unit_test_source_file_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
tests_unit_test_source_command_SOURCES = tests/unit/test_source_command.c tests/unit/source_bed.c \
	tests/unit/source_bed.h tests/unit/unit.h
tests_unit_test_source_command_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_strings
tests_unit_test_strings_SOURCES = tests/unit/test_strings.c tests/unit/unit.h
tests_unit_test_strings_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_person
tests_unit_test_person_SOURCES = tests/unit/test_person.c tests/unit/unit.h
tests_unit_test_person_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_expiry
tests_unit_test_expiry_SOURCES = tests/unit/test_expiry.c tests/unit/unit.h
tests_unit_test_expiry_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_mapping
tests_unit_test_mapping_SOURCES = tests/unit/test_mapping.c tests/unit/unit.h
tests_unit_test_mapping_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_entry
tests_unit_test_entry_SOURCES = tests/unit/test_entry.c tests/unit/unit.h
tests_unit_test_entry_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_syncplan
tests_unit_test_syncplan_SOURCES = tests/unit/test_syncplan.c tests/unit/unit.h
tests_unit_test_syncplan_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_handover
tests_unit_test_handover_SOURCES = tests/unit/test_handover.c tests/unit/unit.h
tests_unit_test_handover_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
RECONCILE_LAB = tests/unit/reconcile_lab.c tests/unit/reconcile_lab.h tests/unit/reconcile_scene.c \
	tests/unit/reconcile_scene.h tests/unit/unit.h
check_PROGRAMS += tests/unit/test_reconcile
tests_unit_test_reconcile_SOURCES = tests/unit/test_reconcile.c $(RECONCILE_LAB)
tests_unit_test_reconcile_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_reconcile_parts
tests_unit_test_reconcile_parts_SOURCES = tests/unit/test_reconcile_parts.c $(RECONCILE_LAB)
tests_unit_test_reconcile_parts_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_guard
tests_unit_test_guard_SOURCES = tests/unit/test_guard.c tests/unit/unit.h
tests_unit_test_guard_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_source_mark
tests_unit_test_source_mark_SOURCES = tests/unit/test_source_mark.c tests/unit/unit.h
tests_unit_test_source_mark_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_apply_op
tests_unit_test_apply_op_SOURCES = tests/unit/test_apply_op.c tests/unit/unit.h
tests_unit_test_apply_op_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_reconcile_random
tests_unit_test_reconcile_random_SOURCES = tests/unit/test_reconcile_random.c \
	tests/unit/reconcile_lab.c tests/unit/reconcile_lab.h \
	tests/unit/memory_dir.c tests/unit/memory_dir.h \
	tests/unit/sync_lab.c tests/unit/sync_lab_show.c tests/unit/sync_lab.h \
	tests/unit/sync_model.c tests/unit/sync_model_show.c tests/unit/sync_model.h \
	tests/unit/sync_world.c tests/unit/sync_world.h tests/unit/unit.h
tests_unit_test_reconcile_random_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_snapshot
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c tests/unit/panic.h tests/unit/unit.h
tests_unit_test_snapshot_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_written
tests_unit_test_written_SOURCES = tests/unit/test_written.c tests/unit/unit.h
tests_unit_test_written_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_rawset
tests_unit_test_rawset_SOURCES = tests/unit/test_rawset.c tests/unit/unit.h
tests_unit_test_rawset_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_sync_files
tests_unit_test_sync_files_SOURCES = tests/unit/test_sync_files.c tests/unit/unit.h
tests_unit_test_sync_files_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
