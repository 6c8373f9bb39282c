"""Files of the data directory that are damaged, missing, of another version, or on a disk that takes no more.

The node serves on, or starts from the last good version, says what it did, and never runs an artifact whose checksum is
wrong.
"""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess

import pytest

from support.processes import wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which only root may do")


def truncated(file):
    os.truncate(file, file.stat().st_size // 2)


def emptied(file):
    os.truncate(file, 0)


def missing(file):
    file.unlink()


def bit_flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def no_such_file(file):
    file.write_text("this is something else\n" * 1000)


def of_a_newer_build(file):
    if file.name == "in_force.json":
        file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    else:
        pragma(file, "user_version = 99")


def of_another_program(file):
    pragma(file, "application_id = 1")


def pragma(file, text):
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA {text}")


def every_page_flipped(file):
    """A bit in each page of the database but the first, so that it opens and is damaged."""
    content = bytearray(file.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page] ^= 0x40
    file.write_bytes(content)


@pytest.fixture(scope="module")
def node(make_shared_node):
    """Serves 1.1.0, which replaced 1.0.0; the tests of this file leave it serving something, with the agent running."""
    node = make_shared_node()
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    return node


def end_agent(node):
    """The agent ends, so that its files are at rest; nginx goes on."""
    node.process.send_signal(signal.SIGUSR2)
    assert node.process.wait(60) == 0


def serves(node):
    return [node.site("/").status, node.site("/", headers={"User-Agent": "BadBot"}).status] == [200, 403]


def start_after(node, spoil):
    """Starts the agent on what spoil() leaves; what it has logged since, and the rows that it has written."""
    end_agent(node)
    last = newest_row_id(node)
    spoil()
    assert serves(node), "the workers serve on without an agent"
    logged = node.log.stat().st_size
    node.start()
    assert serves(node)
    history = node.history()
    rows = [row for row in history if row["id"] > last] if history[0]["id"] >= last else history  # it may have begun anew
    assert {row["by"] for row in rows} <= {"start"}
    return node.log.read_bytes()[logged:].decode(), rows


def newest_row_id(node):
    with contextlib.closing(sqlite3.connect(f"file:{node.data}/ledger.sqlite?mode=ro", uri=True)) as ledger:
        return ledger.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0]


def slot(node):
    document = json.loads((node.data / "in_force.json").read_text())
    return document["slots"][0]


def version_of(node, label):
    return next(version for version in slot(node)["versions"] if version["label"] == label)


def artifact(node, label):
    return node.data / "artifacts" / f"{version_of(node, label)['artifact_sha256']}.cwasm"


def module(node, label):
    return node.data / "modules" / f"{version_of(node, label)['sha256']}.wasm"


@pytest.mark.parametrize("damage", [truncated, emptied, missing, every_page_flipped, no_such_file, of_a_newer_build, of_another_program])
def test_a_ledger_that_cannot_be_used_is_set_aside_and_what_is_in_force_stays(node, damage):
    before = node.version()
    log, rows = start_after(node, lambda: damage(node.data / "ledger.sqlite"))
    after = node.version()
    assert (after["version"], after["sha256"], after["previous_version"]) == (before["version"], before["sha256"], before["previous_version"])
    row, = rows
    assert (row["success"], row["version"]) == (True, before["version"])
    assert "history starts anew" in row["reason"]
    assert row["reason"].removeprefix("Start: ") in log
    assert "Start: " in node.cli("status").stdout, "where an operator looks"
    if damage not in (emptied, missing):
        assert any(f"kept as {file.name}," in row["reason"] for file in node.data.glob("ledger.sqlite.unusable-*"))
    used = {version["version"] for version in node.get("/api/v1/wasm/versions").json["versions"]}
    answer = node.upload("bad-bot-blocker-1.2.0" if before["version"].startswith("1.1.0") else "bad-bot-blocker-1.1.0")
    assert answer.status == 200
    assert answer.json["version"] not in used
    assert node.rollback().json["rolled_back_to"] == before["version"]


@pytest.mark.parametrize("damage", [truncated, emptied, bit_flipped, missing])
def test_a_damaged_artifact_is_compiled_again_at_the_start(node, damage):
    label = node.version()["version"]
    log, _ = start_after(node, lambda: damage(artifact(node, label)))
    assert node.version()["version"] == label
    assert f"{label} is compiled again" in log


def test_a_version_that_is_lost_gives_way_to_the_one_before(node):
    label, previous = node.version()["version"], node.version()["previous_version"]

    def lose():
        bit_flipped(artifact(node, label))
        module(node, label).unlink()

    log, rows = start_after(node, lose)
    assert node.version()["version"] == previous
    row, = rows
    assert (row["kind"], row["version"], row["from_version"], row["success"]) == ("auto_rollback", previous, label, True)
    assert "is lost" in row["reason"] and f"back to {previous}" in log
    assert node.upload("bad-bot-blocker-1.1.0").status == 200


def test_a_configuration_that_is_damaged_gives_way_to_the_version_before(make_node):
    node = make_node("configurable")
    assert node.upload("configurable", config="4711").status == 200
    assert node.upload("configurable", config="4712").status == 200
    last, before = node.version()["version"], node.version()["previous_version"]
    end_agent(node)
    bit_flipped(node.data / "configs" / version_of(node, last)["config_sha256"])
    node.start()
    assert node.version()["version"] == before
    assert (node.site("/4711").status, node.site("/4712").status) == (403, 200)
    assert node.history()[0]["kind"] == "auto_rollback"


def test_a_module_without_any_good_version_is_decided_by_its_policy(make_node):
    nodes = {policy: make_node(name=policy, start=False, tables={"waf.wasm": {"on_error": policy}, "proxy": {"workers": 1}})
             for policy in ("open", "closed")}
    for node in nodes.values():
        node.start()
        assert node.upload("allow_all", path="/api/v1/wasm/load", name="extra").status == 200
        document = json.loads((node.data / "in_force.json").read_text())
        lost = next(slot for slot in document["slots"] if slot["name"] == "extra")["versions"][0]
        assert node.stop() == 0
        (node.data / "artifacts" / f"{lost['artifact_sha256']}.cwasm").unlink()
        (node.data / "modules" / f"{lost['sha256']}.wasm").unlink()
        node.start(wait=False)
    for policy, node in nodes.items():
        wait_for("the API", lambda node=node: answers(node), log=node.log)
        assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403, "the other module has not left the chain"
        assert node.site("/").status == {"open": 200, "closed": 503}[policy]
        row = node.history()[0]
        assert (row["name"], row["success"], row["by"]) == ("extra", False, "start")
        assert f'on_error = "{policy}"' in row["error"]
        assert node.get("/readyz").status == 503
        assert node.upload("allow_all", name="extra").status == 200, "the same bytes bring it back"
        wait_for("readiness", node.is_ready, log=node.log)
        assert node.site("/").status == 200


def answers(node):
    with contextlib.suppress(OSError):
        return node.get("/healthz").status == 200


@pytest.mark.parametrize("damage", [truncated, emptied, no_such_file, of_a_newer_build])
def test_an_in_force_file_that_cannot_be_used_is_made_anew_from_the_ledger(node, damage):
    before = node.version()
    log, rows = start_after(node, lambda: damage(node.data / "in_force.json"))
    after = node.version()
    assert (after["version"], after["sha256"], after["previous_version"]) == (before["version"], before["sha256"], before["previous_version"])
    assert after["generation"] > before["generation"]
    row, = rows
    assert "in_force.json.unusable-" in row["reason"] and "ledger" in row["reason"]
    assert row["reason"].removeprefix("Start: ") in log
    assert node.rollback().status == 200
    assert node.upload("bad-bot-blocker-1.1.0").status == 200


def test_a_data_directory_of_a_newer_build_starts_with_the_modules_of_the_file(node):
    def spoil():
        of_a_newer_build(node.data / "in_force.json")
        of_a_newer_build(node.data / "ledger.sqlite")

    log, rows = start_after(node, spoil)
    assert "newer SecBeat" in log
    assert node.version()["version"] == "1.0.0"
    assert any("in_force.json.unusable-" in row["reason"] for row in rows)
    assert node.upload("bad-bot-blocker-1.1.0").status == 200


def test_what_is_damaged_while_the_node_runs_is_mended_for_the_next_worker(node):
    label, first = node.version()["version"], node.worker_pids()
    bit_flipped(artifact(node, label))
    no_such_file(node.data / "in_force.json")
    os.kill(first[0], signal.SIGKILL)
    wait_for("the in-force file", lambda: in_force_label(node) == label, log=node.log)
    wait_for("a worker in its place", lambda: len(node.worker_pids()) == 2 and node.worker_pids() != first, log=node.log)
    wait_for("the node to be ready", node.is_ready, log=node.log)
    assert node.version()["version"] == label
    assert serves(node)
    assert "was not what is in force, and was written again" in node.log.read_text()


def in_force_label(node):
    with contextlib.suppress(ValueError, KeyError, IndexError):
        current = slot(node)
        return next(version["label"] for version in current["versions"] if version["id"] == current["current"])


@pytest.fixture
def small_disk(make_node):
    """A node whose data directory is a file system of 4 MiB, and a function that fills it."""
    node = make_node(start=False)
    node.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", str(node.data)], check=True)
    try:
        yield node
    finally:
        node.clean_up()
        subprocess.run(["umount", "--lazy", str(node.data)], check=True)


def fill(node):
    with open(node.data / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass


@needs_root
def test_a_full_disk_refuses_changes_serves_and_starts(small_disk):
    node = small_disk.start()
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    fill(node)
    refused = node.upload("bad-bot-blocker-1.2.0")
    assert (refused.status, refused.json["code"], refused.json["status"]) == (500, "io", "still_serving_1.1.0")
    assert "No space left" in refused.json["error"]
    assert serves(node)
    (node.data / "filler").unlink()
    end_agent(node)
    node.start()  # which removes what nothing needs any more
    end_agent(node)  # and with it the ledger's log, whose room it could write into
    fill(node)
    node.start()
    assert node.version()["version"] == "1.1.0"
    assert serves(node)
    assert "changes are refused" in node.log.read_text()
    refused = node.upload("bad-bot-blocker-1.2.0")
    assert (refused.status, refused.json["code"]) == (500, "io")
    (node.data / "filler").unlink()
    end_agent(node)
    node.start()
    assert node.upload("bad-bot-blocker-1.2.0").status == 200
    assert node.rollback().json["rolled_back_to"] == "1.1.0"


@needs_root
def test_a_disk_that_becomes_read_only_refuses_changes_and_serves(small_disk):
    node = small_disk.start()
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    subprocess.run(["mount", "--bind", str(node.data), str(node.data)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(node.data)], check=True)
        refused = node.upload("bad-bot-blocker-1.2.0")
        assert (refused.status, refused.json["code"]) == (500, "io")
        assert "Read-only file system" in refused.json["error"]
        assert serves(node)
        node.kill_agent()
        node.start(wait=False)
        assert node.process.wait(60) == 1, "an agent that cannot write its folder says so and ends"
        assert "Read-only file system" in node.log.read_text()
        assert serves(node), "and nginx serves without it"
    finally:
        subprocess.run(["umount", "--lazy", str(node.data)], check=True)
    node.start()
    assert node.version()["version"] == "1.1.0"
    assert node.upload("bad-bot-blocker-1.2.0").status == 200
