"""As much HTTP/2 as a test needs to send a stream in pieces: frames, and headers written without compression."""

import socket

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
TIMEOUT = 60  # seconds until a peer gives up


def header_block(fields):
    """Literal fields without indexing and without Huffman coding (RFC 7541, 6.2.2)."""
    block = b""
    for name, value in fields:
        for text in (name.encode(), value.encode()):
            assert len(text) < 127
        block += bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


class H2Peer:
    """One end of a connection. Answers SETTINGS and PING by itself while it waits for a frame."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(TIMEOUT)
        self.reader = self.socket.makefile("rb")

    @classmethod
    def connect(cls, port):
        peer = cls(socket.create_connection(("127.0.0.1", port)))
        peer.socket.sendall(PREFACE)
        peer.send(SETTINGS, 0, 0)
        return peer

    @classmethod
    def accept(cls, connection):
        peer = cls(connection)
        assert peer.reader.read(len(PREFACE)) == PREFACE
        peer.send(SETTINGS, 0, 0)
        return peer

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, kind, flags, stream, payload=b""):
        self.socket.sendall(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def send_headers(self, stream, fields, end=False):
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, header_block(fields))

    def post(self, stream, path, *fields):
        """The head of a POST whose body follows by send_data()."""
        self.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "site.test"),
                                   *fields])

    def send_data(self, stream, content, end=False):
        self.send(DATA, END_STREAM if end else 0, stream, content)

    def frame(self):
        head = self.reader.read(9)
        assert len(head) == 9, "the peer has closed"
        return head[3], head[4], int.from_bytes(head[5:9], "big"), self.reader.read(int.from_bytes(head[:3], "big"))

    def wait_for(self, wanted):
        """The next frame of this kind: (flags, stream, payload)."""
        while True:
            kind, flags, stream, payload = self.frame()
            if kind == SETTINGS and not flags & ACK:
                self.send(SETTINGS, ACK, 0)
            if kind == PING and not flags & ACK:
                self.send(PING, ACK, 0, payload)
            if kind == wanted:
                return flags, stream, payload
            assert kind not in (RST_STREAM, GOAWAY), payload

    def barrier(self):
        """The peer has handled all that was sent before when this returns."""
        self.send(PING, 0, 0, b"barrier!")
        while not self.wait_for(PING)[0] & ACK:
            pass
