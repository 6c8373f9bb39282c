"""secbeat doctor: what a node needs, found on a real machine."""

import json
import os
import re
import resource

import pytest

from support.authority import openssl
from support.processes import free_port


@pytest.fixture
def write_config(build, folder):
    """write_config(**tables): a configuration in the test's folder."""
    def write(**tables):
        keys = {"waf.wasm": {"module": str(build / "guests" / "bad-bot-blocker.wasm")},
                "proxy": {"listen": f"127.0.0.1:{free_port()}", "upstream": "127.0.0.1:1"},
                "api": {"listen": f"127.0.0.1:{free_port()}"},
                "node": {"data_dir": str(folder / "data"), "state_dir": str(folder / "state")}}
        for table, values in tables.items():
            keys.setdefault(table, {}).update(values)
        path = folder / "secbeat.toml"
        path.write_text("".join(f"[{table}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
                                for table, values in keys.items()))
        return path
    return write


def checks_of(done):
    return {check["check"]: check for check in json.loads(done.stdout)["checks"]}


def test_a_machine_that_can_run_a_node_is_healthy(run, write_config, folder):
    config = write_config()
    done = run("doctor", "--config", config)
    assert done.returncode == 0, done.stdout
    assert "fail" not in done.stdout.split("\n\n")[0]
    checks = checks_of(run("doctor", "--config", config, "--json"))
    for check in ("nginx", "nginx module", "open files", "stack", "sealed memory", "handles on processes (pidfd)", "rule engine",
                  "compile child", "confinement of the compile child", "configuration", "data_dir", "state_dir", "api port", "site port"):
        assert checks[check]["result"] == "ok", checks[check]
    assert re.search(r"\d+\.\d+\.\d+", checks["nginx"]["found"]), "its version"
    assert sorted(path.name for path in folder.iterdir()) == ["secbeat.toml"], "it leaves nothing behind"


def test_every_failure_says_what_to_do(run, write_config, folder):
    (folder / "state").write_text("a file")
    done = run("doctor", "--json", "--config", write_config(
        proxy={"nginx_binary": str(folder / "no-nginx")}, **{"waf.wasm": {"module": "missing.wasm"}}))
    assert done.returncode == 1
    checks = checks_of(done)
    for check in ("nginx", "state_dir", "module file"):
        assert checks[check]["result"] == "fail", checks[check]
        assert checks[check]["advice"]


def test_faults_of_the_configuration_are_told_and_the_machine_is_looked_at(run, folder):
    config = folder / "broken.toml"
    config.write_text("[proxy]\nupstraem = 1\n")
    done = run("doctor", "--config", config)
    assert done.returncode == 1
    assert "broken.toml:2: proxy.upstraem" in done.stdout
    assert "ok    compile child" in done.stdout


def test_a_module_that_this_nginx_does_not_take_is_a_failure(run, write_config, folder):
    module = folder / "module.so"
    module.write_bytes(b"\x7fELF" + bytes(100))
    done = run("doctor", "--json", "--config", write_config(), env={"SECBEAT_NGINX_MODULE": str(module)})
    assert done.returncode == 1
    assert checks_of(done)["nginx module"]["result"] == "fail"


def test_limits_that_are_too_low_are_found(run, write_config):
    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
        resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, 256 << 10))
    checks = checks_of(run("doctor", "--json", "--config", write_config(), preexec_fn=lower))
    assert checks["open files"]["result"] == "warn"
    assert checks["stack"]["result"] == "fail"
    assert "ulimit -s" in checks["stack"]["advice"]


@pytest.mark.skipif(os.geteuid() != 0, reason="workers are another user only where root starts the node")
def test_a_folder_that_workers_cannot_reach_is_a_failure(run, write_config, folder):
    config = write_config()
    (folder / "state").mkdir()
    folder.chmod(0o700)
    checks = checks_of(run("doctor", "--json", "--config", config))
    assert checks["state_dir"]["result"] == "fail"
    assert str(folder) in checks["state_dir"]["advice"]


def test_the_certificate_of_the_api_is_looked_at(run, write_config, folder):
    def certificate_of(days):
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "api.key", "-out",
                "new.crt", "-subj", "/CN=localhost")
        openssl(folder, "x509", "-in", "new.crt", "-signkey", "api.key", "-days", str(days), "-out", "api.crt")

    def found():
        return checks_of(run("doctor", "--json", "--config", config)).get("api certificate")
    config = write_config(api={"tls_certificate": str(folder / "api.crt"), "tls_key": str(folder / "api.key")})
    missing = found()
    assert missing["result"] == "fail" and "api.crt" in missing["advice"], missing
    certificate_of(15)
    good = found()
    assert (good["result"], good["advice"]) == ("ok", None), good
    certificate_of(13)
    assert found()["result"] == "warn" and "14 days" in found()["advice"], found()
    certificate_of(-1)
    assert found()["result"] == "fail" and "expired" in found()["advice"], found()
    (folder / "api.key").write_text("no key")
    assert found()["result"] == "fail", found()
    config = write_config()
    (folder / "secbeat.toml").write_text("\n".join(line for line in config.read_text().splitlines() if "tls_" not in line))
    assert found() is None, "without TLS there is none to look at"
