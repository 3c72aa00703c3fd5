# unit tests of lib/
check_PROGRAMS += tests/unit/test_bdb
tests_unit_test_bdb_SOURCES = tests/unit/test_bdb.c
tests_unit_test_bdb_LDADD = $(TEST_LIBS)
