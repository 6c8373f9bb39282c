"""The archive in S3: a real server that checks signatures holds it and gives it back."""

import hashlib
import json

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
