"""Every module of the WebAssembly specification tests is refused for a reason, and nothing else happens."""

import collections

import pytest

from support import spec_modules as spec
from support.steady import Steady, Uploader

# So that a wast2json that understands less, or a package without the tests, is noticed.
AT_LEAST = {spec.MALFORMED: 600, spec.INVALID: 900, spec.TEXT: 500, spec.VALID: 400, spec.UNLINKABLE: 60, spec.UNINSTANTIABLE: 10}
# What is valid WebAssembly is still no rule: it imports something, has no inspect_request, or uses what is off.
WORDS = {
    spec.MALFORMED: {"invalid_wasm"}, spec.INVALID: {"invalid_wasm"}, spec.TEXT: {"invalid_wasm"}, spec.SOURCE: {"invalid_wasm"},
    spec.VALID: {"invalid_wasm", "missing_export", "forbidden_import"},
    spec.UNLINKABLE: {"invalid_wasm", "missing_export", "forbidden_import"},
    spec.UNINSTANTIABLE: {"invalid_wasm", "missing_export", "forbidden_import"},
}
# Invalid by the first edition of WebAssembly: with several results of a function, several tables, and a br_table that is
# never reached, they are valid by the second one.
VALID_BY_NOW = {"func.wast:493", "type.wast:53", "old_import.wast:131", "old_import.wast:135", "unreached-invalid.wast:539"}
WARM = 500  # uploads after which the agent has the memory that it needs
RELOAD, VALIDATE = "/api/v1/wasm/reload", "/api/v1/wasm/validate"


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    return spec.spec_modules(tmp_path_factory.mktemp("spec"))


def test_the_specification_tests_are_there(modules):
    found = collections.Counter(module.kind for module in modules)
    assert {kind: count for kind, count in AT_LEAST.items() if found[kind] < count} == {}, found


def is_refused(answer, words):
    body = answer.json
    return answer.status == 422 and body["code"] in words and body["status"] == "still_serving_v1" and \
        (body["error"].startswith("Invalid WASM module: ") or body["code"] == "forbidden_import")


def test_every_module_of_the_specification_tests_is_refused_and_nothing_changes(make_shared_node, modules):
    node = make_shared_node("generation_0")
    told, surprises, reloads = collections.Counter(), [], 0
    with Uploader(node) as uploader:
        for number, module in enumerate(modules):
            if number == WARM:
                steady = Steady(node, "generation_0")
            path = RELOAD if number % 10 == 0 else VALIDATE
            reloads += path == RELOAD
            answer = uploader.send(path, module.content, name="generation_0")
            told[module.kind, answer.status, answer.json.get("code")] += 1
            kind = spec.VALID if module.name in VALID_BY_NOW else module.kind
            if not is_refused(answer, WORDS[kind]):
                surprises.append((module.kind, module.name, module.reason, answer))
        assert not surprises, "\n".join(map(str, [len(surprises), *surprises[:20]]))
        steady.check()
    print(f"\n{dict(told)}; grown by KiB: {list(steady.grown().values())}")
    assert len(node.whole_history("generation_0")) == 1 + reloads
    assert node.upload("generation_1", name="generation_0").json["version"] == "v2"
