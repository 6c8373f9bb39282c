"""What the documents promise is there: error words, the commands for contributors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def words_of_the_error_table():
    return re.findall(r'X\(k\w+, "(\w+)", \d+\)', (ROOT / "base/include/secbeat/base/error.hpp").read_text())


def test_every_error_word_is_explained():
    explained = set(re.findall(r"`(\w+)`", "\n".join(
        line.split("|")[1] for line in (ROOT / "docs/errors.md").read_text().splitlines() if line.startswith("|"))))
    words = words_of_the_error_table()
    assert len(words) > 30
    assert sorted(set(words) - explained) == []


def test_the_commands_for_contributors_name_what_there_is():
    """They install and build for minutes, as this suite itself was built: that each is right is held without running it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    presets = json.loads((ROOT / "CMakePresets.json").read_text())
    for command, kind in (("cmake --preset", "configurePresets"), ("cmake --build --preset", "buildPresets"), ("ctest --preset", "testPresets")):
        named = set(re.findall(rf"{command} (\w+)", text))
        assert named and named <= {preset["name"] for preset in presets[kind]}, command
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) <= {preset["name"] for preset in presets["configurePresets"]}
    scripts = set(re.findall(r"\b(?:scripts|bench|tests)(?:/\w+)+\.(?:sh|py)\b", text))
    assert len(scripts) > 5
    assert [name for name in scripts if not (ROOT / name).exists()] == []
    assert [name for name in scripts if name.startswith("scripts/") and not os.access(ROOT / name, os.X_OK)] == []
    known = re.search(r'^SUITES="(.*)"$', (ROOT / "scripts/test.sh").read_text(), re.MULTILINE)[1].split()
    (suites,) = re.findall(r"^scripts/test\.sh ((?:[a-z]+ )+) *#", text, re.MULTILINE)
    assert set(suites.split()) <= set(known)
    (arguments,) = re.findall(r"^build/venv/bin/python -m pytest (.*) --build build/\w+$", text, re.MULTILINE)
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments.split()], cwd=ROOT,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_every_block_of_commands_says_its_language():
    """What no language stands above is looked at by no test."""
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    untagged = []
    for name in tracked:
        inside = False
        lines = (ROOT / name).read_text().splitlines()
        for number, (line, following) in enumerate(zip(lines, [*lines[1:], ""]), start=1):
            if line.startswith("```"):
                inside = not inside
                if inside and line == "```" and re.match(r"(\$ |(\S*/)?secbeat )", following):
                    untagged.append(f"{name}:{number}: {following}")
    assert untagged == []


def test_every_document_with_commands_is_held():
    """By test_document_commands.py, test_api_doc.py and test_new_rule.py (the README of a new project), which run them, or by
    the test above."""
    held = r"README\.md|SECURITY\.md|CONTRIBUTING\.md|docs/\w+\.md|guests/sdk/project/README\.md"
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    shown = [name for name in tracked if re.search(r"^```(sh|console)$", (ROOT / name).read_text(), re.MULTILINE)]
    assert len(shown) > 5
    assert [name for name in shown if not re.fullmatch(held, name)] == []
