"""Slow clients, floods and garbage: requests through nginx do not notice, and the API answers again afterwards."""

import asyncio
import contextlib
import json
import os
import random
import resource
import socket
import subprocess

import pytest

from support.node import Load
from support.processes import wait_for
from support.steady import Steady

RATE = 300
FLOOD = 1000
SLACK_KIB, CONNECTION_KIB = 8 << 10, 32  # the API has 32 KiB for each connection
ROUNDS = (FLOOD, 0, 0)  # connections whose memory may be new: later rounds have that of the ones before


@pytest.fixture(scope="module")
def node(make_shared_node):
    return make_shared_node("generation_0")


@contextlib.contextmanager
def unnoticed(node, connections=0):
    """Requests come all the while; none of them may notice anything, and the node is the same afterwards. What `connections`
    of the API took may stay in the agent's heap for the next ones."""
    steady = Steady(node, "generation_0", grown_kib=SLACK_KIB + connections * CONNECTION_KIB)
    with Load(node, rate=RATE) as load:
        yield
        answers_again(node)
    assert load.lost[:2] == (0, 0), load.lost
    assert {status for _, _, _, status, _ in load.records} == {200}
    steady.check()
    print(f"\ngrown by KiB: {list(steady.grown().values())}")


def answers_again(node):
    def answers():
        with contextlib.suppress(OSError):
            return node.get("/api/v1/wasm/version").status == 200 and node.get("/readyz").status == 200
        return False
    wait_for("the API to answer again", answers, log=node.log)
    assert node.upload("generation_1", path="/api/v1/wasm/validate", name="generation_0").status == 200


SLOW = {
    "headers": ["-H"],
    "body": ["-B", "-t", "POST", "-s", "8192"],
    "range": ["-R", "-t", "HEAD"],
    "read": ["-X", "-k", "3", "-w", "10", "-y", "20", "-z", "5"],
}


def test_slow_clients_of_four_kinds(node):
    """slowhttptest, all four at a time."""
    with unnoticed(node, len(SLOW) * 400), contextlib.ExitStack() as stack:
        attacks = []
        for options in SLOW.values():
            command = ["slowhttptest", *options, "-c", "400", "-r", "400", "-i", "1", "-l", "3", "-x", "24",
                       "-u", f"http://127.0.0.1:{node.api_port}/openapi.json"]
            attack = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            stack.callback(attack.wait)
            stack.callback(attack.kill)
            attacks.append(attack)
        for attack in attacks:
            output = attack.communicate(timeout=60)[0].decode(errors="replace")
            assert "Exit status" in output, output[-2000:]


def raise_descriptors(count):
    """So many for this process, where the system has them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


async def flood(port, requests, connections):
    """One of `requests` on every connection, all at once; how many were answered."""
    async def client(number):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                writer.write(requests[number % len(requests)])
                await writer.drain()
                return (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 ")
        return False
    return sum(await asyncio.gather(*(client(number) for number in range(connections))))


def test_a_thousand_connections_that_ask_at_once(node):
    raise_descriptors(2 * FLOOD)
    requests = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
                for path in ("/healthz", "/api/v1/wasm/version", "/nothing", "/metrics", "/api/v1/wasm/history?limit=1000")]
    requests.append(requests[0] * 50)  # pipelined
    for connections in ROUNDS:
        with unnoticed(node, connections):
            assert asyncio.run(flood(node.api_port, requests, FLOOD)) == FLOOD


GARBAGE = [b"\x16\x03\x01\x02\0\x01\0" + b"\x7f" * 400, b"\xff" * 2000, b"\r\n" * 4000, b"GET " + b"/" * 60000, b"\0" * 3000,
           b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10000 + b"\r\n",
           b"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
           b"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
           b"Content-Type: multipart/form-data; boundary=b\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
           b"POST /api/v1/wasm/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
           b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + b"--b\r\n" * 5000]


def test_a_thousand_connections_with_garbage(node):
    raise_descriptors(2 * FLOOD)
    with unnoticed(node, FLOOD), contextlib.ExitStack() as stack:
        for number in range(FLOOD):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", node.api_port), timeout=60))
            with contextlib.suppress(OSError):
                client.sendall(GARBAGE[number % len(GARBAGE)])


def test_more_connections_than_the_api_holds(node):
    most = 4096
    raise_descriptors(2 * most)
    with unnoticed(node, most), contextlib.ExitStack() as stack:
        for _ in range(most + 100):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", node.api_port), timeout=60))
            with contextlib.suppress(OSError):
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost")
        assert node.site("/").status == 200
        stack.close()


def hello(**changes):
    return json.dumps({"type": "hello", "protocol": 1, "pid": os.getpid(), "slot": 127, "generation": 0, "build": "x",
                       "parent_pid": os.getppid(), **changes}).encode()


def packets(chance):
    """What no worker says: no message, a wrong one, or one that promises what is not there."""
    yield from (b"{", b"[]", b"null", b"\xff\xfe", b"{}", b"[" * 5000, b'{"type":' * 30, b"\0" * 4096, b" " * (160 << 10))
    yield from (hello(pid=1), hello(slot=-1), hello(slot=1 << 40), hello(protocol=2), hello(pid="x"), hello(type="bye"),
                hello(generation=1 << 63), hello(build="x" * 100000))
    yield from (json.dumps({"type": kind, "generation": 1}).encode() for kind in ("serving", "staged", "commit", "stage", "abort"))
    good = hello()
    for _ in range(200):
        broken = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield bytes(broken)
    for size in (1, 100, 4000, 100000):
        yield chance.randbytes(size)


def socket_of(node):
    return str(node.state / "agent.sock")


@contextlib.contextmanager
def peer(node):
    """A connection to the agent's socket for workers; where the agent closes it, the rest is skipped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(60)
        client.connect(socket_of(node))
        with contextlib.suppress(OSError):
            yield client


def test_garbage_on_the_socket_of_the_workers(node):
    with unnoticed(node):
        for packet in packets(random.Random(5)):
            with peer(node) as client:
                client.send(packet)
                client.send(b"again")


# What an accepted peer says next, each on a connection of its own.
LIES = [
    {"type": "serving", "generation": 1 << 40, "pause_ns": 1}, {"type": "serving", "generation": 0, "pause_ns": (1 << 63) - 1},
    {"type": "staged", "generation": 1 << 40}, {"type": "staged", "generation": 1},
    {"type": "stage_failed", "generation": 1, "module": "generation_0", "code": "no_such_word", "message": "\n\x1b[2J" * 50},
    {"type": "stage_failed", "generation": 1 << 40, "module": "x" * 1000, "code": "internal", "message": "m" * 5000},
    {"type": "events", "events": []}, {"type": "events", "events": [{}]}, {"type": "events", "events": [{"kind": "block"}] * 17},
]


def test_an_impostor_that_takes_the_place_of_a_worker(node):
    """Root may: it is who runs the agent. The workers connect again, and nothing that the impostor said stays."""
    with unnoticed(node):
        for slot in 0, 1, 127:
            for lie in LIES:
                with peer(node) as client:
                    client.send(hello(slot=slot, generation=1))
                    client.send(json.dumps(lie).encode())
                    client.send(hello(slot=slot))
        wait_for("the workers to be connected again", lambda: len(node.version()["workers"]) == 2, log=node.log)
    log = node.log.read_text(errors="replace")
    assert "no_such_word" in log and "\x1b" not in log
    version = node.version()["version"]
    assert node.upload("generation_2", name="generation_0").status == 200
    assert node.rollback().json["rolled_back_to"] == version


STRANGER = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
    client.connect(sys.argv[1])
    client.settimeout(60)
    client.send(json.dumps({**json.loads(sys.argv[2]), "pid": os.getpid()}).encode())
    try:
        print(client.recv(1 << 20) == b"")
    except ConnectionResetError:
        print(True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_process_of_the_workers_user_is_turned_away(node):
    with unnoticed(node):
        for slot in 0, 1, 127:
            done = subprocess.run(["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "/usr/bin/python3", "-c", STRANGER,
                                   socket_of(node), hello(slot=slot)], capture_output=True, text=True, timeout=60, check=False)
            assert done.stdout == "True\n", done.stderr


def test_a_thousand_connections_to_the_socket_of_the_workers(node):
    with unnoticed(node), contextlib.ExitStack() as stack:
        for _ in range(FLOOD):
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            client.setblocking(False)
            with contextlib.suppress(OSError):
                client.connect(socket_of(node))
        answers_again(node)


def test_a_flood_of_messages_on_the_socket_of_the_workers(node):
    event = {"unix_ms": 1, "method": "GET", "uri": "/" * 512, "source_ip": "203.0.113.9", "module": "generation_0",
             "version_id": 1 << 50, "kind": "block", "rule": "r", "message": "m" * 256}
    events = json.dumps({"type": "events", "events": [event] * 16}).encode()
    with unnoticed(node), peer(node) as client:
        client.send(hello())
        for _ in range(3000):
            client.send(events)
