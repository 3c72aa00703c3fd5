/*
 * Several controllers, one move (DESIGN section 6, issue of the controller): one leads by a lease
 * with a rising term; each action is claimed in the move's entry. What each guard is for, and what
 * the model leaves out, is in docs/model.md; tests/model/run chooses:
 *
 *   STEPS LIMIT EXPIRY   actions of the move; time limit of one; of the lease, in ticks
 *   TERMS                so many leaders, one after the other, at most
 *   CRASHES              of controllers; an action that was begun goes on until its time limit
 *   NO_x                 the guard x is not there
 *   SEEN_x               x is claimed never to happen: to show that it does
 *
 * A write to the directory is one step. Nobody has to do the next step soon, so that a controller
 * may sleep at any instant; but an action does not outlive its time limit.
 */
#ifndef STEPS
#define STEPS 2
#endif
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef EXPIRY
#define EXPIRY 1
#endif
#ifndef TERMS
#define TERMS 4
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#define CONTROLLERS 2

/* They are false: an assertion of one of them tells by its name what is broken. */
hidden byte one_action_at_a_time, no_step_twice, one_leader_of_a_term, all_comes_to_an_end;
hidden byte never_seen;
#define MUST(condition, promise)                                                                  \
	if                                                                                         \
	:: condition                                                                               \
	:: else -> assert(promise)                                                                 \
	fi

/* The directory: the lease, with its age instead of its expiry, and the move. */
byte lease_term, lease_holder, lease_age = EXPIRY;
byte step, move_term;       /* how far it is; the term that was written into it */
byte claim_term, claim_step; /* 0: not claimed */

/* The controllers. */
byte doing[CONTROLLERS], term[CONTROLLERS];
byte saw_term[CONTROLLERS], saw_step[CONTROLLERS]; /* of lease or claim, as read */
byte age[CONTROLLERS];    /* of its claim, by CLOCK_BOOTTIME */
byte waited[CONTROLLERS]; /* since its term stands in the move */
byte acts[CONTROLLERS];   /* an action runs: its step + 1; also where its controller died */
#define FOLLOWS 0
#define ASKS    1 /* it has read a lease that has expired */
#define LEADS   2
#define WAITS   3 /* for an action claimed under an older term */
#define READY   4
#define CLAIMED 5
#define ACTED   6
byte crashes;

#define OTHER(c) (1 - (c))

#ifdef NO_LEASE_SWAP
#define may_take(c) true
#else
#define may_take(c) (lease_term == saw_term[c])
#endif
#ifdef NO_HIGHER_TERM
#define may_adopt(c) true
#define is_mine(c)   true
#else
#define may_adopt(c) (move_term < term[c])
#define is_mine(c)   (move_term == term[c])
#endif
#ifdef NO_CLAIM_ASSERTION
#define claim_stands(c) true
#else
#define claim_stands(c) (claim_term == saw_term[c] && claim_step == saw_step[c])
#endif
#ifdef NO_WAITING
#define is_over(c) true
#else
#define is_over(c) (waited[c] == LIMIT)
#endif
#ifdef NO_AGE
#define is_young(c) true
#else
#define is_young(c) (age[c] < LIMIT)
#endif
/* The time limit of an action ends with that of its claim, or is counted from its own beginning. */
#if defined(NO_LIMIT_FROM_CLAIM) || defined(NO_AGE)
byte runs[CONTROLLERS];
#define must_end(c) (acts[c] != 0 && runs[c] + 1 >= LIMIT)
#define run_on(c)   runs[c] = (acts[c] != 0 -> runs[c] + 1 : 0)
#else
#define must_end(c) (acts[c] != 0 && age[c] + 1 >= LIMIT)
#define run_on(c)   skip
#endif

/* What an old leader could still do counts, so ages are kept after its claim was replaced. */
#define grows(c) (age[c] < LIMIT || (doing[c] == WAITS && waited[c] < LIMIT))
inline grow(c)
{
	age[c] = (age[c] < LIMIT -> age[c] + 1 : LIMIT);
	waited[c] = (doing[c] == WAITS && waited[c] < LIMIT -> waited[c] + 1 : waited[c]);
	run_on(c)
}

inline see_claim(c)
{
	saw_term[c] = claim_term;
	saw_step[c] = claim_step
}
inline follow(c)
{
	doing[c] = FOLLOWS;
	term[c] = 0;
	saw_term[c] = 0;
	saw_step[c] = 0;
	waited[c] = 0
}

proctype Controller(byte c)
{
end:	do
	/* the lease */
	:: d_step {
		doing[c] == FOLLOWS && step < STEPS && lease_term < TERMS &&
		(lease_age == EXPIRY || lease_holder == c + 1) ->
		saw_term[c] = lease_term;
		doing[c] = ASKS
	}
	:: d_step {
		doing[c] == ASKS ->
		if
		:: may_take(c) ->
			lease_term = saw_term[c] + 1;
			MUST(term[OTHER(c)] != lease_term, one_leader_of_a_term);
			lease_holder = c + 1;
			lease_age = 0;
			term[c] = lease_term;
			saw_term[c] = 0;
			doing[c] = LEADS
		:: else -> follow(c)
		fi
	}
	:: d_step { term[c] != 0 && lease_term == term[c] && lease_age > 0 && step < STEPS -> lease_age = 0 }
	/* its term goes into the move, before anything else */
#ifdef NO_TERM_FIRST
	:: d_step {
		doing[c] == LEADS -> see_claim(c);
		waited[c] = 0;
		if
		:: claim_term == 0 && may_adopt(c) -> move_term = term[c]; doing[c] = READY
		:: claim_term == 0 && !may_adopt(c) -> follow(c)
		:: else -> doing[c] = WAITS
		fi
	}
	:: d_step {
		doing[c] == WAITS && is_over(c) ->
		waited[c] = 0;
		if
		:: may_adopt(c) -> move_term = term[c]; see_claim(c); doing[c] = READY
		:: else -> follow(c)
		fi
	}
#else
	:: d_step {
		doing[c] == LEADS ->
		if
		:: may_adopt(c) ->
			move_term = term[c];
			see_claim(c);
			waited[c] = 0;
			doing[c] = (claim_term == 0 -> READY : WAITS)
		:: else -> follow(c)
		fi
	}
	:: d_step { doing[c] == WAITS && is_over(c) -> waited[c] = 0; doing[c] = READY }
#endif
	/* the claim */
	:: d_step {
		doing[c] == READY && step < STEPS ->
		if
		:: is_mine(c) && claim_stands(c) ->
			claim_term = term[c];
			claim_step = step;
			see_claim(c);
			age[c] = 0;
			doing[c] = CLAIMED
		:: else -> follow(c)
		fi
	}
	/* the action */
	:: d_step {
		doing[c] == CLAIMED && acts[c] == 0 ->
		if
		:: is_young(c) ->
			acts[c] = saw_step[c] + 1;
			MUST(acts[OTHER(c)] == 0, one_action_at_a_time);
			MUST(saw_step[c] == step, no_step_twice);
			doing[c] = ACTED
		:: else -> doing[c] = READY
		fi
	}
	:: d_step {
		acts[c] != 0 ->
		acts[c] = 0
#if defined(NO_LIMIT_FROM_CLAIM) || defined(NO_AGE)
		; runs[c] = 0
#endif
	}
	:: d_step {
		doing[c] == ACTED && acts[c] == 0 ->
		if
		:: is_mine(c) && claim_term == term[c] ->
			step++;
			claim_term = 0;
			claim_step = 0;
			see_claim(c);
			doing[c] = READY
		:: else -> follow(c)
		fi
	}
	:: d_step {
		crashes < CRASHES && doing[c] != FOLLOWS -> crashes++;
		follow(c)
#ifdef SEEN_ORPHAN
		;
		MUST(acts[c] == 0, never_seen)
#endif
	}
	od
}

/* Time passes for all; an action that has come to its limit is ended before. */
proctype Clock()
{
end:	do
	:: d_step {
		!must_end(0) && !must_end(1) && (lease_age < EXPIRY || grows(0) || grows(1)) ->
		lease_age = (lease_age < EXPIRY -> lease_age + 1 : EXPIRY);
		grow(0);
		grow(1)
	}
	od
}

proctype End()
{
	timeout ->
	MUST(step == STEPS || lease_term == TERMS, all_comes_to_an_end);
#ifdef SEEN_TAKEN_OVER
	MUST(step < STEPS || lease_term == 1, never_seen)
#endif
}

init
{
	atomic {
		run Controller(0);
		run Controller(1);
		run Clock();
		run End()
	}
}
