"""A real nats-server with JetStream, and a client of a few lines that says and hears what tests need: the text protocol of
NATS, buckets and objects as they lie in their streams. What it writes is written by other code than what it tests."""

import base64
import contextlib
import hashlib
import json
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

from support.processes import free_port, wait_for

NAME_IN_USE = 10058  # of a stream that is there already, with other settings
SERVER = shutil.which("nats-server") or "/usr/sbin/nats-server"


class NatsServer:
    """`config`: more of its configuration, which begin_anew() replaces."""

    def __init__(self, folder, config="", program=None):
        self.program = str(program or SERVER)
        self.folder, self.port, self.process = Path(folder), free_port(), None
        self.wrapper, self.listen, self.host = [], "127.0.0.1", "127.0.0.1"  # a command before the server's; where clients find it
        self.log, self.config = self.folder / "nats.log", self.folder / "nats.conf"
        self.config.write_text(config)
        self.storage = ["-js", "-sd", str(self.folder / "store")]  # none where the configuration says it

    @property
    def url(self):
        return f"nats://{self.host}:{self.port}"

    def url_of(self, _):
        """What a node or an orchestrator of this name is told."""
        return self.url

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.wrapper, self.program, "-a", self.listen, "-p", str(self.port), *self.storage,
                                             "-c", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for("nats-server to listen", self.answers, log=self.log)
        return self

    def answers(self):
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=5).close()
            return True
        return False

    def begin_anew(self, config):
        self.kill()
        self.config.write_text(config)
        return self.start()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self):
        self.kill()

    def client(self, **options):
        return NatsClient(self.port, host=self.host, **options)


class NatsClient:
    """One connection, used for one call after the other."""

    def __init__(self, port, user=None, password=None, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.file = self.socket.makefile("rb")
        login = {"user": user, "pass": password} if user else {}
        self.send(b"CONNECT " + json.dumps({"verbose": False, "headers": True, "no_responders": True, "lang": "test",
                                            "version": "1", **login}).encode() + b"\r\nPING\r\n")
        while self.line() != b"PONG":
            pass

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while True:
            line = self.file.readline()
            assert line, "the connection to NATS has ended"
            if line.startswith(b"PING"):
                self.send(b"PONG\r\n")
            elif not line.startswith((b"INFO", b"+OK")):
                return line.strip()

    def publish(self, subject, data=b"", headers=None, reply=""):
        if headers:
            block = b"NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n"
            self.send(f"HPUB {subject} {reply} {len(block)} {len(block) + len(data)}\r\n".encode() + block + data + b"\r\n")
        else:
            self.send(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")

    def request(self, subject, data=b"", headers=None):
        """The answer as JSON; None: nobody listens there."""
        inbox = "_INBOX." + uuid.uuid4().hex
        self.send(f"SUB {inbox} 1\r\nUNSUB 1 1\r\n".encode())
        self.publish(subject, data, headers, inbox)
        words = self.line().split()
        size = int(words[-1])
        body = self.file.read(size + 2)[:-2]
        if words[0] == b"HMSG":
            body = body[int(words[-2]):]
        return json.loads(body) if body else None

    # -- JetStream -------------------------------------------------------------------------------------------

    def api(self, call, **arguments):
        return self.request(f"$JS.API.{call}", json.dumps(arguments).encode() if arguments else b"")

    def make_bucket(self, name):
        answer = self.api(f"STREAM.CREATE.KV_{name}", name=f"KV_{name}", subjects=[f"$KV.{name}.>"], max_msgs_per_subject=1,
                          storage="file", retention="limits", discard="new", num_replicas=1, allow_rollup_hdrs=True,
                          deny_delete=True, allow_direct=True)
        assert "error" not in answer or answer["error"]["err_code"] == NAME_IN_USE, answer

    def forget(self, stream, subject):
        """Its messages."""
        assert self.api(f"STREAM.PURGE.{stream}", filter=subject)["success"]

    def put(self, bucket, key, value):
        answer = self.request(f"$KV.{bucket}.{key}", json.dumps(value).encode() if not isinstance(value, bytes) else value)
        assert answer and "error" not in answer, answer

    def get(self, bucket, key):
        answer = self.api(f"STREAM.MSG.GET.KV_{bucket}", last_by_subj=f"$KV.{bucket}.{key}")
        if "error" in answer:
            return None
        return json.loads(base64.b64decode(answer["message"]["data"]))

    def delete_stream(self, name):
        assert self.api(f"STREAM.DELETE.{name}")["success"]

    def make_object_bucket(self, name):
        answer = self.api(f"STREAM.CREATE.OBJ_{name}", name=f"OBJ_{name}", subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
                          storage="file", retention="limits", discard="new", num_replicas=1, allow_rollup_hdrs=True,
                          allow_direct=True)
        assert "error" not in answer, answer

    def put_object(self, bucket, data, chunks=None, name=None, chunk_bytes=131072, nuid=None):
        """Under its SHA-256, or another name; the id of its chunks, with which the rest can be put later. `chunks`: which of
        them are put, as a slice; without one, all."""
        name, nuid = name or hashlib.sha256(data).hexdigest(), nuid or uuid.uuid4().hex[:22]
        parts = [data[i:i + chunk_bytes] for i in range(0, len(data), chunk_bytes)]
        for part in parts[chunks or slice(None)]:
            assert "error" not in self.request(f"$O.{bucket}.C.{nuid}", part)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        info = {"name": name, "bucket": bucket, "nuid": nuid, "size": len(data), "chunks": len(parts), "mtime": "2025-11-24T01:00:03Z",
                "options": {"max_chunk_size": chunk_bytes}, "digest": f"SHA-256={digest}"}
        self.put_metadata(bucket, name, json.dumps(info).encode())
        return nuid

    def put_metadata(self, bucket, name, data):
        subject = f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"
        assert "error" not in self.request(subject, data, {"Nats-Rollup": "sub"})

    # -- what others say -------------------------------------------------------------------------------------

    def listen(self, subject):
        """From now on; the connection is for next_said() alone then."""
        self.send(f"SUB {subject} 2\r\nPING\r\n".encode())
        while self.line() != b"PONG":
            pass

    def next_said(self):
        words = self.line().split()
        size = int(words[-1])
        return self.file.read(size + 2)[:-2][int(words[-2]) if words[0] == b"HMSG" else 0:]
