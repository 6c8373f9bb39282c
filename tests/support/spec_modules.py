"""The modules of the WebAssembly specification tests: fetched by scripts/spec_tests.sh, made by wabt's wast2json."""

import collections
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SpecModule = collections.namedtuple("SpecModule", "kind name reason content")
# Kinds: what the tests say of a module, and "source" for a text that wast2json does not understand.
MALFORMED, INVALID, VALID, UNLINKABLE, UNINSTANTIABLE, TEXT, SOURCE = (
    "malformed", "invalid", "valid", "unlinkable", "uninstantiable", "text", "source")
KIND_OF_COMMAND = {"assert_malformed": MALFORMED, "assert_invalid": INVALID, "module": VALID, "assert_unlinkable": UNLINKABLE,
                   "assert_uninstantiable": UNINSTANTIABLE}


def spec_folder():
    done = subprocess.run([ROOT / "scripts" / "spec_tests.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def converted(script, folder):
    """The commands of one script, or None where this wast2json does not know what it uses."""
    output = folder / f"{script.stem}.json"
    for options in [], ["--enable-all"]:
        done = subprocess.run(["wast2json", *options, str(script), "-o", str(output)], capture_output=True, check=False)
        if done.returncode == 0:
            return json.loads(output.read_text())["commands"]
    return None


def modules_of(script, folder):
    commands = converted(script, folder)
    if commands is None:
        yield SpecModule(SOURCE, script.name, "", script.read_bytes())
        return
    for command in commands:
        if kind := KIND_OF_COMMAND.get(command["type"]):
            kind = TEXT if command.get("module_type") == "text" else kind
            yield SpecModule(kind, f"{script.name}:{command['line']}", command.get("text", ""),
                             (folder / command["filename"]).read_bytes())


def spec_modules(folder):
    """All that differ in their bytes; `folder` is for what wast2json writes."""
    modules = {}
    for script in sorted(spec_folder().rglob("*.wast")):
        for module in modules_of(script, folder):
            modules.setdefault(module.content, module)
    return list(modules.values())
