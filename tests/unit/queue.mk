# unit tests of queue/
check_PROGRAMS += tests/unit/test_holdq
tests_unit_test_holdq_SOURCES = tests/unit/test_holdq.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h tests/unit/panic.h
tests_unit_test_holdq_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_notice_utf8 tests/unit/test_offer
tests_unit_test_notice_utf8_SOURCES = tests/unit/test_notice_utf8.c tests/unit/unit.h
tests_unit_test_notice_utf8_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_offer_SOURCES = tests/unit/test_offer.c tests/unit/unit.h
tests_unit_test_offer_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_auth tests/unit/test_reply tests/unit/test_outcome \
	tests/unit/test_notice tests/unit/test_smtp tests/unit/test_release tests/unit/test_release_claim \
	tests/unit/test_release_refused tests/unit/test_release_straight tests/unit/test_release_trouble
tests_unit_test_auth_SOURCES = tests/unit/test_auth.c tests/unit/smtp_server.c \
	tests/unit/smtp_server.h tests/unit/unit.h
tests_unit_test_auth_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_reply_SOURCES = tests/unit/test_reply.c tests/unit/unit.h
tests_unit_test_reply_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_outcome_SOURCES = tests/unit/test_outcome.c tests/unit/unit.h
tests_unit_test_outcome_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_notice_SOURCES = tests/unit/test_notice.c tests/unit/unit.h
tests_unit_test_notice_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_smtp_SOURCES = tests/unit/test_smtp.c tests/unit/smtp_server.c \
	tests/unit/smtp_server.h tests/unit/unit.h
tests_unit_test_smtp_LDADD = queue/libqueue.a $(TEST_LIBS)
release_scene = tests/unit/release_scene.c tests/unit/release_scene.h tests/unit/smtp_server.c \
	tests/unit/smtp_server.h tests/unit/fake_holdq.c tests/unit/fake_holdq.h tests/unit/unit.h
tests_unit_test_release_SOURCES = tests/unit/test_release.c $(release_scene)
tests_unit_test_release_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_release_claim_SOURCES = tests/unit/test_release_claim.c $(release_scene)
tests_unit_test_release_claim_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_release_straight_SOURCES = tests/unit/test_release_straight.c $(release_scene)
tests_unit_test_release_straight_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_release_notices
tests_unit_test_release_notices_SOURCES = tests/unit/test_release_notices.c $(release_scene)
tests_unit_test_release_notices_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_release_refused_SOURCES = tests/unit/test_release_refused.c $(release_scene)
tests_unit_test_release_refused_LDADD = queue/libqueue.a $(TEST_LIBS)
tests_unit_test_release_trouble_SOURCES = tests/unit/test_release_trouble.c $(release_scene)
tests_unit_test_release_trouble_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_holdq_repeat
tests_unit_test_holdq_repeat_SOURCES = tests/unit/test_holdq_repeat.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h
tests_unit_test_holdq_repeat_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_holdq_open
tests_unit_test_holdq_open_SOURCES = tests/unit/test_holdq_open.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h tests/unit/spoil.c tests/unit/spoil.h
tests_unit_test_holdq_open_LDADD = queue/libqueue.a $(TEST_LIBS)
# tests/unit/test_holdq_crash 300: a long run
check_PROGRAMS += tests/unit/test_holdq_crash
tests_unit_test_holdq_crash_SOURCES = tests/unit/test_holdq_crash.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h
tests_unit_test_holdq_crash_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_notice_crash
tests_unit_test_notice_crash_SOURCES = tests/unit/test_notice_crash.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h
tests_unit_test_notice_crash_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_holdq_full
tests_unit_test_holdq_full_SOURCES = tests/unit/test_holdq_full.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h
tests_unit_test_holdq_full_LDADD = queue/libqueue.a $(TEST_LIBS)
check_PROGRAMS += tests/unit/test_holdq_memory
tests_unit_test_holdq_memory_SOURCES = tests/unit/test_holdq_memory.c tests/unit/holdq_lab.c \
	tests/unit/holdq_lab.h
tests_unit_test_holdq_memory_LDADD = queue/libqueue.a $(TEST_LIBS)
