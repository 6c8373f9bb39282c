"""What a node of a fleet does when something is away, gone, older or damaged: it goes on with what it serves, and catches up
when it can."""

import contextlib
import datetime
import hashlib
from pathlib import Path

import pytest

from support.fleet_by_hand import DESIRED, MODULES, NODES, Fleet, desired, in_fleet, serving
from support.nats import NatsServer
from support.node import Load, http_request
from support.processes import wait_for

CHUNK = 1024  # so that a small module has some


class Site:
    """A node of a fleet that all tests of this file share. Revisions and labels go on from test to test."""

    def __init__(self, nats, node, fleet):
        self.nats, self.node, self.fleet, self.revision = nats, node, fleet, 0

    def want(self, guest, follows=True, **options):
        self.revision += 1
        version = self.fleet.version(guest, f"f{self.revision}", **options)
        self.fleet.want(self.revision, version)
        if follows:
            self.wait_until_it_follows(version)
        return version

    def wait_until_it_follows(self, version):
        wait_for(f"the node to follow {self.revision}", lambda: self.fleet.module().get("reached") == self.revision,
                 log=self.node.log)
        assert (serving(self.node)["sha256"], self.fleet.module()["drift"]) == (version["sha256"], "")

    @contextlib.contextmanager
    def first_chunk_fetched(self, nuid):
        """At the end of the block the node has it, and asks for one that is not there yet."""
        listener = self.nats.client()
        listener.listen(f"$JS.API.DIRECT.GET.OBJ_{MODULES}")
        yield
        for _ in range(2):
            assert nuid.encode() in listener.next_said()
        listener.close()

    @contextlib.contextmanager
    def looked(self):
        """At the end the node has read what is desired after the block, and done with it what it does."""
        yield
        listener = self.nats.client()
        listener.listen(f"$JS.API.STREAM.MSG.GET.KV_{DESIRED}")
        for _ in range(2):  # it asks again when it is through with the first
            self.fleet.client.publish("secbeat.wasm.reload", b"{}")
            listener.next_said()
        listener.close()

    def stays(self, before):
        assert serving(self.node)["sha256"] == before["sha256"]
        assert http_request(self.node.site_port, "GET", "/").status == 200


@pytest.fixture(scope="module")
def site(make_shared_node, build, tmp_path_factory):
    """The node starts without NATS, and works."""
    nats = NatsServer(tmp_path_factory.mktemp("nats"))
    node = make_shared_node(tables=in_fleet(nats))
    assert "does not answer yet" in node.log.read_text()
    assert node.upload("allow_all", name="bad-bot-blocker").status == 200 and node.site().status == 200
    nats.start()
    fleet = Fleet(nats, build)
    wait_for("the node to report", lambda: fleet.status(), log=node.log)
    yield Site(nats, node, fleet)
    nats.kill()


def test_a_server_that_dies_under_load_costs_no_request(site):
    with Load(site.node) as load:
        site.want("log_all")
        site.nats.kill()
        lost = wait_for("the node to notice", lambda: "connection to NATS is lost" in site.node.log.read_text())
        assert lost and site.node.rollback(name="bad-bot-blocker").status == 200
        site.nats.start()
        site.fleet.connect_again()
        site.want("allow_all")
    assert load.lost[:2] == (0, 0) and {status for _, _, _, status, _ in load.records} == {200}, load.lost


def test_what_is_gone_or_older_changes_nothing(site):
    before = site.want("log_all")
    client, fleet = site.fleet.client, site.fleet
    fleet.want(site.revision - 1, fleet.version("allow_all", "older"))
    wait_for("the node to see it", lambda: "changed on the node itself" in fleet.module()["drift"], log=site.node.log)
    site.stays(before)
    client.put(DESIRED, "desired", b'{"format":1,"revision":')
    client.publish("secbeat.wasm.reload", b"{}")
    wait_for("the node to notice", lambda: "desired state cannot be read" in site.node.log.read_text(), log=site.node.log)
    for stream in (f"KV_{DESIRED}", f"OBJ_{MODULES}", f"KV_{NODES}"):
        client.delete_stream(stream)
    client.publish("secbeat.wasm.reload", b"{}")
    site.stays(before)
    # A fleet that is rebuilt: its buckets begin anew.
    fleet.make()
    wait_for("the node to report again", lambda: fleet.status(), log=site.node.log)
    site.stays(before)
    site.want("allow_all")
    assert [row["request_id"] for row in site.node.history()][:2] == [f"desired-{site.revision}", f"desired-{site.revision - 1}"]


def test_a_desired_state_of_the_next_format_is_followed_and_a_newer_one_changes_nothing(site):
    before, fleet = site.want("allow_all"), site.fleet
    site.revision += 1
    version = fleet.version("log_all", f"f{site.revision}")
    assert version["sha256"] != before["sha256"]
    document = desired(site.revision, version)
    document["modules"][0]["shape"] = [1, 2]
    fleet.write({**document, "format": 2, "colour": "green"})
    site.wait_until_it_follows(version)

    rows = len(site.node.history())
    site.revision += 1
    fleet.write({**desired(site.revision, fleet.version("block_all", "newer")), "format": 3})
    wait_for("the node to notice", lambda: "this build reads formats up to 2; update it" in site.node.log.read_text(), log=site.node.log)
    with site.looked():
        fleet.write({"format": 3, "revision": site.revision, "modules": []})
    site.stays(version)
    assert fleet.module()["reached"] == site.revision - 1 and len(site.node.history()) == rows
    site.want("allow_all")


def damaged(site, what):
    """Wants a version whose object is not what it should be."""
    data = site.fleet.module_bytes("log_all")
    if what == "missing":
        return site.want("log_all", follows=False, keep=False)
    if what == "without metadata":
        site.fleet.client.put_metadata(MODULES, hashlib.sha256(data).hexdigest(), b'{"name":')
        return site.want("log_all", follows=False, keep=False)
    if what == "replaced":
        other = site.fleet.module_bytes("block_all")
        site.fleet.client.put_object(MODULES, other, name=hashlib.sha256(data).hexdigest())
        return site.want("log_all", follows=False, keep=False)
    return site.want("log_all", follows=False, chunks=slice(1, None), chunk_bytes=CHUNK)


@pytest.mark.parametrize("what, why", [("missing", "there is no object"), ("without metadata", "cannot be read"),
                                       ("replaced", "are other bytes"), ("cut", "chunks of an object are missing")])
def test_an_object_that_is_not_what_it_is_called_is_refused(site, what, why):
    before = site.want("allow_all")
    reached = site.revision
    site.fleet.client.delete_stream(f"OBJ_{MODULES}")
    site.fleet.make()
    damaged(site, what)
    wait_for("the node to tell", lambda: why in site.fleet.module()["drift"], log=site.node.log)
    assert site.fleet.module()["reached"] == reached
    site.stays(before)
    site.want("log_all")


def test_a_freeze_holds_the_fleet_up_and_nothing_longer_than_it_lasts(site):
    before = site.want("allow_all")
    assert site.node.cli("freeze", "--reason", "sale").returncode == 0
    wanted = site.want("log_all", follows=False)
    wait_for("the node to tell", lambda: "frozen since" in site.fleet.module()["drift"], log=site.node.log)
    assert site.fleet.module()["drift"].endswith("sale")
    order = {"format": 1, "rollout": "frozen", "module": "bad-bot-blocker", "revision": site.revision + 1, "expected_version": "",
             "forced": True, "reason": "test", "by": "test", **wanted}
    assert site.fleet.call("commit", order)["code"] == "frozen"
    site.stays(before)
    assert site.node.cli("unfreeze").returncode == 0
    site.wait_until_it_follows(wanted)


def test_a_node_that_was_away_for_five_versions_comes_to_the_last(site):
    site.want("allow_all")
    site.node.stop()
    for guest in ("log_all", "block_all", "rate_limit_all", "bad-bot-blocker", "log_all"):
        last = site.want(guest, follows=False)
    site.node.start()
    site.wait_until_it_follows(last)
    assert [row["request_id"] for row in site.node.history() if row["by"] == "fleet"][:2] == \
        [f"desired-{site.revision}", f"desired-{site.revision - 5}"], "it did not go through those between"


def test_an_agent_that_is_killed_while_it_downloads_has_changed_nothing(site):
    before = site.want("allow_all")
    client, data = site.fleet.client, site.fleet.module_bytes("bad-bot-blocker")
    site.revision += 1
    version = site.fleet.version("bad-bot-blocker", f"f{site.revision}", keep=False)
    nuid = client.put_object(MODULES, data, chunks=slice(0, 1), chunk_bytes=CHUNK)
    with Load(site.node) as load:
        with site.first_chunk_fetched(nuid):
            site.fleet.want(site.revision, version)
        site.node.kill_agent()
        assert site.node.site().status == 200
        client.put_object(MODULES, data, chunks=slice(1, None), chunk_bytes=CHUNK, nuid=nuid)
        site.node.start()
        site.wait_until_it_follows(version)
    assert load.lost[:2] == (0, 0) and {status for _, _, _, status, _ in load.records} == {200}, load.lost
    rows = [row for row in site.node.history() if row["success"]]
    assert (rows[0]["sha256"], rows[1]["sha256"]) == (version["sha256"], before["sha256"])


def test_an_object_that_is_replaced_while_it_is_downloaded_is_refused(site):
    before = site.want("allow_all")
    client, data, reached = site.fleet.client, site.fleet.module_bytes("bad-bot-blocker"), site.revision
    site.revision += 1
    version = site.fleet.version("bad-bot-blocker", f"f{site.revision}", keep=False)
    nuid = client.put_object(MODULES, data, chunks=slice(0, 1), chunk_bytes=CHUNK)
    with Load(site.node) as load:
        with site.first_chunk_fetched(nuid):
            site.fleet.want(site.revision, version)
        client.put_object(MODULES, site.fleet.module_bytes("block_all"), name=version["sha256"])
        client.forget(f"OBJ_{MODULES}", f"$O.{MODULES}.C.{nuid}")
        wait_for("the node to tell", lambda: "are other bytes" in site.fleet.module()["drift"], log=site.node.log)
        assert site.fleet.module()["reached"] == reached
        site.stays(before)
        client.put_object(MODULES, data)
        site.wait_until_it_follows(version)
    assert load.lost[:2] == (0, 0) and {status for _, _, _, status, _ in load.records} == {200}, load.lost


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_node_with_another_clock_follows(site, minutes):
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    assert library, "there is no libfaketime: scripts/bootstrap.sh test"
    site.want("allow_all")
    site.node.stop()
    site.node.environment = {"LD_PRELOAD": str(library), "FAKETIME": f"{minutes:+}m", "DONT_FAKE_MONOTONIC": "1"}
    try:
        site.node.start()
        site.want("log_all")
        site.want("bad-bot-blocker")
        reported = datetime.datetime.fromisoformat(site.fleet.status()["reported_at"])
        ahead = reported - datetime.datetime.now(datetime.UTC)
        assert abs(ahead - datetime.timedelta(minutes=minutes)) < datetime.timedelta(minutes=5), "its clock is as others'"
    finally:
        site.node.environment = {}
        site.node.stop()
        site.node.start()
    site.want("allow_all")
