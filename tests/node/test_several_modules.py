"""Several modules in one chain: their order, and that what happens to one leaves the others alone."""

import os
import signal
import threading

import pytest

from support.node import Load
from support.processes import wait_for

WHO = {"x-who": "1"}  # each generation of the guest `generation` blocks this request


def decides(node, headers):
    """The module that blocked a request with these headers, and its version; None where it passed."""
    answer = node.site("/", headers=headers)
    if answer.status == 200:
        return None
    assert answer.status == 403, answer
    module, version = answer.headers["X-SecBeat-Receipt"].split(";")[0].split("/")
    assert answer.body.decode().strip() == f"Blocked by WASM rule: {module}"
    return module, version


@pytest.fixture
def chain(make_node):
    """first, second and third, in this order: two from the file, one over the API."""
    node = make_node(module=None, start=False)
    node.tables["waf.wasm"] = {"module": str(node.guest("block_when_header"))}
    node.tables["waf.wasm.modules"] = [{"name": "second", "module": str(node.guest("generation_0"))}]
    node.start()
    assert node.upload("generation_0", path="/api/v1/wasm/load", name="third").status == 200
    assert list(node.modules()) == ["block_when_header", "second", "third"]
    return node


def test_requests_meet_modules_in_order_and_the_first_that_blocks_decides(chain):
    assert decides(chain, {**WHO, "x-block": "1"}) == ("block_when_header", "v1")
    assert decides(chain, WHO) == ("second", "v1")
    assert decides(chain, {}) is None


def test_the_order_is_kept_over_restarts_of_agent_and_nginx(chain):
    def unchanged():
        return list(chain.modules()) == ["block_when_header", "second", "third"] and decides(chain, WHO) == ("second", "v1")

    assert chain.upload("generation_1", name="fourth").status == 200
    assert chain.remove("fourth").status == 200
    assert chain.stop() == 0
    chain.start()
    assert unchanged()
    chain.kill_agent()
    chain.start()
    assert unchanged()
    master = chain.master_pid()
    os.kill(master, signal.SIGKILL)
    wait_for("another master", lambda: chain.master_pid() not in (None, master), log=chain.log)
    wait_for("readiness", chain.is_ready, log=chain.log)
    assert unchanged()
    assert chain.rollback(name="fourth").status == 200
    assert list(chain.modules()) == ["block_when_header", "second", "third", "fourth"]


def test_the_rollback_of_one_leaves_the_others_alone(chain):
    for name in ("block_when_header", "second", "third"):
        assert chain.upload("generation_1", name=name).status == 200
    before = chain.get("/api/v1/wasm/version?name=third").json
    with Load(chain) as load:
        back = chain.rollback(name="second").json
    assert load.lost[:2] == (0, 0), load.lost
    assert (back["name"], back["rolled_back_to"]) == ("second", "v1")
    assert chain.modules() == {"block_when_header": "v2", "second": "v1", "third": "v2"}
    after = chain.get("/api/v1/wasm/version?name=third").json
    assert back["generation"] == after["generation"] > before["generation"]
    for kept in ("version", "previous_version", "loaded_at", "kept", "sha256"):
        assert after[kept] == before[kept], kept
    assert decides(chain, WHO) == ("block_when_header", "v2")
    assert chain.rollback(name="block_when_header").status == 200
    assert decides(chain, WHO) == ("second", "v1")
    assert [row["name"] for row in chain.history()[:2]] == ["block_when_header", "second"]
    assert chain.upload("generation_2", name="second").json["version"] == "v3", "a label is given once"


def test_three_modules_are_replaced_at_once_under_load(chain):
    def replace(name, guest):
        # One reload at a time: who comes second is told to come again.
        wait_for(f"the turn of {name}", lambda: chain.upload(guest, name=name).status == 200)

    uploads = [threading.Thread(target=replace, args=(name, f"generation_{number}"))
               for number, name in enumerate(("block_when_header", "second", "third"), start=1)]
    with Load(chain) as load:
        for upload in uploads:
            upload.start()
        for upload in uploads:
            upload.join()
    assert load.lost[:2] == (0, 0), load.lost
    assert chain.modules() == {"block_when_header": "v2", "second": "v2", "third": "v2"}
    assert decides(chain, WHO) == ("block_when_header", "v2")


def test_a_module_is_removed_and_comes_back_under_load(chain):
    with Load(chain) as load:
        for _ in range(3):
            removed = chain.remove("second", reason="blocks the shop").json
            assert (removed["success"], removed["message"], removed["removed_version"]) == (True, "Module removed", "v1")
            assert removed["workers"] == {"serving": 2, "total": 2}
            assert removed["modules"] == ["block_when_header", "third"]
            assert decides(chain, WHO) == ("third", "v1")
            back = chain.rollback(name="second").json
            assert (back["rolled_back_to"], back["from_version"]) == ("v1", None)
            assert decides(chain, WHO) == ("second", "v1")
    assert load.lost[:2] == (0, 0), load.lost
    rows = [(row["kind"], row["version"], row["from_version"], row["success"]) for row in chain.history()[:2]]
    assert rows == [("rollback", "v1", None, True), ("remove", None, "v1", True)]
    assert chain.history()[1]["reason"] == "blocks the shop"
    assert list(chain.modules()) == ["block_when_header", "second", "third"]


def test_what_is_removed_stays_removed_over_restarts_also_where_the_file_names_it(chain):
    assert chain.remove("second").status == 200
    assert chain.stop() == 0
    chain.start()
    assert list(chain.modules()) == ["block_when_header", "third"]
    assert decides(chain, WHO) == ("third", "v1")
    assert "second is named in" in chain.log.read_text()
    chain.kill_agent()
    for pid in chain.worker_pids():
        os.kill(pid, signal.SIGKILL)
    wait_for("a worker that was born without an agent", lambda: decides(chain, WHO) == ("third", "v1"))
    chain.start()
    assert chain.upload("generation_1", name="second").json["version"] == "v2"
    assert list(chain.modules()) == ["block_when_header", "second", "third"]
    assert decides(chain, WHO) == ("second", "v2")
    assert chain.rollback(name="second").json["rolled_back_to"] == "v1"


def test_a_removal_is_refused_where_it_does_not_fit(chain):
    unknown = chain.remove("fourth")
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_module")
    assert unknown.json["modules"] == ["block_when_header", "second", "third"]
    other = chain.remove("second", expected_version="v2")
    assert (other.status, other.json["error"]) == (409, "Version conflict: expected v2, got v1")
    assert (other.json["current_version"], other.json["status"]) == ("v1", "still_serving_v1")
    assert chain.remove("second", expcted_version="v1").json["code"] == "unknown_field"
    assert chain.remove("second", expected_version="v1").status == 200
    again = chain.remove("second")
    assert again.status == 404
    assert "was removed" in again.json["error"]
    assert chain.get("/api/v1/wasm/version?name=second").status == 404
    assert chain.get("/api/v1/wasm/errors?name=second").status == 200
    assert chain.stop() == 0
    chain.tables["waf.wasm"]["hot_reload_enabled"] = False
    chain.start()
    refused = chain.remove("third")
    assert (refused.status, refused.json["code"]) == (403, "hot_reload_disabled")
    assert chain.rollback(name="second").status == 200


def test_without_any_module_every_request_passes_and_the_node_is_not_ready(make_node):
    node = make_node("generation_0")
    last = node.remove("generation_0").json
    assert last["modules"] == []
    assert "every request passes uninspected" in last["warnings"][0]
    assert decides(node, WHO) is None
    ready = node.get("/readyz")
    assert ready.status == 503
    assert "no module is in force" in ready.json["error"]
    assert node.get("/api/v1/wasm/modules").json["modules"] == []
    assert node.rollback().json["name"] == "generation_0"
    assert node.is_ready()
    assert decides(node, WHO) == ("generation_0", "v1")


def test_remove_on_the_command_line(chain):
    done = chain.cli("remove", "second", "--expected-version", "v1", "--reason", "blocks the shop")
    assert done.returncode == 0, done.stderr
    assert "Module removed: second v1" in done.stdout
    assert "workers 2 of 2" in done.stdout
    assert "secbeat rollback second" in done.stdout
    assert "blocks the shop" in chain.cli("history").stdout
    refused = chain.cli("remove", "second")
    assert refused.returncode == 1
    assert "second was removed" in refused.stderr
    assert chain.cli("rollback", "second").returncode == 0
