"""Signed modules: keys, signatures and nodes that require them, as operators meet them."""

import json
import os
import shutil
import subprocess

import pytest

from support.processes import wait_for


@pytest.fixture(scope="module")
def keys(build, tmp_path_factory):
    """A folder with release.key and stranger.key, made by the command line."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("release", "stranger"):
        done = secbeat(build, "sign", "--new-key", folder / name)
        assert done.returncode == 0, done.stderr
    return folder


def secbeat(build, *arguments):
    return subprocess.run([build / "bin" / "secbeat", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def key_id(build, keys, name):
    """By way of a signature: the id that signing with the key gives."""
    module = keys / "any.wasm"
    shutil.copy(build / "guests" / "allow_all.wasm", module)
    return json.loads(secbeat(build, "sign", module, "--key", keys / f"{name}.key", "--json").stdout)["key"]


@pytest.fixture
def signing(build, keys, folder):
    """signing(guest, name=, key=): a module and its signature, as bytes and text."""
    def sign(guest, name="bad-bot-blocker", key="release"):
        module = folder / "signed.wasm"
        module.write_bytes((build / "guests" / f"{guest}.wasm").read_bytes())
        done = secbeat(build, "sign", module, "--key", keys / f"{key}.key", "--name", name)
        assert done.returncode == 0, done.stderr
        return module.read_bytes(), (folder / "signed.wasm.sig").read_text()
    return sign


@pytest.fixture
def signed_node(build, keys, make_node):
    """signed_node(start=True, **tables): a node that requires signatures, its first module signed."""
    def make(start=True, require=True, **tables):
        node = make_node(start=False, tables={"waf.wasm": {"require_signature": require}, **tables})
        node.keys = node.folder / "keys"
        node.keys.mkdir(mode=0o755)
        shutil.copy(keys / "release.pub", node.keys)
        node.tables["waf.wasm"]["trusted_keys"] = str(node.keys)
        done = secbeat(build, "sign", node.folder / "bad-bot-blocker.wasm", "--key", keys / "release.key")
        assert done.returncode == 0, done.stderr
        return node.start() if start else node
    return make


def refused(answer, code):
    assert (answer.status, answer.json["code"]) == (422, code), answer
    assert answer.json["status"].startswith("still_serving_")


def test_only_signed_modules_come_into_force_and_keys_rotate_without_a_restart(build, keys, signed_node, signing):
    node = signed_node()
    release, stranger = key_id(build, keys, "release"), key_id(build, keys, "stranger")
    assert node.history()[0]["signed_by"] == release, "the first one, from FILE.sig"

    module, signature = signing("bad-bot-blocker-1.1.0")
    refused(node.upload(module), "signature_required")
    refused(node.upload(module, force="true"), "signature_required")
    refused(node.upload(module, path="/api/v1/wasm/validate"), "signature_required")
    refused(node.upload("bad-bot-blocker-1.2.0", signature=signature), "bad_signature")
    refused(node.upload(module, signature=signing("bad-bot-blocker-1.1.0", name="other")[1]), "bad_signature")
    by_stranger = signing("bad-bot-blocker-1.1.0", key="stranger")[1]
    answer = node.upload(module, signature=by_stranger, force="true")
    refused(answer, "bad_signature")
    assert stranger in answer.json["error"] and release in answer.json["error"]
    assert node.upload(signature=signature, config="{}").json["code"] == "bad_request"

    answer = node.upload(module, signature=signature)
    assert (answer.status, answer.json["signed_by"]) == (200, release), answer
    assert [row["signed_by"] for row in node.history()[:2]] == [release, None]

    shutil.copy(keys / "stranger.pub", node.keys)
    module, by_stranger = signing("bad-bot-blocker-1.2.0", key="stranger")
    assert node.upload(module, signature=by_stranger).json["signed_by"] == stranger
    (node.keys / "stranger.pub").unlink()
    module, by_stranger = signing("allow_all", key="stranger")
    refused(node.upload(module, name="bad-bot-blocker", signature=by_stranger), "bad_signature")
    assert node.rollback().json["rolled_back_to"] == "1.1.0", "a rollback needs no signature"


def test_an_older_signature_does_not_bring_back_what_was_replaced(signed_node, signing):
    node = signed_node()
    old, old_signature = signing("bad-bot-blocker-1.1.0")
    assert node.upload(old, signature=old_signature).status == 200

    def signed_later():
        module, signature = signing("bad-bot-blocker-1.2.0")
        return (module, signature) if time_of(signature) > time_of(old_signature) else None
    module, signature = wait_for("a second to pass", signed_later)
    assert node.upload(module, signature=signature).status == 200
    answer = node.upload(old, signature=old_signature)
    refused(answer, "bad_signature")
    assert "signed later" in answer.json["error"]
    node.stop()
    node.start()
    refused(node.upload(old, signature=old_signature), "bad_signature")


def time_of(signature):
    return next(line for line in signature.splitlines() if line.startswith("signed_at: "))


HOSTILE = {
    "empty": b"", "a newline": b"\n", "zeros": bytes(500), "long": b"secbeat-signature-1\n" * 700, "binary": bytes(range(256)),
    "a key": b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
    "terminal": b"secbeat-signature-1\nmodule: \x1b[31mred\n",
}


def test_hostile_signatures_are_refused_and_nothing_of_them_is_shown(signed_node, signing):
    node = signed_node()
    module, signature = signing("bad-bot-blocker-1.1.0")
    for what, text in HOSTILE.items():
        answer = node.upload(module, signature=text.decode("latin-1"))
        assert answer.json["code"] in ("bad_signature", "too_large"), (what, answer)
        assert "\x1b" not in answer.body.decode() and "[31m" not in answer.json["error"]
    for position in range(0, len(signature), 7):
        changed = signature[:position] + ("A" if signature[position] != "A" else "B") + signature[position + 1:]
        refused(node.upload(module, signature=changed), "bad_signature")
    assert node.version()["version"] == "1.0.0"
    assert node.upload(module, signature=signature).status == 200


def test_a_start_needs_the_signature_beside_the_module(signed_node):
    node = signed_node(start=False)
    signature = node.folder / "bad-bot-blocker.wasm.sig"
    text = signature.read_text()
    signature.unlink()
    node.start(wait=False)
    assert node.process.wait(60) != 0
    assert "not signed" in node.log.read_text()
    signature.write_text(text)
    node.start()
    assert node.version()["version"] == "1.0.0"


def test_a_changed_file_needs_the_signature_beside_it(build, keys, signed_node):
    node = signed_node(**{"waf.wasm.reload": {"auto_reload_on_file_change": True, "file_poll_ms": 100, "file_settle_ms": 50}})
    file = node.folder / "bad-bot-blocker.wasm"
    new = node.folder / "new.wasm"
    shutil.copy(node.guest("bad-bot-blocker-1.1.0"), new)
    os.replace(new, file)  # its signature is still the old one
    wait_for("the refusal", lambda: node.history()[0]["code"] == "bad_signature", log=node.log)
    assert node.version()["version"] == "1.0.0"
    assert secbeat(build, "sign", file, "--key", keys / "release.key").returncode == 0
    wait_for("1.1.0 to serve", lambda: node.version()["version"] == "1.1.0", log=node.log)
    assert node.history()[0]["kind"] == "file_change"


def test_the_command_line_signs_verifies_and_sends_the_signature(build, keys, signed_node, folder):
    node = signed_node()
    module = folder / "bad-bot-blocker-1.1.0.wasm"
    shutil.copy(node.guest("bad-bot-blocker-1.1.0"), module)
    done = node.cli("reload", str(module))
    assert done.returncode == 1 and "signature_required" in done.stderr
    assert node.cli("sign", str(module), "--key", str(keys / "release.key")).returncode == 0
    done = node.cli("verify", str(module), "--keys", str(node.keys), "--json")
    assert json.loads(done.stdout)["module"] == "bad-bot-blocker", done.stderr
    assert node.cli("verify", str(module), "--keys", str(keys / "stranger.pub")).returncode == 1
    assert node.cli("verify", str(module), "--keys", str(keys / "release.pub"), "--name", "other").returncode == 1
    assert node.cli("reload", str(module)).returncode == 0
    assert node.version()["version"] == "1.1.0"


def test_keys_are_never_written_over_and_secret_ones_are_for_their_owner(build, keys):
    assert (keys / "release.key").stat().st_mode & 0o777 == 0o600
    before = (keys / "release.key").read_text()
    done = secbeat(build, "sign", "--new-key", keys / "release")
    assert done.returncode == 2 and "never written over" in done.stderr
    assert (keys / "release.key").read_text() == before
    for arguments in (["sign"], ["sign", "x.wasm"], ["sign", "--key", keys / "release.key"], ["sign", "x.wasm", "--new-key", "y"]):
        assert secbeat(build, *arguments).returncode == 2, arguments


def test_keys_and_signatures_are_those_of_openssl(build, keys, folder):
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", folder / "own.key"], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    subprocess.run(["openssl", "pkey", "-in", folder / "own.key", "-pubout", "-out", folder / "own.pub"], check=True)
    module = folder / "allow_all.wasm"
    shutil.copy(build / "guests" / "allow_all.wasm", module)
    assert secbeat(build, "sign", module, "--key", folder / "own.key").returncode == 0
    assert secbeat(build, "verify", module, "--keys", folder / "own.pub").returncode == 0


def test_the_archive_gives_the_signature_back(build, keys, signed_node, signing, folder):
    archive = folder / "archive"
    node = signed_node(archive={"url": f"file://{archive}"})
    module, signature = signing("bad-bot-blocker-1.1.0")
    assert node.upload(module, signature=signature).status == 200
    wait_for("the archive to have it", lambda: list(archive.glob("manifests/*/1.1.0@*.json")), log=node.log)
    output = folder / "back.wasm"
    done = node.cli("archive", "get", "bad-bot-blocker@1.1.0", "--archive", str(archive), "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert secbeat(build, "verify", output, "--keys", keys / "release.pub").returncode == 0
