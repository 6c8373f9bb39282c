"""Starting, stopping, and coming back: what people and init systems do to a node."""

import os
import pwd
import signal
import subprocess

import pytest

from support.node import Load, Node, is_alive
from support.processes import Nginx, free_port, wait_for


def test_sigterm_ends_agent_and_nginx_gracefully(node):
    master, workers = node.master_pid(), node.worker_pids()
    assert node.stop() == 0
    assert not is_alive(master)
    assert not any(is_alive(worker) for worker in workers)


def test_a_second_start_on_the_same_data_is_refused_with_the_pid(node):
    done = node.cli("node", "--config", str(node.config))
    assert done.returncode == 1
    assert str(node.process.pid) in done.stderr
    assert node.site("/").status == 200


def test_nginx_that_dies_is_restarted(node):
    master = node.master_pid()
    os.kill(master, signal.SIGKILL)
    wait_for("another master", lambda: node.master_pid() not in (None, master), log=node.log)
    wait_for("the site", lambda: node.site("/").status == 200, log=node.log)
    assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403


def test_a_worker_that_dies_is_replaced_by_one_that_serves_what_is_in_force(node):
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    first = node.worker_pids()
    os.kill(first[0], signal.SIGKILL)
    wait_for("two workers", lambda: len(node.worker_pids()) == 2 and first[0] not in node.worker_pids(), log=node.log)
    wait_for("readiness", node.is_ready, log=node.log)
    assert {worker["version"] for worker in node.version()["workers"]} == {"1.1.0"}


def test_the_agent_can_die_and_come_back_while_traffic_flows(node):
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    master, workers = node.master_pid(), node.worker_pids()
    with Load(node) as load:
        node.kill_agent()
        assert node.site("/", headers={"User-Agent": "masscan"}).status == 403
        node.start()
        assert (node.master_pid(), node.worker_pids()) == (master, workers), "nginx was adopted, not restarted"
        assert node.version()["version"] == "1.1.0"
        assert node.rollback().status == 200
        assert node.site("/", headers={"User-Agent": "masscan"}).status == 200
    assert load.lost[:2] == (0, 0), load.lost
    assert node.stop() == 0
    assert not is_alive(master)


def test_a_worker_born_while_the_agent_is_away_serves_what_is_in_force(node):
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    node.kill_agent()
    first = node.worker_pids()
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    wait_for("new workers", lambda: len(node.worker_pids()) == 2 and not set(first) & set(node.worker_pids()))
    assert node.site("/", headers={"User-Agent": "masscan"}).status == 403


def test_state_survives_a_restart_and_wins_over_the_file_in_the_configuration(node):
    node.upload("bad-bot-blocker-1.1.0")
    history = node.history()
    assert node.stop() == 0
    node.start()
    assert node.version()["version"] == "1.1.0"
    assert node.history() == history
    assert node.site("/", headers={"User-Agent": "masscan"}).status == 403
    assert "1.1.0" in node.log.read_text()


def test_nginx_reload_keeps_the_rules_and_the_draining_workers_follow(node):
    assert node.upload("bad-bot-blocker-1.1.0").status == 200
    first = node.worker_pids()
    os.kill(node.master_pid(), signal.SIGHUP)
    wait_for("new workers", lambda: len(set(node.worker_pids()) - set(first)) == 2, log=node.log)
    wait_for("readiness", node.is_ready, log=node.log)
    assert node.site("/", headers={"User-Agent": "masscan"}).status == 403
    assert node.rollback().status == 200
    assert node.site("/", headers={"User-Agent": "masscan"}).status == 200


def test_an_external_nginx_with_the_four_line_snippet(build, folder, upstream):
    node = Node(build, folder, upstream, module=build / "guests" / "bad-bot-blocker.wasm")
    node.tables["proxy"] = {"nginx": "external"}
    nginx = Nginx(folder, "external", f"""
  secbeat_state {node.state};
  server {{ listen 127.0.0.1:{node.site_port};
    location / {{ secbeat on; proxy_pass http://127.0.0.1:{upstream}; }}
    location /plain {{ proxy_pass http://127.0.0.1:{upstream}; }} }}""",
                  main=f"load_module {build}/nginx/ngx_http_secbeat_module.so;")
    try:
        node.start(wait=False)
        wait_for("the API", lambda: node.get("/healthz").status == 200 if _listening(node) else False, log=node.log)
        nginx.start(node.site_port)
        wait_for("readiness", node.is_ready, log=node.log)
        assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403
        assert node.site("/plain", headers={"User-Agent": "BadBot"}).status == 200
        assert node.upload("bad-bot-blocker-1.1.0").status == 200
        assert node.stop() == 0
        assert node.site("/", headers={"User-Agent": "masscan"}).status == 403, "the agent's end is not nginx' end"
    finally:
        nginx.stop()
        node.clean_up()
    assert nginx.complaints() == []


def _listening(node):
    from support.processes import listens
    return listens(node.api_port)


@pytest.mark.skipif(os.geteuid() != 0, reason="as root only: the node is started as another user")
def test_a_node_of_a_normal_user(build, folder, upstream):
    user = pwd.getpwnam("nobody")
    home = folder / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    (home / "bad-bot-blocker.wasm").write_bytes((build / "guests" / "bad-bot-blocker.wasm").read_bytes())
    # Binaries and module are copied to where that user can reach them, as an installation would be.
    for part in ("bin/secbeat", "libexec/secbeat-compile", "nginx/ngx_http_secbeat_module.so"):
        target = folder / "installed" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((build / part).read_bytes())
        target.chmod(0o755)
    node = Node(build, home, upstream, module=home / "bad-bot-blocker.wasm")
    node.secbeat = str(folder / "installed" / "bin" / "secbeat")
    node.write_config()
    with open(node.log, "ab") as log:
        node.process = subprocess.Popen(["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups",
                                         node.secbeat, "node", "--config", str(node.config)], stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, start_new_session=True, env={"PATH": os.environ["PATH"], "HOME": str(home)})
    try:
        wait_for("the node", lambda: node.is_ready() or node.process.poll() is not None, log=node.log)
        assert node.process.poll() is None, node.log.read_text()
        assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403
        assert node.upload("bad-bot-blocker-1.1.0").status == 200
        assert node.stop() == 0
    finally:
        node.clean_up()


def test_a_port_in_use_is_told_with_its_owner(make_node, upstream):
    node = make_node(start=False)
    node.tables["proxy"]["listen"] = f"127.0.0.1:{upstream}"
    node.start(wait=False)
    assert node.process.wait(60) == 1
    assert f":{upstream}" in node.log.read_text()
    assert "nginx" in node.log.read_text()


def test_the_api_port_in_use_is_told_with_its_owner(make_node, upstream):
    node = make_node(start=False)
    node.tables["api"]["listen"] = f"127.0.0.1:{upstream}"
    node.start(wait=False)
    assert node.process.wait(60) == 1
    assert f"{upstream}" in node.log.read_text()
    assert node.master_pid() is None


def test_a_configuration_with_faults_names_file_line_and_key(make_node):
    node = make_node(start=False)
    node.tables["waf.wasm"]["deadlne_ms"] = 5
    node.write_config()
    done = node.cli("node", "--config", str(node.config))
    assert done.returncode == 2
    assert "secbeat.toml:3" in done.stderr
    assert "deadlne_ms" in done.stderr


def test_listening_beyond_loopback_is_refused(make_node):
    node = make_node(start=False)
    node.tables["api"]["listen"] = f"0.0.0.0:{free_port()}"
    node.write_config()
    done = node.cli("node", "--config", str(node.config), "--check")
    assert done.returncode == 2
    assert "insecure" in done.stderr


def test_sigterm_during_the_first_compile_ends_it_promptly(make_node):
    node = make_node("loops_in_configure", start=False, tables={"waf.wasm": {"configure_deadline_ms": 60000, "config": "endless.json"},
                                                                "waf.wasm.reload": {"compile_timeout_seconds": 600}})
    (node.folder / "endless.json").write_text("{}")
    node.start(wait=False)
    child = wait_for("a compile child", node.compile_child, log=node.log)
    assert node.stop() == 0
    assert not is_alive(child)
    assert "the node ends before it has started" in node.log.read_text()


def test_an_artifact_that_has_gone_is_made_again_for_workers_that_start(node):
    artifacts = node.data / "artifacts"
    names = {path.name for path in artifacts.iterdir()}
    for path in artifacts.iterdir():
        path.unlink()
    os.kill(node.worker_pids()[0], signal.SIGKILL)
    wait_for("the artifacts", lambda: {path.name for path in artifacts.iterdir()} == names, log=node.log)
    wait_for("readiness", lambda: node.is_ready() and len(node.worker_pids()) == 2, log=node.log)
    assert {worker["version"] for worker in node.version()["workers"]} == {"1.0.0"}
    assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403
