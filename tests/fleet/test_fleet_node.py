"""A node as a part of a fleet: what it does is seen at the node, what the fleet says is written into NATS by the test."""

import threading

from support.fleet_by_hand import Fleet, in_fleet, order, serving
from support.node import http_request
from support.processes import wait_for


def committed_by(node, rollout):
    return [row for row in node.history() if row["request_id"] == rollout and row["success"]]


def test_a_node_reports_and_follows_what_the_fleet_wants(make_node, nats, build):
    fleet = Fleet(nats, build)
    node = make_node(tables=in_fleet(nats))
    wait_for("the node to report", lambda: fleet.status())
    assert fleet.status()["ready"] and fleet.module()["version"] == serving(node)["version"] and fleet.module()["reached"] == 0

    stop, statuses = threading.Event(), []

    def load():
        while not stop.is_set():
            statuses.append(http_request(node.site_port, "GET", "/").status)

    clients = [threading.Thread(target=load) for _ in range(2)]
    for client in clients:
        client.start()
    wanted = fleet.version("allow_all", "v7")
    fleet.want(3, wanted)
    wait_for("the node to follow", lambda: fleet.module().get("reached") == 3, log=node.log)
    stop.set()
    for client in clients:
        client.join()
    assert statuses and set(statuses) == {200}
    assert serving(node)["version"] == "v7" and serving(node)["sha256"] == wanted["sha256"]
    assert fleet.module()["highest_label"] == 7 and fleet.module()["drift"] == ""

    # A change on the node itself stays, until the fleet wants something anew.
    assert node.upload("bad-bot-blocker", name="bad-bot-blocker").status == 200
    own = serving(node)["version"]
    wait_for("the node to tell", lambda: "changed on the node itself: reload by local" in fleet.module()["drift"], log=node.log)
    fleet.want(2, wanted)  # older
    fleet.want(3, wanted)
    node.stop()
    node.start()
    wait_for("the node to report again", lambda: fleet.module()["reached"] == 3, log=node.log)
    assert serving(node)["version"] == own
    fleet.want(4, wanted, tell=False)  # nobody says so: it looks by itself
    wait_for("the node to follow", lambda: fleet.module()["reached"] == 4, log=node.log)
    assert serving(node)["sha256"] == wanted["sha256"]


def test_an_order_is_staged_without_a_swap_and_then_committed(make_node, nats, build):
    fleet = Fleet(nats, build)
    node = make_node(tables=in_fleet(nats))
    wait_for("the node to report", lambda: fleet.status())
    first = serving(node)["version"]
    before = serving(node)["sha256"]
    wanted = fleet.version("allow_all", "v2")

    assert fleet.call("stage", order(wanted, expected="v9", rollout="r0"))["code"] == "version_conflict"
    broken = fleet.call("stage", order({**wanted, "size_bytes": 1}, rollout="r2"))
    assert broken["progress"] == "failed" and "other bytes" in broken["error"]
    trapping = fleet.call("stage", order(fleet.version("traps_always", "v2"), rollout="r3"))
    assert trapping["progress"] == "failed" and trapping["code"] == "sample_trapped"
    assert fleet.client.request("secbeat.node.node-1.stage", b"nonsense")["code"] == "protocol"
    # What failed for a reason that has gone is asked anew by another rollout.
    missing = fleet.version("log_all", "v3", keep=False)
    assert fleet.call("stage", order(missing, rollout="r4"))["code"] == "not_found"
    fleet.version("log_all", "v3")
    assert fleet.call("stage", order(missing, rollout="r5"))["progress"] == "done"
    assert fleet.call("stage", order(wanted, expected=first))["progress"] == "done"
    assert serving(node)["sha256"] == before

    committed = fleet.call("commit", order(wanted, expected=first))
    assert committed["progress"] == "done" and committed["downtime_ms"] == 0
    assert serving(node)["version"] == "v2" and serving(node)["sha256"] == wanted["sha256"]
    assert committed_by(node, "r1")[0]["stages"]["compile_ms"] == 0, "it was compiled when it was staged"
    assert fleet.call("commit", order(wanted, expected=first)) == committed  # asked again: not done again
    assert len([row for row in node.get("/api/v1/wasm/history").json["reloads"] if row["success"]]) == 2
    fleet.want(1, wanted)
    wait_for("the node to report", lambda: fleet.module()["reached"] == 1)
    assert fleet.module()["drift"] == ""
    # A rollout to some of the nodes has the revision that is desired.
    assert fleet.call("commit", order(missing, 1, "r6"))["progress"] == "done"
    wait_for("the node to tell", lambda: fleet.module()["drift"] == "rollout r6 brought v3 to some of the nodes", log=node.log)


def test_a_commit_is_taken_back_and_not_followed_again(make_node, nats, build):
    fleet = Fleet(nats, build)
    node = make_node(tables=in_fleet(nats))
    wait_for("the node to report", lambda: fleet.status())
    before = serving(node)
    wanted = fleet.version("allow_all", "v2")
    first = order(wanted, rollout="r1")
    untouched = fleet.call("revert", order(wanted, rollout="r0"))
    assert (untouched["progress"], untouched["unchanged"]) == ("done", True)
    overtaken = fleet.call("commit", order(wanted, rollout="r0"))
    assert overtaken["code"] == "version_conflict" and "taken back before" in overtaken["error"], overtaken
    assert fleet.call("commit", first)["progress"] == "done" and serving(node)["version"] == "v2"

    # An agent that dies in between knows what it has done, and what served before.
    node.kill_agent()
    node.start()
    again = fleet.call("commit", first)
    assert (again["progress"], again["unchanged"]) == ("done", False) and len(committed_by(node, "r1")) == 1
    reverted = fleet.call("revert", first)
    assert (reverted["progress"], reverted["unchanged"], reverted["downtime_ms"]) == ("done", False, 0)
    assert (serving(node)["version"], serving(node)["sha256"]) == (before["version"], before["sha256"])
    row = committed_by(node, "r1")[0]
    assert (row["kind"], row["by"], row["from_version"]) == ("rollback", "test", "v2") and "r1 is reverted: test" in row["reason"]
    wait_for("the node to report", lambda: fleet.module()["reached"] == 1 and fleet.module()["version"] == before["version"])
    assert fleet.module()["drift"] == ""

    node.kill_agent()
    node.start()
    assert fleet.call("revert", first) == reverted | {"downtime_ms": 0} and len(committed_by(node, "r1")) == 2
    late = fleet.call("commit", first)
    assert (late["progress"], late["code"]) == ("failed", "version_conflict")
    fleet.want(1, wanted)
    wait_for("the node to see what is wanted", lambda: "rollback by test" in fleet.module()["drift"], log=node.log)
    assert serving(node)["version"] == before["version"]

    # What somebody has changed since then stays.
    assert fleet.call("commit", order(wanted, 2, "r2"))["progress"] == "done"
    older = fleet.call("commit", order(wanted, 1, "r3"))
    assert (older["progress"], older["code"]) == ("failed", "version_conflict") and "newer" in older["error"]
    assert node.upload("log_all", name="bad-bot-blocker").status == 200
    own = serving(node)["version"]
    left = fleet.call("revert", order(wanted, 2, "r2"))
    assert (left["progress"], left["unchanged"]) == ("done", True) and serving(node)["version"] == own

    # What was new here goes, also where somebody has frozen the node since.
    assert fleet.call("commit", order(wanted, 3, "r4") | {"module": "second"})["progress"] == "done"
    assert list(node.modules()) == ["bad-bot-blocker", "second"]
    assert node.cli("freeze", "--reason", "incident").returncode == 0
    assert fleet.call("revert", order(wanted, 3, "r4") | {"module": "second"})["progress"] == "done"
    assert list(node.modules()) == ["bad-bot-blocker"]
    # A version that is kept comes back through a freeze by a rollback, and by nothing else.
    for step in ("stage", "commit"):
        assert fleet.call(step, order(wanted, 4, "s5"))["code"] == "frozen", step
    assert serving(node)["version"] == own
    assert fleet.call("commit", order(wanted, 4, "r6") | {"rollback": True})["progress"] == "done"
    assert serving(node)["version"] == "v2"
    assert node.cli("unfreeze").returncode == 0

    # What the node has followed by itself goes back too, when its rollout is taken back.
    fleet.want(5, fleet.version("log_all", "v9"))
    wait_for("the node to follow", lambda: fleet.module()["version"] == "v9", log=node.log)
    back = fleet.call("revert", order(fleet.version("log_all", "v9", keep=False), 5, "r7"))
    assert (back["progress"], back["unchanged"]) == ("done", False) and serving(node)["version"] == "v2"


def test_a_node_tells_what_its_version_does_and_when_it_has_taken_it_back(make_node, nats, build):
    fleet = Fleet(nats, build)
    node = make_node(tables=in_fleet(nats))
    first = serving(node)["version"]
    for agent in ["curl"] * 6 + ["SQLMap"] * 3:
        assert http_request(node.site_port, "GET", "/", {"User-Agent": agent}).status == (200 if agent == "curl" else 403)
    counts = wait_for("the node to count", lambda: fleet.module().get("counts", {}).get("inspected") == 9 and
                      fleet.module()["counts"])
    assert (counts["blocked"], counts["rate_limited"], counts["errors"]) == (3, 0, 0) and counts["p99_ns"] >= 0

    assert fleet.call("commit", order(fleet.version("traps_on_request", "v2")))["progress"] == "done"
    wait_for("the node to report", lambda: fleet.module()["version"] == "v2" and fleet.module()["drift"] == "")

    def taken_back():
        assert http_request(node.site_port, "GET", "/", {"x-trap": "1"}).status == 200
        return "v2 was taken back: errors" in fleet.module()["drift"]
    wait_for("the node to tell", taken_back, log=node.log)
    assert fleet.module()["version"] == first and fleet.module()["reached"] == 1
    quarantined = fleet.call("commit", order(fleet.version("traps_on_request", "v3"), 2, "r2"))
    assert quarantined["code"] == "quarantined"
    # The same version by the same label is no way around it.
    assert fleet.call("commit", order(fleet.version("traps_on_request", "v2"), 2, "r3"))["code"] == "quarantined"
    assert fleet.call("revert", order(fleet.version("traps_on_request", "v2")))["unchanged"]
    wait_for("the node to have forgotten", lambda: fleet.module()["drift"] == "", log=node.log)
