"""docs/rules.schema.json, held against a JSON Schema validator, the documents' examples and the module itself."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
LEAF = {"field": "URI", "pattern": "/x"}


@pytest.fixture(scope="module")
def schema():
    text = json.loads((ROOT / "docs/rules.schema.json").read_text())
    Draft202012Validator.check_schema(text)
    return Draft202012Validator(text)


@pytest.fixture(scope="module")
def fault_of(build):
    """What the module says of a document; empty: it takes it."""
    with subprocess.Popen([build / "bin" / "universal-waf-decide-wasm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        def ask(document):
            text = document if isinstance(document, str) else json.dumps(document)
            process.stdin.write(json.dumps({"config": text, "requests": []}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())["fault"]
        yield ask
        process.stdin.close()


def examples():
    text = (ROOT / "docs/rules.md").read_text()
    found = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    found += [json.loads(block) for block in re.findall(r"echo '(\{.*?\})' >", text)]
    for example in found:
        if "tests" not in example:
            yield example if "rules" in example else {"rules": [example]}


def test_every_example_of_the_document_is_valid_and_taken(schema, fault_of):
    every = list(examples())
    assert len(every) >= 3
    for document in every:
        for rule in document["rules"]:
            rule.pop("ttl_seconds", None)  # the node makes expires_at of it on receipt
        assert not list(schema.iter_errors(document)), document
        assert fault_of(document) == "", document


@pytest.mark.parametrize("document", [
    {"rules": []}, {"$schema": "x", "version": 1, "description": None, "x-note": {}, "rules": []},
    {"rules": [{"id": "a", "action": "Log", **LEAF, "expires_at": 1, "tags": ["t"], "enabled": False, "message": "m", "confidence": 0.5,
                "evidence": "e" * 1024, "origin": "o" * 128}]},
    {"rules": [{"id": "a", "action": "Allow", "any": [LEAF, {"not": LEAF}], "requires": {"Header:Host": "a"}, "x-a": 1}]},
    {"rules": [{"id": "a", "action": "Block", "field": "JSON:", "match": "regex", "pattern": ["a+", "b"], "transformations": ["lowercase"],
                "min_length": 0, "max_length": 9, "min_count": 1, "max_count": 2}]},
], ids=lambda document: json.dumps(document)[:60])
def test_what_rules_may_say_is_taken_by_both(schema, fault_of, document):
    assert not list(schema.iter_errors(document))
    assert fault_of(document) == ""


def wrong(**more):
    rule = {"id": "a", "action": "Block", **LEAF, **more}
    return {"rules": [{key: value for key, value in rule.items() if value is not None}]}


@pytest.mark.parametrize("document", [
    [], {}, {"rules": {}}, {"rules": [1]}, {"rules": [], "ruls": []},
    wrong(id=""), wrong(id="a b"), wrong(id="a" * 101), wrong(id=7), {"rules": [{"action": "Block", **LEAF}]},
    wrong(action="block"), wrong(action="Deny"), {"rules": [{"id": "a", **LEAF}]},
    wrong(patern="x"), wrong(pattern=None), wrong(pattern=""), wrong(pattern=[]), wrong(pattern=["x", 1]), wrong(pattern="x" * 2049),
    wrong(pattern=["x"] * 1001), wrong(field=None), wrong(field="Url"), wrong(field="Header"), wrong(field="Header:"), wrong(field="JSON:a"),
    wrong(match="like"), wrong(max_length=-1), wrong(max_length=1.5), wrong(min_count=0), wrong(transformations=["rot13"]),
    wrong(transformations=["lowercase"] * 9), wrong(all=[]), wrong(all=[LEAF]), wrong(requires={"Url": "x"}), wrong(requires={"URI": ""}),
    wrong(requires=[]), wrong(expires_at="tomorrow"), wrong(expires_at=-1), wrong(ttl_seconds=60), wrong(enabled="no"), wrong(message="m" * 257),
    wrong(evidence=7), wrong(evidence="e" * 1025), wrong(origin="o" * 129), wrong(origin=[]), wrong(tags=["t"] * 17), wrong(tags=[""]), wrong(tags="t"), {"rules": [{"id": "a", "action": "Block", "not": {**LEAF, "id": "b"}}]},
    {"rules": [{"id": "a", "action": "Block", "field": "URI"}]}, {"rules": [{"id": "a", "action": "Block"}]},
], ids=lambda document: json.dumps(document)[:80])
def test_what_is_wrong_is_refused_by_both(schema, fault_of, document):
    assert list(schema.iter_errors(document))
    assert fault_of(document) != ""


# A schema does not count, compare, compile or follow: what it cannot know, and why.
@pytest.mark.parametrize(("why", "document"), [
    ("ids are unlike each other", {"rules": [{"id": "a", "action": "Block", **LEAF}, {"id": "a", "action": "Log", **LEAF}]}),
    ("one number is above another", {"rules": [{"id": "a", "action": "Block", "field": "URI", "min_length": 5, "max_length": 4}]}),
    ("what an address is", wrong(field="SourceIP", pattern="300.0.0.1")),
    ("cidr is of one field", wrong(match="cidr")),
    ("a regular expression of the module's syntax", wrong(match="regex", pattern="(")),
    ("how large an expression's table is", wrong(match="regex", pattern="(a|b).{900}c")),
    ("which days there are", wrong(expires_at="2026-02-31T00:00:00Z")),
    ("how deep conditions nest", {"rules": [{"id": "a", "action": "Block", **json.loads('{"not":' * 9 + json.dumps(LEAF) + "}" * 9)}]}),
    ("how many conditions a rule has", {"rules": [{"id": "a", "action": "Block", "all": [LEAF] * 65}]}),
    ("keys that come twice", '{"rules":[],"rules":[]}'),
], ids=lambda value: value if isinstance(value, str) and len(value) < 60 and "{" not in value else "document")
def test_what_a_schema_cannot_know_is_refused_by_the_module_alone(schema, fault_of, why, document):
    assert not list(schema.iter_errors(json.loads(document) if isinstance(document, str) else document)), why
    assert fault_of(document) != "", why


def test_tests_of_rules_have_a_schema_that_says_what_the_command_takes(build, tmp_path):
    text = json.loads((ROOT / "docs/rule-tests.schema.json").read_text())
    Draft202012Validator.check_schema(text)
    schema = Draft202012Validator(text)
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", (ROOT / "docs/rules.md").read_text(), re.DOTALL)]
    example = next(block for block in blocks if "tests" in block)
    (tmp_path / "rules.json").write_text(json.dumps(next(block for block in blocks if "rules" in block)))

    def status(document):
        (tmp_path / "tests.json").write_text(json.dumps(document))
        return subprocess.run([build / "bin" / "secbeat", "rules", "test", "--rules", tmp_path / "rules.json", tmp_path / "tests.json"],
                              capture_output=True, check=False).returncode

    assert not list(schema.iter_errors(example)) and status(example) == 0
    ok = {"verdict": "Allow"}
    for wrong_one in ([], {}, {"tests": [{}]}, {"tests": [{"verdict": "allow"}]}, {"tests": [{**ok, "rul": "x"}]}, {"tests": [{**ok, "name": ""}]},
                      {"tests": [{**ok, "rule": 1}]}, {"tests": [{**ok, "request": {"url": "/"}}]}, {"tests": [{**ok, "request": {"uri": ""}}]},
                      {"tests": [{**ok, "request": {"headers": {"a b": "c"}}}]}, {"tests": [{**ok, "request": {"headers": {"a": "b\nc"}}}]},
                      {"tests": [{**ok, "request": {"time": "now"}}]}, {"tests": [{**ok, "request": {"body": 1}}]}):
        assert list(schema.iter_errors(wrong_one)), wrong_one
        assert status(wrong_one) == 2, wrong_one
