"""Every command that a document shows is run as it stands there, each block on a node of its own.

Blocks of the languages `sh` and `console` (lines with "$ ") are run by bash, which stops at the first failure. A block
that cannot run in a test says so in the line above it: <!-- not run: why -->. What the blocks find is in `stage`.
docs/api.md is run by its own test, which also looks at the answers.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.processes import wait_for

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "SECURITY.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.name != "api.md")]
FENCE = re.compile(r"^(?P<above>[^\n]*)\n```(?P<language>sh|console)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks():
    for name in DOCUMENTS:
        text = "\n" + (ROOT / name).read_text()
        for match in FENCE.finditer(text):
            line = text[:match.start("body")].count("\n")
            if "<!-- not run: " not in match["above"]:
                yield pytest.param(match["language"], match["body"], id=f"{name}:{line}")


def commands(language, body):
    if language == "sh":
        return body
    return "\n".join(line[2:] for line in body.splitlines() if line.startswith("$ "))


def stage(node, folder):
    """What a reader has at hand: modules, a tagged repository, the binary on PATH."""
    for name, guest in (("bad-bot-blocker", "bad-bot-blocker-1.2.0"), ("bad-bot-blocker-1.1.0", "bad-bot-blocker-1.1.0"),
                        ("rule", "bad-bot-blocker-1.2.0")):
        (folder / f"{name}.wasm").write_bytes(node.guest(guest).read_bytes())
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "rules"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True, env=environment(node, folder))
    assert node.upload("bad-bot-blocker-1.1.0", reason="a tighter list").status == 200
    wait_for("the archive to have both", lambda: "secbeat_archive_stored_total 2\n" in node.get("/metrics").body.decode(), log=node.log)


def environment(node, folder):
    return {**os.environ, "PATH": f"{node.build / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "NO_COLOR": "1",
            "SECBEAT_API": f"http://127.0.0.1:{node.api_port}", "SECBEAT_STATE_DIR": str(node.state), "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER")
               for part, value in (("NAME", "Reader"), ("EMAIL", "reader@example.org"))}}


def test_there_is_something_to_run():
    assert len(list(blocks())) >= 6


@pytest.mark.parametrize(("language", "body"), blocks())
def test_the_commands_of_a_document_run(language, body, make_node, folder):
    node = make_node("bad-bot-blocker", tables={"archive": {"url": str(folder / "archive")}})
    work = folder / "work"
    work.mkdir()
    stage(node, work)
    script = re.sub(r"http://(127\.0\.0\.1|10\.0\.0\.\d|\$node):9090", f"http://127.0.0.1:{node.api_port}", commands(language, body))
    script = script.replace("/etc/secbeat/secbeat.toml", str(node.config)).replace("/srv/secbeat-archive", str(folder / "archive"))
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=work, env=environment(node, work), capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
