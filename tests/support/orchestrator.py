"""A real orchestrator for process tests, and fleets of real nodes under it."""

import contextlib
import http.client
import json
import os
import subprocess
from pathlib import Path

from support.contract import Contract
from support.node import UPLOAD_TIMEOUT, http_request, multipart
from support.processes import free_port, wait_for
from support.tables import merge, toml_text


class Orchestrator:
    def __init__(self, build, folder, nats_url, name="orchestrator-1", tables=None):
        self.build, self.folder, self.name = Path(build), Path(folder), name
        self.secbeat = str(self.build / "bin" / "secbeat")
        self.api_port = free_port()
        self.log = self.folder / f"{name}.log"
        self.config = self.folder / f"{name}.toml"
        self.process, self.contract, self.working_folder = None, None, None
        self.key, self.tls = None, None  # what calls of the API are made with
        self.tables = {"nats": {"url": nats_url}, "orchestrator": {"name": name},
                       "api": {"listen": f"127.0.0.1:{self.api_port}"}}
        merge(self.tables, tables)

    def write_config(self):
        self.config.write_text(toml_text(self.tables))

    def start(self, wait=True):
        self.write_config()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.secbeat, "orchestrator", "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.working_folder)
        if wait:
            wait_for("the orchestrator to be ready", lambda: self.is_ready() or self.process.poll() is not None, log=self.log)
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
        return self

    def is_ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz").status == 200
        return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        undocumented = [line for line in log.splitlines() if "which is not documented" in line]
        assert not undocumented, undocumented

    def api(self, method, path, headers=None, body=None):
        key = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        answer = http_request(self.api_port, method, path, {**key, **(headers or {})}, body, tls=self.tls)
        if self.contract is None:
            self.contract = Contract(http_request(self.api_port, "GET", "/openapi.json", key, tls=self.tls).json)
        self.contract.check(method, path, answer)
        return answer

    def get(self, path):
        return self.api("GET", path)

    def post(self, path, **fields):
        return self.api("POST", path, {"Content-Type": "application/json"}, json.dumps(fields) if fields else None)

    def upload(self, guest=None, path="/api/v1/wasm/reload-fleet", **fields):
        form = []
        if guest is not None:
            content = guest if isinstance(guest, bytes) else (self.build / "guests" / f"{guest}.wasm").read_bytes()
            form.append(("file", ("module.wasm", content)))
        content_type, body = multipart(form + list(fields.items()))
        return self.api("POST", path, {"Content-Type": content_type}, body)

    def nodes(self):
        return {node["node"]: node for node in self.get("/api/v1/nodes").json["nodes"]}

    def serving(self, module="bad-bot-blocker"):
        """What each node reports that it serves of the module."""
        return {name: node["modules"].get(module, {}).get("version") for name, node in self.nodes().items()}

    def rollout(self, rollout):
        return self.get(f"/api/v1/rollouts/{rollout}").json

    def await_end(self, rollout):
        return self.await_state(rollout, "ended")

    def await_state(self, rollout, state):
        """Once it is in the state, or ended whatever its state."""
        def there():
            answer = self.get(f"/api/v1/rollouts/{rollout}")
            assert answer.status in (200, 503), answer  # the latter: NATS is away
            return answer.status == 200 and (answer.json["ended"] or answer.json["state"] == state) and answer.json

        return wait_for(f"{rollout} to be {state}", there, log=self.log)

    def cli(self, *arguments, env=None):
        scheme = "https" if self.tls else "http"
        return subprocess.run([self.secbeat, "fleet", *arguments], capture_output=True, text=True, timeout=UPLOAD_TIMEOUT,
                              check=False, env={**os.environ, "SECBEAT_ORCHESTRATOR": f"{scheme}://127.0.0.1:{self.api_port}",
                                                **({"SECBEAT_KEY": self.key} if self.key else {}), **(env or {})})


@contextlib.contextmanager
def orchestrators_in(folder, build, nats_url):
    """make(name=…, tables=…, start=True): orchestrators that end with the block."""
    made = []

    def make(name="orchestrator-1", tables=None, start=True):
        one = Orchestrator(build, folder, nats_url, name, tables)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in made:
        one.clean_up()
