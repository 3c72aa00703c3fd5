# unit tests of doctor/
check_PROGRAMS += tests/unit/test_doctor
tests_unit_test_doctor_SOURCES = tests/unit/test_doctor.c tests/unit/unit.h
tests_unit_test_doctor_LDADD = doctor/libdoctor.a $(TEST_LIBS)
