"""Which node the command line talks to, and what it sends with its requests."""

import pytest

VERSION = {"name": "waf", "version": "v1", "size_bytes": 1, "kept": [], "workers": []}


@pytest.fixture
def node(impostor):
    return impostor(VERSION)


def write_profiles(folder, text, mode=0o600):
    path = folder / ".config" / "secbeat" / "profile.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_flags_come_before_the_environment_and_both_before_the_file(run, folder, node):
    write_profiles(folder, f'default = "good"\n[profiles.good]\napi = "{node.address}"\n[profiles.bad]\napi = "http://127.0.0.1:1"\n')
    good, bad = node.address, "http://127.0.0.1:1"
    for arguments, env in ((["--api", good, "--profile", "bad"], {"SECBEAT_API": bad}),
                           (["--profile", "good"], {"SECBEAT_API": bad, "SECBEAT_PROFILE": "bad"}),
                           ([], {"SECBEAT_API": good, "SECBEAT_PROFILE": "bad"}),
                           ([], {"SECBEAT_PROFILE": "good"}),
                           ([], {})):
        done = run("version", *arguments, env=env)
        assert done.returncode == 0, (arguments, env, done.stderr)
    assert run("version", "--profile", "bad").returncode == 3


def test_xdg_config_home_is_honoured(run, folder, node):
    path = write_profiles(folder, f'default = "a"\n[profiles.a]\napi = "{node.address}"\n')
    moved = folder / "elsewhere"
    path.parent.parent.rename(moved)
    assert run("version", env={"XDG_CONFIG_HOME": str(moved)}).returncode == 0


def test_a_profiles_key_goes_to_its_own_address_and_is_not_printed(run, folder, node, impostor):
    write_profiles(folder, f'[profiles.a]\napi = "{node.address}"\nkey = "sesame"\n')
    done = run("version", "--profile", "a", "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert node.requests[-1][2]["Authorization"] == "Bearer sesame"
    other = impostor(VERSION)
    assert run("version", "--profile", "a", "--api", other.address).returncode == 0
    assert "Authorization" not in other.requests[-1][2]
    assert run("version", "--api", other.address, env={"SECBEAT_KEY": "mine"}).returncode == 0
    assert other.requests[-1][2]["Authorization"] == "Bearer mine"
    assert "sesame" not in done.stdout + run("version", "--profile", "a", "--api", "http://127.0.0.1:1").stderr


def test_a_key_that_others_may_read_is_a_warning(run, folder, node):
    write_profiles(folder, f'[profiles.a]\napi = "{node.address}"\nkey = "sesame"\n', 0o644)
    done = run("version", "--profile", "a")
    assert done.returncode == 0
    assert "chmod 600" in done.stderr
    assert "sesame" not in done.stderr


def test_a_faulty_file_is_told_with_its_line(run, folder):
    write_profiles(folder, '[profiles.a]\napi = "http://h"\nkye = "secret"\n')
    done = run("version")
    assert done.returncode == 2
    assert "profile.toml:3: profiles.a.kye: unknown key" in done.stderr
    assert "secret" not in done.stderr


def test_a_redirect_is_not_followed(run, impostor):
    done = run("version", "--api", impostor(b"", 302).address, env={"SECBEAT_KEY": "mine"})
    assert done.returncode == 3


def test_changes_carry_a_request_id(run, impostor):
    server = impostor({"success": True, "rolled_back_to": "v1", "from_version": "v2", "name": "waf", "reason": "r", "workers": {}})
    assert run("rollback", "--api", server.address).returncode == 0
    assert server.requests[-1][0] == "POST"
    assert server.requests[-1][2]["X-Request-Id"].startswith("cli-")
