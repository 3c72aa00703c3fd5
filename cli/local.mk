noinst_LIBRARIES += cli/libcli.a
cli_libcli_a_SOURCES = \
	cli/attention.c cli/attention.h \
	cli/cli.c cli/cli.h \
	cli/doctor.c \
	cli/hold.c \
	cli/logline.c cli/logline.h \
	cli/mailboxes.c cli/mailboxes.h \
	cli/move.h cli/move_add.c cli/move_ask.c cli/move_find.c cli/move_judge.c cli/move_list.c \
	cli/move_report.c cli/move_tally.c cli/move_tally.h cli/move_watch.c \
	cli/node.c \
	cli/node_show.c cli/node_show.h \
	cli/queue.c cli/queue_ask.h \
	cli/queue_change.c \
	cli/queue_show.c cli/queue_show.h \
	cli/route.c \
	cli/status.c \
	cli/swap.c cli/swap_check.c cli/swap.h \
	cli/swap_show.c \
	cli/sync.c cli/sync.h \
	cli/sync_assign.c cli/sync_change.c cli/sync_directory.c \
	cli/sync_reports.c cli/sync_show.c cli/sync_status.c cli/sync_view.c \
	cli/table.c \
	cli/term.c cli/term.h \
	cli/textfile.c cli/textfile.h \
	cli/trace.c \
	cli/trace_join.c cli/trace_join.h \
	cli/trace_now.c cli/trace_now.h \
	cli/trace_source.c cli/trace_source.h \
	cli/verbs.c cli/verbs.h \
	cli/wave.c cli/wave.h

bin_PROGRAMS += restante
restante_SOURCES = cli/main.c
restante_LDADD = cli/libcli.a doctor/libdoctor.a $(LIB_LIBS)
