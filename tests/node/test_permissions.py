"""Modes and owners of what a node leaves on the disk, started by root and by somebody else, whatever the shell's mask is."""

import contextlib
import grp
import os
import pwd
import shutil
import stat
import subprocess

import pytest

from support.processes import wait_for

NOBODY = "nobody"
SECRET = {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "watches.json"}


def may_run_as(user, program):
    done = subprocess.run(["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups", "--", str(program), "--version"],
                          capture_output=True, check=False) if shutil.which("setpriv") else None
    return done is not None and done.returncode == 0


@pytest.fixture(params=["root", NOBODY])
def user(request, build):
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("only root can start it as root")
    if request.param == NOBODY and os.geteuid() == 0 and not may_run_as(NOBODY, build / "bin" / "secbeat"):
        pytest.skip(f"{NOBODY} does not reach the build folder")
    return request.param


@pytest.fixture
def node_of(make_node, folder, user):
    """node_of(): a node that the user starts with a mask that forbids nothing."""
    def make():
        node = make_node(start=False)
        script = node.folder / "secbeat.sh"
        become = f"setpriv --reuid={NOBODY} --regid=nogroup --clear-groups -- " if user == NOBODY and os.geteuid() == 0 else ""
        script.write_text(f"#!/bin/sh\numask 000\nexec {become}{node.secbeat} \"$@\"\n")
        script.chmod(0o755)
        node.secbeat = str(script)
        if become:
            shutil.chown(node.folder, NOBODY)
            node.folder.chmod(0o755)
            node.log.touch()
        return node
    return make


def tree(*roots):
    for root in roots:
        yield root
        for folder, folders, files in os.walk(root):
            for name in folders + files:
                yield os.path.join(folder, name)


def test_nobody_else_can_change_what_a_node_relies_on_or_read_what_is_private(node_of, user):
    node = node_of().start()
    assert node.upload("configurable", name="second", config="4711", path="/api/v1/wasm/load").status == 200
    assert node.site("/").status == 200
    owner = pwd.getpwnam(user).pw_uid if os.geteuid() == 0 else os.geteuid()
    workers = grp.getgrnam("www-data").gr_gid if owner == 0 else None
    for path in tree(node.data, node.state):
        with contextlib.suppress(FileNotFoundError):  # a temporary file
            st = os.lstat(path)
            name, mode = os.path.relpath(path, node.folder), stat.S_IMODE(st.st_mode)
            if stat.S_ISLNK(st.st_mode):
                continue
            assert not mode & stat.S_IWOTH, (name, oct(mode))
            if not name.startswith("data/nginx/temporary/"):
                assert st.st_uid == owner, name
            if mode & stat.S_IWGRP:
                assert name in ("state/agent.sock", "state/workers", "state/workers/scoreboard"), (name, oct(mode))
                assert workers is None or st.st_gid == workers, name
                assert not mode & (stat.S_IROTH | stat.S_IXOTH), (name, oct(mode))
            if os.path.basename(name) in SECRET:
                assert mode == 0o600, (name, oct(mode))
    for folder in ("modules", "work"):
        assert stat.S_IMODE((node.data / folder).stat().st_mode) == 0o700
    assert not (node.data / "nginx").stat().st_mode & stat.S_IRWXO, "the logs are nobody else's business"


def test_what_is_too_open_is_put_right_and_told(node_of):
    node = node_of().start()
    node.stop()
    for name in ("in_force.json", "ledger.sqlite", "nginx/nginx.conf"):
        (node.data / name).chmod(0o666)
    (node.data / "artifacts").chmod(0o777)
    doctor = node.cli("doctor", "--config", str(node.config))
    assert "in_force.json could be changed by others (mode 0666" in doctor.stdout
    node.start()
    log = node.log.read_text()
    for name in ("in_force.json", "ledger.sqlite", "nginx.conf", "artifacts"):
        assert f"{name} could be changed by others" in log
    assert stat.S_IMODE((node.data / "in_force.json").stat().st_mode) == 0o644
    assert stat.S_IMODE((node.data / "artifacts").stat().st_mode) == 0o755


def test_folders_that_everybody_can_write_are_refused(node_of):
    node = node_of()
    node.data.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(node.data, node.folder.stat().st_uid)
    node.data.chmod(0o777)
    node.start(wait=False)
    assert node.process.wait(60) == 1
    assert "can be written by everybody" in node.log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_what_belongs_to_somebody_else_is_refused(make_node):
    node = make_node()
    node.stop()
    shutil.chown(node.data / "in_force.json", NOBODY)
    node.start(wait=False)
    assert node.process.wait(60) == 1
    assert "in_force.json belongs to the user" in node.log.read_text()
    shutil.chown(node.data / "in_force.json", "root")
    node.start()
    wait_for("the node to serve", lambda: node.site("/").status == 200, log=node.log)
