"""The orchestrator's /openapi.json against itself, both ways; every other test holds the answers that it sees against it too."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from support.processes import wait_for

KEY = "sbk_" + "0123456789abcdef" * 4
MODULE = "bad-bot-blocker"

# What a client can provoke: fields, and the code that comes. No rollout begins.
REFUSED_UPLOADS = {
    "missing_file": {"reason": "nothing to load"},
    "unknown_field": {"tarjet": "all"},
    "bad_request": {"guest": "allow_all", "canary": "many"},
    "bad_config_json": {"config": "{"},
    "invalid_wasm": {"guest": b"no module"},
    "too_large": {"guest": b"\0asm" + b"x" * 5_000_000},
    "version_conflict": {"guest": "allow_all", "expected_version": "v7"},
    "no_nodes": {"guest": "allow_all", "target": "nobody"},
    "stage_failed": {"guest": "missing_inspect"},
}
# Proven where the fault can be made: test_orchestrator.py, test_chaos.py, test_cluster.py, test_orchestrator_access.py,
# and the unit tests of rollouts.
FAULTS_OF_THE_FLEET = {"not_ready", "io", "protocol", "internal", "precondition_failed", "not_found", "workers_disagree",
                       "reload_in_progress", "unreachable", "max_unavailable", "rollout_reverted", "rollout_aborted",
                       "bad_multipart", "unsupported_media_type", "unauthorized", "forbidden", "rate_limited", "busy", "shutting_down"}


@pytest.fixture
def one(make_orchestrator, make_node, nats):
    """An orchestrator with a key, over one node: without a key, what is given for one is rightly ignored."""
    orchestrator = make_orchestrator(start=False, tables={
        "api.keys": [{"name": "ci", "role": "admin", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]})
    orchestrator.key = KEY
    orchestrator.start()
    make_node(name="node-1", tables={"nats": {"url": nats.url}, "node": {"name": "node-1"}, "proxy": {"workers": 1}})
    wait_for("the node to report", lambda: orchestrator.nodes(), log=orchestrator.log)
    return orchestrator


def test_the_document_is_valid_and_each_documented_refusal_of_a_reload_comes(one):
    document = one.get("/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    for path in ("reload-fleet", "deploy"):
        responses = document["paths"][f"/api/v1/wasm/{path}"]["post"]["responses"]
        documented = {code for status, response in responses.items() if int(status) >= 400
                      for code in response["content"]["application/json"]["schema"]["properties"]["code"]["enum"]}
        assert documented == set(REFUSED_UPLOADS) | FAULTS_OF_THE_FLEET, documented ^ (set(REFUSED_UPLOADS) | FAULTS_OF_THE_FLEET)
        for code, fields in REFUSED_UPLOADS.items():
            answer = one.upload(**{"path": f"/api/v1/wasm/{path}", "name": MODULE, **fields})
            assert answer.json["code"] == code, answer
    assert one.serving() == {"node-1": "1.0.0"}
    for path, methods in document["paths"].items():
        if "get" in methods and "{" not in path:
            get, head = one.get(path), one.api("HEAD", path)
            assert (head.status, head.body, head.headers["Content-Type"]) == (get.status, b"", get.headers["Content-Type"]), path


def test_schemathesis_finds_no_answer_that_is_not_documented(one, tmp_path):
    assert one.upload("allow_all", name=MODULE).status == 200
    assert one.api("POST", "/api/v1/rules", {"Content-Type": "application/json"}, json.dumps(
        {"id": "first", "field": "URI", "pattern": "/first*", "action": "Block"})).status == 200
    # Not its phase of coverage, which takes a minute: what it tries, such as other methods, is of the part that the node's API
    # shares, and tests/node/test_openapi.py has it.
    # What it makes of a wrong form can be an empty body, which these take; of a wrong id, one that it has seen.
    takes_anything = ["POST /api/v1/wasm/rollback-fleet", "POST /api/v1/wasm/sync-versions", "GET /api/v1/rollouts/{id}",
                      *(f"POST /api/v1/rollouts/{{id}}/{step}" for step in ("pause", "resume", "abort"))]
    (tmp_path / "schemathesis.toml").write_text("".join(
        f'[[operations]]\ninclude-name = "{name}"\nchecks.negative_data_rejection.enabled = false\n' for name in takes_anything))
    done = subprocess.run(
        [Path(sys.executable).parent / "st", "run", f"http://127.0.0.1:{one.api_port}/openapi.json",
         "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
                     "response_schema_conformance,negative_data_rejection,unsupported_method",
         "--exclude-method", "HEAD", "--phases", "fuzzing", "--max-examples", "10",
         "--generation-deterministic", "--header", f"Authorization: Bearer {KEY}",
         "--request-timeout", "30", "--continue-on-failure", "--no-color", "--warnings", "off"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert one.is_ready() and list(one.nodes()) == ["node-1"]
