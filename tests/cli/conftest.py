"""Fixtures for tests of the command line: the binary, and nodes that are none."""

import http.server
import json
import os
import subprocess
import threading

import pytest

@pytest.fixture
def run(build, folder):
    """run(*arguments, env={}, **options): the binary without a home of its own, so that no profile of the user matters."""
    def call(*arguments, env=None, **options):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SECBEAT_", "XDG_"))}
        options = {"capture_output": True, "text": True, "timeout": 60, "check": False, **options}
        return subprocess.run([str(build / "bin" / "secbeat"), *map(str, arguments)],
                              env={**clean, "HOME": str(folder), **(env or {})}, **options)
    return call


class Impostor:
    """An HTTP server that answers every request with what it is told, and keeps what it was asked."""

    def __init__(self, status, body):
        impostor, self.requests, self.status, self.body = self, [], status, body

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                impostor.requests.append((self.command, self.path, dict(self.headers)))
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(impostor.status)
                self.send_header("Content-Length", str(len(impostor.body)))
                self.end_headers()
                self.wfile.write(impostor.body)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.02])  # seconds until it sees that it is to end
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def impostor():
    """impostor(body, status=200): a server that answers with it; body: bytes, or something that becomes JSON."""
    servers = []

    def make(body, status=200):
        servers.append(Impostor(status, body if isinstance(body, bytes) else json.dumps(body).encode()))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
