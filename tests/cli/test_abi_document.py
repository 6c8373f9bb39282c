"""The modules that docs/abi.md shows are modules, and decide as it says."""

import json
import re
import subprocess
from pathlib import Path

import pytest

DOCUMENT = (Path(__file__).parents[2] / "docs" / "abi.md").read_text()
TESTS = {"tests": [{"request": {"method": "TRACE", "uri": "/a", "headers": {"Host": "h"}}, "verdict": "Block"},
                   *({"request": {"method": method}, "verdict": "Allow"} for method in ("GET", "TRACK", "TRAC", "trace", "TRACEX"))]}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def compiled(folder, language):
    (text,) = blocks(language)
    source, module = folder / f"no_trace.{language}", folder / "no_trace.wasm"
    source.write_text(text)
    command = "wat2wasm no_trace.wat" if language == "wat" else re.search(r"`(clang-22 [^`]*)`", DOCUMENT)[1].replace("\n", " ")
    subprocess.run(command.split(), cwd=folder, check=True)
    return module


@pytest.mark.parametrize("language", ["wat", "c"])
def test_a_module_of_the_document_compiles_and_blocks(run, folder, language):
    module = compiled(folder, language)
    (folder / "tests.json").write_text(json.dumps(TESTS))
    checked = run("validate", module)
    assert checked.returncode == 0 and "ABI 2" in checked.stdout, checked
    done = run("rules", "test", "--module", module, folder / "tests.json")
    assert (done.returncode, done.stdout) == (0, "6 tests, 0 failed\n"), done
    if language == "wat":
        size = re.search(r"(\d+) bytes after `wat2wasm", DOCUMENT)[1]
        assert module.stat().st_size == int(size)
