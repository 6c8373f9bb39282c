"""secbeat rules edit and diff against a node: nothing of others is lost, nothing wrong is sent."""

import json
import os
import re
from pathlib import Path

import pytest

RULES = {"rules": [{"id": name, "field": "Path", "pattern": f"/{name}", "action": "Block"} for name in ("one", "two")]}


@pytest.fixture(scope="module")
def shared(make_shared_node):
    return make_shared_node("allow_all")


@pytest.fixture
def node(shared):
    """With the two rules, whatever the test before has left."""
    done = shared.api("PUT", "/api/v1/rules", {"Content-Type": "application/json", "If-Match": "*"}, json.dumps(RULES).encode())
    assert done.status == 200, done
    return shared


def editor(folder, body):
    """A program that edits: `body` is Python with `rules`, the list of the document, and `call`, which asks the API."""
    script = folder / "editor.py"
    script.write_text(f"import json, sys, urllib.request\npath = sys.argv[1]\ntext = open(path).read()\ndocument = json.loads(text)\nrules = document['rules']\n"
                      f"{body}\nopen(path, 'w').write(json.dumps(document))\n")
    return {"EDITOR": f"python3 {script}", "VISUAL": "", "TMPDIR": str(folder)}


def ids(node):
    return [rule["id"] for rule in node.get("/api/v1/rules").json["rules"]]


def test_what_was_edited_comes_into_force(node, folder):
    edit = "rules[0]['pattern'] = '/other'; rules.append({'id': 'new', 'field': 'Path', 'pattern': '/new', 'action': 'Block', 'ttl_seconds': 600})"
    done = node.cli("rules", "edit", "--reason", "because", env=editor(folder, edit))
    assert done.returncode == 0, done
    assert "+ new" in done.stderr and "~ one: pattern" in done.stderr
    assert node.site("/other").status == 403 and node.site("/one").status == 200 and node.site("/new").status == 403
    assert node.history()[0]["reason"] == "Rules replaced (because)"
    assert not list(folder.glob("secbeat-*")), "the file goes"
    rows = len(node.history())
    unchanged = node.cli("rules", "edit", env=editor(folder, ""))
    assert unchanged.returncode == 0 and "Nothing was changed" in unchanged.stderr and len(node.history()) == rows

    file = folder / "mine.json"
    file.write_text(json.dumps(RULES))
    assert node.cli("rules", "diff", str(file)).stdout == "- new\n~ one: pattern\n"


def test_what_is_wrong_is_not_sent_and_is_kept(node, folder):
    rows = len(node.history())
    done = node.cli("rules", "edit", env=editor(folder, "rules[1]['patern'] = rules[1].pop('pattern')"))
    assert done.returncode == 1 and 'rule "two", key "patern"' in done.stderr, done
    kept = Path(re.search(r"What you wrote is in (\S+)", done.stderr).group(1))
    assert "patern" in kept.read_text() and len(node.history()) == rows
    failed = node.cli("rules", "edit", env={"EDITOR": "false", "VISUAL": "", "TMPDIR": str(folder)})
    assert failed.returncode == 2 and "ended with a failure" in failed.stderr, failed


def test_changes_of_others_meanwhile_are_kept_and_conflicts_are_not_sent(node, folder):
    def call(method, path, body):
        return (f"urllib.request.urlopen(urllib.request.Request('http://127.0.0.1:{node.api_port}/api/v1/rules{path}', method='{method}', "
                f"data=json.dumps({body!r}).encode(), headers={{'Content-Type': 'application/json'}})).read();")
    other = {"id": "theirs", "field": "Path", "pattern": "/theirs", "action": "Block"}
    done = node.cli("rules", "edit", env=editor(folder, call("POST", "", other) + "rules[0]['pattern'] = '/mine'"))
    assert done.returncode == 0 and "Somebody changed the rules meanwhile:\n+ theirs" in done.stderr, done
    assert ids(node) == ["one", "two", "theirs"]
    assert (node.site("/mine").status, node.site("/theirs").status) == (403, 403)

    their_two = {"id": "two", "field": "Path", "pattern": "/their-two", "action": "Block"}
    done = node.cli("rules", "edit", env=editor(folder, call("PUT", "/two", their_two) + "rules[1]['pattern'] = '/my-two'"))
    assert done.returncode == 1 and "You both changed two" in done.stderr, done
    kept = Path(re.search(r"What you wrote is in (\S+)", done.stderr).group(1))
    assert "/my-two" in kept.read_text() and os.stat(kept).st_mode & 0o077 == 0
    assert (node.site("/their-two").status, node.site("/my-two").status) == (403, 200)
