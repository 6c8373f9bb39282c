"""kill -9 of every process, each in the middle of reloads under load.

Whatever dies: all workers end on one version, the old or the new one (the new one if success was answered), no later
reload is blocked, nothing that was answered is lost from the history, and clients are served throughout.
"""

import http.client
import os
import signal
import threading

import pytest

from support.node import Load
from support.processes import wait_for

VICTIMS = ["agent", "worker", "master", "compile child"]
GENERATIONS = ["generation_0", "generation_1", "generation_2", "generation_3"]


class Uploads(threading.Thread):
    """Uploads one module after the other until told to end; keeps what was answered."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.answers, self.ending = node, [], threading.Event()

    def run(self):
        number = 0
        while not self.ending.is_set():
            number += 1
            try:
                answer = self.node.upload(GENERATIONS[number % 4], name="generation", reason=f"upload {number}")
            except (OSError, http.client.HTTPException):
                continue  # the agent is away: no answer, no promise
            self.answers.append((number, answer))

    def succeeded(self):
        return [(number, answer.json) for number, answer in self.answers if answer.status == 200 and "unchanged" not in answer.json]


def kill(node, victim):
    if victim == "agent":
        node.kill_agent()
    elif victim == "worker":
        os.kill(node.worker_pids()[0], signal.SIGKILL)
    elif victim == "master":
        os.kill(wait_for("a master", node.master_pid), signal.SIGKILL)
    else:
        os.kill(wait_for("a compile child", node.compile_child), signal.SIGKILL)


def agree(version):
    return len(version["workers"]) >= 2 and {worker["version"] for worker in version["workers"]} == {version["version"]}


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_in_the_middle_of_reloads_leaves_one_version_and_a_whole_history(make_node, victim):
    node = make_node("generation_0")
    node.upload("generation_1", path="/api/v1/wasm/load", name="generation")
    with Load(node, rate=300) as load:
        uploads = Uploads(node)
        uploads.start()
        for _ in range(3):
            done = len(uploads.succeeded())
            wait_for("some reloads", lambda done=done: len(uploads.succeeded()) >= done + 3, log=node.log)
            kill(node, victim)
            if victim == "agent":
                node.start()
            wait_for("readiness", node.is_ready, log=node.log)
        done = len(uploads.succeeded())
        wait_for("reloads after the last kill", lambda: len(uploads.succeeded()) >= done + 3, log=node.log)
        uploads.ending.set()
        uploads.join(60)
        wait_for("two workers on one version", lambda: node.is_ready() and agree(node.version("generation")), log=node.log)
        version = node.version("generation")

    rows = node.whole_history("generation")
    answered = uploads.succeeded()
    recorded = {row["reason"]: row["version"] for row in rows if row["success"]}
    for number, answer in answered:
        assert recorded.get(f"upload {number}") == answer["version"], f"upload {number} was answered with success"
    newest_success = next(row for row in rows if row["success"])
    assert version["version"] == newest_success["version"]
    if victim in ("agent", "compile child"):
        assert load.lost[:2] == (0, 0), load.lost
    else:  # only what the killed process itself held may be lost
        assert load.result["failed"] <= 8 * 3 * 2, load.lost
        assert set(load.result["failures"]) <= {"reset", "closed_before_answer", "truncated", "refused", "never_sent", "send_failed"}, load.lost


def test_every_answer_is_decided_by_one_version_and_none_by_the_old_one_after_success(node):
    from support.node import monotonic_us
    uploads = []
    with Load(node, rate=1000, connections=16) as load:
        for number in range(20):
            answer = node.upload(GENERATIONS[number % 4], name="bad-bot-blocker")
            assert answer.status == 200
            uploads.append((monotonic_us(), answer.json["version"]))
    assert load.lost[:2] == (0, 0), load.lost
    for index, (since, version) in enumerate(uploads):
        until = uploads[index + 1][0] if index + 1 < len(uploads) else float("inf")
        allowed = {f"bad-bot-blocker/{version}"}
        if index + 1 < len(uploads):  # the next version may serve before its answer has arrived
            allowed.add(f"bad-bot-blocker/{uploads[index + 1][1]}")
        for _, sent, _, _, receipt in load.records:
            if since < sent < until:
                assert receipt.split(";")[0] in allowed, (receipt, version)
