"""Who a node is to NATS, and what it may do there."""

from support.authority import Authority
from support.fleet_by_hand import Fleet, in_fleet, order, serving
from support.nats import NatsServer
from support.nkeys import new_nkey
from support.processes import wait_for

# What docs/fleet.md says that a node needs.
MAY_PUBLISH = ["$KV.secbeat_nodes.node-1", "$JS.API.STREAM.INFO.KV_secbeat_desired", "$JS.API.STREAM.INFO.KV_secbeat_nodes",
               "$JS.API.DIRECT.GET.KV_secbeat_desired.>", "$JS.API.STREAM.MSG.GET.KV_secbeat_desired",
               "$JS.API.STREAM.MSG.GET.OBJ_secbeat_modules", "$JS.API.DIRECT.GET.OBJ_secbeat_modules"]
MAY_HEAR = ["_INBOX.>", "secbeat.node.node-1.*", "secbeat.wasm.reload"]
BOSS = {"user": "boss", "password": "everything"}


def quoted(words):
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def users(password):
    return f"""authorization {{ users = [
  {{ user: boss, password: everything }}
  {{ user: node-1, password: {password}, permissions: {{
       publish: {quoted(MAY_PUBLISH)}, subscribe: {quoted(MAY_HEAR)}, allow_responses: true }} }}
] }}"""


def test_a_node_needs_no_more_than_it_uses_and_waits_for_its_password(make_node, build, tmp_path):
    nats = NatsServer(tmp_path, users("another-one")).start()
    try:
        node = make_node(tables={**in_fleet(nats), "nats": {"url": f"nats://node-1:secret-word@127.0.0.1:{nats.port}"}})
        fleet = Fleet(nats, build, **BOSS)
        wait_for("the server to refuse", lambda: nats.log.read_text().count("authentication error") > 1, log=nats.log)
        assert serving(node) and fleet.status() is None
        nats.begin_anew(users("secret-word"))
        fleet.connect_again()
        wait_for("the node to report", lambda: fleet.status(), log=node.log)
        wanted = fleet.version("allow_all", "v2")
        for step in ("stage", "commit", "revert"):
            assert fleet.call(step, order(wanted))["progress"] == "done", step
        fleet.want(2, wanted)
        wait_for("the node to follow", lambda: fleet.module().get("reached") == 2, log=node.log)
        assert "Violation" not in nats.log.read_text(), nats.log.read_text()
        assert "secret-word" not in node.log.read_text()
        # A password that is changed while it is connected, and back.
        nats.begin_anew(users("another-one"))
        refused = nats.log.read_text().count("authentication error")
        wait_for("the server to refuse", lambda: nats.log.read_text().count("authentication error") > refused + 2, log=nats.log)
        nats.begin_anew(users("secret-word"))
        fleet.connect_again()
        fleet.want(3, fleet.version("log_all", "v3"))
        wait_for("the node to follow", lambda: fleet.module().get("reached") == 3, log=node.log)

        thief = nats.client(user="node-1", password="secret-word")
        for subject in ("$KV.secbeat_desired.desired", "$KV.secbeat_nodes.node-2", "secbeat.node.node-2.commit"):
            thief.publish(subject, b"{}")
            assert b"Permissions Violation" in thief.line()
        wait_for("the server to tell", lambda: "Publish Violation" in nats.log.read_text())
    finally:
        nats.kill()


def test_a_node_shows_a_certificate_and_signs_with_its_key(make_node, build, tmp_path):
    authority = Authority(tmp_path)
    authority.issue("nats", "nats.crt", "nats.key")
    authority.issue("node-1", "node.crt", "node.key")
    public, seed = new_nkey(tmp_path)
    nats = NatsServer(tmp_path, f"""
      tls {{ cert_file: "{tmp_path}/nats.crt", key_file: "{tmp_path}/nats.key", ca_file: "{authority.ca}", verify: true }}
      authorization {{ users = [ {{ nkey: {public} }} ] }}""").start()
    tables = {"nats": {"url": f"tls://127.0.0.1:{nats.port}", "nkey": public, "nkey_seed": str(seed), "tls_ca": str(authority.ca),
                       "tls_certificate": f"{tmp_path}/node.crt", "tls_key": f"{tmp_path}/node.key"},
              "node": {"name": "node-1"}}
    try:
        node = make_node(tables=tables)
        wait_for("the node to connect", lambda: "fleet: connected to NATS" in node.log.read_text(), log=node.log)
        stranger = tmp_path / "stranger"
        stranger.mkdir()
        unknown = dict(zip(("nkey", "nkey_seed"), map(str, new_nkey(stranger)), strict=True))
        for wrong in ({"tls_ca": f"{tmp_path}/node.crt"}, unknown):
            other = make_node(tables={**tables, "nats": {**tables["nats"], **wrong}}, name="-".join(wrong))
            wait_for("the node to be refused", lambda: "the node serves without" in other.log.read_text(), log=other.log)
            assert other.site().status == 200 and "connected to NATS" not in other.log.read_text()
    finally:
        nats.kill()
