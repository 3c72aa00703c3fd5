# unit tests of milter/
check_PROGRAMS += tests/unit/test_plan
tests_unit_test_plan_SOURCES = tests/unit/test_plan.c tests/unit/unit.h
tests_unit_test_plan_LDADD = milter/libfront.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_fence_parts
tests_unit_test_fence_parts_SOURCES = tests/unit/test_fence_parts.c tests/unit/unit.h
tests_unit_test_fence_parts_LDADD = milter/libfront.a $(TEST_LIBS)
