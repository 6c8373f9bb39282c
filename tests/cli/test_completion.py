"""Completion in real shells, and the manual pages in a real reader."""

import os
import pty
import shutil
import subprocess

import pytest

from support.commands import COMMANDS

# Completes the words as bash does when TAB is pressed after them.
BASH = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_secbeat
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

@pytest.fixture
def complete(run, build, folder):
    script = folder / "completion.bash"
    script.write_text(run("completion", "bash").stdout)

    def call(*words):
        quoted = " ".join("'" + word + "'" for word in ("secbeat", *words))
        done = subprocess.run(["bash", "--norc", "--noprofile", "-c", BASH.format(script=script, words=quoted)], text=True,
                              capture_output=True, timeout=60, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if line]
    return call


def test_bash_completes_commands(complete):
    assert complete("") == COMMANDS
    assert complete("ro") == ["rollback"]
    assert complete("nonsense", "") == COMMANDS


def test_bash_completes_options_of_the_command(complete):
    assert "--expected-version" in complete("reload", "--")
    assert complete("reload", "--exp") == ["--expected-version"]
    assert complete("status", "--exp") == []
    assert complete("reload", "x.wasm", "--rea") == ["--reason"]


def test_bash_completes_values(complete):
    assert complete("requests", "--verdict", "") == ["block", "log", "rate_limit"]
    assert complete("requests", "--verdict", "=", "rate") == ["rate_limit"]
    assert complete("requests", "--verdict", "=") == ["block", "log", "rate_limit"]
    assert complete("requests", "--limit", "") == []
    assert complete("completion", "") == ["bash", "zsh"]


def test_bash_completes_files_where_files_belong(complete, folder):
    (folder / "rules one.wasm").touch()
    (folder / "rules").mkdir()
    assert sorted(complete("reload", "ru")) == ["rules", "rules one.wasm"]
    assert complete("reload", "--reason", "reload", "rules o") == ["rules one.wasm"]
    assert sorted(complete("reload", "--config", "ru")) == ["rules", "rules one.wasm"]
    assert complete("rollback", "ru") == []


def test_bash_registers_the_completion(run, folder):
    script = folder / "completion.bash"
    script.write_text(run("completion", "bash").stdout)
    done = subprocess.run(["bash", "--norc", "-c", f"source {script}; complete -p secbeat"], text=True, capture_output=True,
                          timeout=60, check=False)
    assert "-F _secbeat secbeat" in done.stdout, done.stderr


def zsh_offers(folder, script, typed):
    """What a zsh on a terminal lists after `typed` and TAB."""
    (folder / ".zshrc").write_text(f"""PS1='READY> '; PROMPT_EOL_MARK=''; LISTMAX=10000; unsetopt beep zle_bracketed_paste
autoload -U compinit; compinit -u -d {folder}/dump
zstyle ':completion:*' menu no
unset zle_bracketed_paste
stty columns 300 rows 200
source {script}
""")
    ours, theirs = pty.openpty()
    env = {"PATH": "/usr/bin:/bin", "TERM": "vt100", "HOME": str(folder), "ZDOTDIR": str(folder)}
    with subprocess.Popen(["zsh", "-d", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True,
                          cwd=folder) as shell:
        os.close(theirs)
        shown = read_until(ours, b"READY> ")
        os.write(ours, typed.encode() + b"\t")
        # What is typed after it is read when the listing is there.
        os.write(ours, b"\x15print D'ON'E\n")
        shown = read_until(ours, b"DONE")
        os.write(ours, b"exit\n")
        os.close(ours)
        shell.wait(60)
    return shown.decode(errors="replace")


def read_until(descriptor, end):
    seen = b""
    while end not in seen:
        seen += os.read(descriptor, 65536)
    return seen


def test_zsh_completes_commands_options_and_values(run, folder):
    script = folder / "completion.zsh"
    script.write_text(run("completion", "zsh").stdout)
    shown = zsh_offers(folder, script, "secbeat ")
    for command in COMMANDS:
        assert command in shown, shown
    assert "--expected-version" in zsh_offers(folder, script, "secbeat reload --")
    assert "rate_limit" in zsh_offers(folder, script, "secbeat requests --verdict ")


def every_page(run, folder):
    assert run("man", "--output", folder / "man1").returncode == 0
    return sorted((folder / "man1").iterdir())


def test_there_is_a_page_for_every_command(run, build, folder):
    names = {page.name for page in every_page(run, folder)}
    assert {"secbeat.1", *(f"secbeat-{command}.1" for command in COMMANDS)} <= names
    built = {page.name for page in (build / "man").iterdir()}
    assert names <= built


def test_the_pages_are_sound(run, folder):
    reader = shutil.which("mandoc")
    assert reader, "mandoc is in deps/packages-test.txt"
    pages = every_page(run, folder)
    done = subprocess.run([reader, "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_says_what_help_says(run, folder):
    page = run("man", "reload").stdout
    (folder / "page.1").write_text(page)
    shown = subprocess.run(["mandoc", "-T", "ascii", folder / "page.1"], capture_output=True, text=True, timeout=60, check=True).stdout
    plain = subprocess.run(["col", "-bx"], input=shown, capture_output=True, text=True, timeout=60, check=True).stdout
    for text in ("secbeat-reload", "--expected-version VERSION", "Every check and the rehearsal, no swap", "EXAMPLES",
                 "secbeat reload bad-bot-blocker.wasm", "EXIT STATUS"):
        assert text in plain, text
