"""A new version that hurts the requests is taken back by the node itself, and clients do not notice."""

import pytest

from support.node import Load
from support.processes import wait_for
from support.wasm_sections import distinct

# Fails at every request of this machine, none of which its rehearsal has.
HOSTILE = {
    "hostile_traps": "trap",
    "hostile_loops": "deadline",
    "hostile_eats_memory": "memory",
    "hostile_overflows_stack": "trap",
    "hostile_returns_seven": "bad_verdict",
}
RATE = 400
BASELINE = {"min_baseline_requests": 200, "min_requests": 100}  # so that a test need not run for long


def watch_of(node, name=None):
    return node.version(name)["watch"]


def wait_for_rollback(node, name, to):
    wait_for("the version before to serve again", lambda: node.version(name)["version"] == to, log=node.log)
    return wait_for("the history to tell", lambda: [row for row in node.history() if row["kind"] == "auto_rollback"])[0]


@pytest.mark.parametrize("guest", HOSTILE)
def test_a_version_that_turns_hostile_in_service_is_taken_back_and_no_client_notices(make_node, guest):
    node = make_node("generation_0")
    with Load(node, rate=RATE) as load:
        assert node.upload(guest, name="generation_0").json["version"] == "v2"
        row = wait_for_rollback(node, "generation_0", "v1")
        wait_for("every worker", lambda: {worker["version"] for worker in node.version()["workers"]} == {"v1"})
    assert load.lost[:2] == (0, 0), load.lost
    assert {status for _, _, _, status, _ in load.records} == {200}
    deciders = {receipt.split(";")[0] for *_, receipt in load.records}
    assert deciders == {"generation_0/v1"}, "a request was answered by the version that failed on it"
    assert (row["success"], row["version"], row["from_version"], row["by"]) == (True, "v1", "v2", "watch")
    assert row["reason"].startswith("errors: ") and HOSTILE[guest] in row["reason"]

    watch = watch_of(node)
    assert (watch["state"], watch["version"], watch["reason"]) == ("rolled_back", "v2", row["reason"])
    assert {v["version"]: v["state"] for v in node.get("/api/v1/wasm/versions").json["versions"]} == \
        {"v1": "serving", "v2": "quarantined"}
    refused = node.upload(guest, name="generation_0")
    assert (refused.status, refused.json["code"], refused.json["status"]) == (409, "quarantined", "still_serving_v1")
    assert row["reason"] in refused.json["error"]
    assert 'secbeat_auto_rollbacks_total{module="generation_0"} 1' in node.get("/metrics").body.decode()


def test_a_version_that_turns_hostile_late_does_not_hide_behind_its_good_past(make_node):
    node = make_node("generation_0")
    assert node.upload("traps_on_request", name="generation_0").json["version"] == "v2"
    with Load(node, rate=RATE) as load:
        wait_for("thousands of good requests", lambda: watch_of(node)["measured"]["requests"] > 3000)

        def taken_back():
            assert {node.site("/", headers={"x-trap": "1"}).status for _ in range(20)} == {200}
            return node.version()["version"] == "v1"
        wait_for("the version before to serve again", taken_back, log=node.log)
    assert load.lost[:2] == (0, 0), load.lost
    assert "trap" in wait_for_rollback(node, "generation_0", "v1")["reason"]


def test_force_passes_the_quarantine_and_a_restart_does_not(make_node):
    node = make_node("generation_0")
    with Load(node, rate=RATE):
        assert node.upload("hostile_traps", name="generation_0").status == 200
        wait_for_rollback(node, "generation_0", "v1")
    assert node.stop() == 0
    node.start()
    assert node.upload("hostile_traps", name="generation_0").json["code"] == "quarantined"
    assert node.upload("hostile_traps", path="/api/v1/wasm/validate", name="generation_0").status == 409
    assert node.upload("allow_all", name="generation_0").status == 200, "other bytes are free"
    forced = node.upload("hostile_traps", name="generation_0", force="true")
    assert (forced.status, forced.json["version"]) == (200, "v4")


def test_a_version_that_blocks_everything_is_taken_back_given_a_baseline(make_node):
    node = make_node("generation_0", tables={"waf.wasm.watch": BASELINE})
    with Load(node, rate=RATE) as load:
        wait_for("a baseline", lambda: inspected(node, "v1") > 300)
        assert node.upload("block_all", name="generation_0").status == 200
        row = wait_for_rollback(node, "generation_0", "v1")
        after = len(load.file.read_text().splitlines())
        wait_for("requests to pass again", lambda: len(load.file.read_text().splitlines()) > after + 200)
    assert {status for _, _, _, status, _ in load.records} == {200, 403}
    assert load.result["closed_by_server"] == 0
    assert {status for _, _, _, status, _ in load.records[-100:]} == {200}
    assert row["reason"].startswith("blocked: 100.0 % of ")
    assert "0.0 %" in row["reason"] and "with v1 before it" in row["reason"]


def test_a_version_that_rate_limits_everybody_is_taken_back_given_a_baseline(make_node):
    # All requests come from one address, whose bucket is filled once and then nearly never.
    node = make_node("generation_0", tables={"waf.wasm.watch": BASELINE, "waf.rate_limit": {"requests_per_second": 1, "burst": 1}})
    with Load(node, rate=RATE) as load:
        wait_for("a baseline", lambda: inspected(node, "v1") > 300)
        assert node.upload("rate_limit_all", name="generation_0").status == 200
        row = wait_for_rollback(node, "generation_0", "v1")
        after = len(load.file.read_text().splitlines())
        wait_for("requests to pass again", lambda: len(load.file.read_text().splitlines()) > after + 200)
    assert {status for _, _, _, status, _ in load.records} == {200, 429}
    assert load.result["closed_by_server"] == 0
    assert {status for _, _, _, status, _ in load.records[-100:]} == {200}
    assert row["reason"].startswith("rate-limited: 100.0 % of ")
    assert "with v1 before it" in row["reason"]
    assert node.upload("rate_limit_all", name="generation_0").json["code"] == "quarantined"


def test_a_version_that_is_slow_is_taken_back_given_a_baseline(make_node):
    # Five times as slow as before is too slow; a lower floor than in service, so that no machine is too fast for the test.
    node = make_node("works_hard", tables={"waf.wasm.watch": {**BASELINE, "p99_floor_us": 100},
                                           "waf.wasm.gates": {"count_cost": False}})
    with Load(node, rate=RATE) as load:
        wait_for("a baseline", lambda: inspected(node, "v1") > 300)
        turns = "3000000"
        assert node.upload(config=turns, name="works_hard").json["version"] == "v2"
        row = wait_for_rollback(node, "works_hard", "v1")
    assert load.lost[:2] == (0, 0), load.lost
    assert {status for _, _, _, status, _ in load.records} == {200}, "slow, but never wrong"
    assert row["reason"].startswith("inspection time: p99 ") and "with v1 before it; limit 5 times" in row["reason"]
    assert node.upload(config=turns, name="works_hard").json["code"] == "quarantined"


def inspected(node, version):
    samples = [line for line in node.get("/metrics").body.decode().splitlines()
               if line.startswith("secbeat_requests_total{") and f'version="{version}"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)


def test_a_configuration_that_blocks_everything_is_taken_back_and_another_one_is_free(make_node):
    node = make_node("configurable", tables={"waf.wasm.watch": BASELINE})
    with Load(node, rate=RATE):
        wait_for("a baseline", lambda: inspected(node, "v1") > 300)
        # Every GET of the load has these digits in its query.
        assert node.upload(config="456789", name="configurable").json["version"] == "v2"
        row = wait_for_rollback(node, "configurable", "v1")
    assert row["config_sha256"] is None and row["reason"].startswith("blocked: ")
    assert node.upload(config="456789", name="configurable").json["code"] == "quarantined"
    assert node.upload(config="4711", name="configurable").status == 200


def test_a_changed_file_that_hurts_is_taken_back_and_not_tried_again(make_node):
    node = make_node("generation_0", tables={"waf.wasm.reload": {"auto_reload_on_file_change": True}})
    file = node.folder / "generation_0.wasm"
    good = file.read_bytes()
    hostile = node.guest("hostile_traps").read_bytes()
    with Load(node, rate=RATE) as load:
        file.write_bytes(hostile)
        wait_for_rollback(node, "generation_0", "v1")
    assert load.lost[:2] == (0, 0), load.lost
    file.write_bytes(good)
    file.write_bytes(hostile + b"\0\2\1a")  # an empty section "a": other bytes
    wait_for("the other bytes", lambda: node.version()["version"] == "v3")
    file.write_bytes(hostile)
    wait_for("a refusal", lambda: node.history()[0]["code"] == "quarantined")
    assert node.history()[0]["kind"] == "file_change"
    assert node.version()["version"] == "v3"


def test_a_flood_of_requests_that_have_to_be_blocked_takes_nothing_back(make_node):
    node = make_node("block_when_header", tables={"waf.wasm.watch": BASELINE})
    with Load(node, rate=200) as load:
        wait_for("a baseline", lambda: inspected(node, "v1") > 300)
        module = distinct(node.guest("block_when_header").read_bytes(), 1)
        assert node.upload(module, name="block_when_header").json["version"] == "v2"
        wait_for("the watch", lambda: watch_of(node))

        def flooded():
            for _ in range(50):
                assert node.site("/", headers={"x-block": "1"}).status == 403
            watch = watch_of(node)
            assert watch["state"] == "running", watch
            return watch["measured"]["block_percent"] > 40 and watch["measured"]["requests"] > 500
        wait_for("far more than the limit to be blocked", flooded)
    assert load.lost[:2] == (0, 0), load.lost
    assert node.version()["version"] == "v2"


def test_without_a_baseline_a_version_may_block_everything(make_node):
    node = make_node("generation_0")
    assert node.upload("block_all", name="generation_0").status == 200
    with Load(node, rate=RATE):
        wait_for("many requests", lambda: watch_of(node)["measured"]["requests"] > 700)
        assert (watch_of(node)["state"], watch_of(node)["measured"]["block_percent"]) == ("running", 100)
    assert node.version()["version"] == "v2"


def test_a_first_version_that_fails_stays_and_the_log_says_so(make_node):
    node = make_node("hostile_traps")
    with Load(node, rate=RATE):
        wait_for("the log to tell", lambda: "cannot be taken back" in node.log.read_text(), log=node.log)
    assert node.version()["version"] == "v1"
    assert [row["kind"] for row in node.history()] == ["load"]
    assert watch_of(node)["previous_version"] is None


def test_an_operator_ends_a_watch_and_the_version_stays(make_node):
    node = make_node("generation_0")
    assert node.upload("hostile_traps", name="generation_0").status == 200
    assert watch_of(node)["version"] == "v2", "from the answer on"
    shown = node.cli("status").stdout
    assert "Watching generation_0 v2 until" in shown, shown
    assert 'secbeat_watch_running{module="generation_0"} 1' in node.get("/metrics").body.decode()
    ended = node.cli("watch", "end")
    assert (ended.returncode, ended.stdout) == (0, "Watch ended: generation_0 v2 stays\n")
    again = node.post("/api/v1/wasm/watch/end", "", {})
    assert (again.status, again.json["code"]) == (409, "no_watch")
    assert node.post("/api/v1/wasm/watch/end?name=nobody", "", {}).status == 404
    with Load(node, rate=RATE):
        wait_for("many errors", lambda: node.get("/api/v1/wasm/errors").json["totals"]["trap"] > 100)
    assert node.version()["version"] == "v2"
    assert watch_of(node)["state"] == "ended"
    assert "ended" in node.cli("watch", "show").stdout


def test_with_seconds_zero_nothing_is_watched(make_node):
    node = make_node("generation_0", tables={"waf.wasm.watch": {"seconds": 0}})
    assert node.upload("hostile_traps", name="generation_0").status == 200
    with Load(node, rate=RATE):
        wait_for("many errors", lambda: node.get("/api/v1/wasm/errors").json["totals"]["trap"] > 100)
    assert (node.version()["version"], watch_of(node)) == ("v2", None)


def test_a_newer_version_and_a_rollback_end_a_watch(make_node):
    node = make_node("generation_0")
    assert node.upload("generation_1", name="generation_0").status == 200
    wait_for("the watch over v2", lambda: (watch_of(node) or {}).get("version") == "v2")
    assert node.upload("generation_2", name="generation_0").status == 200
    wait_for("the watch over v3", lambda: watch_of(node)["version"] == "v3")
    assert node.rollback().status == 200
    wait_for("its end", lambda: watch_of(node)["state"] == "ended")


def test_a_watch_goes_on_where_the_agent_is_killed_in_the_middle_of_it(make_node):
    node = make_node("generation_0")
    assert node.upload("hostile_traps", name="generation_0").status == 200
    wait_for("the watch", lambda: (watch_of(node) or {}).get("version") == "v2")
    until = watch_of(node)["until"]
    node.kill_agent()
    node.start()
    assert wait_for("the watch to go on", lambda: watch_of(node))["until"] <= until, "for what remains, not anew"
    with Load(node, rate=RATE) as load:
        wait_for_rollback(node, "generation_0", "v1")
    assert load.lost[:2] == (0, 0), load.lost


def test_one_module_is_taken_back_and_the_others_stay(make_node):
    node = make_node("generation_0")
    assert node.upload("block_when_header", path="/api/v1/wasm/load", name="second").status == 200
    assert node.upload(distinct(node.guest("hostile_traps").read_bytes(), 1), name="generation_0").status == 200
    with Load(node, rate=RATE):
        wait_for_rollback(node, "generation_0", "v1")
    assert node.modules() == {"generation_0": "v1", "second": "v1"}
    assert node.site("/", headers={"x-block": "1"}).status == 403
