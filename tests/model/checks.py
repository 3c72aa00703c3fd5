"""What is asked of the models. The guards are explained in docs/model.md."""

OLD_HOME = "no_mail_in_the_old_home"
LOST = "nothing_lost"
TWICE = "nothing_twice"
ORDER = "in_order"
ENDS = "all_comes_to_an_end"
REFUSED = "nobody_is_refused"
SEEN = "never_seen"
TOGETHER = "one_action_at_a_time"
AGAIN = "no_step_twice"

# In every ./check: the plain move, and what section 5 of the design lists.
QUICK = ("move", "released-to-new", "sync", "decisions", "late", "start", "queue", "list_after",
         "node_covered", "hold_first")


class Check:
    """kind: `holds`: all promises, exhaustively; `ends`: nothing goes round for ever; `seen`: the
    model gets there; `guard`: taken away, and the promise that this breaks; `limit`: beyond what is
    promised, and the promise that breaks there."""

    def __init__(self, kind, name, options, what, expected="", long=False, model="fence"):
        self.kind, self.name, self.what = kind, name, what
        self.options = ["-D" + option for option in options.split()]
        self.expected, self.long, self.model = expected, long, model
        self.quick = name in QUICK


def guard(name, options, what, expected=OLD_HOME):
    return Check("guard", name, "NO_" + name.upper() + " " + options, what, expected)


LATE_DOOR = "MSGS=1 STATE1=DISABLED ENABLES=1"

def lease(kind, name, options, what, expected=""):
    return Check(kind, name, options, what, expected, model="lease")


CHECKS = [
    Check("holds", "move", "", "one move, two messages"),
    Check("ends", "move-ends", "", "the same: nothing goes round for ever"),
    Check("holds", "move-and-back", "ROUNDS=2 CRASHES=1",
          "a move, the move back, a loss of power", long=True),
    Check("holds", "hands", "UNHOLDS=1 HOLDS=1",
          "unhold and hold by hand while somebody swaps", long=True),
    Check("holds", "hands-crash", "MSGS=1 UNHOLDS=1 HOLDS=1 CRASHES=1",
          "the same with a loss of power", long=True),
    Check("holds", "late-door", "STATE1=DISABLED ENABLES=1 CRASHES=1",
          "a front door that was away comes back", long=True),
    Check("holds", "service", "MSGS=1 DISABLES=1", "a front door is taken out of service"),
    Check("holds", "service-crash", "MSGS=1 DISABLES=1 CRASHES=1",
          "the same with a loss of power", long=True),
    Check("holds", "service-and-back", "MSGS=1 DISABLES=1 ENABLES=1",
          "out of service and back", long=True),
    Check("holds", "service-twice", "MSGS=1 DISABLES=2 ENABLES=1 GHOSTS=1 AGAINS=1 ORDERLY",
          "out, back, and out again; a write that was given up is executed later", long=True),
    Check("holds", "force", "FORCES=1 CRASHES=1", "a machine is gone for good"),
    Check("holds", "lag", "ROUNDS=2 CRASHES=1 MSGS=1 LAG",
          "providers that are behind by any number of changes"),
    Check("holds", "lag-hands", "MSGS=1 LAG UNHOLDS=1 HOLDS=1", "the same, holds by hand",
          long=True),
    Check("holds", "copies", "MSGS=1 COPIES=2 REPEATS=1 UNCLEAR=1 CRASHES=1 UNHOLDS=1",
          "a client repeats, an answer to a release is lost", long=True),
    Check("holds", "copies-and-back", "MSGS=1 COPIES=2 REPEATS=1 UNCLEAR=1 ROUNDS=2",
          "the same over a move back"),
    Check("holds", "backup", "MSGS=1 ROUNDS=2 BACKUPS=1 AGAINS=1",
          "a replica is put back from a backup", long=True),
    Check("holds", "ghost", "MSGS=1 GHOSTS=1 CRASHES=1 ROUNDS=2 AGAINS=2",
          "a report that was given up is executed later"),
    Check("holds", "wipe", "MSGS=1 WIPES=1", "both databases are emptied, no provider lags"),

    Check("holds", "list-after-hold", LATE_DOOR + " CRASHES=1 LIST_AFTER_HOLD",
          "the list of front doors is read between hold and epoch"),

    Check("limit", "wiped-and-behind", "MSGS=1 LAG WIPES=1",
          "both databases are emptied, and the provider is behind", OLD_HOME),
    Check("limit", "forced-returns", "MSGS=1 FORCES=1 RETURNS",
          "a machine that was given up is switched on again", OLD_HOME),
    Check("limit", "ghost-costs-a-fence", "MSGS=1 GHOSTS=1",
          "after a report that came late the fence has to be asked for again", ENDS),

    Check("seen", "delivered-in-new", "SEEN_NEW", "mail arrives in the new home", SEEN),
    Check("seen", "released-to-new", "SEEN_RELEASED", "held mail is released there", SEEN),
    Check("seen", "moved-back", "SEEN_BACK ROUNDS=2", "a second move ends", SEEN),
    Check("seen", "knowledge-lost", "SEEN_LOSS CRASHES=1", "a crash takes knowledge along", SEEN),
    Check("seen", "touched", "SEEN_TOUCHED UNHOLDS=1 HOLDS=1", "the assertion refuses a swap",
          SEEN),

    guard("sync", "CRASHES=1", "the replica is synced before the acknowledgement"),
    guard("covered", "", "the vector covers the version that carries the epoch"),
    guard("decisions", "", "decisions at end of message are waited for"),
    guard("releases", "UNHOLDS=1 HOLDS=1", "release workers are waited for"),
    guard("late", "", "the late commit is waited for"),
    guard("unclear", "MSGS=1 COPIES=2 UNCLEAR=1 ROUNDS=2",
          "and that of a release whose answer was lost"),
    guard("start", "CRASHES=1", "the late commits of the previous process are waited for"),
    guard("queue", "", "the MTA's queue is listed"),
    guard("drained_epoch", "", "the list is of this epoch or a later one"),
    guard("list_after", LATE_DOOR, "the list of front doors is read after the hold"),
    guard("node_covered", LATE_DOOR, "the replica covers the write that enabled it"),
    guard("disabling_durable", "MSGS=1 DISABLES=1 CRASHES=1", "`disabling` is recorded durably"),
    guard("assertion", "UNHOLDS=1 HOLDS=1", "the swap asserts the entryCSN of the hold"),
    guard("hold_first", "", "the hold is written before the epoch"),
    guard("back", "MSGS=1 LAG", "a replica never goes backwards"),
    guard("level", "MSGS=1 BACKUPS=1", "what was acknowledged is recorded beside the hold queue"),
    guard("leaving_decisions", "MSGS=1 DISABLES=1", "who leaves waits for its decisions"),
    guard("leaving_held", "MSGS=1 DISABLES=1", "who leaves holds nothing", LOST),
    guard("leaving_late", "MSGS=1 DISABLES=1", "who leaves waits for late commits"),
    guard("leaving_queue", "MSGS=1 DISABLES=1", "who leaves has an empty queue"),
    guard("leaving_assertion", "MSGS=1 DISABLES=2 ENABLES=1 ORDERLY",
          "who leaves asserts the version that it judged by", LOST),
    guard("order", "", "of one mailbox the oldest is released first", ORDER),
    guard("commit_first", "CRASHES=1", "held mail is on disk before the client hears 250", LOST),
    guard("removal_last", "CRASHES=1", "held mail is removed after the MTA's answer", LOST),
    guard("repeat", "MSGS=1 COPIES=2 REPEATS=1", "a repeat is recognised while held", TWICE),
    guard("repeat_out", "MSGS=1 COPIES=2 REPEATS=1", "and until the first copy is released",
          TWICE),

    lease("holds", "two-controllers", "", "two controllers, one move of two actions, a crash"),
    lease("holds", "long-lease", "EXPIRY=3 CRASHES=2 TERMS=3", "a lease longer than an action"),
    lease("holds", "claims-unasserted", "NO_CLAIM_ASSERTION",
          "a claim does not assert the one that it replaces: its term is enough"),
    lease("seen", "orphan", "SEEN_ORPHAN", "an action outlives its controller", SEEN),
    lease("seen", "taken-over", "SEEN_TAKEN_OVER", "a second leader ends the move", SEEN),
    lease("guard", "lease_swap", "NO_LEASE_SWAP", "the lease is taken by compare-and-swap",
          "one_leader_of_a_term"),
    lease("guard", "higher_term", "NO_HIGHER_TERM", "no higher term stands in the move", AGAIN),
    lease("guard", "term_first", "NO_TERM_FIRST", "the term is written before the wait", AGAIN),
    lease("guard", "waiting", "NO_WAITING", "an action claimed under an older term is waited for",
          AGAIN),
    lease("guard", "age", "NO_AGE", "the claim is younger than the time limit", AGAIN),
    lease("guard", "limit_from_claim", "NO_LIMIT_FROM_CLAIM",
          "the time limit of an action ends with that of its claim", TOGETHER),
]
