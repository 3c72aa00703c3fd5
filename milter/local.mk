noinst_LIBRARIES += milter/libfront.a
milter_libfront_a_SOURCES = \
	milter/callbacks.c milter/callbacks.h \
	milter/commands.c milter/commands_change.c milter/commands_queue.c milter/commands.h \
	milter/connection.c milter/connection.h \
	milter/content.c milter/content.h \
	milter/decisions.c milter/decisions.h \
	milter/drain.c milter/drain.h \
	milter/envelope.c milter/envelope.h \
	milter/eom.c \
	milter/events.c milter/events.h \
	milter/exposition.c milter/exposition.h \
	milter/front.c milter/front_hooks.c milter/front_reload.c milter/front.h \
	milter/held.c milter/held.h \
	milter/lateness.c milter/lateness.h \
	milter/libraries.c milter/libraries.h \
	milter/listing.c milter/listing.h \
	milter/mailq.c milter/mailq.h \
	milter/meter.h \
	milter/mtaqueue.c milter/mtaqueue.h \
	milter/node.c milter/node_state.c milter/node_watch.c milter/node.h milter/node_core.h \
	milter/node_entry.c milter/node_entry.h \
	milter/nodemark.c milter/nodemark.h \
	milter/physical.c milter/physical.h \
	milter/plan.c milter/plan.h \
	milter/queued.c milter/queued.h \
	milter/rcpt.c \
	milter/reply.c milter/reply.h \
	milter/settings.c milter/settings.h \
	milter/silence.c milter/silence.h \
	milter/socket.c milter/socket.h \
	milter/tally.c milter/tally.h \
	milter/twin.c milter/twin.h \
	milter/watchdog.c milter/watchdog.h

sbin_PROGRAMS += restante-milter
restante_milter_SOURCES = milter/main.c
restante_milter_LDADD = milter/libfront.a directory/libdirectory.a queue/libqueue.a \
	$(LIB_LIBS) $(MILTER_LIBS)
