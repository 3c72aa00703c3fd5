# bench programs: EXTRA_PROGRAMS, built and run by `make bench`, e.g.
#	make bench BENCH_ARGS='--rounds 5 path-1 hold'
# A program with rows of its own (bench_store, bench_replica) is listed here; tests/bench/run starts it
# with "--rounds N" (and "--quick" for a run of seconds) and puts into its table each line of its standard output that is
#	{"row":"store-2k-8","what":"...","unit":"x","median":2.31,"low":2.2,"high":2.4,"rounds":15,
#	 "ours":"6,120 msg/s","peer":"2,650 msg/s","goal":">= 2.0"}
# median, low, high: the figure that the goal is about and its 95% interval; goal: ">= N" or "<= N".
bench_programs = tests/bench/peer_milter tests/bench/peer_loader tests/bench/bench_store tests/bench/bench_replica

tests_bench_peer_milter_SOURCES = tests/bench/peer_milter.c
tests_bench_peer_milter_LDADD = $(MILTER_LIBS)

tests_bench_peer_loader_SOURCES = tests/bench/peer_loader.c
tests_bench_peer_loader_LDADD = $(LIB_LIBS)

tests_bench_bench_store_SOURCES = tests/bench/bench_store.c
tests_bench_bench_store_LDADD = queue/libqueue.a $(LIB_LIBS)

tests_bench_bench_replica_SOURCES = tests/bench/bench_replica.c tests/bench/bench_peer_sync.c \
	tests/bench/bench_peer_sync.h
tests_bench_bench_replica_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_SOURCE='"$(abs_top_srcdir)"'
tests_bench_bench_replica_LDADD = directory/libdirectory.a $(LIB_LIBS)

EXTRA_PROGRAMS += $(bench_programs)

bench: all $(bench_programs)
	/usr/bin/python3 $(srcdir)/tests/bench/run --build $(abs_builddir) $(BENCH_ARGS)
.PHONY: bench

EXTRA_DIST += tests/bench/run tests/bench/cpugroup.py tests/bench/doors.py tests/bench/figures.py tests/bench/load.py \
	tests/bench/rounds.py tests/bench/rows_held.py tests/bench/rows_hold.py \
	tests/bench/rows_move.py tests/bench/rows_nodes.py \
	tests/bench/rows_path.py tests/bench/rows_sendmail.py tests/bench/rows_sync.py \
	tests/bench/rows_sync_down.py tests/bench/rows_sync_move.py tests/bench/rows_time.py \
	tests/bench/testbed.py tests/bench/tree.py
