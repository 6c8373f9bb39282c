"""kill -9 of an orchestrator between any two steps of a rollout, under traffic.

Each run has a module and an orchestrator of its own, which dies at one fault point of a rollout of that module. Another one, or
itself after a restart, goes on with what it left. Then the rollout is where it should be, every node serves the same, each swap was made once, and the module
can be reloaded. Requests go on all the while. All runs share a fleet and go on at once: most of the time is the 15 s after which
a rollout counts as left.

SECBEAT_CRASH_ROUNDS repeats it; scripts/chaos_rounds.sh does so.
"""

import concurrent.futures
import contextlib
import http.client
import os
import signal

import pytest

from support.faults import all_points, orchestrator_with_fault_points
from support.orchestrator import Orchestrator
from support.processes import wait_for
from support.traffic import traffic

ROUNDS = int(os.environ.get("SECBEAT_CRASH_ROUNDS", "1"))
POINTS = [point for point in all_points() if point.startswith("rollout.")]
BY_ROLLBACK = {"rollout.desired", "rollout.ended"}  # the rest dies in a reload
ABORTED = {"rollout.reverting", "rollout.nodes_taken_back", "rollout.desire_taken_back"}
PAUSED = {"rollout.paused", "rollout.resumed"}
OBSERVED = "1"
HELD = "300"  # seconds of observation that no test waits for


def module_of(point):
    return point.replace(".", "-")


class Run:
    """One point, and the module of that name."""

    def __init__(self, fleet, build, point, number):
        self.fleet, self.point, self.survivor = fleet, point, fleet.orchestrator
        self.module = module_of(point)
        self.orchestrator = Orchestrator(build, fleet.folder, fleet.nats.url, f"{self.module}-{number}")
        self.fault = orchestrator_with_fault_points(self.orchestrator)
        self.rollout, self.before, self.known = None, None, set()

    def begin(self):
        """The module has two versions in the fleet: one to go back to."""
        for guest in ("allow_all", "generation_1"):
            answer = self.survivor.upload(guest, name=self.module)
            assert answer.status == 200, answer
        self.before = answer.json["version"]
        self.known = {rollout["id"] for rollout in self.rollouts()}

    def rollouts(self):
        return [rollout for rollout in self.survivor.get("/api/v1/rollouts?limit=1000").json["rollouts"]
                if rollout["module"] == self.module]

    def crash(self):
        self.orchestrator.start()
        self.fault.arm(self.point)
        with contextlib.suppress(OSError, http.client.HTTPException):  # it dies: no answer, no promise
            if self.point in BY_ROLLBACK:
                answer = self.orchestrator.post("/api/v1/wasm/rollback-fleet", name=self.module)
            else:
                seconds = HELD if self.point in ABORTED | PAUSED else OBSERVED
                answer = self.orchestrator.upload("generation_2", name=self.module, canary="1", observe_seconds=seconds, wait="false")
                assert answer.status == 202, answer
            self.rollout = answer.json["rollout_id"]
        self.steer()
        wait_for(f"{self.point} to be reached", lambda: self.fault.taken, log=self.orchestrator.log)
        assert self.orchestrator.process.wait(60) == -signal.SIGKILL
        if self.point not in PAUSED:
            self.orchestrator.start()
        new = [rollout["id"] for rollout in self.rollouts() if rollout["id"] not in self.known]
        if self.point == "rollout.written":  # nobody was told of it, and nobody goes on with it
            assert (new, self.rollout) == ([], None)
            return
        assert len(new) == 1 and self.rollout in (None, *new), (new, self.rollout)
        self.rollout = new[0]

    def steer(self):
        """Brings the rollout to where its point is; whoever is asked, the holder does it."""
        if self.point in ABORTED | PAUSED:
            self.survivor.await_state(self.rollout, "observing")
        if self.point in ABORTED:
            self.ask("abort")
        if self.point in PAUSED:
            self.ask("pause")
        if self.point == "rollout.resumed":
            self.survivor.await_state(self.rollout, "paused")
            self.ask("resume")

    def ask(self, what):
        answer = self.survivor.post(f"/api/v1/rollouts/{self.rollout}/{what}")
        assert answer.status == 200, answer

    def check(self):
        if not self.rollout:
            assert self.served() == {self.before}
            return
        state = self.expected_state()
        rollout = self.survivor.rollout(self.rollout)
        assert rollout["state"] == state, rollout
        version = rollout["version"] if state == "done" else self.before
        wait_for(f"every node to serve {version}", lambda: self.served() == {version}, log=self.survivor.log)
        canary = [node["node"] for node in rollout["waves"][0]["nodes"]]
        for node in self.fleet.nodes:
            rows = [row for row in node.history() if row["request_id"] == self.rollout and row["success"]]
            swaps = 1 if state == "done" else 2 if node.folder.name in canary else 0  # the latter: there and back
            assert len(rows) == swaps, (node.folder.name, rows)
        desired = {module["module"]: module["desired"] for module in self.survivor.get("/api/v1/versions").json["modules"]}
        assert desired[self.module] == version

    def served(self):
        return {node.version(self.module)["version"] for node in self.fleet.nodes}

    def expected_state(self):
        """Once somebody else has gone on with it."""
        if self.point == "rollout.paused":
            wait_for("it to be gone on with", self.is_taken_over)
            assert self.survivor.await_state(self.rollout, "paused")["state"] == "paused"
            self.ask("resume")
        if self.point in PAUSED:
            assert self.survivor.await_state(self.rollout, "observing")["state"] == "observing"
            self.ask("abort")
        self.survivor.await_end(self.rollout)
        return "aborted" if self.point in ABORTED | PAUSED else "done"

    def is_taken_over(self):
        return any(f"has left rollout {self.rollout} " in log.read_text() for log in self.fleet.folder.glob("*.log"))

    def reload(self):
        answer = self.survivor.upload("generation_3", name=self.module)
        assert answer.status == 200 and answer.json["deployed_to"] == ["node-1", "node-2"], answer
        assert self.served() == {answer.json["version"]}

    def go(self):
        """What went wrong, if anything did."""
        try:
            for step in (self.begin, self.crash, self.check, self.reload):
                step()
        except BaseException as error:  # told by the test of the point
            return error
        return None


@pytest.fixture(scope="module")
def outcomes(fleet_of, build):
    assert (build / "faults" / "bin" / "secbeat").exists(), "the build has no faults/: build all of it, with SECBEAT_FAULT_POINTS"
    outcomes = {}
    with fleet_of(2, module="allow_all", called=module_of(POINTS[0])) as fleet, traffic(fleet.nodes):
        for number in range(ROUNDS):
            runs = [Run(fleet, build, point, number) for point in POINTS]
            with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
                for run, error in zip(runs, pool.map(Run.go, runs), strict=True):
                    outcomes[run.point] = outcomes.get(run.point) or error
            for run in runs:  # not before: who was started again may go on with what another one has left
                run.orchestrator.clean_up()
    return outcomes  # and clients have noticed nothing


@pytest.mark.parametrize("point", POINTS)
def test_a_rollout_is_gone_on_with_and_nothing_is_done_twice(outcomes, point):
    if outcomes[point]:
        raise outcomes[point]
