"""The examples of a document, run as a reader would run them.

An example is a `$` line of a ```console block, with the lines below it as the output. Outputs are compared as a reader
compares them: of JSON, each member that is shown has to be there; texts, booleans and nulls are equal, a number is a
number; `…` stands for anything. Other lines are equal but for `…`.
"""

import dataclasses
import fnmatch
import json
import re
import subprocess

# What curl does besides: nothing but the answer on standard output, the status on standard error.
CURLRC = 'silent\nshow-error\nwrite-out = "%{stderr}%{http_code}\\n"\n'


@dataclasses.dataclass
class Example:
    line: int
    command: str
    output: str


def examples_of(text):
    examples, in_block, continued = [], False, False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            in_block, continued = line == "```console", False
        elif in_block and line.startswith("$ "):
            examples.append(Example(number, line[2:], ""))
            continued = line.endswith("\\")
        elif in_block and continued:
            examples[-1].command += "\n" + line
            continued = line.endswith("\\")
        elif in_block:
            examples[-1].output += line + "\n"
    return examples


def as_json(shown):
    """The JSON at the start of a shown output, and the rest of it."""
    text = re.sub(r",\s*…\s*(?=\})", "", shown)
    text = re.sub(r"\{\s*…\s*\}", "{}", text)
    text = re.sub(r"(?<=[\[,])(\s*)…(\s*)(?=\])", r'\1"…"\2', text)
    value, end = json.JSONDecoder().raw_decode(text)
    return value, text[end:]


def differences(shown, real, where=""):
    if isinstance(shown, dict):
        if not isinstance(real, dict):
            return [f"{where}: {real!r} is no object"]
        missing = [f"{where}/{name} is missing" for name in shown if name not in real]
        return missing + [line for name in shown if name in real for line in differences(shown[name], real[name], f"{where}/{name}")]
    if isinstance(shown, list):
        if not isinstance(real, list):
            return [f"{where}: {real!r} is no list"]
        open_end = bool(shown) and shown[-1] == "…"
        shown = shown[:-1] if open_end else shown
        if len(real) < len(shown) or (len(real) > len(shown) and not open_end):
            return [f"{where}: {len(real)} items, shown are {len(shown)}: {real!r}"]
        return [line for i, item in enumerate(shown) for line in differences(item, real[i], f"{where}/{i}")]
    if isinstance(shown, str):
        same = isinstance(real, str) and like(shown, real)
    elif isinstance(shown, bool) or shown is None:
        same = shown is real
    else:
        same = isinstance(real, (int, float)) and not isinstance(real, bool)
    return [] if same else [f"{where}: {real!r}, shown is {shown!r}"]


def like(shown, real):
    return fnmatch.fnmatchcase(real, re.sub(r"([\[?*])", r"[\1]", shown).replace("…", "*"))


def run(example, folder, environment, addresses):
    """Runs an example; what is wrong with its outcome, as lines (none: all is as shown)."""
    command = example.command
    for written, real in addresses.items():
        command = command.replace(written, real)
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        return [f"exit status {done.returncode}: {done.stderr}"]
    shown, real, wrong = example.output, done.stdout, []
    if shown.startswith("{"):
        value, shown = as_json(shown)
        try:
            answer, end = json.JSONDecoder().raw_decode(real)
        except ValueError:
            return [f"no JSON: {real!r}"]
        wrong, real = differences(value, answer), real[end:]
    elif not shown:
        real = ""  # nothing is shown of it
    if not like(shown.strip(), real.strip()):
        wrong.append(f"{real.strip()!r}, shown is {shown.strip()!r}")
    failed = [status for status in done.stderr.split() if not status.startswith("2")]
    return wrong + ([f"status {failed}, which is not shown"] if failed else [])
