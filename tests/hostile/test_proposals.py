"""Rules that are whole but for one thing: they use a proposal that is off. Each is refused, and says which."""

import subprocess

import pytest

# A rule that allows everything, the parts that a proposal adds in braces.
RULE = """(module {types} {imports} (memory (export "memory") {memory}) {more}
  (func (export "inspect_request") (param i32 i32) (result i32) {body} (i32.const 0)))"""
EXTRA = {
    "threads: a shared memory": ({"memory": "1 2 shared"}, "threads must be enabled"),
    "threads: an atomic instruction": ({"body": "(drop (i32.atomic.load (i32.const 0)))"}, "threads"),
    "memory64": ({"memory": "i64 1"}, "memory64 must be enabled"),
    "multi-memory": ({"more": "(memory 1)"}, "multiple memories"),
    "exceptions": ({"more": "(tag (param i32))"}, "exceptions proposal not enabled"),
    "tail calls": ({"more": "(func $f (result i32) (return_call $g)) (func $g (result i32) (i32.const 0))"}, "tail calls support is not enabled"),
    "relaxed SIMD": ({"body": "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))"}, "relaxed SIMD support is not enabled"),
    "function references": ({"types": "(type $t (func))", "more": "(func (param (ref $t)))"}, "requires gc"),
}


def assembled(folder, **parts):
    text, module = folder / "rule.wat", folder / "rule.wasm"
    text.write_text(RULE.format(**{"types": "", "imports": "", "memory": "1", "more": "", "body": "", **parts}))
    subprocess.run(["wat2wasm", "--enable-all", str(text), "-o", str(module)], check=True)
    return module.read_bytes()


@pytest.fixture(scope="module")
def node(make_shared_node):
    return make_shared_node("generation_0")


def test_the_rule_without_anything_more_is_taken(node, tmp_path):
    assert node.upload(assembled(tmp_path), path="/api/v1/wasm/validate", name="generation_0").status == 200


@pytest.mark.parametrize("what", EXTRA)
def test_a_rule_that_uses_a_proposal_that_is_off_is_refused(node, tmp_path, what):
    parts, reason = EXTRA[what]
    answer = node.upload(assembled(tmp_path, **parts), name="generation_0")
    assert (answer.status, answer.json["code"], answer.json["status"]) == (422, "invalid_wasm", "still_serving_v1"), answer
    assert reason in answer.json["error"]


def test_a_type_of_the_collector_is_refused(node):
    structure = b"\0asm\1\0\0\0" + b"\1\3\1\x5f\0"  # one type: a struct without fields; this wat2wasm has no word for it
    answer = node.upload(structure, name="generation_0")
    assert (answer.status, answer.json["code"]) == (422, "invalid_wasm"), answer
    assert "gc" in answer.json["error"]
