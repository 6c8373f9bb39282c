"""secbeat new-rule, and what it leaves alone."""

import json

import pytest

FILES = ["CMakeLists.txt", "no_git.cpp", "rule-tests.json", "README.md", ".gitignore"]


def test_a_project_is_made_for_the_name(run, folder):
    done = run("new-rule", "no-git", cwd=folder)
    assert done.returncode == 0, done
    assert sorted(path.name for path in (folder / "no-git").iterdir()) == sorted(FILES)
    assert "\n  cd no-git\n  cmake -B build" in done.stdout and "reload build/no-git.wasm\n" in done.stdout, done.stdout
    for path in (folder / "no-git").iterdir():
        text = path.read_text()
        assert not any(word in text for word in ("@NAME@", "@FILE@", "@CLANG@")) and str(folder) not in text, path


def test_programs_get_the_same_as_json(run, folder):
    (folder / "empty").mkdir()
    done = run("new-rule", "no-git", "--json", "--dir", folder / "empty", env={"PATH": "/usr/bin"})
    told = json.loads(done.stdout)
    assert (told["name"], told["folder"], sorted(told["files"])) == ("no-git", str(folder / "empty"), sorted(FILES))
    assert "-DCMAKE_PREFIX_PATH=" in told["next"][1], told


def test_what_is_there_stays(run, folder):
    mine = folder / "no-git" / "mine"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = run("new-rule", "no-git", cwd=folder)
    assert done.returncode == 2 and "not empty; choose another folder with --dir" in done.stderr, done
    assert [path.name for path in mine.parent.iterdir()] == ["mine"]
    done = run("new-rule", "no-git", "--dir", mine)
    assert done.returncode == 2 and "is no folder" in done.stderr and mine.read_text() == "mine", done
    (folder / "nowhere").symlink_to(folder / "gone")
    assert run("new-rule", "no-git", "--dir", folder / "nowhere").returncode == 2
    assert not (folder / "gone").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a b", ".x", "_x", "x" * 65, "ä", "a/b", "a;b", "$(a)", "a\nb"])
def test_a_name_that_no_module_can_have_is_refused(run, folder, name):
    done = run("new-rule", name, cwd=folder)
    assert done.returncode == 2 and "cannot be a module's name" in done.stderr, done
    assert list(folder.iterdir()) == []
