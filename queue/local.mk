noinst_LIBRARIES += queue/libqueue.a
queue_libqueue_a_SOURCES = \
	queue/holdq.c queue/holdq.h \
	queue/box.c queue/box.h \
	queue/dot.c queue/dot.h \
	queue/ehlo.c queue/ehlo.h \
	queue/endpoint.c queue/endpoint.h \
	queue/job.c queue/settle.c queue/trouble.c queue/worker.c queue/keeper.c queue/report.c \
	queue/link.c queue/link.h \
	queue/notice.c queue/notice.h \
	queue/outcome.c queue/outcome.h \
	queue/params.c queue/params.h \
	queue/received.c queue/received.h \
	queue/relay.c queue/relay.h \
	queue/release.c queue/release.h queue/release_core.h \
	queue/reply.c queue/reply.h \
	queue/retry.c queue/retry.h \
	queue/smtp.c queue/smtp_mail.c queue/smtp.h queue/smtp_session.h
