"""Break-glass on a real node: with the agent alive, killed or hung, with workers that die or hang, with a full disk."""

import http.server
import json
import os
import resource
import signal
import threading

import pytest

from support.node import Load
from support.processes import wait_for

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def two_versions(make_node):
    """A node whose second version blocks everything; the one before it blocks BadBot."""
    node = make_node()
    assert node.upload("block_all", name="bad-bot-blocker").status == 200
    assert node.site("/").status == 403
    return node


def post(node, path, **fields):
    return node.post(path, json.dumps(fields), JSON)


def state(node):
    return node.get("/api/v1/break-glass").json


def glass(node, *arguments):
    """A command of break-glass, with the state directory of this node."""
    return node.cli(*arguments, "--state-dir", str(node.state))


def statuses(node, count=10):
    return {node.site("/").status for _ in range(count)}


def kinds(node):
    return [row["kind"] for row in node.history()]


def losses(load):
    """What went wrong on the wire; a 403 is what the rule says."""
    wrong = {kind: count for kind, count in load.result["failures"].items() if kind != "status_403" and count}
    return load.result["closed_by_server"], wrong


def replace_worker(node):
    """Kills one worker and waits for the one that nginx starts in its place."""
    before = node.worker_pids()
    os.kill(before[0], signal.SIGKILL)
    wait_for("a new worker", lambda: len(node.worker_pids()) == 2 and before[0] not in node.worker_pids(), log=node.log)


def test_a_version_before_that_is_damaged_and_that_a_worker_lacks_is_made_again(two_versions):
    node = two_versions
    document = json.loads((node.data / "in_force.json").read_text())
    slot, = document["slots"]
    before = next(version for version in slot["versions"] if version["id"] == slot["previous"])
    artifact = node.data / "artifacts" / f"{before['artifact_sha256']}.cwasm"
    whole = artifact.read_bytes()
    artifact.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    replace_worker(node)
    rolled_back = node.rollback(name="bad-bot-blocker")
    assert rolled_back.status == 200, rolled_back
    assert statuses(node) == {200}
    assert artifact.read_bytes() == whole
    assert "was compiled again" in node.log.read_text()


def test_a_bypass_passes_everything_is_seen_everywhere_and_ends_by_itself(two_versions):
    node = two_versions
    with Load(node, rate=200) as load:
        done = glass(node, "bypass", "--for", "10m", "--reason", "the checkout is blocked")
        assert done.returncode == 0, done.stderr
        assert statuses(node) == {200}
        replace_worker(node)
        assert statuses(node) == {200}, "a worker that starts meanwhile follows"
        assert state(node)["bypass"]["reason"] == "the checkout is blocked"
        assert state(node)["workers"] == {"serving": 2, "total": 2}
        status = node.cli("status")
        assert "Requests pass uninspected" in status.stdout and "the checkout is blocked" in status.stdout
        metrics = node.get("/metrics").body.decode()
        assert "\nsecbeat_bypass 1\n" in metrics
        assert state(node)["requests_bypassed"] >= 20
        assert "Bypass by" in node.log.read_text()
        row = node.history()[0]
        assert (row["kind"], row["success"]) == ("bypass", True) and row["reason"].startswith("the checkout is blocked (until ")
        assert post(node, "/api/v1/bypass", ttl_seconds=1, reason="shorter").status == 200
        wait_for("the end of the bypass", lambda: node.site("/").status == 403, log=node.log)
        wait_for("its end in the history", lambda: node.history()[0]["reason"] == "Ended by itself: shorter", log=node.log)
    assert not [kind for kind in losses(load)[1] if kind.startswith("status")], losses(load)
    assert "\nsecbeat_bypass 0\n" in node.get("/metrics").body.decode()
    assert state(node)["bypass"] is None


def test_a_bypass_is_ended_early(two_versions):
    node = two_versions
    assert post(node, "/api/v1/bypass").json["message"] == "Requests pass uninspected"
    assert node.site("/", method="POST", body="x" * 1000).status == 200
    done = glass(node, "bypass", "--off")
    assert (done.returncode, "inspected again" in done.stdout) == (0, True), done.stderr
    assert statuses(node) == {403}
    assert post(node, "/api/v1/bypass", ttl_seconds=0).json["message"] == "There was no bypass"


def test_what_cannot_be_meant_is_refused(two_versions):
    node = two_versions
    for fields in ({"ttl_seconds": 86401}, {"ttl_seconds": -1}, {"ttl_seconds": "soon"}, {"ttl_seconds": 1.5}, {"ttl_seconds": True},
                   {"reason": ""}, {"reason": "a\nb"}, {"reason": 7}):
        answer = post(node, "/api/v1/bypass", **fields)
        assert (answer.status, answer.json["code"]) == (400, "bad_request"), fields
    assert post(node, "/api/v1/freeze", until="tomorrow").json["code"] == "unknown_field"
    assert statuses(node) == {403}
    for time in ("25h", "0", "10x", "-1m", "m"):
        assert node.cli("bypass", "--for", time).returncode == 2, time


def test_everything_with_a_dead_agent(two_versions):
    """The agent is killed -9; the scoreboard does it, and the agent that returns records and completes it."""
    node = two_versions
    node.kill_agent()
    with Load(node, rate=200) as load:
        done = glass(node, "bypass", "--for", "5m", "--reason", "dead agent")
        assert done.returncode == 0, done.stderr
        assert "no agent answers" in done.stderr
        assert statuses(node) == {200}
        assert glass(node, "bypass", "--off").returncode == 0
        assert statuses(node) == {403}
        done = glass(node, "rollback", "--reason", "blocks everything")
        assert done.returncode == 0, done.stderr
        assert "→ 1.0.0" in done.stdout
        assert statuses(node) == {200}
        assert glass(node, "rollback").returncode == 1, "one step back and no further"
        assert glass(node, "freeze", "--reason", "until we know more").returncode == 0
    assert losses(load) == (0, {})
    replace_worker(node)
    assert statuses(node) == {200}, "a worker that starts meanwhile decides by the version before as well"
    assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403

    node.start()
    wait_for("the rollback to be completed", lambda: node.version()["version"] == "1.0.0", log=node.log)
    wait_for("nothing to be held", lambda: not state(node)["taken_back"], log=node.log)
    assert statuses(node) == {200}
    rows = {(row["kind"], (row["reason"] or "").split(" (")[0]): row for row in node.history()}
    assert rows[("rollback", "blocks everything")]["by"].startswith("scoreboard:")
    assert ("bypass", "dead agent") in rows and ("freeze", "until we know more") in rows
    refused = node.upload("block_all", name="bad-bot-blocker")
    assert (refused.status, refused.json["code"]) == (403, "frozen")


def test_a_hung_agent_is_as_good_as_a_dead_one(two_versions):
    node = two_versions
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        done = glass(node, "rollback")
        assert done.returncode == 0, done.stderr
        assert statuses(node) == {200}
    finally:
        os.kill(node.process.pid, signal.SIGCONT)
    wait_for("the rollback to be completed", lambda: node.version()["version"] == "1.0.0", log=node.log)


class LivesAndDoesNothing(http.server.BaseHTTPRequestHandler):
    """An agent that says that it lives, and does not answer a demand."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"ok"}')

    def do_POST(self):
        self.server.ending.wait(60)

    def log_message(self, *arguments):
        pass


def test_an_agent_that_lives_and_does_not_do_it_is_passed_by(two_versions):
    node = two_versions
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), LivesAndDoesNothing) as server:
        server.ending = threading.Event()
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            done = glass(node, "bypass", "--api", f"http://127.0.0.1:{server.server_port}")
        finally:
            server.ending.set()
            server.shutdown()
            serving.join()
    assert done.returncode == 0 and "no agent answers" in done.stderr, done.stderr
    assert statuses(node) == {200}
    wait_for("it in the history", lambda: node.history()[0]["kind"] == "bypass", log=node.log)


def test_a_freeze_refuses_changes_and_not_rollbacks_and_outlives_the_agent(make_node):
    node = make_node(tables={"waf.wasm.reload": {"auto_reload_on_file_change": True, "file_poll_ms": 100, "file_settle_ms": 50}})
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    assert glass(node, "freeze", "--reason", "incident 4711").returncode == 0

    def frozen(answer):
        sentence = "Changes are frozen since "
        return answer.status == 403 and answer.json["code"] == "frozen" and answer.json["error"].startswith(sentence) and \
            answer.json["error"].endswith(": incident 4711")

    assert frozen(node.upload("block_all", name="bad-bot-blocker")) and frozen(node.remove("bad-bot-blocker"))
    (node.folder / "bad-bot-blocker.wasm").write_bytes(node.guest("block_all").read_bytes())
    wait_for("the refusal of the changed file", lambda: any(
        row["kind"] == "file_change" and row["code"] == "frozen" for row in node.history()), log=node.log)
    node.kill_agent()
    node.start()
    assert frozen(node.upload("block_all", name="bad-bot-blocker"))
    assert "\nsecbeat_frozen 1\n" in node.get("/metrics").body.decode()
    assert "Changes are frozen" in node.cli("status").stdout
    assert node.upload("block_all", name="bad-bot-blocker", dry_run="true").status == 200
    assert node.rollback().json["rolled_back_to"] == "1.0.0"
    assert glass(node, "unfreeze", "--reason", "it is over").returncode == 0
    assert node.upload("block_all", name="bad-bot-blocker").status == 200
    assert [kind for kind in kinds(node) if "freeze" in kind] == ["unfreeze", "freeze"]


def test_a_freeze_outlives_the_machine(make_node):
    node = make_node()
    assert post(node, "/api/v1/freeze", reason="kept").status == 200
    node.stop()
    (node.state / "workers" / "scoreboard").unlink()
    node.start()
    assert state(node)["frozen"]["reason"] == "kept"


def test_a_rollback_does_not_wait_for_a_worker_that_hangs(two_versions):
    node = two_versions
    hanging = node.worker_pids()[0]
    os.kill(hanging, signal.SIGSTOP)
    try:
        answer = node.rollback(reason="blocks everything")
        assert answer.status == 200
        assert answer.json["workers"] == {"serving": 1, "total": 2}
        assert str(hanging) in answer.json["warnings"][0]
        drill = glass(node, "drill")
        assert drill.returncode == 1 and f"kill -9 {hanging}" in drill.stdout
    finally:
        os.kill(hanging, signal.SIGCONT)
    assert statuses(node, 20) == {200}, "not even the worker that hung decides by the bad version again"
    wait_for("readiness", node.is_ready, log=node.log)
    assert node.history()[0]["kind"] == "rollback" and node.history()[0]["success"]


def test_a_rollback_does_not_wait_for_the_disk(two_versions):
    node = two_versions
    _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (0, hard))  # as a disk without room
    assert node.upload("generation_1", name="bad-bot-blocker").status in (422, 500), "the disk takes nothing"
    done = glass(node, "rollback", "--reason", "blocks everything")
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
    assert statuses(node) == {200}
    assert state(node)["taken_back"] == [{"name": "bad-bot-blocker", "version": node.version()["version"], "decided_by": "1.0.0"}]
    assert post(node, "/api/v1/freeze").json["warnings"]
    drill = glass(node, "drill")
    assert "held by the scoreboard" in drill.stdout
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    wait_for("the rollback to be completed", lambda: node.version()["version"] == "1.0.0", log=node.log)
    wait_for("it in the history", lambda: ("rollback", "blocks everything", True) in
             [(row["kind"], row["reason"], row["success"]) for row in node.history()], log=node.log)
    assert statuses(node) == {200}


def test_a_drill_on_a_node_that_is_well_changes_nothing_for_clients(two_versions):
    node = two_versions
    before = node.version()
    with Load(node, rate=300) as load:
        for _ in range(3):
            drill = glass(node, "drill")
            assert drill.returncode == 0, drill.stdout + drill.stderr
    assert {record[3] for record in load.records} == {403}
    assert losses(load) == (0, {})
    after = node.version()
    assert (after["version"], after["generation"]) == (before["version"], before["generation"])
    answer = node.post("/api/v1/drill").json
    assert answer["healthy"] and {check["check"] for check in answer["checks"]} == {"scoreboard", "bypass", "rollback", "freeze"}
    report = json.loads(glass(node, "drill", "--json").stdout)
    assert report["healthy"] and "scoreboard, from here" in {check["check"] for check in report["checks"]}


def test_a_drill_says_what_would_not_work(make_node):
    node = make_node()
    drill = glass(node, "drill")
    assert drill.returncode == 0 and "secbeat remove bad-bot-blocker" in drill.stdout, "one version: nothing to go back to"
    wrong = node.cli("drill", "--state-dir", str(node.folder))
    assert wrong.returncode == 1 and "--state-dir" in wrong.stdout
    (node.state / "workers" / "scoreboard").rename(node.folder / "away")
    assert "start the agent again" in glass(node, "drill").stdout
    (node.folder / "away").rename(node.state / "workers" / "scoreboard")
    node.kill_agent()
    drill = glass(node, "drill")
    assert drill.returncode == 1 and "none answers" in drill.stdout and "sees it" in drill.stdout


def test_the_scoreboard_of_another_node_is_never_guessed(two_versions):
    for arguments in (["bypass", "--local"], ["rollback", "--local"], ["freeze", "--api", "http://127.0.0.1:1"]):
        done = two_versions.cli(*arguments)
        assert done.returncode == 3 and "--state-dir" in done.stderr, arguments
    assert statuses(two_versions) == {403}
