"""The archive in S3: a real server that checks signatures holds it and gives it back."""

import hashlib
import json
import shutil
import subprocess

import pytest

from support.processes import wait_for
from support.s3 import BUCKET, KEY, SECRET, S3Server


@pytest.fixture
def s3(tmp_path):
    server = S3Server(tmp_path).start()
    yield server
    server.kill()


def metric(node, name):
    for line in node.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def archived(node):
    wait_for("nothing to wait for the archive", lambda: metric(node, "secbeat_archive_pending") == 0, log=node.log)


def by_url(s3, secret=SECRET):
    """What the command line needs beside the URL, as for the AWS tools."""
    return {"AWS_ENDPOINT_URL": s3.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": secret}


def test_a_node_archives_into_a_bucket_and_the_bytes_come_back(s3, make_node):
    node = make_node(tables={"archive": s3.table()})
    assert node.upload("bad-bot-blocker-1.1.0", reason="ticket 7").status == 200
    node.upload("configurable", name="second", config="4711", path="/api/v1/wasm/load")
    archived(node)
    wasm = node.guest("bad-bot-blocker-1.1.0").read_bytes()
    sha256 = hashlib.sha256(wasm).hexdigest()
    assert s3.files()[f"modules/{sha256}.wasm"] == wasm
    url = ["--archive", f"s3://{BUCKET}/waf"]
    listed = node.cli("archive", "list", *url, "--json", env=by_url(s3))
    assert listed.returncode == 0, listed.stderr
    versions = {(version["module"], version["label"]): version for version in json.loads(listed.stdout)["versions"]}
    assert versions["bad-bot-blocker", "1.1.0"]["in_force"][0]["reason"] == "ticket 7"
    assert set(versions) == {("bad-bot-blocker", "1.0.0"), ("bad-bot-blocker", "1.1.0"), ("second", "v1")}
    back, rules = node.folder / "back.wasm", node.folder / "rules.json"
    got = node.cli("archive", "get", "bad-bot-blocker@1.1.0", "--config", str(node.config), "-o", str(back))
    assert got.returncode == 0 and back.read_bytes() == wasm, got.stderr
    got = node.cli("archive", "get", "second@v1", *url, "-o", str(back), "--config-output", str(rules), "--force", env=by_url(s3))
    assert got.returncode == 0 and rules.read_text() == "4711", got.stderr
    assert node.cli("archive", "verify", *url, env=by_url(s3)).returncode == 0
    (s3.bucket / "waf" / "modules" / f"{sha256}.wasm").write_bytes(wasm[:-1] + b"?")
    damaged = node.cli("archive", "verify", "--config", str(node.config))
    assert damaged.returncode == 1 and f"modules/{sha256}.wasm" in damaged.stderr
    assert SECRET not in node.log.read_text()


def test_a_server_that_is_away_holds_up_nothing_and_a_restart_catches_up(s3, make_node):
    s3.kill()
    node = make_node(tables={"archive": s3.table()})
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    wait_for("a failure to be counted", lambda: metric(node, "secbeat_archive_failures_total") >= 1, log=node.log)
    assert f"no answer from {s3.url}" in node.log.read_text()
    assert f"wait for the archive: s3://{BUCKET}/waf: no answer from {s3.url}" in node.cli("status").stdout
    doctor = node.cli("doctor", "--config", str(node.config))
    assert f"no answer from {s3.url}" in doctor.stdout, doctor.stdout
    assert node.stop() == 0
    s3.start()
    node.start()
    archived(node)
    assert sum(name.startswith("manifests/") for name in s3.files()) == 2
    s3.kill()
    assert node.upload("bad-bot-blocker-1.2.0").status == 200
    wait_for("a failure to be counted", lambda: metric(node, "secbeat_archive_failures_total") >= 1, log=node.log)
    s3.start()
    archived(node)
    assert sum(name.startswith("manifests/") for name in s3.files()) == 3


def test_a_wrong_key_is_refused_and_said_so(s3, make_node):
    wrong = s3.credentials("wrong.ini", secret="another")
    node = make_node(tables={"archive": s3.table(credentials=str(wrong))})
    wait_for("a failure to be counted", lambda: metric(node, "secbeat_archive_failures_total") >= 1, log=node.log)
    assert "403 SignatureDoesNotMatch" in node.log.read_text() and "look at the credentials" in node.log.read_text()
    refused = node.cli("archive", "list", "--archive", f"s3://{BUCKET}/waf", env=by_url(s3, secret="another"))
    assert refused.returncode == 2 and "403 SignatureDoesNotMatch" in refused.stderr
    missing = node.cli("archive", "list", "--archive", "s3://no-such-bucket", env=by_url(s3))
    assert missing.returncode == 2 and "make the bucket" in missing.stderr
    wrong.chmod(0o644)
    wait_for("the file's mode to be told", lambda: "mode 0600" in node.log.read_text(), log=node.log)
    s3.credentials("wrong.ini")  # put right while the node runs
    archived(node)
    assert "another" not in node.log.read_text()


MODULE = "bad-bot-blocker"


def secbeat(orchestrator, *arguments):
    return subprocess.run([orchestrator.secbeat, *arguments], capture_output=True, text=True, timeout=60, check=False)


def desired_in(s3):
    """The newest desired state in the bucket."""
    names = [name for name in s3.files() if name.startswith("fleet/desired/")]
    return json.loads(s3.files()[max(names)]) if names else {"revision": 0}


def test_a_fleet_that_has_lost_its_nats_comes_back_from_the_bucket(s3, nats, make_orchestrator, make_node):
    orchestrator = make_orchestrator(tables={"archive": s3.table()})
    nodes = [make_node(name=name, tables={"nats": {"url": nats.url}, "node": {"name": name}, "proxy": {"workers": 1}})
             for name in ("node-1", "node-2")]
    wait_for("two nodes to report", lambda: len(orchestrator.nodes()) == 2, log=orchestrator.log)
    first = orchestrator.upload("bad-bot-blocker-1.1.0", name=MODULE, reason="ticket 7")
    assert first.status == 200, first
    s3.kill()
    second = orchestrator.upload("bad-bot-blocker-1.2.0", name=MODULE)
    assert second.status == 200, second  # no rollout waits for the archive
    wait_for("a failure to be counted", lambda: metric(orchestrator, "secbeat_archive_failures_total") >= 1, log=orchestrator.log)
    s3.start()
    revision = nats.client().get("secbeat_desired", "desired")["revision"]
    wait_for("the desired state to be archived", lambda: desired_in(s3)["revision"] == revision, log=orchestrator.log)
    wasm = nodes[0].guest("bad-bot-blocker-1.2.0").read_bytes()
    assert s3.files()[f"modules/{hashlib.sha256(wasm).hexdigest()}.wasm"] == wasm
    listed = json.loads(secbeat(orchestrator, "archive", "list", "--config", str(orchestrator.config), "--json").stdout)
    times = {version["label"]: version["in_force"][0] for version in listed["versions"] if version["node"] == "fleet"}
    assert times["1.1.0"]["reason"] == "ticket 7" and times["1.1.0"]["request_id"] == first.json["rollout_id"], times
    assert set(times) == {"1.1.0", "1.2.0"}

    orchestrator.kill()
    nats.kill()
    shutil.rmtree(nats.folder / "store")
    assert nodes[1].stop() == 0
    shutil.rmtree(nodes[1].data)
    rows = len(nodes[0].history())
    nats.start()
    restore = ["archive", "restore", "--config", str(orchestrator.config), "--wait", "1"]
    dry = secbeat(orchestrator, *restore, "--dry-run")
    assert dry.returncode == 0 and "1.2.0" in dry.stdout and "Nothing was changed" in dry.stdout, dry.stderr
    assert nats.client().get("secbeat_desired", "desired") is None
    done = secbeat(orchestrator, *restore, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["restored"], report["revision"], report["objects"]) == (True, revision, 2)
    assert report["unread"] == report["no_longer_desired"] == [] and report["archived_at"]
    assert nats.client().get("secbeat_desired", "desired") == desired_in(s3)
    nodes[1].start()
    wait_for("a node without anything to follow", lambda: nodes[1].version(MODULE)["version"] == "1.2.0", log=nodes[1].log)
    again = secbeat(orchestrator, *restore)
    assert again.returncode == 1 and "NATS is not empty" in again.stderr
    assert secbeat(orchestrator, *restore, "--force").returncode == 0
    orchestrator.start()
    wait_for("two nodes to report", lambda: len(orchestrator.nodes()) == 2, log=orchestrator.log)
    assert nodes[0].version(MODULE)["version"] == "1.2.0" and len(nodes[0].history()) == rows, "it was left alone"
    back = orchestrator.post("/api/v1/wasm/rollback-fleet", reason="the way back has come as well")
    assert back.status == 200 and back.json["rolled_back_to"] == "1.1.0", back
    assert [node.version(MODULE)["version"] for node in nodes] == ["1.1.0"] * 2


def test_a_damaged_bucket_restores_nothing(s3, nats, make_orchestrator):
    orchestrator = make_orchestrator(tables={"archive": s3.table()}, start=False)
    orchestrator.write_config()
    restore = ["archive", "restore", "--config", str(orchestrator.config)]
    empty = secbeat(orchestrator, *restore)
    assert empty.returncode == 1 and "has no desired state of a fleet" in empty.stderr
    state = {"format": 1, "revision": 3, "modules": [{"name": MODULE, "version": "v1", "sha256": "a" * 64, "size_bytes": 4,
                                                      "config_sha256": "", "config_size_bytes": 0, "revision": 3, "before": []}]}
    folder = s3.bucket / "waf" / "fleet" / "desired"
    folder.mkdir(parents=True)
    (folder / f"{3:020}.json").write_text(json.dumps(state))
    missing = secbeat(orchestrator, *restore)
    assert missing.returncode == 1 and "v1 cannot be restored" in missing.stderr, missing.stderr
    modules = s3.bucket / "waf" / "modules"
    modules.mkdir()
    (modules / f"{'a' * 64}.wasm").write_bytes(b"evil")
    damaged = secbeat(orchestrator, *restore, "--json")
    assert damaged.returncode == 1 and "is damaged" in damaged.stderr, damaged.stderr
    (folder / f"{4:020}.json").write_text("{")
    assert secbeat(orchestrator, *restore).returncode == 1
    assert nats.client().get("secbeat_desired", "desired") is None
