"""A nats-server in a network namespace of its own. Each party has a cable to it (a veth pair) that a test can pull: what is sent is
lost then, in silence, and no connection ends. For root alone."""

import os
import random
import shutil
import subprocess

from support.nats import NatsServer

FEW = 16  # cables, of a /30 network each


def ip(*words, check=True):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, timeout=30, check=False)
    assert not check or done.returncode == 0, (words, done.stderr)
    return done


def can_be_pulled():
    """Whether this machine lets us have namespaces."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"secbeat-probe-{os.getpid()}"
    if ip("netns", "add", name, check=False).returncode != 0:
        return False
    entered = ip("-n", name, "link", "set", "lo", "up", check=False).returncode == 0  # not in every chroot or container
    return ip("netns", "del", name, check=False).returncode == 0 and entered


class NatsBehindCables(NatsServer):
    """`parties`: who has a cable; the test has one more, which is never pulled."""

    def __init__(self, folder, parties):
        super().__init__(folder)
        self.namespace = f"secbeat-{os.getpid()}-{random.randrange(1 << 16):04x}"
        self.wrapper, self.listen = ["ip", "netns", "exec", self.namespace], "0.0.0.0"  # in there, nobody else is
        self.numbers = {party: number for number, party in enumerate(("test", *parties))}
        assert len(self.numbers) <= FEW
        # Of the range for benchmarks (RFC 2544): it is in nobody's network.
        self.second, self.third = random.randrange(18, 20), random.randrange(256)
        self.host = self.address("test", 2)
        self.is_made = False

    def address(self, party, end):
        return f"198.{self.second}.{self.third}.{4 * self.numbers[party] + end}"

    def cable(self, party, end):
        return f"sb{self.namespace[-4:]}-{self.numbers[party]}{'ab'[end - 1]}"

    def url_of(self, party):
        return f"nats://{self.address(party, 2)}:{self.port}"

    def start(self):
        if not self.is_made:
            self.is_made = True
            ip("netns", "add", self.namespace)
            ip("-n", self.namespace, "link", "set", "lo", "up")
            for party in self.numbers:
                near, far = self.cable(party, 1), self.cable(party, 2)
                ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.namespace)
                ip("addr", "add", f"{self.address(party, 1)}/30", "dev", near)
                ip("-n", self.namespace, "addr", "add", f"{self.address(party, 2)}/30", "dev", far)
                ip("link", "set", near, "up")
                self.plug(party)
        return super().start()

    def pull(self, *parties):
        for party in parties:
            ip("-n", self.namespace, "link", "set", self.cable(party, 2), "down")

    def deafen(self, *parties):
        """What they say arrives, what they are told is lost."""
        for party in parties:
            ip("-n", self.namespace, "route", "add", "blackhole", f"{self.address(party, 1)}/32")

    def plug(self, *parties):
        """In order again, whatever it was."""
        for party in parties:
            ip("-n", self.namespace, "route", "del", "blackhole", f"{self.address(party, 1)}/32", check=False)
            ip("-n", self.namespace, "link", "set", self.cable(party, 2), "up")

    def remove(self):
        self.kill()
        if self.is_made:
            ip("netns", "del", self.namespace)  # its cables go with it
