"""A real server of S3 that checks signatures: versitygw, on a folder of its own."""

import contextlib
import os
import socket
import subprocess
from pathlib import Path

from support.processes import free_port, wait_for

KEY, SECRET, BUCKET = "secbeat-test-key", "secbeat-test-secret", "rules"


class S3Server:
    def __init__(self, folder, program=None):
        self.program = program or os.environ["SECBEAT_VERSITYGW"]
        self.folder, self.port, self.process = Path(folder) / "s3", free_port(), None
        self.bucket, self.log = self.folder / "root" / BUCKET, self.folder / "s3.log"
        self.bucket.mkdir(parents=True)
        (self.folder / "sidecar").mkdir()  # tmpfs has no attributes for users

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "--port", f"127.0.0.1:{self.port}", "--access", KEY, "--secret", SECRET, "posix",
                                             "--sidecar", str(self.folder / "sidecar"), str(self.folder / "root")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for("versitygw to listen", self.answers, log=self.log)
        return self

    def answers(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        return False

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def credentials(self, name="s3.ini", secret=SECRET):
        """A file that holds them."""
        file = self.folder / name
        file.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n")
        file.chmod(0o600)
        return file

    def table(self, prefix="waf", **keys):
        """[archive] of a configuration."""
        return {"url": f"s3://{BUCKET}/{prefix}", "endpoint": self.url, "credentials": str(self.credentials()), **keys}

    def files(self, prefix="waf"):
        """What the bucket holds, as the server has it on its disk: names and bytes."""
        root = self.bucket / prefix
        return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
