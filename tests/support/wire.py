"""Clients and upstreams at the level of bytes, for what http.client hides: keepalive, Expect, bodies in pieces."""

import contextlib
import http.server
import socket
import threading

TIMEOUT = 60  # seconds until a peer gives up; no test expects to come near it


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def __repr__(self):
        return f"Response({self.status}, {self.headers}, {self.body[:200]!r})"


class RawClient:
    """One HTTP/1.1 connection; sends what it is given and reads one response at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, content):
        self.socket.sendall(content if isinstance(content, bytes) else content.encode())

    def head(self, method="GET", path="/", *headers):
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: site.test", *headers, "", ""]))

    def request(self, method="GET", path="/", *headers, body=None):
        if body is not None:
            headers = (*headers, f"Content-Length: {len(body)}")
        self.head(method, path, *headers)
        if body:
            self.send(body)
        return self.response(method)

    def chunk(self, content):
        self.send(b"%x\r\n%s\r\n" % (len(content), content))

    def response(self, method="GET"):
        """The next response, an interim one (100) included; None where the server has closed."""
        line = self.reader.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers = []
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, value = line.decode("latin-1").rstrip("\r\n").split(":", 1)
            headers.append((name, value.strip()))
        response = Response(status, headers, b"")
        if method != "HEAD" and status >= 200 and status not in (204, 304):
            response.body = self._body(response)
        return response

    def _body(self, response):
        if "chunked" in (response.get("Transfer-Encoding") or ""):
            body = b""
            while size := int(self.reader.readline(), 16):
                body += self.reader.read(size)
                self.reader.readline()
            self.reader.readline()
            return body
        length = response.get("Content-Length")
        return self.reader.read() if length is None else self.reader.read(int(length))

    def is_silent(self):
        """Whether nothing has come yet. True proves nothing by itself: ask when an answer would have been due."""
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)


def request(port, method="GET", path="/", *headers, body=None):
    """One request on a connection of its own."""
    with RawClient(port) as client:
        return client.request(method, path, *headers, body=body)


class EchoUpstream:
    """Answers with "METHOD PATH N" where N bytes of body came; keeps every request in `requests`."""

    def __init__(self):
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self._chunked() if "chunked" in self.headers.get("Transfer-Encoding", "") else \
                    self.rfile.read(int(self.headers.get("Content-Length", 0)))
                requests.append((self.command, self.path, dict(self.headers), body))
                answer = f"{self.command} {self.path} {len(body)}".encode()
                self.send_response(200)
                if self.path.startswith("/accel"):
                    self.send_header("X-Accel-Redirect", "/elsewhere")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_POST = do_HEAD = do_PUT = handle_any

            def _chunked(self):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class PatientUpstream:
    """Accepts one connection at a time and lets the test read and write it."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT)
        self.port = self._listener.getsockname()[1]

    def accept(self):
        connection, _ = self._listener.accept()
        connection.settimeout(TIMEOUT)
        return connection

    def has_waiting(self):
        self._listener.setblocking(False)
        try:
            with contextlib.closing(self._listener.accept()[0]):
                return True
        except BlockingIOError:
            return False
        finally:
            self._listener.settimeout(TIMEOUT)

    def close(self):
        self._listener.close()


def read_until(connection, marker):
    """What a connection sends up to and with `marker`."""
    seen = b""
    while marker not in seen:
        piece = connection.recv(65536)
        assert piece, f"closed before {marker!r}: {seen[-200:]!r}"
        seen += piece
    return seen
