"""Request bodies: read where a rule wants them, left alone elsewhere, and whole for the upstream in either case."""

import os
import resource
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from support.h2 import DATA, END_STREAM, HEADERS, H2Peer
from support.processes import wait_for
from support.state import rule
from support.wire import RawClient, read_until, request

BLOCKED = b"Blocked by WASM rule: rule\n"
TRUNCATED, NOT_GIVEN, HTTP_2 = 1, 2, 8
UNKNOWN = 2**64 - 1
KIB = 1024


@pytest.fixture
def make(make_site, echo):
    def make(location="", guest="body_reader", **options):
        return make_site(f"location / {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{echo.port}; {location} }}",
                         slots=[rule(guest)], **options)
    return make


def told_body(site):
    """(bytes given, length told, flags) of the last described request."""
    words = site.told().split(" ")
    return int(words[9]), int(words[10]), int(words[8])


def send_chunked(client, pieces, *headers, path="/"):
    client.head("POST", path, "Transfer-Encoding: chunked", *headers)
    for piece in pieces:
        client.chunk(piece)
    client.chunk(b"")
    return client.response()


def curl_http_2(site, body, *options):
    done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_code}", "-H", "Expect:", "--data-binary",
                           "@-", *options, f"http://127.0.0.1:{site.port}/"], input=body, capture_output=True, check=True)
    return int(done.stdout[-3:]), done.stdout[:-3]


# -- a body is inspected, however it comes -----------------------------------------------------------------------


def test_body_with_a_length(make, echo):
    site = make()
    assert request(site.port, "POST", "/", body=b"an attack").body == BLOCKED
    assert echo.requests == []
    assert request(site.port, "POST", "/", body=b"harmless").body == b"POST / 8"


def test_chunked_body(make, echo):
    site = make()
    with RawClient(site.port) as client:
        assert send_chunked(client, [b"an att", b"ack"]).body == BLOCKED
        assert send_chunked(client, [b"harm", b"less"]).body == b"POST / 8"
    assert [body for *_, body in echo.requests] == [b"harmless"]


def test_body_in_pieces_is_waited_for(make, echo):
    site = make()
    with RawClient(site.port) as client:
        client.head("POST", "/", "Content-Length: 15")
        client.send(b"a slow a")
        # Another request is served meanwhile: the worker waits for nobody.
        assert request(site.port).status == 200
        client.send(b"ttack..")
        assert client.response().body == BLOCKED
        client.head("POST", "/", "Content-Length: 6")
        client.send(b"no")
        assert request(site.port).status == 200
        client.send(b"thin")
        assert client.response().body == b"POST / 6"
    assert [method for method, *_ in echo.requests] == ["GET", "GET", "POST"]


@pytest.mark.parametrize("buffer", ["1k", "256k"])
def test_large_body_in_memory_or_spooled_to_disk(make, echo, buffer):
    site = make(f"client_body_buffer_size {buffer}; client_max_body_size 0;")
    filler = bytes(range(256)) * 400
    for body in (filler + b"attack", b"attack" + filler, filler[:60000] + b"attack" + filler[:6000]):
        assert request(site.port, "POST", "/", body=body).body == BLOCKED
        with RawClient(site.port) as client:
            assert send_chunked(client, [body[:1000], body[1000:70000], body[70000:]]).body == BLOCKED
    assert request(site.port, "POST", "/", body=filler).body == b"POST / %d" % len(filler)
    assert echo.requests[0][3] == filler


def test_body_over_http_2(make, echo):
    site = make("client_body_buffer_size 1k;", listen="http2")
    assert curl_http_2(site, b"an attack") == (403, BLOCKED)
    assert curl_http_2(site, b"x" * 100000 + b"attack") == (403, BLOCKED)
    assert curl_http_2(site, b"x" * 100000) == (200, b"POST / 100000")
    # Without a Content-Length: curl sends what it reads as it comes.
    assert curl_http_2(site, b"attack", "-H", "Transfer-Encoding: chunked") == (403, BLOCKED)
    assert echo.requests[0][3] == b"x" * 100000


def test_first_part_in_the_header_buffer_and_the_rest_later(make):
    site = make("client_body_buffer_size 16k;")
    with RawClient(site.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"y" * 500 + b"att")
        client.send(b"ack" + b"z" * 8494)
        assert client.response().body == BLOCKED


def test_the_next_request_after_a_body_in_the_same_packet(make):
    site = make()
    with RawClient(site.port) as client:
        client.send(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nattackPOST /2 HTTP/1.1\r\nHost: x\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n4\r\nnice\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [client.response().body for _ in range(3)] == [BLOCKED, b"POST /2 4", b"GET /3 0"]


def test_get_without_body_is_not_kept_waiting(make):
    site = make()
    assert site.inspections_of(lambda: request(site.port).status) == (1, 200)
    assert request(site.port, "POST", "/", body=b"").body == b"POST / 0"


def test_expect_continue_where_the_body_is_wanted(make):
    site = make()
    with RawClient(site.port) as client:
        for body, status in ((b"attack", 403), (b"benign", 200)):
            client.head("POST", "/", "Content-Length: 6", "Expect: 100-continue")
            assert client.response().status == 100
            client.send(body)
            assert client.response().status == status


# -- limits -------------------------------------------------------------------------------------------------------


def test_longer_body_is_inspected_up_to_the_limit_and_marked(make):
    site = make("client_body_buffer_size 1k;", guest="describes_request", max_body_bytes=4 * KIB)
    for length, given, flags in ((4 * KIB, 4 * KIB, 0), (4 * KIB + 1, 4 * KIB, TRUNCATED), (100000, 4 * KIB, TRUNCATED)):
        assert request(site.port, "POST", "/", "X-Describe: frame", body=b"x" * length).body == b"POST / %d" % length
        assert told_body(site) == (given, length, flags)
        with RawClient(site.port) as client:
            assert send_chunked(client, [b"x" * length], "X-Describe: frame").body == b"POST / %d" % length
        assert told_body(site) == (given, length, flags)


def test_what_lies_behind_the_limit_is_not_inspected(make):
    site = make(max_body_bytes=4 * KIB)
    assert request(site.port, "POST", "/", body=b"x" * 4 * KIB + b"attack").status == 200
    assert request(site.port, "POST", "/", body=b"x" * (4 * KIB - 6) + b"attack").status == 403


def test_longer_body_is_refused_where_the_node_says_so(make, echo):
    site = make(max_body_bytes=4 * KIB, body_over_limit="block")
    assert request(site.port, "POST", "/", body=b"x" * 4 * KIB).status == 200
    with RawClient(site.port) as client:
        for _ in range(2):
            refused = client.request("POST", "/", body=b"x" * (4 * KIB + 1))
            assert (refused.status, refused.get("Content-Type")) == (403, "text/plain")
            assert b"longer than what is inspected" in refused.body
        assert send_chunked(client, [b"x" * 3 * KIB, b"x" * 3 * KIB]).status == 403
        assert send_chunked(client, [b"x" * 3 * KIB]).status == 200
    assert [len(body) for *_, body in echo.requests] == [4 * KIB, 3 * KIB]


def test_longer_body_is_refused_before_it_comes(make):
    site = make("client_max_body_size 0;", max_body_bytes=4 * KIB, body_over_limit="block")
    with RawClient(site.port) as client:
        client.head("POST", "/", "Content-Length: 1000000000", "Expect: 100-continue")
        assert client.response().status == 403


def test_body_over_nginx_own_limit(make):
    site = make("client_max_body_size 10k;")
    assert request(site.port, "POST", "/", body=b"x" * 20000).status == 413
    with RawClient(site.port) as client:
        client.head("POST", "/", "Transfer-Encoding: chunked")
        client.chunk(b"x" * 8000)
        client.chunk(b"x" * 8000)
        assert client.response().status == 413
    assert request(site.port, "POST", "/", body=b"x" * 10000).status == 200


def test_failed_reading_with_an_inspected_error_page(make_site):
    site = make_site('location / { error_page 413 /large; client_max_body_size 1k; return 200; }'
                     'location /large { return 200 "too large\n"; }', slots=[rule("describes_request")])
    with RawClient(site.port) as client:
        client.head("POST", "/", "Transfer-Encoding: chunked", "X-Describe: frame")
        client.chunk(b"x" * 600)
        client.chunk(b"x" * 600)
        refused = client.response()
    assert (refused.status, refused.body) == (413, b"too large\n")
    assert told_body(site) == (0, UNKNOWN, NOT_GIVEN)
    assert site.state.inspected() == 1


# -- clients that do not finish -------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [["Content-Length: 1000"], ["Transfer-Encoding: chunked"]])
def test_client_that_goes_away_in_mid_body(make, headers):
    site = make()

    def abort():
        client = RawClient(site.port)
        client.head("POST", "/gone", *headers)
        client.chunk(b"only this")
        client.close()
        site.log_lines(1)

    assert site.inspections_of(abort)[0] == 0
    assert "/gone 400" in site.log_lines(1)[0]
    assert request(site.port).status == 200
    # The fixture ends nginx gracefully: a request that leaks would keep its worker.


def test_client_that_goes_away_in_mid_body_over_http_2(make):
    site = make(listen="http2")
    with H2Peer.connect(site.port) as client:
        client.post(1, "/gone")
        client.send_data(1, b"only this")
        client.barrier()
    assert "/gone" in site.log_lines(1)[0]
    assert site.state.inspected() == 0
    assert curl_http_2(site, b"fine") == (200, b"POST / 4")


def test_client_that_is_too_slow(make):
    site = make("client_body_timeout 100ms;")
    with RawClient(site.port) as client:
        client.head("POST", "/slow", "Content-Length: 10")
        client.send(b"12345")
        assert client.response() is None
    assert "/slow 408" in site.log_lines(1)[0]


# -- bodies that nobody wants ---------------------------------------------------------------------------------------


def test_body_is_not_read_where_no_rule_wants_it(make_site, patient):
    site = make_site(f"location / {{ proxy_http_version 1.1; proxy_request_buffering off; "
                     f"proxy_pass http://127.0.0.1:{patient.port}; }}", slots=[rule("needs_no_body")])
    streams(site, patient)


def test_body_is_not_read_where_it_is_switched_off(make_site, patient):
    site = make_site(f"location / {{ secbeat_body off; proxy_http_version 1.1; proxy_request_buffering off; "
                     f"proxy_pass http://127.0.0.1:{patient.port}; }}", slots=[rule("body_reader")])
    streams(site, patient)


def streams(site, patient):
    """The upstream has the first part of a body before the client has sent the second."""
    with RawClient(site.port) as client:
        client.head("POST", "/", "Transfer-Encoding: chunked")
        client.chunk(b"first part")
        with patient.accept() as upstream:
            assert b"first part" in read_until(upstream, b"first part")
            client.chunk(b"second part")
            client.chunk(b"")
            read_until(upstream, b"second part\r\n0\r\n\r\n")
            upstream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert client.response().body == b"ok"


def test_flags_where_the_body_is_switched_off(make):
    site = make("secbeat_body off;", guest="describes_request")
    assert request(site.port, "POST", "/", "X-Describe: frame", body=b"x" * 100).status == 200
    assert told_body(site) == (0, 100, NOT_GIVEN)
    assert request(site.port, "GET", "/", "X-Describe: frame").status == 200
    assert told_body(site) == (0, 0, 0)
    with RawClient(site.port) as client:
        assert send_chunked(client, [b"x"], "X-Describe: frame").status == 200
        assert told_body(site) == (0, UNKNOWN, NOT_GIVEN)


def test_flags_where_the_body_is_switched_off_over_http_2(make):
    site = make("secbeat_body off;", guest="describes_request", listen="http2")
    assert curl_http_2(site, b"x" * 100, "-H", "X-Describe: frame") == (200, b"POST / 100")
    assert told_body(site) == (0, 100, NOT_GIVEN | HTTP_2)


def test_blocked_without_its_body_and_expect_continue(make_site):
    site = make_site("location / { }", slots=[rule("block_when_header")])
    with RawClient(site.port) as client:
        client.head("POST", "/", "X-Block: 1", "Content-Length: 6", "Expect: 100-continue")
        assert client.response().status == 403


def test_grpc_stream_where_the_body_is_switched_off(make_site, patient):
    site = make_site(f"location / {{ secbeat_body off; grpc_pass grpc://127.0.0.1:{patient.port}; }}", listen="http2",
                     slots=[rule("body_reader")])
    with H2Peer.connect(site.port) as client:
        client.post(1, "/chat.Chat/Talk", ("te", "trailers"), ("content-type", "application/grpc"))
        client.send_data(1, b"first message")
        with H2Peer.accept(patient.accept()) as upstream:
            assert upstream.wait_for(DATA) == (0, 1, b"first message")
            # The upstream answers in the middle of the client's stream, and the client reads it there.
            upstream.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
            upstream.send_data(1, b"first answer")
            assert client.wait_for(DATA)[2] == b"first answer"
            client.send_data(1, b"attack", end=True)
            assert upstream.wait_for(DATA)[2] == b"attack"
            upstream.send_headers(1, [("grpc-status", "0")], end=True)
            assert client.wait_for(HEADERS)[0] & END_STREAM
    assert site.state.inspected() == 1


def test_websocket_upgrade(make_site, patient):
    site = make_site(f"location / {{ proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
                     f"proxy_set_header Connection upgrade; proxy_pass http://127.0.0.1:{patient.port}; }}",
                     slots=[rule("body_reader")])
    with RawClient(site.port) as client:
        client.head("GET", "/chat", "Upgrade: websocket", "Connection: Upgrade")
        with patient.accept() as upstream:
            read_until(upstream, b"\r\n\r\n")
            upstream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            assert client.response().status == 101
            for _ in range(3):
                client.send(b"attack from the client")
                assert read_until(upstream, b"client") == b"attack from the client"
                upstream.sendall(b"and back")
                assert client.reader.read(8) == b"and back"
            upstream.shutdown(socket.SHUT_RDWR)


# -- swaps ----------------------------------------------------------------------------------------------------------


def test_the_version_that_is_current_when_the_body_has_come_decides(make_site):
    site = make_site('location / { secbeat_receipt on; try_files /missing @named; } location @named { return 200 "n\\n"; }',
                     slots=[rule("body_reader", label="v1")])
    site.agent.wait_for_workers(1)
    with RawClient(site.port) as client:
        client.head("POST", "/", "Content-Length: 6")
        client.send(b"att")
        # A request that came later has been answered, so the one with half a body is being waited for.
        assert "/v1;" in request(site.port).get("X-SecBeat-Receipt")
        site.agent.swap(site.state.document(site.state.slot("allow_all", label="v2")))
        client.send(b"ack")
        response = client.response()
    assert response.status == 200
    assert "/v2;" in response.get("X-SecBeat-Receipt")


# -- a body that there is no memory for -----------------------------------------------------------------------------


@pytest.mark.parametrize("on_error, over_limit, status", [("closed", "inspect", 503), ("open", "inspect", 200), ("open", "block", 403)])
def test_a_body_that_cannot_be_read_is_decided_by_the_policy(make_site, on_error, over_limit, status):
    limit = 32 * KIB * KIB
    site = make_site("client_max_body_size 0; client_body_buffer_size 16k; location / { return 200; }",
                     slots=[rule("body_reader", on_error=on_error)], max_body_bytes=limit, body_over_limit=over_limit)
    assert request(site.port, "POST", "/", body=b"x").status == 200
    worker = site.state.counters()["workers"][0]["pid"]
    held = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * resource.getpagesize()
    # The next worker inherits from its master, whose user is ours, that half of such a body has room.
    resource.prlimit(site.nginx.process.pid, resource.RLIMIT_AS, (held + limit // 2, resource.RLIM_INFINITY))
    os.kill(worker, signal.SIGKILL)
    site.expected.append("exited on signal 9")
    wait_for("the next worker", lambda: [w for w in site.state.counters()["workers"] if w["pid"] != worker and w["generation"]],
             log=site.nginx.error_log)
    with RawClient(site.port) as client:
        # Chunked: of a length that is told beforehand, one that is too long is not read at all.
        answer = send_chunked(client, [b"x" * (limit // 8)] * 9)
    assert answer.status == status
    event = wait_for("an event", lambda: site.agent.events and site.agent.events.pop(0), log=site.nginx.error_log)
    assert (event["kind"], event["uri"]) == ("memory", "/")
    wait_for("inspection to go on", lambda: request(site.port, "POST", "/", body=b"an attack").body == BLOCKED)
    assert "the request could not be read" in site.nginx.error_log.read_text()
