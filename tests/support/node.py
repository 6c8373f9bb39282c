"""A real node for process tests: the agent with its nginx, an upstream, and clients.

A Node owns every process it starts and stops them by pid. Paths, ports and state are its own, so tests run side by
side with anything else on the machine.
"""

import contextlib
import functools
import http.client
import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path
from urllib.parse import quote, urlencode

from support.contract import Contract
from support.processes import free_port, wait_for
from support.tables import merge, toml_text

UPLOAD_TIMEOUT = 60  # seconds until a client gives up; no test expects to come near it


class Answer:
    """Status, headers and body of one HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Answer({self.status}, {self.body[:300]!r})"


def http_request(port, method, path, headers=None, body=None, timeout=UPLOAD_TIMEOUT, tls=None, source=None):
    """tls: a context of ssl; source: the address to come from, any of 127.0.0.0/8."""
    kind = http.client.HTTPConnection if tls is None else functools.partial(http.client.HTTPSConnection, context=tls)
    connection = kind("127.0.0.1", port, timeout=timeout, source_address=(source, 0) if source else None)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def multipart(fields):
    """A form as (content type, body). fields: list of (name, value) or (name, (file name, bytes))."""
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in fields:
        disposition = f'form-data; name="{name}"'
        if isinstance(value, tuple):
            file_name, value = value
            disposition += f'; filename="{file_name}"'
        if isinstance(value, str):
            value = value.encode()
        body += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + value + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def processes_of(parent):
    """Pids of the children of a process."""
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                children.append(int(status.parent.name))
    return children


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Node:
    """One node. `tables` are the keys of the configuration by table, merged over the defaults of the tests; a list is an
    array of tables."""

    def __init__(self, build, folder, upstream_port, module=None, tables=None):
        self.build, self.folder = Path(build), Path(folder)
        self.secbeat = str(self.build / "bin" / "secbeat")
        self.guests = self.build / "guests"
        self.site_port, self.api_port = free_port(), free_port()
        self.data, self.state = self.folder / "data", self.folder / "state"
        self.log = self.folder / "node.log"
        self.process, self.contract = None, None
        self.working_folder, self.environment = None, {}  # the latter beside this process' own
        self.key, self.tls = None, None  # what calls of the API are made with
        self.tables = {
            "waf.wasm": {"module": str(module)} if module else {},
            "waf.wasm.reload": {"max_reload_frequency_seconds": 0},
            "api": {"listen": f"127.0.0.1:{self.api_port}"},
            "proxy": {"listen": f"127.0.0.1:{self.site_port}", "upstream": f"127.0.0.1:{upstream_port}", "workers": 2,
                      "receipt": True},
            "node": {"name": "test", "data_dir": str(self.data), "state_dir": str(self.state)},
        }
        merge(self.tables, tables)
        self.config = self.folder / "secbeat.toml"

    def write_config(self):
        self.config.write_text(toml_text(self.tables))

    # -- life ------------------------------------------------------------------------------------------------

    def start(self, wait=True):
        self.write_config()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.secbeat, "node", "--config", str(self.config)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True, cwd=self.working_folder,
                                            env={**os.environ, **self.environment})
        return self.wait_until_ready() if wait else self

    def wait_until_ready(self):
        wait_for("the node to be ready", lambda: self.is_ready() or self.process.poll() is not None, log=self.log)
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
        return self

    def is_ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz").status == 200
        return False

    def stop(self):
        """SIGTERM; the exit status. Its nginx ends with it."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill_agent(self):
        self.process.kill()
        self.process.wait()

    def clean_up(self):
        """Ends whatever is left, also an nginx whose agent was killed."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        master = self.master_pid()
        for pid in ([master] + self.worker_pids() if master else self.worker_pids()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def master_pid(self):
        for pid_file in list(self.folder.glob("**/nginx.pid")):
            with contextlib.suppress(OSError, ValueError):
                pid = int(pid_file.read_text())
                if is_alive(pid):
                    return pid
        return None

    def worker_pids(self):
        """Workers of this node's nginx, orphans of a killed master as well."""
        mine = []
        for maps in Path("/proc").glob("[0-9]*/maps"):
            with contextlib.suppress(OSError):
                if str(self.state / "workers" / "scoreboard") in maps.read_text() and \
                        b"nginx: worker" in (maps.parent / "cmdline").read_bytes():
                    mine.append(int(maps.parent.name))
        return sorted(mine)

    def compile_child(self):
        """The pid of a compile child of the agent, or None."""
        for pid in processes_of(self.process.pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"secbeat-compile\0"):
                    return pid
        return None

    # -- talking ---------------------------------------------------------------------------------------------

    def site(self, path="/", method="GET", headers=None, body=None):
        return http_request(self.site_port, method, path, headers, body)

    def api(self, method, path, headers=None, body=None):
        """An answer of the API, which is one that its document promises."""
        key = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        answer = http_request(self.api_port, method, path, {**key, **(headers or {})}, body, tls=self.tls)
        if self.contract is None:
            self.contract = Contract(http_request(self.api_port, "GET", "/openapi.json", key, tls=self.tls).json)
        self.contract.check(method, path, answer)
        return answer

    def get(self, path):
        return self.api("GET", path)

    def post(self, path, body=None, headers=None):
        return self.api("POST", path, headers, body)

    def delete(self, path):
        return self.api("DELETE", path)

    def remove(self, name, **query):
        return self.delete(f"/api/v1/wasm/modules/{quote(name, safe='')}" + (f"?{urlencode(query)}" if query else ""))

    def modules(self):
        """Names and versions in the order in which requests meet them."""
        return {module["name"]: module["version"] for module in self.get("/api/v1/wasm/modules").json["modules"]}

    def upload(self, module=None, path="/api/v1/wasm/reload", **fields):
        """Uploads a guest by name, a file by path, or bytes; further form fields by keyword."""
        form = []
        if module is not None:
            content = module if isinstance(module, bytes) else self.guest(module).read_bytes()
            form.append(("file", ("module.wasm", content)))
        form += [(name, value) for name, value in fields.items()]
        content_type, body = multipart(form)
        return self.post(path, body, {"Content-Type": content_type})

    def guest(self, name):
        path = Path(name)
        return path if path.is_absolute() else self.guests / f"{name}.wasm"

    def rollback(self, **fields):
        return self.post("/api/v1/wasm/rollback", json.dumps(fields), {"Content-Type": "application/json"})

    def version(self, name=None):
        return self.get("/api/v1/wasm/version" + (f"?name={name}" if name else "")).json

    def history(self):
        return self.get("/api/v1/wasm/history").json["reloads"]

    def whole_history(self, name):
        """Every row of a module, over all pages."""
        rows, page = [], [None]
        while page:
            before = f"&before={rows[-1]['id']}" if rows else ""
            page = self.get(f"/api/v1/wasm/history?name={name}&limit=1000{before}").json["reloads"]
            rows += page
        return rows

    def cli(self, *arguments, env=None):
        scheme = "https" if self.tls else "http"
        return subprocess.run([self.secbeat, *arguments], capture_output=True, text=True, timeout=UPLOAD_TIMEOUT, check=False,
                              env={**os.environ, "SECBEAT_API": f"{scheme}://127.0.0.1:{self.api_port}",
                                   **({"SECBEAT_KEY": self.key} if self.key else {}), **(env or {})})

    def curl(self, *arguments):
        """curl as a user types it; answers (status, body)."""
        done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *arguments], capture_output=True, text=True,
                              timeout=UPLOAD_TIMEOUT, check=False)
        assert done.returncode == 0, done.stderr
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body


class Load:
    """secbeat-load against a node while a test does something; read `result` after the with block."""

    def __init__(self, node, rate=300, connections=8, seconds=120, **options):
        self.node, self.result, self.records = node, None, []
        self.file = node.folder / f"load-{uuid.uuid4().hex}.txt"
        self.command = [str(node.build / "bench" / "secbeat-load"), "--port", str(node.site_port), "--rate", str(rate),
                        "--connections", str(connections), "--seconds", str(seconds), "--records", str(self.file)]
        for name, value in options.items():
            self.command += [f"--{name.replace('_', '-')}", str(value)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        wait_for("the load to have answers", lambda: self.file.exists() and self.file.stat().st_size > 0)
        return self

    def __exit__(self, *error):
        self.process.terminate()
        output, _ = self.process.communicate(timeout=60)
        self.result = json.loads(output)
        for line in self.file.read_text().splitlines():
            due, sent, done, status, what = line.split(" ", 4)
            self.records.append((int(due), int(sent), int(done), int(status), what))
        return False

    @property
    def lost(self):
        return self.result["failed"], self.result["closed_by_server"], self.result["failures"]


def monotonic_us():
    return time.monotonic_ns() // 1000
