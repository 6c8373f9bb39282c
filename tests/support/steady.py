"""A node under hostile input that must stay what it was: processes, version, memory, descriptors."""

import http.client
import time

from support.node import Answer, multipart
from support.processes import wait_for
from support.soak import descriptors, resident_kib


class Uploader:
    """Uploads over one connection that is kept; the first answer of each code is held against the API's document, which would
    take most of the time if it were done with thousands."""

    def __init__(self, node):
        self.node, self.connection = node, http.client.HTTPConnection("127.0.0.1", node.api_port, timeout=60)
        self.seen = set()
        self.node.get("/healthz")  # so that the node's contract is there

    def send(self, path, module, **fields):
        content_type, body = multipart([("file", ("module.wasm", module)), *fields.items()])
        self.connection.request("POST", path, body=body, headers={"Content-Type": content_type})
        answer = self.connection.getresponse()
        answer = Answer(answer.status, dict(answer.getheaders()), answer.read())
        kind = path, answer.status, answer.json.get("code")
        if kind not in self.seen:
            self.node.contract.check("POST", path, answer)
            self.seen.add(kind)
        return answer

    def reload(self, module, name):
        """Past the gates that judge behaviour, and again as long as something else is under way: the watch takes a version back
        when it wants to."""
        def answered():
            answer = self.send("/api/v1/wasm/reload", module, name=name, force="true")
            return None if answer.json.get("code") == "reload_in_progress" else answer
        return wait_for("nothing else to be under way", answered, log=self.node.log)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.connection.close()


class Steady:
    """What a node is before hostile input; check() after it. `grown_kib`: what each process may grow by meanwhile."""

    def __init__(self, node, name, grown_kib=4096):
        self.node, self.name, self.grown_kib = node, name, grown_kib
        self.version, self.pids = node.version(name)["version"], self._pids()
        self.memory, self.descriptors = self._memory(), self._descriptors()
        self.began = time.monotonic()

    def _pids(self):
        return [self.node.process.pid, self.node.master_pid(), *self.node.worker_pids()]

    def _memory(self):
        return {pid: resident_kib(pid) for pid in self.pids}

    def _descriptors(self):
        return {pid: descriptors(pid) for pid in self.pids}

    def grown(self):
        """{pid: KiB} since the start, the agent first."""
        now = self._memory()
        return {pid: now[pid] - self.memory[pid] for pid in self.pids}

    def check(self):
        assert self.node.process.poll() is None, self.node.log.read_text(errors="replace")[-4000:]
        assert self._pids() == self.pids, "a process is another one than before"
        assert self.node.version(self.name)["version"] == self.version
        assert self.node.site("/").status == 200
        assert self.node.compile_child() is None
        grown = self.grown()
        assert all(kib <= self.grown_kib for kib in grown.values()), grown
        wait_for(f"descriptors to be closed: {self.descriptors} before, {self._descriptors()} now",
                 lambda: all(now <= self.descriptors[pid] for pid, now in self._descriptors().items()))
