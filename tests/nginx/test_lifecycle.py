"""The module in nginx' processes: what starts where, what a worker serves from when to when, and how it ends."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.node import processes_of
from support.processes import nginx_binary, wait_for
from support.state import rule
from support.wire import RawClient, request

RECEIPTS = 'location / { secbeat_receipt on; return 200 "r\\n"; }'


def version_of(answer):
    return answer.get("X-SecBeat-Receipt").split(";")[0].split("/")[1]


def threads_of(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def title_of(pid):
    """The title of a process; empty when it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def worker_pids(site):
    return [pid for pid in processes_of(site.nginx.process.pid) if b"nginx: worker process" in title_of(pid)]


def check_configuration(site):
    site.nginx.write_config()
    return subprocess.run([nginx_binary(), "-t", "-c", str(site.nginx.config)], capture_output=True, text=True, check=False)


# -- configuration --------------------------------------------------------------------------------------------------


def test_missing_state_directory_is_a_warning(make_site):
    site = make_site(RECEIPTS, start=False)
    site.state.remove()
    done = check_configuration(site)
    assert done.returncode == 0
    assert '[warn] ' in done.stderr and f'secbeat_state "{site.state.path}" is not a directory' in done.stderr


def test_state_directory_is_not_looked_at_where_nothing_is_on(make_site):
    site = make_site("secbeat off; location / { return 200; }", start=False)
    site.nginx.http = site.nginx.http.replace("secbeat on;", "secbeat off;")
    site.state.remove()
    done = check_configuration(site)
    assert done.returncode == 0
    assert "[warn]" not in done.stderr


@pytest.mark.parametrize(("line", "complaint"), [("secbeat maybe;", "it must be"), ("secbeat_body 1;", "it must be"),
                                                  ("secbeat_state /x;", "not allowed here"), ("secbeat on off;", "number of arg")])
def test_wrong_directives_are_refused(make_site, line, complaint):
    site = make_site(f"{line} location / {{ return 200; }}", start=False)
    done = check_configuration(site)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_module_exports_only_what_nginx_looks_up(build):
    symbols = subprocess.run(["nm", "-D", "--defined-only", str(build / "nginx" / "ngx_http_secbeat_module.so")],
                             capture_output=True, text=True, check=True).stdout
    assert sorted(line.split()[2] for line in symbols.splitlines()) == ["ngx_module_names", "ngx_module_order", "ngx_modules"]


# -- start ----------------------------------------------------------------------------------------------------------


def test_without_state_directory_requests_pass(make_site):
    site = make_site(RECEIPTS, start=False)
    site.agent.close()
    site.state.remove()
    site.start()
    assert request(site.port, "GET", "/", "X-Block: 1").body == b"r\n"
    assert "secbeat: " in site.nginx.error_log.read_text()


def test_serves_what_is_in_force_before_the_first_request_without_an_agent(make_site):
    site = make_site(RECEIPTS, slots=[rule("block_when_header")], start=False)
    site.agent.close()
    site.start()
    assert request(site.port, "GET", "/", "X-Block: 1").status == 403


def test_an_artifact_that_is_damaged_is_not_run(make_site):
    site = make_site(RECEIPTS, slots=[rule("block_all", on_error="closed")], start=False)
    artifact = next((site.state.data / "artifacts").iterdir())
    content = bytearray(artifact.read_bytes())
    content[len(content) // 2] ^= 1
    artifact.write_bytes(content)
    site.start()
    assert request(site.port).status == 503
    assert "could not be loaded" in site.nginx.error_log.read_text()


def test_only_workers_run_threads_and_talk_to_the_agent(make_site, folder):
    cache = folder / "cache"
    site = make_site(RECEIPTS, slots=[rule("allow_all")], http=f"proxy_cache_path {cache} keys_zone=c:1m;")
    links = site.agent.wait_for_workers(1)
    # The cache manager is a process of nginx as well, and runs init_process like a worker.
    manager = wait_for("the cache manager", lambda: [
        pid for pid in processes_of(site.nginx.process.pid)
        if b"cache manager" in title_of(pid)])[0]
    assert [link.pid for link in links] == worker_pids(site)
    assert threads_of(links[0].pid) > 1
    assert threads_of(manager) == 1
    assert threads_of(site.nginx.process.pid) == 1


def test_nothing_starts_where_nothing_is_on(make_site):
    site = make_site("location / { return 200; }", slots=[rule("block_all")], start=False)
    site.nginx.http = site.nginx.http.replace("secbeat on;", "secbeat off;")
    site.start()
    assert request(site.port).status == 200
    assert [threads_of(pid) for pid in worker_pids(site)] == [1]


def test_one_process_without_a_master(make_site):
    site = make_site(RECEIPTS, slots=[rule("block_when_header")], main="master_process off;")
    assert request(site.port, "GET", "/", "X-Block: 1").status == 403
    link = site.agent.wait_for_workers(1)[0]
    assert link.pid == site.nginx.process.pid
    site.agent.swap(site.state.document(site.state.slot("allow_all", label="v2")))
    assert version_of(request(site.port)) == "v2"


# -- swaps ----------------------------------------------------------------------------------------------------------


def test_swap_between_two_requests_of_one_connection(make_site):
    site = make_site(RECEIPTS, slots=[rule("block_when_header")])
    site.agent.wait_for_workers(1)
    with RawClient(site.port) as client:
        for number in range(2, 12):
            assert client.request("GET", "/", "X-Block: 1").status == (403 if number % 2 == 0 else 200)
            guest = "allow_all" if number % 2 == 0 else "block_when_header"
            site.agent.swap(site.state.document(site.state.slot(guest, label=f"v{number}")))
            assert version_of(client.request()) == f"v{number}"


def test_swap_to_nothing_and_back(make_site):
    site = make_site(RECEIPTS, slots=[rule("block_all")])
    site.agent.wait_for_workers(1)
    with RawClient(site.port) as client:
        assert client.request().status == 403
        site.agent.swap(site.state.document())
        assert client.request().status == 200
        site.agent.swap(site.state.document(site.state.slot("block_all")))
        assert client.request().status == 403


def test_a_draining_worker_goes_on_swapping_and_counting(make_site):
    site = make_site(RECEIPTS, slots=[rule("body_reader")])
    old = site.agent.wait_for_workers(1)[0]
    with RawClient(site.port) as client:
        client.head("POST", "/", "Content-Length: 6")
        client.send(b"att")
        assert request(site.port).status == 200  # so the other request is being read
        site.nginx.reload()
        new = next(link for link in site.agent.wait_for_workers(2) if link.pid != old.pid)
        wait_for("the old worker to drain", lambda: b"shutting down" in Path(f"/proc/{old.pid}/cmdline").read_bytes())
        site.agent.swap(site.state.document(site.state.slot("block_all", label="v2")), [old, new])
        before = {worker["pid"]: worker["requests"] for worker in site.state.counters()["workers"]}
        client.send(b"ack")
        answer = client.response()
        assert (answer.status, version_of(answer)) == (403, "v2")
    wait_for("the old worker to end", lambda: old.closed)
    assert not site.nginx.complaints()
    assert site.state.inspected() == sum(before.values()) + 1
    assert version_of(request(site.port)) == "v2"


# -- end ------------------------------------------------------------------------------------------------------------


def test_an_idle_worker_ends_at_once_when_it_is_told_to(make_site):
    site = make_site(RECEIPTS, slots=[rule("allow_all")], main="worker_shutdown_timeout 300s;")
    old = site.agent.wait_for_workers(1)[0]
    with RawClient(site.port) as client:
        assert client.request().status == 200  # an idle keepalive connection
        site.nginx.reload()
        wait_for("the old worker to end", lambda: old.closed)
        assert client.response() is None
    assert version_of(request(site.port)) == "v1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_nginx_ends_cleanly(make_site, number):
    site = make_site(RECEIPTS, slots=[rule("allow_all")])
    with RawClient(site.port) as client:
        assert client.request().status == 200
        site.nginx.process.send_signal(number)
        assert site.nginx.process.wait(60) == 0
    text = site.nginx.error_log.read_text()
    assert "open socket" not in text and "exited on signal" not in text


def test_a_killed_worker_is_replaced_by_one_that_serves_the_rules(make_site):
    site = make_site(RECEIPTS, slots=[rule("block_when_header")])
    old = site.agent.wait_for_workers(1)[0]
    site.agent.close()  # the agent is away as well
    for _ in range(5):
        assert request(site.port, "GET", "/", "X-Block: 1").status == 403
    os.kill(old.pid, signal.SIGKILL)
    wait_for("a new worker", lambda: worker_pids(site) not in ([], [old.pid]))
    assert request(site.port, "GET", "/", "X-Block: 1").status == 403
    assert site.state.inspected() == 6  # the dead one's counts are kept
    site.expect_complaint("exited on signal 9")


def test_a_real_crash_still_ends_a_worker(make_site):
    site = make_site(RECEIPTS, slots=[rule("block_when_header")])
    old = site.agent.wait_for_workers(1)[0]
    assert request(site.port).status == 200
    # A fault comes again when a handler returns from it; a signal that is sent does not, so it is sent again. The
    # engine's handler takes the first for no trap of its own and gives the signal back to the system.
    def crash():
        with contextlib.suppress(ProcessLookupError):
            os.kill(old.pid, signal.SIGSEGV)
        return worker_pids(site) not in ([], [old.pid])
    wait_for("a new worker", crash)
    assert request(site.port, "GET", "/", "X-Block: 1").status == 403
    site.expect_complaint("exited on signal 11")


def test_reload_after_reload_leaves_nothing_behind(make_site):
    site = make_site(RECEIPTS, slots=[rule("allow_all")])
    seen = set()
    for _ in range(5):
        link = site.agent.wait_for_workers(1)[0]
        seen.add(link.pid)
        assert version_of(request(site.port)) == "v1"
        site.nginx.reload()
        wait_for("the worker to end", lambda link=link: link.closed)
    assert len(seen) == 5
    assert len(site.state.counters()["workers"]) == 1
    assert threads_of(site.nginx.process.pid) == 1


def test_module_with_another_name_after_a_reload(make_site, build, folder):
    """An upgrade: nginx keeps a file of the same name mapped, so a new module file has a new name."""
    site = make_site(RECEIPTS, slots=[rule("block_when_header")])
    old = site.agent.wait_for_workers(1)[0]
    copy = folder / "ngx_http_secbeat_module-2.so"
    copy.write_bytes((build / "nginx" / "ngx_http_secbeat_module.so").read_bytes())
    site.nginx.main = site.nginx.main.replace(str(build / "nginx" / "ngx_http_secbeat_module.so"), str(copy))
    site.nginx.write_config()
    site.nginx.reload()
    wait_for("the old worker to end", lambda: old.closed)
    new = site.agent.wait_for_workers(1)[0]
    maps = Path(f"/proc/{new.pid}/maps").read_text()
    assert str(copy) in maps
    assert request(site.port, "GET", "/", "X-Block: 1").status == 403
