# unit tests of queue/
check_PROGRAMS += tests/unit/test_holdq
tests_unit_test_holdq_SOURCES = tests/unit/test_holdq.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h
tests_unit_test_holdq_LDADD = queue/libqueue.a $(TEST_LIBS)
