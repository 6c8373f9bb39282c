"""Three NATS servers, two orchestrators: what dies is gone on without, by those that are left."""

import concurrent.futures
import contextlib
import re

import pytest

from support.documents import block_of
from support.nats import NatsServer
from support.node import http_request
from support.orchestrator import orchestrators_in
from support.processes import free_port, wait_for
from support.traffic import traffic

MODULE = "bad-bot-blocker"


STREAMS = ["KV_secbeat_desired", "KV_secbeat_nodes", "KV_secbeat_rollouts", "KV_secbeat_rules", "OBJ_secbeat_modules"]


def sample(number, server, routes, monitor):
    """The configuration that docs/fleet.md shows, of this server, on this machine."""
    others = [f"nats://127.0.0.1:{port}" for place, port in enumerate(routes) if place != number]
    text = block_of("fleet.md", "conf", "server_name: nats-1")
    for shown, here in (("server_name: nats-1", f"server_name: s{number}"), ("0.0.0.0:4222", f"127.0.0.1:{server.port}"),
                        ("/var/lib/nats", str(server.folder / "store")), ("0.0.0.0:6222", f"127.0.0.1:{routes[number]}"),
                        ("nats://nats-2:6222", others[0]), ("nats://nats-3:6222", others[1])):
        assert text.count(shown) == 1, shown
        text = text.replace(shown, here)
    return text + f'http: "127.0.0.1:{monitor}"\n'


@pytest.fixture
def servers(tmp_path):
    routes = [free_port() for _ in range(3)]
    made = []
    for number in range(3):
        folder = tmp_path / f"nats-{number}"
        folder.mkdir()
        server = NatsServer(folder)
        server.storage, server.monitor = [], free_port()
        server.config.write_text(sample(number, server, routes, server.monitor))
        made.append(server)
    try:
        for server in made:
            server.start()
        yield made
    finally:
        for server in made:
            server.kill()


def url_of(servers):
    return ",".join(server.url for server in servers)


def leader_of(servers, stream):
    """The server that leads a stream now; None while there is none."""
    for server in servers:
        if not server.process:
            continue
        with contextlib.suppress(AssertionError, OSError):
            client = server.client()
            try:
                info = client.api(f"STREAM.INFO.{stream}")
            finally:
                client.close()
            name = ((info or {}).get("cluster") or {}).get("leader")
            alive = [one for number, one in enumerate(servers) if name == f"s{number}" and one.process]
            return alive[0] if alive else None
    return None


def leader_beside(servers, stream, orchestrator):
    """The server that leads a stream, once it is not the one that the orchestrator is connected to."""
    def there():
        leader = leader_of(servers, stream)
        if not leader:
            return None
        clients = http_request(leader.monitor, "GET", "/connz").json["connections"]
        if not any(client.get("name", "").endswith(orchestrator.name) for client in clients):
            return leader
        client = leader.client()
        client.api(f"STREAM.LEADER.STEPDOWN.{stream}")
        client.close()
        return None

    return wait_for(f"{stream} to be led by another server", there)


def stalls_and_goes_on(orchestrator):
    """A call that needs a leader that has just died waits, the log says so, and is answered when there is another one."""
    answers = []

    def answered():
        answers.append(orchestrator.get("/api/v1/versions").status)
        return answers[-1] == 200

    wait_for("the call to be answered", answered, log=orchestrator.log)
    assert len(answers) < 3, answers  # an election may take longer than one call waits
    assert re.search(r"warning fleet: JetStream does not answer \([a-z' ]+\): [A-Za-z ]+; tried again for 10 s", orchestrator.log.read_text())


def serving_it(nodes, version):
    """Which of the nodes serve the version."""
    return [node.folder.name for node in nodes if node.version(MODULE)["version"] == version]


def canary_in_observation(orchestrator, guest, nodes, seconds):
    """A rollout of which one of two nodes has the version, for so long; (its id, its version)."""
    begun = orchestrator.upload(guest, name=MODULE, canary="1", observe_seconds=seconds, wait="false")
    assert begun.status == 202, begun
    rollout = orchestrator.await_state(begun.json["rollout_id"], "observing")
    assert rollout["state"] == "observing" and len(serving_it(nodes, rollout["version"])) == 1, rollout
    return rollout["id"], rollout["version"]


def ends_well(orchestrator, rollout, nodes):
    ended = orchestrator.await_end(rollout)
    assert ended["state"] == "done" and [len(wave["nodes"]) for wave in ended["waves"]] == [1, 1], ended
    assert {node["state"] for wave in ended["waves"] for node in wave["nodes"]} == {"committed"}, ended
    assert serving_it(nodes, ended["version"]) == ["node-1", "node-2"], ended


def test_a_fleet_whose_jetstream_leader_and_whose_orchestrator_die(servers, make_node, folder, build):
    tables = {"orchestrator": {"replicas": 3}}
    with orchestrators_in(folder, build, url_of(servers)) as make_orchestrator:
        first = make_orchestrator("orchestrator-1", tables=tables)
        second = make_orchestrator("orchestrator-2", tables=tables)
        nodes = [make_node(name=name, tables={"nats": {"url": url_of(servers)}, "node": {"name": name}, "proxy": {"workers": 1}})
                 for name in ("node-1", "node-2")]
        wait_for("the nodes to report", lambda: len(second.nodes()) == 2, log=second.log)
        one = first.upload("allow_all", name=MODULE)
        assert one.status == 200 and len(serving_it(nodes, one.json["version"])) == 2, one

        client = servers[0].client()
        kept = {stream: client.api(f"STREAM.INFO.{stream}")["config"]["num_replicas"] for stream in STREAMS}
        client.close()
        assert kept == dict.fromkeys(STREAMS, 3)

        with traffic(nodes, rate=50):
            leader_beside(servers, "KV_secbeat_desired", second)  # what takes long is done before anything is observed
            rollout, version = canary_in_observation(second, "generation_1", nodes, seconds="15")
            leader_beside(servers, "KV_secbeat_desired", second).kill()
            assert len(serving_it(nodes, version)) == 1, "the leader was to die in the middle of the rollout"
            stalls_and_goes_on(second)
            ends_well(second, rollout, nodes)

            rollout, version = canary_in_observation(first, "generation_2", nodes, seconds="3")
            first.kill()
            assert len(serving_it(nodes, version)) == 1, "the orchestrator was to die in the middle of the rollout"
            ends_well(second, rollout, nodes)
        desired = second.get("/api/v1/versions").json["modules"]
        assert [module["desired"] for module in desired] == [version]


def test_two_orchestrators_at_once_run_one_rollout_of_a_module(make_orchestrator, make_node, nats):
    first, second = make_orchestrator("orchestrator-1"), make_orchestrator("orchestrator-2")
    make_node(name="node-1", tables={"nats": {"url": nats.url}, "node": {"name": "node-1"}, "proxy": {"workers": 1}})
    make_node(name="node-2", tables={"nats": {"url": nats.url}, "node": {"name": "node-2"}, "proxy": {"workers": 1}})
    wait_for("both nodes to report", lambda: len(second.nodes()) == 2, log=second.log)
    begun = first.upload("allow_all", name=MODULE, canary="1", observe_seconds="300", wait="false").json["rollout_id"]
    busy = second.upload("generation_1", name=MODULE)
    assert busy.status == 409 and busy.json["code"] == "reload_in_progress" and busy.json["rollout_id"] == begun, busy
    wait_for("the canary to serve", lambda: second.rollout(begun)["state"] == "observing")
    assert second.post(f"/api/v1/rollouts/{begun}/abort").status == 200
    ended = second.await_end(begun)
    assert ended["state"] == "aborted", ended
    known = {begun}
    for guest in ("generation_1", "generation_2", "generation_3"):  # both begin at the same moment
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda one, guest=guest: one.upload(guest, name=MODULE, canary="1", observe_seconds="300",
                                                                        wait="false"), (first, second)))
        assert sorted(answer.status for answer in answers) == [202, 409], answers
        new = {rollout["id"] for rollout in second.get("/api/v1/rollouts").json["rollouts"]} - known
        assert len(new) == 1 and {answer.json["rollout_id"] for answer in answers} <= new, (new, answers)
        known |= new
        assert first.await_state(*new, "observing")["state"] == "observing"
        assert second.post(f"/api/v1/rollouts/{min(new)}/abort").status == 200
        assert first.await_end(*new)["state"] == "aborted"
    wait_for("the canary to be back", lambda: set(second.serving().values()) == {"1.0.0"}, log=first.log)
