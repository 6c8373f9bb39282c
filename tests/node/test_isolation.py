"""isolation: whether requests share a module's memory."""

import pytest

from support.processes import wait_for


def statuses(node, count):
    return [node.site("/").status for _ in range(count)]


def test_requests_share_an_instance_by_default(make_node):
    node = make_node("remembers_requests", tables={"proxy": {"workers": 1}})
    assert statuses(node, 4)[-1] == 403  # it blocks from its third request on


def test_each_request_has_a_fresh_instance(make_node):
    node = make_node("remembers_requests", tables={"waf.wasm": {"isolation": "request"}, "proxy": {"workers": 1}})
    assert set(statuses(node, 50)) == {200}
    assert node.upload("block_when_header", name="remembers_requests").status == 200
    assert node.site("/", headers={"x-block": "1"}).status == 403
    assert node.rollback().status == 200
    assert set(statuses(node, 10)) == {200}


def test_a_module_with_configure_is_refused_by_the_api(make_node):
    node = make_node("allow_all", tables={"waf.wasm": {"isolation": "request"}})
    answer = node.upload("configurable", name="allow_all")
    assert answer.status == 422
    assert answer.json["code"] == "configure_failed"
    assert 'isolation = "instance"' in answer.json["error"]
    assert node.site("/").status == 200


def test_a_module_with_configure_is_refused_at_start(make_node):
    node = make_node("configurable", start=False, tables={"waf.wasm": {"isolation": "request"}})
    node.start(wait=False)
    assert node.process.wait(30) != 0
    log = node.log.read_text()
    assert 'isolation = "instance"' in log
    assert "configurable exports configure" in log


@pytest.mark.parametrize(("policy", "status"), [("open", 200), ("closed", 503)])
def test_errors_are_decided_by_the_policy(make_node, policy, status):
    node = make_node("traps_on_request", tables={"waf.wasm": {"isolation": "request", "on_error": policy}})
    for _ in range(30):
        assert node.site("/", headers={"x-trap": "1"}).status == status
        assert node.site("/").status == 200
    wait_for("the errors to be counted", lambda: node.get("/api/v1/wasm/errors").json["totals"]["trap"] == 30)
