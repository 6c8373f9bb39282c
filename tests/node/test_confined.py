"""The compile child in its confinement: real system calls, on this kernel."""

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from support.processes import wait_for

FIRST_OWN = 3  # descriptors below are the standard streams


def attempts_of(build, *arguments, **options):
    done = subprocess.run([build / "libexec" / "secbeat-compile", "--try-escapes", *arguments],
                          capture_output=True, text=True, timeout=60, check=True, **options)
    return json.loads(done.stdout)


def test_a_confined_child_reaches_no_file_no_socket_no_program_and_no_process(build):
    report = attempts_of(build, "--child")
    if not report["filters_calls"]:
        pytest.skip("this kernel has no seccomp filters")
    assert [attempt for attempt in report["attempts"] if not attempt["refused"]] == []
    tried = {attempt["what"] for attempt in report["attempts"]}
    assert {"open a file", "make an internet socket", "make a unix socket", "start a program", "trace a process"} <= tried
    assert report["starts_threads"], "the engine needs them"


def test_the_same_attempts_succeed_without_confinement(build):
    # Else the test above could not fail.
    report = attempts_of(build)
    done = {attempt["what"] for attempt in report["attempts"] if not attempt["refused"]}
    assert {"open a file", "make an internet socket", "make a unix socket", "start a program", "start a process",
            "signal the parent", "look at a file"} <= done


def test_the_child_holds_no_descriptor_of_whoever_started_it(build):
    with open("/dev/null", "rb") as inherited:
        report = attempts_of(build, "--child", pass_fds=[inherited.fileno()])
    assert report["open_descriptors"] == 0


def test_the_child_of_a_node_is_confined_while_it_runs_a_module(make_node):
    node = make_node(tables={"waf.wasm": {"configure_deadline_ms": 60000}})
    answers = []
    upload = threading.Thread(target=lambda: answers.append(node.upload("loops_in_configure", name="bad-bot-blocker")))
    upload.start()
    child = Path("/proc") / str(wait_for("a compile child", node.compile_child, log=node.log))
    status = wait_for("its filter", lambda: (text := (child / "status").read_text()) and "Seccomp:\t2" in text and text, log=node.log)
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    assert "CapPrm:\t0000000000000000" in status
    own = {int(fd.name): os.readlink(fd) for fd in (child / "fd").iterdir()}
    folder = node.data / "work"
    foreign = {fd: to for fd, to in own.items()
               if fd >= FIRST_OWN and not to.startswith((str(folder), "/memfd:", "anon_inode:"))}
    assert foreign == {}, own
    limits = (child / "limits").read_text()
    assert "Max core file size        0 " in limits
    node.stop()
    upload.join()


def test_doctor_says_how_the_child_is_confined(build, folder):
    done = subprocess.run([build / "bin" / "secbeat", "doctor", "--json"], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "HOME": str(folder)})
    check = {check["check"]: check for check in json.loads(done.stdout)["checks"]}["confinement of the compile child"]
    assert check["result"] == "ok", check
    assert "system calls filtered" in check["found"]
