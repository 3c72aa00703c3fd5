noinst_LIBRARIES += queue/libqueue.a
queue_libqueue_a_SOURCES = \
	queue/auth.c queue/auth.h \
	queue/box.c queue/box.h \
	queue/holdq.c queue/holdq_apply.c queue/holdq_apply_put.c queue/holdq_change.c \
	queue/holdq_chores.c queue/holdq_counts.c queue/holdq_draft.c queue/holdq_limits.c \
	queue/holdq_read.c queue/holdq_record.c queue/holdq_repeat.c queue/holdq_writer.c \
	queue/holdq.h queue/holdq_internal.h queue/holdq_record.h \
	queue/dot.c queue/dot.h \
	queue/ehlo.c queue/ehlo.h \
	queue/endpoint.c queue/endpoint.h \
	queue/job.c queue/job_route.c queue/job_send.c queue/keeper.c queue/leave.c queue/leave.h \
	queue/report.c queue/settle.c \
	queue/tell.c queue/trouble.c queue/worker.c \
	queue/lane.c queue/lane.h \
	queue/link.c queue/link.h \
	queue/notice.c queue/notice_return.c queue/notice_status.c queue/notice_words.c \
	queue/notice.h queue/notice_parts.h \
	queue/offer.c queue/offer.h \
	queue/outcome.c queue/outcome.h \
	queue/params.c queue/params.h \
	queue/quoted.c queue/quoted.h \
	queue/received.c queue/received.h \
	queue/relay.c queue/relay.h \
	queue/release.c queue/release_claim.c queue/release_settings.c queue/release_status.c \
	queue/release.h queue/release_core.h \
	queue/reply.c queue/reply.h \
	queue/retry.c queue/retry.h \
	queue/scan.c queue/scan.h \
	queue/seat.c queue/seat.h \
	queue/smtp.c queue/smtp_auth.c queue/smtp_mail.c queue/smtp.h queue/smtp_session.h

noinst_PROGRAMS += tests/system/release_driver
tests_system_release_driver_SOURCES = tests/system/release_driver.c
tests_system_release_driver_LDADD = queue/libqueue.a $(LIB_LIBS)
