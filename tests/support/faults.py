"""Nodes and orchestrators of the programs with fault points (base/faults/), and the points themselves."""

import os
import re
import struct
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
IDLE, ARMED, TAKEN = range(3)
NAME_SIZE = 60


def all_points():
    """The names of the table that the programs are compiled with."""
    header = (ROOT / "base" / "include" / "secbeat" / "base" / "fault_point.hpp").read_text()
    table = header.split("kFaultPoints = {", 1)[1].split("};", 1)[0]
    return re.findall(r'"([^"]+)"', table)


def with_fault_points(node):
    """Turns a node that has not started yet into one whose processes end at fault points. All of them work in the folder in
    which nginx works."""
    node.secbeat = str(node.build / "faults" / "bin" / "secbeat")
    node.working_folder = node.data / "nginx"
    node.working_folder.mkdir(parents=True)
    return Fault(node.working_folder / "fault-point")


def orchestrator_with_fault_points(orchestrator):
    """The same of an orchestrator."""
    orchestrator.secbeat = str(orchestrator.build / "faults" / "bin" / "secbeat")
    orchestrator.working_folder = orchestrator.folder / f"{orchestrator.name}-work"
    orchestrator.working_folder.mkdir()
    return Fault(orchestrator.working_folder / "fault-point")


class Fault:
    """The one point that is armed: the first process to come by ends, and no other."""

    def __init__(self, path):
        path.write_bytes(bytes(4 + NAME_SIZE))
        self._file = os.open(path, os.O_RDWR)

    def _set(self, state):
        os.pwrite(self._file, struct.pack("=I", state), 0)

    def arm(self, point):
        self._set(IDLE)
        os.pwrite(self._file, point.encode().ljust(NAME_SIZE, b"\0"), 4)
        self._set(ARMED)

    def disarm(self):
        self._set(IDLE)

    @property
    def taken(self):
        return struct.unpack("=I", os.pread(self._file, 4, 0))[0] == TAKEN
