# unit tests of cli/, and of what the command and the controller share in lib/
check_PROGRAMS += tests/unit/test_fence tests/unit/test_mailbox tests/unit/test_term \
	tests/unit/test_cli
tests_unit_test_fence_SOURCES = tests/unit/test_fence.c tests/unit/unit.h
tests_unit_test_fence_LDADD = $(TEST_LIBS)
tests_unit_test_mailbox_SOURCES = tests/unit/test_mailbox.c tests/unit/unit.h
tests_unit_test_mailbox_LDADD = $(TEST_LIBS)
tests_unit_test_term_SOURCES = tests/unit/test_term.c tests/unit/unit.h
tests_unit_test_term_LDADD = cli/libcli.a doctor/libdoctor.a $(TEST_LIBS)
tests_unit_test_cli_SOURCES = tests/unit/test_cli.c tests/unit/unit.h
tests_unit_test_cli_LDADD = cli/libcli.a doctor/libdoctor.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_trace
tests_unit_test_trace_SOURCES = tests/unit/test_trace.c tests/unit/unit.h
tests_unit_test_trace_LDADD = cli/libcli.a doctor/libdoctor.a $(TEST_LIBS)
