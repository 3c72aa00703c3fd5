# unit tests of control/
check_PROGRAMS += tests/unit/test_machine
tests_unit_test_machine_SOURCES = tests/unit/test_machine.c tests/unit/machine_scene.c \
	tests/unit/machine_scene.h tests/unit/unit.h
tests_unit_test_machine_LDADD = control/libcontrol.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_action_template tests/unit/test_action_command
tests_unit_test_action_template_SOURCES = tests/unit/test_action_template.c tests/unit/unit.h
tests_unit_test_action_template_LDADD = control/libcontrol.a $(TEST_LIBS)
tests_unit_test_action_command_SOURCES = tests/unit/test_action_command.c tests/unit/unit.h
tests_unit_test_action_command_LDADD = control/libcontrol.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_machine_back tests/unit/test_machine_refused
tests_unit_test_machine_refused_SOURCES = tests/unit/test_machine_refused.c \
	tests/unit/machine_scene.c tests/unit/machine_scene.h tests/unit/unit.h
tests_unit_test_machine_refused_LDADD = control/libcontrol.a $(TEST_LIBS)
tests_unit_test_machine_back_SOURCES = tests/unit/test_machine_back.c tests/unit/machine_scene.c \
	tests/unit/machine_scene.h tests/unit/unit.h
tests_unit_test_machine_back_LDADD = control/libcontrol.a $(TEST_LIBS)

check_PROGRAMS += tests/unit/test_machine_random
tests_unit_test_machine_random_SOURCES = tests/unit/test_machine_random.c \
	tests/unit/machine_scene.c tests/unit/machine_scene.h \
	tests/unit/machine_world.c tests/unit/machine_world.h tests/unit/unit.h
tests_unit_test_machine_random_LDADD = control/libcontrol.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_store
tests_unit_test_store_SOURCES = tests/unit/test_store.c tests/unit/machine_scene.c \
	tests/unit/machine_scene.h tests/unit/unit.h
tests_unit_test_store_LDADD = control/libcontrol.a $(TEST_LIBS)
