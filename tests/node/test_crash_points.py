"""kill -9 of agent, worker or compile child between any two steps of a reload, of a change of the configuration alone, of a
rollback, of the watch's own rollback, of a removal, or of a start.

Each run arms one fault point, does the operation, and expects that the process dies there. What died is started again,
the agent by the test, the rest by who supervises it. Then the state is one of the two right ones, the old version or the
new one, and everybody has the same: workers, in-force file, ledger, API, and the site's answers. What was answered is so.
The next reload works. Requests go on all the while.

SECBEAT_CRASH_ROUNDS repeats it; scripts/crash_rounds.sh does so before a release.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import sqlite3
import threading

import pytest

from support.faults import all_points, with_fault_points
from support.node import Load
from support.processes import wait_for
from support.wasm_sections import distinct

ROUNDS = int(os.environ.get("SECBEAT_CRASH_ROUNDS", "1"))
RATE, CONNECTIONS = 100, 4
POINTS = [point for point in all_points() if not point.startswith("rollout.")]  # those are the orchestrator's
CHILD = [point for point in POINTS if point.startswith("child.")]
WORKER = [point for point in POINTS if point.startswith("worker.")]
START = [point for point in POINTS if point.startswith("start.")]
WATCH = [point for point in POINTS if point.startswith("watch.")]
AGENT = [point for point in POINTS if point not in CHILD + WORKER + START + WATCH]
# What only a rollback does.
DEMANDED = {"rollback.demanded"}
# What a rollback and a removal do not do: nothing is compiled, written or loaded for them.
NOTHING_NEW = {"reload.bytes_in_work", "reload.checked", "reload.module_kept", "reload.config_kept", "reload.artifact_moved",
               "stage.files_durable", "worker.artifact_read", "worker.instance_made"}
# What a change of the configuration alone does not do: the artifact is there, in workers too.
COMPILES = {"child.compiled", "child.artifact_written", "reload.artifact_moved", "worker.artifact_read"}


def runs_of(operation, points, without):
    return [(operation, point) for point in points if point not in without]


# Each list has a node and a thread of its own.
RUNS = {
    "agent, upload": runs_of("upload", CHILD + AGENT, DEMANDED),
    "agent, configuration": runs_of("configuration", CHILD + AGENT, COMPILES | DEMANDED),
    "agent, rollback, removal and start": runs_of("rollback", AGENT, NOTHING_NEW) +
                                          runs_of("removal", AGENT, NOTHING_NEW | DEMANDED) + runs_of("start", START, set()),
    "agent and worker, watch": runs_of("watch", WATCH + AGENT + WORKER, NOTHING_NEW),
    "worker": runs_of("upload", WORKER, set()) + runs_of("configuration", WORKER, COMPILES) +
              runs_of("rollback", WORKER, NOTHING_NEW) + runs_of("removal", WORKER, NOTHING_NEW),
}


class Site:
    """A node whose module blocks URIs with the text of its configuration, which is another one in each version."""

    def __init__(self, make_node, name, watched):
        self.node = make_node("configurable", start=False, name=name, called="rule",
                              # Errors enough that the point is armed before the watch has judged.
                              tables={"waf.wasm.watch": {"min_errors": 100} if watched else {"seconds": 0}})
        self.fault = with_fault_points(self.node)
        self.node.start()
        self.module = self.node.guest("configurable").read_bytes()
        self.number, self.texts, self.kills = 0, {"v1": None}, 0
        for _ in range(3):
            self.upload_and_serve()

    def text(self):
        return str(900_000_000 + self.number)  # JSON, in no other one, and in no request of the load

    def upload(self, module=True):
        self.number += 1
        return self.node.upload(distinct(self.module, self.number) if module else None, name="rule", config=self.text(), reason=f"upload {self.number}")

    def upload_what_turns_hostile(self):
        """Passes its rehearsal and fails at every request of the load."""
        hostile = distinct(self.node.guest("hostile_traps").read_bytes(), self.number)
        return self.node.upload(hostile, name="rule", reason="hostile")

    def load_second(self):
        assert self.node.upload("allow_all", name="second", path="/api/v1/wasm/load").status == 200

    def upload_and_serve(self):
        answer = self.upload()
        assert answer.status == 200, answer
        self.texts[answer.json["version"]] = self.text()

    def run(self, operation, point):
        node, view = self.node, self.node.version("rule")
        first_workers, answers = node.worker_pids(), []
        begin = {"upload": self.upload, "configuration": lambda: self.upload(module=False),
                 "rollback": lambda: node.rollback(name="rule", reason="run"), "removal": lambda: node.remove("second")}
        if operation == "start":
            node.kill_agent()
        elif operation == "removal":
            self.load_second()
        elif operation == "watch":
            assert self.upload_what_turns_hostile().status == 200
        self.fault.arm(point)

        def operate():
            if operation == "start":
                node.start(wait=False)
                return
            with contextlib.suppress(OSError, http.client.HTTPException):  # the agent dies: no answer, no promise
                if operation in begin:  # the watch begins by itself
                    answers.append(begin[operation]())

        thread = threading.Thread(target=operate)
        thread.start()
        wait_for(f"{point} to be reached by {operation}", lambda: self.fault.taken, log=node.log)
        if not point.startswith(("child.", "worker.")):
            assert node.process.wait(60) == -signal.SIGKILL, f"{point} belongs to the agent"
            thread.join()
            node.start()
        thread.join()
        if point.startswith("worker."):
            self.kills += 1
            wait_for("two workers", lambda: len(node.worker_pids()) == 2 and node.worker_pids() != first_workers, log=node.log)
        if operation == "watch":
            self.check_taken_back(view["version"])
        elif operation == "removal":
            self.check_removed(answers)
            answers = []  # of another module than the one that is looked at now
        self.check(view["version"], {"rollback": view["previous_version"]}.get(operation), answers)
        self.upload_and_serve()

    def check_taken_back(self, before):
        """Whoever dies, the watch goes on until the version before serves, and what was taken back is in quarantine."""
        node = self.node
        wait_for("the node to be ready", node.is_ready, log=node.log)
        wait_for("the version before", lambda: node.version("rule")["version"] == before, log=node.log)
        wait_for("the history to tell", lambda: self.last_row("rule")["kind"] == "auto_rollback", log=node.log)
        again = wait_for("the rollback to be over, whose row is there before that", self.refused, log=node.log)
        assert (again.status, again.json["code"]) == (409, "quarantined"), again

    def refused(self):
        answer = self.upload_what_turns_hostile()
        return answer if answer.json.get("code") != "reload_in_progress" else None

    def check_removed(self, answers):
        """`second` serves or is gone, and everybody says the same."""
        node = self.node
        wait_for("the node to be ready", node.is_ready, log=node.log)
        removed = "second" not in node.modules()
        if answers:
            assert removed == (answers[0].status == 200), answers[0]
        assert (self.last_row("second")["kind"] == "remove") == removed, "the ledger says something else"
        slots = {slot["name"]: slot for slot in json.loads((node.data / "in_force.json").read_text())["slots"]}
        assert (slots["second"].get("current", 0) == 0) == removed, "the in-force file says something else"
        if not removed:
            assert node.remove("second").status == 200

    def last_row(self, name):
        rows = self.node.get(f"/api/v1/wasm/history?name={name}&limit=10").json["reloads"]
        return next(row for row in rows if row["success"])

    def taken_back(self):
        """The watch's rollbacks in the history."""
        return [row for row in self.node.whole_history("rule") if row["kind"] == "auto_rollback" and row["success"]]

    def check(self, before, after, answers):
        """`before` serves, or what the operation was to bring: `after`, or the last upload."""
        node = self.node
        wait_for("the node to be ready", node.is_ready, log=node.log)
        version = wait_for("two workers of one version", self.agreed, log=node.log)["version"]
        rows = node.get("/api/v1/wasm/history?name=rule&limit=10").json["reloads"]
        uploaded = next((row for row in rows if row["reason"] == f"upload {self.number}" and row["success"]), None)
        if uploaded and uploaded["version"] not in self.texts:
            after = uploaded["version"]
            self.texts[after] = self.text()
        assert version in (before, after)
        if answers and answers[0].status == 200:
            assert version == after, answers[0]
        elif answers:
            assert version == before, answers[0]
        assert next(row for row in rows if row["success"])["version"] == version, "the ledger says something else"
        self.check_files(version)
        self.check_site(version)

    def agreed(self):
        """What both workers serve, once a rollback that a dead agent had begun is completed."""
        if self.node.get("/api/v1/break-glass").json["taken_back"]:
            return None
        view = self.node.version("rule")
        return len(view["workers"]) == 2 and {worker["version"] for worker in view["workers"]} == {view["version"]} and view

    def check_files(self, version):
        data = self.node.data
        slot, = (slot for slot in json.loads((data / "in_force.json").read_text())["slots"] if slot["name"] == "rule")
        assert next(kept["label"] for kept in slot["versions"] if kept["id"] == slot["current"]) == version
        with contextlib.closing(sqlite3.connect(f"file:{data}/ledger.sqlite?mode=ro", uri=True)) as ledger:
            assert ledger.execute("SELECT count(*) FROM history WHERE state = 'pending'").fetchone() == (0,)
            assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def check_site(self, version):
        """Both workers, asked over connections of their own."""
        for label, text in list(self.texts.items())[-3:]:
            if text:
                statuses = {self.node.site(f"/{text}").status for _ in range(6)}
                assert statuses == {403 if label == version else 200}, (label, version)


def run_all(make_node, name, runs, outcomes):
    site = Site(make_node, name.replace(", ", "-").replace(" ", "-"), watched="watch" in name)
    with Load(site.node, rate=RATE, connections=CONNECTIONS, seconds=3600) as load:
        for number in range(ROUNDS):
            for run in runs:
                try:
                    site.run(*run)
                except BaseException as error:  # told by the test of the run
                    outcomes[(name, *run)] = error
                    return
                outcomes[(name, *run)] = None
    site.fault.disarm()
    outcomes[name] = (load, site.kills, site.taken_back())
    left = [str(file) for file in site.node.data.rglob(".tmp-*")] + list((site.node.data / "work").iterdir())
    assert not left, left


@pytest.fixture(scope="module")
def outcomes(make_shared_node, build):
    assert (build / "faults" / "bin" / "secbeat").exists(), "the build has no faults/: build all of it, with SECBEAT_FAULT_POINTS"
    outcomes = {}
    with concurrent.futures.ThreadPoolExecutor(len(RUNS)) as pool:
        done = [pool.submit(run_all, make_shared_node, name, runs, outcomes) for name, runs in RUNS.items()]
        for future in done:
            future.result()
    return outcomes


@pytest.mark.parametrize(("name", "operation", "point"), [(name, *run) for name, runs in RUNS.items() for run in runs])
def test_a_crash_leaves_the_old_or_the_new_version_and_the_next_reload_works(outcomes, name, operation, point):
    assert (name, operation, point) in outcomes, "not reached: an earlier run failed"
    if outcomes[(name, operation, point)] is not None:
        raise outcomes[(name, operation, point)]


@pytest.mark.parametrize("name", RUNS)
def test_clients_lose_nothing_but_what_a_killed_worker_held(outcomes, name):
    load, kills, _ = outcomes[name]
    if kills == 0:
        assert load.lost[:2] == (0, 0), load.lost
    assert load.result["failed"] <= kills * CONNECTIONS * 2, load.lost
    assert {record[3] for record in load.records} <= {200, 0}, "a request was answered with an error"


@pytest.mark.parametrize("name", RUNS)
def test_the_history_tells_of_each_rollback_of_the_watch_once(outcomes, name):
    runs = ROUNDS * sum(operation == "watch" for operation, _ in RUNS[name])
    assert len(outcomes[name][2]) == runs, outcomes[name][2]


def test_every_point_of_the_table_is_run():
    assert {point for runs in RUNS.values() for _, point in runs} == set(POINTS)


def test_what_is_shipped_has_no_fault_points(build):
    for program in ["bin/secbeat", "libexec/secbeat-compile", "nginx/ngx_http_secbeat_module.so"]:
        assert b"fault-point\0" in (build / "faults" / program).read_bytes()
        assert b"fault-point\0" not in (build / program).read_bytes()
