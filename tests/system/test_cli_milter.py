"""The commands that ask the milter; its control socket answers what a test says."""

import time

from command import FAILED, FRONT1, MILTER, NOTFOUND, REFUSED, USAGE, Control, epoch_of, ok

MESSAGE = {"id": 7, "arrived_us": 1795325400000000, "bytes": 2048, "queue_id": "4ABC",
           "log_id": "m7", "sender": "evil\u001b[31m@example.com", "recipients": [
               {"number": 1, "address": "anna@example.org", "mailbox": "anna@example.org",
                "attempts": 2, "release_began_us": 5, "last_reply": "451 4.2.1 later"},
               {"number": 2, "address": "Bert@example.org", "mailbox": "bert@example.org",
                "attempts": 0, "release_began_us": 0, "last_reply": ""}]}
ROUTE = {"verdict": "rewrite", "physical": "anna@s1.lab", "system": "S1", "match": "full",
         "mailbox_state": "active", "system_state": "active", "reason": "mailbox is active"}


def test_route(restante):
    def answer(request):
        if request["address"].startswith("anna"):
            return [ok(**ROUTE)]
        if request["address"].startswith("bad"):
            return [{"v": 1, "ok": False, "code": "usage", "error": "no address"}]
        return [ok(verdict="nobody", reason="no such mailbox", match="none")]
    with Control(restante.control, {"route": answer}):
        done = restante("route", "anna@example.org", "x@example.org")
        assert done.stdout.decode().splitlines() == [
            "anna@example.org -> rewrite to anna@s1.lab (system S1, full match, active)",
            "x@example.org -> nobody: no such mailbox"]
        assert [r["verdict"] for r in restante.json("route", "anna@example.org", "y@z")] == [
            "rewrite", "nobody"]
        assert "no address" in restante.error("route", "bad", code=USAGE)
        assert [r["ok"] for r in restante.json("route", "bad", "anna@b", code=USAGE)] == [
            False, True]


def test_queue(restante):
    def listing(request):
        first = request.get("after", 0) == 0
        return [ok(stream=True), {**MESSAGE, "id": 7 if first else 8},
                {"end": True, "more": first, "last": 7 if first else 8}]
    answers = {"queue.list": listing, "queue.show": [ok(**MESSAGE)],
               "queue.cat": [ok(bytes=11), b"A: b\r\n\r\nc\xff\r\n"[:11]],
               "queue.release": [ok(mailboxes=1)], "queue.delete": [ok(removed=1)],
               "queue.stats": [ok(messages=2, recipients=3, mailboxes=1, bytes=9, oldest_us=5,
                                  held=[{"mailbox": "anna@example.org", "recipients": 3,
                                         "bytes": 9, "oldest_us": 5}])]}
    with Control(restante.control, answers) as control:
        assert [m["id"] for m in restante.json("queue", "list")] == [7, 8]
        text = restante("queue", "list", "anna@example.org", "--limit", "1").stdout.decode()
        assert "anna@example.org +1" in text and "\033" not in text and "and more" in text
        assert control.asked[-1] == {"v": 1, "cmd": "queue.list", "address": "anna@example.org",
                                     "after": 0, "limit": 1}
        assert "2 tries, last: 451 4.2.1 later" in restante("queue", "show", "7").stdout.decode()
        assert restante("queue", "cat", "7").stdout == b"A: b\r\n\r\nc\xff\r"
        assert restante.json("queue", "cat", "7")["bytes"] == 11
        restante("queue", "release", "anna@example.org")
        restante("queue", "release", "--all")
        assert control.asked[-1] == {"v": 1, "cmd": "queue.release", "all": True}
        assert "2 messages held for 3 recipients" in restante("queue", "stats").stdout.decode()
        assert "anna@example.org" in restante("queue", "stats").stdout.decode()
        assert restante.json("queue", "stats")["recipients"] == 3
        restante("queue", "delete", "7", code=REFUSED)
        assert control.asked[-1]["cmd"] == "queue.show"
        restante("queue", "delete", "7", "--recipient", "bert@example.org", "--yes")
        assert control.asked[-1] == {"v": 1, "cmd": "queue.delete", "id": 7, "recipient": 2}
        restante("queue", "delete", "7", "--recipient", "x@example.org", "--yes", code=NOTFOUND)
        restante("queue", "delete", "7", "--yes")
        assert control.asked[-1] == {"v": 1, "cmd": "queue.delete", "id": 7}


def test_bounce_and_redirect(restante):
    answers = {"queue.show": [ok(**MESSAGE)], "queue.bounce": [ok(removed=2, told=1)],
               "queue.redirect": [ok(redirected=1, to="c@x")]}
    with Control(restante.control, answers) as control:
        restante("queue", "bounce", "7", code=REFUSED)
        said = restante("queue", "bounce", "7", "--yes", "--reason", "gone").stdout.decode()
        assert "2 recipients returned to the sender" in said
        assert "did not want to hear about 1 recipient" in said
        assert control.asked[-1] == {"v": 1, "cmd": "queue.bounce", "id": 7, "reason": "gone"}
        restante("queue", "redirect", "7", "c@x", code=REFUSED)
        assert restante.json("queue", "redirect", "7", "c@x", "--recipient", "bert@example.org",
                             "--yes")["redirected"] == 1
        assert control.asked[-1] == {"v": 1, "cmd": "queue.redirect", "id": 7, "to": "c@x",
                                     "recipient": 2}
        restante("queue", "redirect", "7", "--yes", code=USAGE)


def test_milter_that_breaks_off(restante):
    answers = {"queue.list": [ok(stream=True), MESSAGE, b"{\"id\":"], "queue.cat": [ok(bytes=99)],
               "queue.show": [{"v": 1, "ok": False, "code": "notfound", "error": "no message 9"}]}

    class Breaking(Control):
        def answer(self, request):
            yield from super().answer(request)
            if request["cmd"] != "queue.show":
                raise ConnectionAbortedError

        def run(self):
            while True:
                try:
                    super().run()
                    return
                except ConnectionAbortedError:
                    pass

    with Breaking(restante.control, answers):
        restante("queue", "list", code=MILTER)
        assert b"" == restante("queue", "cat", "7", code=MILTER).stdout
        assert "no message 9" in restante.error("queue", "show", "9", code=NOTFOUND)


def test_status(restante, slapd):
    view = {"loaded": True, "current": True, "node_state": "enabled", "mailboxes": 12, "addresses": 15}
    answers = {"status": [ok(node="front1", uptime_us=5000000, view=view,
                             queue={"messages": 2, "mailboxes": 1, "bytes": 9, "oldest_us": 5})]}
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    slapd.replace(FRONT1, restanteHeartbeat=now, restanteAckEpoch=str(epoch_of(slapd)))
    with Control(restante.control, answers):
        text = restante("status").stdout.decode()
        assert "all is well" in text and "2 messages for 1 mailbox, " in text
        assert "S3 (holding)" in text and "front1" in text
        shown = restante.json("status")
        assert shown["ready"] and shown["attention"] == [] and shown["milter"]["view"] == view
        slapd.replace(FRONT1, restanteHeartbeat="20200101000000Z")
        assert "last heartbeat" in restante.json("status", code=FAILED)["attention"][0]
        slapd.replace(FRONT1, restanteHeartbeat=now)
        view["current"] = False
        shown = restante.json("status", code=FAILED)
        assert not shown["ready"] and "not current" in shown["attention"][0]
    shown = restante.json("status", code=FAILED)
    assert restante.control in shown["attention"][0] and shown["nodes"][0]["node"] == "front1"
    restante.write(uri="ldap://127.0.0.1:1")
    shown = restante.json("status", code=FAILED)
    assert len(shown["attention"]) == 2 and "127.0.0.1:1" in shown["attention"][1]
