"""TLS of the API: real curl and the command line against certificates of a test's own authority."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support.authority import Authority
from support.node import Node, http_request
from support.processes import free_port, wait_for

KEY = "sbk_" + "0123456789abcdef" * 4
SHA256 = hashlib.sha256(KEY.encode()).hexdigest()
BIG = 5_000_000  # bytes; more than an upload may have


@pytest.fixture(scope="module")
def authority():
    with tempfile.TemporaryDirectory(prefix="secbeat-tls-") as folder:
        authority = Authority(folder)
        authority.issue("first")
        yield authority


@pytest.fixture(scope="module")
def node(build, upstream, authority):
    """A node that listens beyond loopback, with TLS and one key."""
    with tempfile.TemporaryDirectory(prefix="secbeat-tls-node-", dir="/dev/shm") as path:
        os.chmod(path, 0o755)
        module = Path(path) / "bad-bot-blocker.wasm"
        module.write_bytes((build / "guests" / "bad-bot-blocker.wasm").read_bytes())
        port = free_port()
        node = Node(build, path, upstream, module=module, tables={
            "api": {"listen": f"127.0.0.1:{port}", "tls_certificate": str(authority.folder / "api.crt"),
                    "tls_key": str(authority.folder / "api.key")},
            "api.keys": [{"name": "ci", "role": "admin", "sha256": SHA256}]})
        node.api_port, node.key, node.tls = port, KEY, ssl.create_default_context(cafile=authority.ca)
        try:
            yield node.start()
        finally:
            node.clean_up()


def url(node, path="/api/v1/wasm/version"):
    return f"https://127.0.0.1:{node.api_port}{path}"


def curl(*arguments):
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, timeout=60, check=False)


def peer_name(node):
    with socket.create_connection(("127.0.0.1", node.api_port)) as plain, \
            node.tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        return dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"], connection.version()


def test_curl_and_the_command_line_trust_who_they_are_told_to(node, authority):
    header = ["-H", f"Authorization: Bearer {KEY}"]
    assert '"version":"1.0.0"' in curl("--cacert", str(authority.ca), *header, url(node)).stdout
    assert curl(*header, url(node)).returncode == 60  # not trusted
    assert node.cli("version", "--ca", str(authority.ca)).returncode == 0
    assert node.cli("version", env={"SECBEAT_CA": str(authority.ca)}).returncode == 0
    refused = node.cli("version")
    assert refused.returncode == 3
    assert "--ca FILE" in refused.stderr
    assert KEY not in refused.stderr
    metrics = node.get("/metrics").body.decode()
    expiry = re.search(r"^secbeat_api_certificate_expiry_timestamp_seconds (\S+)$", metrics, re.MULTILINE)
    assert 0 < float(expiry[1]) - time.time() < 3 * 86400
    assert f"API https://127.0.0.1:{node.api_port}/api/v1" in node.log.read_text()


def test_a_key_file_and_a_profile_say_all_that_is_needed(node, authority):
    (node.folder / "ci.key").write_text(KEY + "\n")
    (node.folder / "ci.key").chmod(0o600)
    profiles = node.folder / "secbeat" / "profile.toml"
    profiles.parent.mkdir()
    profiles.write_text(f'[profiles.n]\napi = "https://localhost:{node.api_port}"\nca = "{authority.ca}"\nkey_file = "../ci.key"\n')
    environment = {"SECBEAT_KEY": "", "XDG_CONFIG_HOME": str(node.folder)}
    for arguments in (["--profile", "n"], ["--key-file", str(node.folder / "ci.key"), "--ca", str(authority.ca)]):
        done = node.cli("reload", str(node.guest("bad-bot-blocker")), "--dry-run", *arguments, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
    done = node.cli("version", "--ca", str(authority.ca), env=environment)
    assert done.returncode == 1
    assert "unauthorized, HTTP 401" in done.stderr


@pytest.mark.parametrize("path", ["/api/v1/wasm/reload", "/api/v1/wasm/validate"])
def test_uploads_rollbacks_and_refusals_work_over_tls(node, path):
    assert node.upload("bad-bot-blocker-1.1.0", path).status == 200
    assert node.upload(b"\0asm" + b"x" * BIG, path).status == 413  # by Content-Length
    if path.endswith("reload"):
        assert node.rollback().status == 200


def test_a_body_of_unknown_length_is_cut_off_with_an_answer(node):
    with socket.create_connection(("127.0.0.1", node.api_port)) as plain, \
            node.tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(f"POST /api/v1/wasm/rollback HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
                           "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(5):
            connection.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert node.get("/healthz").status == 200


def test_nothing_older_than_tls_1_2_is_spoken(node, authority):
    for version in ("1.2", "1.3"):
        done = curl("--cacert", str(authority.ca), f"--tlsv{version}", "--tls-max", version, url(node, "/healthz"))
        assert done.returncode == 0, done.stderr
    for version in ("1.0", "1.1"):
        done = curl("--cacert", str(authority.ca), "--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max", version, url(node, "/healthz"))
        assert done.returncode == 35, (version, done)


def test_who_does_not_speak_tls_gets_no_answer_and_hurts_nobody(node):
    for text in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 64, bytes(range(256)) * 40, b""):
        answer = b""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", node.api_port)) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
        assert b"HTTP" not in answer
    idle = [socket.create_connection(("127.0.0.1", node.api_port)) for _ in range(50)]
    assert node.get("/healthz").status == 200
    for connection in idle:
        connection.close()
    done = node.cli("status", "--api", f"http://127.0.0.1:{node.api_port}")
    assert done.returncode == 3
    assert "https://" in done.stderr


def test_a_certificate_is_renewed_while_the_node_runs(node, authority):
    def hang_up(expect):
        seen = node.log.read_text().count(expect)
        node.process.send_signal(signal.SIGHUP)
        wait_for(f'"{expect}" in the log', lambda: node.log.read_text().count(expect) > seen, log=node.log)

    assert peer_name(node) == ("first", "TLSv1.3")
    with socket.create_connection(("127.0.0.1", node.api_port)) as plain, \
            node.tls.wrap_socket(plain, server_hostname="127.0.0.1") as old:
        authority.issue("second")
        hang_up("a certificate for CN=second until")
        assert peer_name(node)[0] == "second"
        old.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert old.recv(65536).startswith(b"HTTP/1.1 200 "), "a connection goes on with what it began with"
    shutil.copy(authority.folder / "ca.key", authority.folder / "api.key")  # of another certificate
    hang_up("the API's keys and certificate stay as they are: api.tls_certificate and api.tls_key: ")
    assert peer_name(node)[0] == "second"
    assert node.get("/healthz").status == 200
    authority.issue("third")
    hang_up("a certificate for CN=third until")


@pytest.mark.parametrize(("lacks", "keys", "tls"), [("neither TLS nor keys", False, False), ("no TLS", True, False), ("no keys", False, True)])
def test_beyond_loopback_takes_both_or_insecure(make_node, authority, lacks, keys, tls):
    tables = {"api": {"listen": f"0.0.0.0:{free_port()}"}}
    if tls:
        tables["api"] |= {"tls_certificate": str(authority.folder / "api.crt"), "tls_key": str(authority.folder / "api.key")}
    if keys:
        tables["api.keys"] = [{"name": "ci", "role": "admin", "sha256": SHA256}]
    node = make_node(start=False, tables=tables)
    node.write_config()
    done = node.cli("node", "--config", str(node.config), "--check")
    assert done.returncode == 2
    assert f"is reachable from other machines, and the API has {lacks}" in done.stderr
    node.tables["api"]["insecure"] = True
    node.write_config()
    done = node.cli("node", "--config", str(node.config), "--check")
    assert done.returncode == 0, done.stderr
    assert f"WARNING: the management API on {tables['api']['listen']} has {lacks}" in done.stdout


def test_a_node_listens_beyond_loopback_with_both(make_node, authority):
    port = free_port()
    node = make_node(start=False, tables={
        "api": {"listen": f"0.0.0.0:{port}", "tls_certificate": str(authority.folder / "api.crt"),
                "tls_key": str(authority.folder / "api.key")},
        "api.keys": [{"name": "ci", "role": "admin", "sha256": SHA256}]})
    node.api_port, node.key, node.tls = port, KEY, ssl.create_default_context(cafile=authority.ca)
    node.start()
    assert node.version()["version"] == "1.0.0"
    assert http_request(port, "GET", "/metrics", tls=node.tls).status == 401
    assert "WARNING" not in node.log.read_text()


@pytest.mark.parametrize("broken", ["missing", "no certificate", "key of another"])
def test_files_that_are_no_certificate_are_told_before_the_node_starts(make_node, authority, broken):
    node = make_node(start=False)
    certificate, key = node.folder / "a.crt", node.folder / "a.key"
    if broken != "missing":
        shutil.copy(authority.folder / "api.crt", certificate)
        shutil.copy(authority.folder / "ca.key", key)
    if broken == "no certificate":
        certificate.write_text("hello\n")
    node.tables["api"] |= {"tls_certificate": str(certificate), "tls_key": str(key)}
    node.write_config()
    done = node.cli("node", "--config", str(node.config), "--check")
    assert done.returncode == 2
    assert "api.tls_certificate" in done.stderr
    node.start(wait=False)
    assert node.process.wait(60) == 1
    assert "api.tls_certificate" in node.log.read_text()
