#!/usr/bin/env python3
"""The tour of scripts/run.sh --fleet and secbeat demo --fleet: nats-server, an orchestrator and protected nodes, changed with
one call under traffic.

Every step runs a real command, prints it with its numbers, and checks what came out. Standard library only.
"""

import contextlib
import json
import socket
import sys
import threading
import time

from tour_base import BOLD, PLAIN, Tour, conduct, http_status, options_of_all, program, wait_for

FEWEST, MOST = 2, 9  # nodes
MODULE = "bad-bot-blocker"
LOAD_RATE = 200  # requests a second on each node
LOAD_CONNECTIONS = 8
OBSERVED_SECONDS = "60"  # far more than a node takes to see that a version traps


def parsed(text):
    """JSON; {} where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def listed(words):
    """node-1, node-2 and node-3"""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def json_at(url):
    return parsed(http_status(url)[1])


class Link:
    """A way to a local port that can be cut: the NATS connection of the node that is cut off goes through it."""

    def __init__(self, port):
        self.port, self.is_cut, self.ends = port, False, []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            with self.lock:
                if self.is_cut:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self.port))
                except OSError:
                    near.close()
                    continue
                self.ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        with self.lock:
            self.is_cut = True
            for end in self.ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self.ends.clear()

    def mend(self):
        with self.lock:
            self.is_cut = False


class FleetTour(Tour):
    needs = ("nginx", "nats-server")

    def __init__(self, options):
        super().__init__(options)
        self.nodes = [f"node-{i + 1}" for i in range(options.nodes)]
        self.cut_off = self.nodes[-1]
        self.sites = {name: options.site_port + i for i, name in enumerate(self.nodes)}
        self.apis = {name: f"http://127.0.0.1:{options.api_port + i}" for i, name in enumerate(self.nodes)}
        self.archive = str(self.folder / "archive")
        self.orchestrator = f"http://127.0.0.1:{options.orchestrator_port}"
        self.environment["SECBEAT_ORCHESTRATOR"] = self.orchestrator

    # -- the parts of the fleet ------------------------------------------------------------------------------

    def site(self, name):
        return f"http://127.0.0.1:{self.sites[name]}"

    def start_nats(self):
        log, port = self.folder / "nats.log", self.options.nats_port
        arguments = ["-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(self.folder / "nats")]
        self.shown("nats-server " + " ".join(arguments))
        process = self.start_process("nats-server", [program("nats-server"), *arguments], log)

        def answers():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                return True
            return False

        wait_for("nats-server", answers, 20, process, log)

    def start_orchestrator(self):
        config, log = self.folder / "orchestrator.toml", self.folder / "orchestrator.log"
        config.write_text(
            f'[nats]\nurl = "nats://127.0.0.1:{self.options.nats_port}"\n'
            f'[orchestrator]\nname = "demo"\nstage_timeout_seconds = 5\n'
            f'[api]\nlisten = "127.0.0.1:{self.options.orchestrator_port}"\n')
        self.logs.append(log)
        self.shown(f"secbeat orchestrator --config {config}")
        process = self.start_process("the orchestrator", [self.secbeat, "orchestrator", "--config", str(config)], log)
        wait_for("The orchestrator", lambda: http_status(self.orchestrator + "/readyz")[0] == 200, 30, process, log)

    def start_nodes(self):
        self.link = Link(self.options.nats_port)
        direct = f"nats://127.0.0.1:{self.options.nats_port}"
        waits = [self.start_node(name, self.sites[name], self.options.api_port + i, workers=1,
                                 more=f'[archive]\nurl = "{self.archive}"\n'
                                      f'[nats]\nurl = "{self.link.url if name == self.cut_off else direct}"\n')
                 for i, name in enumerate(self.nodes)]
        for wait in waits:
            wait()

    # -- looking ---------------------------------------------------------------------------------------------

    def reported(self):
        """What each node reports of the module: version, drift."""
        nodes = json_at(f"{self.orchestrator}/api/v1/nodes").get("nodes", [])
        return {node["node"]: node["modules"].get(MODULE, {}) for node in nodes}

    def await_whole(self):
        wait_for("A whole fleet", lambda: sorted(self.reported()) == sorted(self.nodes) and all(
            module and module["drift"] is None for module in self.reported().values()), 30)

    def check_whole(self):
        self.await_whole()
        self.check(self.run("fleet", "status").returncode == 0, "the fleet is whole: every node is ready and serves what is desired")

    def serves(self, name):
        return json_at(f"{self.apis[name]}/api/v1/wasm/version?name={MODULE}").get("version")

    def check_serving(self, version, names=None):
        serving = {name: self.serves(name) for name in names or self.nodes}
        self.check(set(serving.values()) == {version}, ", ".join(f"{name} serves {served}" for name, served in serving.items()))

    def has_served(self, name, version):
        rows = json_at(f"{self.apis[name]}/api/v1/wasm/history").get("reloads", [])
        return any(row["version"] == version and row["success"] for row in rows)

    @contextlib.contextmanager
    def traffic(self):
        ends = {name: self.start_load(port, LOAD_RATE, LOAD_CONNECTIONS) for name, port in self.sites.items()}
        time.sleep(1)  # so that the load is running steadily when something changes; nothing depends on it
        yield
        time.sleep(0.5)
        for name, end in ends.items():
            self.check_load(end(), LOAD_RATE // 2, f"{name}: ")

    # -- the tour --------------------------------------------------------------------------------------------

    def walk(self):
        self.begin()
        self.reload_all()
        self.halt_at_the_canary()
        self.sync_after_a_canary_by_hand()
        self.cut_one_off()
        self.roll_back()
        self.look_into_the_archive()
        self.step("The fleet, and what was done to it")
        self.check_whole()

    def begin(self):
        self.step(f"A demo site; NATS, an orchestrator, and {len(self.nodes)} nodes that protect the site")
        self.start_demo_site()
        self.start_nats()
        self.start_orchestrator()
        self.start_nodes()
        for name in self.nodes:
            self.told(f"{name}        site {self.site(name)}  API {self.apis[name]}")
        self.told(f"orchestrator  {self.orchestrator}")
        self.check_whole()

    def reload_all(self):
        self.step(f"One call reloads every node, under {LOAD_RATE} requests a second on each")
        with self.traffic():
            module = self.guest(f"{MODULE}-1.1.0")
            done = self.run_program("curl", "-sS", "-F", f"file=@{module}", "-F", "reason=also block Masscan",
                                    f"{self.orchestrator}/api/v1/wasm/reload-fleet")
            answer = parsed(done.stdout)
            self.check(answer.get("deployed_to") == list(self.nodes) and answer.get("failed") == [] and answer.get("total_downtime_ms") == 0,
                       f"deployed to {len(answer.get('deployed_to', []))} nodes, {len(answer.get('failed', []))} failed, "
                       f"total_downtime_ms {answer.get('total_downtime_ms')}")
            for name in self.nodes:
                self.request(self.site(name), "/", "masscan/1.3", 403)

    def halt_at_the_canary(self):
        self.step("A version that passes every check and traps in service: halted at the canary, and taken back")
        self.await_whole()
        with self.traffic():
            begun = time.monotonic()
            done = self.run("fleet", "reload", self.guest("hostile_traps"), "--name", MODULE, "--canary", "1",
                            "--observe-seconds", OBSERVED_SECONDS, "--reason", "looks harmless")
            took = time.monotonic() - begun
        rollout = json_at(f"{self.orchestrator}/api/v1/rollouts?limit=1")["rollouts"][0]
        waves = [[node["node"] for node in wave["nodes"]] for wave in rollout["waves"]]
        self.check(done.returncode == 1 and rollout["state"] == "reverted" and took < float(OBSERVED_SECONDS),
                   f"{rollout['version']} was halted and taken back, {took:.1f} s after the call")
        served = [name for name in self.nodes if self.has_served(name, rollout["version"])]
        self.check(waves[:1] == [served], f"{listed(served)} served it; {listed([name for name in self.nodes if name not in served])} never did")
        self.check_serving("1.1.0")

    def sync_after_a_canary_by_hand(self):
        self.step("A canary by hand, which nothing undoes; and sync, which does")
        self.await_whole()
        with self.traffic():
            newer, by_hand = self.guest(f"{MODULE}-1.2.0"), self.nodes[0]
            self.check(self.run("reload", newer, "--api", self.apis[by_hand], "--reason", "try it here first").returncode == 0,
                       f"{by_hand} serves 1.2.0, over its own API")
            wait_for("The canary's report", lambda: self.reported()[by_hand].get("drift"), 20)
            self.check(self.run("fleet", "status").returncode == 1, "the fleet is not whole, and it says why")
            refused = self.run("fleet", "reload", newer, "--expected-version", "1.1.0")
            self.check(refused.returncode == 1 and "Version conflict: expected 1.1.0, got 1.2.0" in refused.stdout + refused.stderr,
                       "who expects 1.1.0 everywhere is told where it is not, and nothing is swapped")
            self.check(self.run("fleet", "sync", "--reason", "tried enough").returncode == 0, "every node serves what is desired")
            self.check_serving("1.1.0")

    def cut_one_off(self):
        self.step(f"{self.cut_off} is cut off from NATS, misses a version, and comes to it when it is back")
        self.await_whole()
        rest = [name for name in self.nodes if name != self.cut_off]
        with self.traffic():
            self.link.cut()
            done = self.run("fleet", "reload", self.guest(f"{MODULE}-1.2.0"), "--reason", "also block ZGrab")
            self.check(done.returncode == 0, "the rollout goes on without it")
            self.check_serving("1.2.0", rest)
            self.check_serving("1.1.0", [self.cut_off])
            self.request(self.site(self.cut_off), "/", "masscan/1.3", 403)
            self.request(self.site(self.cut_off), "/", "zgrab/0.x", 200)
            self.link.mend()
            begun = time.monotonic()
            wait_for(f"{self.cut_off} with the desired version", lambda: self.serves(self.cut_off) == "1.2.0", 60)
            self.check(True, f"back, and with the desired version {time.monotonic() - begun:.1f} s after the way was free again")
            self.request(self.site(self.cut_off), "/", "zgrab/0.x", 403)

    def roll_back(self):
        self.step("One call takes every node back: no upload, no compiler")
        self.await_whole()
        with self.traffic():
            done = self.run("fleet", "rollback", "--reason", "ZGrab is our own scanner")
            self.check(done.returncode == 0, "rolled back")
            self.check_serving("1.1.0")
            for name in self.nodes:
                self.request(self.site(name), "/", "zgrab/0.x", 200)

    def look_into_the_archive(self):
        self.step("The archive that the nodes share has every version that was in force")
        wait_for("1.2.0 in the archive", lambda: "1.2.0" in self.run_quietly("archive", "list", "--archive", self.archive), 30)
        listing = self.run("archive", "list", "--archive", self.archive)
        self.check(listing.returncode == 0 and all(version in listing.stdout for version in ("1.0.0", "1.1.0", "1.2.0")),
                   "1.0.0, 1.1.0 and 1.2.0 can be had again, wherever they serve now")
        self.check(self.run("archive", "verify", "--archive", self.archive).returncode == 0, "whole: every file has its hash")

    def invite(self):
        newer, allow_all = self.short(self.guest(f"{MODULE}-1.2.0")), self.short(self.guest("allow_all"))
        secbeat = self.short(self.secbeat)
        api = "" if self.options.orchestrator_port == 8080 else f" --api {self.orchestrator}"
        first = self.nodes[0]
        print(f"""
{BOLD}The fleet keeps running until Ctrl-C. Try, in another terminal:{PLAIN}
  curl -i {self.site(first)}/                              # passes, with the receipt of who decided
  {secbeat} fleet status{api}
  {secbeat} fleet reload {newer} --canary 1 --observe-seconds 10{api}
  {secbeat} fleet watch{api}                               # in a third terminal: the rollout that runs
  {secbeat} fleet rollback{api}
  {secbeat} reload {allow_all} --name {MODULE} --api {self.apis[first]}
  {secbeat} fleet sync{api}
  {secbeat} history --api {self.apis[first]}
  curl {self.orchestrator}/api/v1/wasm/history
  curl {self.orchestrator}/metrics
Logs: {self.folder}/*.log, {self.folder}/node-*/node.log
""", flush=True)


def main():
    parser = options_of_all(__doc__)
    parser.add_argument("--nodes", type=int, default=3, choices=range(FEWEST, MOST + 1), metavar="N", help="2 to 9; 3 without it")
    parser.add_argument("--site-port", type=int, default=8001)
    parser.add_argument("--api-port", type=int, default=9091)
    parser.add_argument("--demo-port", type=int, default=8000)
    parser.add_argument("--orchestrator-port", type=int, default=8080)
    parser.add_argument("--nats-port", type=int, default=4222)
    options = parser.parse_args()
    ports = [(first + i, option) for first, option in ((options.site_port, "--site-port"), (options.api_port, "--api-port"))
             for i in range(options.nodes)]
    ports += [(options.demo_port, "--demo-port"), (options.orchestrator_port, "--orchestrator-port"), (options.nats_port, "--nats-port")]
    return conduct(FleetTour, options, ports)


if __name__ == "__main__":
    sys.exit(main())
