"""The tour of a fleet, as scripts/run.sh --fleet starts it and as an installed secbeat demo does: its steps, and that it listens on
this machine alone and leaves nothing behind."""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.node import is_alive, processes_of
from support.processes import wait_for

TOUR = Path(__file__).parents[2] / "scripts" / "fleet_tour.py"
LOOPBACK = "0100007F"  # 127.0.0.1 as /proc/net/tcp has it
PATIENCE = 120


def free_ports(count):
    """So many in a row, below those that outgoing connections take."""
    while True:
        first = random.randrange(20000, 30000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for port in range(first, first + count):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return range(first, first + count)


class RunningTour:
    def __init__(self, command, folder, *more):
        demo, orchestrator, nats, site, _, _, api, _, _ = free_ports(9)
        self.output = folder / "tour.txt"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*command, "--demo-port", str(demo), "--orchestrator-port",
                 str(orchestrator), "--nats-port", str(nats), "--site-port", str(site), "--api-port", str(api), *more],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    def text(self):
        return self.output.read_text(errors="replace")

    def await_text(self, text):
        wait_for(f"'{text}'", lambda: text in self.text() or self.process.poll() is not None, patience=PATIENCE, log=self.output)
        assert text in self.text(), self.text()

    def started(self):
        """Its processes, and those that these have started."""
        found = [self.process.pid]
        for pid in found:
            found += processes_of(pid)
        return found

    def end(self, number, started=None):
        """Sends the signal; the exit status, once nothing is left of it, nor of those that it had `started`."""
        started, folders = started or self.started(), set(re.findall(r"/tmp/secbeat-demo-\w+", self.text()))
        assert folders
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        left = [pid for pid in started if is_alive(pid)]
        assert left == [] and [folder for folder in folders if Path(folder).exists()] == [], self.text()
        return status

    def clean_up(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


@pytest.fixture
def start(build, tmp_path):
    tours = []

    def begin(*more, build=build, command=None):
        tours.append(RunningTour(command or [sys.executable, str(TOUR), "--build", str(build)], tmp_path, *more))
        return tours[-1]

    yield begin
    for tour in tours:
        tour.clean_up()


def listening_addresses(pids):
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(descriptor))
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


def test_every_step_of_the_installed_demo_does_what_it_should_and_ctrl_c_leaves_nothing(start, build, tmp_path):
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", str(build), "--prefix", str(prefix)], check=True, capture_output=True, timeout=PATIENCE)
    tour = start(command=[str(prefix / "bin" / "secbeat"), "demo", "--fleet", "3"])
    tour.await_text("keeps running until Ctrl-C")
    assert "Every step did what it should" in tour.text() and "✗" not in tour.text(), tour.text()
    for sentence in ("deployed to 3 nodes, 0 failed, total_downtime_ms 0", "reverted", "node-2 and node-3 never did",
                     "Version conflict: expected 1.1.0, got 1.2.0", "synced: node-1", "node-3  unreachable",
                     "with the desired version", "rolled back: 1.1.0 serves on 3 nodes", "1.0.0, 1.1.0 and 1.2.0 can be had again", "0 failed, 0 connections closed"):
        assert sentence in tour.text(), tour.text()
    started = tour.started()
    addresses = listening_addresses(started)
    assert len(addresses) >= 10 and set(addresses) == {LOOPBACK}, addresses
    agent = next(pid for pid in processes_of(tour.process.pid) if b"/node-1/secbeat.toml" in read(Path(f"/proc/{pid}/cmdline")))
    os.kill(agent, signal.SIGKILL)  # its nginx serves on, and ends with the tour
    assert tour.end(signal.SIGINT, started) == 0


def test_an_interruption_in_the_middle_of_a_step_leaves_nothing(start):
    tour = start("--once", "--nodes", "2")
    tour.await_text("2. One call")
    assert len(tour.started()) > len(("the tour", "demo site", "nats-server", "orchestrator", "node", "node"))
    assert "node-2        site" in tour.text() and "node-3" not in tour.text(), tour.text()
    tour.end(signal.SIGTERM)


def test_a_part_that_does_not_come_up_is_told_and_leaves_nothing(start, tmp_path):
    build = tmp_path / "build"
    (build / "bin").mkdir(parents=True)
    (build / "bin" / "secbeat").write_text("#!/bin/sh\necho no such command\nexit 1\n")
    (build / "bin" / "secbeat").chmod(0o755)
    tour = start("--once", build=build)
    tour.await_text("nats-server -a 127.0.0.1")
    (nats_folder,) = re.findall(r"-sd (/tmp/secbeat-demo-\w+)", tour.text())
    assert tour.process.wait(PATIENCE) == 1
    assert "The orchestrator did not come up" in tour.text() and "no such command" in tour.text()
    assert not Path(nats_folder).exists()
    assert not [name for name in Path("/proc").glob("[0-9]*/cmdline") if nats_folder.encode() in read(name)]


def read(path):
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""
