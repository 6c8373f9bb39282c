"""What an operator relies on when something is wrong already."""

import http.client
import os
import signal
import threading

from support.processes import wait_for


def upload_in_background(node, *arguments, **fields):
    answers = []

    def run():
        try:
            answers.append(node.upload(*arguments, **fields))
        except (OSError, http.client.HTTPException) as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def test_a_worker_without_its_artifact_is_healed_by_the_same_upload(node):
    for artifact in (node.data / "artifacts").iterdir():
        artifact.unlink()
    first = node.worker_pids()
    os.kill(first[0], signal.SIGKILL)
    wait_for("the new worker", lambda: len(node.worker_pids()) == 2 and first[0] not in node.worker_pids(), log=node.log)
    wait_for("the node to say that it is not ready", lambda: node.get("/readyz").status == 503, log=node.log)
    assert node.upload("bad-bot-blocker").status == 200
    wait_for("readiness", node.is_ready, log=node.log)
    assert {node.site("/", headers={"User-Agent": "BadBot"}).status for _ in range(20)} == {403}


def test_a_rollback_that_leads_nowhere_ends_no_upload(make_node):
    node = make_node(tables={"waf.wasm": {"configure_deadline_ms": 1500}})
    upload, answers = upload_in_background(node, "loops_in_configure", name="other")
    wait_for("the compile child", node.compile_child)
    refused = node.rollback()
    assert (refused.status, refused.json["code"]) == (409, "no_previous_version")
    assert node.rollback(to_version="v99").status == 404
    upload.join()
    assert answers[0].json["code"] == "configure_failed", "the upload ended by its own fault"


def test_sigterm_ends_a_compile_that_is_under_way(make_node):
    node = make_node(tables={"waf.wasm": {"configure_deadline_ms": 60000}})
    upload, answers = upload_in_background(node, "loops_in_configure", name="bad-bot-blocker")
    wait_for("the compile child", node.compile_child)
    assert node.stop() == 0
    upload.join()
    assert not isinstance(answers[0], Exception), answers
    assert (answers[0].status, answers[0].json["code"]) == (503, "shutting_down"), answers


def test_a_node_stays_ready_through_its_reloads(make_node):
    node = make_node("generation_0")
    statuses, ending = set(), threading.Event()

    def poll():
        while not ending.is_set():
            statuses.add(node.get("/readyz").status)

    pollers = [threading.Thread(target=poll) for _ in range(2)]
    for poller in pollers:
        poller.start()
    for number in range(30):
        assert node.upload(f"generation_{(number + 1) % 4}", name="generation_0").status == 200
    ending.set()
    for poller in pollers:
        poller.join()
    assert statuses == {200}


def test_a_worker_that_hangs_is_named_and_nothing_is_swapped(node):
    hanging = node.worker_pids()[0]
    os.kill(hanging, signal.SIGSTOP)
    try:
        answer = node.upload("bad-bot-blocker-1.1.0")
    finally:
        os.kill(hanging, signal.SIGCONT)
    assert (answer.status, answer.json["code"]) == (503, "workers_disagree")
    assert [worker["pid"] for worker in answer.json["workers"]] == [hanging]
    assert answer.json["status"] == "still_serving_1.0.0"
    wait_for("readiness", node.is_ready, log=node.log)
    assert node.version()["version"] == "1.0.0"
    assert node.upload("bad-bot-blocker-1.1.0").status == 200


def test_without_workers_a_faulty_module_is_told_its_fault_and_a_good_one_that_nobody_is_there(make_node):
    node = make_node(start=False)
    node.tables["proxy"] = {"nginx": "external"}
    node.start(wait=False)

    def api_is_up():
        try:
            return node.get("/healthz").status == 200
        except OSError:
            return False

    wait_for("the API", api_is_up, log=node.log)
    assert node.upload("missing_inspect").json["code"] == "missing_export"
    answer = node.upload("bad-bot-blocker-1.1.0")
    assert (answer.status, answer.json["code"]) == (503, "no_worker")
