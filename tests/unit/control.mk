# unit tests of control/
check_PROGRAMS += tests/unit/test_machine
tests_unit_test_machine_SOURCES = tests/unit/test_machine.c tests/unit/machine_scene.c \
	tests/unit/machine_scene.h tests/unit/unit.h
tests_unit_test_machine_LDADD = control/libcontrol.a $(TEST_LIBS)
