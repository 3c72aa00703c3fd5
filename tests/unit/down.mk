# unit tests of dirsync/, down
check_PROGRAMS += tests/unit/test_target_files tests/unit/test_contact tests/unit/test_moves
tests_unit_test_target_files_SOURCES = tests/unit/test_target_files.c tests/unit/down_scene.c \
	tests/unit/down_scene.h tests/unit/unit.h
tests_unit_test_target_files_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
tests_unit_test_contact_SOURCES = tests/unit/test_contact.c tests/unit/down_scene.c \
	tests/unit/down_scene.h tests/unit/unit.h
tests_unit_test_contact_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
tests_unit_test_moves_SOURCES = tests/unit/test_moves.c tests/unit/unit.h
tests_unit_test_moves_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
