"""Ports, waiting and nginx for process tests. Tests wait for conditions with one common patience, never for time."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PATIENCE = 60  # seconds after which a condition that should come has not come: a failure, never a measurement


GIVEN_PORTS = set()


def free_port():
    """A port that nobody listens on, below those that the kernel gives to outgoing connections, and no two times the same:
    who asked for the one before may not listen yet."""
    while True:
        port = random.randrange(10000, 20000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            if port not in GIVEN_PORTS:
                GIVEN_PORTS.add(port)
                return port


def wait_for(what, condition, patience=PATIENCE, log=None):
    """The first true value of condition(); fails with the end of `log` when it does not come."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            tail = Path(log).read_text(errors="replace")[-4000:] if log and Path(log).exists() else ""
            raise AssertionError(f"waited {patience} s for {what}\n{tail}")
        time.sleep(0.01)


def nginx_binary():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Nginx:
    """An nginx with a given http block, in the foreground, stopped by pid; its error log is read afterwards."""

    def __init__(self, folder, name, http, main=""):
        self.folder, self.name = Path(folder), name
        self.error_log = self.folder / f"{name}.log"
        self.config = self.folder / f"{name}.conf"
        self.http, self.main = http, main
        self.process = None

    def write_config(self):
        temporary = "".join(f"  {kind}_temp_path {self.folder}/{self.name}-{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user www-data;\n" if os.geteuid() == 0 else ""
        self.config.write_text(f"{self.main}\n{user}daemon off; pid {self.folder}/{self.name}.pid; error_log {self.error_log} info;\n"
                               f"events {{ worker_connections 4096; }}\nhttp {{\n{temporary}{self.http}\n}}\n")

    def start(self, port):
        self.write_config()
        with open(self.error_log, "ab") as log:
            self.process = subprocess.Popen([nginx_binary(), "-e", str(self.error_log), "-c", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for(f"{self.name} to listen", lambda: self.process.poll() is not None or listens(port), log=self.error_log)
        assert self.process.poll() is None, self.error_log.read_text()
        return self

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def complaints(self):
        """Lines of the error log that a healthy run never has."""
        with contextlib.suppress(OSError):
            return [line for line in self.error_log.read_text(errors="replace").splitlines()
                    if any(level in line for level in ("[alert]", "[crit]", "[emerg]"))]
        return []


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
