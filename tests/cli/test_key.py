"""secbeat key new: the key, and what a node's configuration has of it."""

import hashlib
import json
import re

import pytest


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_key_is_shown_once_with_its_table(run):
    shown = run("key", "new", "ci", "--role", "viewer").stdout
    key = re.search(r"^  (sbk_[0-9a-f]{64})$", shown, re.MULTILINE)[1]
    assert f'  [[api.keys]]\n  name = "ci"\n  role = "viewer"\n  sha256 = "{sha256(key)}"\n' in shown
    assert key not in run("key", "new", "ci").stdout, "each is another"


def test_the_table_is_what_a_node_takes(run, folder):
    table = run("key", "new", "ci").stdout.split("\n\n")[-1]
    (folder / "secbeat.toml").write_text(f'[proxy]\nupstream = "127.0.0.1:1"\n{table}')
    done = run("node", "--config", folder / "secbeat.toml", "--check")
    assert done.returncode == 0, done.stderr


def test_a_key_in_a_file_is_its_owners_alone_and_replaces_none(run, folder):
    file = folder / "ci.key"
    done = run("key", "new", "ci", "--output", file)
    assert done.returncode == 0, done.stderr
    key = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert sha256(key) in done.stdout
    assert key not in done.stdout
    again = run("key", "new", "ci", "--output", file)
    assert again.returncode == 2
    assert str(file) in again.stderr
    assert file.read_text().strip() == key


def test_json_has_the_same(run, folder):
    made = json.loads(run("key", "new", "--role", "admin", "--json").stdout)
    assert (made["name"], made["role"], made["sha256"]) == ("NAME", "admin", sha256(made["key"]))
    in_file = json.loads(run("key", "new", "--json", "--output", folder / "a.key").stdout)
    assert "key" not in in_file and in_file["file"] == str(folder / "a.key")


@pytest.mark.parametrize("arguments", [["a b"], ["x\ny"], ["\x1b[2J"], ["ci", "--role", "root"], ["ci", "extra"]])
def test_what_is_no_name_or_role_is_refused(run, arguments):
    done = run("key", "new", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""


def test_without_new_it_is_wrong_use(run):
    assert run("key").returncode == 2
