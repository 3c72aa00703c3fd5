# unit tests of directory/
check_PROGRAMS += tests/unit/test_recall tests/unit/test_record tests/unit/test_refresh tests/unit/test_replica \
	tests/unit/test_lookup
tests_unit_test_recall_SOURCES = tests/unit/test_recall.c tests/unit/unit.h
tests_unit_test_recall_LDADD = directory/libdirectory.a $(TEST_LIBS)
tests_unit_test_record_SOURCES = tests/unit/test_record.c tests/unit/unit.h
tests_unit_test_record_LDADD = directory/libdirectory.a $(TEST_LIBS)
tests_unit_test_refresh_SOURCES = tests/unit/test_refresh.c tests/unit/replica_lab.c \
	tests/unit/replica_lab.h tests/unit/unit.h
tests_unit_test_refresh_LDADD = directory/libdirectory.a $(TEST_LIBS)
tests_unit_test_replica_SOURCES = tests/unit/test_replica.c tests/unit/replica_lab.c \
	tests/unit/replica_lab.h tests/unit/unit.h
tests_unit_test_replica_LDADD = directory/libdirectory.a $(TEST_LIBS)
tests_unit_test_lookup_SOURCES = tests/unit/test_lookup.c tests/unit/replica_lab.c \
	tests/unit/replica_lab.h tests/unit/unit.h
tests_unit_test_lookup_LDADD = directory/libdirectory.a $(TEST_LIBS)
