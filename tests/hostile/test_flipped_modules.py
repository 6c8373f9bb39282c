"""Copies of valid modules with bits flipped and spans moved: each is refused for a reason, or serves without harm.

    scripts/flipped_modules.sh 5000 [SEED]      many, before a release; the tests make 300
"""

import collections
import os
import random

import pytest

from support.node import Load
from support.steady import Steady, Uploader

COPIES = int(os.environ.get("SECBEAT_FLIPPED_COPIES", "300"))
SEED = os.environ.get("SECBEAT_FLIPPED_SEED", "1")
# Of both ABIs, with and without a body, configuration, labels of their own.
MODULES = ["bad-bot-blocker", "abi1_json", "body_reader", "configurable", "describes_request", "block_when_header", "empty_abi2"]
NAME = "rule"
# What a module can be refused for. Not among them: internal, io, compile_failed, compile_timeout.
WORDS = {"invalid_wasm", "missing_export", "forbidden_import", "invalid_action", "sample_trapped", "sample_timeout", "configure_failed",
         "memory_limit"}
REQUESTS = [{}, {"method": "POST", "body": b"q=1' OR '1'='1" * 20}, {"headers": {"User-Agent": "BadBot", "x-block": "1"}}]
GOOD = "generation_0"  # uploaded now and then, so that copies follow a version that is whole


def flipped(module, chance):
    """One to eight changes: bits as a rule, now and then a byte, or a span that is taken out, repeated or overwritten."""
    copy = bytearray(module)
    for _ in range(chance.choice([1, 1, 1, 2, 4, 8])):
        at = chance.randrange(len(copy))
        match chance.choice(["bit"] * 6 + ["byte", "out", "again", "over"]):
            case "bit":
                copy[at] ^= 1 << chance.randrange(8)
            case "byte":
                copy[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            case "out":
                del copy[at:min(at + chance.randrange(1, 9), len(copy) - 1)]
            case "again":
                copy[at:at] = copy[at:at + chance.randrange(1, 9)]
            case "over":
                copy[at:at + 8] = copy[(other := chance.randrange(len(copy))):other + 8]
    return bytes(copy)


@pytest.fixture
def modules(build):
    return [(build / "guests" / f"{name}.wasm").read_bytes() for name in MODULES]


def test_each_flipped_copy_is_refused_for_a_reason_or_serves_without_harm(make_node, modules):
    node, told = make_node(GOOD, called=NAME), collections.Counter()
    good = node.guest(GOOD).read_bytes()
    for other in "generation_1", "generation_2", GOOD:  # so many versions as are kept: each has a descriptor in each worker
        assert node.upload(other, name=NAME).status == 200
    steady = Steady(node, NAME, grown_kib=16 << 10)
    with Load(node, rate=200, seconds=3600 * 12) as load, Uploader(node) as uploader:
        for number in range(COPIES):
            what = f"copy {number} of seed {SEED}"
            copy = flipped(modules[number % len(modules)], random.Random(f"{SEED} {number}"))
            answer = uploader.reload(copy, NAME)
            told[answer.status, answer.json.get("code")] += 1
            assert answer.status == 200 or (answer.status == 422 and answer.json["code"] in WORDS), (what, answer)
            if answer.status == 200:
                statuses = [node.site("/", **request).status for request in REQUESTS]
                assert all(status < 500 for status in statuses), (what, statuses)
                assert uploader.reload(good, NAME).status == 200, what
        steady.version = uploader.reload(node.guest("bad-bot-blocker").read_bytes(), NAME).json["version"]
    print(f"\n{dict(told)}; {load.result['answers']} answers; grown by KiB: {list(steady.grown().values())}")
    assert load.result["closed_by_server"] == 0
    assert max(status for _, _, _, status, _ in load.records) < 500
    assert node.site("/", headers={"User-Agent": "BadBot"}).status == 403
    steady.check()
