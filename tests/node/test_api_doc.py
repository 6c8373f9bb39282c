"""docs/api.md, run from top to bottom: each example is a command of a reader, and the node answers as the page says."""

import os
import re
from pathlib import Path

import pytest

from support.examples import CURLRC, Example, differences, examples_of, run
from support.processes import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
# The files that the page names, by the guest that each one is.
FILES = {"bad-bot-blocker.wasm": "bad-bot-blocker", "bad-bot-blocker-1.1.0.wasm": "bad-bot-blocker-1.1.0",
         "broken.wasm": "missing_inspect", "uri-blocker.wasm": "configurable", "fragile.wasm": "traps_on_request"}


def test_every_example_of_the_page_runs_and_answers_as_shown(make_node, tmp_path):
    node = make_node("bad-bot-blocker")
    for name, guest in FILES.items():
        (tmp_path / name).write_bytes(node.guest(guest).read_bytes())
    (tmp_path / ".curlrc").write_text(CURLRC)
    environment = {**os.environ, "CURL_HOME": str(tmp_path)}
    addresses = {"http://127.0.0.1:9090": f"http://127.0.0.1:{node.api_port}",
                 "http://127.0.0.1:8000": f"http://127.0.0.1:{node.site_port}"}
    examples = examples_of(PAGE.read_text())
    for example in examples:
        def outcome(example=example):
            return run(example, tmp_path, environment, addresses)

        if method_of(example) != "GET":  # a change: done once
            wrong = outcome()
            assert not wrong, f"{PAGE.name}:{example.line}: {example.command}\n" + "\n".join(wrong)
        else:  # what requests leave behind is shown a moment later
            wait_for(f"{PAGE.name}:{example.line}: {example.command}", lambda: not outcome(), patience=20)
    check_that_all_calls_are_shown(node, examples)


def method_of(example):
    options = example.command.split("http://")[0]
    method = re.search(r" -X (\w+)", options)
    return method.group(1) if method else "POST" if re.search(r" -F| -d| --json", options) else "GET"


def check_that_all_calls_are_shown(node, examples):
    shown = set()
    for example in examples:
        for path in re.findall(r"http://127\.0\.0\.1:9090(/[^\s'?|]*)", example.command):
            operation, _ = node.contract.operation(method_of(example), path)
            assert operation, example
            shown.add(operation["operationId"])
    all_calls = {operation["operationId"] for methods in node.get("/openapi.json").json["paths"].values()
                 for method, operation in methods.items() if method != "head"}
    assert all_calls == shown


@pytest.mark.parametrize(("shown", "real", "same"), [
    ({"a": 1}, {"a": 2, "b": 3}, True), ({"a": 1}, {}, False), ({"a": 1}, {"a": "1"}, False), ({"a": None}, {"a": 1}, False),
    ({"a": True}, {"a": False}, False), ("x…z", "xyz", True), ("v1", "v2", False), ([1, "…"], [1, 2, 3], True), ([1], [1, 2], False),
    ([], [1], False), (["…"], [], True), ("a?[b]*", "a?[b]*", True), ("a?", "ab", False)])
def test_outputs_are_compared_as_a_reader_compares_them(shown, real, same):
    assert (not differences(shown, real)) == same


def test_examples_are_found_with_their_outputs():
    page = "text\n```console\n$ one \\\n  more\nout\n$ two\n```\n```sh\n$ not this\n```\n"
    assert examples_of(page) == [Example(3, "one \\\n  more", "out\n"), Example(6, "two", "")]
