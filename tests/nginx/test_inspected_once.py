"""Every client request that reaches a location with `secbeat on` is inspected exactly once."""

import subprocess

import pytest
from support.processes import nginx_binary
from support.state import rule
from support.wire import RawClient, request

BLOCKED = b"Blocked by WASM rule: rule\n"


def ask_twice(site, path="/", *headers, method="GET", body=None):
    """One request that passes and one that is blocked, each inspected once; returns the one that passed."""
    inspected, passed = site.inspections_of(lambda: request(site.port, method, path, *headers, body=body))
    assert inspected == 1
    inspected, blocked = site.inspections_of(lambda: request(site.port, method, path, *headers, "X-Block: 1", body=body))
    assert (inspected, blocked.status, blocked.body) == (1, 403, BLOCKED)
    return passed


@pytest.fixture
def make(make_site):
    return lambda server, **options: make_site(server, slots=[rule("block_when_header")], **options)


def test_location_that_returns(make):
    site = make('location / { return 200 "returned\\n"; }')
    assert ask_twice(site).body == b"returned\n"


def test_static_file(make):
    assert ask_twice(make("location / { }"), "/file.txt").body == b"the file\n"


def test_index_redirect(make):
    assert ask_twice(make("location / { } location = /index.html { }"), "/").body == b"the index\n"


def test_proxied_location(make, echo):
    site = make(f"location / {{ proxy_pass http://127.0.0.1:{echo.port}; }}")
    assert ask_twice(site, "/somewhere").body == b"GET /somewhere 0"
    assert len(echo.requests) == 1


def test_server_level_rewrite_that_marks_the_request_internal(make):
    site = make('rewrite ^/old$ /new; location /new { return 200 "new\\n"; }')
    assert ask_twice(site, "/old").body == b"new\n"


def test_rewrite_last_to_another_location(make):
    site = make('location /a { rewrite ^ /b last; } location /b { rewrite ^ /c last; } location /c { return 200 "c\\n"; }')
    assert ask_twice(site, "/a").body == b"c\n"


def test_rewrite_break_and_if(make):
    site = make('location / { if ($request_method = GET) { set $x 1; } rewrite ^ /file.txt break; }')
    assert ask_twice(site, "/whatever").body == b"the file\n"


def test_try_files_with_a_file_a_location_and_a_name(make):
    site = make('location / { try_files $uri @named; } location @named { return 200 "named\\n"; }'
                'location /uri { try_files /missing /fallback; } location /fallback { return 200 "fallback\\n"; }')
    assert ask_twice(site, "/file.txt").body == b"the file\n"
    assert ask_twice(site, "/missing").body == b"named\n"
    assert ask_twice(site, "/uri").body == b"fallback\n"


def test_error_page_inside_the_site(make):
    site = make('error_page 404 /oops; location / { } location /oops { return 200 "oops\\n"; }')
    passed = ask_twice(site, "/missing")
    assert (passed.status, passed.body) == (404, b"oops\n")


def test_accelerated_redirect_of_an_upstream(make, echo):
    site = make(f'location / {{ proxy_pass http://127.0.0.1:{echo.port}; }} location /elsewhere {{ return 200 "e\\n"; }}')
    assert ask_twice(site, "/accel").body == b"e\n"


def test_redirect_from_an_off_location_into_an_on_location(make):
    site = make('location /off { secbeat off; rewrite ^ /on last; } location /on { return 200 "on\\n"; }'
                'location /gone { secbeat off; error_page 404 = @named; return 404; } location @named { return 200 "n\\n"; }')
    assert ask_twice(site, "/off").body == b"on\n"
    assert ask_twice(site, "/gone").body == b"n\n"


def test_redirect_from_an_on_location_into_an_off_location(make):
    site = make('location /on { try_files /missing @off; } location @off { secbeat off; return 200 "off\\n"; }')
    assert ask_twice(site, "/on").body == b"off\n"


def test_error_of_an_upstream_with_a_fallback_location(make):
    site = make('location / { proxy_pass http://127.0.0.1:9; error_page 502 = @down; } location @down { return 200 "d\\n"; }')
    assert ask_twice(site, "/", method="POST", body=b"some").body == b"d\n"


def test_subrequest_of_auth_request_is_not_inspected(make):
    site = make('location / { auth_request /auth; } location /auth { return 204; }')
    assert ask_twice(site, "/file.txt").body == b"the file\n"


def test_subrequest_of_mirror_is_not_inspected(make, echo):
    site = make(f"location / {{ mirror /copy; proxy_pass http://127.0.0.1:{echo.port}; }}"
                f"location /copy {{ internal; proxy_pass http://127.0.0.1:{echo.port}/copied; }}")
    assert ask_twice(site, "/x", method="POST", body=b"12345").body == b"POST /x 5"


def test_subrequest_from_an_off_location_is_not_inspected(make):
    site = make('location / { secbeat off; auth_request /auth; } location /auth { return 204; }')
    inspected, passed = site.inspections_of(lambda: request(site.port, "GET", "/file.txt", "X-Block: 1"))
    assert (inspected, passed.status) == (0, 200)


def test_post_action_is_not_inspected(make):
    site = make('location / { post_action /after; return 200 "r\\n"; } location /after { return 204; }'
                'location /off { secbeat off; post_action /after; return 200 "o\\n"; }')
    assert ask_twice(site).body == b"r\n"
    inspected, passed = site.inspections_of(lambda: request(site.port, "GET", "/off"))
    assert (inspected, passed.body) == (0, b"o\n")
    site.log_lines(3)


def test_runs_before_deny_auth_and_limits(make):
    site = make('location /deny { deny all; } location /auth { auth_basic x; auth_basic_user_file /dev/null; }'
                'location /limited { limit_req zone=one; return 404; } location = /limited/file { limit_req zone=one; }',
                http="limit_req_zone $server_name zone=one:64k rate=1r/m;")
    for path in ("/deny", "/auth", "/limited/file", "/limited/file"):
        inspected, blocked = site.inspections_of(lambda path=path: request(site.port, "GET", path, "X-Block: 1"))
        assert (inspected, blocked.body) == (1, BLOCKED)


def test_switched_off_by_location(make):
    site = make('location / { } location /off { secbeat off; return 200 "off\\n"; }')
    inspected, passed = site.inspections_of(lambda: request(site.port, "GET", "/off", "X-Block: 1"))
    assert (inspected, passed.body) == (0, b"off\n")


def test_switches_are_inherited_from_server_and_http(make):
    site = make('secbeat off; location / { return 200 "off\\n"; }'
                'location /on { secbeat on; return 200 "on\\n"; location /on/off { secbeat off; return 200 "oo\\n"; } }')
    assert site.inspections_of(lambda: request(site.port, "GET", "/"))[0] == 0
    assert ask_twice(site, "/on").body == b"on\n"
    assert site.inspections_of(lambda: request(site.port, "GET", "/on/off"))[0] == 0


def test_server_level_return_is_answered_before_any_location(make):
    site = make('return 200 "server\\n";')
    inspected, passed = site.inspections_of(lambda: request(site.port, "GET", "/", "X-Block: 1"))
    assert (inspected, passed.body) == (0, b"server\n")


def test_every_request_of_a_keepalive_connection(make):
    site = make('location / { return 200 "r\\n"; }')
    with RawClient(site.port) as client:
        inspected, _ = site.inspections_of(lambda: [client.request() for _ in range(20)])
        assert inspected == 20
        assert client.request("GET", "/", "X-Block: 1").status == 403
        assert client.request().status == 200


def test_http_2(make):
    site = make('location / { return 200 "r\\n"; } location /moved { try_files /missing @named; }'
                'location @named { return 200 "n\\n"; }', listen="http2")

    def curl(path, *options):
        return subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_code} %{http_version}", *options,
                               f"http://127.0.0.1:{site.port}{path}"], capture_output=True, text=True, check=True).stdout

    for path, body in (("/", "r\n"), ("/moved", "n\n")):
        assert site.inspections_of(lambda path=path: curl(path)) == (1, f"{body}200 2")
        assert site.inspections_of(lambda path=path: curl(path, "-H", "X-Block: 1")) == (1, f"{BLOCKED.decode()}403 2")


def test_a_request_that_nginx_refuses_and_shows_an_inspected_error_page(make):
    site = make('error_page 400 405 414 /error; location / { } location /error { return 200 "e\\n"; }')
    for broken in (b"GET / HTTP/1.1\r\n\r\n", b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", b"GARBAGE\r\n\r\n",
                   b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
        with RawClient(site.port) as client:
            client.send(broken)
            assert client.response().status in (400, 405, 414)
    assert ask_twice(site, "/file.txt").body == b"the file\n"


def test_the_directive_is_refused_inside_if(make_site):
    site = make_site("location / { if ($arg_x) { secbeat off; } }", start=False)
    site.nginx.write_config()
    done = subprocess.run([nginx_binary(), "-t", "-c", str(site.nginx.config)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert '"secbeat" directive is not allowed here' in done.stderr
