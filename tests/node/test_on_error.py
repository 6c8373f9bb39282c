"""What a client gets when a rule fails on one request, by policy; and that one failure never outlives its request."""

import pytest

from support.processes import wait_for

FAILURES = {  # guest: header that makes it fail, kind of error
    "traps_on_request": ("x-trap", "trap"),
    "loops_on_request": ("x-loop", "deadline"),
    "returns_seven_on_request": ("x-trap", "bad_verdict"),
}


@pytest.mark.parametrize("guest", FAILURES)
@pytest.mark.parametrize(("policy", "status"), [("open", 200), ("closed", 503), ("previous", 200)])
def test_a_failing_request_is_decided_by_the_policy(make_node, guest, policy, status):
    header, kind = FAILURES[guest]
    node = make_node(guest, tables={"waf.wasm": {"on_error": policy}})
    assert node.site("/", headers={header: "1"}).status == status
    assert node.site("/").status == 200
    wait_for("the error to be counted", lambda: node.get("/api/v1/wasm/errors").json["totals"][kind] == 1)


def test_previous_asks_the_version_before(make_node):
    node = make_node("block_when_header")
    assert node.upload("traps_on_request", name="block_when_header").status == 200
    trap_and_block = {"x-trap": "1", "x-block": "1"}
    assert node.site("/", headers={"x-block": "1"}).status == 200  # the new version does not know this header
    blocked = node.site("/", headers=trap_and_block)
    assert blocked.status == 403
    assert blocked.body.decode().strip() == "Blocked by WASM rule: block_when_header"
    assert node.site("/", headers={"x-trap": "1"}).status == 200


def test_a_failing_module_does_not_take_the_others_out_of_the_chain(make_node):
    node = make_node("traps_on_request", tables={"waf.wasm": {"on_error": "open"}})
    assert node.upload("block_when_header", path="/api/v1/wasm/load", name="second").status == 200
    assert node.site("/", headers={"x-trap": "1"}).status == 200
    assert node.site("/", headers={"x-trap": "1", "x-block": "1"}).status == 403


def test_the_policy_of_the_file_holds_for_a_module_that_came_over_the_api(make_node):
    node = make_node("allow_all", tables={"waf.wasm": {"on_error": "closed"}})
    assert node.upload("traps_on_request", path="/api/v1/wasm/load", name="later").status == 200
    assert node.site("/", headers={"x-trap": "1"}).status == 503


def test_many_failures_in_a_row_do_not_stop_the_module(make_node):
    node = make_node("traps_on_request", tables={"waf.wasm": {"on_error": "closed"}})
    for _ in range(200):
        assert node.site("/", headers={"x-trap": "1"}).status == 503
    assert wait_for("an instance to be ready again", lambda: node.site("/").status == 200)
