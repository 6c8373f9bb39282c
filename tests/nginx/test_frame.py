"""What a rule sees of a request."""

import re
import subprocess
import time

import pytest
from support.state import rule
from support.wire import RawClient, request

TLS, HTTP_2 = 4, 8
FIELDS = ("method", "uri", "version", "source_ip", "host", "server_ip", "request_id", "server_port", "flags", "body",
          "body_total", "source_port", "now_ms")


@pytest.fixture
def make(make_site):
    def make(server='location / { return 200 "r\\n"; }', **options):
        site = make_site(server, slots=[rule("describes_request")], **options)
        site.agent.wait_for_workers(1)
        return site
    return make


def frame(site):
    return dict(zip(FIELDS, site.told().split(" ")[:len(FIELDS)], strict=True))


def test_request_line_and_addresses(make):
    site = make()
    with RawClient(site.port) as client:
        client.send(b"OPTIONS /a//b/../c%20d?x=%41&y HTTP/1.1\r\nHost: Site.Test:80\r\nX-Describe: frame\r\n\r\n")
        client.response()
        source_port = client.socket.getsockname()[1]
    seen = frame(site)
    assert (seen["method"], seen["uri"], seen["version"]) == ("OPTIONS", "/a//b/../c%20d?x=%41&y", "HTTP/1.1")
    assert (seen["source_ip"], seen["source_port"]) == ("127.0.0.1", str(source_port))
    assert (seen["server_ip"], seen["server_port"]) == ("127.0.0.1", str(site.port))
    assert seen["host"] == "site.test"
    assert seen["flags"] == "0"


def test_uri_as_received_also_after_a_rewrite(make):
    site = make('rewrite ^/old(.*)$ /new$1; location /new { return 200; }')
    request(site.port, "GET", "/old/x?y", "X-Describe: frame")
    assert frame(site)["uri"] == "/old/x?y"


def test_headers_in_the_order_received_and_repeated(make):
    site = make()
    with RawClient(site.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHOST: a\r\nX-Describe: headers\r\nCookie: a=1\r\nX-Two: First\r\nCOOKIE: b=2\r\n"
                    b"x-two:  second\r\nX-Empty:\r\n\r\n")
        client.response()
    assert site.told() == "host=a|x-describe=headers|cookie=a=1|x-two=First|cookie=b=2|x-two=second|x-empty=|"


def test_more_headers_than_nginx_keeps_in_one_list_part(make):
    site = make()
    names = [f"x-{i}" for i in range(60)]
    request(site.port, "GET", "/", "X-Describe: headers", *[f"{name}:" for name in names])
    told = site.told()
    expected = "host=site.test|x-describe=headers|" + "".join(f"{name}=|" for name in names)
    assert told == expected[:len(told)]  # an event's message is cut
    assert "x-30=|" in told


def test_body(make):
    site = make()
    request(site.port, "POST", "/", "X-Describe: body", body=b"the body")
    assert site.told() == "the body"


def test_address_that_real_ip_finds(make):
    site = make("set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For; location / { return 200; }")
    request(site.port, "GET", "/", "X-Describe: frame", "X-Forwarded-For: 2001:db8::7")
    assert frame(site)["source_ip"] == "2001:db8::7"


def test_request_id_is_that_of_the_access_log(make):
    site = make()
    request(site.port, "GET", "/", "X-Describe: frame")
    seen = frame(site)
    assert re.fullmatch("[0-9a-f]{32}", seen["request_id"])
    assert site.log_lines(1)[0].endswith(seen["request_id"])


def test_time(make):
    site = make()
    before = time.time_ns() // 1_000_000
    request(site.port, "GET", "/", "X-Describe: frame")
    # nginx' clock is read once a turn of the event loop, so it may be a little behind, never ahead.
    assert before - 60_000 <= int(frame(site)["now_ms"]) <= time.time_ns() // 1_000_000


def test_http_2(make):
    site = make(listen="http2")
    subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-H", "X-Describe: frame", "-H", "Host: Other.Test",
                    f"http://127.0.0.1:{site.port}/a?b"], capture_output=True, check=True)
    seen = frame(site)
    assert (seen["version"], seen["flags"], seen["host"], seen["uri"]) == ("HTTP/2.0", str(HTTP_2), "other.test", "/a?b")


def test_tls(make, folder):
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=site.test", "-keyout", str(key), "-out", str(certificate)], capture_output=True, check=True)
    site = make(f"ssl_certificate {certificate}; ssl_certificate_key {key}; location / {{ return 200; }}",
                listen="ssl http2")
    for version, flags in (("--http1.1", TLS), ("--http2", TLS | HTTP_2)):
        subprocess.run(["curl", "-sSk", version, "-H", "X-Describe: frame", f"https://127.0.0.1:{site.port}/"],
                       capture_output=True, check=True)
        assert frame(site)["flags"] == str(flags)


def test_several_addresses_of_one_server(make):
    site = make('listen 127.0.0.2:$PORT; location / { return 200; }')
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
        subprocess.run(["curl", "-sS", "-H", "X-Describe: frame", f"http://{address}:{site.port}/"], capture_output=True,
                       check=True)
        assert frame(site)["server_ip"] == address
