"""Who may call an orchestrator, and who it is to NATS."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl

import pytest

from support.authority import Authority
from support.documents import block_of
from support.nats import NatsServer
from support.nkeys import new_nkey
from support.node import http_request
from support.orchestrator import orchestrators_in
from support.processes import wait_for

KEYS = {role: f"sbk_{role}_" + "0123456789abcdef" * 3 for role in ("viewer", "operator", "admin")}
NAMES = {"viewer": "grafana", "operator": "ci", "admin": "on-call"}
OPEN = ("/healthz", "/readyz")
MODULE = "bad-bot-blocker"
BOSS = {"user": "boss", "password": "everything"}


@pytest.fixture
def authority(tmp_path):
    made = Authority(tmp_path)
    made.issue("first")
    return made


@pytest.fixture
def guarded(make_orchestrator, authority):
    """An orchestrator with TLS and a key for each role; calls of the tests have the admin's unless they say otherwise."""
    one = make_orchestrator(start=False, tables={
        "api": {"tls_certificate": str(authority.folder / "api.crt"), "tls_key": str(authority.folder / "api.key")},
        "api.keys": [{"name": NAMES[role], "role": role, "sha256": hashlib.sha256(key.encode()).hexdigest()} for role, key in KEYS.items()]})
    one.key, one.tls = KEYS["admin"], ssl.create_default_context(cafile=authority.ca)
    return one.start()


def call(orchestrator, method, path, key=None, source=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = http_request(orchestrator.api_port, method, path, headers, source=source, tls=orchestrator.tls)
    orchestrator.contract.check(method, path, answer)
    return answer


def with_key(orchestrator, role, what):
    before, orchestrator.key = orchestrator.key, KEYS[role]
    try:
        return what()
    finally:
        orchestrator.key = before


def test_each_role_may_do_its_own_and_no_more(guarded):
    document = guarded.get("/openapi.json").json
    operations = [(method.upper(), re.sub("{[^}]*}", "r-0", path), operation["security"])
                  for path, methods in document["paths"].items() for method, operation in methods.items() if method != "head"]
    assert len(operations) > 20
    for number, (method, path, security) in enumerate(operations):
        nobody = call(guarded, method, path, source=f"127.0.1.{number + 1}")
        assert (nobody.status == 401) is (path not in OPEN), nobody
        assert security == ([] if path in OPEN else [{"key": []}]), path
        assert (call(guarded, method, path, KEYS["viewer"]).status == 403) is (method != "GET"), path
        assert call(guarded, method, path, KEYS["operator"]).status != 403, path
    for role, code in (("viewer", "forbidden"), ("operator", "forbidden"), ("admin", "no_nodes")):
        for path in ("/api/v1/wasm/reload-fleet", "/api/v1/wasm/deploy"):
            forced = with_key(guarded, role, lambda path=path: guarded.upload("allow_all", path=path, name="waf", force="true"))
            assert forced.json["code"] == code, (role, forced)
    log = guarded.log.read_text()
    assert re.search(r" warning api: POST /api/v1/wasm/rollback-fleet 403 \S+ ms by=grafana from=127.0.0.1 ", log), log
    assert " by=ci " in log and not any(key in log or hashlib.sha256(key.encode()).hexdigest() in log for key in KEYS.values())


def peer_name(orchestrator):
    with socket.create_connection(("127.0.0.1", orchestrator.api_port)) as plain, \
            orchestrator.tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        return dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"]


def test_the_command_line_trusts_who_it_is_told_to_and_certificates_are_renewed(guarded, authority):
    told = guarded.cli("status", "--ca", str(authority.ca))
    assert told.returncode == 1 and "No node reports" in told.stdout, told
    stranger = guarded.cli("status")
    assert stranger.returncode == 3 and "--ca FILE" in stranger.stderr and KEYS["admin"] not in stranger.stderr, stranger
    with pytest.raises((OSError, http.client.HTTPException)):
        http_request(guarded.api_port, "GET", "/healthz")  # without TLS
    without = guarded.cli("pause", "r-0", "--ca", str(authority.ca), env={"SECBEAT_KEY": KEYS["viewer"]})
    assert without.returncode == 1 and "forbidden" in without.stderr, without
    assert peer_name(guarded) == "first"
    authority.issue("second")
    os.kill(guarded.process.pid, signal.SIGHUP)
    wait_for("the certificate to be renewed", lambda: peer_name(guarded) == "second", log=guarded.log)
    (authority.folder / "api.crt").write_text("no certificate")
    os.kill(guarded.process.pid, signal.SIGHUP)
    wait_for("it to say that it cannot", lambda: "stay as they are" in guarded.log.read_text(), log=guarded.log)
    assert peer_name(guarded) == "second" and guarded.get("/readyz").status == 200


# -- NATS ----------------------------------------------------------------------------------------------------------


def permissions():
    """Of docs/fleet.md: (the block, what its user may publish, what it may hear)."""
    block = block_of("fleet.md", "conf", "user: orchestrator")
    lists = [re.findall(r'"([^"]+)"', text) for text in re.findall(r"(?:publish|subscribe): \[(.*?)\]", block, re.DOTALL)]
    return block, *lists


def users(password):
    """Theirs of docs/fleet.md, and the test's own; what everybody says stands in the log."""
    block, _, _ = permissions()
    assert block.count("PASSWORD") == 1
    return (block.replace("PASSWORD", password).replace("users: [", "users: [ { user: boss, password: everything }") +
            "\ntrace: true\nmax_traced_msg_len: 64\n")


# Two orchestrators that begin at once, and a report that no server but the leader has yet.
WHERE_OTHERS_ARE_IN_THE_WAY = ["$JS.API.DIRECT.GET.KV_secbeat_rules.>", "$JS.API.STREAM.MSG.GET.KV_secbeat_nodes"]


def may(permission, subject):
    pattern = "".join({"*": "[^.]+", ">": ".+"}.get(token, re.escape(token)) for token in re.split(r"([*>])", permission))
    return re.fullmatch(pattern, subject)


def said_to(nats, name):
    """Subjects that a client of this name has published to, and listens to."""
    lines = [line for line in nats.log.read_text(errors="replace").splitlines() if name in line]
    words = [re.search(r"<<- \[(PUB|HPUB|SUB) (\S+)", line) for line in lines]
    return ({word[2] for word in words if word and word[1] != "SUB"}, {word[2] for word in words if word and word[1] == "SUB"})


def everything_that_writes(one, boss):
    """Each kind of call once, over the API and over NATS."""
    for guest in ("allow_all", "generation_1"):
        assert one.upload(guest, name=MODULE).status == 200
    assert one.post("/api/v1/wasm/rollback-fleet", name=MODULE).status == 200
    assert one.post("/api/v1/wasm/sync-versions").status == 200
    begun = one.upload("generation_2", name=MODULE, canary="1", observe_seconds="600", wait="false").json["rollout_id"]
    for before, step in (("observing", "pause"), ("paused", "resume"), ("observing", "abort")):
        assert one.await_state(begun, before)["state"] == before
        answer = one.post(f"/api/v1/rollouts/{begun}/{step}")
        assert answer.status == 200, answer
    assert one.await_end(begun)["state"] == "aborted"
    rule = {"id": "first", "field": "URI", "pattern": "/first*", "action": "Block"}
    assert one.post("/api/v1/rules", **rule, deploy=False).status == 200
    assert one.post("/api/v1/rules/deploy", rule_id="first", ttl_seconds=1).status == 200
    assert one.get("/api/v1/rules/active").json["counted_nodes"] == ["node-1", "node-2"]
    told = boss.request("secbeat.rules.new", json.dumps({**rule, "id": "second"}).encode())
    assert told["success"], told
    wait_for("the rule's end to be told", lambda: "Rule expired: first" in one.log.read_text(), log=one.log)


@pytest.fixture
def strict_nats(tmp_path):
    server = NatsServer(tmp_path, users("another-one")).start()
    yield server
    server.kill()


def test_an_orchestrator_needs_exactly_what_the_document_says(build, folder, strict_nats, make_node):
    nats = strict_nats
    with orchestrators_in(folder, build, f"nats://orchestrator:secret-word@127.0.0.1:{nats.port}") as make:
        one = make(start=False).start(wait=False)
        assert one.process.wait(60) == 1 and "look at [nats] and at its server's log" in one.log.read_text()
        nats.begin_anew(users("secret-word"))
        one.start()
        nodes = [make_node(name=name, tables={"nats": {"url": f"nats://boss:everything@127.0.0.1:{nats.port}"}, "node": {"name": name},
                                              "proxy": {"workers": 1}}) for name in ("node-1", "node-2")]
        wait_for("the nodes to report", lambda: len(one.nodes()) == 2, log=one.log)
        everything_that_writes(one, nats.client(**BOSS))
        nats.client(**BOSS).forget("OBJ_secbeat_modules", "$O.secbeat_modules.C.>")
        assert one.upload("allow_all", name=MODULE).status == 200  # what is damaged is put anew
        assert one.stop() == 0
        assert "secret-word" not in one.log.read_text()
        assert [node.site().status for node in nodes] == [200, 200]
    _, may_publish, may_hear = permissions()
    assert "Permissions Violation" not in nats.log.read_text(errors="replace"), nats.log.read_text(errors="replace")
    published, heard = said_to(nats, "orchestrator-1")
    unused = [permission for permission in may_publish if not any(may(permission, subject) for subject in published)]
    assert sorted(unused) == WHERE_OTHERS_ARE_IN_THE_WAY, published
    assert all(any(may(permission, subject) for subject in heard) for permission in may_hear), heard

    thief = nats.client(user="orchestrator", password="secret-word")
    for subject in ("$KV.secbeat_nodes.node-1", "$JS.API.STREAM.DELETE.KV_secbeat_desired", "$JS.API.STREAM.INFO.KV_other", "secbeat.rules.new"):
        thief.publish(subject, b"{}")
        assert b"Permissions Violation" in thief.line(), subject


def test_an_orchestrator_shows_a_certificate_and_signs_with_its_key(build, folder, authority, tmp_path):
    authority.issue("orchestrator-1", "orchestrator.crt", "orchestrator.key")
    public, seed = new_nkey(tmp_path)
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    unknown = dict(zip(("nkey", "nkey_seed"), map(str, new_nkey(stranger)), strict=True))
    nats = NatsServer(tmp_path, f"""
      tls {{ cert_file: "{tmp_path}/api.crt", key_file: "{tmp_path}/api.key", ca_file: "{authority.ca}", verify: true }}
      authorization {{ users = [ {{ nkey: {public} }} ] }}""").start()
    tables = {"nkey": public, "nkey_seed": str(seed), "tls_ca": str(authority.ca), "tls_certificate": f"{tmp_path}/orchestrator.crt",
              "tls_key": f"{tmp_path}/orchestrator.key"}
    try:
        with orchestrators_in(folder, build, f"tls://127.0.0.1:{nats.port}") as make:
            one = make(tables={"nats": tables})
            assert one.get("/api/v1/nodes").json == {"nodes": []}
            for wrong in ({"tls_ca": f"{tmp_path}/orchestrator.crt"}, unknown):
                other = make("-".join(wrong), tables={"nats": {**tables, **wrong}}, start=False).start(wait=False)
                assert other.process.wait(60) == 1
                log = other.log.read_text()
                assert "look at [nats] and at its server's log" in log and "connected to NATS" not in log, log
    finally:
        nats.kill()
