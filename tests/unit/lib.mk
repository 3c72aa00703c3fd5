# unit tests of lib/
check_PROGRAMS += tests/unit/test_bdb
tests_unit_test_bdb_SOURCES = tests/unit/test_bdb.c tests/unit/spoil.c tests/unit/spoil.h
tests_unit_test_bdb_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_address
tests_unit_test_address_SOURCES = tests/unit/test_address.c tests/unit/unit.h
tests_unit_test_address_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_config
tests_unit_test_config_SOURCES = tests/unit/test_config.c tests/unit/unit.h
tests_unit_test_config_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_control
tests_unit_test_control_SOURCES = tests/unit/test_control.c tests/unit/control_fixture.c \
	tests/unit/control_fixture.h tests/unit/unit.h
tests_unit_test_control_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_tls
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c tests/unit/unit.h
tests_unit_test_tls_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_base
tests_unit_test_base_SOURCES = tests/unit/test_base.c tests/unit/unit.h
tests_unit_test_base_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_json
tests_unit_test_json_SOURCES = tests/unit/test_json.c tests/unit/unit.h
tests_unit_test_json_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_log
tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/unit/unit.h
tests_unit_test_log_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_route
tests_unit_test_route_SOURCES = tests/unit/test_route.c tests/unit/unit.h
tests_unit_test_route_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_control_socket
tests_unit_test_control_socket_SOURCES = tests/unit/test_control_socket.c \
	tests/unit/control_fixture.c tests/unit/control_fixture.h tests/unit/unit.h
tests_unit_test_control_socket_LDADD = $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_sdnotify
tests_unit_test_sdnotify_SOURCES = tests/unit/test_sdnotify.c tests/unit/unit.h
tests_unit_test_sdnotify_LDADD = $(TEST_LIBS)
