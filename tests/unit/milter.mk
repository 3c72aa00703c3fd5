# unit tests of milter/
check_PROGRAMS += tests/unit/test_plan
tests_unit_test_plan_SOURCES = tests/unit/test_plan.c tests/unit/unit.h
tests_unit_test_plan_LDADD = milter/libfront.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_fence_parts
tests_unit_test_fence_parts_SOURCES = tests/unit/test_fence_parts.c tests/unit/unit.h
tests_unit_test_fence_parts_LDADD = milter/libfront.a $(TEST_LIBS)
MILTER_BED = tests/unit/milter_bed.c tests/unit/milter_bed.h tests/unit/milter_fakes.c \
	tests/unit/milter_fakes.h tests/unit/unit.h
check_PROGRAMS += tests/unit/test_connection
tests_unit_test_connection_SOURCES = tests/unit/test_connection.c $(MILTER_BED)
tests_unit_test_connection_LDADD = milter/libfront.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_content
tests_unit_test_content_SOURCES = tests/unit/test_content.c $(MILTER_BED)
tests_unit_test_content_LDADD = milter/libfront.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_front_parts
tests_unit_test_front_parts_SOURCES = tests/unit/test_front_parts.c tests/unit/unit.h
tests_unit_test_front_parts_LDADD = milter/libfront.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_queued
tests_unit_test_queued_SOURCES = tests/unit/test_queued.c tests/unit/unit.h
tests_unit_test_queued_LDADD = milter/libfront.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_mailq
tests_unit_test_mailq_SOURCES = tests/unit/test_mailq.c tests/unit/unit.h
tests_unit_test_mailq_LDADD = milter/libfront.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_sendmail
tests_unit_test_sendmail_SOURCES = tests/unit/test_sendmail.c $(MILTER_BED)
tests_unit_test_sendmail_LDADD = milter/libfront.a $(TEST_LIBS)
