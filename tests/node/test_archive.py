"""The archive: what was in force is found again when the data directory is lost, and an archive in trouble holds up nothing."""

import hashlib
import json
import shutil

import pytest

from support.node import Load
from support.processes import wait_for

GENERATIONS = ["generation_0", "generation_1", "generation_2", "generation_3"]


@pytest.fixture
def archiving(make_node):
    """archiving(**keys of [waf.wasm]): a node with an archive beside its data directory."""
    def make(start=True, **keys):
        node = make_node(start=False, tables={"waf.wasm": keys, "archive": {}})
        node.archive = node.folder / "archive"
        node.tables["archive"]["url"] = f"file://{node.archive}"
        return node.start() if start else node
    return make


def metric(node, name):
    for line in node.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def archived(node):
    wait_for("nothing to wait for the archive", lambda: metric(node, "secbeat_archive_pending") == 0, log=node.log)


def listed(node):
    done = node.cli("archive", "list", "--archive", str(node.archive), "--json")
    assert done.returncode == 0, done.stderr
    return {(version["module"], version["label"]): version for version in json.loads(done.stdout)["versions"]}


def test_a_version_comes_back_from_the_archive_after_the_data_directory_is_lost(archiving):
    node = archiving(keep_previous_versions=1)
    for guest in ["bad-bot-blocker-1.1.0", "bad-bot-blocker-1.2.0"]:
        assert node.upload(guest, reason="ticket 7").status == 200
    assert node.rollback(reason="too strict").status == 200
    node.upload("configurable", name="second", config="4711", path="/api/v1/wasm/load")
    archived(node)
    assert node.stop() == 0
    shutil.rmtree(node.data)

    versions = listed(node)
    assert set(versions) == {("bad-bot-blocker", label) for label in ("1.0.0", "1.1.0", "1.2.0")} | {("second", "v1")}
    manifest = versions["bad-bot-blocker", "1.1.0"]
    assert [(time["kind"], time["reason"]) for time in manifest["in_force"]] == [("reload", "ticket 7"), ("rollback", "too strict")]
    content = node.guest("bad-bot-blocker-1.1.0").read_bytes()
    assert (manifest["sha256"], manifest["size_bytes"], manifest["node"]) == (hashlib.sha256(content).hexdigest(), len(content), "test")
    table = node.cli("archive", "list", "--config", str(node.config))
    assert "bad-bot-blocker" in table.stdout and table.returncode == 0

    back = node.folder / "back.wasm"
    got = node.cli("archive", "get", "bad-bot-blocker@1.2.0", "--archive", str(node.archive), "--output", str(back))
    assert got.returncode == 0, got.stderr
    assert back.read_bytes() == node.guest("bad-bot-blocker-1.2.0").read_bytes()
    second, rules = node.folder / "second.wasm", node.folder / "second.json"
    got = node.cli("archive", "get", "second@v1", "--config", str(node.config), "-o", str(second), "--config-output", str(rules))
    assert got.returncode == 0, got.stderr

    node.start()
    assert node.version()["version"] == "1.0.0"
    assert node.cli("reload", str(back), "--reason", "from the archive").returncode == 0
    assert node.version()["version"] == "1.2.0"
    assert node.site("/", headers={"User-Agent": "zgrab"}).status == 403
    assert node.cli("reload", str(second), "--name", "second", "--config", str(rules)).returncode == 0
    assert node.site("/?4711").status == 403
    archived(node)
    assert len(listed(node)) == 4, "the same versions again are the same manifests"
    assert node.cli("archive", "verify", "--archive", str(node.archive)).returncode == 0


@pytest.mark.parametrize("trouble", ["a file in its place", "read-only"])
def test_an_archive_in_trouble_holds_up_nothing_and_is_caught_up(archiving, trouble):
    node = archiving(start=False)
    if trouble == "read-only":
        node.archive.symlink_to("/proc/sys")  # where not even root makes folders
    else:
        node.archive.write_text("in the way")
    node.start()
    with Load(node) as load:
        for guest in GENERATIONS:
            assert node.upload(guest, name="bad-bot-blocker").status == 200
    assert load.lost[:2] == (0, 0), load.lost
    wait_for("a failure to be counted", lambda: metric(node, "secbeat_archive_failures_total") >= 1)
    assert metric(node, "secbeat_archive_pending") == 5
    assert "is not in the archive yet" in node.log.read_text()
    node.archive.unlink()
    archived(node)
    assert len(listed(node)) == 5, "also those that are no longer kept for rollback"


def test_what_could_not_be_archived_is_caught_up_at_the_next_start(archiving):
    node = archiving(start=False)
    node.archive.write_text("in the way")
    node.start()
    node.upload("bad-bot-blocker-1.1.0")
    wait_for("a failure to be counted", lambda: metric(node, "secbeat_archive_failures_total") >= 1)
    assert node.stop() == 0
    node.archive.unlink()
    node.start()
    archived(node)
    assert set(listed(node)) == {("bad-bot-blocker", "1.0.0"), ("bad-bot-blocker", "1.1.0")}


def test_verify_and_get_see_what_is_damaged(archiving):
    node = archiving()
    node.upload("bad-bot-blocker-1.1.0")
    archived(node)
    sha = listed(node)["bad-bot-blocker", "1.1.0"]["sha256"]
    module = node.archive / "modules" / f"{sha}.wasm"
    content = bytearray(module.read_bytes())
    content[-1] ^= 1
    module.write_bytes(content)
    done = node.cli("archive", "verify", "--archive", str(node.archive))
    assert done.returncode == 1
    assert f"modules/{sha}.wasm" in done.stderr and "bad-bot-blocker 1.1.0 on test needs it" in done.stderr
    report = json.loads(node.cli("archive", "verify", "--archive", str(node.archive), "--json").stdout)
    assert report["good"] is False and report["problems"]
    output = node.folder / "damaged.wasm"
    for what in ("bad-bot-blocker@1.1.0", sha):
        done = node.cli("archive", "get", what, "--archive", str(node.archive), "--output", str(output))
        assert (done.returncode, output.exists()) == (1, False)
        assert "is damaged" in done.stderr


def test_the_command_line_says_what_to_do(archiving):
    node = archiving()
    archived(node)
    archive = ["--archive", str(node.archive)]
    output = node.folder / "out.wasm"
    for arguments, status, words in [
        (["list"], 2, "--archive URL or --config FILE"),
        (["list", "--archive", "/no/such/archive"], 2, "there is no archive at /no/such/archive"),
        (["list", "--archive", "s3://b"], 2, "expected"),
        (["get", "bad-bot-blocker", *archive], 1, "neither NAME@VERSION nor a SHA-256"),
        (["get", "bad-bot-blocker@9", *archive], 1, "secbeat archive list shows what it holds"),
        (["get", "../../etc/passwd@v1", *archive], 1, "secbeat archive list shows what it holds"),
        (["get", "0" * 64, *archive], 1, "neither a module nor a configuration"),
        (["get", "bad-bot-blocker@1.0.0", *archive, "-o", str(output)], 0, ""),
        (["get", "bad-bot-blocker@1.0.0", *archive, "-o", str(output)], 2, "--force replaces it"),
        (["get", "bad-bot-blocker@1.0.0", *archive, "-o", str(output), "--force"], 0, ""),
        (["get", "bad-bot-blocker@1.0.0", *archive, "-o", str(output), "--config-output", "x"], 1, "has no configuration"),
    ]:
        done = node.cli("archive", *arguments, env={"SECBEAT_CONFIG": ""})
        assert done.returncode == status, (arguments, done.stderr)
        assert words in done.stderr, (arguments, done.stderr)
