/*
 * The fence (lib/fence.h, milter/node.c, milter/drain.c, directory/replica.h) around one mailbox
 * that moves from one home to another and back. What is left out and why, the configurations and
 * the guards are in docs/model.md; tests/model/run chooses them:
 *
 *   MSGS COPIES ROUNDS   messages, copies of each there may be, moves in a row
 *   CRASHES              losses of power of a front door, with what its replica had not synced
 *   UNHOLDS HOLDS        `restante unhold` and `hold` by hand, at any instant
 *   DISABLES ENABLES     `restante node disable` and `enable` of the second front door
 *   FORCES RETURNS       `node disable --force` of it: its machine is gone for good, or is not
 *   STATE1               of the second front door at first; DISABLED: it was away for long
 *   LAG                  a provider may be behind by any number of changes, at any time
 *   ORDERLY              versions come in the order of their numbers only
 *   BACKUPS WIPES        a replica is put back from a backup; both databases are emptied
 *   REPEATS UNCLEAR      a client repeats; an answer of the MTA to a release is lost
 *   AGAINS               a fence that is not passed in time is asked for once more
 *   GHOSTS               a modify of a front door is executed long after it was given up
 *   NO_x                 the guard x is not there
 *   SEEN_x               x is claimed never to happen: to show that it does
 *
 * A write to the directory is one step, numbered as entryCSN does it. What a front door knows is
 * the number up to which it has everything (the vector) and, beside it, newer versions of single
 * entries: a refresh shows them in any order, and a cookie may come without a CSN.
 * Partitions are in the interleaving: nobody has to do the next step soon.
 */
#ifndef MSGS
#define MSGS 2
#endif
#ifndef COPIES
#define COPIES 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef UNHOLDS
#define UNHOLDS 0
#endif
#ifndef HOLDS
#define HOLDS 0
#endif
#ifndef DISABLES
#define DISABLES 0
#endif
#ifndef ENABLES
#define ENABLES 0
#endif
#ifndef FORCES
#define FORCES 0
#endif
#ifndef STATE1
#define STATE1 ENABLED
#endif
#ifndef BACKUPS
#define BACKUPS 0
#endif
#ifndef WIPES
#define WIPES 0
#endif
#ifndef REPEATS
#define REPEATS 0
#endif
#ifndef UNCLEAR
#define UNCLEAR 0
#endif
#ifndef GHOSTS
#define GHOSTS 0
#endif
#ifndef AGAINS
#define AGAINS 0
#endif
#ifndef WRITES
#define WRITES 14 /* more is an error: the table is full */
#endif

#define DOORS  2
#define SLOTS  (MSGS * COPIES)
#define OLD    1
#define NEW    2
#define OTHER(home) (3 - (home))

/* States of a node's entry, of a mailbox (with its home: 1, 2 active, 5, 6 holding). */
#define ENABLED   1
#define DISABLING 2
#define DISABLED  3
#define HOLDING   4
#define held(value) ((value) >= HOLDING)
#define home(value) ((value) & 3)

/* --- what must be true ------------------------------------------------------------------------ */

/* They are false: an assertion of one of them tells by its name what is broken. */
hidden byte no_mail_in_the_old_home, nothing_lost, nothing_twice, in_order, all_comes_to_an_end;
hidden byte nobody_is_refused, never_seen, enough_writes;
#define MUST(condition, promise)                                                                  \
	if                                                                                         \
	:: condition                                                                               \
	:: else -> assert(promise)                                                                 \
	fi

/* --- the directory (write_uri) ---------------------------------------------------------------- */

#define MAILBOX 1
#define EPOCH   2
#define NODE    3 /* and 4: the second */
byte made[WRITES + 1]; /* what the write of that number made of which entry */
byte newest;             /* the number of the last one */
byte mailbox, epoch, entry[DOORS];
byte mailbox_csn, epoch_csn, entry_csn[DOORS]; /* numbers of their present versions */
byte acked[DOORS], drained[DOORS], undrained[DOORS]; /* an address, 0: none */

inline write(kind, value)
{
	if
	:: newest < WRITES -> newest++; made[newest] = (kind) * 16 + (value)
	:: else -> assert(enough_writes)
	fi
}
inline write_mailbox(value)
{
	mailbox = value;
	write(MAILBOX, mailbox);
	mailbox_csn = newest
}
inline write_state(i, value)
{
	entry[i] = value;
	write(NODE + (i), value);
	entry_csn[i] = newest
}
inline write_epoch(value)
{
	epoch = value;
	write(EPOCH, epoch);
	epoch_csn = newest
}

/* How often what may happen has happened. */
byte unholds, holds, disables, enables, crashes;
#if AGAINS > 0
byte agains;
#endif
#if REPEATS > 0
byte repeats;
#endif
#if UNCLEAR > 0
byte unclear;
#endif
#if GHOSTS > 0
byte ghosts;
#endif

/* --- the front doors -------------------------------------------------------------------------- */

/* The replica: versions (numbers) of the three entries it subscribes to. */
byte pos[DOORS];     /* everything up to here: the vector */
byte durable[DOORS]; /* and this much is on disk */
byte has_mailbox[DOORS], has_epoch[DOORS], has_node[DOORS];
bool off[DOORS]; /* gone for good */
#if WIPES > 0
byte hb[DOORS]; /* the number of the first heartbeat of this process, + 1 */
bool bare[DOORS]; /* never loaded */
bool fresh[DOORS]; /* loaded into empty databases, and no heartbeat came back since */
#endif
#ifdef LAG
bool absent[DOORS]; /* the mailbox is not in the replica */
#endif
#if BACKUPS > 0
byte level[DOORS]; /* the file node-service: what was acknowledged last */
#endif

/* The agent. */
byte begun[DOORS];   /* the last epoch this process began to acknowledge */
byte pending[DOORS]; /* it waits for older decisions, 0: none does */
byte draining[DOORS], drains[DOORS]; /* how far, for which epoch */
#define D_ASKED  1 /* late commits are looked up */
#define D_WAITS  2 /* for them */
#define D_LISTS  3 /* the MTA's queue */
#define D_EMPTYS 4 /* what was found there has to go */
byte leaving[DOORS], judged_csn[DOORS]; /* by which version of the entry */
#define L_NOTHING 1 /* it holds nothing */
#define L_LEFT    2 /* and nothing is queued */
#define L_JUDGED  3 /* both are true now */
#define L_MARKED  4 /* which is recorded; the entry is to be written */
#if GHOSTS > 0
bool ghost[DOORS]; /* a `disabled` on its way */
byte late_acked[DOORS], late_drained[DOORS], late_undrained[DOORS]; /* a report on its way */
bool late[DOORS];
#endif

hidden byte v_mailbox, v_epoch, v_node, k;
inline versions(i, upto)
{
	v_mailbox = 0;
	v_epoch = 0;
	v_node = 0;
	k = 1;
	do
	:: k <= (upto) && made[k] / 16 == MAILBOX -> v_mailbox = k; k++
	:: k <= (upto) && made[k] / 16 == EPOCH -> v_epoch = k; k++
	:: k <= (upto) && made[k] / 16 == NODE + (i) -> v_node = k; k++
	:: k <= (upto) && made[k] / 16 == NODE + 1 - (i) -> k++
	:: else -> break
	od
}

/* Version 0 is how all began. */
#define MAILBOX_AT(csn)  ((csn) == 0 -> OLD : (made[csn] & 15))
#define EPOCH_AT(csn)    ((csn) == 0 -> 0 : (made[csn] & 15))
#define NODE_AT(i, csn)  ((csn) == 0 -> ((i) == 0 -> ENABLED : STATE1) : (made[csn] & 15))
#define knows_mailbox(i) MAILBOX_AT(has_mailbox[i])
#define knows_epoch(i)   EPOCH_AT(has_epoch[i])
#define knows_node(i)    NODE_AT(i, has_node[i])

#ifdef NO_NODE_COVERED
#define node_sure(i) (has_node[i] <= pos[i] || knows_node(i) == ENABLED)
#else
#define node_sure(i) (has_node[i] <= pos[i])
#endif
#define node_on_disk(i) (has_node[i] <= durable[i] || has_node[i] == 0)
#if defined(NO_ENABLED_DURABLE) || defined(NO_NODE_COVERED)
#define serves_durable(i) true
#else
#define serves_durable(i) node_on_disk(i)
#endif
#ifdef NO_DISABLING_DURABLE
#define leaves_durable(i) true
#else
#define leaves_durable(i) (has_node[i] <= pos[i] && node_on_disk(i))
#endif
#if BACKUPS > 0 && !defined(NO_LEVEL)
#define is_level(i) (pos[i] >= level[i])
#else
#define is_level(i) true
#endif
#if WIPES > 0
#ifdef FRESH_WAITS
#define is_loaded(i) (!bare[i] && !fresh[i])
#else
#define is_loaded(i) (!bare[i])
#endif
#else
#define is_loaded(i) true
#endif
#ifdef LAG
#define has_it(i) (!absent[i])
#else
#define has_it(i) true
#endif

#define may_decide(i)                                                                             \
	(!off[i] && is_loaded(i) && is_level(i) && knows_node(i) == ENABLED && node_sure(i) &&    \
		serves_durable(i) && leaving[i] != L_MARKED)
#define is_leaving(i)                                                                             \
	(!off[i] && is_loaded(i) && is_level(i) && knows_node(i) == DISABLING && leaves_durable(i))

/* --- the mail --------------------------------------------------------------------------------- */

/* A copy of a message: where it is, at which front door, to which home. */
byte at[SLOTS], door[SLOTS], to[SLOTS];
#define NOWHERE  0
#define ENTERS   1 /* only where the look-up comes before the token */
#define DECIDED  2 /* end of message: looked up, not yet answered */
#define STORES   3 /* the same, to be held */
#define LATE     4 /* answered; the MTA has not written its queue file */
#define QUEUED   5 /* in the MTA's queue */
#define HELD     6 /* in the hold queue */
#define RELEASES 7 /* and a worker has looked it up */
bit before[SLOTS];   /* decided before the present acknowledgement began */
bit left_by[SLOTS];  /* LATE: of a process that is no more */
#if UNCLEAR > 0
bit unsure[SLOTS];   /* LATE: of a release whose answer was lost; the client has nothing to do with it */
#endif
bit told[MSGS];      /* the client heard 250 */
bit busy[MSGS];      /* the client waits for an answer */
byte arrived[MSGS];  /* delivered, 2: twice or more */
bit excused[MSGS];   /* one of the cases in which twice is allowed */
bit second_first;    /* both are held there, and the second was stored before the first */

#define message(f) ((f) / COPIES)
hidden byte f, found;

/* No copy for which c(i, copy) is true. */
#if SLOTS == 1
#define NONE(c, i) (!c(i, 0))
#elif SLOTS == 2
#define NONE(c, i) (!c(i, 0) && !c(i, 1))
#else
#define NONE(c, i) (!c(i, 0) && !c(i, 1) && !c(i, 2))
#endif
#define FOR_ALL(what)                                                                             \
	f = 0;                                                                                     \
	do                                                                                         \
	:: f < SLOTS -> what; f++                                                                 \
	:: else -> break                                                                           \
	od;                                                                                        \
	skip

#define was_before(i, f) (door[f] == (i) && before[f])
#if UNCLEAR > 0
#define is_unsure(f) unsure[f]
#else
#define is_unsure(f) false
#endif
#ifdef NO_LATE
#define waits_late(f) is_unsure(f)
#else
#ifdef NO_UNCLEAR
#define waits_late(f) (!is_unsure(f))
#else
#define waits_late(f) true
#endif
#endif
#define is_late(i, f)                                                                             \
	(at[f] == LATE && door[f] == (i) && !left_by[f] && waits_late(f) &&                        \
		to[f] == home(knows_mailbox(i)))
#ifdef NO_START
#define is_orphan(i, f) false
#else
#define is_orphan(i, f) (at[f] == LATE && door[f] == (i) && left_by[f])
#endif
#define is_queued(i, f) (at[f] == QUEUED && door[f] == (i) && to[f] == home(knows_mailbox(i)))
#define is_undrained(i, f) (at[f] == QUEUED && door[f] == (i) && to[f] == undrained[i])

/* What keeps a front door from leaving. */
#ifdef NO_LEAVING_DECISIONS
#define decides_here(i, f) false
#else
#define decides_here(i, f) ((at[f] == ENTERS || at[f] == DECIDED || at[f] == STORES) && door[f] == (i))
#endif
#ifdef NO_LEAVING_HELD
#define holds_here(i, f) false
#else
#define holds_here(i, f) ((at[f] == HELD || at[f] == RELEASES) && door[f] == (i))
#endif
#ifdef NO_LEAVING_LATE
#define late_here(i, f) false
#else
#define late_here(i, f) (at[f] == LATE && door[f] == (i))
#endif
#ifdef NO_LEAVING_QUEUE
#define queued_here(i, f) false
#else
#define queued_here(i, f) (at[f] == QUEUED && door[f] == (i))
#endif
#define stays_here(i, f) (decides_here(i, f) || holds_here(i, f) || late_here(i, f))

/* --- a front door: the replica ---------------------------------------------------------------- */

/* The node's state is made durable as soon as it is covered. */
/* A process that has nothing to lose may as well live on. */
#define crash_matters(i) (pending[i] != 0 || draining[i] != 0 || !NONE(lives_here, i) || begun[i] != 0)
#define lives_here(i, f) (at[f] != NOWHERE && door[f] == (i))

inline settle(i)
{
	if
#ifdef NO_ENABLED_DURABLE
	:: knows_node(i) == ENABLED -> skip
#endif
#ifdef NO_DISABLING_DURABLE
	:: knows_node(i) == DISABLING -> skip
#endif
	:: has_node[i] > durable[i] && has_node[i] <= pos[i] -> durable[i] = pos[i]
	:: else -> skip
	fi;
	if
	:: leaving[i] < L_JUDGED && knows_node(i) != DISABLING -> leaving[i] = 0
	:: else -> skip
	fi
}

#ifdef NO_BACK /* what a provider says that is behind is believed */
#define OLDEST(i) 0
#else
#define OLDEST(i) pos[i]
#endif

/* A provider that has everything up to s tells a cookie: the end of a refresh, or a change. */
inline cover(i, s)
{
	versions(i, s);
	if
#ifdef NO_BACK
	:: s < pos[i] ->
		pos[i] = s;
		has_mailbox[i] = v_mailbox;
		has_epoch[i] = v_epoch;
		has_node[i] = v_node;
		durable[i] = (durable[i] < s -> durable[i] : s)
#endif
	:: s >= pos[i] ->
		pos[i] = s;
		has_mailbox[i] = (v_mailbox > has_mailbox[i] -> v_mailbox : has_mailbox[i]);
		has_epoch[i] = (v_epoch > has_epoch[i] -> v_epoch : has_epoch[i]);
		has_node[i] = (v_node > has_node[i] -> v_node : has_node[i])
	:: else -> skip
	fi;
#if WIPES > 0
	if
	:: bare[i] -> bare[i] = 0; fresh[i] = 1; hb[i] = 0
	:: else -> skip
	fi;
#endif
#ifdef LAG
	absent[i] = 0;
#endif
	settle(i)
}

/* The process ends, or the machine: the replica falls back to what it had at s. */
inline fall(i, s)
{
	versions(i, s);
	has_mailbox[i] = v_mailbox;
	has_epoch[i] = v_epoch;
	has_node[i] = v_node;
	pos[i] = s;
	durable[i] = (durable[i] < s -> durable[i] : s)
}
inline die(i)
{
	begun[i] = 0;
	pending[i] = 0;
	draining[i] = 0;
	drains[i] = 0;
	leaving[i] = 0;
	FOR_ALL(die_copy(i));
	durable[i] = pos[i] /* a start recovers and makes a checkpoint */
}
inline die_copy(i)
{
	if
	:: at[f] != NOWHERE && door[f] == (i) ->
		before[f] = 0;
		if
		:: at[f] == ENTERS || at[f] == DECIDED || at[f] == STORES ->
			clear(f);
			busy[message(f)] = 0
		:: at[f] == RELEASES ->
#ifdef NO_REMOVAL_LAST
			clear(f)
#else
			at[f] = HELD;
			to[f] = 0
#endif
		:: at[f] == LATE -> left_by[f] = 1
#ifdef NO_COMMIT_FIRST
		:: at[f] == HELD -> clear(f)
#endif
		:: else -> skip
		fi
	:: else -> skip
	fi
}
inline clear(f)
{
	at[f] = NOWHERE;
	door[f] = 0;
	to[f] = 0;
	left_by[f] = 0;
	before[f] = 0
}

/* --- a front door: the steps ------------------------------------------------------------------ */

#define may_acknowledge(i)                                                                        \
	(!off[i] && is_loaded(i) && (knows_node(i) == ENABLED || knows_node(i) == DISABLING))
#ifdef NO_COVERED
#define epoch_covered(i) true
#else
#define epoch_covered(i) (has_epoch[i] <= pos[i])
#endif
#define is_news(i) (knows_epoch(i) > acked[i] && knows_epoch(i) != begun[i])

#ifdef NO_LEAVING_ASSERTION
#define may_write_disabled(i) (entry[i] == DISABLING)
#else
#define may_write_disabled(i) (entry[i] == DISABLING && entry_csn[i] == judged_csn[i])
#endif

inline mark(i)
{
	if
	:: at[f] != NOWHERE && door[f] == (i) ->
		if
#ifndef NO_DECISIONS
		:: at[f] == DECIDED || at[f] == STORES -> before[f] = 1
#endif
#ifndef NO_RELEASES
		:: at[f] == RELEASES -> before[f] = 1
#endif
		:: else -> skip
		fi
	:: else -> skip
	fi
}

proctype Door(byte i)
{
	byte s;

end:	do
	/* what the replica is told */
	:: d_step { !off[i] && pos[i] < newest -> cover(i, newest) }
#ifdef LAG
	:: atomic {
		!off[i] && OLDEST(i) < newest -> s = OLDEST(i);
		do
		:: s < newest - 1 -> s++
		:: break
		od;
		d_step { cover(i, s); s = 0 }
	}
#endif
#ifndef ORDERLY
	:: d_step { !off[i] && is_loaded(i) && has_mailbox[i] < mailbox_csn -> has_mailbox[i] = mailbox_csn }
	:: d_step { !off[i] && is_loaded(i) && has_epoch[i] < epoch_csn -> has_epoch[i] = epoch_csn }
	:: d_step {
		!off[i] && is_loaded(i) && has_node[i] < entry_csn[i] -> has_node[i] = entry_csn[i];
		settle(i)
	}
#endif
	/* an epoch is acknowledged */
	:: d_step {
		pending[i] == 0 && may_acknowledge(i) && epoch_covered(i) && is_news(i) ->
#ifndef NO_SYNC
		durable[i] = pos[i];
#endif
#if BACKUPS > 0
		level[i] = has_epoch[i];
#endif
		pending[i] = knows_epoch(i);
		FOR_ALL(mark(i))
	}
	:: d_step {
		pending[i] != 0 && NONE(was_before, i) ->
		acked[i] = pending[i];
		begun[i] = pending[i];
		drains[i] = pending[i];
		draining[i] = D_ASKED;
		pending[i] = 0
	}
	/* after a start */
	:: d_step {
		begun[i] == 0 && pending[i] == 0 && draining[i] == 0 && knows_epoch(i) > 0 &&
		may_acknowledge(i) && epoch_covered(i) && knows_epoch(i) <= acked[i] ->
		begun[i] = knows_epoch(i);
		drains[i] = knows_epoch(i);
		draining[i] = D_ASKED
	}
	/* the drain */
	:: d_step {
		draining[i] == D_ASKED ->
		draining[i] = (held(knows_mailbox(i)) -> D_WAITS : D_LISTS)
	}
	:: d_step { draining[i] == D_WAITS && NONE(is_late, i) && NONE(is_orphan, i) -> draining[i] = D_LISTS }
	:: d_step {
		draining[i] == D_LISTS ->
		drained[i] = drains[i];
		if
		:: held(knows_mailbox(i)) && !NONE(is_queued, i) ->
			undrained[i] = home(knows_mailbox(i));
			draining[i] = D_EMPTYS
		:: else ->
			undrained[i] = 0;
			draining[i] = 0;
			drains[i] = 0
		fi
	}
	:: d_step {
		draining[i] == D_EMPTYS && (NONE(is_undrained, i) || !held(knows_mailbox(i))) ->
		undrained[i] = 0;
		draining[i] = 0;
		drains[i] = 0
	}
	/* taken out of service */
#if DISABLES > 0
	:: d_step { is_leaving(i) && leaving[i] == 0 && NONE(stays_here, i) -> leaving[i] = L_NOTHING }
	:: d_step { leaving[i] == L_NOTHING && NONE(queued_here, i) -> leaving[i] = L_LEFT }
	:: d_step {
		leaving[i] == L_LEFT && NONE(stays_here, i) -> leaving[i] = L_JUDGED;
		judged_csn[i] = has_node[i]
	}
	:: d_step { leaving[i] == L_JUDGED -> leaving[i] = L_MARKED }
	:: d_step {
		leaving[i] == L_MARKED -> leaving[i] = 0;
		if
		:: may_write_disabled(i) -> write_state(i, DISABLED)
		:: else -> skip
		fi;
		judged_csn[i] = 0
	}
#if GHOSTS > 0
	/* that write is given up, and is executed later */
	:: d_step {
		leaving[i] == L_MARKED && ghosts < GHOSTS && !ghost[i] -> ghosts++;
		leaving[i] = 0;
		ghost[i] = 1
	}
	:: d_step {
		ghost[i] && leaving[i] < L_JUDGED -> ghost[i] = 0;
		if
		:: may_write_disabled(i) -> write_state(i, DISABLED)
		:: else -> skip
		fi;
		judged_csn[i] = 0
	}
#endif
#endif
#if GHOSTS > 0
	:: d_step { ghosts < GHOSTS && !late[i] && acked[i] > 0 ->
		ghosts++; late[i] = 1;
		late_acked[i] = acked[i]; late_drained[i] = drained[i]; late_undrained[i] = undrained[i] }
	:: d_step { late[i] ->
		late[i] = 0; acked[i] = late_acked[i]; drained[i] = late_drained[i];
		undrained[i] = late_undrained[i];
		late_acked[i] = 0; late_drained[i] = 0; late_undrained[i] = 0 }
	:: d_step { late[i] ->
		late[i] = 0; drained[i] = late_drained[i];
		undrained[i] = late_undrained[i];
		late_acked[i] = 0; late_drained[i] = 0; late_undrained[i] = 0 }
#endif
	/* crashes */
#if CRASHES > 0
	:: d_step { !off[i] && crashes < CRASHES && crash_matters(i) -> crashes++; die(i) }
	:: atomic {
		!off[i] && crashes < CRASHES && (durable[i] < pos[i]) ->
		s = durable[i];
		do
		:: s < pos[i] - 1 -> s++
		:: break
		od;
		d_step {
			crashes++;
			fall(i, s);
			die(i);
			s = 0
#ifdef SEEN_LOSS
			;
			assert(never_seen)
#endif
		}
	}
#endif
#if BACKUPS > 0
	:: atomic {
		!off[i] && crashes < BACKUPS && pos[i] > 0 -> s = 0;
		do
		:: s < pos[i] - 1 -> s++
		:: break
		od;
		d_step { crashes++; fall(i, s); die(i); s = 0 }
	}
#endif
#if WIPES > 0
	:: d_step {
		!off[i] && crashes < WIPES && NONE(holds_here, i) -> crashes++;
		fall(i, 0);
		die(i);
		bare[i] = 1; fresh[i] = 0; hb[i] = 0
	}
	:: d_step { fresh[i] && hb[i] == 0 -> hb[i] = newest + 1 }
	:: d_step { fresh[i] && hb[i] != 0 && pos[i] + 1 >= hb[i] -> fresh[i] = 0; hb[i] = 0 }
#endif
	od
}

/* --- a copy of a message ---------------------------------------------------------------------- */

#if MSGS == 2
/* Both are held at one front door: which came first goes first. */
#define is_next(c)                                                                                \
	!((at[1 - (c)] == HELD || at[1 - (c)] == RELEASES) && door[1 - (c)] == door[c] &&          \
		second_first == ((c) == 0))
#define turn(m) ((m) == 0 || told[0] || busy[0])
#else
#define is_next(c) true
#define turn(m)    true
#endif

#ifdef NO_ORDER
#define may_go(c) true
#else
#define may_go(c) is_next(c)
#endif

#if COPIES > 1
#define is_kept(i, f) ((at[f] == HELD || at[f] == RELEASES) && door[f] == (i))
#define is_copy(i, f) (at[f] != NOWHERE)
#define first_free(c) ((c) == 0 || at[0] != NOWHERE)
#else
#define is_kept(i, f) false
#define first_free(c) true
#endif
#ifdef NO_REPEAT
#define repeated(i) false
#else
#define repeated(i) (!NONE(is_kept, i))
#endif
#ifdef NO_REPEAT_OUT
#define repeated_out(i) false
#else
#define repeated_out(i) (!NONE(is_kept, i))
#endif

inline look_up(c, i)
{
	if
	:: held(knows_mailbox(i)) && repeated(i) -> told[message(c)] = 1
	:: held(knows_mailbox(i)) && !repeated(i) -> at[c] = STORES; door[c] = i
	:: !held(knows_mailbox(i)) && repeated_out(i) -> told[message(c)] = 1
	:: else -> at[c] = DECIDED; door[c] = i; to[c] = home(knows_mailbox(i))
	fi
}

inline enter(c, i)
{
#ifdef LAG
	MUST(!absent[i], nobody_is_refused);
#endif
#if COPIES > 1
	if
	:: (arrived[message(c)] > 0 || !NONE(is_copy, i)) && NONE(is_kept, i) ->
		excused[message(c)] = 1
	:: else -> skip
	fi;
#endif
	look_up(c, i);
	busy[message(c)] = at[c] != NOWHERE
}

inline answered(c)
{
	told[message(c)] = 1;
	busy[message(c)] = 0
}

proctype Copy(byte c)
{
end:	do
	/* the client turns to a front door; it decides at the end of the message */
	:: d_step {
		at[c] == NOWHERE && !told[message(c)] && !busy[message(c)] && turn(message(c)) &&
		first_free(c) && may_decide(0) -> enter(c, 0)
	}
	:: d_step {
		at[c] == NOWHERE && !told[message(c)] && !busy[message(c)] && turn(message(c)) &&
		first_free(c) && may_decide(1) -> enter(c, 1)
	}
	/* its answer */
	:: d_step { at[c] == DECIDED -> at[c] = LATE; before[c] = 0 }
	:: d_step {
		at[c] == STORES -> at[c] = HELD; before[c] = 0;
#if MSGS == 2
		if
		:: at[1 - c] == HELD || at[1 - c] == RELEASES ->
			second_first = (door[1 - c] == door[c] && c == 0)
		:: else -> skip
		fi;
#endif
		answered(c)
	}
#if REPEATS > 0
	/* the client does not hear it, and will come again */
	:: d_step {
		at[c] == STORES && repeats < REPEATS -> repeats++;
		at[c] = HELD;
		before[c] = 0;
		busy[message(c)] = 0
	}
	:: d_step {
		at[c] == LATE && !is_unsure(c) && repeats < REPEATS -> repeats++;
		at[c] = QUEUED;
		busy[message(c)] = 0
	}
#endif
	/* the MTA */
	:: d_step {
		at[c] == LATE -> at[c] = QUEUED;
		if
#if UNCLEAR > 0
		:: unsure[c] -> unsure[c] = 0
#endif
		:: else -> answered(c)
		fi;
		left_by[c] = 0
	}
	:: d_step {
		at[c] == QUEUED && !off[door[c]] ->
		MUST(to[c] == home(mailbox), no_mail_in_the_old_home);
#ifdef SEEN_NEW
		MUST(to[c] == OLD, never_seen);
#endif
		if
		:: arrived[message(c)] == 0 -> arrived[message(c)] = 1
		:: else -> MUST(excused[message(c)], nothing_twice); arrived[message(c)] = 2
		fi;
		clear(c)
	}
	/* the release */
	:: d_step {
		at[c] == HELD && (may_decide(door[c]) || is_leaving(door[c])) && has_it(door[c]) &&
		!held(knows_mailbox(door[c])) && may_go(c) ->
		at[c] = RELEASES;
		to[c] = home(knows_mailbox(door[c]))
	}
	:: d_step {
		at[c] == RELEASES ->
		MUST(is_next(c), in_order);
		at[c] = QUEUED;
		before[c] = 0;
#ifdef SEEN_RELEASED
		MUST(to[c] == OLD, never_seen);
#endif
	}
#if UNCLEAR > 0
	/* the MTA's answer is lost: it may have the message, which stays in the hold queue */
	:: d_step {
		at[c] == RELEASES && unclear < UNCLEAR && at[1 - c] == NOWHERE -> unclear++;
		at[1 - c] = LATE;
		unsure[1 - c] = 1;
		door[1 - c] = door[c];
		to[1 - c] = to[c];
		excused[message(c)] = 1;
		at[c] = HELD;
		to[c] = 0;
		before[c] = 0
	}
#endif
	od
}

/* --- whoever swaps ---------------------------------------------------------------------------- */

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define next_epoch                                                                                 \
	(1 + MAX(epoch, MAX(MAX(acked[0], acked[1]), MAX(drained[0], drained[1]))))

#if defined(NO_LIST_AFTER) || defined(LIST_AFTER_HOLD)
#define is_fenced(i) (listed[i] && entry[i] != DISABLED)
#else
#define is_fenced(i) (entry[i] != DISABLED)
#endif
#ifdef NO_QUEUE
#define is_drained(i) true
#else
#ifdef NO_DRAINED_EPOCH
#define is_drained(i) (undrained[i] != OTHER(goal))
#else
#define is_drained(i) (drained[i] >= fence && undrained[i] != OTHER(goal))
#endif
#endif
#ifdef NO_ACKNOWLEDGED
#define passes(i) (!is_fenced(i) || is_drained(i))
#else
#define passes(i) (!is_fenced(i) || (acked[i] >= fence && is_drained(i)))
#endif

byte fence, goal, hold_csn, rounds;
#if defined(NO_LIST_AFTER) || defined(LIST_AFTER_HOLD)
bool listed[DOORS];
#endif

inline hold()
{
	if
	:: !held(mailbox) -> write_mailbox(mailbox + HOLDING)
	:: else -> skip
	fi;
	hold_csn = mailbox_csn;
	goal = OTHER(home(mailbox))
}
#if defined(NO_LIST_AFTER) || defined(LIST_AFTER_HOLD)
inline list()
{
	listed[0] = entry[0] != DISABLED;
	listed[1] = entry[1] != DISABLED
}
#endif
inline raise()
{
	fence = next_epoch;
	write_epoch(fence)
}
inline raise_once_more()
{
	epoch = next_epoch;
	write_epoch(epoch)
}

proctype Swapper()
{
	do
	:: rounds == ROUNDS -> break
	:: else ->
#ifdef NO_LIST_AFTER
		d_step { list() };
#endif
#ifdef NO_HOLD_FIRST
		d_step { raise() };
		d_step { hold() };
again:		skip;
#else
		d_step { hold() };
#ifdef LIST_AFTER_HOLD
		d_step { list() };
#endif
again:		atomic { raise() };
#endif
#if AGAINS > 0
		/* where it is not passed in time the epoch is raised again, and the first number
		 * still counts; or the swap is asked for again, by a new one */
		do
		:: passes(0) && passes(1) -> break
		:: atomic { timeout && agains < AGAINS && !(passes(0) && passes(1)) -> agains++;
			if
			:: raise_once_more()
			:: raise()
			fi }
		od;
#else
		(passes(0) && passes(1));
#endif
		if
#ifdef NO_ASSERTION
		:: d_step { held(mailbox) && home(mailbox) == OTHER(goal) ->
#else
		:: d_step { held(mailbox) && mailbox_csn == hold_csn ->
#endif
			write_mailbox(goal); rounds++; fence = 0; goal = 0; hold_csn = 0
#ifdef SEEN_BACK
			; MUST(rounds < 2, never_seen)
#endif
			}
#ifndef NO_ASSERTION
		/* touched meanwhile, and still held: another fence */
		:: d_step { held(mailbox) && mailbox_csn != hold_csn -> hold_csn = mailbox_csn
#ifdef SEEN_TOUCHED
			; assert(never_seen)
#endif
			}
			goto again
#endif
		:: d_step { !held(mailbox) -> rounds++; fence = 0; goal = 0; hold_csn = 0 }
		fi
	od
}

/* --- administrators --------------------------------------------------------------------------- */

proctype Administrator()
{
end:	do
	:: false
#if UNHOLDS > 0
	:: d_step { unholds < UNHOLDS && held(mailbox) -> unholds++; write_mailbox(home(mailbox)) }
#endif
#if HOLDS > 0
	:: d_step { holds < HOLDS && !held(mailbox) -> holds++; write_mailbox(mailbox + HOLDING) }
	:: d_step { held(mailbox) && rounds == ROUNDS -> write_mailbox(home(mailbox)) }
#endif
#if DISABLES > 0
	:: d_step { disables < DISABLES && entry[1] == ENABLED -> disables++; write_state(1, DISABLING) }
#endif
#if ENABLES > 0
	:: d_step { enables < ENABLES && entry[1] != ENABLED -> enables++; write_state(1, ENABLED) }
#endif
#if FORCES > 0
	:: d_step {
		!off[1] && entry[1] != DISABLED -> off[1] = 1; die(1); write_state(1, DISABLED)
	}
#ifdef RETURNS
	:: d_step { off[1] && rounds == ROUNDS -> off[1] = 0 }
#endif
#endif
	od
}

/* --- the end ---------------------------------------------------------------------------------- */

#define is_gone(i, f) (at[f] != NOWHERE && off[door[f]])
#define is_held_up(m) (arrived[m] == 0 && NONE(is_gone, 0))

#if AGAINS > 0
#define has_hope (agains < AGAINS && fence != 0 && !(passes(0) && passes(1)))
#else
#define has_hope false
#endif

/* Nobody can do anything any more. */
proctype End()
{
	timeout ->
	MUST(has_hope || (rounds == ROUNDS && !held(mailbox)), all_comes_to_an_end);
	MUST(has_hope || !is_held_up(0), nothing_lost);
#if MSGS == 2
	MUST(has_hope || !is_held_up(1), nothing_lost);
#endif
}

init
{
	atomic {
		mailbox = OLD;
		entry[0] = ENABLED;
		entry[1] = STATE1;
		run Door(0);
		run Door(1);
		run Copy(0);
#if SLOTS > 1
		run Copy(1);
#endif
#if SLOTS > 2
		run Copy(2);
#endif
		run Swapper();
		run Administrator();
		run End()
	}
}
