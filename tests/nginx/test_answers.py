"""What a client sees of a decision: status, body, receipt; and that its connection lives on."""

import re
import subprocess

import pytest
from support.h2 import HEADERS, H2Peer
from support.state import rule
from support.wire import RawClient, request

BLOCKED = b"Blocked by WASM rule: rule\n"
RECEIPT = "X-SecBeat-Receipt"


@pytest.fixture
def make(make_site):
    def make(server='location / { return 200 "r\\n"; }', guest="block_when_header", **options):
        return make_site(server, slots=options.pop("slots", [rule(guest)]), **options)
    return make


# -- blocked ------------------------------------------------------------------------------------------------------


def test_blocked_request(make):
    blocked = request(make().port, "GET", "/", "X-Block: 1")
    assert (blocked.status, blocked.body) == (403, BLOCKED)
    assert blocked.get("Content-Type") == "text/plain"
    assert blocked.get("Content-Length") == str(len(BLOCKED))


def test_blocked_head_request_has_no_body(make):
    site = make()
    with RawClient(site.port) as client:
        blocked = client.request("HEAD", "/", "X-Block: 1")
        assert (blocked.status, blocked.get("Content-Length")) == (403, str(len(BLOCKED)))
        assert client.request().body == b"r\n"


def test_the_module_that_blocks_is_named(make):
    site = make(slots=[rule("allow_all", name="first"), rule("block_when_header", name="second"),
                       rule("block_all", name="third")])
    assert request(site.port, "GET", "/", "X-Block: 1").body == b"Blocked by WASM rule: second\n"
    assert request(site.port, "GET", "/").body == b"Blocked by WASM rule: third\n"


def test_connection_lives_on_when_the_body_of_a_blocked_request_is_unread(make):
    site = make()
    with RawClient(site.port) as client:
        for _ in range(3):
            assert client.request("POST", "/", "X-Block: 1", body=b"x" * 300000).status == 403
            client.head("POST", "/", "X-Block: 1", "Transfer-Encoding: chunked")
            client.chunk(b"x" * 30000)
            assert client.response().body == BLOCKED
            client.chunk(b"y" * 30000)
            client.chunk(b"")
            assert client.request().body == b"r\n"


def test_connection_lives_on_after_a_body_that_was_read(make):
    site = make(guest="body_reader")
    with RawClient(site.port) as client:
        for _ in range(3):
            assert client.request("POST", "/", body=b"x" * 300000 + b"attack").status in (200, 403)
            assert client.request("POST", "/", body=b"attack").body == BLOCKED
            assert client.request().body == b"r\n"


def test_http_2_connection_lives_on(make):
    site = make(listen="http2")
    with H2Peer.connect(site.port) as client:
        client.post(1, "/", ("x-block", "1"))
        client.send_data(1, b"x" * 10000)
        assert client.wait_for(HEADERS)[1] == 1
        client.send_headers(3, [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")], end=True)
        stream = 1
        while stream != 3:
            kind, _, stream, _ = client.frame()
        assert kind == HEADERS
    blocked, passed = (line.split() for line in site.log_lines(2))
    assert (blocked[1], passed[1]) == ("403", "200")


def test_http_1_0_client(make):
    site = make()
    with RawClient(site.port) as client:
        client.send(b"GET / HTTP/1.0\r\nX-Block: 1\r\n\r\n")
        assert client.response().body == BLOCKED
        assert client.response() is None


# -- pages of the site's own ----------------------------------------------------------------------------------------


def test_error_page_of_the_location(make):
    site = make('error_page 403 /denied; location / { } location /denied { return 200 "our own page\\n"; }')
    inspected, blocked = site.inspections_of(lambda: request(site.port, "GET", "/", "X-Block: 1"))
    assert (inspected, blocked.status, blocked.body) == (1, 403, b"our own page\n")


def test_error_page_with_a_name_and_a_status(make):
    site = make('location / { error_page 403 =418 @denied; } location @denied { return 418 "named\\n"; }')
    inspected, blocked = site.inspections_of(lambda: request(site.port, "POST", "/", "X-Block: 1", body=b"x" * 100000))
    assert (inspected, blocked.status, blocked.body) == (1, 418, b"named\n")


def test_error_page_from_an_upstream_after_a_large_body(make, echo):
    site = make(f'location / {{ error_page 403 @denied; }}'
                f'location @denied {{ proxy_pass http://127.0.0.1:{echo.port}; client_max_body_size 0; }}')
    with RawClient(site.port) as client:
        for _ in range(2):
            blocked = client.request("POST", "/", "X-Block: 1", body=b"x" * 300000)
            assert (blocked.status, blocked.body) == (403, b"POST / 300000")


def test_error_page_of_another_status_does_not_take_our_body(make):
    site = make('location / { error_page 404 /denied; } location /denied { return 200 "page\\n"; }')
    assert request(site.port, "GET", "/", "X-Block: 1").body == BLOCKED


def test_blocked_on_the_error_page_of_an_off_location(make):
    site = make('location / { secbeat off; error_page 404 /on; return 404; } location /on { return 200 "on\\n"; }')
    blocked = request(site.port, "GET", "/", "X-Block: 1")
    assert (blocked.status, blocked.body) == (403, BLOCKED)


# -- 429 and 503 ----------------------------------------------------------------------------------------------------


def test_rate_limit(make):
    site = make("location / { return 200; secbeat_receipt on; }", guest="rate_limit_all", per_second=0.1, burst=3)
    with RawClient(site.port) as client:
        answers = [client.request() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[3].get("Retry-After")) <= 10
    assert answers[0].get("Retry-After") is None
    assert {re.sub(r".*verdict=", "", answer.get(RECEIPT)) for answer in answers} == {"rate_limit"}


def test_rate_limit_with_an_error_page_keeps_retry_after(make):
    site = make('error_page 429 /slow; location / { return 200; } location /slow { return 200 "slow down\\n"; }',
                guest="rate_limit_all", per_second=0.1, burst=1)
    assert request(site.port).status == 200
    limited = request(site.port)
    assert (limited.status, limited.body) == (429, b"slow down\n")
    assert int(limited.get("Retry-After")) >= 1


def test_rate_limit_counts_the_address_that_real_ip_finds(make):
    site = make("set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP; location / { return 200; }", guest="rate_limit_all",
                per_second=0.1, burst=1)
    for address in ("192.0.2.1", "192.0.2.2"):
        assert request(site.port, "GET", "/", f"X-Real-IP: {address}").status == 200
        assert request(site.port, "GET", "/", f"X-Real-IP: {address}").status == 429


def test_failing_module_with_policy_closed(make):
    site = make('location / { secbeat_receipt on; return 200 "r\\n"; }',
                slots=[rule("traps_on_request", on_error="closed")])
    with RawClient(site.port) as client:
        failed = client.request("POST", "/", "X-Trap: 1", body=b"x" * 100000)
        assert (failed.status, failed.get(RECEIPT)) == (503, None)
        assert client.request().status in (200, 503)  # 503 while the helper thread makes the next instance


def test_failing_module_with_policy_open(make):
    site = make(slots=[rule("traps_on_request", on_error="open")])
    assert request(site.port, "GET", "/", "X-Trap: 1").body == b"r\n"


def test_endless_loop_with_policy_open(make):
    site = make(slots=[rule("loops_on_request", on_error="open")])
    assert request(site.port, "GET", "/", "X-Loop: 1").body == b"r\n"


# -- receipts -------------------------------------------------------------------------------------------------------


def receipts_of(answer):
    return [re.fullmatch(r"([^/]+)/([^;]+);sha256=([0-9a-f]{16});verdict=(\w+)", line).groups()
            for line in answer.all(RECEIPT)]


def test_receipt_on_every_kind_of_response(make, echo):
    site = make(f'''
        secbeat_receipt on; error_page 403 /denied;
        location / {{ error_page 403 @none; }}
        location /proxied {{ proxy_pass http://127.0.0.1:{echo.port}; }}
        location /returned {{ return 200; }}  location /moved {{ return 301 /elsewhere; }}
        location /tried {{ try_files /missing /returned; }}
        location /forbidden {{ return 403; }} location /denied {{ return 200 "page"; }}
        location /own {{ error_page 404 /x; }}
        location /down {{ proxy_pass http://127.0.0.1:9; }}
        location /accel {{ proxy_pass http://127.0.0.1:{echo.port}; }} location /elsewhere {{ return 200; }}''')
    sha256 = site.state.version("block_when_header")["sha256"][:16]
    for path, status in (("/file.txt", 200), ("/", 200), ("/missing", 404), ("/proxied", 200), ("/returned", 200),
                         ("/moved", 301), ("/tried", 200), ("/forbidden", 403), ("/down", 502), ("/accel", 200)):
        answer = request(site.port, "GET", path)
        assert answer.status == status
        assert receipts_of(answer) == [("rule", "v1", sha256, "allow")]
    for path in ("/own", "/proxied"):
        assert receipts_of(request(site.port, "GET", path, "X-Block: 1")) == [("rule", "v1", sha256, "block")]


@pytest.mark.parametrize(("guest", "status", "verdict"), [("allow_all", 200, "allow"), ("log_all", 200, "log"),
                                                           ("block_all", 403, "block"),
                                                           ("rate_limit_all", 200, "rate_limit")])
def test_receipt_of_each_verdict(make, guest, status, verdict):
    site = make("location / { secbeat_receipt on; return 200; }", slots=[rule(guest, name="waf", label="1.4.2+2")])
    answer = request(site.port)
    assert answer.status == status
    assert receipts_of(answer)[0][:2] == ("waf", "1.4.2+2")
    assert receipts_of(answer)[0][3] == verdict


def test_receipt_over_http_2(make):
    site = make("location / { secbeat_receipt on; return 200; }", listen="http2")
    head = subprocess.run(["curl", "-sSi", "--http2-prior-knowledge", f"http://127.0.0.1:{site.port}/"],
                          capture_output=True, text=True, check=True).stdout
    assert "x-secbeat-receipt: rule/v1;sha256=" in head


def test_no_receipt_unless_asked_for_or_where_no_module_decides(make, make_site):
    site = make('location / { return 200; } location /off { secbeat off; secbeat_receipt on; return 200; }')
    assert request(site.port).get(RECEIPT) is None
    assert request(site.port, "GET", "/", "X-Block: 1").get(RECEIPT) is None
    assert request(site.port, "GET", "/off").get(RECEIPT) is None
    empty = make_site("location / { secbeat_receipt on; return 200; }")
    assert request(empty.port).get(RECEIPT) is None


# -- variables ------------------------------------------------------------------------------------------------------


def test_variables_say_who_decided(make):
    site = make('location / { return 200 "$secbeat_module/$secbeat_version/$secbeat_verdict"; }'
                'location /tried { try_files /missing @named; } location @named { return 200 "$secbeat_verdict"; }'
                'location /off { secbeat off; return 200 "[$secbeat_verdict]"; }')
    assert request(site.port).body == b"rule/v1/allow"
    assert request(site.port, "GET", "/tried").body == b"allow"
    assert request(site.port, "GET", "/off").body == b"[]"
    assert request(site.port, "GET", "/", "X-Block: 1").status == 403
    assert [line.split()[2:5] for line in site.log_lines(4)] == [['"allow"', '"rule"', '"v1"'], ['"allow"', '"rule"', '"v1"'],
                                                                ['"-"', '"-"', '"-"'], ['"block"', '"rule"', '"v1"']]


def test_variables_name_the_rule_that_decided_and_what_it_says(make):
    site = make('location / { error_page 403 /said; return 200 "[$secbeat_rule|$secbeat_message]"; }'
                'location /said { secbeat off; return 403 "$secbeat_rule|$secbeat_message"; }')
    assert request(site.port).body == b"[|]"
    assert request(site.port, "GET", "/", "X-Block: 1").body == b"x-block|The request has the header x-block"


def test_variable_of_a_failed_module(make):
    site = make(slots=[rule("traps_on_request", on_error="closed")])
    assert request(site.port, "GET", "/", "X-Trap: 1").status == 503
    assert '"unavailable" "rule" "v1"' in site.log_lines(1)[0]
