# unit tests of dirsync/
check_PROGRAMS += tests/unit/test_strings
tests_unit_test_strings_SOURCES = tests/unit/test_strings.c tests/unit/unit.h
tests_unit_test_strings_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_person
tests_unit_test_person_SOURCES = tests/unit/test_person.c tests/unit/unit.h
tests_unit_test_person_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_mapping
tests_unit_test_mapping_SOURCES = tests/unit/test_mapping.c tests/unit/unit.h
tests_unit_test_mapping_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_entry
tests_unit_test_entry_SOURCES = tests/unit/test_entry.c tests/unit/unit.h
tests_unit_test_entry_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_syncplan
tests_unit_test_syncplan_SOURCES = tests/unit/test_syncplan.c tests/unit/unit.h
tests_unit_test_syncplan_LDADD = dirsync/libdirsync.a $(TEST_LIBS)
