"""The calls that the API promises to the letter, by curl as a user types them, with traffic flowing."""

import json
import re

from support.node import Load

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


def api(node, path):
    return f"http://127.0.0.1:{node.api_port}{path}"


def test_reload_answers_as_promised_under_traffic(node):
    with Load(node) as load:
        status, body = node.curl("-X", "POST", "-F", f"file=@{node.guest('bad-bot-blocker-1.1.0')}", api(node, "/api/v1/wasm/reload"))
    answer = json.loads(body)
    assert status == 200, body
    assert list(answer)[:5] == ["success", "message", "version", "downtime_ms", "requests_during_reload"]
    assert answer["success"] is True
    assert answer["message"] == "Module reloaded"
    assert answer["version"] == "1.1.0"
    assert isinstance(answer["downtime_ms"], int)
    assert answer["requests_during_reload"] > 0
    assert answer["previous_version"] == "1.0.0"
    assert answer["name"] == "bad-bot-blocker"
    assert answer["workers"] == {"serving": 2, "total": 2}
    assert set(answer["stages"]) == {"receive_ms", "validate_ms", "compile_ms", "rehearse_ms", "stage_ms", "swap_ms", "total_ms"}
    for key in ("sha256", "config_sha256", "size_bytes", "generation", "max_pause_us", "warnings"):
        assert key in answer
    assert load.lost[:2] == (0, 0), load.lost


def test_a_module_without_inspect_request_is_refused_in_these_words(make_node):
    node = make_node("generation_0")
    with Load(node) as load:
        status, body = node.curl("-X", "POST", "-F", f"file=@{node.guest('missing_inspect')}", api(node, "/api/v1/wasm/reload"))
    answer = json.loads(body)
    assert status == 422
    assert list(answer)[:4] == ["success", "error", "current_version", "status"]
    assert answer["success"] is False
    assert answer["error"] == "Invalid WASM module: missing inspect_request export"
    assert answer["current_version"] == node.version()["version"] == "v1"
    assert answer["status"] == "still_serving_v1"
    assert answer["code"] == "missing_export"
    assert load.lost[:2] == (0, 0), load.lost


def test_load_answers_in_its_own_words(node):
    status, body = node.curl("-X", "POST", "-F", f"file=@{node.guest('allow_all')}", "-F", "name=second", api(node, "/api/v1/wasm/load"))
    answer = json.loads(body)
    assert status == 200, body
    assert (answer["success"], answer["message"], answer["name"]) == (True, "Module loaded successfully", "second")
    assert [module["name"] for module in node.get("/api/v1/wasm/modules").json["modules"]] == ["bad-bot-blocker", "second"]


def test_version_answers_as_promised(node):
    node.upload("bad-bot-blocker-1.1.0")
    status, body = node.curl(api(node, "/api/v1/wasm/version"))
    answer = json.loads(body)
    assert status == 200
    assert list(answer)[:5] == ["name", "version", "loaded_at", "previous_version", "size_bytes"]
    assert (answer["name"], answer["version"], answer["previous_version"]) == ("bad-bot-blocker", "1.1.0", "1.0.0")
    assert TIME.match(answer["loaded_at"])
    assert answer["size_bytes"] == node.guest("bad-bot-blocker-1.1.0").stat().st_size
    assert len(answer["workers"]) == 2
    assert {worker["version"] for worker in answer["workers"]} == {"1.1.0"}
    assert node.curl(api(node, "/api/v1/wasm/version?name=bad-bot-blocker"))[0] == 200
    missing = node.get("/api/v1/wasm/version?name=nothing")
    assert missing.status == 404
    assert missing.json["code"] == "unknown_module"


def test_rollback_without_a_body_answers_as_promised_under_traffic(node):
    node.upload("bad-bot-blocker-1.1.0")
    with Load(node) as load:
        status, body = node.curl("-X", "POST", api(node, "/api/v1/wasm/rollback"))
    answer = json.loads(body)
    assert status == 200, body
    assert list(answer)[:4] == ["success", "rolled_back_to", "reason", "downtime_ms"]
    assert answer["success"] is True
    assert answer["rolled_back_to"] == "1.0.0"
    assert answer["reason"] == "Manual rollback"
    assert isinstance(answer["downtime_ms"], int)
    assert answer["from_version"] == "1.1.0"
    assert load.lost[:2] == (0, 0), load.lost


def test_rollback_takes_json_form_and_multipart(node):
    for generation in ("generation_0", "generation_1", "generation_2"):
        assert node.upload(generation, name="bad-bot-blocker").status == 200
    url = api(node, "/api/v1/wasm/rollback")
    first = json.loads(node.curl("-X", "POST", "-H", "Content-Type: application/json", "-d", '{"reason":"json"}', url)[1])
    second = json.loads(node.curl("-X", "POST", "-d", "reason=form", url)[1])
    third = json.loads(node.curl("-X", "POST", "-F", f"to_version={first['from_version']}", "-F", "reason=multipart", url)[1])
    assert (first["reason"], second["reason"], third["reason"]) == ("json", "form", "multipart")
    assert third["rolled_back_to"] == first["from_version"]


def test_history_answers_as_promised_and_keeps_failures(node):
    with Load(node):
        node.upload("bad-bot-blocker-1.1.0", reason="because")
        node.upload("missing_inspect")
        node.rollback()
    status, body = node.curl(api(node, "/api/v1/wasm/history"))
    rows = json.loads(body)["reloads"]
    assert status == 200
    assert [(row["kind"], row["success"]) for row in rows] == [("rollback", True), ("reload", False), ("reload", True), ("load", True)]
    for row in rows:
        assert {"timestamp", "version", "duration_ms", "requests_during_reload", "success"} <= set(row)
        assert TIME.match(row["timestamp"])
    failed = rows[1]
    assert failed["version"] == "1.1.0"
    assert failed["code"] == "missing_export"
    assert rows[2]["reason"] == "because"
    assert rows[2]["requests_during_reload"] > 0
    page = node.get(f"/api/v1/wasm/history?limit=1&before={rows[0]['id']}").json["reloads"]
    assert [row["id"] for row in page] == [rows[1]["id"]]


def test_metrics_have_the_promised_lines(node):
    node.upload("bad-bot-blocker-1.1.0")
    node.upload("missing_inspect")
    node.rollback()
    node.site("/", headers={"User-Agent": "BadBot"})
    text = node.curl(api(node, "/metrics"))[1]
    lines = text.splitlines()
    assert 'wasm_reload_total{module="bad-bot-blocker"} 3' in lines  # reload, failed reload, rollback
    assert 'wasm_reload_failures_total{module="bad-bot-blocker"} 1' in lines
    assert any(re.fullmatch(r'wasm_reload_duration_seconds\{module="bad-bot-blocker"\} [0-9.e-]+', line) for line in lines)
    assert any(line.startswith("secbeat_requests_total{") and 'verdict="block"' in line and line.endswith(" 1") for line in lines)


def test_uploading_what_is_in_force_changes_nothing(node):
    answer = node.upload("bad-bot-blocker")
    assert answer.status == 200
    assert answer.json["message"] == "Module unchanged"
    assert answer.json["unchanged"] is True
    assert answer.json["version"] == "1.0.0"
    assert [row["kind"] for row in node.history()] == ["load"]


def test_expected_version_guards_against_a_lost_update(node):
    answer = node.upload("bad-bot-blocker-1.1.0", expected_version="v2")
    assert answer.status == 409
    assert answer.json["error"] == "Version conflict: expected v2, got 1.0.0"
    assert answer.json["code"] == "version_conflict"
    assert node.upload("bad-bot-blocker-1.1.0", expected_version="1.0.0").status == 200


def test_validate_and_dry_run_change_nothing(node):
    answer = node.upload("bad-bot-blocker-1.1.0", path="/api/v1/wasm/validate")
    assert answer.status == 200
    assert answer.json["success"] is True
    assert answer.json["message"] == "Module is valid"
    assert answer.json["would_be_version"] == "1.1.0"
    assert node.upload("bad-bot-blocker-1.1.0", dry_run="true").status == 200
    assert node.version()["version"] == "1.0.0"
    assert [row["kind"] for row in node.history()] == ["load"]


def test_reloads_in_quick_succession_are_limited_but_refused_ones_and_rollbacks_are_not(make_node):
    node = make_node(tables={"waf.wasm.reload": {"max_reload_frequency_seconds": 3600}})
    assert node.upload("missing_inspect").status == 422
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    limited = node.upload("generation_0", name="bad-bot-blocker")
    assert limited.status == 429
    assert re.fullmatch(r"Reloads are limited to one every 3600 s; try again in \d+ s", limited.json["error"])
    assert int(limited.headers["Retry-After"]) > 0
    assert node.rollback().status == 200
    assert node.upload("generation_0", name="bad-bot-blocker", force="true").status == 200


def test_hot_reload_can_be_disabled_and_rollback_still_works(make_node):
    node = make_node(tables={"waf.wasm": {"hot_reload_enabled": True}})
    node.upload("bad-bot-blocker-1.1.0")
    assert node.stop() == 0
    node.tables["waf.wasm"]["hot_reload_enabled"] = False
    node.start()
    answer = node.upload("generation_0", name="bad-bot-blocker")
    assert (answer.status, answer.json["error"], answer.json["code"]) == (403, "Hot reload is disabled", "hot_reload_disabled")
    assert node.rollback().json["rolled_back_to"] == "1.0.0"


def test_requests_and_errors_show_what_was_decided(make_node):
    node = make_node("traps_on_request")
    node.site("/x", headers={"x-trap": "1"})
    errors = node.get("/api/v1/wasm/errors").json
    from support.processes import wait_for
    wait_for("the error to arrive", lambda: node.get("/api/v1/wasm/errors").json["totals"]["trap"] == 1)
    errors = node.get("/api/v1/wasm/errors").json
    assert set(errors["totals"]) >= {"trap", "deadline", "memory", "bad_verdict"}
    row = errors["errors"][0]
    assert (row["kind"], row["count"], row["sample"]["uri"]) == ("trap", 1, "/x")
    node.upload("block_all", name="traps_on_request")
    assert node.site("/blocked?a=b").status == 403
    rows = wait_for("the block to arrive", lambda: node.get("/api/v1/requests?verdict=block").json["requests"])
    assert (rows[0]["method"], rows[0]["uri"], rows[0]["verdict"]) == ("GET", "/blocked?a=b", "block")


def test_versions_list_what_is_kept_and_give_back_the_bytes(node):
    node.upload("bad-bot-blocker-1.1.0")
    versions = node.get("/api/v1/wasm/versions?name=bad-bot-blocker").json["versions"]
    assert {version["version"]: version["state"] for version in versions} == {"1.1.0": "serving", "1.0.0": "previous"}
    sha = next(version["sha256"] for version in versions if version["version"] == "1.0.0")
    answer = node.get(f"/api/v1/wasm/versions/{sha}")
    assert answer.status == 200
    assert answer.body == node.guest("bad-bot-blocker").read_bytes()
    assert node.get("/api/v1/wasm/versions/" + "0" * 64).status == 404
