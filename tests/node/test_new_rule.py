"""A module from nothing: the project of secbeat new-rule is built, tested, and blocks on a node."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def shell(folder):
    """shell(script, cwd, secbeat=None, **env): bash, with the binary of `secbeat`'s folder on PATH where one is given."""
    def call(script, cwd, secbeat=None, **env):
        path = f"{secbeat}:{os.environ['PATH']}" if secbeat else os.environ["PATH"]
        return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
                              env={**os.environ, "PATH": path, "HOME": str(folder), "NO_COLOR": "1", "CMAKE_GENERATOR": "Ninja", **env})
    return call


def test_the_commands_of_its_readme_lead_to_a_rule_that_blocks(make_node, folder, shell):
    node = make_node("allow_all")
    secbeat, project = node.build / "bin", folder / "no-git"
    assert node.site("/.git/config").status == 200
    made = shell("secbeat new-rule no-git", folder, secbeat)
    assert made.returncode == 0 and "CMAKE_PREFIX_PATH" not in made.stdout, made
    blocks = re.findall(r"```sh\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    done = shell("".join(blocks), project, secbeat, SECBEAT_API=f"http://127.0.0.1:{node.api_port}")
    assert done.returncode == 0 and "100% tests passed, 0 tests failed out of 2" in done.stdout, done
    assert node.site("/.git/config").status == 403 and node.site("/x/..//%2eGIT").status == 403
    assert node.site("/.github").status == 200
    assert list(node.modules())[-1] == "no-git"

    # The tests of the project can fail.
    tests = json.loads((project / "rule-tests.json").read_text())
    tests["tests"][0]["verdict"] = "Allow"
    (project / "rule-tests.json").write_text(json.dumps(tests))
    failed = shell("ctest --test-dir build --output-on-failure", project)
    assert failed.returncode != 0 and "expected  Allow private-folder" in failed.stdout, failed


def test_an_installation_has_all_that_a_project_needs(build, tmp_path, shell):
    prefix = tmp_path / "an installation"
    installed = shell(f"cmake --install '{build}' --prefix '{prefix}'", tmp_path)
    assert installed.returncode == 0, installed
    secbeat = prefix / "bin" / "secbeat"
    made = shell(f"'{secbeat}' new-rule no-git --json", tmp_path)
    assert made.returncode == 0, made
    *steps, last = json.loads(made.stdout)["next"]
    assert last == f"'{secbeat}' reload build/no-git.wasm"
    done = shell("\n".join([*steps, last.replace("reload", "validate")]), tmp_path)
    assert done.returncode == 0 and "0 tests failed out of 2" in done.stdout, done
    assert str(build) not in (tmp_path / "no-git" / "build" / "CMakeCache.txt").read_text()
    rules = shell(f"echo '{{\"rules\":[]}}' > rules.json && '{secbeat}' rules lint rules.json", tmp_path)
    assert rules.returncode == 0, rules  # it has its universal-waf
    for schema in ("rules.schema.json", "rule-tests.schema.json"):
        assert (prefix / "share/secbeat/schemas" / schema).read_bytes() == (DOCS / schema).read_bytes()
