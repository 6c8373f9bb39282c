"""Files that reload themselves: auto_reload_on_file_change with real nginx under load, in both ways of noticing."""

import os
import shutil

import pytest

from support.node import Load
from support.processes import wait_for

WATCHED = {"auto_reload_on_file_change": True}


@pytest.fixture(params=["auto", "poll"])
def watching(make_node, request):
    """watching(module, **keys of [waf.wasm]): a node that watches its files."""
    def make(module="bad-bot-blocker", **keys):
        return make_node(module, tables={"waf.wasm": keys, "waf.wasm.reload": {**WATCHED, "file_watch": request.param, "file_poll_ms": 100}})
    return make


def module_file(node):
    return node.folder / "bad-bot-blocker.wasm"


def replace(node, path, content):
    """As editors and deployment tools do: a new file takes the place of the old one."""
    new = node.folder / ".new"
    new.write_bytes(content)
    os.replace(new, path)


def serving(node, version):
    wait_for(f"{version} to serve", lambda: node.version()["version"] == version, log=node.log)


def newest(node, **expected):
    def matches():
        row = node.history()[0]
        return row if all(row[key] == value for key, value in expected.items()) else None
    return wait_for(f"a history row with {expected}", matches, log=node.log)


def test_a_module_that_is_replaced_or_written_serves_without_a_lost_request(watching):
    node = watching()
    with Load(node) as load:
        replace(node, module_file(node), node.guest("bad-bot-blocker-1.1.0").read_bytes())
        serving(node, "1.1.0")
        module_file(node).write_bytes(node.guest("bad-bot-blocker-1.2.0").read_bytes())
        serving(node, "1.2.0")
    assert load.lost[:2] == (0, 0), load.lost
    row = newest(node, version="1.2.0", success=True)
    assert (row["kind"], row["by"], row["reason"]) == ("file_change", "file", "File changed: bad-bot-blocker.wasm")
    assert node.site("/", headers={"User-Agent": "zgrab"}).status == 403
    assert node.rollback().json["rolled_back_to"] == "1.1.0"


def test_a_broken_module_is_told_once_and_the_old_one_serves(watching):
    node = watching()
    replace(node, module_file(node), node.guest("missing_inspect").read_bytes())
    row = newest(node, success=False)
    assert (row["kind"], row["code"], row["version"]) == ("file_change", "missing_export", "1.0.0")
    assert row["error"] == "Invalid WASM module: missing inspect_request export"
    assert 'wasm_reload_failures_total{module="bad-bot-blocker"} 1' in node.get("/metrics").body.decode()
    assert "missing inspect_request export" in node.log.read_text()
    os.utime(module_file(node))  # touched, not changed
    replace(node, module_file(node), node.guest("bad-bot-blocker-1.1.0").read_bytes())
    serving(node, "1.1.0")
    assert [row["success"] for row in node.history()] == [True, False, True]


def test_a_module_written_slowly_is_no_attempt_until_it_is_whole(watching):
    node = watching()
    content = node.guest("bad-bot-blocker-1.1.0").read_bytes()
    with open(module_file(node), "r+b", buffering=0) as file:
        file.truncate(0)
        for start in range(0, len(content), 2000):
            file.write(content[start:start + 2000])
            node.site("/")  # it takes its time
    serving(node, "1.1.0")
    assert [row["success"] for row in node.history()] == [True, True]


def test_a_configuration_alone_is_a_change_and_a_malformed_one_a_failed_one(watching):
    node = watching("configurable")
    rules = node.folder / "waf-config.json"  # the default one may come later
    rules.write_text("4711")
    wait_for("the configuration to serve", lambda: node.site("/?4711").status == 403, log=node.log)
    row = newest(node, success=True, kind="file_change")
    assert row["reason"] == "File changed: waf-config.json"
    rules.write_text("{")
    row = newest(node, success=False)
    assert row["code"] == "bad_config_json"
    assert node.site("/?4711").status == 403


def test_a_file_that_is_gone_changes_nothing_and_is_taken_up_when_it_is_back(watching):
    node = watching()
    home = module_file(node).parent / "deployed"
    module_file(node).unlink()
    wait_for("the log to say so", lambda: "is gone or empty" in node.log.read_text())
    assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403
    home.mkdir()
    shutil.copy(node.guest("bad-bot-blocker-1.1.0"), home / "new.wasm")
    os.replace(home / "new.wasm", module_file(node))
    serving(node, "1.1.0")


def test_links_are_followed_as_config_maps_swap_them(make_node):
    node = make_node("bad-bot-blocker", start=False, tables={"waf.wasm.reload": WATCHED})
    for number, guest in enumerate(["bad-bot-blocker", "bad-bot-blocker-1.1.0"]):
        (node.folder / f"..{number}").mkdir()
        shutil.copy(node.guest(guest), node.folder / f"..{number}" / "bad-bot-blocker.wasm")
    module_file(node).unlink()
    (node.folder / "..data").symlink_to("..0")
    module_file(node).symlink_to("..data/bad-bot-blocker.wasm")
    node.start()
    (node.folder / "..data_tmp").symlink_to("..1")
    os.replace(node.folder / "..data_tmp", node.folder / "..data")
    serving(node, "1.1.0")


def test_what_changed_while_the_node_was_away_is_told_and_not_applied(make_node):
    node = make_node(tables={"waf.wasm.reload": WATCHED})
    assert node.stop() == 0
    replace(node, module_file(node), node.guest("bad-bot-blocker-1.1.0").read_bytes())
    node.start()
    assert node.version()["version"] == "1.0.0"
    assert "what is in force stays" in node.log.read_text()
    replace(node, module_file(node), node.guest("bad-bot-blocker-1.2.0").read_bytes())
    serving(node, "1.2.0")


def test_hot_reload_disabled_refuses_files_with_a_row(make_node):
    node = make_node(tables={"waf.wasm": {"hot_reload_enabled": False}, "waf.wasm.reload": WATCHED})
    replace(node, module_file(node), node.guest("bad-bot-blocker-1.1.0").read_bytes())
    row = newest(node, success=False)
    assert (row["kind"], row["code"]) == ("file_change", "hot_reload_disabled")
    assert node.version()["version"] == "1.0.0"


def test_the_frequency_limit_of_uploads_does_not_hold_files_up(make_node):
    node = make_node(tables={"waf.wasm.reload": {**WATCHED, "max_reload_frequency_seconds": 3600}})
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    replace(node, module_file(node), node.guest("bad-bot-blocker-1.2.0").read_bytes())
    serving(node, "1.2.0")


def test_a_file_that_changes_during_a_reload_waits_for_its_turn(make_node):
    node = make_node(tables={"waf.wasm.reload": WATCHED})
    replace(node, module_file(node), node.guest("bad-bot-blocker-1.2.0").read_bytes())
    answers = [node.upload(f"generation_{number % 4}", name="other", path="/api/v1/wasm/load") for number in range(6)]
    serving(node, "1.2.0")
    assert {answer.status for answer in answers} <= {200, 409}
    assert all(row["success"] for row in node.history())
